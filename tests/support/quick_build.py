"""Building the fixture's runtime again and again. Rule: what is remembered is pure; no test sees another one's state.

Most of a start is pydantic making models of signatures. They are the same each time for the same functions.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from mcp_runtime.authoring.registration import registrar
from mcp_runtime.authoring.registration.arguments import Arguments
from mcp_runtime.authoring.registration.signatures import Signature
from mcp_runtime.config.limits import Limits

_remembered: dict[tuple[Any, ...], Arguments] = {}


def _arguments(signature: Signature, limits: Limits) -> Arguments:
    parameters = tuple((name, str(parameter)) for name, parameter in signature.parameters.items())
    key = (signature.name, parameters, limits)
    if key not in _remembered:
        _remembered[key] = Arguments(signature, limits)
    return _remembered[key]


@contextmanager
def quick_build() -> Generator[None, None, None]:
    """Build runtimes of the fixture plugin faster within the block."""
    setattr(registrar, "Arguments", _arguments)  # noqa: B010  # mypy takes the plain form for a new type
    try:
        yield
    finally:
        setattr(registrar, "Arguments", Arguments)  # noqa: B010

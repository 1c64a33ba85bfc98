"""The signature of a function: its shape, as clients will see it. Rule: one that cannot be described is refused."""

import inspect
import re
import typing
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.handlers.context import Context
from mcp_runtime.core.handlers.sync_context import SyncContext

_SECTIONS: Final = re.compile(r"[:@]|^-{3}", re.MULTILINE)
"""Every style of docstring has one of these where it describes a parameter."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of a handler: its name, its parameters, what it returns, and how it is to be called."""

    name: str
    parameters: dict[str, inspect.Parameter]
    """All but the context."""
    hints: dict[str, Any]
    """The type of each parameter, and of "return", where they are annotated."""
    context_parameter: str | None
    is_async: bool
    is_positional: bool
    """Whether it takes no context, and all of its parameters also without their names."""
    summary: str | None
    """The docstring, without its descriptions of parameters."""
    parameter_docs: dict[str, str]

    @property
    def returns(self) -> Any:
        """The return annotation; `inspect.Signature.empty` where there is none."""
        return self.hints.get("return", inspect.Signature.empty)


def read_signature(fn: Callable[..., Any]) -> Signature:
    """The signature of `fn`, type hints resolved. Raises PluginError naming what cannot be served."""
    target = _unwrap(fn)
    name = getattr(target, "__name__", type(fn).__name__)
    try:
        hints = typing.get_type_hints(target, include_extras=True)
        parameters = dict(inspect.signature(fn).parameters)
    except (AttributeError, NameError, SyntaxError, TypeError, ValueError) as error:
        raise PluginError(f"{name}: its type hints cannot be resolved: {error}") from None
    is_async = inspect.iscoroutinefunction(target)
    context_parameter = _find_context(name, parameters, hints, is_async=is_async)
    if context_parameter is not None:
        del parameters[context_parameter]
    _refuse_unnamed(name, parameters)
    summary, docs = _read_docstring(target)
    return Signature(
        name=name,
        parameters=parameters,
        hints=hints,
        context_parameter=context_parameter,
        is_async=is_async,
        is_positional=context_parameter is None and _takes_positions(fn, parameters),
        summary=summary,
        parameter_docs=docs,
    )


def _takes_positions(fn: Callable[..., Any], parameters: dict[str, inspect.Parameter]) -> bool:
    """Whether names may be left out. One with the signature of another function, or a made one, may insist on them."""
    is_itself = (inspect.isfunction(fn) or inspect.ismethod(fn)) and not hasattr(fn, "__wrapped__")
    is_itself = is_itself and not hasattr(fn, "__signature__")
    return is_itself and all(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters.values())


def _unwrap(fn: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(fn, partial):
        fn = fn.func
    if inspect.isfunction(fn) or inspect.ismethod(fn) or inspect.isclass(fn) or inspect.isbuiltin(fn):
        return fn
    return type(fn).__call__


def _find_context(
    name: str, parameters: dict[str, inspect.Parameter], hints: dict[str, Any], *, is_async: bool
) -> str | None:
    found = [key for key in parameters if hints.get(key) in (Context, SyncContext)]
    if len(found) > 1:
        raise PluginError(f"{name}: only one parameter can be the context, not {' and '.join(found)}")
    if not found:
        return None
    if is_async != (hints[found[0]] is Context):
        right = "Context" if is_async else "SyncContext"
        raise PluginError(f"{name}: {'an async' if is_async else 'a plain'} function takes {right}, not the other one")
    return found[0]


def _refuse_unnamed(name: str, parameters: dict[str, inspect.Parameter]) -> None:
    for parameter in parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise PluginError(f"{name}: parameter {parameter} has no name that a client could use")


def _read_docstring(fn: Callable[..., Any]) -> tuple[str | None, dict[str, str]]:
    text = inspect.getdoc(fn)
    if not text:
        return None, {}
    if not _SECTIONS.search(text):
        return text.strip(), {}
    import docstring_parser  # for those who describe parameters

    try:
        parsed = docstring_parser.parse(text)
    except (docstring_parser.ParseError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return text, {}  # Whatever trips the parser up is still a description.
    docs = {item.arg_name: item.description.strip() for item in parsed.params if item.description}
    return (parsed.description or "").strip() or None, docs

"""The fields that every log event of a call carries. Rule: a call that logs nothing pays one ContextVar for them."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Final

CallFields = Callable[[], Mapping[str, object]]

_NONE: Final[Mapping[str, object]] = MappingProxyType({})
_fields: Final[ContextVar[CallFields | None]] = ContextVar("mcp_runtime_call_fields", default=None)


def bind(fields: CallFields) -> Token[CallFields | None]:
    """From here on, in this task and the tasks and threads it starts, events carry what `fields()` returns.

    `fields` is called for each event that is written, so it must be quick and must not fail. Binding again replaces it;
    `unbind` with the token puts back what was there.
    """
    return _fields.set(fields)


def unbind(token: Token[CallFields | None]) -> None:
    """Undo the `bind` that gave `token`, in the same task."""
    _fields.reset(token)


def forget() -> None:
    """From here on, in this task, events carry nothing: it may go on, and not hold the call that it has served."""
    _fields.set(None)


def current_fields() -> Mapping[str, object]:
    """The fields of the current call; empty outside of one."""
    fields = _fields.get()
    return _NONE if fields is None else fields()

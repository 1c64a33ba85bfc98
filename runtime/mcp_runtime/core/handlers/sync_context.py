"""The context of a handler that runs in a worker thread. Rule: every method is the async one, waited for."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio.from_thread

from mcp_runtime.core.handlers.context import Ask, Context
from mcp_runtime.core.handlers.elicitation_forms import Elicitation
from mcp_runtime.protocol.content import CreateMessageResult, Root, SamplingMessage
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.protocol.meta import ClientCapabilities, Implementation, LoggingLevel, MetaObject, TraceContext
from mcp_runtime.telemetry.labels import TransportName

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")


class SyncContext:
    """As Context, for plain functions: the same names, blocking.

    For several questions at once, use an async handler.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def request_id(self) -> RequestId:
        """See Context."""
        return self._context.request_id

    @property
    def method(self) -> str:
        """See Context."""
        return self._context.method

    @property
    def protocol_version(self) -> str:
        """See Context."""
        return self._context.protocol_version

    @property
    def client_info(self) -> Implementation | None:
        """See Context."""
        return self._context.client_info

    @property
    def client_capabilities(self) -> ClientCapabilities:
        """See Context."""
        return self._context.client_capabilities

    @property
    def principal(self) -> str | None:
        """See Context."""
        return self._context.principal

    @property
    def transport(self) -> TransportName:
        """See Context."""
        return self._context.transport

    @property
    def meta(self) -> MetaObject:
        """See Context."""
        return self._context.meta

    @property
    def trace(self) -> TraceContext:
        """See Context."""
        return self._context.trace

    @property
    def log(self) -> "FilteringBoundLogger":
        """See Context."""
        return self._context.log

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """See Context."""
        anyio.from_thread.run(self._context.progress, progress, total, message)

    def message(self, level: LoggingLevel, data: object, logger: str | None = None) -> None:
        """See Context."""
        anyio.from_thread.run(self._context.message, level, data, logger)

    def close_stream(self) -> None:
        """See Context."""
        anyio.from_thread.run(self._context.close_stream)

    def require(
        self, *, elicitation: bool = False, elicitation_url: bool = False, sampling: bool = False, roots: bool = False
    ) -> None:
        """See Context."""
        self._context.require(elicitation=elicitation, elicitation_url=elicitation_url, sampling=sampling, roots=roots)

    @overload
    def elicit(self, message: str, form: type[T], *, key: str | None = None) -> Elicitation[T]: ...
    @overload
    def elicit(self, message: str, form: dict[str, Any], *, key: str | None = None) -> Elicitation[dict[str, Any]]: ...

    def elicit(self, message: str, form: Any, *, key: str | None = None) -> Elicitation[Any]:
        """See Context."""
        return _wait(self._context.elicit(message, form, key=key))

    def elicit_url(self, message: str, url: str, *, key: str | None = None) -> Elicitation[None]:
        """See Context."""
        return _wait(self._context.elicit_url(message, url, key=key))

    def sample(
        self, messages: str | Sequence[SamplingMessage], *, max_tokens: int, key: str | None = None, **options: Any
    ) -> CreateMessageResult:
        """See Context; `options` are its keyword arguments."""
        return _wait(self._context.sample(messages, max_tokens=max_tokens, key=key, **options))

    def roots(self, *, key: str | None = None) -> list[Root]:
        """See Context."""
        return _wait(self._context.roots(key=key))

    def memo(self, key: str, fn: Callable[[], T]) -> T:
        """See Context; `fn` runs in this same thread."""
        return self._context.memo_here(key, fn)


def _wait(ask: Ask[T]) -> T:
    return ask.answer()

"""The context of a plain function, which runs in a worker thread. Rule: every method is the async one, waited for."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, Unpack, overload

import anyio.from_thread

from mcp_runtime.core.handlers.context import Ask, Context
from mcp_runtime.core.handlers.elicitation_forms import Elicitation
from mcp_runtime.core.handlers.request_facts import RequestFacts
from mcp_runtime.core.handlers.sampling import SamplingOptions
from mcp_runtime.protocol.content import CreateMessageResult, Root, SamplingMessage
from mcp_runtime.protocol.meta import LoggingLevel

T = TypeVar("T")


class SyncContext(RequestFacts):
    """As Context, for plain functions: the same names, blocking.

    For several questions at once, use an async handler.
    """

    def __init__(self, context: Context) -> None:
        self._call = context._call  # noqa: SLF001  # the same facts, of the same family
        self._context = context

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """See Context."""
        anyio.from_thread.run(self._context.progress, progress, total, message)

    def message(self, level: LoggingLevel, data: object, logger: str | None = None) -> None:
        """See Context."""
        anyio.from_thread.run(self._context.message, level, data, logger)

    def close_stream(self) -> None:
        """See Context."""
        anyio.from_thread.run(self._context.close_stream)

    @overload
    def elicit(self, message: str, form: type[T], *, key: str | None = None) -> Elicitation[T]: ...
    @overload
    def elicit(self, message: str, form: dict[str, Any], *, key: str | None = None) -> Elicitation[dict[str, Any]]: ...

    def elicit(self, message: str, form: Any, *, key: str | None = None) -> Elicitation[Any]:
        """See Context."""
        ask: Ask[Elicitation[Any]] = self._context.elicit(message, form, key=key)
        return ask.answer()

    def elicit_url(self, message: str, url: str, *, key: str | None = None) -> Elicitation[None]:
        """See Context."""
        return self._context.elicit_url(message, url, key=key).answer()

    def sample(
        self,
        messages: str | Sequence[SamplingMessage],
        *,
        max_tokens: int,
        key: str | None = None,
        **options: Unpack[SamplingOptions],
    ) -> CreateMessageResult:
        """See Context."""
        return self._context.sample(messages, max_tokens=max_tokens, key=key, **options).answer()

    def roots(self, *, key: str | None = None) -> list[Root]:
        """See Context."""
        return self._context.roots(key=key).answer()

    def memo(self, key: str, fn: Callable[[], T]) -> T:
        """See Context; `fn` runs in this same thread."""
        return self._context.memo_here(key, fn)

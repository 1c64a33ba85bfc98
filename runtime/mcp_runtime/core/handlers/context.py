"""The context: one handler's way to talk to its client while it runs. Rule: a question is asked in a straight line.

How the question travels is not the handler's business. Spec: 2026-07-28/basic/patterns
"""

import inspect
import math
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Generic, TypeVar, Unpack, cast, overload
from urllib.parse import urlsplit

import anyio.lowlevel
import msgspec
from msgspec import UNSET

from mcp_runtime.core.calls.call import Call
from mcp_runtime.core.calls.errors import PluginError
from mcp_runtime.core.calls.rounds import Question, Rounds
from mcp_runtime.core.handlers.elicitation_forms import Elicitation, Form, form_of_schema, form_of_type, read_url_answer
from mcp_runtime.core.handlers.notices import Notices
from mcp_runtime.core.handlers.request_facts import RequestFacts
from mcp_runtime.core.handlers.sampling import CreateMessageRequestParams, SamplingOptions, check_conversation
from mcp_runtime.protocol.content import CreateMessageResult, ListRootsResult, Root, SamplingMessage, TextContent
from mcp_runtime.protocol.errors import missing_capability
from mcp_runtime.protocol.json_types import is_object
from mcp_runtime.protocol.messages import LoggingMessageNotificationParams, ProgressNotificationParams
from mcp_runtime.protocol.meta import LOGGING_LEVELS, LoggingLevel

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class Ask(Generic[T]):
    """A question not yet put. Await it for the answer, or give several to `Context.gather`."""

    def __init__(self, rounds: Rounds, question: Question[T]) -> None:
        self._rounds = rounds
        self.question = question

    def answer(self) -> T:
        """The answer, where it is known; otherwise this ends the call with the question."""
        return self._rounds.answer(self.question)

    def __await__(self) -> Generator[Any, None, T]:
        yield from ()  # A generator is what await wants; nothing is ever waited for.
        return self.answer()


class Context(RequestFacts):
    """The context of one call: the request a handler serves, and the ways to talk back. Useless once it is done.

    Questions (`elicit`, `sample`, `roots`) end the call where the answer is not known yet; the client's retry runs the
    handler again from the top. Wrap what must not run twice in `memo`. Cancelled when the client goes away.
    """

    def __init__(self, call: Call, rounds: Rounds) -> None:
        self._call = call
        self._rounds = rounds
        self._progress = float("-inf")
        self._keys: set[str] = set()
        self._finished = False
        self._notices: Notices | None = None

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the client how far the work is. Sent only if it asked, and only when `progress` grew.

        Past `limits.max_notifications_per_second` the latest is held until there is room, or the call is over.
        Spec: 2026-07-28/basic/patterns/progress#progress-flow
        """
        token = self._call.meta.progress_token
        if token is UNSET or self._is_over or not self._progress < progress < math.inf:
            # A handler that only reports must still be stoppable, and must let others run.
            await anyio.lowlevel.checkpoint()
            return
        self._progress = progress
        params = ProgressNotificationParams(
            progress_token=token,
            progress=progress,
            total=UNSET if total is None or not math.isfinite(total) else total,
            message=UNSET if message is None else message,
        )
        if not await self._noticed.progress(params):
            await anyio.lowlevel.checkpoint()

    async def message(self, level: LoggingLevel, data: object, logger: str | None = None) -> None:
        """Send the client a log message: any JSON `data`. Sent only if it asked for this level or a lower one.

        Past `limits.max_notifications_per_second` it is left out, and the client is told how many were.
        Spec: 2026-07-28/server/utilities/logging#per-request-log-level
        """
        wanted = self._call.meta.log_level
        if wanted is UNSET or self._is_over or _is_below(level, wanted):
            await anyio.lowlevel.checkpoint()  # As in `progress`.
            return
        params = LoggingMessageNotificationParams(level=level, data=data, logger=UNSET if logger is None else logger)
        if not await self._noticed.message(params):
            await anyio.lowlevel.checkpoint()

    @property
    def _noticed(self) -> Notices:
        """Made for calls that report."""
        if self._notices is None:
            self._notices = Notices(self._call, self._rounds.limits.max_notifications_per_second)
        return self._notices

    async def close_stream(self) -> None:
        """Let the connection go while the work goes on; the client comes back for what it missed, and the result.

        For long work behind proxies that cut connections. Does nothing where a client cannot come back: that takes
        revision 2025-11-25 over HTTP. Spec: 2025-11-25/basic/transports#sending-messages-to-the-server
        """
        close = self._call.close_stream
        if close is None or self._is_over:
            await anyio.lowlevel.checkpoint()  # As in `progress`.
        else:
            await close()

    @overload
    def elicit(self, message: str, form: type[T], *, key: str | None = None) -> "Ask[Elicitation[T]]": ...
    @overload
    def elicit(
        self, message: str, form: dict[str, Any], *, key: str | None = None
    ) -> "Ask[Elicitation[dict[str, Any]]]": ...

    def elicit(self, message: str, form: Any, *, key: str | None = None) -> "Ask[Elicitation[Any]]":
        """Ask the user to fill in a form: a flat pydantic model, dataclass or TypedDict, or a `requestedSchema`.

        `key` names the question in `inputRequests`; by default they are numbered. An answer counts for this message
        and form alone: keep in a `memo` what in them would be another in the next round. Raises PeerError -32021 where
        the client cannot ask, PluginError where the form is not flat. Never ask for secrets this way: use `elicit_url`.
        Spec: 2026-07-28/client/elicitation#form-mode-elicitation-requests
        """
        self.require(elicitation=True)
        limits = self._rounds.limits
        made: Form[Any] = form_of_schema(form, limits) if is_object(form) else form_of_type(form, limits)
        params = {"mode": "form", "message": message, "requestedSchema": made.schema}
        return self._ask(key, "elicitation/create", params, made.read)

    def elicit_url(self, message: str, url: str, *, key: str | None = None) -> "Ask[Elicitation[None]]":
        """Ask the user to open `url`. An accepted answer means they agreed to, not that they are done there.

        Spec: 2026-07-28/client/elicitation#url-mode-elicitation-requests
        """
        self.require(elicitation_url=True)
        if not _is_url(url):
            raise PluginError(f"elicit_url needs an absolute URL, not {url!r}")
        return self._ask(key, "elicitation/create", {"mode": "url", "message": message, "url": url}, read_url_answer)

    def sample(
        self,
        messages: str | Sequence[SamplingMessage],
        *,
        max_tokens: int,
        key: str | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Ask[CreateMessageResult]:
        """Ask the client's model. Deprecated by the specification, at least until 2027-07-28.

        Spec: 2026-07-28/client/sampling#creating-messages
        """
        self.require(sampling=True)
        self._require_sampling_tools(options.get("tools"))
        if isinstance(messages, str):
            messages = [SamplingMessage("user", TextContent(messages))]
        check_conversation(messages)
        params = CreateMessageRequestParams(messages=list(messages), max_tokens=max_tokens, **options)
        return self._ask(key, "sampling/createMessage", params, _sample_decoder.decode)

    def _require_sampling_tools(self, tools: object) -> None:
        declared = self.client_capabilities.sampling
        if tools is not None and (declared is UNSET or declared.tools is UNSET):
            raise missing_capability({"sampling": {"tools": {}}})

    def roots(self, *, key: str | None = None) -> Ask[list[Root]]:
        """Ask which directories the client opened. Deprecated by the specification, at least until 2027-07-28.

        Spec: 2026-07-28/client/roots#listing-roots
        """
        self.require(roots=True)
        return self._ask(key, "roots/list", {}, lambda raw: _roots_decoder.decode(raw).roots)

    def _ask(self, key: str | None, method: str, params: object, read: Callable[[msgspec.Raw], T]) -> Ask[T]:
        request = {"method": method, "params": params}
        name = self._rounds.key_of(request, self._keys) if key is None else key
        if name in self._keys:
            raise PluginError(f"two questions of one call share the key {name!r}")
        self._keys.add(name)
        self._call.asked.append(method)

        def noted(raw: msgspec.Raw) -> T:
            value = read(raw)
            self._call.answered.append(getattr(value, "action", "answered"))
            return value

        return Ask(self._rounds, Question(key=name, request=request, read=noted))

    @overload
    async def gather(self, a: Ask[A], /) -> tuple[A]: ...
    @overload
    async def gather(self, a: Ask[A], b: Ask[B], /) -> tuple[A, B]: ...
    @overload
    async def gather(self, a: Ask[A], b: Ask[B], c: Ask[C], /) -> tuple[A, B, C]: ...
    @overload
    async def gather(self, a: Ask[A], b: Ask[B], c: Ask[C], d: Ask[D], /) -> tuple[A, B, C, D]: ...

    async def gather(self, *asks: Ask[Any]) -> tuple[Any, ...]:
        """Put several questions in one round; their answers in the same order."""
        answers = self._rounds.answer_all({ask.question.key: ask.question for ask in asks})
        return tuple(answers[ask.question.key] for ask in asks)

    async def memo(self, key: str, fn: Callable[[], T] | Callable[[], Awaitable[T]]) -> T:
        """The value of `fn()`, computed once over all rounds of this call and carried in the sealed request state.

        The value must be JSON and comes back as JSON gives it (a tuple as a list). What it costs is bounded by
        `limits.max_request_state_bytes`; past it, ToolError.
        """
        kept = self._rounds.recall(key)
        if kept is None:
            value = fn()
            kept = self._rounds.store(key, await value if inspect.isawaitable(value) else value)
        return cast("T", msgspec.json.decode(kept))

    def memo_here(self, key: str, fn: Callable[[], T]) -> T:
        """`memo` for a plain function, in the caller's own thread."""
        kept = self._rounds.recall(key)
        return cast("T", msgspec.json.decode(self._rounds.store(key, fn()) if kept is None else kept))

    @property
    def _is_over(self) -> bool:
        """Whether nothing may be sent for this call any more. Spec: 2026-07-28/basic/patterns/cancellation"""
        return self._finished or self._call.abandoned

    async def say_rest(self) -> None:
        """Send what was held back of progress and log messages, before the answer. Called by the runtime."""
        if self._notices is not None:
            await self._notices.say_rest()

    def finish(self) -> None:
        """The handler returned: nothing may be sent for this call any more. Called by the runtime."""
        self._finished = True


_sample_decoder = msgspec.json.Decoder(CreateMessageResult)
_roots_decoder = msgspec.json.Decoder(ListRootsResult)


def _is_below(level: LoggingLevel, wanted: LoggingLevel) -> bool:
    return LOGGING_LEVELS.index(level) < LOGGING_LEVELS.index(wanted)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and text.isascii() and text.isprintable() and " " not in text


def call_of(context: Context) -> Call:
    """The call that a context is of. For the runtime: authors have the facts of the request, and no more."""
    return context._call  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # no attribute for authors

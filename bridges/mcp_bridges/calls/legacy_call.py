"""A call of an old client, from its first to its last round. Rule: the dispatcher is called as often as it takes.

A call that ends as `input_required` is not over for an old client: it is asked over its own stream, and its answers go
into the next call. So one handler serves both eras.
Spec: 2026-07-28/basic/patterns/mrtr, 2025-11-25/client/elicitation
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, cast

import anyio
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from mcp_bridges.calls.growing_progress import GrowingProgress
from mcp_bridges.calls.services import LegacyServices, client_key
from mcp_bridges.gate.port import LegacyClient
from mcp_bridges.gate.refusals import RefusedError
from mcp_bridges.revisions.client_requests import UnaskableError, UnusableResultError, answer_from, question_for
from mcp_bridges.revisions.translation import at_least, error_for, notification_for, result_for
from mcp_bridges.sessions.session import Session, stateless, with_answers
from mcp_runtime.core.calls.call import Call, CloseStream, Notify, Reply
from mcp_runtime.core.calls.time_limit import TimeLimit
from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.platform.loops import new_scope
from mcp_runtime.protocol.errors import INTERNAL_ERROR, PeerError
from mcp_runtime.protocol.json_types import is_object
from mcp_runtime.protocol.jsonrpc import (
    Request,
    Response,
    encode_error,
    encode_json,
    encode_notification,
    encode_result,
)
from mcp_runtime.protocol.messages import read_request
from mcp_runtime.protocol.meta import LoggingLevel
from mcp_runtime.telemetry.labels import OutcomeName, TransportName

Ask = Callable[[str], AbstractAsyncContextManager[Callable[[], Awaitable[Response]]]]
"""Makes ready for the answer to the question with this id; inside, there is a function that waits for it."""

KEEP_STATUS: Final = frozenset({429, 503})
"""Statuses that say "not now". Every other answer travels as 200: old clients read no JSON-RPC error off the rest."""


class _Outcome(Struct):
    """A response as the dispatcher encoded it: it has an error, or else a result."""

    result: Raw = Raw(b"{}")
    error: Raw | UnsetType = UNSET


class _Head(Struct, rename="camel"):
    result_type: str = "complete"
    input_requests: dict[str, Any] = {}
    request_state: str | None = None


_outcome_decoder: Final = msgspec.json.Decoder(_Outcome)
_head_decoder: Final = msgspec.json.Decoder(_Head)
_object_decoder: Final = msgspec.json.Decoder(dict[str, Any])


_UNREADABLE: Final = (msgspec.DecodeError, RecursionError)
"""Errors of the decoder, also for JSON that is well-formed and yet more than Python holds: 1e999."""


class _UnansweredError(Exception):
    """The client was asked and gave nothing to go on with; the text says why."""


class LegacyCall(msgspec.Struct, kw_only=True, eq=False):
    """A request at work. `notify` and `ask` reach the client on the request's own stream.

    `close_stream` lets go of that stream's connection, where the client would come back. `http_headers` are those that
    the request came with.
    `time` limits each round anew. It comes with the scope of the first one, to be entered here or lent: where the round
    is cut off in a scope that was lent, whoever has set its `conclude` asks `cut_off`.
    """

    services: LegacyServices
    session: Session
    client: LegacyClient
    request: Request
    transport: TransportName
    log_level: LoggingLevel
    notify: Notify
    ask: Ask
    time: TimeLimit
    close_stream: CloseStream | None = None
    http_headers: Mapping[bytes, bytes] | None = None
    abandoned: bool = False
    _at_work: Call | None = None
    _last: Call | None = None
    """The round that was begun last."""
    _began: float = 0.0
    _progress: GrowingProgress = msgspec.field(default_factory=GrowingProgress)

    def abandon(self) -> None:
        """The client gave up: stop, and answer nothing."""
        self.abandoned = True
        if self._at_work is not None:
            self._at_work.abandoned = True
        self.time.cutter.cancel()

    async def run(self) -> Reply | None:
        """The response in the session's revision, None where the client gave up."""
        self._began = self.time.began
        return self._counted(await self._run())

    def cut_off(self) -> Reply | None:
        """The answer that `run` would have come to, had it not been cut off in the scope that was lent."""
        answer = self.services.dispatcher.cut_off(cast("Call", self._at_work))
        return self._counted(cast("Reply", self._settled(answer)) if isinstance(answer, Reply) else None)

    def _counted(self, reply: Reply | None) -> Reply | None:
        observer, last = self.services.observer, self._last
        self._last = None  # It knows this call: the two would wait for the collector.
        if observer is not None:
            observer.served(last or self._call(self.request), reply, self._began)
        return reply

    async def _run(self) -> Reply | None:
        request = self.request
        while not self.abandoned:
            reply = await self._dispatch(request)
            if reply is None:
                return None
            settled = self._settled(reply)
            if isinstance(settled, Reply):
                return settled
            try:
                with self._begin_anew():
                    answers = await self._ask_all(settled.input_requests)
                    params = with_answers(self.request.params, answers, settled.request_state)
                    request = read_request(request.id, request.method, params)
            except _UnansweredError as error:
                return self._fail(str(error))
            self._begin_anew()
        return None

    def _begin_anew(self) -> anyio.CancelScope:
        """A scope of its own for what comes next, which takes time from here on, and has no limit yet."""
        time, scope = self.time, new_scope()
        time.lift()
        time.began, time.cutter = time.now(), scope
        return scope

    def _settled(self, reply: Reply) -> "Reply | _Head":
        """`reply` in the session's revision, or what it wants to know first."""
        try:
            outcome = _outcome_decoder.decode(reply.body)
            if isinstance(outcome.error, Raw):
                return self._error(reply, outcome.error)
            head = _head_decoder.decode(outcome.result)
            return head if head.result_type == "input_required" else self._result(outcome.result, reply.outcome)
        except Exception as error:  # noqa: BLE001  # as in `Dispatcher.dispatch`: one call falls over, not its conversation
            problem = self.services.dispatcher.internal_error(error)
            return Reply(body=encode_error(self.request.id, problem), outcome="error")

    async def _dispatch(self, request: Request) -> Reply | None:
        """One round, in the scope that it may be cut off in."""
        dispatcher, scope = self.services.dispatcher, self.time.cutter
        self._at_work = self._last = call = self._call(request)
        if isinstance(scope, LentScope):
            answer = await dispatcher.dispatch(call)
            await scope.give_back()
        else:
            answer = await dispatcher.dispatch_within(cast("anyio.CancelScope", scope), call)
        self._at_work = None
        return answer if isinstance(answer, Reply) else None

    def _call(self, request: Request) -> Call:
        return Call(
            request=stateless(request, self.session, self.log_level),
            transport=self.transport,
            notify=self._notify_in_revision(),
            principal=self.client.principal,
            peer=self.client.peer,
            close_stream=self.close_stream,
            http_headers=self.http_headers,
            time=self.time,
            spoken=self.session.revision,
        )

    def _notify_in_revision(self) -> Notify:
        async def notify(message: bytes) -> None:
            if self._progress.is_news(message):
                translated = _translated(message, self.session.revision)
                if translated is not None:
                    await self.notify(translated)

        return notify

    async def _ask_all(self, questions: dict[str, Any]) -> dict[str, Any]:
        """One question after the other: old clients put them to a user, who answers one at a time."""
        if not questions:
            return {}
        waiting, client = self.services.waiting, client_key(self.client)
        if not waiting.take(client):
            full = waiting.held >= waiting.total
            what = f"{waiting.total} answers of clients already" if full else "all answers of this client that it may"
            raise _UnansweredError(f"The server waits for {what}; try again")
        try:
            return {key: await self._ask_one(question) for key, question in questions.items()}
        finally:
            waiting.give_back(client)

    async def _ask_one(self, question: dict[str, Any]) -> dict[str, Any]:
        services, revision = self.services, self.session.revision
        timeout_s = services.config.bridges.clients.answer_timeout_s
        try:
            translated = question_for(question, revision, elicitation_id=services.new_id)
        except UnaskableError as error:
            raise _UnansweredError(f"This client cannot be asked: {error}") from None
        method = translated["method"]
        self._pass_gate(method)
        question_id = services.new_id()
        response: Response | None = None
        async with self.ask(question_id) as answer:
            await self.notify(_encode_request(question_id, translated))
            with anyio.move_on_after(timeout_s):
                response = await answer()
        if response is None:
            why = f"The client did not answer {method} within {timeout_s:g} s"
            cancelled = {"requestId": question_id, "reason": why}
            await self.notify(encode_notification("notifications/cancelled", cancelled))
            raise _UnansweredError(why)
        return _read_answer(method, response, revision)

    def _pass_gate(self, method: str) -> None:
        try:
            self.services.check_method(self.client, self.session.revision, method)
        except RefusedError as error:
            raise _UnansweredError(error.message) from None

    def _result(self, raw: Raw, outcome: OutcomeName) -> Reply:
        result = result_for(self.request.method, _object_decoder.decode(raw), self.session.revision)
        return Reply(body=encode_result(self.request.id, result), outcome=outcome)

    def _error(self, reply: Reply, raw: Raw) -> Reply:
        error = error_for(self.request.method, _object_decoder.decode(raw), self.session.revision)
        status = reply.status if reply.status in KEEP_STATUS else 200
        return Reply(
            body=_encode_error_object(self.request.id, error),
            status=status,
            retry_after_s=reply.retry_after_s,
            outcome=reply.outcome,
        )

    def _fail(self, text: str) -> Reply:
        """As the dispatcher has it: tools fail in a result that the model can read, everything else in an error."""
        if self.request.method == "tools/call":
            result = {"content": [{"type": "text", "text": text}], "isError": True}
            return Reply(body=encode_result(self.request.id, result), outcome="tool_error")
        return Reply(body=encode_error(self.request.id, PeerError(INTERNAL_ERROR, text)), outcome="error")


def _translated(notification: bytes, revision: str) -> bytes | None:
    """A notification in an older revision, None where that has no such thing."""
    if at_least(revision, "2025-03-26"):
        return notification  # They travel as they are.
    decoded = _object_decoder.decode(notification)
    params = notification_for(decoded["method"], decoded["params"], revision)
    return None if params is None else encode_notification(decoded["method"], params)


def _read_answer(method: str, response: Response, revision: str) -> dict[str, Any]:
    if isinstance(response.error, Raw):
        raise _UnansweredError(f"The client answered {method} with an error: {_message_of(response.error)}")
    try:
        return answer_from(method, msgspec.json.decode(response.result or b"null"), revision)
    except (UnusableResultError, *_UNREADABLE) as error:
        raise _UnansweredError(f"The client's answer to {method} is of no use: {error}") from None


def _message_of(error: Raw) -> str:
    try:
        decoded = msgspec.json.decode(error)
    except _UNREADABLE:
        decoded = None
    message = decoded.get("message") if is_object(decoded) else None
    return message if isinstance(message, str) and message else "it gave no reason"


def _encode_request(request_id: str, request: dict[str, Any]) -> bytes:
    return encode_json({"jsonrpc": "2.0", "id": request_id, **request})


def _encode_error_object(request_id: int | str, error: dict[str, Any]) -> bytes:
    return encode_json({"jsonrpc": "2.0", "id": request_id, "error": error})

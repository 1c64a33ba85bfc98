"""The dispatcher: routes a call to its handler. Rule: only this file makes an answer of what a handler does.

Start reading here: a transport makes a Call, `dispatch` checks it against the protocol, finds its method in the table,
runs it under a deadline and returns the encoded answer.
"""

import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final, cast

import anyio
from msgspec import UNSET, Raw, Struct

from mcp_runtime.core.calls.call import Answer, Call, Reply, Stream
from mcp_runtime.core.calls.errors import ArgumentsError, PluginError, ToolError
from mcp_runtime.core.calls.rounds import InputNeeded
from mcp_runtime.core.calls.subscriptions import Subscription
from mcp_runtime.core.dispatch.methods import METHODS, Method, MethodResult, Services, Work
from mcp_runtime.platform.shares import Shares
from mcp_runtime.protocol.content import TextContent
from mcp_runtime.protocol.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, PeerError, unsupported_version
from mcp_runtime.protocol.headers import check_name, check_standard, version_of
from mcp_runtime.protocol.jsonrpc import RequestId, encode_error, encode_json, encode_result
from mcp_runtime.protocol.messages import REQUESTS, CallToolResult, Result, SubscriptionsListenResult, decode_params
from mcp_runtime.protocol.meta import require
from mcp_runtime.protocol.revisions import MODERN_REVISIONS
from mcp_runtime.telemetry.labels import OutcomeName
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.telemetry.log.log import get_logger

TOOL_CALL: Final = "tools/call"

Serve = Callable[[Call], Coroutine[Any, Any, Answer | None]]
CutOff = Callable[[Call], Answer | None]
Around = Callable[[Call, Serve, CutOff], Awaitable[Answer | None]]
"""Serves a call with the first function, around which it may do more; the second answers one that was cut off."""


class Dispatcher:
    """Serves stateless calls. Holds nothing between them but the number at work.

    `server_meta` is stamped on every result. `incident_id` names failures that only the log explains; injected for
    tests.
    """

    def __init__(
        self,
        services: Services,
        *,
        server_meta: dict[str, Any] | None = None,
        incident_id: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._services = services
        self._server_meta = server_meta
        self._encoded_meta = UNSET if server_meta is None else Raw(encode_json(server_meta))
        self._incident_id = incident_id
        self._at_work = Shares(services.limits.max_concurrent_requests)
        self.dispatch: Serve = self.serve
        """`serve`, inside whatever `trace` put around it: what transports call."""

    def trace(self, around: Around) -> None:
        """From here on every call that is dispatched is served inside `around`."""

        async def traced(call: Call) -> Answer | None:
            try:
                return await around(call, self.serve, self.cut_off)
            except BaseException as error:  # noqa: BLE001  # as in `serve`: a tracer is code that is not ours
                return self._fall_over(call, error)

        self.dispatch = traced

    async def dispatch_within(self, scope: AbstractContextManager[object, bool], call: Call) -> Answer | None:
        """`dispatch` in `scope`, in which the call is cut off, and the answer where it was."""
        try:
            with scope:
                return await self.dispatch(call)
        except BaseException as error:  # a handler may leave a scope of its own open in this one
            if _passes(error):
                raise
            problem = error
            return self._concluded(call, lambda: self._incident(call, problem))
        return self.cut_off(call)

    @property
    def at_work(self) -> int:
        """Calls being served right now."""
        return self._at_work.held

    async def serve(self, call: Call) -> Answer | None:
        """Serve `call`: the answer to send, or None where the client abandoned it and nothing may be sent.

        Never raises but for cancellation from outside. A Stream is the caller's to iterate and to leave.
        """
        outcome: OutcomeName = "refused"
        try:
            call_fields.bind(call.log_fields)
            method, params = self._admit(call)
            outcome = "error"
            return await self._serve(method, call, params)
        except PeerError as error:
            return self._refuse(call, error, outcome)
        except _AbandonedError:
            return None
        except BaseException as error:  # noqa: BLE001  # a bug of ours: this call falls over, not the others on its wire
            return self._fall_over(call, error)

    def _admit(self, call: Call) -> tuple[Method, Struct]:
        """Check everything that can be said against a request before its method runs. Raises PeerError.

        The order is what clients of other revisions need: first what they asked for, then in which revision, then how.
        """
        request, headers = call.request, call.headers
        probe = request.probe
        method = METHODS.get(request.method)
        if method is None:
            named = None if headers is None else version_of(headers)
            if headers is not None and named is not None:
                check_standard(headers, probe.version, None)
            version = named if probe.version is None else probe.version
            self._check_version(MODERN_REVISIONS[0] if version is None else version)
            raise PeerError(METHOD_NOT_FOUND, f"Method not found: {request.method}")
        call.meta = require(probe)
        version = probe.version or ""
        if headers is not None:
            check_standard(headers, version, request.method)
        self._check_version(version)
        params = (
            decode_params(request.params, REQUESTS[request.method].params) if request.typed is None else request.typed
        )
        if headers is not None and method.mirrored_name is not None:
            check_name(headers, method.mirrored_name(params))
        return method, params

    def _check_version(self, version: str) -> None:
        if version not in MODERN_REVISIONS:
            raise unsupported_version(version, self._services.versions)

    async def _serve(self, method: Method, call: Call, params: Struct) -> Answer:
        """The handler boundary: what an author's code raises becomes an answer here and nowhere else.

        Whatever it raises is its own failure and ends its own call, `sys.exit()` too; but for an interruption that came
        from outside. Its values are written in here: they may hold more of its code.
        """
        at_work, client = self._at_work, call.share_key
        if not at_work.take(client):
            raise too_many_requests(at_work.total) if at_work.is_full else past_its_share(at_work.held_by(client))
        work = Work(self._services, call, client)
        try:
            result = await method.serve(work, params)
            if work.context is not None:
                await work.context.say_rest()
            answer = self._answer(call, result)
        except BaseException as error:  # noqa: BLE001  # the one boundary to code that is not ours
            if work.context is not None and not _passes(error):
                await work.context.say_rest()
            answer = self._settle(work, error)
        finally:
            at_work.give_back(client)
        return self._answer(call, self._cut_off(call)) if call.abandoned or call.time.is_over else answer

    def _cut_off(self, call: Call) -> Result:
        """The result of a call that was cut off, or would not be and came to a result all the same."""
        if call.abandoned:
            raise _AbandonedError
        return self._fail(call, f"Timed out after {call.time.timeout_s:g} s")

    def cut_off(self, call: Call) -> Answer | None:
        """What `dispatch` would have answered, had the call not been cut off in the scope around that."""
        return self._concluded(call, lambda: self._cut_off(call))

    def _concluded(self, call: Call, outcome: Callable[[], Result]) -> Answer | None:
        try:
            return self._answer(call, outcome())
        except PeerError as error:
            return self._refuse(call, error)
        except _AbandonedError:
            return None

    def _settle(self, work: Work, error: BaseException) -> Answer:
        """The answer to a call whose handler raised `error`. What fails while that is told, is told in its place."""
        try:
            return self._answer(work.call, self._result_of(work, _single(error)))
        except (PeerError, _AbandonedError):
            raise
        except BaseException as second:  # as in `_serve`: its text and its data are an author's
            if _passes(second):
                raise
            return self._answer(work.call, self._incident(work.call, second))

    def _result_of(self, work: Work, error: BaseException) -> MethodResult:
        if _passes(error):
            raise error
        if work.call.abandoned:
            raise _AbandonedError
        match error:
            case InputNeeded():
                return self._ask(work, error)
            case PeerError():
                raise error
            case ToolError() | ArgumentsError():
                return self._fail(work.call, str(error))
            case _:
                return self._incident(work.call, error)

    def _ask(self, work: Work, needed: InputNeeded) -> MethodResult:
        if work.rounds is None:
            return self._incident(work.call, PluginError(f"{work.call.request.method} cannot ask for input"))
        try:
            return work.rounds.require_input(needed.questions)
        except ToolError as error:
            return self._fail(work.call, str(error))

    def _fall_over(self, call: Call, error: BaseException) -> Reply:
        if _passes(error):
            raise error
        return self._refuse(call, self.internal_error(error))

    def internal_error(self, error: BaseException) -> PeerError:
        """What a client is told of a bug of ours. The log has the rest."""
        return PeerError(INTERNAL_ERROR, self._report(error))

    def _incident(self, call: Call, error: BaseException) -> Result:
        return self._fail(call, self._report(error))

    def _report(self, error: BaseException) -> str:
        """Log `error`; what the client may know of it."""
        incident = self._incident_id()
        get_logger().error("handler_failed", incident=incident, exc_info=error)
        return f"Internal error (incident {incident}; the server's log has the details)"

    def _fail(self, call: Call, text: str) -> Result:
        """Tools fail in a result that the model can read; everything else in a JSON-RPC error."""
        if call.request.method == TOOL_CALL:
            return CallToolResult(content=[TextContent(text)], is_error=True)
        raise PeerError(INTERNAL_ERROR, text)

    def _answer(self, call: Call, result: MethodResult) -> Answer:
        if isinstance(result, CallToolResult):
            body = encode_result(call.request.id, self._stamp(result))
            return Reply(body=body, outcome="tool_error" if result.is_error is True else "ok")
        if isinstance(result, Raw):
            return Reply(body=encode_result(call.request.id, result))
        if isinstance(result, Subscription):
            # A stream may stay open for days; what it was asked with is not to stay with it.
            fields = call.log_fields()
            call_fields.bind(lambda: fields)
            final = SubscriptionsListenResult(meta={**result.meta})
            return Stream(subscription=result, final=encode_result(call.request.id, self._stamp(final)))
        return Reply(body=encode_result(call.request.id, self._stamp(result)))

    def _refuse(self, call: Call, error: PeerError, outcome: OutcomeName = "error") -> Reply:
        try:
            return _refusal(call.request.id, error, outcome)
        except BaseException as unsayable:  # a plugin's error, with what JSON or a header cannot carry
            if _passes(unsayable):
                raise
            code: object = error.code
            told = PeerError(code if type(code) is int else INTERNAL_ERROR, self._report(unsayable))
            return _refusal(call.request.id, told, outcome)

    def _stamp(self, result: Result) -> Result:
        """Who answered goes into every result. Spec: 2026-07-28/basic#meta"""
        if self._server_meta is not None:
            own = result.meta
            result.meta = {**own, **self._server_meta} if isinstance(own, dict) else self._encoded_meta
        return result


def too_many_requests(limit: int) -> PeerError:
    """The answer to a request past `limits.max_concurrent_requests`."""
    return PeerError(
        INTERNAL_ERROR, f"The server has its {limit} requests at work; try again", http_status=503, retry_after_s=1
    )


def past_its_share(held: int) -> PeerError:
    """The answer to a request of a client that has its share of `limits.max_concurrent_requests` at work."""
    # 429, not 503: others are served, and it is this client that has to wait.
    text = f"This client has its share of the server's requests at work, {held} now; try again"
    return PeerError(INTERNAL_ERROR, text, http_status=429, retry_after_s=1)


class _AbandonedError(Exception):
    """The client gave up on the call: there is nobody to answer."""


def _refusal(request_id: RequestId, error: PeerError, outcome: OutcomeName) -> Reply:
    """The reply that is `error`. Raises what its data raises, and TypeError for numbers that are none."""
    for number in (error.code, error.http_status, error.retry_after_s or 0):
        if type(number) is not int:
            raise TypeError(f"a PeerError has numbers for its code, status and seconds, not a {type(number).__name__}")
    body = encode_error(request_id, error)
    return Reply(body=body, status=error.http_status, retry_after_s=error.retry_after_s, outcome=outcome)


def _passes(error: BaseException) -> bool:
    """Whether `error` stops what is around the call as well: it was put into it from outside."""
    if isinstance(error, Exception | InputNeeded):
        return False
    from mcp_runtime.platform.interruptions import is_interruption

    return is_interruption(error)


def _single(error: BaseException) -> BaseException:
    """What a nursery of an author's raised, as if it had been raised without one: the questions before all else."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    from mcp_runtime.platform.interruptions import leaves_of

    group = cast("BaseExceptionGroup[BaseException]", error)
    leaves = leaves_of(group)
    questions = {key: q for leaf in leaves if isinstance(leaf, InputNeeded) for key, q in leaf.questions.items()}
    if questions:
        return InputNeeded(questions)
    # What was cancelled beside a failure has nothing to add; whoever cancelled it is heard at the next checkpoint.
    cancelled = anyio.get_cancelled_exc_class()
    failures = [leaf for leaf in leaves if not isinstance(leaf, cancelled)]
    if not failures:
        return group
    return failures[0] if len(failures) == 1 else group.split(cancelled)[1] or group

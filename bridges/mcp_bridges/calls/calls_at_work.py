"""The calls at work in sessions, for a cancellation to find its own. Rule: first in this process, then everywhere.

A cancellation comes as a request of its own, perhaps at another process than its call. So does the end of a session,
which cancels all that it has at work.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from mcp_bridges.calls.legacy_call import LegacyCall
from mcp_bridges.sessions.session import Session
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.state.port import Bus

CHANNEL: Final = "cancelled"
_MAX_PENDING: Final = 1000
_NONE: Final[Mapping[RequestId, LegacyCall]] = MappingProxyType({})


class _Cancelled(Struct, frozen=True, array_like=True):
    """A cancellation: of the session's request, or with None of all that it has at work."""

    session: str
    request: RequestId | None


_decoder: Final = msgspec.json.Decoder(_Cancelled)


class CallsAtWork:
    """The calls of this process, by session and request id; of a session without any nothing is kept."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._calls: dict[str, dict[RequestId, LegacyCall]] = {}

    def enter(self, session: Session, call: LegacyCall) -> None:
        """`call` is at work, until it is to `leave`. Raises PeerError where its id is in use, or there is no place."""
        calls = self._calls.get(session.id, _NONE)
        if call.request.id in calls:
            raise PeerError(INVALID_REQUEST, "Invalid request: a request with this id is still being served")
        call.services.take_place(call.client, in_session=len(calls))
        self._calls.setdefault(session.id, {})[call.request.id] = call

    def leave(self, session: Session, call: LegacyCall) -> None:
        """`call`, which has entered, is at work no longer."""
        call.services.leave_place(call.client)
        calls = self._calls[session.id]
        del calls[call.request.id]
        if not calls:
            del self._calls[session.id]

    async def cancel(self, session: Session, request_id: RequestId) -> None:
        """Abandon the call, wherever it is at work; one that has ended is no concern of anybody's."""
        if not self._abandon(session.id, request_id):
            await self._bus.publish(CHANNEL, msgspec.json.encode(_Cancelled(session.id, request_id)))

    async def end(self, session: Session) -> None:
        """Abandon all calls of the session, wherever they are at work: its client has said that it is over."""
        self._abandon_all(session.id)
        await self._bus.publish(CHANNEL, msgspec.json.encode(_Cancelled(session.id, None)))

    async def heed(self) -> None:
        """Abandon what is cancelled at other processes, forever."""
        async with self._bus.subscribe(CHANNEL, max_pending=_MAX_PENDING) as messages:
            async for message in messages:
                cancelled = _decoder.decode(message)
                if cancelled.request is None:
                    self._abandon_all(cancelled.session)
                else:
                    self._abandon(cancelled.session, cancelled.request)

    def _abandon_all(self, session_id: str) -> None:
        for call in list(self._calls.get(session_id, _NONE).values()):
            call.abandon()

    def _abandon(self, session_id: str, request_id: RequestId) -> bool:
        call = self._calls.get(session_id, _NONE).get(request_id)
        if call is not None:
            call.abandon()
        return call is not None

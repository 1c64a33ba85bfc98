"""The state of an old session: what it changed since it began. Rule: one that changed nothing is not kept at all.

Log level and resource subscriptions live in the durable store until the id expires, and the end of the session a little
longer: so every process knows them, and a restarted one does too. They are kept in the share of the client that they
came from; its end takes a share of its own, which nothing else can fill.
"""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mcp_bridges.sessions.session import Change, Session, SetLevel, Subscribe, Unsubscribe
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.subscriptions import too_much_of
from mcp_runtime.core.calls.uris import check_uri
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, PeerError
from mcp_runtime.protocol.meta import LoggingLevel
from mcp_runtime.state.port import ENDED as ENDED_VALUE
from mcp_runtime.state.port import EndingStore, NoRoomError, StateError
from mcp_runtime.telemetry.log.log import get_logger

_ATTEMPTS: Final = 16
"""Of a change that somebody else's came before. A session has one client: more than a few are no accident."""


class SessionState(Struct, frozen=True, omit_defaults=True):
    """The changes so far: `log_level` is None where it was never set, `uris` are the resources subscribed to."""

    ended: bool = False
    log_level: LoggingLevel | None = None
    uris: tuple[str, ...] = ()


_OUTLIVES_S: Final = 60.0
"""How much longer an end is known than the id is good for: the clocks of processes differ a little."""
_TELL_EVERY_S: Final = 60.0
UNCHANGED: Final = SessionState()
ENDED: Final = SessionState(ended=True)

_decoder: Final = msgspec.json.Decoder(SessionState)


def changed(state: SessionState, change: Change, limits: Limits) -> SessionState:
    """`state` after `change`. Raises PeerError -32602 for more subscriptions, or a longer URI, than may be."""
    match change:
        case SetLevel(level):
            return replace(state, log_level=level)
        case Subscribe(uri):
            check_uri(uri, limits)
            return replace(state, uris=_with(state.uris, uri, limits))
        case Unsubscribe(uri):
            check_uri(uri, limits)
            return replace(state, uris=tuple(one for one in state.uris if one != uri))
        case _:
            assert_never(change)


def _with(uris: tuple[str, ...], uri: str, limits: Limits) -> tuple[str, ...]:
    if uri in uris:
        return uris
    more = (*uris, uri)
    problem = too_much_of(more, limits)
    if problem is not None:
        raise PeerError(
            INVALID_PARAMS, f"This session may subscribe to {problem} and no more; unsubscribe from one first"
        )
    return more


class SessionStates:
    """The states of all sessions. `limits` bound the subscriptions of one; `now` gives Unix seconds.

    `owner` is the key of the client that asks, None for one without.
    """

    def __init__(self, store: EndingStore, *, limits: Limits, now: Callable[[], float]) -> None:
        self._store = store
        self._limits = limits
        self._now = now
        self._told_full_at = -math.inf

    async def get(self, session: Session) -> SessionState:
        """The state as of now."""
        try:  # not `with`, for what every message of a session asks
            raw = await self._store.get(_key(session))
        except StateError as error:
            raise _unreachable(error) from None
        return _read(raw)

    async def begin(self, *, owner: str | None) -> None:
        """A session is to begin. Raises PeerError where its end could not be kept: it would last until its id expires.

        Where the store cannot be reached it begins: it needs nothing that is kept, as yet.
        """
        with suppress(StateError):
            if not await self._store.can_end(owner):
                raise self._full("max_ended_sessions", "begins no more")

    async def end(self, session: Session, *, owner: str | None) -> None:
        """The session is over; its id opens nothing any more. Raises PeerError."""
        ttl_s = self._ttl_s(session) + _OUTLIVES_S
        with _reachable():
            if not await self._store.end(_key(session), ttl_s=ttl_s, owner=owner):
                raise self._full("max_ended_sessions", "ends no more")

    async def change(self, session: Session, change: Change, *, owner: str | None) -> SessionState:
        """Keep a change; the state since. Raises as `changed` does, and PeerError where there is no room for it."""
        key = _key(session)
        with _reachable():
            for _ in range(_ATTEMPTS):
                raw = await self._store.get(key)
                state = _read(raw)
                new = changed(state, change, self._limits)
                if state.ended or new == state:
                    return state
                value = msgspec.json.encode(new)
                try:
                    if await self._store.swap(key, value, expected=raw, ttl_s=self._ttl_s(session), owner=owner):
                        return new
                except NoRoomError:
                    raise self._full("max_state_entries or state.max_bytes", "keeps no more") from None
        raise PeerError(INTERNAL_ERROR, "The session is being changed by many requests at once; try again")

    def _full(self, bound: str, what: str) -> PeerError:
        """An answer for the client, and once in a while a line in the log for the operator."""
        if self._now() - self._told_full_at >= _TELL_EVERY_S:
            self._told_full_at = self._now()
            get_logger().warning("session_refused_full", bound=bound)
        text = f"The server has no room left for what it keeps of sessions, and {what}; try again later"
        return PeerError(INTERNAL_ERROR, text, http_status=503, retry_after_s=60)

    def _ttl_s(self, session: Session) -> float:
        return max(session.expires_s - self._now(), 1.0)


def _read(raw: bytes | None) -> SessionState:
    if raw is None:
        return UNCHANGED
    return ENDED if raw == ENDED_VALUE else _decoder.decode(raw)


@contextmanager
def _reachable() -> Generator[None]:
    try:
        yield
    except StateError as error:
        raise _unreachable(error) from None


def _unreachable(error: StateError) -> PeerError:
    """Of the operator's trouble with the store: an answer for the client, and a line in the log for the operator."""
    get_logger().error("state_unreachable", problem=str(error))
    text = "The server cannot reach what it keeps of sessions; try again"
    return PeerError(INTERNAL_ERROR, text, http_status=503, retry_after_s=1)


def _key(session: Session) -> str:
    return f"session/{session.id}"

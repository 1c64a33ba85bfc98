"""What an old session changed after it began. Rule: a session that changed nothing is not kept at all.

Log level, resource subscriptions and the end of the session live in the durable store until the id expires: so every
process knows them, and a restarted one does too.
"""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct

from mcp_bridges.sessions.session import Session
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.subscriptions import too_much_of
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, PeerError
from mcp_runtime.protocol.meta import LoggingLevel
from mcp_runtime.state.port import StateError, Store
from mcp_runtime.telemetry.log.log import get_logger

_ATTEMPTS: Final = 16
"""Of a change that somebody else's came before. A session has one client: more than a few are no accident."""


class SessionState(Struct, frozen=True, omit_defaults=True):
    """What was changed: `log_level` None where it was never set, `uris` the resources subscribed to."""

    ended: bool = False
    log_level: LoggingLevel | None = None
    uris: tuple[str, ...] = ()


UNCHANGED: Final = SessionState()
ENDED: Final = SessionState(ended=True)

_decoder: Final = msgspec.json.Decoder(SessionState)


def subscribed(uris: Collection[str], uri: str, limits: Limits) -> tuple[str, ...]:
    """`uris` with `uri` among them. Raises PeerError -32602 where that is more than one client may subscribe to."""
    if uri in uris:
        return tuple(uris)
    more = (*uris, uri)
    problem = too_much_of(more, limits)
    if problem is not None:
        raise PeerError(
            INVALID_PARAMS, f"This session may subscribe to {problem} and no more; unsubscribe from one first"
        )
    return more


class SessionStates:
    """The states of all sessions. `limits` bound the subscriptions of one; `now` gives Unix seconds."""

    def __init__(self, store: Store, *, limits: Limits, now: Callable[[], float]) -> None:
        self._store = store
        self._limits = limits
        self._now = now

    async def get(self, session: Session) -> SessionState:
        """The state as of now."""
        try:  # not `with`, for what every message of a session asks
            raw = await self._store.get(_key(session))
        except StateError as error:
            raise _unreachable(error) from None
        return UNCHANGED if raw is None else _decoder.decode(raw)

    async def end(self, session: Session) -> None:
        """The session is over; its id opens nothing any more."""
        with _reachable():
            await self._store.put(_key(session), msgspec.json.encode(ENDED), ttl_s=self._ttl_s(session))

    async def set_level(self, session: Session, level: LoggingLevel) -> None:
        """Keep the log level."""
        await self._change(session, lambda state: msgspec.structs.replace(state, log_level=level))

    async def subscribe(self, session: Session, uri: str) -> SessionState:
        """Keep a subscription; the state since. Raises as `subscribed` does."""
        return await self._change(
            session, lambda state: msgspec.structs.replace(state, uris=subscribed(state.uris, uri, self._limits))
        )

    async def unsubscribe(self, session: Session, uri: str) -> SessionState:
        """Drop a subscription, if there is one; the state since."""
        return await self._change(
            session,
            lambda state: msgspec.structs.replace(state, uris=tuple(one for one in state.uris if one != uri)),
        )

    async def _change(self, session: Session, change: Callable[[SessionState], SessionState]) -> SessionState:
        key = _key(session)
        with _reachable():
            for _ in range(_ATTEMPTS):
                raw = await self._store.get(key)
                state = UNCHANGED if raw is None else _decoder.decode(raw)
                changed = change(state)
                if state.ended or changed == state:
                    return state
                value = msgspec.json.encode(changed)
                if await self._store.swap(key, value, expected=raw, ttl_s=self._ttl_s(session)):
                    return changed
        raise PeerError(INTERNAL_ERROR, "The session is being changed by many requests at once; try again")

    def _ttl_s(self, session: Session) -> float:
        return max(session.expires_s - self._now(), 1.0)


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

"""Session ids that are the session. Rule: whoever has the keys serves the next request, and nobody looks anything up.

An id is a sealed value: visible ASCII, 180 to 300 characters for clients in the field, never more than
`MAX_ID_CHARS`. It is good until its own expiry: the protocol lets a server hand one out at `initialize` alone, so it
cannot slide.
Spec: 2025-11-25/basic/transports#session-management
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mcp_bridges.session import Opening, Session

if TYPE_CHECKING:  # cryptography takes longer to import than a stdio server has to start
    from mcp_runtime.seal import Sealer

PURPOSE: Final = "session"
MAX_ID_CHARS: Final = 1000
"""Proxies take header lines of 1 KiB everywhere, name included."""
_CACHED: Final = 1024
"""Sessions whose id was opened lately: about 1 MiB. Opening one costs as much as a small call."""

_NO_MSGPACK: Final = (OverflowError, RecursionError)
"""What the encoder raises for JSON that it cannot carry: a number of more than 64 bits."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Session)


class SessionGoneError(Exception):
    """No session has this id, or none has it any more; `reason` is one of seal.py's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SessionIds:
    """Issues ids and opens them. `ttl_s` is how long one is good for; `now` gives Unix seconds."""

    def __init__(
        self, sealer: "Callable[[], Sealer]", *, ttl_s: float, now: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._sealer = sealer
        self._ttl_s = ttl_s
        self._now = now
        self._new_id = new_id
        self._opened: OrderedDict[tuple[str, str | None], Session] = OrderedDict()

    def issue(self, opening: Opening, *, principal: str | None) -> tuple[str, Session]:
        """A new session and its id, for `principal` alone.

        What a client declares beyond the capabilities that the specification defines is left out where the id would
        grow too long for proxies, or where it cannot be carried.
        """
        issued_s = round(self._now())
        session = Session(
            id=self._new_id(),
            revision=opening.revision,
            client_name=opening.client_name,
            client_version=opening.client_version,
            capabilities=opening.capabilities,
            issued_s=issued_s,
            expires_s=issued_s + round(self._ttl_s),
        )
        try:
            token = self._seal(session, principal)
        except _NO_MSGPACK:
            token = None
        if token is None or len(token) > MAX_ID_CHARS:
            known = {name: _known(value) for name, value in opening.capabilities.items() if name in _KNOWN}
            session = msgspec.structs.replace(session, capabilities=known)
            token = self._seal(session, principal)
        self._keep(token, principal, session)
        return token, session

    def open(self, token: str, *, principal: str | None) -> Session:
        """The session of an id. Raises SessionGoneError."""
        from mcp_runtime.seal import SealError  # see TYPE_CHECKING above

        session = self._opened.get((token, principal))
        if session is None:
            if len(token) > MAX_ID_CHARS:
                raise SessionGoneError("malformed")
            try:
                session = _decoder.decode(self._sealer().open(token, principal=principal))
            except SealError as error:
                raise SessionGoneError(error.reason) from None
            self._keep(token, principal, session)
        if session.expires_s <= self._now():
            raise SessionGoneError("expired")
        return session

    def _seal(self, session: Session, principal: str | None) -> str:
        return self._sealer().seal(_encoder.encode(session), principal=principal, ttl_s=self._ttl_s)

    def _keep(self, token: str, principal: str | None, session: Session) -> None:
        self._opened[token, principal] = session
        if len(self._opened) > _CACHED:
            self._opened.popitem(last=False)


_KNOWN: Final = {"elicitation", "roots", "sampling"}


def _known(capability: dict[str, Any]) -> dict[str, Any]:
    """A capability without what the specification does not define in it."""
    return {name: {} for name in ("context", "form", "tools", "url") if name in capability}

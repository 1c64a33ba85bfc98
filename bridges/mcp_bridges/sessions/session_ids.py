"""Session ids, which are the session, sealed. Rule: whoever has the keys serves it, and nobody looks anything up.

An id is a sealed value: visible ASCII, 170 to 300 characters for clients in the field, never more than
`MAX_ID_CHARS`. It is good until its own expiry: the protocol lets a server hand one out at `initialize` alone, so it
cannot slide.
Spec: 2025-11-25/basic/transports#session-management
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mcp_bridges.sessions.session import Opening, Session
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError

if TYPE_CHECKING:  # cryptography takes longer to import than a stdio server has to start
    from mcp_runtime.state.seal.sealer import Sealer

PURPOSE: Final = "session"
MAX_ID_CHARS: Final = 1000
"""Proxies take header lines of 1 KiB everywhere, name included."""
_CACHED: Final = 1024
"""Sessions whose id was opened lately: about 1 MiB. Opening one costs as much as a small call."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Session)


_REASONS: Final = {
    "ended": "it was ended",
    "expired": "it has expired",
    "forged": "its id does not verify",
    "malformed": "its id is malformed",
    "unknown_key": "it was not opened here, or the key was retired",
}
"""Why an id opens no session: the reasons of a `SealError`, and its end."""


class SessionGoneError(Exception):
    """No session has this id, or none has it any more; `reason` is a key of the table above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def session_gone(reason: str) -> PeerError:
    """The answer to an id that opens no session: `reason` is a key of the table above."""
    return PeerError(
        INVALID_REQUEST, f"Session not found: {_REASONS[reason]}; initialize to begin another", http_status=404
    )


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
        grow too long for proxies, or cannot be sealed; and what its name and version have beyond `_NAME_BYTES`.
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
        token = self._seal(session, principal)
        if token is None or len(token) > MAX_ID_CHARS:
            session = _shortened(session)
            token = self._sealed(_encoder.encode(session), principal)
        self._keep(token, principal, session)
        return token, session

    def open(self, token: str, *, principal: str | None) -> Session:
        """The session of an id. Raises SessionGoneError."""
        from mcp_runtime.state.seal.sealer import SealError  # see TYPE_CHECKING above

        session = self._opened.get((token, principal))
        if session is None:
            if len(token) > MAX_ID_CHARS:
                raise SessionGoneError("malformed")
            try:
                session = _decoder.decode(self._sealer().open(token, principal=principal))
            except SealError as error:
                raise SessionGoneError(error.reason) from None
            except msgspec.DecodeError:  # another release, with the same key, has other sessions
                raise SessionGoneError("malformed") from None
            self._keep(token, principal, session)
        if session.expires_s <= self._now():
            raise SessionGoneError("expired")
        return session

    def _seal(self, session: Session, principal: str | None) -> str | None:
        """The id of `session`, None where a number in it is too large for msgpack."""
        try:
            plain = _encoder.encode(session)
        except OverflowError:
            return None
        return self._sealed(plain, principal)

    def _sealed(self, plain: bytes, principal: str | None) -> str:
        return self._sealer().seal(plain, principal=principal, ttl_s=self._ttl_s)

    def _keep(self, token: str, principal: str | None, session: Session) -> None:
        self._opened[token, principal] = session
        if len(self._opened) > _CACHED:
            self._opened.popitem(last=False)


_KNOWN: Final = {"elicitation", "roots", "sampling"}
_NAME_BYTES: Final = 200
"""As much of a client's name, and of its version, as fits beside everything else."""


def _shortened(session: Session) -> Session:
    known = {name: _known(value) for name, value in session.capabilities.items() if name in _KNOWN}
    return msgspec.structs.replace(
        session,
        client_name=_clipped(session.client_name),
        client_version=_clipped(session.client_version),
        capabilities=known,
    )


def _clipped(text: str) -> str:
    """`text` without what is too much of it, cut between two characters."""
    return text.encode()[:_NAME_BYTES].decode(errors="ignore")


def _known(capability: dict[str, Any]) -> dict[str, Any]:
    """A capability without what the specification does not define in it."""
    return {name: {} for name in ("context", "form", "tools", "url") if name in capability}

"""Sealed values: state that travels through the client.

Rule: what opens was sealed here, for this principal and purpose.

`token_format.py` says what a token is made of. Each has a key of its own, HKDF-SHA256 of the ring's key and the salt:
so random nonces never come near AES-GCM's limit of 2^32 messages a key. Purpose and principal are associated data.
Spec: 2026-07-28/basic/patterns/mrtr#server-requirements-basic-workflow
"""

import base64
import binascii
import hashlib
import os
import struct
import time
from collections.abc import Callable, Sequence
from typing import Final

from mcp_runtime.state.seal.token_format import (
    HEADER_BYTES,
    ID_BYTES,
    KEY_BYTES,
    LEAST_BYTES,
    NONCE_BYTES,
    PREFIX,
    SALT_BYTES,
)

_EXPIRY: Final = struct.Struct(">Q")


class SealError(Exception):
    """A token that does not open: `reason` is "malformed", "unknown_key", "forged" or "expired".

    "forged" covers tampering and a foreign principal or purpose alike: they cannot be told apart, by design.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyRing:
    """The keys that seal and open. The first seals; all of them open, so that a key can be rotated out.

    Each key is 32 bytes. Raises ValueError for none at all or one of another length. `place` is where they are from,
    and `made_s` when the one of a file was made, in Unix seconds: for the operator's log.
    """

    def __init__(self, keys: Sequence[bytes], *, place: str = "", made_s: float | None = None) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key ring needs at least one key, each of {KEY_BYTES} bytes")
        self._keys = {hashlib.sha256(b"mcp-runtime key id" + key).digest()[:ID_BYTES]: key for key in keys}
        self._sealing_id = next(iter(self._keys))
        self.place = place
        self.made_s = made_s

    def sealing(self) -> tuple[bytes, bytes]:
        """Id and key that seal new tokens."""
        return self._sealing_id, self._keys[self._sealing_id]

    def opening(self, key_id: bytes) -> bytes:
        """The key with this id. Raises SealError "unknown_key"."""
        try:
            return self._keys[key_id]
        except KeyError:
            raise SealError("unknown_key") from None


class Sealer:
    """Seals and opens payloads for one purpose ("requestState", "session", ...).

    `now` gives Unix seconds and `random_bytes` n random bytes; both are injected for tests. `strange` hears the key id
    of a token that has the form of one, and a key that is not in the ring.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        purpose: str,
        now: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
        strange: Callable[[bytes], None] | None = None,
    ) -> None:
        self._ring = ring
        self._purpose = purpose
        self._now = now
        self._random_bytes = random_bytes
        self._strange = strange

    def seal(self, payload: bytes, *, principal: str | None, ttl_s: float) -> str:
        """A token of visible ASCII that opens to `payload`, for `principal`, during `ttl_s` seconds."""
        key_id, key = self._ring.sealing()
        salt = self._random_bytes(SALT_BYTES)
        nonce = self._random_bytes(NONCE_BYTES)
        plain = _EXPIRY.pack(round((self._now() + ttl_s) * 1000)) + payload
        from mcp_runtime.state.seal.cipher import (
            encrypt,  # Loaded where something is sealed, not where keys are checked.
        )

        sealed = encrypt(plain, key=key, salt=salt, nonce=nonce, associated=self._associated(principal))
        return PREFIX + base64.urlsafe_b64encode(key_id + salt + nonce + sealed).rstrip(b"=").decode("ascii")

    def open(self, token: str, *, principal: str | None) -> bytes:
        """The payload of `token`. Raises SealError."""
        raw = _decode(token)
        key_id, salt = raw[:ID_BYTES], raw[ID_BYTES : ID_BYTES + SALT_BYTES]
        nonce = raw[ID_BYTES + SALT_BYTES : HEADER_BYTES]
        try:
            key = self._ring.opening(key_id)
        except SealError:
            if self._strange is not None and len(raw) >= LEAST_BYTES:
                self._strange(key_id)
            raise
        associated = self._associated(principal)
        from mcp_runtime.state.seal.cipher import decrypt  # as in `seal`

        plain = decrypt(raw[HEADER_BYTES:], key=key, salt=salt, nonce=nonce, associated=associated)
        if plain is None:
            raise SealError("forged")
        (expiry,) = _EXPIRY.unpack_from(plain)
        if self._now() * 1000 >= expiry:
            raise SealError("expired")
        return plain[_EXPIRY.size :]

    def _associated(self, principal: str | None) -> bytes:
        # The marker keeps "no principal" apart from a principal with an empty name.
        who = b"\0" if principal is None else b"\1" + principal.encode()
        return self._purpose.encode() + who


def _decode(token: str) -> bytes:
    body = token.removeprefix(PREFIX)
    if body == token:
        raise SealError("malformed")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealError("malformed") from None
    # Re-encoding refuses the other spellings of the same bytes that base64's unused bits allow.
    if len(raw) <= HEADER_BYTES or base64.urlsafe_b64encode(raw).rstrip(b"=") != body.encode():
        raise SealError("malformed")
    return raw

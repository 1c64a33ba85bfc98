"""The cipher of sealed values: AES-256-GCM under a key derived for each. Rule: the one file that loads cryptography.

That takes six megabytes and a few milliseconds, which servers without sessions and questions never pay.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mcp_runtime.state.seal.token_format import KEY_BYTES

_INFO: Final = b"mcp-runtime seal v1"


def encrypt(plain: bytes, *, key: bytes, salt: bytes, nonce: bytes, associated: bytes) -> bytes:
    """The ciphertext of `plain`, with its tag. `key` is 32 bytes, `nonce` 12."""
    return _cipher(key, salt).encrypt(nonce, plain, associated)


def decrypt(sealed: bytes, *, key: bytes, salt: bytes, nonce: bytes, associated: bytes) -> bytes | None:
    """What `encrypt` was given; None where any of it is not what it was then."""
    try:
        return _cipher(key, salt).decrypt(nonce, sealed, associated)
    except InvalidTag:
        return None


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=_INFO).derive(key))

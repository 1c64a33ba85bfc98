"""The format of sealed tokens: the lengths of their parts, and so of a whole one. Rule: nothing is loaded for it.

A token is `v1.` and base64url of: 4 bytes key id, 16 bytes salt, 12 bytes nonce, AES-256-GCM ciphertext of an 8-byte
expiry (big-endian Unix milliseconds) and the payload, and its 16-byte tag.
"""

from typing import Final

KEY_BYTES: Final = 32
PREFIX: Final = "v1."
ID_BYTES: Final = 4
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
HEADER_BYTES: Final = ID_BYTES + SALT_BYTES + NONCE_BYTES
EXPIRY_BYTES: Final = 8
TAG_BYTES: Final = 16
LEAST_BYTES: Final = HEADER_BYTES + EXPIRY_BYTES + TAG_BYTES
"""The length of every token's bytes at least; a shorter one was never sealed by anybody."""


def sealed_length(payload_bytes: int) -> int:
    """How many characters a token for a payload of so many bytes has."""
    return len(PREFIX) + -(
        -(LEAST_BYTES + payload_bytes) * 4 // 3
    )  # base64 without padding: four characters for three bytes, rounded up

"""The redaction of log events: secrets by the name of their field, and inside texts. Rule: a name decides, not a value.

What a plugin logs is its own, but what is named like this was never meant to be read.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from mcp_runtime.config.secret import HIDDEN, Secret

_WORDS: Final = (
    r"authorization|auth|bearer|cookies?|credentials?|dsn|jwt|passcode|passw(?:or)?ds?|passphrase|pwd|secrets?|token|"
    r"(?:access|api|encryption|private|secret|signing)[_-]?keys?|request_?state"
)
_SECRET_NAME: Final = re.compile(rf"(?:^|[_.-])(?:{_WORDS})$", re.IGNORECASE)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
"""Where a word begins in a name such as accessToken."""
_USER_INFO: Final = re.compile(r"(?P<user>[a-z0-9+.-]://[^\s/?#@:]{0,256}):[^\s/?#]{1,1024}@", re.IGNORECASE)
"""The password in a URL. RFC 3986 3.2.1; it may have an @ itself, where somebody forgot to escape it."""
_ASSIGNED: Final = re.compile(
    rf"(?P<word>{_WORDS})(?P<equals>\s?=\s?)(?:'[^']*'|\"[^\"]*\"|[^\s&;,'\"]+)", re.IGNORECASE
)
"""A secret in the query of a URL, or in the key=value form of a DSN; or a word that only ends like one."""
_BEARER: Final = re.compile(r"(?P<scheme>\b(?:bearer|basic)\s{1,3})[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
"""A token in the value of an Authorization header. RFC 6750 2.1, RFC 7617"""
_HINTS: Final = ("=", "://", "earer", "asic", "EARER", "ASIC")
"""One of these is in every text that has something to hide; most have none."""


def redacted(name: str, value: object) -> object:
    """`value` of the field `name` with everything hidden that is named like a secret."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Secret) or is_secret(name):
        return HIDDEN
    match value:
        case str():
            return without_secrets(value)
        case Mapping():
            return {_name(key): redacted(str(key), one) for key, one in cast("Mapping[object, object]", value).items()}
        case list() | tuple() if name != "exc_info":
            return [redacted("", one) for one in cast("Sequence[object]", value)]
        case _:
            return value


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret: `token`, `access_token`, `accessToken`, `x-api-key`."""
    return _SECRET_NAME.search(name) is not None or _SECRET_NAME.search(_HUMP.sub("_", name)) is not None


def without_secrets(text: str) -> str:
    """`text` without the passwords and tokens in its URLs, DSNs and Authorization values."""
    if not any(hint in text for hint in _HINTS):
        return text
    text = _USER_INFO.sub(rf"\g<user>:{HIDDEN}@", text)
    text = _BEARER.sub(rf"\g<scheme>{HIDDEN}", text)
    return _ASSIGNED.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    start, word = found.start(), found["word"]
    # Looked at here, because a pattern for a whole name would start at each of its letters.
    is_word = start == 0 or not found.string[start - 1].isalnum() or (word[0].isupper() and word[1].islower())
    return f"{word}{found['equals']}{HIDDEN}" if is_word else found[0]


def redact(event: Mapping[str, Any]) -> dict[str, Any]:
    """A log event with what is secret in it hidden."""
    return {without_secrets(name): redacted(name, value) for name, value in event.items()}


def _name(key: object) -> object:
    return without_secrets(key) if isinstance(key, str) else key

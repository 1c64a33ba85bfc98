"""The number of values in a JSON text. Rule: counted before anything is decoded, and only where there may be too many.

Decoded, a value takes up to 150 bytes, where two may have been enough to send it: `[]` and a comma.
"""

import re
from typing import Final

from mcp_runtime.protocol.errors import INVALID_REQUEST
from mcp_runtime.protocol.jsonrpc import MalformedMessageError, salvage_id

# Possessive, and without its end for one that has none: each byte is looked at once, whatever the text.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SEPARATORS: Final = (b",", b"[", b"{")


def check_values(data: bytes, max_values: int) -> None:
    """Raises MalformedMessageError -32600 (413 over HTTP) for a message of more than `max_values`.

    A text has no more values than bytes, so a short one is not looked at; and no more than commas and openings in it,
    so most long ones are not looked at closely.
    """
    if len(data) > max_values and _separators(data) >= max_values and values_in(data) > max_values:
        problem = f"Invalid request: the message has more than {max_values} JSON values"
        raise MalformedMessageError(INVALID_REQUEST, problem, salvage_id(data), http_status=413)


def values_in(data: bytes) -> int:
    """The number of values in the JSON text `data`. An empty list or object counts as two."""
    return 1 + _separators(_STRING.sub(b"", data))


def _separators(data: bytes) -> int:
    return sum(map(data.count, _SEPARATORS))

"""The number of values in a JSON text. Rule: counted before anything is decoded, and only where there may be too many.

Decoded, a value takes up to 150 bytes, where two may have been enough to send it: `[]` and a comma.
"""

import re
from itertools import islice
from typing import Final

from mcp_runtime.protocol.errors import INVALID_REQUEST
from mcp_runtime.protocol.jsonrpc import MalformedMessageError, salvage_id

# One separator, and before it what is none, texts whole; or the rest. Possessive, and ending where the bytes do: each
# byte is looked at once, whatever the text.
_SEPARATED: Final = rb'(?s:(?:[^",\[{]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)*+(?:[,\[{]|\Z))'
_SEPARATORS: Final = (b",", b"[", b"{")


def check_values(data: bytes, max_values: int) -> None:
    """Raises MalformedMessageError -32600 (413 over HTTP) for a message of more than `max_values`.

    A text has no more values than bytes, so a short one is not looked at; and no more than commas and openings in it,
    so most long ones are not looked at closely.
    """
    if len(data) > max_values and _separators(data) >= max_values and values_in(data, max_values) > max_values:
        problem = f"Invalid request: the message has more than {max_values} JSON values"
        raise MalformedMessageError(INVALID_REQUEST, problem, salvage_id(data), http_status=413)


def values_in(data: bytes, most: int) -> int:
    """The number of values in the JSON text `data`, at most one more than `most`; an empty list or object is two."""
    if b'"' not in data:
        return min(_separators(data), most) + 1
    # The last two that are found are the rest behind the last separator, and the nothing behind that.
    return sum(1 for _ in islice(re.finditer(_SEPARATED, data), most + 2)) - 1


def _separators(data: bytes) -> int:
    return sum(map(data.count, _SEPARATORS))

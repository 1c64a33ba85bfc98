"""What our own server has for an application beyond ASGI. Rule: who does not look for it misses nothing.

It is an ASGI extension of each request, so it is not for an application behind middleware: that would not see it used.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, Protocol

from mcp_runtime.platform.loops import LentScope

SHORTCUT: Final = "mcp_runtime.shortcut"
"""The ASGI extension that is a Shortcut."""

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields of an answer."""


class Shortcut(Protocol):
    """One request, without a message for each thing that is known already.

    `headers` are its headers by name (lower case) where they come once each, None where they do not. `lent` is the
    cancel scope that its connection is served in.
    """

    headers: Mapping[bytes, bytes] | None
    lent: LentScope

    def take_body(self) -> bytes | None:
        """The whole body, where it has come already. `receive` has nothing more of it then."""
        ...

    def answer(self, status: int, headers: Fields, body: bytes) -> Awaitable[None] | None:
        """Send a whole answer: what to await where the socket does not take all of it at once.

        `headers` are those beside `content-length`. Raises as `send` does.
        """
        ...


_NONE: Final[dict[str, Any]] = {}


def shortcut_of(scope: Any) -> Shortcut | None:
    """The shortcut through an ASGI `scope`, None where its server has none."""
    found: Shortcut | None = (scope.get("extensions") or _NONE).get(SHORTCUT)
    return found

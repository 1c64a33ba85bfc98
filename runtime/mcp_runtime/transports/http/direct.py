"""Direct: an ASGI extension of our own server. Rule: an application that does not look for it misses nothing.

It is not for an application behind middleware, which would not see it used.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final, Protocol

from mcp_runtime.platform.lent_scope import LentScope

DIRECT: Final = "mcp_runtime.direct"
"""The name of the extension; its value is a Direct."""

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields of an answer."""


class Direct(Protocol):
    """One request, without a message for each thing that is known already."""

    headers: Mapping[bytes, bytes] | None
    """Its headers by name (lower case) where they come once each, None where they do not."""
    lent: LentScope
    """The cancel scope that its connection is served in."""

    def take_body(self) -> bytes | None:
        """The whole body, where it has come already. `receive` has nothing more of it then."""
        ...

    def answer(self, status: int, headers: Fields, body: bytes) -> Awaitable[None] | None:
        """Send a whole answer: what to await where the socket does not take all of it at once.

        `headers` are those beside `content-length`. Raises as `send` does.
        """
        ...


_NONE: Final[dict[str, Any]] = {}


def direct_of(scope: Any) -> Direct | None:
    """The extension in an ASGI `scope`, None where its server has none."""
    found: Direct | None = (scope.get("extensions") or _NONE).get(DIRECT)
    return found

"""Cancel scopes, of the event loop at hand. Rule: what every request pays for is the loop's own, without a wrapper.

anyio's scope on trio wraps trio's and costs twice as much; the two do the same, and mix.
"""

from typing import cast

import anyio
import trio
from sniffio import current_async_library


def new_scope() -> anyio.CancelScope:
    """A cancel scope to enter in this task."""
    if current_async_library() == "trio":
        return cast("anyio.CancelScope", trio.CancelScope())
    return anyio.CancelScope()

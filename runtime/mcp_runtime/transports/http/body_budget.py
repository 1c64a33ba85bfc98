"""The body budget: how many bytes of request bodies may be on their way at the same time. Rule: said before it is read.

A body whose length is known takes all of it at once, one in chunks what has come of it. What is read whole is a request
at work, and counted as such. So is a body that has come with its head: it takes nothing here.
"""

from typing import Final, Self

from starlette.types import Scope

from mcp_runtime.config.limits import Limits
from mcp_runtime.platform.shares import Shares, address_key

_LONGEST_BODIES: Final = 2
"""As many of the longest fit at the least: a client alone has half, and is to be able to send one."""


class BodyBudget:
    """The budget of one application, over all its connections. `limits` are those of a single body, too."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.shares = Shares(max(limits.max_body_bytes_in_flight, _LONGEST_BODIES * limits.max_body_bytes))

    def for_request(self, scope: Scope) -> "BodyBytes":
        """What the body of this request takes: nothing as yet."""
        client = scope.get("client")
        return BodyBytes(self.shares, address_key(client[0]) if client else None)


class BodyBytes:
    """The bytes that one body holds of a budget. As a context manager it gives them back in the end."""

    __slots__ = ("_client", "_shares", "held")

    def __init__(self, shares: Shares, client: str | None) -> None:
        self._shares = shares
        self._client = client
        self.held = 0

    def reach(self, size: int) -> bool:
        """Hold `size` bytes, if there are so many; whether there are."""
        more = size - self.held
        if more > 0:
            if not self._shares.take(self._client, more):
                return False
            self.held = size
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.held:
            self._shares.give_back(self._client, self.held)
            self.held = 0

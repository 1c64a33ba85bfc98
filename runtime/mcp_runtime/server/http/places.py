"""The places of a server: the connections that are open, and which of them has to go where there is no room.

Rule: a connection holds one place from its first moment to its last, whatever ends it. ADR 0024.

Where its clients want more than there are, a client's new connection takes the place of the one of its own that has
waited longest for a request, and only where it has none such that of another client. What is at work is not cut off.
"""

import os
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Final, Protocol, cast

import trio
from msgspec import Struct

from mcp_runtime.platform.shares import Shares, address_key
from mcp_runtime.telemetry.log.log import get_logger

ADMIN_CONNECTIONS: Final = 16
"""Health checks and scrapers are few, and close or idle."""
_RESERVED_DESCRIPTORS: Final = 32
"""For the files of the state and of the ledger, and what a module takes that is imported late."""
_RESERVED_PART: Final = 8
"""Of all descriptors one in so many is left to plugins, which open files and connections of their own."""
_CALM_S: Final = 10.0
"""At least so long between two events, however many connections are refused."""


class Waiting(Protocol):
    """What serves a connection, as its place sees it."""

    deadline: float
    """When its client is late with a request (trio's clock); inf while one is at work."""


class Newcomer:
    """A connection that nobody serves yet."""

    deadline = inf


class Place(Struct, eq=False):
    """The place of one connection."""

    client: str | None
    socket: Any
    """trio's, of which no more is used than what a plain one has."""
    server: Waiting
    is_held: bool = True
    """Not once another connection has it, and this one is on its way out."""

    def hang_up(self) -> None:
        """Have the connection end now. Whoever serves it finds that its client has left."""
        with suppress(OSError):  # It closed by itself in the meantime.
            self.socket.shutdown(socket.SHUT_RDWR)


class Places:
    """All places of one server, `total` of them. `client_key` tells clients apart by the address of their socket."""

    def __init__(
        self,
        total: int,
        *,
        client_key: Callable[[str | None], str | None] = address_key,
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self.shares = Shares(total)
        self.open: dict[Place, None] = {}
        self._client_key = client_key
        self._refusals = _Refusals(now)

    def enter(self, sock: Any) -> Place | None:
        """A place for the connection of `sock`; None where there is none to be had."""
        client = self._client_key(_address(sock))
        if not self.shares.take(client):
            spared = self._spared_for(client)
            if spared is None:
                self._refusals.note(client, self.shares)
                return None
            spared.is_held = False
            # A client's own place passes on as it is: its share may have become smaller than what it holds.
            if spared.client != client:
                self.shares.give_back(spared.client)
                self.shares.take(client)
            spared.hang_up()
        place = Place(client, sock, Newcomer())
        self.open[place] = None
        return place

    def leave(self, place: Place) -> None:
        """Its connection is closed."""
        del self.open[place]
        if place.is_held:
            self.shares.give_back(place.client)

    def _spared_for(self, client: str | None) -> Place | None:
        """The place that `client` may have of those that are held: the one whose connection can be spared best."""
        waiting = [place for place in self.open if place.is_held and place.server.deadline < inf]
        own = [place for place in waiting if place.client == client]
        spared = own or (waiting if self._may_take_anothers(client) else [])
        return min(spared, key=lambda place: place.server.deadline, default=None)

    def _may_take_anothers(self, client: str | None) -> bool:
        """Whether its share would allow one more place, if another client had one less."""
        shares = self.shares
        if client is None:
            return True
        if shares.held < shares.total:
            return False  # There is room, so its share is what it is at the end of.
        held = shares.held_by(client)
        others = shares.held - held - 1
        return held + 1 <= max(1, (shares.total - others) // 2)


class _Refusals:
    """The log of connections that had no place: the first at once, then how many there were, now and then."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._count = 0
        self._may_log_at = -inf

    def note(self, client: str | None, shares: Shares) -> None:
        self._count += 1
        if (now := self._now()) < self._may_log_at:
            return
        count, self._count, self._may_log_at = self._count, 0, now + _CALM_S
        get_logger().warning("connections_refused", count=count, open=shares.held, places=shares.total, address=client)


def places_allowed(wanted: int, *, limit: int, taken: int) -> int:
    """How many of the `wanted` connections a process can have that may open `limit` descriptors and has opened `taken`.

    Enough are left for the admin bind, for files and for plugins; where there are too few for all that, half.
    """
    free = limit - taken
    reserve = max(ADMIN_CONNECTIONS + _RESERVED_DESCRIPTORS, limit // _RESERVED_PART)
    return min(wanted, max(1, free // 2, free - reserve))


def places_of_this_process(wanted: int) -> int:
    """As `places_allowed`, for this process as it is now."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    return places_allowed(wanted, limit=limit, taken=_taken())


def _taken() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208  # counted, not looked at
    except OSError:
        return _RESERVED_DESCRIPTORS


def _address(sock: Any) -> str | None:
    """The address of who is at the other end; None for a Unix socket, and where that has left already."""
    try:
        address = sock.getpeername()
    except OSError:
        return None
    return str(cast("tuple[object, ...]", address)[0]) if isinstance(address, tuple) else None

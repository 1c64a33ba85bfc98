"""An attacker's means: its address, its connections, and what it was answered. Rule: it is known by an address of its own.

It sends as `soak_wire` does, on connections that a trusted proxy would open: the address is in `x-forwarded-for`.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import trio

from tests.benchmarks.soak_wire import Connection, LostError, Message, connected
from tests.benchmarks.wire import PATH
from tests.support.blocking_old_http import initialize, old
from tests.support.messages import encode, headers_for

FORWARDED: Final = "x-forwarded-for"
SESSION: Final = "2025-06-18"
_MOST_HELD: Final = 4000
"""Connections at once: far above what the server takes."""
_LISTENS_S: Final = 1.0
_CLOSED: Final = b"closed"


@dataclass(slots=True, kw_only=True)
class Foe:
    """One attacker."""

    port: int
    address: str
    answered: Counter[str] = field(default_factory=Counter[str])
    """How often which status came, or which ending."""
    held: list[Connection] = field(default_factory=list[Connection])
    ids: "count[int]" = field(default_factory=lambda: count(1))
    sessions: dict[str, str] = field(default_factory=dict[str, str])
    """The session that it keeps, by revision."""
    attacked: trio.Event = field(default_factory=trio.Event)
    """Set once it has made its first step."""

    def headers(self, message: Message) -> dict[str, str]:
        """The header fields of a call of 2026-07-28."""
        return {**headers_for(message), FORWARDED: self.address}

    def old_headers(self, revision: str = SESSION) -> dict[str, str]:
        """The header fields of a message in the session of `revision`, or of what opens it."""
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if revision >= "2025-06-18":
            fields["mcp-protocol-version"] = revision
        if revision in self.sessions:
            fields["mcp-session-id"] = self.sessions[revision]
        return {**fields, FORWARDED: self.address}

    def raw_head(self, *lines: bytes) -> bytes:
        """The beginning of a POST, without the line that ends its head."""
        own = (b"host: 127.0.0.1:8000", b"content-type: application/json", b"accept: application/json")
        forwarded = f"{FORWARDED}: {self.address}".encode()
        return b"\r\n".join((b"POST /mcp HTTP/1.1", *own, forwarded, *lines)) + b"\r\n"

    async def ask(self, message: Message, body: bytes | None = None) -> None:
        """A call on a connection of its own, whose answer is read; `body` instead of the message, if it is given."""
        async with connected(self.port) as connection:
            await connection.send("POST", PATH, self.headers(message), encode(message) if body is None else body)
            await self.read(connection)

    async def ask_in_session(self, message: Message) -> None:
        """A message in the session, whose answer is read."""
        async with connected(self.port) as connection:
            await self.send_in_session(connection, message)
            await self.read(connection)

    async def send_in_session(
        self, connection: Connection, message: Message | list[Message], revision: str = SESSION
    ) -> None:
        """A message in the session of `revision`, which is opened first where there is none."""
        if revision not in self.sessions:
            await self.open_session(revision)
        await connection.send("POST", PATH, self.old_headers(revision), encode(message))

    async def open_session(self, revision: str = SESSION) -> None:
        """Open a session and keep its id. Raises LostError where it is refused."""
        async with connected(self.port) as connection:
            fields = self.old_headers(revision)
            await connection.send("POST", PATH, fields, encode(initialize(revision)))
            await self.read(connection)
            session = connection.headers.get("mcp-session-id")
            if session is None:
                raise LostError("no session")
            self.sessions[revision] = session
            said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await connection.send("POST", PATH, self.old_headers(revision), encode(said))
            await connection.head()

    def old_call(self, tool: str, **arguments: object) -> Message:
        """A tools/call of an older revision."""
        return old("tools/call", next(self.ids), name=tool, arguments=arguments)

    async def read(self, connection: Connection) -> None:
        """Read an answer to its end, and count it by its status and, where it is an error, its code."""
        status = await connection.head()
        messages = await connection.all_messages()
        failed = [one["error"]["code"] for one in messages if "error" in one]
        self.answered[f"{status} {failed[0]}" if failed else str(status)] += 1

    @asynccontextmanager
    async def heard(self, connection: Connection) -> AsyncGenerator[None, None]:
        """Run the block, which writes; then look what comes back within a second, if the server has not hung up."""
        received = _CLOSED
        with suppress(trio.BrokenResourceError):
            yield
            received = b""
            with trio.move_on_after(_LISTENS_S):
                received = await connection.stream.receive_some(65536) or _CLOSED
        self.answered[_named(received)] += 1

    async def hold(self, number: int = 1) -> list[Connection]:
        """Open so many connections more and keep them; the oldest go where that are too many for this process."""
        opened = [await Connection.open(self.port) for _ in range(number)]
        self.held += opened
        self.answered["held"] += number
        while len(self.held) > _MOST_HELD:
            await trio.aclose_forcefully(self.held.pop(0).stream)
        return opened


def _named(received: bytes) -> str:
    """A status, or the kind of ending."""
    if received.startswith(b"HTTP/1.1 "):
        return received[9:12].decode("latin-1")
    if received == _CLOSED:
        return "closed"
    return "frames" if received else "silence"

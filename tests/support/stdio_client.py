"""A client over stdio, in process: the transport on streams in memory. Rule: every line is read, and is a message."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.transports.stdio.transport import Stdio
from tests.support import official
from tests.support.clients import Answer, Client, Opened, RawReply
from tests.support.mailbox import Mailbox
from tests.support.messages import Message, encode, notification


class StdioClient(Client):
    """Talks to one Stdio. `lines` is everything that came, `unclaimed` what belongs to no open request."""

    transport = "stdio"

    def __init__(
        self, server: Stdio, stream: trio.StapledStream[Any, Any], runtime: Runtime, journal: list[str]
    ) -> None:
        super().__init__(runtime, journal)
        self.server = server
        self.lines: list[Message] = []
        self.unclaimed: list[Message] = []
        self.ended = trio.Event()
        self._stream = stream
        self._open: dict[Any, StdioOpened] = {}

    async def read(self) -> None:
        """Read until the server is gone."""
        rest = b""
        async for chunk in self._stream:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                official.check_message(message)
                self.lines.append(message)
                self._deliver(message)
        assert not rest, f"a torn line: {rest!r}"
        for opened in self._open.values():
            opened.messages.end()

    def _deliver(self, message: Message) -> None:
        takers = self._takers(message)
        for opened in takers:
            opened.messages.put(message)
        if not takers:
            self.unclaimed.append(message)

    def _takers(self, message: Message) -> list["StdioOpened"]:
        if "method" not in message:
            found = self._open.get(message.get("id"))
            return [] if found is None or not _same(found.request["id"], message["id"]) else [found]
        params = message.get("params", {})
        named = params.get("requestId", official.subscription_id(message))
        if named is not None:
            return [opened for key, opened in self._open.items() if _same(key, named)]
        token = params.get("progressToken")
        return [opened for opened in self._open.values() if opened.takes(token)]

    @asynccontextmanager
    async def open(
        self, message: Message, *, headers: Mapping[str, str | None] | None = None
    ) -> AsyncGenerator["StdioOpened", None]:
        del headers  # There are none on stdio.
        opened = StdioOpened(message, self)
        self._open[message["id"]] = opened
        try:
            await self.write(encode(message) + b"\n")
            yield opened
        finally:
            with trio.CancelScope(shield=True):
                if not (opened.answered or opened.cancelled or self.ended.is_set()):
                    await opened.cancel()
                    await self.settle()
            if self._open.get(message["id"]) is opened:
                del self._open[message["id"]]

    async def raw(self, data: bytes, *, headers: Mapping[str, str | None] | None = None) -> RawReply:
        del headers
        before = len(self.lines)
        await self.write(data + b"\n")
        await self.settle()
        return RawReply(self.lines[before:])

    async def write(self, data: bytes) -> None:
        """Write bytes to the server's input as they are."""
        await self._stream.send_all(data)

    async def end_input(self) -> None:
        """Close the server's input."""
        await self._stream.send_eof()


class StdioOpened(Opened):
    """A request whose messages are picked out of the one channel."""

    def __init__(self, message: Message, client: StdioClient) -> None:
        self.request = message
        self.answered = False
        self.cancelled = False
        self._client = client
        self.messages: Mailbox[Message] = Mailbox()

    def takes(self, token: object) -> bool:
        """Whether a notification with this progress token (None: with none) may be for this request."""
        own = self.request["params"].get("_meta", {}).get("progressToken")
        return self.request["method"] != "subscriptions/listen" if token is None else _same(own, token)

    async def next(self) -> Message:
        message = await self.messages.get()
        self.answered = self.answered or "method" not in message
        return message

    async def answer(self) -> Answer:
        notifications: list[Message] = []
        while "method" in (message := await self.next()):
            notifications.append(message)
        return Answer(self.request, message, notifications)

    async def cancel(self) -> None:
        self.cancelled = True
        told = notification("notifications/cancelled", {"requestId": self.request["id"], "reason": "enough"})
        await self._client.write(encode(told) + b"\n")

    def arrived(self) -> list[Message]:
        return self.messages.take_all()


def _same(one: object, other: object) -> bool:
    """Equal in JSON: 1 and "1" are two ids."""
    return type(one) is type(other) and one == other


@asynccontextmanager
async def stdio_client(runtime: Runtime, journal: list[str]) -> AsyncGenerator[StdioClient, None]:
    """A client of `runtime`, which runs for as long as the block does. At its end the server must end too."""
    ours, theirs = trio.testing.memory_stream_pair()
    config = runtime.config
    server = Stdio(runtime.dispatcher, theirs, theirs, limits=config.limits, eof_grace_s=config.stdio.eof_grace_s)
    client = StdioClient(server, ours, runtime, journal)

    async def serve() -> None:
        await server.serve()
        client.ended.set()
        await theirs.aclose()

    async with runtime.running(), trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        nursery.start_soon(client.read)
        yield client
        await client.end_input()
        with trio.fail_after(config.stdio.eof_grace_s + 1):
            await client.ended.wait()

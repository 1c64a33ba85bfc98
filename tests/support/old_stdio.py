"""A client of the handshake on stdio, in process: the transport on streams in memory. Rule: every line is a message."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.transports.stdio.transport import Stdio
from tests.support.old_client import OldClient


class OldStdioClient(OldClient):
    """Talks to one Stdio."""

    wire = "stdio"

    def __init__(self, stream: trio.StapledStream[Any, Any], runtime: Runtime, journal: list[str]) -> None:
        super().__init__(runtime, journal)
        self.ended = trio.Event()
        self._stream = stream

    async def read(self) -> None:
        """Read until the server is gone."""
        rest = b""
        async for chunk in self._stream:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.arrive(json.loads(line))
        assert not rest, f"a torn line: {rest!r}"

    async def send(self, body: object, *, headers: Mapping[str, str | None] | None = None) -> int | None:
        del headers  # There are none on stdio.
        sent, data = self.note(body)
        await self._stream.send_all(data + b"\n")
        if not sent.requests:
            await self.settle()
        return None

    async def end_input(self) -> None:
        """Close the server's input."""
        await self._stream.send_eof()


@asynccontextmanager
async def old_stdio_client(runtime: Runtime, journal: list[str]) -> AsyncGenerator[OldStdioClient, None]:
    """A client of `runtime`, which runs for as long as the block does. At its end the server must end too."""
    ours, theirs = trio.testing.memory_stream_pair()
    config = runtime.config
    server = Stdio(
        runtime.dispatcher,
        theirs,
        theirs,
        limits=config.limits,
        eof_grace_s=config.stdio.eof_grace_s,
        bridge=None if runtime.bridges is None else runtime.bridges.stdio,
    )
    client = OldStdioClient(ours, runtime, journal)

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

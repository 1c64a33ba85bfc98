"""A client of HTTP+SSE, in process. Rule: messages are posted where the stream's first event says, answers come on it."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import anyio
from anyio.abc import TaskGroup
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.assembly.runtime import Runtime
from tests.support.asgi import Exchange
from tests.support.http_client import merged
from tests.support.old_client import OldClient
from tests.support.old_events import Event, OldEventReader

_LEAVING_S: Final = 1.0


class SseClient(OldClient):
    """One stream, opened at `path`. `endpoint` is where its first event says to post; `events` is all that came."""

    wire = "sse"

    def __init__(self, app: ASGIApp, runtime: Runtime, journal: list[str], tasks: TaskGroup) -> None:
        super().__init__(runtime, journal)
        self.app = app
        self.path = "/sse"
        self.endpoint: str | None = None
        self.events: list[Event] = []
        self.stream: Exchange | None = None
        self._told = anyio.Event()
        self._tasks = tasks

    async def connect(self, path: str = "/sse") -> None:
        """Open the stream, and learn where to post."""
        self.path = path
        self.stream = Exchange(headers={"accept": "text/event-stream"}, method="GET", path=path)
        self.stream.upload(b"")
        self._tasks.start_soon(self.stream.run, self.app)
        self._tasks.start_soon(self._read, self.stream)
        await self._told.wait()

    async def _read(self, stream: Exchange) -> None:
        reader = OldEventReader()
        while (chunk := await stream.read()) is not None:
            for event in reader.feed(chunk):
                self.events.append(event)
                if event.name == "endpoint":
                    self.endpoint = event.data
                else:
                    self.arrive(event.message)
            self._told.set()
        if stream.complete.is_set():
            reader.end()

    async def send(self, body: object, *, headers: Mapping[str, str | None] | None = None) -> int | None:
        _, data = self.note(body)
        assert self.endpoint is not None
        exchange = self._post(urljoin(self.path, self.endpoint), data, headers)
        with anyio.fail_after(_LEAVING_S):
            await exchange.returned.wait()
        await self.settle()
        response = exchange.response
        if response.body:
            self.arrive(json.loads(response.body), None, response.status)
        return response.status

    def _post(self, url: str, data: bytes, headers: Mapping[str, str | None] | None) -> Exchange:
        place = urlsplit(url)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope, "query_string": place.query.encode()}, receive, send)

        exchange = Exchange(headers=merged({"content-type": "application/json"}, headers), path=place.path)
        exchange.upload(data)
        self._tasks.start_soon(exchange.run, app)
        return exchange

    async def leave(self) -> None:
        """Drop the stream; the application must be done with it."""
        if self.stream is not None:
            self.stream.disconnect()
            with anyio.fail_after(_LEAVING_S, shield=True):
                await self.stream.returned.wait()


@asynccontextmanager
async def sse_client(runtime: Runtime, journal: list[str]) -> AsyncGenerator[SseClient, None]:
    """A client of `runtime` with its stream open, which runs for as long as the block does."""
    app = HttpApp(runtime)
    async with app.lifespan(), anyio.create_task_group() as tasks:
        client = SseClient(app, runtime, journal, tasks)
        await client.connect()
        yield client
        await client.leave()

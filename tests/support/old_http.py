"""A client of sessions over HTTP, in process. Rule: it keeps the session's id and the version, as clients have to."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from starlette.types import ASGIApp

from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.assembly.runtime import Runtime
from tests.support.asgi import Exchange, Response
from tests.support.http_client import merged
from tests.support.messages import headers_for
from tests.support.old_client import CHANGES, Listening, OldClient, Sent, Source
from tests.support.old_events import OldEventReader
from tests.support.old_official import is_modern

_LEAVING_S: Final = 1.0
"""How long the application may take to notice that its client has gone."""


class SessionsClient(OldClient):
    """One session. `app` serves `runtime`; its lifespan is on."""

    wire = "sessions"

    def __init__(self, app: ASGIApp, runtime: Runtime, journal: list[str], tasks: TaskGroup) -> None:
        super().__init__(runtime, journal)
        self.app = app
        self.session_id: str | None = None
        self.listening: Listening | None = None
        self.exchanges: dict[Source, Exchange] = {}
        """The last request for each stream."""
        self._running: list[Exchange] = []
        self._tasks = tasks

    def another(self) -> "SessionsClient":
        """Another client of the same server; it has not shaken hands yet."""
        other = SessionsClient(self.app, self.runtime, self.journal, self._tasks)
        other._running = self._running
        return other

    def headers(self) -> dict[str, str]:
        """What the session adds to every request. The version is one since 2025-06-18."""
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if self.session_id is not None:
            headers["mcp-session-id"] = self.session_id
        if self.revision is not None and self.revision >= "2025-06-18":
            headers["mcp-protocol-version"] = self.revision
        return headers

    async def send(self, body: object, *, headers: Mapping[str, str | None] | None = None) -> int | None:
        sent, data = self.note(body)
        modern = isinstance(sent.body, dict) and is_modern(sent.body)  # pyright: ignore[reportUnknownArgumentType]  # JSON
        own = headers_for(sent.body) if modern else self.headers()
        exchange = self.request("POST", merged(own, headers), data, sent)
        if sent.requests:
            return None
        await exchange.returned.wait()
        await self.settle()
        return exchange.response.status

    async def listen(self) -> None:
        listening = Listening()
        exchange = self.request("GET", {**self.headers(), "accept": "text/event-stream"}, b"", listening)
        self.listening = listening
        await exchange.started.wait()
        assert exchange.response.status == 200, exchange.response

    async def resume(self, source: Sent | Listening, last_event_id: str) -> Exchange:
        """Come back to a stream after that event; what comes counts as what its first connection would have brought."""
        headers = {**self.headers(), "accept": "text/event-stream", "last-event-id": last_event_id}
        exchange = self.request("GET", headers, b"", source)
        await exchange.started.wait()
        return exchange

    async def lose(self, source: Sent | Listening) -> None:
        """Lose the connection, and say nothing."""
        self.exchanges[source].disconnect()
        await self.settle()

    async def delete(self, headers: Mapping[str, str | None] | None = None) -> int:
        """End the session; the status."""
        exchange = self.request("DELETE", merged(self.headers(), headers), b"", Sent(body=None, requests={}))
        await exchange.returned.wait()
        return exchange.response.status

    def request(self, method: str, headers: Mapping[str, str], data: bytes, source: Source) -> Exchange:
        """An HTTP request, whose response is read as it comes."""
        exchange = Exchange(headers=headers, method=method)
        self.exchanges[source] = exchange
        self._running.append(exchange)
        exchange.upload(data)
        self._tasks.start_soon(exchange.run, self.app)
        self._tasks.start_soon(self._read, exchange, source)
        return exchange

    async def _read(self, exchange: Exchange, source: Source) -> None:
        reader = OldEventReader()
        response = exchange.response
        while (chunk := await exchange.read()) is not None:
            if (response.header("content-type") or "").startswith("text/event-stream"):
                for event in reader.feed(chunk):
                    assert source is not None
                    source.events.append(event)
                    if event.data:
                        self._take(event.data, source, response)
        if exchange.complete.is_set():
            reader.end()
            if response.header("content-type") == "application/json":
                self._take(response.body, source, response)

    def _take(self, data: str | bytes, source: Source, response: Response) -> None:
        self.session_id = response.header("mcp-session-id") or self.session_id
        self.arrive(json.loads(data), source, response.status)

    def arrive(self, message: Any, source: Source = None, status: int | None = None) -> None:
        said = message.get("method") if isinstance(message, dict) else None
        # Spec: 2025-11-25/basic/transports#listening-for-messages-from-the-server
        on_stream = isinstance(source, Listening) and status == 200
        assert on_stream == (said in CHANGES), f"on the wrong stream: {message}"
        super().arrive(message, source, status)

    async def leave(self) -> None:
        """Drop every connection; the application must be done with each."""
        for exchange in self._running:
            exchange.disconnect()
        with anyio.fail_after(_LEAVING_S, shield=True):
            for exchange in self._running:
                await exchange.returned.wait()


@asynccontextmanager
async def sessions_client(runtime: Runtime, journal: list[str]) -> AsyncGenerator[SessionsClient, None]:
    """A client of `runtime`, which runs for as long as the block does. It has not shaken hands yet."""
    app = HttpApp(runtime)
    async with app.lifespan(), anyio.create_task_group() as tasks:
        client = SessionsClient(app, runtime, journal, tasks)
        yield client
        await client.leave()

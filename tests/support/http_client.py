"""A client over Streamable HTTP, in process. Rule: each message is a POST of its own, its headers taken from its body."""

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
from tests.support.clients import Answer, Client, Opened, RawReply
from tests.support.events import EventReader
from tests.support.fixture_plugin import MIRRORED
from tests.support.mailbox import Mailbox
from tests.support.messages import Message, encode, headers_for
from tests.support.official import check_message

_LEAVING_S: Final = 1.0
"""How long the application may take to notice that its client has gone."""


class HttpClient(Client):
    """`app` serves `runtime`; its lifespan is on."""

    transport = "streamable_http"

    def __init__(self, app: ASGIApp, runtime: Runtime, journal: list[str], tasks: TaskGroup) -> None:
        super().__init__(runtime, journal)
        self.app = app
        self._tasks = tasks

    @asynccontextmanager
    async def exchange(self, message: object = None, **options: Any) -> AsyncGenerator[Exchange, None]:
        """A request of one's own making: `message` is sent at once, None leaves the body to the test.

        When the block is left the client has gone, and the application must be done with the request.
        """
        headers = merged(headers_for(message, MIRRORED), options.pop("headers", None))
        exchange = Exchange(headers=options.pop("raw_headers", headers), **options)
        self._tasks.start_soon(exchange.run, self.app)
        if message is not None:
            exchange.upload(message if isinstance(message, bytes) else encode(message))
        try:
            yield exchange
        finally:
            exchange.disconnect()
            with anyio.fail_after(_LEAVING_S, shield=True):
                await exchange.returned.wait()

    @asynccontextmanager
    async def open(
        self, message: Message, *, headers: Mapping[str, str | None] | None = None
    ) -> AsyncGenerator["HttpOpened", None]:
        async with self.exchange(message, headers=headers) as exchange:
            opened = HttpOpened(message, exchange)
            self._tasks.start_soon(opened.pump)
            try:
                yield opened
            finally:
                exchange.disconnect()
                with anyio.fail_after(_LEAVING_S, shield=True):
                    await opened.pumped.wait()

    async def raw(self, data: bytes, *, headers: Mapping[str, str | None] | None = None) -> RawReply:
        chosen = merged(headers_for(_parsed(data), MIRRORED), headers)
        async with self.exchange(data, raw_headers=chosen) as exchange:
            response = await exchange.read_all()
        return RawReply(_messages(response), response.status, _headers(response))

    async def get(
        self, method: str = "GET", path: str = "/mcp", headers: Mapping[str, str] | None = None, **options: Any
    ) -> Response:
        """A request that is no message."""
        async with self.exchange(method=method, path=path, raw_headers=headers or {}, **options) as exchange:
            exchange.upload(b"")
            return await exchange.read_all()


class HttpOpened(Opened):
    """A POST whose response is being read as it comes."""

    def __init__(self, message: Message, exchange: Exchange) -> None:
        self.request = message
        self.exchange = exchange
        self.events = EventReader()
        self.pumped = anyio.Event()
        self._messages: Mailbox[Message] = Mailbox()

    async def pump(self) -> None:
        """Read the response to its end."""
        response = self.exchange.response
        try:
            while (chunk := await self.exchange.read()) is not None:
                if (response.header("content-type") or "").startswith("text/event-stream"):
                    for message in self.events.feed(chunk):
                        self._messages.put(message)
            if self.exchange.complete.is_set():
                self.events.end()
                if response.header("content-type") == "application/json":
                    self._messages.put(json.loads(response.body))
        finally:
            self._messages.end()
            self.pumped.set()

    async def next(self) -> Message:
        message = await self._messages.get()
        if "method" in message:
            check_message(message)
        return message

    async def answer(self) -> Answer:
        notifications: list[Message] = []
        while "method" in (message := await self.next()):
            notifications.append(message)
        await self.exchange.complete.wait()
        response = self.exchange.response
        return Answer(self.request, message, notifications, response.status, _headers(response))

    async def cancel(self) -> None:
        self.exchange.disconnect()

    def arrived(self) -> list[Message]:
        return self._messages.take_all()


@asynccontextmanager
async def http_client(runtime: Runtime, journal: list[str]) -> AsyncGenerator[HttpClient, None]:
    """A client of `runtime`, which runs for as long as the block does."""
    app = HttpApp(runtime)
    async with app.lifespan(), anyio.create_task_group() as tasks:
        yield HttpClient(app, runtime, journal, tasks)


def merged(headers: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """`headers` with some replaced, and those that are None left out."""
    both: dict[str, str | None] = {**headers, **(changes or {})}
    return {key: value for key, value in both.items() if value is not None}


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _messages(response: Response) -> list[Message]:
    if not response.body:
        return []
    if response.header("content-type") == "application/json":
        return [json.loads(response.body)]
    reader = EventReader()
    messages = reader.feed(response.body)
    reader.end()
    return messages


def _headers(response: Response) -> dict[str, str]:
    return {key.decode(): value.decode("latin-1") for key, value in response.headers}

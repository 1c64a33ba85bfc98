"""The application inside middleware of a host: every request has a response, whoever is left to read it."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
import trio
import trio.testing
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_runtime import Plugin
from mcp_runtime.asgi import create_app
from mcp_runtime.assembly.http_app import HttpApp
from tests.support.asgi import Exchange, Gone
from tests.support.clocks import Backend, run
from tests.support.fixture_plugin import make_plugin
from tests.support.messages import encode, headers_for, request
from tests.support.settings import settings
from tests.unit.server.http1.http1_server import Peer, serving

# BaseHTTPMiddleware leaves it behind, before Starlette 1.8.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Async generator 'starlette.requests.Request.stream' was garbage collected:ResourceWarning"
)

NAP: Final = request("tools/call", {"name": "nap", "arguments": {}})
ECHO: Final = request("tools/call", {"name": "echo", "arguments": {"text": "x" * 2000}})
BACKENDS: Final[tuple[Backend, ...]] = ("trio", "asyncio")


async def _add_a_header(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-wrapped"] = "yes"
    return response


LAYERS: Final[dict[str, Callable[[ASGIApp], ASGIApp]]] = {
    "nothing": lambda app: app,
    "BaseHTTPMiddleware": lambda app: BaseHTTPMiddleware(app, _add_a_header),
    "GZipMiddleware": GZipMiddleware,
    "both": lambda app: BaseHTTPMiddleware(GZipMiddleware(app), _add_a_header),
    "CORSMiddleware": lambda app: CORSMiddleware(app, allow_origins=["*"]),
}


class Wrapped:
    """An application in a layer. What it raises is kept, as the log of a server would have it."""

    def __init__(self, layer: str, plugin: Plugin[Any] | None = None) -> None:
        self.inner: HttpApp = create_app(settings(), plugin or make_plugin([]))
        self._outer = LAYERS[layer](self.inner)
        self.errors: list[BaseException] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._outer(scope, receive, send)
        except BaseException as error:
            self.errors.append(error)
            raise

    @asynccontextmanager
    async def exchange(self, message: Any, gone: Gone = "silent") -> AsyncGenerator[Exchange]:
        """A request to it, whose body has come in whole."""
        async with self.inner.lifespan(), anyio.create_task_group() as tasks:
            exchange = Exchange(headers=headers_for(message), gone=gone)
            tasks.start_soon(exchange.run, self)
            exchange.upload(encode(message))
            yield exchange


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_client_that_leaves_before_its_answer_fails_nothing(layer: str, backend: Backend) -> None:
    async def test() -> None:
        app = Wrapped(layer)
        async with app.exchange(NAP) as exchange:
            await anyio.sleep(1)
            exchange.disconnect()
            await exchange.returned.wait()
        assert app.errors == []
        assert exchange.response.status == 499

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_that_fails_the_send_is_not_troubled(backend: Backend) -> None:
    async def test() -> None:
        app = Wrapped("nothing")
        async with app.exchange(NAP, gone="raises") as exchange:
            await anyio.sleep(1)
            exchange.disconnect()
            await exchange.returned.wait()
        assert app.errors == []

    run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_that_began_gets_no_second_answer(backend: Backend) -> None:
    async def test() -> None:
        app = Wrapped("nothing")
        async with app.exchange(request("subscriptions/listen", {"notifications": {}})) as exchange:
            assert await exchange.read()
            exchange.disconnect()
            await exchange.returned.wait()
        assert "http.response.start" not in [message["type"] for message in exchange.after_left]

    run(backend, test)


@pytest.mark.parametrize("layer", LAYERS)
async def test_on_our_own_server_answers_go_through_the_middleware(layer: str) -> None:
    plugin: Plugin[Any] = Plugin("holding")
    began, ended = trio.Event(), trio.Event()

    @plugin.tool
    async def echo(text: str) -> str:
        return text

    @plugin.tool
    async def nap() -> str:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    app = Wrapped(layer, plugin)
    async with app.inner.lifespan(), serving(app) as server:
        async with server.peer() as peer:
            for _ in range(2):
                await _post(peer, ECHO)
                answer = await peer.answer()
                assert json.loads(answer.body)["result"]["content"][0]["text"] == "x" * 2000
                assert answer.header("x-wrapped") == ("yes" if layer in {"BaseHTTPMiddleware", "both"} else None)
        async with server.peer() as peer:
            await _post(peer, NAP)
            await began.wait()
        await ended.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert app.errors == []


def _post(peer: Peer, message: Any) -> Awaitable[None]:
    body = encode(message)
    fields = {"host": "localhost", **headers_for(message), "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return peer.send(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)

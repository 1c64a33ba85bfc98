"""The application as a whole: its lifespan, mounted into another one, and what survives the failure of a part."""

import gc
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.http_app import HttpApp
from tests.support.asgi import Exchange
from tests.support.clocks import Backend, run
from tests.support.fixture_plugin import make_plugin
from tests.support.http_client import HttpClient
from tests.support.messages import encode, headers_for, request
from tests.support.settings import settings
from tests.support.wires import HTTP, over

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
DISCOVER = request("server/discover")


async def discover(app: Any, path: str, root_path: str = "") -> int:
    """The status of a discover request to `app`."""
    exchange = Exchange(headers=headers_for(DISCOVER), path=path, root_path=root_path)
    status = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exchange.run, app)
        exchange.upload(encode(DISCOVER))
        status = (await exchange.read_all()).status
    return status  # noqa: RET504  # a return inside the group would look conditional to a type checker


@pytest.mark.parametrize("backend", BACKENDS)
def test_plugins_start_with_the_lifespan_and_stop_with_it(backend: Backend) -> None:
    journal: list[str] = []

    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin(journal),)))
        async with app.lifespan():
            assert journal == ["started"]
            assert await discover(app, "/mcp") == 200
        assert journal == ["started", "stopped"]

    run(backend, serve)


@pytest.mark.parametrize("backend", BACKENDS)
def test_plugins_stop_too_where_serving_fails(backend: Backend) -> None:
    journal: list[str] = []

    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin(journal),)))
        failures: list[BaseException] = []
        try:
            async with app.lifespan():
                raise RuntimeError("power cut")  # noqa: TRY301  # what a server does that fails
        except* RuntimeError as group:
            failures += group.exceptions
        assert "power cut" in repr(failures)
        assert journal == ["started", "stopped"]

    run(backend, serve)


@pytest.mark.parametrize("backend", BACKENDS)
def test_plugins_stop_too_where_serving_is_cancelled(backend: Backend) -> None:
    journal: list[str] = []

    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin(journal),)))
        with anyio.move_on_after(5):
            async with app.lifespan():
                await anyio.sleep_forever()
        assert journal == ["started", "stopped"]

    run(backend, serve)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lifespan_scope_of_a_server_starts_and_stops_the_plugins(backend: Backend) -> None:
    journal: list[str] = []

    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin(journal),)))
        received = iter(["lifespan.startup", "lifespan.shutdown"])
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            if len(sent) == 1:
                assert journal == ["started"]
                assert gc.get_freeze_count() > 0, "collections look through what stays for good"
            return {"type": next(received)}

        async def send(message: Any) -> None:
            sent.append(message["type"])
            await anyio.lowlevel.checkpoint()

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert journal == ["started", "stopped"]

    gc.unfreeze()
    try:
        run(backend, serve)
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_its_lifespan_the_application_says_what_is_missing(backend: Backend) -> None:
    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin([]),)))
        failures: list[BaseException] = []
        try:
            await discover(app, "/mcp")
        except* RuntimeError as group:
            failures += group.exceptions
        assert "give the host lifespan=app.lifespan" in repr(failures)

    run(backend, serve)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_websocket_is_closed_before_it_opens(backend: Backend) -> None:
    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin([]),)))
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        async with app.lifespan():
            await app({"type": "websocket", "path": "/mcp", "headers": []}, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"]

    run(backend, serve)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("mounted_at", "endpoint", "reached"),
    [("/", "/mcp", "/mcp"), ("/api", "/mcp", "/api/mcp"), ("/a/b", "/m", "/a/b/m")],
)
def test_it_can_be_mounted_into_another_application(
    backend: Backend, mounted_at: str, endpoint: str, reached: str
) -> None:
    async def serve() -> None:
        app = HttpApp(build_runtime(settings(http={"path": endpoint}), (make_plugin([]),)))
        host = Starlette(routes=[Mount(mounted_at, app)])
        async with app.lifespan():
            assert await discover(host, reached) == 200
            assert await discover(host, reached + "/x") == 404

    run(backend, serve)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_may_run_it_under_a_root_path(backend: Backend) -> None:
    async def serve() -> None:
        app = HttpApp(build_runtime(settings(), (make_plugin([]),)))
        async with app.lifespan():
            assert await discover(app, "/proxy/mcp", root_path="/proxy") == 200
            assert await discover(app, "/mcp", root_path="/proxy") in {200, 404}

    run(backend, serve)


@over(*HTTP)
async def test_calls_at_work_are_cancelled_when_the_lifespan_ends(client: HttpClient) -> None:
    async with client.open(request("tools/call", {"name": "nap", "arguments": {}})):
        await anyio.sleep(10)
        assert client.runtime.dispatcher.at_work == 1
    await anyio.sleep(1)
    assert client.runtime.dispatcher.at_work == 0


@over(*HTTP)
async def test_many_calls_at_once_are_each_answered_once(client: HttpClient) -> None:
    answers: list[str] = []

    async def ask(number: int) -> None:
        answers.append((await client.call("nap", {"seconds": number % 7})).text)
        answers.append((await client.call("echo", {"text": str(number)})).text)

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(ask, number)
    assert sorted(answers) == sorted(["rested"] * 100 + [str(number) for number in range(100)])


@over(*HTTP, clock="real")
async def test_a_call_left_in_a_worker_thread_delays_nobody(client: HttpClient) -> None:
    answer = await client.call("chat_in_thread", {"text": "hello"})
    assert answer.text == "said hello"
    assert answer.notifications == []

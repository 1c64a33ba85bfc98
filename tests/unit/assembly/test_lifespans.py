"""A lifespan that fails once it has started is told by plugin and line, and cancels nothing of what is served."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal

import anyio
import anyio.lowlevel
import pytest
import trio
import trio.testing

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.authoring.plugin_loading import LifespanError, PluginLoadError
from mcp_runtime.config import Config
from mcp_runtime.platform.interruptions import leaves_of
from tests.support.captured_log import Events, captured_log

Backend = Literal["trio", "asyncio"]
UNSET: Final = "unset"
variable: Final[ContextVar[str]] = ContextVar("variable", default=UNSET)


class PanicError(BaseException):
    """As native modules raise it."""


OWN: Final[list[BaseException]] = [
    ValueError("no such thing"),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    PanicError("out of bounds"),
    BaseExceptionGroup("two", [PanicError("out of bounds"), ValueError()]),
]


@pytest.fixture
def log() -> Generator[Events]:
    with captured_log() as events:
        yield events


@pytest.fixture(params=["trio", "asyncio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return "trio" if request.param == "trio" else "asyncio"


def runtime_of(*plugins: Plugin[Any]) -> Runtime:
    return build_runtime(Config(), plugins)


def failing_at_the_end(name: str, error: BaseException, events: list[str] | None = None) -> "Plugin[None]":
    plugin = Plugin(name)

    @plugin.lifespan
    async def lifespan() -> AsyncIterator[None]:
        yield
        if events is not None:
            events.append(f"{name} stops")
        raise error

    return plugin


class Background:
    """A plugin whose background task fails when it is told to."""

    def __init__(self, error: BaseException) -> None:
        self.plugin = plugin = Plugin("busy")
        self.fail = anyio.Event()

        async def work() -> None:
            await self.fail.wait()
            raise error

        @plugin.lifespan
        async def lifespan() -> AsyncGenerator[None]:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work)
                yield
                tasks.cancel_scope.cancel()


async def run(runtime: Runtime) -> None:
    async with runtime.running():
        pass


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_what_is_raised_at_the_end_names_plugin_and_line(error: BaseException, backend: Backend) -> None:
    with pytest.raises(LifespanError) as failed:
        anyio.run(run, runtime_of(failing_at_the_end("p", error)), backend=backend)
    assert failed.value.plugin == "p"
    assert failed.value.cause.startswith("failed at the end: ")
    assert failed.value.place is not None
    assert failed.value.place.startswith(__file__)
    assert str(failed.value).startswith("plugin 'p': its lifespan failed at the end: ")
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_what_is_raised_at_the_start_is_what_keeps_the_plugin_from_being_loaded(
    error: BaseException, backend: Backend
) -> None:
    plugin = Plugin("p")

    @plugin.lifespan
    async def lifespan() -> AsyncIterator[None]:
        if plugin.name == "p":
            raise error
        yield

    with pytest.raises(PluginLoadError) as refused:
        anyio.run(run, runtime_of(plugin), backend=backend)
    assert refused.value.place is not None
    assert refused.value.place.startswith(__file__)


def test_a_background_task_that_fails_is_told_and_what_is_served_goes_on(backend: Backend) -> None:
    served: list[object] = []

    async def serve() -> None:
        background = Background(PanicError("out of bounds"))
        runtime = runtime_of(background.plugin)
        async with runtime.running():
            background.fail.set()
            served.append(await runtime.lifespans.wait_failed())
            await anyio.lowlevel.checkpoint()  # where it would be cancelled
            served.append("after it")

    with pytest.raises(LifespanError, match="failed while the server ran: PanicError: out of bounds") as failed:
        anyio.run(serve, backend=backend)
    assert served == [failed.value, "after it"]


async def test_one_that_ends_by_itself_is_a_failure_too() -> None:
    plugin = Plugin("brief")

    @plugin.lifespan
    async def lifespan() -> AsyncGenerator[None]:
        with anyio.CancelScope() as scope:
            scope.cancel()
            yield

    async def serve() -> None:
        runtime = runtime_of(plugin)
        async with runtime.running():
            await runtime.lifespans.wait_failed()

    with pytest.raises(LifespanError, match="ended before the server did") as failed:
        await serve()
    assert failed.value.place is not None
    assert failed.value.place.startswith(__file__)


async def test_the_others_are_left_in_reverse_and_those_that_fail_too_are_in_the_log(log: Events) -> None:
    events: list[str] = []
    plugins = [failing_at_the_end(name, ValueError(name), events) for name in ("a", "b", "c")]
    with pytest.raises(LifespanError, match="plugin 'c'"):
        await run(runtime_of(*plugins))
    assert events == ["c stops", "b stops", "a stops"]
    assert [(event["event"], event["plugin"]) for event in log()] == [
        ("lifespan_failed", "b"),
        ("lifespan_failed", "a"),
    ]


async def test_what_the_server_fails_with_comes_first_and_the_rest_is_in_the_log(log: Events) -> None:
    async def serve() -> None:
        async with runtime_of(failing_at_the_end("p", ValueError())).running():
            raise KeyError("served")

    with pytest.raises(KeyError, match="served"):
        await serve()
    assert [event["plugin"] for event in log()] == ["p"]


async def test_a_failure_to_start_comes_before_one_to_stop(log: Events) -> None:
    broken = Plugin("broken")
    broken.lifespan(lambda: 5)  # type: ignore[type-var]  # the error is the point
    with pytest.raises(PluginLoadError, match="broken"):
        await run(runtime_of(failing_at_the_end("p", ValueError()), broken))
    assert [event["plugin"] for event in log()] == ["p"]


def test_all_at_once_they_are_cancelled_one_after_the_other(backend: Backend) -> None:
    events: list[str] = []

    def slow(name: str) -> "Plugin[None]":
        plugin = Plugin(name)

        @plugin.lifespan
        async def lifespan() -> AsyncGenerator[None]:
            try:
                yield
                await anyio.sleep_forever()
            finally:
                events.append(name)

        return plugin

    async def serve() -> None:
        with anyio.CancelScope() as scope:
            async with runtime_of(slow("a"), slow("b")).running():
                scope.cancel()
        assert scope.cancelled_caught

    anyio.run(serve, backend=backend)
    assert events == ["b", "a"]


async def test_one_that_is_cancelled_while_it_starts_is_left(autojump_clock: trio.testing.MockClock) -> None:
    events: list[str] = []
    plugin = Plugin("slow")

    @plugin.lifespan
    async def lifespan() -> AsyncGenerator[None]:
        try:
            await anyio.sleep_forever()
            yield
        finally:
            events.append("left")

    with trio.move_on_after(1) as scope:
        await run(runtime_of(plugin))
    assert scope.cancelled_caught
    assert events == ["left"]


async def test_one_that_stops_itself_while_it_starts_is_named() -> None:
    plugin = Plugin("p")

    @plugin.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.lowlevel.checkpoint()
        if plugin.name == "other":
            yield

    with pytest.raises(PluginLoadError, match="its lifespan failed: RuntimeError"):
        await run(runtime_of(plugin))


def test_what_it_sets_in_context_variables_is_there_for_the_calls(backend: Backend) -> None:
    plugin = Plugin("p")

    @plugin.lifespan
    async def lifespan() -> AsyncGenerator[None]:
        variable.set("by the lifespan")
        yield

    async def serve() -> None:
        assert variable.get() == UNSET
        async with runtime_of(plugin).running():
            assert variable.get() == "by the lifespan"

    anyio.run(serve, backend=backend)


def test_a_class_with_both_ends_is_one_as_well() -> None:
    class Resource:
        async def __aenter__(self) -> None:
            return None

        async def __aexit__(self, *_: object) -> None:
            raise PanicError("closing")

    plugin = Plugin("p")
    factory: Callable[[], Any] = Resource
    plugin.lifespan(factory)
    with pytest.raises(LifespanError, match="failed at the end: PanicError: closing") as failed:
        anyio.run(run, runtime_of(plugin))
    assert failed.value.place is not None
    assert failed.value.place.startswith(__file__)


def test_where_the_application_is_mounted_a_failure_is_logged_at_once_and_raised_in_the_end(
    backend: Backend, log: Events
) -> None:
    async def serve() -> None:
        background = Background(GeneratorExit())
        app = HttpApp(runtime_of(background.plugin))
        async with app.lifespan():
            background.fail.set()
            await app.runtime.lifespans.wait_failed()
            await anyio.wait_all_tasks_blocked()
            assert [event["event"] for event in log()] == ["lifespan_failed"]

    with pytest.raises(LifespanError):
        anyio.run(serve, backend=backend)
    assert len(log()) == 1


@pytest.mark.parametrize("is_at_the_start", [True, False])
def test_ctrl_c_in_a_lifespan_passes_where_nothing_takes_it(is_at_the_start: bool) -> None:
    plugin = Plugin("p")

    @plugin.lifespan
    async def lifespan() -> AsyncGenerator[None]:
        if is_at_the_start:
            raise KeyboardInterrupt
        yield
        raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as raised:
        trio.run(run, runtime_of(plugin))
    assert any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves_of(raised.value))

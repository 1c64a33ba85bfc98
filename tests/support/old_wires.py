"""Tests that run over every way an old client reaches the runtime. Rule: a test says what must hold, not over which wire.

    @over_old(*EVERY_OLD_WIRE)
    async def test_something_holds(client: OldClient) -> None: ...

becomes five tests: stdio, sessions and HTTP+SSE, the latter two on trio and on asyncio. No client has shaken hands yet.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any, Final, Literal

from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import Config
from tests.support.clocks import Backend, run
from tests.support.fixture_plugin import make_plugin
from tests.support.old_client import OldClient
from tests.support.quick_build import quick_build
from tests.support.settings import settings
from tests.support.wires import Journal, MakePlugin, spread

OldLoopWire = Literal["stdio", "sessions-trio", "sessions-asyncio", "sse-trio", "sse-asyncio"]

STDIO: Final[tuple[OldLoopWire, ...]] = ("stdio",)
SESSIONS: Final[tuple[OldLoopWire, ...]] = ("sessions-trio", "sessions-asyncio")
SSE: Final[tuple[OldLoopWire, ...]] = ("sse-trio", "sse-asyncio")
EVERY_OLD_WIRE: Final[tuple[OldLoopWire, ...]] = (*STDIO, *SESSIONS, *SSE)


def _stdio(runtime: Runtime, journal: Journal) -> AbstractAsyncContextManager[OldClient]:
    from tests.support.old_stdio import old_stdio_client

    return old_stdio_client(runtime, journal)


def _sessions(runtime: Runtime, journal: Journal) -> AbstractAsyncContextManager[OldClient]:
    from tests.support.old_http import sessions_client

    return sessions_client(runtime, journal)


def _sse(runtime: Runtime, journal: Journal) -> AbstractAsyncContextManager[OldClient]:
    from tests.support.old_sse import sse_client

    return sse_client(runtime, journal)


_Connect = Callable[[Runtime, Journal], AbstractAsyncContextManager[OldClient]]
_CONNECT: Final[Mapping[str, _Connect]] = {"stdio": _stdio, "sessions": _sessions, "sse": _sse}


def kind_of(wire: OldLoopWire) -> str:
    """The wire, whatever loop it is on."""
    return wire.partition("-")[0]


def backend_of(wire: OldLoopWire) -> Backend:
    """The loop that a wire is on."""
    return "asyncio" if wire.endswith("-asyncio") else "trio"


@asynccontextmanager
async def connect_old(
    wire: OldLoopWire, config: Config, make: MakePlugin = make_plugin
) -> AsyncGenerator[OldClient, None]:
    """A client of a new runtime that serves the plugin."""
    journal: Journal = []
    with quick_build() if make is make_plugin else nullcontext():
        runtime = build_runtime(config, (make(journal),))
    async with _CONNECT[kind_of(wire)](runtime, journal) as client:
        yield client


def over_old(
    *wires: OldLoopWire, plugin: MakePlugin = make_plugin, config: Config | None = None
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a test once over each of `wires`; its first parameter is the client, of a runtime that is its own."""

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def conversation(wire: OldLoopWire, fixtures: dict[str, Any]) -> None:
            async with connect_old(wire, config or settings(), plugin) as client:
                await test(client, **fixtures)

        def run_test(wire: OldLoopWire, **fixtures: Any) -> None:
            run(backend_of(wire), partial(conversation, wire, fixtures))

        return spread(test, run_test, wires)

    return decorate

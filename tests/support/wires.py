"""Tests that run over every way to reach the runtime. Rule: a test says what must hold, not over which wire.

    @over(*EVERY_WIRE)
    async def test_something_holds(client: Client) -> None: ...

becomes three tests: HTTP on trio, HTTP on asyncio, stdio.
"""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any, Final, Literal

import pytest

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.config import Config
from tests.support.clients import Client
from tests.support.clocks import Backend, Clock, run
from tests.support.fixture_plugin import make_plugin
from tests.support.quick_build import quick_build
from tests.support.settings import settings

Wire = Literal["http-trio", "http-asyncio", "stdio"]
Journal = list[str]
MakePlugin = Callable[[Journal], Plugin[Any]]

HTTP: Final[tuple[Wire, ...]] = ("http-trio", "http-asyncio")
STDIO: Final[tuple[Wire, ...]] = ("stdio",)
EVERY_WIRE: Final[tuple[Wire, ...]] = (*HTTP, *STDIO)


@asynccontextmanager
async def connect(wire: Wire, config: Config, make: MakePlugin = make_plugin) -> AsyncGenerator[Client, None]:
    """A client of a new runtime that serves the plugin."""
    journal: Journal = []
    with quick_build() if make is make_plugin else nullcontext():
        runtime = build_runtime(config, (make(journal),))
    if wire == "stdio":
        from tests.support.stdio_client import stdio_client

        async with stdio_client(runtime, journal) as client:
            yield client
    else:
        from tests.support.http_client import http_client

        async with http_client(runtime, journal) as client:
            yield client


def over(
    *wires: Wire, plugin: MakePlugin = make_plugin, config: Config | None = None, clock: Clock = "virtual"
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a test once over each of `wires`; its first parameter is the client, of a runtime that is its own."""

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def conversation(wire: Wire, fixtures: dict[str, Any]) -> None:
            async with connect(wire, config or settings(), plugin) as client:
                await test(client, **fixtures)

        def run_test(wire: Wire, **fixtures: Any) -> None:
            backend: Backend = "asyncio" if wire == "http-asyncio" else "trio"
            run(backend, partial(conversation, wire, fixtures), clock=clock)

        return spread(test, run_test, wires)

    return decorate


def spread(
    test: Callable[..., Awaitable[None]],
    run_test: Callable[..., None],
    values: Sequence[str],
    *,
    over: str = "wire",
    given: int = 1,
) -> Callable[..., None]:
    """`run_test` as pytest runs it with each of `values` as the parameter `over`.

    It goes by the name of `test`, with its marks and its fixtures: all its parameters but the first `given`.
    """
    fixtures = list(inspect.signature(test).parameters.values())[given:]
    own = inspect.Parameter(over, inspect.Parameter.KEYWORD_ONLY)
    run_test.__name__, run_test.__doc__, run_test.__module__ = test.__name__, test.__doc__, test.__module__
    run_test.__signature__ = inspect.Signature([*fixtures, own])  # type: ignore[attr-defined]  # what pytest reads
    for mark in getattr(test, "pytestmark", []):
        getattr(pytest.mark, mark.name)(*mark.args, **mark.kwargs)(run_test)
    marked: Callable[..., None] = pytest.mark.parametrize(over, values)(run_test)
    return marked

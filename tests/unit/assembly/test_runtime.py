"""Lifespans are entered in order and left in reverse, whatever happens between; one that fails says whose it was."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.authoring.plugin_loading import PluginLoadError
from mcp_runtime.config import Config, ConfigError, ServerConfig
from tests.support.dispatcher_client import Client


def with_lifespan(name: str, events: list[str]) -> "Plugin[None]":
    plugin = Plugin(name)

    @plugin.lifespan
    async def lifespan() -> AsyncIterator[None]:
        events.append(f"{name} starts")
        try:
            yield
        finally:
            events.append(f"{name} stops")

    return plugin


def failing(name: str, error: Exception) -> "Plugin[None]":
    plugin = Plugin(name)

    @plugin.lifespan
    async def lifespan() -> AsyncIterator[None]:
        if plugin.name == name:
            raise error
        yield

    return plugin


async def test_lifespans_are_entered_in_order_and_left_in_reverse() -> None:
    events: list[str] = []
    runtime = build_runtime(Config(), (with_lifespan("a", events), with_lifespan("b", events)))
    async with runtime.running():
        events.append("serving")
    assert events == ["a starts", "b starts", "serving", "b stops", "a stops"]


async def test_a_lifespan_may_be_a_context_manager() -> None:
    events: list[str] = []
    plugin = Plugin("p")

    @plugin.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        events.append("starts")
        yield
        events.append("stops")

    async with build_runtime(Config(), (plugin,)).running():
        events.append("serving")
    assert events == ["starts", "serving", "stops"]


async def test_a_lifespan_is_left_when_serving_fails() -> None:
    events: list[str] = []
    runtime = build_runtime(Config(), (with_lifespan("a", events),))

    async def serve() -> None:
        async with runtime.running():
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        await serve()
    assert events == ["a starts", "a stops"]


async def test_a_lifespan_is_left_when_serving_is_cancelled() -> None:
    events: list[str] = []
    runtime = build_runtime(Config(), (with_lifespan("a", events),))
    with trio.CancelScope() as scope:
        async with runtime.running():
            scope.cancel()
            await trio.sleep_forever()
    assert events == ["a starts", "a stops"]


async def test_a_lifespan_may_wait_while_it_stops() -> None:
    events: list[str] = []
    plugin = Plugin("p")

    @plugin.lifespan
    async def lifespan() -> AsyncIterator[None]:
        yield
        await trio.lowlevel.checkpoint()
        events.append("stopped")

    async with build_runtime(Config(), (plugin,)).running():
        pass
    assert events == ["stopped"]


async def test_a_lifespan_that_fails_to_start_is_named_and_those_before_it_are_left() -> None:
    events: list[str] = []
    broken = failing("broken", OSError("no database"))

    runtime = build_runtime(Config(), (with_lifespan("a", events), broken, with_lifespan("b", events)))

    async def serve() -> None:
        async with runtime.running():
            raise AssertionError

    with pytest.raises(PluginLoadError) as refused:
        await serve()
    assert refused.value.reference == "broken"
    assert "OSError: no database" in refused.value.cause
    assert refused.value.place is not None
    assert refused.value.place.startswith(__file__)
    assert events == ["a starts", "a stops"]


async def test_a_lifespan_that_finds_fault_with_the_configuration_says_so() -> None:
    plugin = failing("p", ConfigError("config.toml", "plugin.p.path", "there is no such file", "write one"))

    with pytest.raises(ConfigError, match="there is no such file"):
        async with build_runtime(Config(), (plugin,)).running():
            raise AssertionError


async def test_a_lifespan_that_never_yields_is_named() -> None:
    plugin = Plugin("p")

    @plugin.lifespan
    async def lifespan() -> AsyncIterator[None]:
        if plugin.name == "other":
            yield

    with pytest.raises(PluginLoadError, match="plugin 'p' cannot be loaded: its lifespan failed"):
        async with build_runtime(Config(), (plugin,)).running():
            raise AssertionError


async def test_a_lifespan_that_is_none_is_named() -> None:
    plugin = Plugin("p")
    plugin.lifespan(lambda: 5)  # type: ignore[type-var]  # the error is the point
    with pytest.raises(PluginLoadError, match=r"plugin 'p' cannot be loaded: .*not int"):
        async with build_runtime(Config(), (plugin,)).running():
            raise AssertionError


@pytest.mark.parametrize(
    ("own", "of_plugins", "expected"),
    [
        ("", [None], None),
        ("Be brief.", [None], "Be brief."),
        ("", ["A", None, "B"], "A\n\nB"),
        ("Be brief.", ["A"], "Be brief.\n\nA"),
    ],
)
async def test_instructions_are_the_servers_and_then_the_plugins(
    own: str, of_plugins: list[Any], expected: str | None
) -> None:
    plugins = [Plugin(f"p{number}", instructions=text) for number, text in enumerate(of_plugins)]
    found = await Client(*plugins, server=ServerConfig(instructions=own)).request("server/discover")
    assert found.get("instructions") == expected

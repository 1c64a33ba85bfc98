"""Requests of old clients are counted, by what came of them, where somebody looks."""

from typing import Any

import anyio
import pytest

from mcp_runtime.config import AdminConfig
from mcp_runtime.metrics import Family, Metrics
from tests.support.legacy_sessions import SESSION_REVISIONS, OldServer, on_both_loops, serving
from tests.support.settings import settings

WATCHED = settings(admin=AdminConfig(bind=("127.0.0.1:0",)))


def metrics_of(server: OldServer) -> Metrics:
    found = server.runtime.metrics
    assert found is not None
    return found


def counted(server: OldServer) -> dict[tuple[str, ...], float]:
    """Requests by method and outcome, of old revisions."""
    found: Any = next(one for one in metrics_of(server).families() if one.name == "mcp_requests_total")
    assert isinstance(found, Family)
    return {labels: value for labels, value in found.read().items() if labels[0] == "legacy"}


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@on_both_loops()
async def test_calls_are_counted_by_method_and_outcome(revision: str) -> None:
    async with serving(WATCHED) as server:
        client = await server.client(revision)
        await client.use("echo", text="hi")
        await client.use("echo", text="hi")
        await client.use("fail_kindly")
        await client.ask("resources/read", {"uri": "note://nowhere"})
        assert counted(server) == {
            ("legacy", revision, "streamable_http", "initialize", "ok"): 1,
            ("legacy", revision, "streamable_http", "tools/call", "ok"): 2,
            ("legacy", revision, "streamable_http", "tools/call", "tool_error"): 1,
            ("legacy", revision, "streamable_http", "resources/read", "error"): 1,
        }
        durations = metrics_of(server).durations()
        assert sum(durations["legacy", "streamable_http", "tools/call"].buckets) == 3


@on_both_loops()
async def test_what_a_bridge_answers_by_itself_is_counted_too() -> None:
    async with serving(WATCHED) as server:
        client = await server.client("2025-11-25")
        await client.ask("ping")
        await client.ask("logging/setLevel", {"level": "error"})
        await client.ask("resources/subscribe", {"uri": "note://1"})
        await client.ask("no/such")
        of_methods = {labels[3:]: value for labels, value in counted(server).items()}
        assert of_methods == {
            ("initialize", "ok"): 1,
            ("ping", "ok"): 1,
            ("logging/setLevel", "ok"): 1,
            ("resources/subscribe", "ok"): 1,
            ("other", "error"): 1,
        }


@on_both_loops()
async def test_open_streams_are_counted_while_they_are_open() -> None:
    async with serving(WATCHED) as server:
        client = await server.client("2025-11-25")
        async with client.listen() as stream:
            await stream.event()
            assert streams(server) == {("legacy", "streamable_http"): 1}
            await client.end()
            await stream.done()
            await anyio.wait_all_tasks_blocked()
        assert streams(server) == {("legacy", "streamable_http"): 0}


def streams(server: OldServer) -> dict[tuple[str, ...], float]:
    """Open streams, by era and transport."""
    found: Any = next(one for one in metrics_of(server).families() if one.name == "mcp_open_streams")
    return dict(found.read())

"""Requests of old clients are counted, by what came of them, where somebody looks."""

from typing import Any

import anyio
import pytest

from mcp_runtime.config import AdminConfig, DeprecationConfig
from mcp_runtime.telemetry.metrics import Family, Metrics
from tests.support.http_client import HttpClient
from tests.support.legacy_messages import old
from tests.support.raw_sessions import SESSION_REVISIONS, OldServer, on_both_loops, serving
from tests.support.raw_wires import RawWireClient, old_sse, over_old_wires
from tests.support.settings import settings

WATCHED = settings(admin=AdminConfig(bind=("127.0.0.1:0",)))


def metrics_of(server: OldServer) -> Metrics:
    found = server.runtime.metrics
    assert found is not None
    return found


def counted(server: OldServer) -> dict[tuple[str, ...], float]:
    """Requests by method and outcome, of old revisions."""
    return requests(metrics_of(server))


def requests(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """The same, of a server's metrics."""
    found: Any = next(one for one in metrics.families() if one.name == "mcp_requests_total")
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


@on_both_loops()
async def test_a_stream_of_http_sse_is_counted_while_it_is_open() -> None:
    async with serving(WATCHED) as server:
        async with old_sse(HttpClient(server.app, server.runtime, [], server.tasks)) as client:
            await client.open()
            assert streams(server) == {("legacy", "http_sse"): 1}
        await anyio.wait_all_tasks_blocked()
        assert streams(server) == {("legacy", "http_sse"): 0}


@over_old_wires(config=WATCHED)
async def test_on_a_wire_the_same_is_counted(client: RawWireClient) -> None:
    await client.open("2025-03-26")
    await client.ask("ping")
    await client.ask("resources/subscribe", {})
    await client.say([old("ping", id=1), old("logging/setLevel", {"level": 1}, id=2)])
    await client.take(lambda message: isinstance(message, list))
    found = client.runtime.metrics
    assert found is not None
    by_method = {labels[3:]: value for labels, value in requests(found).items() if labels[1] == "2025-03-26"}
    assert by_method == {
        ("initialize", "ok"): 1,
        ("ping", "ok"): 2,
        ("resources/subscribe", "error"): 1,
        ("logging/setLevel", "error"): 1,
    }


@pytest.mark.parametrize("stage", ["ping = gone", "transport.session_id = gone"])
@on_both_loops()
async def test_what_is_refused_is_counted_as_that(stage: str) -> None:
    config = settings(admin=AdminConfig(bind=("127.0.0.1:0",)), deprecation=DeprecationConfig(stages=(stage,)))
    async with serving(config, gate=None) as server:
        client = server.visitor()
        await client.begin("2025-11-25")
        if stage.startswith("ping"):
            await client.ask("ping")
        refused = {labels[3] for labels in counted(server) if labels[4] == "refused"}
        assert refused == {"ping" if stage.startswith("ping") else "initialize"}


@on_both_loops()
async def test_an_initialize_that_comes_while_the_server_is_full_is_counted_as_an_error() -> None:
    config = settings(admin=AdminConfig(bind=("127.0.0.1:0",)), limits={"max_concurrent_requests": 1})
    async with serving(config) as server:
        client = await server.client("2025-11-25")
        async with client.open(client.call("nap", id_=9)):
            await anyio.wait_all_tasks_blocked()
            assert (await server.visitor().begin_only("2025-11-25")).status == 503
            await client.tell("notifications/cancelled", {"requestId": 9})
            assert counted(server)["legacy", "2025-11-25", "streamable_http", "initialize", "error"] == 1


def streams(server: OldServer) -> dict[tuple[str, ...], float]:
    """Open streams, by era and transport."""
    found: Any = next(one for one in metrics_of(server).families() if one.name == "mcp_open_streams")
    return dict(found.read())

"""Old clients' requests as spans. Rule: a span for what a client asked, none for what the bridges ask for it."""

import pytest

from tests.support.clocks import Backend, run
from tests.support.http_client import HttpClient
from tests.support.raw_sessions import LOOPS, serving
from tests.support.raw_wires import old_sse
from tests.support.spans import facts, traced

OURS = "0af7651916cd43dd8448eb211c80319c"
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_in_a_session_is_a_span_in_the_words_of_its_revision(loop: Backend) -> None:
    async def scenario() -> None:
        async with serving() as server:
            spans = traced(server.runtime)
            client = await server.client("2025-06-18")
            assert spans.all == []
            message = client.call("echo", text="hello")
            await client.send(message, headers={"traceparent": f"00-{THEIRS}-00f067aa0ba902b7-01"})
            message = client.call("fail_kindly")
            message["params"]["_meta"] = {"traceparent": f"00-{OURS}-b7ad6b7169203331-01"}
            await client.send(message)
        below_http, below_message = spans.all
        assert below_http.name == "tools/call echo"
        assert facts(below_http)["mcp.protocol.version"] == "2025-06-18"
        assert below_http.parent is not None
        assert f"{below_http.parent.trace_id:032x}" == THEIRS
        assert below_message.parent is not None
        assert f"{below_message.parent.trace_id:032x}" == OURS
        assert facts(below_message)["error.type"] == "tool_error"

    run(loop, scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_bridge_asks_for_itself_is_no_span(loop: Backend) -> None:
    async def scenario() -> None:
        async with serving() as server:
            spans = traced(server.runtime)
            client = await server.client("2025-11-25")
            async with client.listen() as opened:
                await opened.settle()
                await client.ask("resources/subscribe", {"uri": "note://text"})
                await client.ask("ping")
        assert spans.all == []

    run(loop, scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_over_http_sse_is_a_span_of_that_transport(loop: Backend) -> None:
    async def scenario() -> None:
        async with serving() as server:
            spans = traced(server.runtime)
            http = HttpClient(server.app, server.runtime, [], server.tasks)
            async with old_sse(http) as client:
                await client.open("2024-11-05")
                await client.ask("tools/list")
        assert facts(spans.only)["mcp.protocol.version"] == "2024-11-05"
        assert spans.only.name == "tools/list"

    run(loop, scenario)

"""Requests as spans, over every wire: what they are called, whose children they are, how they end."""

import sys
from typing import Any

import anyio
import pytest
from msgspec import Raw
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.protocol.jsonrpc import Request
from tests.support.clients import Client
from tests.support.dispatcher_client import Client as Direct
from tests.support.messages import request
from tests.support.settings import settings
from tests.support.spans import facts, traced
from tests.support.wires import EVERY_WIRE, over

OURS = "0af7651916cd43dd8448eb211c80319c"
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"
IN_META = {"traceparent": f"00-{OURS}-b7ad6b7169203331-01"}
IN_HEADERS = {"traceparent": f"00-{THEIRS}-00f067aa0ba902b7-01"}


@over(*EVERY_WIRE)
async def test_a_call_is_one_span_below_the_one_its_message_names(client: Client) -> None:
    spans = traced(client.runtime)
    answer = await client.call("echo", {"text": "hello"}, extra_meta=IN_META)
    assert answer.text == "hello"
    span = spans.only
    assert span.name == "tools/call echo"
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == OURS
    assert span.status.status_code is StatusCode.UNSET
    assert facts(span).items() >= {"mcp.protocol.version": "2026-07-28", "gen_ai.tool.name": "echo"}.items()
    assert facts(span)["network.transport"] == ("pipe" if client.transport == "stdio" else "tcp")
    assert ("client.address" in facts(span)) is (client.transport != "stdio")


@over("http-trio", "http-asyncio")
async def test_a_trace_of_http_is_linked_or_where_the_message_has_none_the_parent(client: Client) -> None:
    spans = traced(client.runtime)
    await client.call("echo", {"text": "a"}, extra_meta=IN_META, headers=IN_HEADERS)
    await client.call("echo", {"text": "b"}, headers=IN_HEADERS)
    await client.call("echo", {"text": "c"}, headers={"traceparent": "00-mangled"})
    linked, below, alone = spans.all
    assert [f"{link.context.trace_id:032x}" for link in linked.links] == [THEIRS]
    assert below.parent is not None
    assert f"{below.parent.trace_id:032x}" == THEIRS
    assert alone.parent is None


@over(*EVERY_WIRE)
async def test_prompts_and_resources_have_their_names(client: Client) -> None:
    spans = traced(client.runtime)
    listed = await client.ask("prompts/list")
    prompt = next(one for one in listed.result["prompts"] if not one.get("arguments"))["name"]
    await client.ask("prompts/get", {"name": prompt})
    await client.ask("resources/read", {"uri": "note://text"})
    assert [span.name for span in spans.all] == ["prompts/list", f"prompts/get {prompt}", "resources/read"]
    assert facts(spans.all[-1])["mcp.resource.uri"] == "note://text"


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/call", {"name": "made up"}, "tools/call"),
        ("tools/call", {"name": 7}, "tools/call"),
        ("prompts/get", {"name": "echo"}, "prompts/get"),
        ("resources/read", {"name": "echo"}, "resources/read"),
        ("tools/invent", {}, "other"),
    ],
)
@over(*EVERY_WIRE)
async def test_what_a_client_makes_up_names_no_span(
    client: Client, method: str, params: dict[str, Any], name: str
) -> None:
    spans = traced(client.runtime)
    message = {"headers": {"mcp-name": "7"}} if params.get("name") == 7 else {}
    answer = await client.ask(method, params, **message)
    span = spans.only
    assert span.name == name
    assert facts(span)["error.type"] == str(answer.error["code"])
    assert span.status.description == answer.error["message"]


@over(*EVERY_WIRE)
async def test_a_tool_that_fails_says_so_in_its_span_and_nothing_of_why(client: Client) -> None:
    spans = traced(client.runtime)
    for tool in ("fail_kindly", "crash", "refuse"):
        await client.call(tool)
    kindly, crashed, refused = spans.all
    assert [facts(span)["error.type"] for span in spans.all] == ["tool_error", "tool_error", "-32602"]
    assert kindly.status.description is crashed.status.description is None
    assert refused.status.description == "Refused"


@over(*EVERY_WIRE)
async def test_who_gives_up_is_told_from_what_took_too_long(client: Client) -> None:
    spans = traced(client.runtime)
    async with client.open(request("tools/call", {"name": "nap", "arguments": {}}, id="gone")) as opened:
        await client.settle()
        await opened.cancel()
        await client.settle()
    assert (await client.call("hang")).result["isError"] is True
    assert [facts(span)["error.type"] for span in spans.all] == ["cancelled", "tool_error"]
    assert [span.status.status_code for span in spans.all] == [StatusCode.ERROR] * 2


@over(*EVERY_WIRE)
async def test_a_call_that_the_server_drops_has_a_span_that_ends_too(client: Client) -> None:
    spans = traced(client.runtime)
    call = {"name": "nap", "arguments": {}}
    async with client.open(request("tools/call", call, id="dropped")):
        await client.settle()
        assert spans.all == []
    await client.settle()
    assert len(spans.all) == 1


def test_what_stops_a_call_from_outside_ends_its_span_and_goes_on() -> None:
    plugin = Plugin("slow")

    @plugin.tool
    async def wait() -> None:
        await anyio.sleep_forever()

    direct = Direct(plugin)
    spans = traced(direct.runtime)

    async def stop() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(direct.dispatch, direct.call("tools/call", {"name": "wait"}))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    anyio.run(stop, backend="trio")
    assert facts(spans.only)["error.type"] == "Cancelled"


@over("http-trio", "http-asyncio")
async def test_a_request_that_says_nothing_of_itself_is_a_span_all_the_same(client: Client) -> None:
    spans = traced(client.runtime)
    await client.send(
        {"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {"_meta": {}}},
        headers={"mcp-protocol-version": "2026-07-28"},
    )
    message = request("tools/list", id=6)
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01"
    await client.send(message)
    assert [facts(span)["mcp.protocol.version"] for span in spans.all] == ["none", "other"]
    assert [facts(span)["error.type"] for span in spans.all] == ["-32602", "-32022"]


def test_what_cannot_be_read_is_a_span_all_the_same() -> None:
    direct = Direct(Plugin("none"))
    spans = traced(direct.runtime)

    async def ask() -> None:
        call = direct.call("tools/call", {"name": "none"})
        call.request = Request(call.request.id, call.request.method, Raw(b'{"name": \xff}'), call.request.probe)
        answer = await direct.dispatch(call)
        assert isinstance(answer, Reply)
        assert answer.outcome != "ok"

    anyio.run(ask, backend="trio")
    assert facts(spans.only)["error.type"] == "-32602"


def child_plugin(journal: list[str]) -> Plugin[Any]:
    """A tool in a thread, and a tool of the loop; both say what is current."""
    plugin = Plugin("child")

    def current() -> str:
        journal.append(f"{trace.get_current_span().get_span_context().span_id:016x}")
        return "done"

    @plugin.tool
    async def inside() -> str:
        return current()

    @plugin.tool
    def in_a_thread() -> str:
        return current()

    return plugin


@over(*EVERY_WIRE, plugin=child_plugin, clock="real")
async def test_what_a_handler_traces_is_below_its_call(client: Client) -> None:
    spans = traced(client.runtime)
    for tool in ("inside", "in_a_thread"):
        await client.call(tool)
    contexts = [span.context for span in spans.all]
    assert client.journal == [f"{one.span_id:016x}" for one in contexts if one is not None]
    assert len(client.journal) == 2


@over("http-trio", "http-asyncio")
async def test_where_the_sdk_is_in_use_a_running_server_traces(client: Client) -> None:
    assert client.runtime.dispatcher.dispatch != client.runtime.dispatcher.serve


def test_where_nobody_uses_the_sdk_a_server_does_not_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.sdk.trace")
    runtime = build_runtime(settings(), ())

    async def start() -> None:
        async with runtime.running():
            assert runtime.dispatcher.dispatch == runtime.dispatcher.serve

    anyio.run(start, backend="trio")


def test_a_runtime_that_does_not_run_is_not_traced() -> None:
    dispatcher = build_runtime(settings(), ()).dispatcher
    assert dispatcher.dispatch == dispatcher.serve

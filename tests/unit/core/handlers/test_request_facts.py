"""A handler knows its request, and refuses a client that did not declare what it needs."""

import json
from typing import Any

import pytest
from msgspec import UNSET

from mcp_runtime import Context, SyncContext
from tests.support.dispatcher_client import text_of
from tests.support.handlers import FORM, params, refused, serving
from tests.support.messages import PREFIX

TRACE = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"


# The request


async def test_a_handler_sees_its_request() -> None:
    seen: list[Context] = []

    async def tool(ctx: Context) -> None:
        seen.append(ctx)

    client = serving(tool)
    own_meta = {
        PREFIX + "clientInfo": {"name": "c", "version": "1"},
        "com.example/own": [1],
        "traceparent": TRACE,
        "tracestate": "a=1",
        "baggage": "b=2",
    }
    await client.request("tools/call", params(own_meta), id="r-1", principal="alice")
    (ctx,) = seen
    assert (ctx.request_id, ctx.method, ctx.protocol_version) == ("r-1", "tools/call", "2026-07-28")
    assert (ctx.principal, ctx.transport) == ("alice", "stdio")
    assert ctx.client_info is not None
    assert (ctx.client_info.name, ctx.client_info.version) == ("c", "1")
    assert ctx.client_capabilities.roots == {}
    assert ctx.meta["com.example/own"] == [1]
    assert (ctx.trace.traceparent, ctx.trace.tracestate, ctx.trace.baggage) == (TRACE, "a=1", "b=2")
    await client.request("tools/call", {"name": "tool"})
    assert seen[1].client_info is None
    assert seen[1].client_capabilities.elicitation is UNSET
    assert seen[1].principal is None


async def test_a_plain_function_sees_the_same() -> None:
    def tool(ctx: SyncContext) -> str:
        seen = [ctx.request_id, ctx.method, ctx.protocol_version, ctx.principal, ctx.transport, ctx.client_info]
        return json.dumps([*seen, sorted(ctx.meta), ctx.trace.traceparent, ctx.client_capabilities.roots == {}])

    found = await serving(tool).request("tools/call", params({"traceparent": TRACE}), principal="alice")
    keys = sorted([PREFIX + "protocolVersion", PREFIX + "clientCapabilities", "traceparent"])
    assert json.loads(text_of(found)) == [1, "tools/call", "2026-07-28", "alice", "stdio", None, keys, TRACE, True]


# Capabilities


@pytest.mark.spec("client/elicitation#capabilities")
@pytest.mark.parametrize(
    ("declared", "forms", "urls"),
    [
        ({}, False, False),
        ({"elicitation": {}}, True, False),
        ({"elicitation": {"form": {}}}, True, False),
        ({"elicitation": {"url": {}}}, False, True),
        ({"elicitation": {"form": {}, "url": {}}}, True, True),
        ({"sampling": {}, "roots": {}}, False, False),
    ],
)
async def test_a_mode_that_the_client_did_not_declare_is_never_used(
    declared: dict[str, Any], *, forms: bool, urls: bool
) -> None:
    async def form(ctx: Context) -> None:
        await ctx.elicit("Name?", FORM)

    async def url(ctx: Context) -> None:
        await ctx.elicit_url("Sign in", "https://example.com/")

    for tool, can, mode in ((form, forms, "form"), (url, urls, "url")):
        if can:
            asked = await serving(tool).request("tools/call", params(capabilities=declared))
            (request,) = asked["inputRequests"].values()
            assert (request["method"], request["params"]["mode"]) == ("elicitation/create", mode)
        else:
            error = await refused(tool, capabilities=declared)
            assert (error.code, error.status) == (-32021, 400)
            assert list(error.data["requiredCapabilities"]) == ["elicitation"]


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ({"sampling": True}, {"sampling": {}}),
        ({"roots": True}, {"roots": {}}),
        ({"elicitation": True}, {"elicitation": {}}),
        ({"elicitation_url": True}, {"elicitation": {"url": {}}}),
        ({"sampling": True, "roots": True}, {"sampling": {}, "roots": {}}),
    ],
)
async def test_everything_that_is_missing_is_named_at_once(wanted: dict[str, bool], missing: dict[str, Any]) -> None:
    async def tool(ctx: Context) -> None:
        ctx.require(**wanted)

    assert (await refused(tool, capabilities={})).data == {"requiredCapabilities": missing}
    assert "isError" not in await serving(tool).request("tools/call", params())


@pytest.mark.spec("basic#meta")
async def test_a_client_with_urls_alone_lacks_both_when_both_are_needed() -> None:
    async def tool(ctx: Context) -> None:
        ctx.require(elicitation=True, elicitation_url=True)

    error = await refused(tool, capabilities={"elicitation": {"form": {}}})
    assert error.data == {"requiredCapabilities": {"elicitation": {"url": {}}}}
    error = await refused(tool, capabilities={})
    assert error.data == {"requiredCapabilities": {"elicitation": {"form": {}, "url": {}}}}

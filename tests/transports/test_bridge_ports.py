"""The ports where bridges attach. Rule: a bridge gets what is legacy, all of it, and never what is modern."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.protocol.errors import INVALID_REQUEST, PeerError
from mcp_runtime.protocol.jsonrpc import Message as Decoded
from mcp_runtime.protocol.jsonrpc import Request
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.bridge_port import LegacyExchange
from mcp_runtime.transports.http.endpoint import StreamableHttp
from mcp_runtime.transports.http.guard import Guard
from mcp_runtime.transports.http.patience import Patience
from mcp_runtime.transports.stdio.bridge_port import StdioWire
from mcp_runtime.transports.stdio.transport import Stdio
from tests.support.clocks import Backend, run
from tests.support.fixture_plugin import make_plugin
from tests.support.http_client import HttpClient
from tests.support.messages import PROTOCOL_VERSION, Message, encode, notification, request
from tests.support.settings import settings

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
LEGACY_HEADERS = {"mcp-protocol-version": None, "mcp-method": None, "mcp-name": None}


def legacy(method: str, id_: Any = 1, **params: Any) -> Message:
    """A request as earlier revisions have it."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


class ToyHttpBridge:
    """Answers what it gets with a word, and declines paths under /not-mine."""

    def __init__(self) -> None:
        self.served: list[tuple[str, str, bytes | None]] = []

    async def serve(self, exchange: LegacyExchange, *, body: bytes | None) -> bool:
        scope = exchange.scope
        self.served.append((scope["method"], scope["path"], body))
        if scope["path"].startswith("/not-mine"):
            return False
        await exchange.send({"type": "http.response.start", "status": 299, "headers": []})
        await exchange.send({"type": "http.response.body", "body": b"bridged"})
        return True


@asynccontextmanager
async def bridged(bridge: ToyHttpBridge) -> AsyncGenerator[HttpClient, None]:
    """A client of an endpoint with the bridge attached."""
    runtime = build_runtime(settings(), (make_plugin([]),))
    patience = Patience(after_s=0.25, keep_alive_interval_s=15)
    endpoint = StreamableHttp(
        runtime.dispatcher,
        path="/mcp",
        guard=Guard(allowed_hosts=(), bind_hosts=(), allowed_origins=(), cors=False),
        limits=runtime.config.limits,
        patience=patience,
        bodies=BodyBudget(runtime.config.limits),
        bridge=bridge,
    )
    async with runtime.running(), patience.running(), anyio.create_task_group() as tasks:
        yield HttpClient(endpoint, runtime, [], tasks)


async def status(client: HttpClient, message: Any, headers: Any) -> int:
    """The status that a message gets."""
    async with client.exchange(message, headers=headers) as exchange:
        return (await exchange.read_all()).status


@pytest.mark.parametrize("backend", BACKENDS)
def test_legacy_messages_go_to_the_http_bridge_with_their_body(backend: Backend) -> None:
    async def talk() -> None:
        bridge = ToyHttpBridge()
        async with bridged(bridge) as client:
            messages = [
                (legacy("initialize", protocolVersion="2025-11-25"), LEGACY_HEADERS),
                (
                    legacy("initialize"),
                    {**LEGACY_HEADERS, "mcp-protocol-version": "2025-11-25", "mcp-method": "initialize"},
                ),
                (legacy("tools/list"), {**LEGACY_HEADERS, "mcp-protocol-version": "2025-06-18"}),
                (legacy("tools/list"), {**LEGACY_HEADERS, "mcp-session-id": "s"}),
                (notification("notifications/initialized"), LEGACY_HEADERS),
                (legacy("ping"), {**LEGACY_HEADERS, "mcp-method": "ping"}),
                ({"jsonrpc": "2.0", "id": 3, "result": {}}, LEGACY_HEADERS),
            ]
            for message, headers in messages:
                assert await status(client, message, headers) == 299
                method, path, body = bridge.served[-1]
                assert (method, path, json.loads(body or b"")) == ("POST", "/mcp", message)

    run(backend, talk)


@pytest.mark.parametrize("backend", BACKENDS)
def test_modern_messages_never_reach_the_http_bridge(backend: Backend) -> None:
    async def talk() -> None:
        bridge = ToyHttpBridge()
        async with bridged(bridge) as client:
            assert (await client.ask("server/discover")).status == 200
            assert (await client.ask("server/discover", headers={"mcp-session-id": "s"})).status == 200
            (await client.ask("initialize")).refused(-32601, 404)
            (await client.ask("tools/list", headers={"mcp-protocol-version": None})).refused(-32020)
            (await client.ask("tools/list", headers={"mcp-protocol-version": "2025-11-25"})).refused(-32020)
            (await client.ask("tools/list", extra_meta={PROTOCOL_VERSION: "2025-11-25"})).refused(-32022)
            (await client.send(legacy("tools/list"))).refused(-32602)  # under the modern header
            assert (await client.tell(notification("notifications/x"))).status == 202
            nonsense = {"mcp-protocol-version": "2099-01-01"}
            refused = await client.tell(notification("notifications/x"), headers=nonsense)
            assert (refused.status, refused.error["code"]) == (400, -32022)
            async with client.listen(toolsListChanged=True) as stream:
                await stream.next()
        assert bridge.served == []

    run(backend, talk)


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_that_is_no_message_is_offered_to_the_http_bridge(backend: Backend) -> None:
    async def talk() -> None:
        bridge = ToyHttpBridge()
        async with bridged(bridge) as client:
            for method, path in (("GET", "/mcp"), ("DELETE", "/mcp"), ("GET", "/sse"), ("POST", "/messages")):
                assert (await client.get(method, path)).status == 299
                assert bridge.served[-1] == (method, path, None)
            assert (await client.get("GET", "/not-mine")).status == 404

    run(backend, talk)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_http_bridge_stands_behind_the_guard_and_the_envelope(backend: Backend) -> None:
    async def talk() -> None:
        bridge = ToyHttpBridge()
        async with bridged(bridge) as client:
            opening = legacy("initialize")
            assert await status(client, opening, {**LEGACY_HEADERS, "origin": "http://evil.example"}) == 403
            assert await status(client, opening, {**LEGACY_HEADERS, "host": "evil.example"}) == 421
            assert (await client.get("GET", "/sse", headers={"host": "evil.example"})).status == 421
            assert await status(client, opening, {**LEGACY_HEADERS, "content-type": "text/plain"}) == 415
            assert await status(client, b"x" * 5_000_000, LEGACY_HEADERS) == 413
        assert bridge.served == []

    run(backend, talk)


class ToyStdioBridge:
    """Answers requests with a word and remembers the rest."""

    def __init__(self) -> None:
        self.wires: list[StdioWire] = []
        self.served: list[Decoded] = []
        self.batches: list[bytes] = []
        self.closed = False

    def on(self, wire: StdioWire) -> "ToyStdioBridge":
        """Made when the first legacy message comes."""
        self.wires.append(wire)
        return self

    async def serve(self, message: Decoded) -> None:
        self.served.append(message)
        if isinstance(message, Request):
            await self.wires[0].send(encode({"jsonrpc": "2.0", "id": message.id, "result": "bridged"}))

    async def serve_batch(self, line: bytes) -> None:
        self.batches.append(line)
        if b"refuse" in line:
            raise PeerError(INVALID_REQUEST, "no batches today")

    def close(self) -> None:
        self.closed = True


async def over_stdio(bridge: ToyStdioBridge, *messages: Any) -> list[Message]:
    """What comes back for these messages."""
    runtime = build_runtime(settings(), (make_plugin([]),))
    ours, theirs = trio.testing.memory_stream_pair()
    server = Stdio(runtime.dispatcher, theirs, theirs, limits=runtime.config.limits, eof_grace_s=0.5, bridge=bridge.on)
    async with runtime.running(), trio.open_nursery() as nursery:
        nursery.start_soon(server.serve)
        await ours.send_all(b"".join(encode(message) + b"\n" for message in messages))
        await trio.testing.wait_all_tasks_blocked()
        await ours.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_stream.aclose()
        return [json.loads(line) for line in (b"".join([chunk async for chunk in ours])).splitlines()]


async def test_legacy_messages_go_to_the_stdio_bridge(autojump_clock: trio.testing.MockClock) -> None:
    bridge = ToyStdioBridge()
    answers = await over_stdio(
        bridge,
        legacy("initialize", 1, protocolVersion="2025-11-25"),
        notification("notifications/initialized"),
        legacy("tools/list", "two"),
        {"jsonrpc": "2.0", "id": 3, "result": {}},
        notification("notifications/cancelled", {"requestId": 9}),
    )
    assert answers == [
        {"jsonrpc": "2.0", "id": 1, "result": "bridged"},
        {"jsonrpc": "2.0", "id": "two", "result": "bridged"},
    ]
    assert len(bridge.served) == 5
    assert len(bridge.wires) == 1
    assert bridge.closed


async def test_the_stdio_bridge_is_not_made_for_modern_messages(autojump_clock: trio.testing.MockClock) -> None:
    bridge = ToyStdioBridge()
    await over_stdio(bridge, request("server/discover", id=2))
    assert bridge.wires == []


async def test_batches_go_to_the_stdio_bridge_once_there_is_one(autojump_clock: trio.testing.MockClock) -> None:
    bridge = ToyStdioBridge()
    answers = await over_stdio(bridge, [legacy("ping")], legacy("ping", 1), [legacy("ping")], ["refuse"])
    assert [json.loads(line) for line in bridge.batches] == [[legacy("ping")], ["refuse"]]
    assert [answer.get("error", {}).get("code") for answer in answers] == [-32600, None, -32600]
    assert answers[2]["error"]["message"] == "no batches today"


async def test_modern_requests_never_reach_the_stdio_bridge(autojump_clock: trio.testing.MockClock) -> None:
    bridge = ToyStdioBridge()
    answers = await over_stdio(
        bridge,
        legacy("initialize", 1),
        request("server/discover", id=2),
        request("initialize", id=3),
        request("tools/list", id=4, extra_meta={PROTOCOL_VERSION: "2025-11-25"}),
    )
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[1]["result"] == "bridged"
    assert by_id[2]["result"]["supportedVersions"] == ["2026-07-28"]
    assert by_id[3]["error"]["code"] == -32601
    assert by_id[4]["error"]["code"] == -32022
    assert len(bridge.served) == 1

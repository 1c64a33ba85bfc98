"""The handshake. Rule: each test shows a demand of {2025-11-25,2025-03-26,2024-11-05}/basic/lifecycle."""

from typing import Any

import anyio
import pytest

from mcp_runtime.config import BridgesConfig, Config
from mcp_runtime.config.sections import LegacyClientsConfig
from tests.support.messages import Message, accepted, notification
from tests.support.old_client import CLIENT_INFO, OldClient
from tests.support.old_http import SessionsClient
from tests.support.old_wires import EVERY_OLD_WIRE, SESSIONS, SSE, STDIO, over_old
from tests.support.settings import settings

REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
each_revision = pytest.mark.parametrize("revision", REVISIONS)


def opening(revision: str, **capabilities: Any) -> Message:
    """The params of an `initialize`."""
    return {"protocolVersion": revision, "capabilities": capabilities, "clientInfo": CLIENT_INFO}


def impatient(answer_timeout_s: float) -> Config:
    """A server that waits so long for answers."""
    return settings(bridges=BridgesConfig(clients=LegacyClientsConfig(answer_timeout_s=answer_timeout_s)))


@pytest.mark.spec("2025-11-25/basic/lifecycle#initialization", "first-interaction")
@pytest.mark.parametrize("method", ["tools/list", "tools/call", "logging/setLevel", "resources/subscribe"])
@over_old(*STDIO, *SESSIONS)
async def test_nothing_is_served_before_initialize(client: OldClient, method: str) -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": method,
        "params": {"name": "nothing", "level": "info", "uri": "a:b"},
    }
    await client.send(request, headers={"mcp-protocol-version": "2025-11-25"})
    assert (await client.next(client.sent[-1]))["error"]["code"] in {-32600, -32602}


@pytest.mark.spec("2025-11-25/basic/lifecycle#initialization", "first-interaction")
@over_old(*STDIO, *SSE)
async def test_a_ping_is_answered_before_initialize(client: OldClient) -> None:
    assert (await client.ask("ping"))["result"] == {}


@pytest.mark.spec("2025-11-25/basic/lifecycle#initialization", "answers")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_initialize_is_answered_with_version_capabilities_and_who(client: OldClient, revision: str) -> None:
    result = (await client.ask("initialize", opening(revision)))["result"]
    assert result["protocolVersion"] == revision
    assert {"tools", "resources", "prompts", "logging"} <= set(result["capabilities"])
    assert result["serverInfo"] == {"name": "test-server", "version": "1.2.3"}
    assert result["instructions"] == "Call echo to hear yourself."


@pytest.mark.spec("2025-11-25/basic/lifecycle#initialization", "waits-for-initialized")
@over_old(*STDIO, *SSE)
async def test_changes_are_not_told_before_the_client_says_initialized(client: OldClient) -> None:
    await client.ask("initialize", opening("2025-11-25"))
    await client.call("grow", {"kind": "tool", "name": "early"})
    await client.settle()
    assert client.left() == []
    await client.initialized()
    await client.call("grow", {"kind": "tool", "name": "later"})
    assert (await client.change())["method"] == "notifications/tools/list_changed"


@pytest.mark.spec("2025-11-25/basic/lifecycle#version-negotiation", "same-version")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_a_version_that_is_served_is_agreed_on(client: OldClient, revision: str) -> None:
    assert (await client.open(revision))["protocolVersion"] == revision


@pytest.mark.spec("2024-11-05/basic/lifecycle#version-negotiation", "same-version")
@over_old(*STDIO, *SSE)
async def test_the_first_revision_is_agreed_on_too(client: OldClient) -> None:
    assert (await client.open("2024-11-05"))["protocolVersion"] == "2024-11-05"


@pytest.mark.spec("2025-11-25/basic/lifecycle#version-negotiation", "another-version", "newest-version")
@pytest.mark.parametrize("asked", ["2026-07-28", "2099-01-01", "1.0", "2024-10-07", ""])
@over_old(*EVERY_OLD_WIRE)
async def test_any_other_version_is_answered_with_the_newest(client: OldClient, asked: str) -> None:
    assert (await client.ask("initialize", opening(asked)))["result"]["protocolVersion"] == max(REVISIONS)


@pytest.mark.spec("2025-11-25/basic/lifecycle#operation", "negotiated-version")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_every_message_after_it_is_of_the_version_agreed_on(client: OldClient, revision: str) -> None:
    """Each is checked against the schema of that revision, closed, where it comes in."""
    await client.open(revision)
    for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        assert "result" in await client.ask(method)
    for tool in ("media", "nothing"):
        assert "result" in await client.call(tool)
    assert "result" in await client.call("weather", {"city": "Oslo"})
    assert "result" in await client.ask("prompts/get", {"name": "illustrated"})
    await client.call("grow", {"kind": "tool", "name": "later"})
    await client.change()


@pytest.mark.spec("2025-11-25/basic/lifecycle#operation", "negotiated-capabilities")
@pytest.mark.parametrize("tool", ["greet", "sign_in", "think", "where", "survey"])
@over_old(*EVERY_OLD_WIRE)
async def test_a_client_that_declared_nothing_is_asked_nothing(client: OldClient, tool: str) -> None:
    await client.open(capabilities={})
    assert (await client.call(tool))["error"]["code"] == -32021
    await client.settle()
    assert client.left() == []


@pytest.mark.spec("2025-11-25/basic/lifecycle#timeouts", "own-requests")
@over_old(*EVERY_OLD_WIRE, config=impatient(30))
async def test_a_question_that_is_not_answered_is_cancelled(client: OldClient) -> None:
    await client.open()
    call = await client.start_call("greet")
    question = await client.next(call)
    began = anyio.current_time()
    cancelled = await client.next(call)
    assert anyio.current_time() - began == pytest.approx(30, abs=1)
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == question["id"]
    assert (await client.next(call))["result"]["isError"]
    await client.send({"jsonrpc": "2.0", "id": question["id"], "result": accepted(name="Ada")})
    told = [-32600] if isinstance(client, SessionsClient) else []
    assert [
        message["error"]["code"] for message in client.left()
    ] == told  # It is too late, and over HTTP the client is told.


@pytest.mark.spec("2025-11-25/basic/lifecycle#timeouts", "configurable")
@pytest.mark.parametrize("waits", [3.0, 200.0])
def test_the_operator_says_how_long_an_answer_may_take(waits: float) -> None:
    @over_old(*STDIO, config=impatient(waits))
    async def talk(client: OldClient) -> None:
        await client.open()
        call = await client.start_call("where")
        await client.next(call)
        began = anyio.current_time()
        await client.next(call)
        assert anyio.current_time() - began == pytest.approx(waits, abs=1)

    talk(wire="stdio")


@pytest.mark.spec("2025-03-26/basic/lifecycle#initialization", "not-in-a-batch")
@over_old(*EVERY_OLD_WIRE)
async def test_an_initialize_in_a_batch_is_refused_and_the_rest_is_served(client: OldClient) -> None:
    await client.open("2025-03-26")
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening("2025-03-26")},
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
        notification("notifications/initialized"),
    ]
    await client.send(batch)
    first, second = (await client.take(lambda arrival: isinstance(arrival.message, list))).message
    assert first["error"]["code"] == -32600
    assert second == {"jsonrpc": "2.0", "id": 2, "result": {}}

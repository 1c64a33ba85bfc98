"""Versions, extensions, and clients of other eras. Rule: each test shows a demand of 2026-07-28/basic/versioning."""

from typing import Any

import pytest

from tests.support.clients import Client
from tests.support.messages import ABLE, PROTOCOL_VERSION, VERSION, Message, notification, request
from tests.support.settings import NO_BRIDGES, settings
from tests.support.wires import EVERY_WIRE, HTTP, over

LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")


def initialize(version: str = "2025-11-25") -> Message:
    """How a client of an earlier revision begins."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


@pytest.mark.spec("basic/versioning#protocol-version-negotiation", "unsupported-version")
@pytest.mark.parametrize("version", ["1900-01-01", "v999.0.0", "", "2026-07-29", "naïve", *LEGACY])
@pytest.mark.parametrize("method", ["server/discover", "tools/call", "subscriptions/listen"])
@over(*EVERY_WIRE)
async def test_a_version_that_is_not_served_is_answered_with_those_that_are(
    client: Client, method: str, version: str
) -> None:
    params = {"name": "echo", "arguments": {"text": ""}, "notifications": {}}
    message = request(method, params, extra_meta={PROTOCOL_VERSION: version})
    headers = {"mcp-protocol-version": version.encode().decode("latin-1")}
    error = (await client.send(message, headers=headers)).refused(-32022)
    assert error["data"] == {"supported": [VERSION], "requested": version}


@pytest.mark.spec("basic/versioning#protocol-version-negotiation", "unsupported-version")
@over(*EVERY_WIRE)
async def test_an_unknown_method_in_an_unknown_version_is_first_of_all_an_unknown_version(client: Client) -> None:
    (await client.ask("no/such", extra_meta={PROTOCOL_VERSION: "2999-01-01"})).refused(-32022)


@pytest.mark.spec("basic/versioning#protocol-version-negotiation", "discover")
@over(*EVERY_WIRE)
async def test_discover_names_the_versions_that_requests_may_have(client: Client) -> None:
    discovered = (await client.ask("server/discover")).result
    for version in discovered["supportedVersions"]:
        assert (await client.ask("tools/list", extra_meta={PROTOCOL_VERSION: version})).result["tools"]


@pytest.mark.spec("basic/versioning#extension-negotiation", "core-behaviour")
@over(*EVERY_WIRE)
async def test_a_client_with_extensions_gets_the_core_protocol(client: Client) -> None:
    extended: Message = {**ABLE, "extensions": {"io.modelcontextprotocol/tasks": {}, "com.example/own": {"x": [1]}}}
    assert "extensions" not in (await client.ask("server/discover", capabilities=extended)).result["capabilities"]
    answer = await client.call("echo", {"text": "hello"}, capabilities=extended)
    assert (answer.text, answer.result["resultType"]) == ("hello", "complete")
    (await client.ask("tasks/get", {"taskId": "1"}, capabilities=extended)).refused(-32601, 404)


@pytest.mark.spec("basic/versioning#backward-compatibility-with-initialization-based-versions", "initialize")
@pytest.mark.parametrize("version", [*LEGACY, "2026-07-28", 7])
@over(*EVERY_WIRE, config=settings(bridges=NO_BRIDGES))
async def test_initialize_is_answered_with_the_supported_versions(client: Client, version: Any) -> None:
    headers = {"mcp-protocol-version": None, "mcp-method": None}
    reply = await client.tell(initialize(version), headers=headers)
    assert reply.messages[0]["id"] == 0
    assert reply.status in {None, 400}
    assert VERSION in reply.error["message"]
    assert reply.error["code"] == -32022
    assert reply.error["data"]["supported"] == [VERSION]


@pytest.mark.spec("basic/versioning#backward-compatibility-with-initialization-based-versions", "initialize")
@pytest.mark.parametrize("version", LEGACY)
@over(*HTTP, config=settings(bridges=NO_BRIDGES))
async def test_initialize_under_a_version_header_of_its_own_era_is_answered_alike(client: Client, version: str) -> None:
    reply = await client.tell(initialize(version), headers={"mcp-protocol-version": version})
    assert (reply.status, reply.error["code"]) == (400, -32022)
    assert reply.error["data"] == {"supported": [VERSION], "requested": version}


@pytest.mark.spec("basic/versioning#backward-compatibility-with-initialization-based-versions", "initialize")
@over(*EVERY_WIRE)
async def test_any_legacy_request_is_told_what_is_spoken_here(client: Client) -> None:
    headers = {"mcp-protocol-version": None, "mcp-method": None}
    for method in ("tools/list", "ping", "logging/setLevel", "server/discover"):
        reply = await client.tell({"jsonrpc": "2.0", "id": 4, "method": method}, headers=headers)
        assert VERSION in reply.error["message"]
        assert reply.status in {None, 400}
    await client.ask("server/discover")


@pytest.mark.spec("basic/versioning#backward-compatibility-with-initialization-based-versions", "initialize")
@over("stdio")
async def test_the_rest_of_a_handshake_is_met_with_silence(client: Client) -> None:
    assert (await client.tell(initialize())).error["code"] == -32022
    assert (await client.tell(notification("notifications/initialized"))).messages == []
    await client.ask("server/discover")


@pytest.mark.spec("basic/versioning#backward-compatibility-with-initialization-based-versions", "initialize")
@over(*EVERY_WIRE)
async def test_a_modern_initialize_is_an_unknown_method(client: Client) -> None:
    (await client.ask("initialize", {"protocolVersion": "2025-11-25"})).refused(-32601, 404)

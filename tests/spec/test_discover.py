"""server/discover. Rule: each test shows a demand of 2026-07-28/server/discover."""

import pytest

from tests.support import official
from tests.support.clients import Client
from tests.support.fixture_plugin import bare_plugin
from tests.support.messages import VERSION
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, over


@pytest.mark.spec("server/discover#top", "implemented")
@over(*EVERY_WIRE)
async def test_discover_tells_versions_capabilities_and_instructions(client: Client) -> None:
    result = (await client.ask("server/discover")).result
    assert result["supportedVersions"] == [VERSION]
    assert result["capabilities"] == {
        "completions": {},
        "logging": {},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "tools": {"listChanged": True},
    }
    assert result["instructions"] == "Call echo to hear yourself."
    assert result["resultType"] == "complete"


@pytest.mark.spec("server/discover#top", "implemented")
@over(*EVERY_WIRE, config=settings(server={"instructions": "Be kind."}))
async def test_instructions_of_operator_and_plugin_both_count(client: Client) -> None:
    assert (await client.ask("server/discover")).result["instructions"] == "Be kind.\n\nCall echo to hear yourself."


@pytest.mark.spec("server/discover#top", "implemented")
@over(*EVERY_WIRE, plugin=bare_plugin)
async def test_a_server_without_instructions_leaves_them_out(client: Client) -> None:
    assert "instructions" not in (await client.ask("server/discover")).result


@pytest.mark.spec("server/discover#top", "implemented")
@over(*EVERY_WIRE)
async def test_discover_needs_no_request_before_it_and_none_needs_it(client: Client) -> None:
    assert (await client.call("nothing")).result["content"] == []
    assert (await client.ask("server/discover", {"unknown": {"member": 1}})).result["supportedVersions"] == [VERSION]


@pytest.mark.spec("server/discover#discoverresult", "identity")
@over(
    *EVERY_WIRE,
    config=settings(server={"title": "A server", "description": "For tests", "website_url": "https://x.example"}),
)
async def test_the_server_says_who_it_is(client: Client) -> None:
    result = (await client.ask("server/discover")).result
    assert official.server_info(result) == {
        "name": "test-server",
        "version": "1.2.3",
        "title": "A server",
        "description": "For tests",
        "websiteUrl": "https://x.example",
    }
    assert "serverInfo" not in result

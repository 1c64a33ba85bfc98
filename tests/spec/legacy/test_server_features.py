"""What a server offers. Rule: each test shows a demand of 2025-11-25/server that 2026-07-28 does not have as it is."""

import json

import pytest

from tests.support.fixture_plugin import bare_plugin
from tests.support.messages import Message
from tests.support.old_client import OldClient
from tests.support.old_http import SessionsClient
from tests.support.old_wires import EVERY_OLD_WIRE, SESSIONS, over_old

REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
each_revision = pytest.mark.parametrize("revision", REVISIONS)
TEXT = "note://text"
UPDATED = "notifications/resources/updated"


@pytest.mark.spec("2025-11-25/server/tools#capabilities", "declared")
@pytest.mark.spec("2025-11-25/server/resources#capabilities", "declared")
@pytest.mark.spec("2025-11-25/server/prompts#capabilities", "declared")
@pytest.mark.spec("2025-11-25/server/utilities/logging#capabilities", "declared")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_what_there_is_is_declared(client: OldClient, revision: str) -> None:
    capabilities = (await client.open(revision))["capabilities"]
    assert capabilities["tools"] == {"listChanged": True}
    assert capabilities["resources"] == {"listChanged": True, "subscribe": True}
    assert capabilities["prompts"] == {"listChanged": True}
    assert capabilities["logging"] == {}


@pytest.mark.spec("2025-11-25/server/utilities/completion#capabilities", "declared")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_completions_are_declared_since_that_can_be_done(client: OldClient, revision: str) -> None:
    capabilities = (await client.open(revision))["capabilities"]
    assert ("completions" in capabilities) == (revision >= "2025-03-26")


@pytest.mark.spec("2025-11-25/server/utilities/completion#capabilities", "declared")
@over_old(*EVERY_OLD_WIRE, plugin=bare_plugin)
async def test_completions_that_are_not_there_are_not_declared(client: OldClient) -> None:
    assert "completions" not in (await client.open())["capabilities"]


async def changed(client: OldClient, kind: str) -> Message:
    """What a client is told once a list changed."""
    await client.open()
    await client.call("grow", {"kind": kind, "name": "later"})
    told = await client.change()
    assert client.left() == []
    return told


@pytest.mark.spec("2025-11-25/server/tools#list-changed-notification", "told")
@over_old(*EVERY_OLD_WIRE)
async def test_a_change_of_the_tools_is_told(client: OldClient) -> None:
    assert (await changed(client, "tool"))["method"] == "notifications/tools/list_changed"


@pytest.mark.spec("2025-11-25/server/resources#list-changed-notification", "told")
@over_old(*EVERY_OLD_WIRE)
async def test_a_change_of_the_resources_is_told(client: OldClient) -> None:
    assert (await changed(client, "resource"))["method"] == "notifications/resources/list_changed"


@pytest.mark.spec("2025-11-25/server/prompts#list-changed-notification", "told")
@over_old(*EVERY_OLD_WIRE)
async def test_a_change_of_the_prompts_is_told(client: OldClient) -> None:
    assert (await changed(client, "prompt"))["method"] == "notifications/prompts/list_changed"


@pytest.mark.spec("2025-11-25/server/tools#structured-content", "as-text")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_structured_content_comes_as_text_too(client: OldClient, revision: str) -> None:
    await client.open(revision)
    result = (await client.call("weather", {"city": "Oslo"}))["result"]
    (block,) = result["content"]
    assert json.loads(block["text"]) == {"celsius": 21.5, "sky": "clear over Oslo"}
    assert ("structuredContent" in result) == (revision >= "2025-06-18")


@pytest.mark.spec("2025-11-25/server/resources#subscriptions", "updated")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_a_client_is_told_of_what_it_subscribed_to_alone(client: OldClient, revision: str) -> None:
    await client.open(revision)
    assert (await client.ask("resources/subscribe", {"uri": TEXT}))["result"] == {}
    await client.call("touch", {"uri": "note://bytes"})
    await client.call("touch", {"uri": TEXT})
    assert await client.change() == {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": TEXT}}
    assert (await client.ask("resources/unsubscribe", {"uri": TEXT}))["result"] == {}
    await client.call("touch", {"uri": TEXT})
    await client.settle()
    assert client.left() == []


@pytest.mark.spec("2025-11-25/server/resources#subscriptions", "updated")
@over_old(*SESSIONS)
async def test_a_subscription_is_its_session_s_own(client: SessionsClient) -> None:
    other = client.another()
    await client.open()
    await other.open()
    await other.ask("resources/subscribe", {"uri": TEXT})
    await client.call("touch", {"uri": TEXT})
    assert (await other.change())["params"] == {"uri": TEXT}
    await client.settle()
    assert client.left() == []


@pytest.mark.spec("2025-11-25/server/resources#error-handling", "not-found")
@pytest.mark.parametrize("uri", ["note://unheard-of", "note://gone", "nothing://like/it"])
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_a_resource_that_is_not_there_has_a_code_of_its_own(client: OldClient, revision: str, uri: str) -> None:
    await client.open(revision)
    error = (await client.ask("resources/read", {"uri": uri}))["error"]
    assert (error["code"], error["data"]) == (-32002, {"uri": uri})


async def levels_of(client: OldClient) -> list[str]:
    """The levels that are sent of `chat`, which speaks at debug, info and error."""
    call = await client.start_call("chat")
    levels: list[str] = []
    while "method" in (message := await client.next(call)):
        levels.append(message["params"]["level"])
    return levels


@pytest.mark.spec("2025-11-25/server/utilities/logging#setting-log-level", "level")
@each_revision
@over_old(*EVERY_OLD_WIRE)
async def test_the_level_that_was_set_is_kept_to(client: OldClient, revision: str) -> None:
    await client.open(revision)
    assert await levels_of(client) == ["info", "error"]
    for level, sent in (
        ("debug", ["debug", "info", "error"]),
        ("info", ["info", "error"]),
        ("notice", ["error"]),
        ("error", ["error"]),
        ("critical", []),
        ("debug", ["debug", "info", "error"]),
    ):
        assert (await client.ask("logging/setLevel", {"level": level}))["result"] == {}
        assert await levels_of(client) == sent


@pytest.mark.spec("2025-11-25/server/utilities/logging#setting-log-level", "level")
@over_old(*SESSIONS)
async def test_a_level_is_its_session_s_own(client: SessionsClient) -> None:
    other = client.another()
    await client.open()
    await other.open()
    await other.ask("logging/setLevel", {"level": "debug"})
    assert await levels_of(client) == ["info", "error"]
    assert await levels_of(other) == ["debug", "info", "error"]


@pytest.mark.spec("2025-11-25/server/utilities/logging#error-handling", "invalid-level")
@pytest.mark.parametrize("params", [{"level": "loud"}, {"level": 3}, {"level": "INFO"}, {}])
@over_old(*EVERY_OLD_WIRE)
async def test_a_level_that_is_none_is_minus_32602(client: OldClient, params: Message) -> None:
    await client.open()
    assert (await client.ask("logging/setLevel", params))["error"]["code"] == -32602
    assert await levels_of(client) == ["info", "error"]

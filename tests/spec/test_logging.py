"""Log messages for the client. Rule: each test shows a demand of 2026-07-28/server/utilities/logging."""

from typing import Any

import pytest

from tests.support.clients import Client
from tests.support.fixture_plugin import SECRET, bare_plugin
from tests.support.messages import LOG_LEVEL, request
from tests.support.wires import EVERY_WIRE, over

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


@pytest.mark.spec("server/utilities/logging#capabilities", "declared")
@over(*EVERY_WIRE, plugin=bare_plugin)
async def test_logging_is_declared_whatever_the_plugins_are(client: Client) -> None:
    assert (await client.ask("server/discover")).result["capabilities"]["logging"] == {}


@pytest.mark.spec("server/utilities/logging#per-request-log-level", "only-on-request")
@over(*EVERY_WIRE)
async def test_a_request_without_a_level_gets_no_log_messages(client: Client) -> None:
    answer = await client.call("chat", extra_meta={"progressToken": 1})
    assert answer.notifications == []
    assert answer.text == "chatted"


@pytest.mark.spec("server/utilities/logging#per-request-log-level", "at-or-above")
@pytest.mark.parametrize("level", LEVELS)
@over(*EVERY_WIRE)
async def test_messages_below_the_level_are_not_sent(client: Client, level: str) -> None:
    answer = await client.call("chat", extra_meta={LOG_LEVEL: level})
    heard = [message["params"]["level"] for message in answer.notifications]
    assert heard == [found for found in ("debug", "info", "error") if LEVELS.index(found) >= LEVELS.index(level)]


@pytest.mark.spec("server/utilities/logging#per-request-log-level", "at-or-above")
@over(*EVERY_WIRE)
async def test_a_message_says_what_the_handler_said(client: Client) -> None:
    answer = await client.call("chat", extra_meta={LOG_LEVEL: "debug"})
    assert [message["params"] for message in answer.notifications] == [
        {"level": "debug", "logger": "chat", "data": "small talk"},
        {"level": "info", "data": {"said": ["hello", None]}},
        {"level": "error", "logger": "chat", "data": "oh dear"},
    ]


@pytest.mark.spec("server/utilities/logging#per-request-log-level", "own-stream")
@over(*EVERY_WIRE)
async def test_messages_come_on_the_stream_of_their_request_only(client: Client) -> None:
    listening = request(
        "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, extra_meta={LOG_LEVEL: "debug"}
    )
    async with client.open(listening) as stream:
        await stream.next()
        assert len((await client.call("chat", extra_meta={LOG_LEVEL: "debug"})).notifications) == 3
        await client.call("chat")
        await client.settle()
        assert stream.arrived() == []


@pytest.mark.spec("server/utilities/logging#error-handling", "unknown-level")
@pytest.mark.parametrize("level", ["loud", "", "INFO", "warn", None, 7, {}])
@over(*EVERY_WIRE)
async def test_a_level_that_does_not_exist_is_refused(client: Client, level: Any) -> None:
    (await client.call("chat", extra_meta={LOG_LEVEL: level})).refused(-32602)


@pytest.mark.spec("server/utilities/logging#security", "nothing-sensitive")
@over(*EVERY_WIRE)
async def test_the_runtime_tells_the_client_nothing_of_its_own(client: Client) -> None:
    for tool in ("crash", "fail_kindly", "broken_promise"):
        answer = await client.call(
            tool, {"value": "x"} if tool == "broken_promise" else {}, extra_meta={LOG_LEVEL: "debug"}
        )
        assert answer.notifications == []
        assert SECRET not in str(answer.response)


@pytest.mark.spec("server/utilities/logging#per-request-log-level", "own-stream")
@over(*EVERY_WIRE, clock="real")
async def test_a_function_in_a_thread_may_log_too(client: Client) -> None:
    extra = {LOG_LEVEL: "info", "progressToken": "t"}
    answer = await client.call("chat_in_thread", {"text": "hello"}, extra_meta=extra)
    assert [message["method"] for message in answer.notifications] == [
        "notifications/progress",
        "notifications/message",
    ]
    assert answer.text == "said hello"

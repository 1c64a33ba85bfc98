"""What every transport must do. Rule: each test shows a demand of 2026-07-28/basic/transports."""

import pytest

from tests.support.clients import Client
from tests.support.messages import LOG_LEVEL, encode, notification, request
from tests.support.wires import EVERY_WIRE, over


@pytest.mark.spec("basic/transports/index#messages", "utf-8")
@pytest.mark.parametrize("text", ["naïve", "日本語", "🦊", "\u2028\u2029", "\x7f", "a\nb\r\n\tc\0d", '"\\/', "\ufeff"])
@over(*EVERY_WIRE)
async def test_any_text_makes_the_round_trip(client: Client, text: str) -> None:
    assert (await client.call("echo", {"text": text})).text == text


@pytest.mark.spec("basic/transports/index#messages", "utf-8")
@pytest.mark.parametrize(
    "broken", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", "ä".encode("latin-1"), "hello".encode("utf-16")]
)
@over(*EVERY_WIRE)
async def test_bytes_that_are_no_utf_8_are_a_parse_error(client: Client, broken: bytes) -> None:
    message = encode(request("tools/call", {"name": "echo", "arguments": {"text": "HERE"}}))
    for data in (message.replace(b"HERE", broken), broken):
        if b"\n" not in data:
            reply = await client.raw(data)
            assert reply.error["code"] == -32700
            assert reply.status in {None, 400}
    await client.ask("server/discover")


@pytest.mark.spec("basic/transports/index#messages", "both-directions")
@over(*EVERY_WIRE)
async def test_requests_and_notifications_go_one_way_responses_and_notifications_the_other(client: Client) -> None:
    answer = await client.call("chat", extra_meta={LOG_LEVEL: "debug"})
    assert [message["params"]["level"] for message in answer.notifications] == ["debug", "info", "error"]
    assert answer.text == "chatted"
    assert (await client.tell(notification("notifications/cancelled", {"requestId": 99}))).messages == []

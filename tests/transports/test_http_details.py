"""Details of the endpoint: HEAD, 405, sizes, ids, observers, addresses, and bodies that take long to come."""

from typing import Any

import anyio
import pytest

from mcp_runtime.config import AdminConfig
from tests.support.http_client import HttpClient
from tests.support.messages import encode, headers_for, request
from tests.support.settings import settings
from tests.support.wires import HTTP, over

DISCOVER = request("server/discover")
WATCHED = settings(admin=AdminConfig(bind=("127.0.0.1:0",)))


def nap(seconds: float) -> dict[str, Any]:
    """A call that takes as long."""
    return request("tools/call", {"name": "nap", "arguments": {"seconds": seconds}})


@over(*HTTP)
async def test_head_is_refused_as_get_is_and_has_no_body(client: HttpClient) -> None:
    get, head = await client.get("GET"), await client.get("HEAD")
    assert (get.status, head.status) == (405, 405)
    assert (bool(get.body), head.body) == (True, b"")
    assert (get.header("allow"), head.header("allow")) == ("POST", "POST")


@pytest.mark.parametrize(
    ("message", "id_", "code"),
    [
        ({"jsonrpc": "1.0", "id": 7, "method": "server/discover"}, 7, -32600),
        ({"jsonrpc": "2.0", "id": "a", "method": 5}, "a", -32600),
        ({"jsonrpc": "2.0", "method": 5}, None, -32600),
    ],
)
@over(*HTTP)
async def test_what_is_no_message_is_answered_with_the_id_that_it_has(
    client: HttpClient, message: dict[str, Any], id_: object, code: int
) -> None:
    reply = await client.tell(message)
    assert [(one.get("id"), one["error"]["code"]) for one in reply.messages] == [(id_, code)]


@over(*HTTP, config=WATCHED)
async def test_every_answer_is_counted(client: HttpClient) -> None:
    await client.ask("server/discover")
    await client.call("fail_kindly")
    await client.ask("no/such")
    assert client.runtime.metrics is not None
    found: Any = next(one for one in client.runtime.metrics.families() if one.name == "mcp_requests_total")
    assert {labels[2:]: count for labels, count in found.read().items()} == {
        ("streamable_http", "server/discover", "ok"): 1,
        ("streamable_http", "tools/call", "tool_error"): 1,
        ("streamable_http", "other", "refused"): 1,
    }


@over(*HTTP, config=settings(limits={"tool_calls_per_minute": 1}))
async def test_calls_are_counted_by_the_address_that_they_come_from(client: HttpClient) -> None:
    failed: list[bool] = []
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        message = request("tools/call", {"name": "echo", "arguments": {"text": "hi"}})
        async with client.exchange(message, client=(address, 50_000)) as exchange:
            failed.append(b'"isError":true' in (await exchange.read_all()).body)
    assert failed == [False, False, True]


@over(*HTTP, config=settings(limits={"handler_timeout_s": 10.0, "body_timeout_s": 30.0}))
async def test_a_call_has_all_of_its_time_however_long_its_body_took(client: HttpClient) -> None:
    answers: list[bytes] = []
    for seconds in (9, 11):
        body = encode(message := nap(seconds))
        async with client.exchange(raw_headers=headers_for(message)) as exchange:
            exchange.upload(body[:20], more=True)
            await anyio.sleep(8)
            began = anyio.current_time()
            exchange.upload(body[20:])
            answers.append((await exchange.read_all()).body)
            assert anyio.current_time() - began == pytest.approx(min(seconds, 10), abs=0.5)
    assert b"rested" in answers[0]
    assert b"Timed out after 10 s" in answers[1]


@over(*HTTP, config=settings(limits={"handler_timeout_s": 60.0, "body_timeout_s": 5.0}))
async def test_the_time_of_a_body_is_over_with_the_body(client: HttpClient) -> None:
    for pause_s in (0, 3, 4.9):
        body = encode(message := nap(40))
        async with client.exchange(raw_headers=headers_for(message)) as exchange:
            exchange.upload(body[:20], more=True)
            await anyio.sleep(pause_s)
            exchange.upload(body[20:])
            assert b"rested" in (await exchange.read_all()).body


@over(*HTTP, config=settings(limits={"handler_timeout_s": 20.0, "body_timeout_s": 30.0}))
async def test_a_call_whose_body_took_long_is_given_up_with_its_client(client: HttpClient) -> None:
    body = encode(message := nap(15))
    async with client.exchange(raw_headers=headers_for(message)) as exchange:
        exchange.upload(body[:20], more=True)
        await anyio.sleep(8)
        exchange.upload(body[20:])
        await anyio.sleep(5)
        assert client.runtime.dispatcher.at_work == 1
        exchange.disconnect()
        await anyio.sleep(1)
        assert client.runtime.dispatcher.at_work == 0

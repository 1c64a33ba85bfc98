"""What comes in over HTTP: media types, sizes, times, and refusals that leave the connection usable."""

from typing import Any

import anyio
import pytest

from tests.support.clients import RawReply
from tests.support.events import EventReader
from tests.support.http_client import HttpClient
from tests.support.messages import encode, headers_for, notification, request
from tests.support.settings import settings
from tests.support.wires import HTTP, over

DISCOVER = request("server/discover")
CALL = request("tools/call", {"name": "count", "arguments": {}}, extra_meta={"progressToken": 1})


def padded(size: int) -> bytes:
    """A request of just `size` bytes."""
    empty = len(encode(request("server/discover", {"pad": ""})))
    return encode(request("server/discover", {"pad": "x" * (size - empty)}))


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json, text/event-stream", 200),
        ("text/event-stream,application/json", 200),
        ("application/json;q=0.5, text/event-stream;q=0.1", 200),
        ("Application/JSON, TEXT/event-stream", 200),
        ("*/*", 200),
        ("application/*, text/*", 200),
        ("application/json, */*;q=0.1", 200),
        ("application/json", 406),
        ("text/event-stream", 406),
        ("text/html, application/xhtml+xml", 406),
        ("application/json, text/event-stream;q=0", 406),
        ("application/json;q=0.000, text/event-stream", 406),
        ("application/json, text/event-stream; q = 0.0", 406),
        ("application/jsonx, text/event-streams", 406),
        ("", 406),
        (None, 406),
    ],
)
@over(*HTTP)
async def test_both_kinds_of_answer_have_to_be_acceptable(client: HttpClient, accept: str | None, status: int) -> None:
    assert (await client.tell(DISCOVER, headers={"accept": accept})).status == status


@over(*HTTP)
async def test_accept_may_come_on_two_lines(client: HttpClient) -> None:
    headers = {key: value for key, value in headers_for(DISCOVER).items() if key != "accept"}
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    raw += [(b"accept", b"application/json"), (b"accept", b"text/event-stream")]
    async with client.exchange(DISCOVER, raw_headers=raw) as exchange:
        assert (await exchange.read_all()).status == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON; charset="UTF-8"', 200),
        ("application/json;charset=utf8", 200),
        ("application/json; profile=x", 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("", 415),
        (None, 415),
    ],
)
@over(*HTTP)
async def test_a_body_has_to_be_json_in_utf_8(client: HttpClient, content_type: str | None, status: int) -> None:
    assert (await client.tell(DISCOVER, headers={"content-type": content_type})).status == status


@pytest.mark.parametrize(("encoding", "status"), [("identity", 200), ("gzip", 415), ("br, gzip", 415), ("GZIP", 415)])
@over(*HTTP)
async def test_a_compressed_body_is_refused(client: HttpClient, encoding: str, status: int) -> None:
    assert (await client.tell(DISCOVER, headers={"content-encoding": encoding})).status == status


@over(*HTTP)
async def test_refusals_are_json_rpc_errors_without_an_id(client: HttpClient) -> None:
    replies = [
        await client.tell(DISCOVER, headers={"accept": None}),
        await client.tell(DISCOVER, headers={"content-type": "text/plain"}),
        await client.tell(DISCOVER, headers={"host": "evil.example.com"}),
        await client.raw(b"x" * 5_000_000),
    ]
    for reply in replies:
        assert "id" not in reply.messages[0]
        assert reply.error["code"] == -32600
        assert reply.headers["content-type"] == "application/json"


@over(*HTTP, config=settings(limits={"max_body_bytes": 2048}))
async def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not(client: HttpClient) -> None:
    assert (await client.raw(padded(2048))).status == 200
    assert (await client.raw(padded(2049))).status == 413


@over(*HTTP, config=settings(limits={"max_body_bytes": 2048}))
async def test_a_body_that_says_it_is_too_long_is_refused_unread(client: HttpClient) -> None:
    headers = {**headers_for(DISCOVER), "content-length": "2049"}
    async with client.exchange(raw_headers=headers) as exchange:
        await exchange.started.wait()
        assert exchange.response.status == 413
        exchange.upload(padded(2049))
        await exchange.returned.wait()
        assert exchange.unread_by_app == 0


@pytest.mark.parametrize("length", ["2048", "0", "-1", "many", "9" * 5000, ""])
@over(*HTTP, config=settings(limits={"max_body_bytes": 2048}))
async def test_what_a_body_says_of_its_length_is_not_believed(client: HttpClient, length: str) -> None:
    """A server would refuse most of these itself; the endpoint does not count on it."""
    async with client.exchange(
        padded(4096), raw_headers={**headers_for(DISCOVER), "content-length": length}
    ) as exchange:
        assert (await exchange.read_all()).status == 413


@over(*HTTP, config=settings(limits={"max_body_bytes": 100_000}))
async def test_a_body_that_grows_too_long_is_refused_when_it_does_and_the_rest_is_read_away(client: HttpClient) -> None:
    async with client.exchange(raw_headers=headers_for(DISCOVER)) as exchange:
        for _ in range(3):
            exchange.upload(b"x" * 40_000, more=True)
        await exchange.started.wait()
        assert exchange.response.status == 413
        assert exchange.response.header("connection") == "close"
        for _ in range(100):
            exchange.upload(b"x" * 65_536, more=True)
        await client.settle()
        assert exchange.unread_by_app == 0  # a server that still hands it over would otherwise wait forever
        exchange.upload(b"")
        await exchange.returned.wait()


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"accept": None}])
@over(*HTTP)
async def test_whoever_is_refused_early_may_still_finish_his_body(client: HttpClient, headers: dict[str, Any]) -> None:
    chosen = {key: value for key, value in {**headers_for(DISCOVER), **headers}.items() if value is not None}
    async with client.exchange(raw_headers=chosen) as exchange:
        await exchange.complete.wait()
        for _ in range(20):
            exchange.upload(b"x" * 65_536, more=True)
        exchange.upload(b"")
        await exchange.returned.wait()
        assert exchange.unread_by_app == 0


@over(*HTTP, config=settings(limits={"body_timeout_s": 7.0}))
async def test_whoever_never_finishes_a_refused_body_is_not_waited_for_forever(client: HttpClient) -> None:
    began = anyio.current_time()
    async with client.exchange(raw_headers={**headers_for(DISCOVER), "origin": "http://evil.example"}) as exchange:
        exchange.upload(b"x", more=True)
        await exchange.returned.wait()
    assert anyio.current_time() - began == pytest.approx(7)


@over(*HTTP, config=settings(limits={"body_timeout_s": 7.0}))
async def test_a_body_that_takes_too_long_is_a_timeout(client: HttpClient) -> None:
    began = anyio.current_time()
    async with client.exchange(raw_headers=headers_for(DISCOVER)) as exchange:
        for piece in range(3):
            exchange.upload(encode(DISCOVER)[piece : piece + 1], more=True)
            await anyio.sleep(2)
        await exchange.complete.wait()
        assert anyio.current_time() - began == pytest.approx(7)
        assert exchange.response.status == 408
        assert exchange.response.header("connection") == "close"


@over(*HTTP)
async def test_a_body_may_come_in_single_bytes(client: HttpClient) -> None:
    async with client.exchange(raw_headers=headers_for(DISCOVER)) as exchange:
        for byte in encode(DISCOVER):
            exchange.upload(bytes([byte]), more=True)
        exchange.upload(b"")
        assert (await exchange.read_all()).status == 200


@over(*HTTP)
async def test_a_client_that_leaves_before_its_body_is_complete_is_forgotten(client: HttpClient) -> None:
    async with client.exchange(raw_headers=headers_for(DISCOVER)) as exchange:
        exchange.upload(b'{"jsonrpc":', more=True)
        await client.settle()
        exchange.disconnect()
        await exchange.returned.wait()
        assert not exchange.started.is_set()
    assert client.runtime.dispatcher.at_work == 0


@over(*HTTP)
async def test_an_empty_body_is_a_parse_error(client: HttpClient) -> None:
    reply = await client.raw(b"")
    assert (reply.status, reply.error["code"]) == (400, -32700)


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
@pytest.mark.parametrize("version", ["2.0", "1.0"])
@over(*HTTP)
async def test_deep_nesting_is_an_error_and_nothing_worse(client: HttpClient, depth: int, version: str) -> None:
    deep = b"[" * depth + b"]" * depth
    body = encode({**request("tools/call", {"name": "nothing", "arguments": "HERE"}), "jsonrpc": version})
    headers = headers_for(request("tools/call", {"name": "nothing"}))
    reply = await client.raw(body.replace(b'"HERE"', b'{"a":' + deep + b"}"), headers=headers)
    assert reply.status in {200, 400}
    assert len(reply.messages) == 1
    await client.ask("server/discover")


def _kinds(reply: RawReply) -> set[str]:
    return {key for message in reply.messages for key in message}


@over(*HTTP)
async def test_a_message_may_have_blanks_around_it(client: HttpClient) -> None:
    reply = await client.raw(b" \r\n\t" + encode(DISCOVER) + b"\n\n", headers=headers_for(DISCOVER))
    assert _kinds(reply) == {"jsonrpc", "id", "result"}
    pretty = encode(DISCOVER).replace(b",", b" ,\n\t").replace(b":{", b" : \r\n {")
    assert _kinds(await client.raw(pretty, headers=headers_for(DISCOVER))) == {"jsonrpc", "id", "result"}


@over(*HTTP)
async def test_notifications_are_taken_from_modern_clients_only(client: HttpClient) -> None:
    told = notification("notifications/anything")
    assert (await client.tell(told)).status == 202
    assert (await client.tell(told, headers={"mcp-protocol-version": None})).status == 400


@over(*HTTP)
async def test_the_event_reader_of_these_tests_finds_every_message(client: HttpClient) -> None:
    async with client.exchange(CALL) as exchange:
        body = (await exchange.read_all()).body
    reader = EventReader()
    messages = [message for index in range(len(body)) for message in reader.feed(body[index : index + 1])]
    assert len(messages) == 4

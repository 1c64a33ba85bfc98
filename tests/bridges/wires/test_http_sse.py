"""HTTP+SSE of 2024-11-05: what opens a stream, what is posted to it, and how it ends. Rule: one stream's trouble is its own."""

import itertools
import json
from typing import Any
from urllib.parse import parse_qs, quote

import anyio
import pytest

from mcp_bridges.gate.port import Refusal
from mcp_bridges.wires.http_sse import _MAX_PENDING
from mcp_runtime.config.sections import BridgesConfig, HttpSseConfig
from tests.support.asgi import Response
from tests.support.clocks import Backend, run
from tests.support.http_client import HttpClient
from tests.support.legacy_messages import old, opening, result, text_of
from tests.support.messages import encode
from tests.support.raw_wires import Doorkeeper, RawSseClient, old_http, old_sse
from tests.support.settings import settings

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")
both = pytest.mark.parametrize("backend", BACKENDS)
EVENTS = {"accept": "text/event-stream"}


def sse(**changes: Any) -> BridgesConfig:
    """The bridges with this one changed."""
    return BridgesConfig(http_sse=HttpSseConfig(**changes))


def error_of(response: Response) -> dict[str, Any]:
    """The JSON-RPC error that a response carries."""
    assert response.header("content-type") == "application/json"
    return dict(json.loads(response.body)["error"])


async def refused(
    http: HttpClient, path: str = "/sse", headers: dict[str, str] | None = None, **options: Any
) -> Response:
    """What a GET gets that opens no stream."""
    return await http.get("GET", path, headers=EVENTS if headers is None else headers, **options)


@both
def test_a_stream_begins_with_where_to_post(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            response = client.stream.response
            assert response.status == 200
            assert (response.header("content-type") or "").startswith("text/event-stream")
            assert response.header("cache-control") == "no-store"
            assert response.header("x-accel-buffering") == "no"
            assert client.inbox == []
            assert client.endpoint.startswith("messages?session_id=")
            assert len(client.endpoint) < 400
            posted = await client.post(opening("2024-11-05"))
            assert (posted.status, posted.body) == (202, b"")
            assert (await client.response("init"))["result"]["protocolVersion"] == "2024-11-05"

    run(backend, test)


PREFIXES = ("", "/behind/a/proxy")
MOUNTS = ("", "/tools", "/a/b")
STREAMS = ("/sse", "/sse/", "/", "/v1/mcp/sse", "/mcp")
MESSAGES = ("/messages", "/messages/", "/v1/messages", "/v1/mcp/deep/messages", "/", "/v1/mcp/x:y", "/sse/messages")


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("messages", MESSAGES)
def test_where_to_post_holds_under_every_prefix(stream: str, messages: str) -> None:
    async def test() -> None:
        config = settings(bridges=sse(path=stream, messages_path=messages))
        async with old_http(config) as http:
            for prefix, mount in itertools.product(PREFIXES, MOUNTS):
                path = mount + stream
                async with old_sse(http, path, root_path=mount, public=prefix + path) as client:
                    assert client.messages_path == prefix + mount + messages
                    assert "://" not in client.endpoint
                    client.messages_path = mount + messages  # The proxy takes its prefix away.
                    assert (await client.ask("ping"))["result"] == {}

    run("trio", test)


def test_a_path_that_begins_like_a_scheme_is_still_a_path() -> None:
    async def test() -> None:
        config = settings(bridges=sse(messages_path="/mcp:messages"))
        async with old_http(config) as http, old_sse(http) as client:
            assert client.endpoint.startswith("./mcp:messages?")
            assert (await client.ask("ping"))["result"] == {}

    run("trio", test)


@both
def test_a_client_that_was_given_the_endpoint_gets_its_stream_there(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http:
            for headers in ({}, {"mcp-protocol-version": "2024-11-05"}):
                async with old_sse(http, "/mcp", headers=headers) as client:
                    assert (await client.ask("ping"))["result"] == {}
            for other in ({"accept": "*/*"}, {**EVENTS, "mcp-protocol-version": "2026-07-28"}):
                response = await refused(http, "/mcp", other)
                assert (response.status, response.header("allow") is not None) == (405, True)
            assert (await refused(http, "/mcp", {**EVENTS, "mcp-session-id": "forged"})).status == 404
        async with old_http(settings(bridges=sse(at_endpoint=False))) as http:
            assert (await refused(http, "/mcp")).status == 405
            async with old_sse(http) as client:
                assert (await client.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_a_bridge_that_is_off_is_not_there(backend: Backend) -> None:
    async def test() -> None:
        async with old_http(settings(bridges=sse(posture="off"))) as http:
            assert (await refused(http)).status == 404
            assert (await refused(http, "/mcp")).status == 405
            async with http.exchange(old("ping"), path="/messages", raw_headers={}) as exchange:
                assert (await exchange.read_all()).status == 404

    run(backend, test)


@both
def test_a_refusal_says_where_to_go_and_never_400_to_a_get(backend: Backend) -> None:
    async def test() -> None:
        config = settings(bridges=sse(posture="refuse"))
        async with old_http(config) as http:
            response = await refused(http)
            assert (response.status, response.header("allow")) == (405, "POST")
            error = error_of(response)
            assert (error["code"], error["data"]) == (-32022, {"supported": ["2026-07-28"]})
            assert "HTTP+SSE" in error["message"]
            assert str(response.header("deprecation")).startswith("@")
            assert str(response.header("sunset")).endswith("GMT")
            assert 'rel="successor-version"' in str(response.header("link"))

    run(backend, test)


@both
def test_other_methods_open_nothing(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http:
            for method, path in (("HEAD", "/sse"), ("DELETE", "/sse"), ("PUT", "/messages"), ("GET", "/messages")):
                assert (await http.get(method, path, headers=EVENTS)).status == 404

    run(backend, test)


def tampered(query: str) -> str:
    """The same with one character of the id changed."""
    return query[:-5] + ("A" if query[-5] != "A" else "B") + query[-4:]


@both
def test_a_message_without_a_good_session_id_is_for_no_stream(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client, old_sse(http) as other:
            for query in ("", "session_id=", "session=1", f"{client.query}&{other.query}", "SESSION_ID=x", "%"):
                response = await client.post(old("ping"), query=query)
                assert (response.status, error_of(response)["code"]) == (400, -32600)
                assert "session_id is missing" in error_of(response)["message"]
            bad = ("x", "\u00fc", "%00", "a" * 100_000, quote("é/../"), "0" * 300)
            for query in (*(f"session_id={token}" for token in bad), tampered(client.query), client.query[:-1]):
                response = await client.post(old("ping"), query=query)
                assert (response.status, error_of(response)["code"]) == (404, -32600)
                assert error_of(response)["message"].startswith("Session not found")
            assert await client.arrived() == await other.arrived() == []
            await client.say(old("ping", id="mine"))
            assert (await client.response("mine"))["result"] == {}
            assert await other.arrived() == []

    run(backend, test)


@both
def test_the_id_of_a_session_on_the_endpoint_is_none_of_a_stream(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client:
            async with http.exchange(opening(), headers={"mcp-protocol-version": None}) as exchange:
                session_id = (await exchange.read_all()).header("mcp-session-id") or ""
            assert session_id
            assert (await client.post(old("ping"), query=f"session_id={session_id}")).status == 404
            stream_id = parse_qs(client.query)["session_id"][0]
            headers = {"mcp-session-id": stream_id, "mcp-protocol-version": None}
            async with http.exchange(old("ping"), headers=headers) as exchange:
                assert (await exchange.read_all()).status == 404

    run(backend, test)


@both
def test_a_key_of_another_server_opens_nothing(backend: Backend) -> None:
    async def test() -> None:
        foreign = settings(seal_keys=("another key, which is long enough to be one",))
        async with (
            old_http() as http,
            old_http(foreign) as elsewhere,
            old_sse(http) as client,
            old_sse(elsewhere) as other,
        ):
            assert (await client.post(old("ping"), query=other.query)).status == 404

    run(backend, test)


@both
def test_a_stream_that_ended_takes_nothing(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as other:
            async with old_sse(http) as client:
                await client.open()
            for message in (old("ping"), opening(), {"jsonrpc": "2.0", "method": "notifications/initialized"}):
                response = await client.post(message)
                assert response.status == 404
                assert "open another stream" in error_of(response)["message"]
            assert (await other.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_a_body_past_its_limit_is_413_and_no_message_is_400(backend: Backend) -> None:
    async def test() -> None:
        async with old_http(settings(limits={"max_body_bytes": 2000})) as http, old_sse(http) as client:
            fits = encode(old("ping", {"x": "y" * 1900}))
            assert (await client.post(fits)).status == 202
            assert (await client.post(fits + b" " * (2001 - len(fits)))).status == 413
            for body in (b"", b"{", b"null", b'"x"', b"\xff", b"[" * 900):
                assert (await client.post(body)).status in {400, 202}
            assert (await client.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_one_client_has_half_of_the_streams_and_half_of_the_calls(backend: Backend) -> None:
    async def test() -> None:
        config = settings(bridges=sse(max_streams=4), limits={"max_concurrent_requests": 4})
        one: Any = ("203.0.113.9", 5)
        async with old_http(config) as http, old_sse(http, client=one) as first, old_sse(http, client=one) as second:
            response = await refused(http, client=one)
            assert (response.status, "has its share" in error_of(response)["message"]) == (429, True)
            for stream in (first, second):
                await stream.open()
                await stream.start_tool("nap")
            await first.settle()
            assert "as others leave it" in (await first.tool("echo", text="x"))["error"]["message"]
            async with old_sse(http, client=("203.0.113.10", 5)) as other:
                await other.open()
                assert text_of(await other.tool("echo", text="x")) == "x"
        async with old_http(config) as http, old_sse(http, client=one) as again:
            assert (await again.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_streams_are_bounded_at_the_exact_edge(backend: Backend) -> None:
    async def test() -> None:
        async with old_http(settings(bridges=sse(max_streams=2))) as http, old_sse(http) as first:
            async with old_sse(http):
                for _ in range(3):
                    response = await refused(http)
                    assert (response.status, response.header("retry-after")) == (503, "5")
                    assert "2 streams" in error_of(response)["message"]
                assert (await first.ask("ping"))["result"] == {}
            async with old_sse(http) as next_one:
                assert (await next_one.ask("ping"))["result"] == {}
        async with old_http(settings(bridges=sse(max_streams=0))) as http:
            assert (await refused(http)).status == 503

    run(backend, test)


async def flood(client: RawSseClient, make: Any) -> int:
    """Post until there is no room; how many were taken."""
    for number in range(1000):
        response = await client.post(make(number))
        if response.status == 503:
            assert response.header("retry-after") == "1"
            assert error_of(response)["code"] == -32603
            return number
        assert response.status == 202
    raise AssertionError("there is no end to it")


@both
def test_a_reader_that_stalls_is_given_no_more_to_wait_for_it_and_others_go_on(backend: Backend) -> None:
    async def test() -> None:
        async with old_http() as http, old_sse(http) as client, old_sse(http) as other:
            await client.open()
            client.stall()
            taken = await flood(client, lambda number: old("ping", id=number))
            assert _MAX_PENDING <= taken <= _MAX_PENDING + 4
            assert text_of(await other.tool("echo", text="unharmed")) == "unharmed"
            client.resume()
            await client.settle()
            answered = [message["id"] for message in await client.arrived()]
            assert answered == list(range(taken))
            assert (await client.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_what_waits_for_a_stalled_reader_is_bounded_in_bytes_too(backend: Backend) -> None:
    async def test() -> None:
        config = settings(limits={"max_body_bytes": 10_000})
        async with old_http(config) as http, old_sse(http) as client:
            client.stall()
            taken = await flood(client, lambda number: old("ping", {"x": "y" * 4000}, id=number))
            assert taken <= 2 + 4
            client.resume()
            await client.settle()
            assert [message["id"] for message in await client.arrived()] == list(range(taken))
            await client.say(old("ping", {"x": "y" * 9900}, id="as long as may be"))
            assert (await client.response("as long as may be"))["result"] == {}

    run(backend, test)


@both
def test_a_stream_gives_signs_of_life(backend: Backend) -> None:
    async def test() -> None:
        async with old_http(settings(http={"keep_alive_interval_s": 10.0})) as http, old_sse(http) as client:
            await anyio.sleep(35)
            await client.settle()
            assert client.comments == 3
            assert await client.arrived() == []

    run(backend, test)


@both
def test_every_use_is_shown_to_the_gate_and_what_it_says_is_passed_on(backend: Backend) -> None:
    async def test() -> None:
        gate = Doorkeeper(headers=((b"deprecation", b"@1"),))
        async with old_http(gate=gate) as http, old_sse(http) as client:
            assert client.stream.response.header("deprecation") == "@1"
            assert (await client.post(opening("2024-11-05"))).header("deprecation") == "@1"
            await client.response("init")
            await client.ask("logging/setLevel", {"level": "info"})
            await client.post(result("nobody's", {}))
            await client.post([old("ping")])
            seen = [(one.method, one.features, one.revision, one.opening) for one in gate.seen]
            revision = "revision.2024-11-05"
            assert seen == [
                (None, ("transport.http_sse",), None, True),
                (
                    "initialize",
                    ("transport.http_sse", "protocol.handshake", revision),
                    "2024-11-05",
                    True,
                ),
                (
                    "logging/setLevel",
                    ("transport.http_sse", "logging.set_level", "feature.logging", revision),
                    "2024-11-05",
                    False,
                ),
                (None, ("transport.http_sse", revision), "2024-11-05", False),
                (None, ("transport.http_sse", "jsonrpc.batch", revision), "2024-11-05", False),
            ]
            assert {one.client.user_agent for one in gate.seen[:1]} == {"old-sse/1"}
            assert {one.client.peer for one in gate.seen} == {"127.0.0.1"}
            assert gate.seen[-1].client.name == "old-client"

    run(backend, test)


@both
def test_what_the_gate_refuses_is_refused_in_the_post_and_does_not_reach_the_stream(backend: Backend) -> None:
    async def test() -> None:
        brownout = Refusal(status=503, code=-32603, message="Try later", retry_after_s=60)
        gate = Doorkeeper(lambda sighting: brownout if sighting.method == "tools/list" else None)
        async with old_http(gate=gate) as http, old_sse(http) as client:
            await client.open()
            response = await client.post(old("tools/list", id=77))
            assert (response.status, response.header("retry-after")) == (503, "60")
            assert json.loads(response.body) == {
                "jsonrpc": "2.0",
                "id": 77,
                "error": {"code": -32603, "message": "Try later"},
            }
            assert await client.arrived() == []
            assert (await client.ask("ping"))["result"] == {}

    run(backend, test)


@both
def test_a_client_whose_body_does_not_end_holds_nothing_but_its_post(backend: Backend) -> None:
    async def test() -> None:
        async with old_http(settings(limits={"body_timeout_s": 5.0})) as http, old_sse(http) as client:
            options: dict[str, Any] = {"path": client.messages_path, "query": client.query, "raw_headers": {}}
            async with http.exchange(**options) as slow, http.exchange(**options) as gone:
                slow.upload(b"{", more=True)
                gone.upload(b"{", more=True)
                gone.disconnect()
                assert (await client.ask("ping"))["result"] == {}
                assert (await slow.read_all()).status == 408
                await gone.returned.wait()

    run(backend, test)


@both
def test_one_client_opens_its_share_of_the_streams(backend: Backend) -> None:
    async def test() -> None:
        config = settings(bridges=sse(max_streams=2), http={"trusted_proxies": ("127.0.0.1",)})
        named = {**EVENTS, "x-forwarded-for": "203.0.113.7"}
        async with (
            old_http(config) as http,
            http.exchange(method="GET", path="/sse", raw_headers=named) as first,
        ):
            first.upload(b"")
            await first.started.wait()
            assert first.response.status == 200
            response = await refused(http, headers=named)
            assert (response.status, response.header("retry-after")) == (429, "5")
            assert "its share of the server's streams open, 1 now" in error_of(response)["message"]
            async with old_sse(http) as other:
                await other.open()
                response = await refused(http, headers=named)
                assert (response.status, response.header("retry-after")) == (503, "5")

    run(backend, test)

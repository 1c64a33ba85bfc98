"""Requests in old sessions: which id lets in, which version header, and what those hear that stay outside."""

import time
from itertools import product
from typing import Any, Final

import pytest

from mcp_runtime.core.calls.rounds import PURPOSE as REQUEST_STATE
from mcp_runtime.state.seal.lazy_sealer import LazySealer
from tests.support.messages import Message
from tests.support.raw_sessions import (
    NEWEST,
    SESSION_ID,
    SESSION_REVISIONS,
    OldServer,
    RawSessionClient,
    Reply,
    Ticking,
    bridge_settings,
    on_both_loops,
    served,
    serving,
)
from tests.support.settings import settings

METHODS: Final[list[tuple[str, Message | None]]] = [
    ("ping", None),
    ("logging/setLevel", {"level": "error"}),
    ("resources/subscribe", {"uri": "note://text"}),
    ("resources/unsubscribe", {"uri": "note://text"}),
    ("tools/list", None),
    ("tools/call", {"name": "echo", "arguments": {"text": "hi"}}),
    ("resources/list", None),
    ("resources/templates/list", None),
    ("resources/read", {"uri": "note://text"}),
    ("prompts/list", None),
    ("prompts/get", {"name": "plain"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language", "value": ""}},
    ),
]
"""Every request that an old session has."""


# Opening


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_a_session_begins_with_initialize_and_its_id_is_in_the_answer(server: OldServer, revision: str) -> None:
    client = server.visitor()
    reply = await client.begin(revision)
    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    assert reply.result["protocolVersion"] == revision
    assert reply.result["serverInfo"]["name"] == "test-server"
    assert reply.result["instructions"] == "Call echo to hear yourself."
    assert len(client.session_id) > 100
    for method, params in METHODS:
        answer = await client.ask(method, params)
        assert answer.status == 200, method
        assert "result" in answer.last, (method, answer.last)


@served()
async def test_no_other_answer_carries_a_session_id(server: OldServer) -> None:
    client = await server.client()
    for reply in (await client.use("echo", text="hi"), await client.tell("notifications/initialized")):
        assert reply.header(SESSION_ID) is None


@served()
async def test_each_initialize_begins_another_session(server: OldServer) -> None:
    client = await server.client()
    first = client.session_id
    await client.begin()  # with the old id still in its header
    assert client.session_id != first
    both = [client, client.also(server)]
    both[1].session_id = first
    await both[0].end()
    assert (await both[0].use("echo", text="hi")).status == 404
    assert (await both[1].use("echo", text="hi")).text == "hi"


@pytest.mark.parametrize("params", [{}, {"protocolVersion": 1}, {"protocolVersion": None, "capabilities": {}}])
@served()
async def test_an_initialize_without_a_version_opens_nothing(server: OldServer, params: Message) -> None:
    reply = await server.visitor().send({"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params})
    assert "protocolVersion" in reply.refused(400, id_="first", code=-32602)
    assert reply.header(SESSION_ID) is None


@served(settings(limits={"max_concurrent_requests": 1}))
async def test_an_initialize_at_a_busy_server_is_asked_to_come_back(server: OldServer) -> None:
    client = await server.client()
    async with client.open(client.call("nap", seconds=50)) as napping:
        await napping.settle()
        reply = await server.visitor().begin()
        assert "1 requests at work" in reply.refused(503, id_=1, code=-32603)
        assert reply.header("retry-after") == "1"
        assert reply.header(SESSION_ID) is None
        assert (await napping.done()).text == "rested"
    assert (await server.visitor().begin()).status == 200


# Ids that let nobody in


def told(reply: Reply, id_: Any) -> str:
    """What a client hears whose session is gone: 404, an error for its request, and nothing to try again for."""
    text = reply.refused(404, id_=id_)
    assert text.startswith("Session not found: ")
    assert text.endswith("; initialize to begin another")
    assert reply.header("retry-after") is None
    return text


async def everything(client: RawSessionClient, words: str) -> None:
    """Each kind of request of this client gets the 404 that has `words`, requests with their id."""
    for method, params in METHODS:
        for id_ in (7, "seven"):
            assert words in told(await client.send(client.request(method, params, id_=id_)), id_)
    assert words in told(await client.send({"jsonrpc": "2.0", "id": 3, "method": "no/such"}), 3)
    assert words in told(await client.tell("notifications/initialized"), None)
    assert words in told(await client.tell("notifications/cancelled", {"requestId": 1}), None)
    assert words in told(await client.send({"jsonrpc": "2.0", "id": "q", "result": {}}), None)
    async with client.listen() as stream:
        assert words in told(await stream.done(), None)
    assert words in told(await client.rest("p.0123456789abcdef~MQ.0"), None)
    assert words in told(await client.end(), None)
    if client.revision == "2025-03-26":
        assert words in told(await client.send([client.request("ping")]), None)


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_an_ended_session_is_not_found_whatever_is_sent(server: OldServer, revision: str) -> None:
    client = await server.client(revision)
    ended = await client.end()
    assert (ended.status, ended.response.body) == (200, b"")
    await everything(client, "it was ended")


@on_both_loops()
async def test_an_expired_session_is_not_found_whatever_is_sent() -> None:
    clock = Ticking(time.time() // 1)
    async with serving(bridge_settings(sessions={"session_ttl_s": 3600.0}), now=clock) as server:
        client = await server.client()
        clock.now += 3598
        assert (await client.use("echo", text="still")).text == "still"
        clock.now += 2
        await everything(client, "it has expired")
        assert (await client.begin()).status == 200
        assert (await client.use("echo", text="again")).text == "again"


@served()
async def test_an_id_that_was_touched_is_not_found_whatever_is_sent(server: OldServer) -> None:
    client = await server.client()
    token = client.session_id
    client.session_id = token[:-1] + ("A" if token[-1] != "A" else "B")
    await everything(client, "its id")
    client.session_id = token[:-8]
    await everything(client, "its id")
    for other in ("1868a90c-7b3f-4f1f-8a43-6a1f0f0e4b2a", "v1.", "", "v1." + "A" * 5000, "\xff\xfe"):
        client.session_id = other or " "
        assert "its id is malformed" in told(await client.send(client.request("ping", id_=5)), 5)
    client.session_id = token
    assert (await client.ask("ping")).result == {}


@on_both_loops()
async def test_what_was_sealed_for_something_else_is_not_found() -> None:
    config = settings()
    async with serving(config) as server:
        client = server.visitor()
        async with client.listen(path="/sse") as stream:
            endpoint = (await stream.event()).data or ""
        foreign = [endpoint.partition("session_id=")[2]]
        foreign.append(LazySealer(config, purpose=REQUEST_STATE)().seal(b"{}", principal=None, ttl_s=60))
        for token in foreign:
            client.session_id = token
            await everything(client, "its id does not verify")


@on_both_loops()
async def test_a_process_with_the_key_serves_the_session_and_one_with_another_does_not() -> None:
    ours, theirs = settings(), settings(seal_keys=("another key for tests, as long as a key has to be",))
    rotated = settings(seal_keys=("another key for tests, as long as a key has to be", *_keys()))
    async with serving(ours) as first, serving(ours) as second, serving(theirs) as third, serving(rotated) as fourth:
        client = await first.client("2025-06-18", name="roamer")
        for server in (second, first, second, fourth):
            about = await client.also(server).use("about_me")
            assert about.result["structuredContent"]["client"] == "roamer"
        await everything(client.also(third), "it was not opened here, or the key was retired")


def _keys() -> tuple[str, ...]:
    return tuple(key.reveal() for key in settings().seal.keys)


@served()
async def test_without_an_id_a_client_is_told_to_initialize(server: OldServer) -> None:
    client = server.visitor(mcp_protocol_version="2025-06-18")
    for id_, message in (
        (4, client.request("tools/list", id_=4)),
        (None, {"jsonrpc": "2.0", "method": "notifications/initialized"}),
        (None, {"jsonrpc": "2.0", "id": "q", "result": {}}),
        (None, [client.request("ping")]),
    ):
        reply = await client.send(message)
        assert "Mcp-Session-Id header is missing; initialize first" in reply.refused(400, id_=id_)


@served()
async def test_a_client_that_shows_nothing_hears_what_is_spoken_here(server: OldServer) -> None:
    reply = await server.visitor().ask("tools/list")
    assert (reply.status, reply.error["code"]) == (400, -32020)
    assert "2026-07-28" in reply.error["message"]


# Version headers


@pytest.mark.parametrize("shown", [None, "2024-11-05", "2025-03-26", "2025-06-18", NEWEST])
@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@served()
async def test_any_version_of_the_past_will_do_whatever_was_agreed_on(
    server: OldServer, revision: str, shown: str | None
) -> None:
    client = await server.client(revision)
    headers = {"mcp-protocol-version": shown}
    for method, params in METHODS:
        assert "result" in (await client.ask(method, params, headers=headers)).last, method
    assert (await client.tell("notifications/roots/list_changed", headers=headers)).status == 202
    async with client.listen(headers=headers) as stream:
        await stream.settle()
        assert (stream.response.status, stream.is_stream) == (200, True)
    described = (await client.send(client.request("tools/list"), headers=headers)).result["tools"][0]
    assert ("title" in described) == (revision >= "2025-06-18")  # what was agreed on decides
    assert (await client.end(headers=headers)).status == 200


@pytest.mark.parametrize("shown", ["1.0", "2025-02-30", "2025-11-25 ,2025-06-18", "2099-01-01", "", "\xff"])
@served()
async def test_a_version_that_nobody_knows_is_refused_with_400(server: OldServer, shown: str) -> None:
    client = await server.client()
    headers = {"mcp-protocol-version": shown}
    for method, params in METHODS:
        reply = await client.send(client.request(method, params, id_=7), headers=headers)
        assert (reply.status, reply.last.get("id"), "error" in reply.last) == (400, 7, True), method
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "q", "result": {}},
        [client.request("ping")],
        client.request("initialize", {"protocolVersion": NEWEST, "capabilities": {}}),
    ):
        reply = await client.send(message, headers=headers)
        assert (reply.status, "error" in reply.last, reply.header(SESSION_ID)) == (400, True, None), message
    ended = await client.end(headers=headers)
    assert (ended.status, ended.error["data"]["requested"]) == (400, shown)
    assert NEWEST in ended.error["data"]["supported"]
    assert (await client.ask("ping")).result == {}  # that DELETE ended nothing


@served()
async def test_under_the_present_version_a_session_id_means_nothing(server: OldServer) -> None:
    client = await server.client()
    reply = await client.ask("tools/list", headers={"mcp-protocol-version": "2026-07-28"})
    assert (reply.status, reply.error["code"]) == (400, -32602)  # its _meta is missing


# GET and DELETE


@pytest.mark.parametrize("posture", ["serve", "refuse", "off"])
@pytest.mark.parametrize("at_endpoint", [True, False])
@on_both_loops()
async def test_a_get_is_answered_with_a_stream_or_404_or_405_and_never_400(posture: str, at_endpoint: bool) -> None:
    config = bridge_settings(sessions={"posture": posture}, sse={"at_endpoint": at_endpoint})
    async with serving(settings()) as server:
        valid = (await server.client()).session_id
    seen: set[int] = set()
    async with serving(config) as server:
        for session, version, accept, last in product(
            (None, valid, valid[:-8], ""),
            (None, "2024-11-05", NEWEST, "2026-07-28", "nonsense"),
            ("*/*", "text/event-stream"),
            (None, "p.0123456789abcdef~MQ.3"),
        ):
            headers = {SESSION_ID: session, "mcp-protocol-version": version, "accept": accept}
            async with server.visitor().listen(last, headers=headers) as stream:
                await stream.exchange.started.wait()
                response = stream.response
            assert response.status in {200, 404, 405}, headers
            assert response.status != 200 or stream.is_stream
            assert response.status != 405 or response.header("allow") == "POST"
            seen.add(response.status)
    assert seen == {200 if posture == "serve" or at_endpoint else 405, 405} | ({404} if posture != "off" else set())


@pytest.mark.parametrize("method", ["DELETE", "PUT", "HEAD"])
@served()
async def test_without_a_session_there_is_nothing_to_delete(server: OldServer, method: str) -> None:
    reply = await server.visitor().send(method=method)
    assert (reply.status, reply.header("allow")) == (405, "POST")


@served()
async def test_other_methods_mean_nothing_in_a_session(server: OldServer) -> None:
    client = await server.client()
    for method in ("PUT", "HEAD", "OPTIONS", "PATCH"):
        assert (await client.send(method=method)).status == 405
    assert (await client.ask("ping")).result == {}


@served()
async def test_a_session_is_ended_once(server: OldServer) -> None:
    client = await server.client()
    assert (await client.end()).status == 200
    told(await client.end(), None)


# Traps


@served()
async def test_the_headers_of_the_present_on_a_message_of_the_past_change_nothing(server: OldServer) -> None:
    client = server.visitor(mcp_method="tools/list", mcp_name="nobody")  # mcp-remote sends them along
    await client.begin()
    assert (await client.use("echo", text="hi")).text == "hi"


@served()
async def test_a_client_that_never_initializes_again_gets_the_same_answer_each_time(server: OldServer) -> None:
    client = await server.client()
    await client.end()
    for id_ in range(50):
        told(await client.send(client.request("tools/list", id_=id_)), id_)


@served()
async def test_a_client_may_work_before_it_says_that_it_is_initialized(server: OldServer) -> None:
    client = server.visitor()
    reply = await client.ask("initialize", {"protocolVersion": NEWEST, "capabilities": {}})
    client.session_id = reply.header(SESSION_ID) or ""
    assert (await client.use("echo", text="hi")).text == "hi"


@served()
async def test_sessions_are_served_by_a_page_of_another_origin(server: OldServer) -> None:
    client = server.visitor(origin="http://evil.example")
    assert (await client.begin()).status == 403
    assert (
        await (await server.client()).send(method="DELETE", headers={"origin": "http://evil.example"})
    ).status == 403


@served(settings(http={"cors": True, "allowed_origins": ("https://page.example",)}))
async def test_pages_may_read_all_that_a_session_says(server: OldServer) -> None:
    client = server.visitor(origin="https://page.example")
    replies = [await client.begin(), await client.use("echo", text="hi"), await client.tell("notifications/x")]
    replies += [await client.use("count"), await client.send(client.call("count", token=1))]
    async with client.listen() as stream:
        await stream.exchange.started.wait()
    replies += [Reply(stream.response, []), await client.rest("p.0123456789abcdef~MQ.3"), await client.end()]
    replies += [await client.end(), await client.ask("ping", headers={"mcp-protocol-version": "nonsense"})]
    assert [reply.status for reply in replies] == [200, 200, 202, 200, 200, 200, 200, 200, 404, 400]
    for reply in replies:
        assert reply.header("access-control-allow-origin") == "https://page.example"
        assert reply.header("access-control-expose-headers") == "mcp-session-id"


@served()
async def test_a_duplicate_session_header_is_refused(server: OldServer) -> None:
    client = await server.client()
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    headers = [*((name.encode(), value.encode()) for name, value in client.own_headers().items())]
    async with client.open(body, raw=[*headers, (SESSION_ID.encode(), b"other")]) as opened:
        assert (await opened.done()).status == 400

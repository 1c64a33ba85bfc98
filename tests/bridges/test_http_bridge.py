"""Which bridge an HTTP request is for: by path, method and session id. Rule: what is nobody's stays the transport's."""

from typing import Final, Literal

import pytest

from tests.support.raw_sessions import (
    NEWEST,
    OldServer,
    RawSessionClient,
    Reply,
    bridge_settings,
    on_both_loops,
    served,
    serving,
)
from tests.support.settings import NO_BRIDGES, settings

Posture = Literal["serve", "refuse", "off"]
STREAM: Final = {"accept": "text/event-stream"}


async def opened(client: RawSessionClient, path: str, **headers: str | None) -> tuple[int, str]:
    """Status of a GET, and the kind of stream that it opened: of HTTP+SSE, of a session, or none."""
    async with client.listen(path=path, headers={**STREAM, **headers}) as stream:
        await stream.exchange.started.wait()
        if not stream.is_stream:
            return stream.response.status, ""
        await stream.settle()
        first = stream.events[0] if stream.events else None
        return stream.response.status, "http_sse" if first and first.name == "endpoint" else "session"


@pytest.mark.parametrize("sessions", ["serve", "refuse", "off"])
@pytest.mark.parametrize("sse", ["serve", "refuse", "off"])
@on_both_loops()
async def test_each_bridge_is_on_or_off_by_itself(sessions: Posture, sse: Posture) -> None:
    async with serving() as server:
        session_id = (await server.client()).session_id
    async with serving(bridge_settings(sessions={"posture": sessions}, sse={"posture": sse})) as server:
        client = server.visitor()
        plain = {"serve": (200, "http_sse"), "refuse": (405, ""), "off": (405, "")}[sse]
        assert await opened(client, "/mcp") == plain
        assert await opened(client, "/sse") == (plain if sse != "off" else (404, ""))
        if sessions == "serve":
            assert await opened(client, "/mcp", **{"mcp-session-id": session_id}) == (200, "session")
        else:
            assert await opened(client, "/mcp", **{"mcp-session-id": session_id}) == (405, "")
        posted = await client.send(client.request("ping"), path="/messages")
        assert posted.status == (404 if sse == "off" else 400)
        assert (await client.begin()).status == (200 if sessions == "serve" else 400)


@served()
async def test_a_stream_at_the_endpoint_is_for_those_who_ask_for_one_without_a_session(server: OldServer) -> None:
    client = server.visitor()
    assert await opened(client, "/mcp") == (200, "http_sse")
    for version in ("2024-11-05", "2025-03-26", NEWEST):
        assert await opened(client, "/mcp", **{"mcp-protocol-version": version}) == (200, "http_sse")
    for headers in (
        {"accept": None},
        {"accept": "*/*"},  # a browser, or curl
        {"accept": "text/html"},
        {"mcp-protocol-version": "2026-07-28"},
        {"mcp-protocol-version": "nonsense"},
        {"mcp-protocol-version": "\xff"},
    ):
        assert await opened(client, "/mcp", **headers) == (405, ""), headers
    assert await opened(client, "/mcp", **{"mcp-session-id": "nonsense"}) == (404, "")


@served(bridge_settings(sse={"at_endpoint": False}))
async def test_the_operator_may_keep_that_stream_off_the_endpoint(server: OldServer) -> None:
    assert await opened(server.visitor(), "/mcp") == (405, "")
    assert await opened(server.visitor(), "/sse") == (200, "http_sse")


@served(bridge_settings(sse={"path": "/old/stream", "messages_path": "/old/post"}, http={"path": "/new"}))
async def test_the_operator_chooses_the_paths(server: OldServer) -> None:
    client = server.visitor()
    assert await opened(client, "/old/stream") == (200, "http_sse")
    assert await opened(client, "/new") == (200, "http_sse")
    assert (await client.send(client.request("ping"), path="/old/post")).status == 400
    for path in ("/sse", "/mcp", "/messages"):
        assert await opened(client, path) == (404, "")
    reply = await client.send(client.request("initialize", {"protocolVersion": NEWEST}), path="/new")
    assert (reply.status, reply.header("mcp-session-id") is None) == (200, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/mcp/", 404),
        ("GET", "/messages", 404),
        ("POST", "/sse", 404),
        ("DELETE", "/sse", 404),
        ("DELETE", "/messages", 404),
        ("HEAD", "/sse", 404),
        ("PUT", "/mcp", 405),
        ("OPTIONS", "/mcp", 405),
        ("OPTIONS", "/sse", 404),
    ],
)
@served()
async def test_what_is_no_bridges_is_the_transports(server: OldServer, method: str, path: str, status: int) -> None:
    client = await server.client()
    for headers in ({}, {"mcp-session-id": None}):
        assert (await client.send(method=method, path=path, headers={**STREAM, **headers})).status == status


@served(settings(bridges=NO_BRIDGES))
async def test_with_every_bridge_off_the_past_is_unknown(server: OldServer) -> None:
    client = server.visitor()
    assert (await client.begin()).error["code"] == -32022
    assert await opened(client, "/mcp") == (405, "")
    assert await opened(client, "/sse") == (404, "")


# A client of unknown age, as SDKs look for what a server speaks


@served()
async def test_a_client_that_falls_back_to_http_sse_finds_it_at_the_same_url(server: OldServer) -> None:
    client = server.visitor()
    refused: Reply = await client.send(b"{}")
    assert refused.status == 400
    async with client.listen(path="/mcp", headers=STREAM) as stream:
        endpoint = await stream.event()
        assert endpoint.name == "endpoint"
        assert (endpoint.data or "").startswith("messages?session_id=")


@served()
async def test_two_sessions_of_one_client_do_not_know_each_other(server: OldServer) -> None:
    client = await server.client()  # mcp-remote opens a second one to see which transport works
    fallback = server.visitor()
    await fallback.begin(name="mcp-remote-fallback-test", version="0.0.0")
    assert (await fallback.end()).status == 200
    assert (await client.use("echo", text="hi")).text == "hi"


@on_both_loops()
async def test_a_stopping_server_ends_the_streams_of_both_bridges() -> None:
    async with serving() as server:
        client = await server.client()
        async with client.listen() as session, server.visitor().listen(path="/sse") as old:
            await old.event()
            await session.settle()
            server.runtime.close_streams()
            assert (await session.done()).messages == []
            assert (await old.done()).status == 200

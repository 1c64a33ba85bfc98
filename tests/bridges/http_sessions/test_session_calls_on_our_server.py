"""Calls of old sessions on our own server, which lends them its connection's scope: what cuts them off, and what then."""

import gc
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from mcp_bridges.calls.legacy_call import LegacyCall
from mcp_runtime import Context, Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.config import Config
from mcp_runtime.core.calls.call import Call
from tests.support.messages import Message
from tests.support.settings import settings
from tests.unit.server.http1.http1_server import Answer, Peer, Served, serving

REVISION = "2025-11-25"
IMPATIENT = settings(http={"watch_after_s": 0.05})
"""Time limits count for calls that take longer than this, and directly for shorter limits."""


def plugin(began: trio.Event) -> Plugin[Any]:
    made = Plugin("slow")

    @made.tool
    async def echo(text: str) -> str:
        return text

    @made.tool(timeout_s=0.2)
    async def forever() -> str:
        began.set()
        await anyio.sleep_forever()
        return "never"

    @made.tool
    async def until_cancelled(ctx: Context) -> str:
        await ctx.message("warning", "at work")
        began.set()
        await anyio.sleep_forever()
        return "never"

    @made.tool(timeout_s=0.02)
    async def block() -> str:
        time.sleep(0.05)  # noqa: ASYNC251  # as a tool should not
        return "too late"

    @made.tool
    async def greet(ctx: Context) -> str:
        answer = await ctx.elicit("Name?", {"type": "object", "properties": {"name": {"type": "string"}}})
        return f"Hello, {answer.data['name']}"

    return made


def post(message: Message, session: str | None) -> bytes:
    body = json.dumps(message).encode()
    fields = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
        **({} if session is None else {"Mcp-Session-Id": session, "MCP-Protocol-Version": REVISION}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body


def called(tool: str, id: int, **arguments: Any) -> Message:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


async def opened(peer: Peer) -> str:
    params = {
        "protocolVersion": REVISION,
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "a", "version": "1"},
    }
    await peer.send(post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, None))
    session = (await peer.answer()).header("mcp-session-id")
    assert session is not None
    return session


@asynccontextmanager
async def served(config: Config, began: trio.Event) -> AsyncGenerator[tuple[Served, Peer, str]]:
    """The server, a connection to it, and a session."""
    app = HttpApp(build_runtime(config, (plugin(began),)))
    async with app.lifespan(), serving(app) as server, server.peer() as peer:
        yield server, peer, await opened(peer)


def text_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["result"]["content"][0]["text"])


async def ask(peer: Peer, session: str, message: Message) -> Answer:
    await peer.send(post(message, session))
    return await peer.answer()


@pytest.mark.parametrize("config", [settings(), IMPATIENT], ids=["at once", "once it is watched"])
async def test_a_call_whose_time_is_up_is_answered_and_the_connection_goes_on(config: Config) -> None:
    async with served(config, trio.Event()) as (_, peer, session):
        for id_ in (1, 2):
            assert text_of(await ask(peer, session, called("forever", id_))) == "Timed out after 0.2 s"
        assert text_of(await ask(peer, session, called("echo", 3, text="alive"))) == "alive"


async def test_a_connection_at_rest_holds_nothing_of_its_last_call() -> None:
    async with served(settings(), trio.Event()) as (_, peer, session):
        ids = (771_001, 771_002)  # which no other test has
        for id_ in ids:
            assert text_of(await ask(peer, session, called("echo", id_, text="a"))) == "a"
        await trio.testing.wait_all_tasks_blocked()
        calls = [held for held in gc.get_objects() if isinstance(held, Call | LegacyCall)]
        assert not [call for call in calls if call.request.id in ids]


async def test_one_that_blocks_its_thread_past_its_time_is_timed_out_too() -> None:
    async with served(settings(), trio.Event()) as (_, peer, session):
        assert text_of(await ask(peer, session, called("block", 1))) == "Timed out after 0.02 s"
        assert text_of(await ask(peer, session, called("echo", 2, text="alive"))) == "alive"


async def test_a_cancelled_call_ends_without_an_answer_and_its_id_is_free_again() -> None:
    began = trio.Event()
    async with served(settings(), began) as (server, peer, session), server.peer() as other:
        await peer.send(post(called("until_cancelled", 1), session))
        await began.wait()
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await ask(other, session, cancelled)).status == 202
        events = (await peer.answer()).body
        assert b"at work" in events
        assert b'"id":1' not in events
        assert text_of(await ask(peer, session, called("echo", 1, text="alive"))) == "alive"


async def test_a_call_that_asks_has_a_scope_for_its_first_round_only() -> None:
    async with served(settings(), trio.Event()) as (server, peer, session), server.peer() as other:
        await peer.send(post(called("greet", 1), session))
        await peer.head()
        events = b""
        chunks = peer.chunks()
        while b"elicitation/create" not in events:
            events += await anext(chunks)
        question = next(
            found
            for line in events.splitlines()
            if line.startswith(b"data: {") and "method" in (found := json.loads(line.removeprefix(b"data: ")))
        )
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Ada"}}}
        assert (await ask(other, session, answer)).status == 202
        while b"Hello, Ada" not in events:
            events += await anext(chunks)
        async for _ in chunks:
            pass
        assert text_of(await ask(peer, session, called("echo", 2, text="alive"))) == "alive"


async def test_a_client_that_leaves_takes_nothing_of_others_along() -> None:
    began = trio.Event()
    async with served(settings(), began) as (server, _, session):
        async with server.peer() as other:
            await other.send(post(called("forever", 1), session))
            await began.wait()
        async with server.peer() as third:  # The answer is for nobody; others get theirs.
            assert text_of(await ask(third, session, called("echo", 2, text="alive"))) == "alive"

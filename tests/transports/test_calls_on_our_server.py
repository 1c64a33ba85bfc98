"""Calls of 2026-07-28 on our own server, which hands over a body that is there and takes an answer in one piece."""

import gc
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.config import Config
from mcp_runtime.core.calls.call import Call
from tests.support.messages import encode, headers_for, request
from tests.support.settings import settings
from tests.unit.server.http1.http1_server import Answer, Peer, serving


def modern(text: str, *, id: str = "a", **changed: str) -> bytes:
    """A call of `echo`; `changed` are headers that are not as they should be."""
    message = request("tools/call", {"name": "echo", "arguments": {"text": text}}, id=id)
    body = encode(message)
    fields = {"host": "localhost", **headers_for(message), "content-length": str(len(body)), **changed}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body


def text_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["result"]["content"][0]["text"])


@asynccontextmanager
async def served(config: Config | None = None) -> AsyncGenerator[Peer]:
    """A connection to a server that echoes."""
    plugin: Plugin[Any] = Plugin("echoing")

    @plugin.tool
    async def echo(text: str) -> str:
        return text

    app = HttpApp(build_runtime(config or settings(), (plugin,)))
    async with app.lifespan(), serving(app) as server, server.peer() as peer:
        yield peer


@pytest.mark.parametrize("split", [0, 1, 60, -1])
async def test_a_body_is_read_whether_it_comes_with_its_head_or_after_it(split: int) -> None:
    async with served() as peer:
        for text in ("one", "two", "three and more"):
            whole = modern(text)
            at = split if split > 0 else whole.index(b"\r\n\r\n") + 4 - split
            await peer.send(whole[:at])
            await trio.testing.wait_all_tasks_blocked()
            await peer.send(whole[at:])
            assert text_of(await peer.answer()) == text


async def test_a_body_that_is_there_and_too_long_is_refused_and_the_connection_closed() -> None:
    longest = len(modern("x" * 100).partition(b"\r\n\r\n")[2])
    async with served(settings(limits={"max_body_bytes": max(longest, 1024)})) as peer:
        room = max(longest, 1024) - longest
        await peer.send(modern("x" * (100 + room)))
        assert text_of(await peer.answer()) == "x" * (100 + room)
        await peer.send(modern("x" * (101 + room)))
        answer = await peer.answer()
        assert (answer.status, answer.header("connection")) == (413, "close")
        assert await peer.is_closed()


@pytest.mark.parametrize("changed", [{"host": "evil.example"}, {"content_type": "text/plain"}, {"accept": "text/html"}])
async def test_what_is_refused_before_its_body_is_read_leaves_the_connection_in_order(changed: dict[str, str]) -> None:
    async with served() as peer:
        await peer.send(modern("one", **{name.replace("_", "-"): value for name, value in changed.items()}))
        assert (await peer.answer()).status in {421, 415, 406}
        await peer.send(modern("two"))
        assert text_of(await peer.answer()) == "two"


async def test_a_connection_at_rest_holds_nothing_of_its_last_call() -> None:
    async with served() as peer:
        texts = ("at rest", "at rest again")
        for text in texts:
            await peer.send(modern(text, id=text))
            assert text_of(await peer.answer()) == text
        await trio.testing.wait_all_tasks_blocked()
        assert not [held for held in gc.get_objects() if isinstance(held, Call) and held.request.id in texts]

"""The clients of the soak. Rule: who behaves well gets every answer once; who does not, hurts nobody else.

Each client does one small thing and returns; it is then started again, until the soak is over.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import urljoin

import trio

from tests.benchmarks.soak_wire import Connection, LostError, Message, connected
from tests.benchmarks.streams import LISTEN, SSE_PATH
from tests.benchmarks.wire import INITIALIZE, INITIALIZED, modern
from tests.support.messages import encode, request

_CALLS_A_CONNECTION: Final = 20
_PROGRESS: Final = 5
_PAUSE_S: Final = 0.02


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the clients saw: calls answered by kind, seconds of each plain call with when it began, and every failure."""

    answered: dict[str, int] = field(default_factory=dict[str, int])
    taken_s: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    failures: list[str] = field(default_factory=list[str])

    def add(self, kind: str) -> None:
        """One more answer that was right."""
        self.answered[kind] = self.answered.get(kind, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a client works with."""

    port: int
    random: random.Random
    tally: Tally
    ids: "count[int]" = field(default_factory=lambda: count(1))


Client = Callable[[World], Awaitable[None]]


def echo(number: int, text: str) -> Message:
    """A modern call of `echo`."""
    return request("tools/call", {"name": "echo", "arguments": {"text": text}}, id=number, capabilities={})


def counting(number: int, times: int) -> Message:
    """A modern call of `count`, which answers on a stream."""
    arguments = {"times": times, "pause_s": _PAUSE_S}
    params = {"name": "count", "arguments": arguments}
    return request("tools/call", params, id=number, capabilities={}, extra_meta={"progressToken": number})


def answer_to(number: int, messages: list[Message]) -> str:
    """The text of the one answer among `messages`. Raises LostError where there is none, another, or two."""
    answers = [one for one in messages if "id" in one]
    if len(answers) != 1 or answers[0]["id"] != number or "result" not in answers[0]:
        raise LostError(f"request {number} was answered with {str(answers)[:300]}")
    return str(answers[0]["result"]["content"][0]["text"])


async def open_session(connection: Connection, name: str = "soak") -> str:
    """Open a session of 2025-11-25 as the client `name`; its id. Raises LostError."""
    client = {"name": name, "version": "1.0"}
    await connection.post({**INITIALIZE, "params": {**INITIALIZE["params"], "clientInfo": client}}, modern=False)
    await connection.head()
    opened = await connection.all_messages()
    session = connection.headers.get("mcp-session-id")
    if session is None or not opened or "result" not in opened[-1]:
        raise LostError(f"initialize was answered with {str(opened)[:200]}")
    await connection.ask(INITIALIZED, session, modern=False)
    return session


async def calls(world: World) -> None:
    """One call after the other on one connection."""
    async with connected(world.port) as connection:
        for _ in range(world.random.randint(1, _CALLS_A_CONNECTION)):
            number = next(world.ids)
            text = f"{number} " + "x" * world.random.choice((1, 100, 5_000, 200_000))
            began = trio.current_time()
            if answer_to(number, await connection.ask(echo(number, text))) != text:
                raise LostError(f"request {number} got somebody else's answer")
            world.tally.taken_s.append((began, trio.current_time() - began))
            world.tally.add("call")
            await trio.sleep(world.random.uniform(0, 0.01))


async def watches_progress(world: World) -> None:
    """A call that streams: every notification once and in order, then the answer."""
    async with connected(world.port) as connection:
        number = next(world.ids)
        messages = await connection.ask(counting(number, _PROGRESS))
        steps = [one["params"]["progress"] for one in messages if one.get("method") == "notifications/progress"]
        if answer_to(number, messages) != "done" or steps != list(range(1, _PROGRESS + 1)):
            raise LostError(f"request {number} streamed {steps}")
        world.tally.add("progress")


async def listens(world: World) -> None:
    """A listen stream, held for a while and left."""
    async with connected(world.port) as connection:
        await connection.stream.send_all(LISTEN)
        received = await connection.stream.receive_some(65536)
        if b" 200 " not in received[:20]:
            raise LostError(f"listen was answered with {received[:200]!r}")
        await trio.sleep(world.random.uniform(0.1, 2.0))
        world.tally.add("listen")


async def has_a_session(world: World) -> None:
    """A session of 2025-11-25: opened, used, and closed or left."""
    async with connected(world.port) as connection:
        session = await open_session(connection)
        for _ in range(world.random.randint(1, 5)):
            number = next(world.ids)
            params = {"name": "echo", "arguments": {"text": str(number)}}
            message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
            if answer_to(number, await connection.ask(message, session, modern=False)) != str(number):
                raise LostError(f"request {number} got somebody else's answer")
            world.tally.add("session call")
        if world.random.random() < 0.5:
            await connection.send("DELETE", "/mcp", {"mcp-session-id": session}, b"")
            await connection.head()


async def is_of_2024(world: World) -> None:
    """HTTP+SSE: the answers to what is posted come on the stream, each once."""
    async with connected(world.port) as stream, connected(world.port) as posts:
        await stream.send("GET", SSE_PATH, {"accept": "text/event-stream"}, b"")
        await stream.head()
        async with aclosing(stream.events()) as events:
            endpoint = urljoin(SSE_PATH, await anext(events))
            wanted = [str(next(world.ids)) for _ in range(3)]
            for number in wanted:
                params = {"name": "echo", "arguments": {"text": number}}
                message = {"jsonrpc": "2.0", "id": int(number), "method": "tools/call", "params": params}
                await _deliver(posts, endpoint, INITIALIZE if number == wanted[0] else message)
            answers = [await anext(events) for _ in wanted]
            if not all(number in answer for number, answer in zip(wanted[1:], answers[1:], strict=True)):
                raise LostError(f"the stream carried {str(answers)[:300]}")
        world.tally.add("HTTP+SSE")


async def _deliver(posts: Connection, endpoint: str, message: Message) -> None:
    await posts.send("POST", endpoint, {"content-type": "application/json"}, encode(message))
    if await posts.head() != 202:
        raise LostError(f"a post to the stream's endpoint was answered {posts.status}")
    await posts.whole_body()


async def stalls(world: World) -> None:
    """Half a request, and no more of it for a while; or a long answer, and nobody reads it."""
    async with connected(world.port) as connection:
        if world.random.random() < 0.5:
            whole = modern("tools/call", {"name": "echo", "arguments": {"text": "y"}})
            await connection.stream.send_all(whole[: world.random.randint(1, len(whole) - 1)])
        else:
            await connection.post(echo(next(world.ids), "z" * 2_000_000))
        await trio.sleep(world.random.uniform(0.1, 2.0))


async def vanishes(world: World) -> None:
    """Gone in the middle of a stream, or before the answer."""
    async with connected(world.port) as connection:
        await connection.post(counting(next(world.ids), 50))
        if world.random.random() < 0.7:
            await connection.head()
        await trio.sleep(world.random.uniform(0, 0.2))


_GARBAGE: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"POST /mcp HTTP/9.9\r\n\r\n",
    b"\r\n" * 50,
)
_NO_MESSAGES: Final = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"jsonrpc":"2.0"}', b"[" * 20_000, b'{"id":1e999}')


async def talks_garbage(world: World) -> None:
    """Bytes that are no HTTP, or HTTP without a message in it: refused, and nothing worse than that."""
    async with connected(world.port) as connection:
        if world.random.random() < 0.5:
            headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
            await connection.send("POST", "/mcp", headers, world.random.choice(_NO_MESSAGES))
            if not 400 <= await connection.head() < 500:
                raise LostError(f"garbage was answered {connection.status}")
            return
        noise = world.random.choice((*_GARBAGE, world.random.randbytes(200)))
        with suppress(trio.BrokenResourceError):
            await connection.stream.send_all(noise)
            with trio.move_on_after(1):
                received = await connection.stream.receive_some(65536)
                if received[:9] == b"HTTP/1.1 " and received[9:10] not in b"45":
                    raise LostError(f"{noise[:40]!r} was answered {received[:40]!r}")


CLIENTS: Final[Mapping[str, tuple[int, Client]]] = {
    "calls": (6, calls),
    "progress": (4, watches_progress),
    "listens": (10, listens),
    "session": (4, has_a_session),
    "HTTP+SSE": (2, is_of_2024),
    "stalls": (4, stalls),
    "vanishes": (4, vanishes),
    "garbage": (2, talks_garbage),
}
"""How many of each are there at once."""


_GOES_WRONG: Final = (
    LostError,
    OSError,
    trio.BrokenResourceError,
    ValueError,
    KeyError,
    IndexError,
    StopAsyncIteration,  # a stream that ended before what was waited for
)


async def keep_doing(name: str, client: Client, world: World) -> None:
    """`client`, again and again. What goes wrong is written down, and it goes on."""
    while True:
        try:
            await client(world)
        except _GOES_WRONG as error:
            world.tally.failures.append(f"{name}: {type(error).__name__}: {error}")
            await trio.sleep(0.1)
        await trio.sleep(world.random.uniform(0, 0.05))

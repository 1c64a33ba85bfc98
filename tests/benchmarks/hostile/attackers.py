"""The attackers: clients of which each costs a server something else. Rule: one step is a small thing, a few a second.

So it is not the processor that they take from the others, but memory, connections, threads, places and time in one piece.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import trio

from tests.benchmarks.hostile import http2
from tests.benchmarks.hostile.foe import SESSION, Foe
from tests.benchmarks.soak_wire import connected
from tests.benchmarks.wire import PATH
from tests.support.blocking_old_http import old
from tests.support.messages import Message, call, encode, listen

Attack = Callable[[Foe], Awaitable[None]]
"""One step of an attacker."""
_MANY: Final = 60_000
_UNKNOWN: Final = 100_000
_VALUES: Final = 1_000_000
_DEEP: Final = 200
_URI_CHARS: Final = 2**20
_BATCH: Final = 4
_BLOCKED_S: Final = 5.0
_WAITS_S: Final = 0.7
"""For an answer of which it knows that it comes late, or not at all."""
_HALF_BODY: Final = b'{"jsonrpc":' + b" " * 65_536
_ANNOUNCED: Final = b"content-length: 4000000\r\n\r\n"
_SLOW_SQL: Final = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
_LARGE_SQL: Final = (
    "with recursive n(i) as (select 1 union all select i + 1 from n) select hex(zeroblob(100000)) from n"
)


async def sends_half_a_head(foe: Foe) -> None:
    """Heads that never end, on more and more connections."""
    for connection in await foe.hold(10):
        await connection.stream.send_all(foe.raw_head(b"x-half: yes"))


async def sends_half_a_body(foe: Foe) -> None:
    """Bodies of which 64 KiB of 4 MB come, on more and more connections."""
    for connection in await foe.hold(5):
        with suppress(trio.BrokenResourceError):
            await connection.stream.send_all(foe.raw_head(_ANNOUNCED)[:-2] + _HALF_BODY)


async def opens_connections(foe: Foe) -> None:
    """Connections and not a byte on them."""
    await foe.hold(30)


async def reads_no_answers(foe: Foe) -> None:
    """Answers of 4 MiB that stay where they are."""
    (connection,) = await foe.hold()
    message = call("large", next(foe.ids))
    await connection.send("POST", PATH, foe.headers(message), encode(message))


async def sends_empty_objects(foe: Foe) -> None:
    """60,000 empty objects, as parameters of a statement and as models."""
    await foe.ask(call("query"), _empty_objects("query", "parameters", sql="select 1"))
    await foe.ask(call("closed"), _empty_objects("closed", "models"))


# What is large is made once: the attackers share a core with the honest client.
@lru_cache
def _empty_objects(tool: str, name: str, **more: str) -> bytes:
    arguments: Message = {**more, name: [{} for _ in range(_MANY)]}
    return encode(call(tool, **arguments))


async def sends_unknown_arguments(foe: Foe) -> None:
    """Arguments by the hundred thousand that no tool has."""
    await foe.ask(call("echo"), _unknown_arguments())


@lru_cache
def _unknown_arguments() -> bytes:
    arguments: Message = {f"a{number}": 1 for number in range(_UNKNOWN)}
    return encode(call("echo", text="x", **arguments))


async def nests_unions(foe: Foe) -> None:
    """A tree each of whose nodes may be either of two, and is neither at its end."""
    node: Any = "no leaf"
    for _ in range(_DEEP):
        node = {"child": node, "kind": "a"}
    await foe.ask(call("raw_tree", node=node))
    node = "no leaf"
    for _ in range(_DEEP):
        node = {"child": node}
    await foe.ask(call("tree", node=node))


async def names_long_uris(foe: Foe) -> None:
    """URIs of a megabyte that a template could be matched against in many ways."""
    await foe.ask_in_session(old("resources/read", next(foe.ids), uri="parts://" + "-" * _URI_CHARS))
    await foe.ask_in_session(old("resources/subscribe", next(foe.ids), uri="parts://" + "-" * _URI_CHARS))


async def opens_and_ends_sessions(foe: Foe) -> None:
    """Sessions that are opened and ended at once."""
    await foe.open_session()
    async with connected(foe.port) as connection:
        await connection.send("DELETE", PATH, foe.old_headers(), b"")
        await foe.read(connection)
    del foe.sessions[SESSION]


async def leaves_session_calls(foe: Foe) -> None:
    """Calls in a session, and the connection closed at once."""
    for _ in range(5):
        async with connected(foe.port) as connection:
            await foe.send_in_session(connection, foe.old_call("flood", times=1000))
    foe.answered["left"] += 5


async def answers_no_questions(foe: Foe) -> None:
    """Calls that ask the user, who says nothing."""
    for connection in await foe.hold(5):
        await foe.send_in_session(connection, foe.old_call("ask"))


async def subscribes(foe: Foe) -> None:
    """Streams that are listened to, more and more."""
    for connection in await foe.hold(10):
        message = listen(next(foe.ids))
        await connection.send("POST", PATH, foe.headers(message), encode(message))


async def blocks_threads(foe: Foe) -> None:
    """Calls that each hold a worker thread."""
    for connection in await foe.hold(10):
        message = call("block", next(foe.ids), seconds=_BLOCKED_S)
        await connection.send("POST", PATH, foe.headers(message), encode(message))


async def batches(foe: Foe) -> None:
    """Batches whose answers are 4 MiB each, and are left after the first of it."""
    async with connected(foe.port) as connection, foe.heard(connection):
        await foe.send_in_session(connection, [foe.old_call("large") for _ in range(_BATCH)], "2025-03-26")


async def floods_progress(foe: Foe) -> None:
    """Calls that report progress ten thousand times, which nobody reads."""
    (connection,) = await foe.hold()
    number = next(foe.ids)
    message = call("flood", number, meta={"progressToken": number}, times=10_000)
    await connection.send("POST", PATH, foe.headers(message), encode(message))


async def sends_big_sql(foe: Foe) -> None:
    """Statements that never end, answer with too much, or are long themselves."""
    for sql in (_SLOW_SQL, _LARGE_SQL, "select " + "1," * 100_000 + "1", "select " + "(" * 100_000):
        with trio.move_on_after(_WAITS_S) as waiting:
            await foe.ask(call("query", next(foe.ids), sql=sql))
        if waiting.cancelled_caught:
            foe.answered["left"] += 1


async def sends_many_values(foe: Foe) -> None:
    """A body of a million JSON values."""
    await foe.ask(call("echo"), _many_values())


@lru_cache
def _many_values() -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[' + b"0," * _VALUES + b"0]}"


async def answers_unasked(foe: Foe) -> None:
    """Answers in a session to what nobody asked."""
    for _ in range(10):
        await foe.ask_in_session({"jsonrpc": "2.0", "id": f"none-{next(foe.ids)}", "result": {"text": "x" * 10_000}})


async def has_two_origins(foe: Foe) -> None:
    """A request with two header fields `origin`, of which one might be allowed."""
    body = encode(call("echo", text="x"))
    lines = (b"origin: http://127.0.0.1:8000", b"origin: http://elsewhere.example", b"content-length: %d" % len(body))
    async with connected(foe.port) as connection, foe.heard(connection):
        await connection.stream.send_all(foe.raw_head(*lines) + b"\r\n" + body)


ATTACKERS: Final[Mapping[str, Attack]] = {
    "half heads": sends_half_a_head,
    "half bodies": sends_half_a_body,
    "idle connections": opens_connections,
    "unread answers": reads_no_answers,
    "window 0": http2.gives_no_window,
    "rapid reset": http2.resets_rapidly,
    "HTTP/2 floods": http2.floods,
    "empty objects": sends_empty_objects,
    "unknown arguments": sends_unknown_arguments,
    "unions": nests_unions,
    "long URIs": names_long_uris,
    "ended sessions": opens_and_ends_sessions,
    "left session calls": leaves_session_calls,
    "unanswered questions": answers_no_questions,
    "subscriptions": subscribes,
    "threads": blocks_threads,
    "batches": batches,
    "progress": floods_progress,
    "SQL": sends_big_sql,
    "JSON values": sends_many_values,
    "unasked answers": answers_unasked,
    "two origins": has_two_origins,
}
"""Each by what it is called on the command line."""

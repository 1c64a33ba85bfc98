"""The hostile clients of the soak. Rule: nothing that they send may reach anybody else; a limit that they run into holds.

What they are answered is the server's choice. Only three things are looked at: what ends badly is answered with an error,
once; what comes too slowly or is too large is cut off; and nothing of it is answered as if it were right.
"""

import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import trio

from tests.benchmarks import soak_http2
from tests.benchmarks.servers.soak_plugin import ENDINGS
from tests.benchmarks.soak_clients import Client, World, answer_to, counting, echo, open_session
from tests.benchmarks.soak_wire import Connection, LostError, Message, connected
from tests.benchmarks.wire import modern
from tests.support.messages import request

_LISTENS_S: Final = 1.0
_TOO_SLOW_S: Final = 30.0
"""The server's limits are 5 s; on a busy machine they are reached later."""
_DRIP_S: Final = 0.25
_TOO_LARGE_BYTES: Final = 5 * 2**20
_PIECE: Final = b" " * 65536
_PIPELINED: Final = 50
_THROWING: Final[Sequence[tuple[str, Callable[[str], Message]]]] = (
    ("tools/call", lambda what: {"name": "throw", "arguments": {"what": what}}),
    ("tools/call", lambda what: {"name": "throw_in_thread", "arguments": {"what": what}}),
    ("tools/call", lambda what: {"name": "throw_in_task", "arguments": {"what": what}}),
    ("resources/read", lambda what: {"uri": f"soak://broken/{what}"}),
    ("prompts/get", lambda what: {"name": "broken_prompt", "arguments": {"what": what}}),
)
"""Where something is thrown, and how it is asked for."""
_CALL: Final = modern("tools/call", {"name": "echo", "arguments": {"text": "y"}})


async def asks_what_throws(world: World) -> None:
    """A tool, a resource or a prompt that ends with what no handler of exceptions expects."""
    async with connected(world.port) as connection:
        await _ask_what_throws(world, connection, None)
        world.tally.add("thrown")


async def asks_what_throws_in_a_session(world: World) -> None:
    """The same in a session of 2025-11-25, and then a call that is answered: the session is as it was."""
    async with connected(world.port) as connection:
        session = await open_session(connection)
        await _ask_what_throws(world, connection, session)
        number = next(world.ids)
        call = _plain(number, "tools/call", {"name": "echo", "arguments": {"text": "still here"}})
        answers = await connection.ask(call, session, modern=False)
        if answer_to(number, answers) != "still here":
            raise LostError(f"after what was thrown, request {number} was answered with {str(answers)[:300]}")
        world.tally.add("thrown in a session")


async def _ask_what_throws(world: World, connection: Connection, session: str | None) -> None:
    number = next(world.ids)
    method, make = world.random.choice(_THROWING)
    params = make(world.random.choice(list(ENDINGS)))
    token = {"progressToken": number}
    try:
        if session is None:
            sent = request(method, params, id=number, capabilities={}, extra_meta=token)
            messages = await connection.ask(sent)
        else:
            sent = _plain(number, method, {**params, "_meta": token})
            messages = await connection.ask(sent, session, modern=False)
    except (LostError, trio.BrokenResourceError) as error:
        raise LostError(f"{params}: {error}") from None
    if not is_refusal_of(number, messages):
        raise LostError(f"{params}: answered {str(messages)[:300]}")


def _plain(number: int, method: str, params: Message) -> Message:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def is_refusal_of(number: int, messages: list[Message]) -> bool:
    """Whether the one answer among `messages` is an error, of the protocol or of the tool."""
    answers = [one for one in messages if "id" in one]
    if len(answers) != 1 or answers[0]["id"] != number:
        return False
    return "error" in answers[0] or answers[0].get("result", {}).get("isError") is True


def _upgrade(fields: Mapping[bytes, bytes], target: bytes = b"/mcp", behind: bytes = b"") -> bytes:
    lines = [b"GET %b HTTP/1.1" % target, b"host: 127.0.0.1:8000"]
    lines += [b"%b: %b" % field for field in fields.items()]
    return b"\r\n".join(lines) + b"\r\n\r\n" + behind


def to_h2c(settings: bytes, *, more: Mapping[bytes, bytes] | None = None) -> bytes:
    """A request to go on in HTTP/2 with `settings`. RFC 7540, section 3.2."""
    fields = {b"connection": b"Upgrade, HTTP2-Settings", b"upgrade": b"h2c", b"http2-settings": settings}
    return _upgrade({**fields, **(more or {})})


def to_websocket(key: bytes, target: bytes = b"/mcp", behind: bytes = b"") -> bytes:
    """A request to go on with a WebSocket. RFC 6455, section 4.1."""
    fields = {b"connection": b"Upgrade", b"upgrade": b"websocket", b"sec-websocket-version": b"13"}
    return _upgrade({**fields, b"sec-websocket-key": key}, target, behind)


_KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADES: Final = (
    to_h2c(b""),
    to_h2c(b"!!! no base64 !!!"),
    to_h2c(b"AAMAAABkAAQ"),
    to_h2c(b"AAMAAABkAARAAAAAAAIAAAAA" * 40),
    to_h2c(b"\xff\xfe\x80"),
    to_h2c(b"AAMAAABkAARAAAAAAAIAAAAA", more={b"content-length": b"5"}),
    to_h2c(b"AAMAAABkAARAAAAAAAIAAAAA") + soak_http2.PREFACE + b"\x00\x00\x01\x04\x00\x00\x00\x00\x00\xff",
    to_h2c(b"AAMAAABkAARAAAAAAAIAAAAA", more={b"x-\xe9": b"\xe9"}),
    to_websocket(b"\x80\x81\xff"),
    to_websocket(b"short"),
    to_websocket(_KEY),
    to_websocket(_KEY, behind=b"\x81\x85\x00\x00\x00\x00hello" + b"\xff" * 200),
    to_websocket(_KEY, target=b"/mcp?\xc3\xa9=\xff"),
    to_websocket(_KEY, target=b"/\xff\xfe", behind=b"\x88\x00"),
    to_websocket(_KEY + b"\r\nsec-websocket-protocol: \xe9\r\nsec-websocket-extensions: \xff;;;="),
    _upgrade({b"connection": b"Upgrade", b"upgrade": b"\xff\x80"}),
    _upgrade({b"connection": b"Upgrade", b"upgrade": b"websocket"}),
)
"""Requests for another protocol, of which none is served as it is asked for."""


async def upgrades(world: World) -> None:
    """A request for another protocol, all at once or cut in two."""
    async with connected(world.port) as connection:
        sent = world.random.choice(UPGRADES)
        cut = world.random.randint(0, len(sent))
        with suppress(trio.BrokenResourceError):
            await connection.stream.send_all(sent[:cut])
            await trio.sleep(world.random.choice((0, 0.05)))
            await connection.stream.send_all(sent[cut:])
            await _listen(connection.stream)
        world.tally.add("upgrade")


async def speaks_http2_badly(world: World) -> None:
    """HTTP/2 by prior knowledge, and then frames that no client sends."""
    async with connected(world.port) as connection:
        make = world.random.choice(soak_http2.ATTACKS)
        with suppress(trio.BrokenResourceError):
            await connection.stream.send_all(soak_http2.PREFACE + soak_http2.frame(soak_http2.SETTINGS, 0, 0))
            for part in make(world.random):
                await connection.stream.send_all(part)
                await trio.sleep(0.02)
            await _listen(connection.stream)
        world.tally.add("HTTP/2 attack")
        await trio.sleep(world.random.uniform(0, 0.5))


async def _listen(stream: trio.SocketStream) -> bytes:
    """What comes within a second, up to the first piece."""
    with trio.move_on_after(_LISTENS_S):
        return await stream.receive_some(65536)
    return b""


async def drips(world: World) -> None:
    """A head or a body that comes a byte at a time, within no limit."""
    async with connected(world.port) as connection:
        head, _, body = _CALL.partition(b"\r\n\r\n")
        if world.random.random() < 0.5:
            await connection.stream.send_all(head + b"\r\n\r\n" + body[:1])
            slow = b" " * len(body)
        else:
            slow = head
        began = trio.current_time()
        for at in range(len(slow) - 2):
            if await _was_cut(connection.stream, slow[at : at + 1]):
                world.tally.add("drip")
                return
            if trio.current_time() > began + _TOO_SLOW_S:
                break
        raise LostError(f"a request that came a byte at a time was waited for, {trio.current_time() - began:.0f} s")


async def _was_cut(stream: trio.SocketStream, byte: bytes) -> bool:
    try:
        await stream.send_all(byte)
        with trio.move_on_after(_DRIP_S):
            received = await stream.receive_some(65536)
            if received and received[9:10] != b"4":
                raise LostError(f"half a request was answered {received[:100]!r}")
            return True
    except trio.BrokenResourceError:
        return True
    return False


async def sends_too_much(world: World) -> None:
    """A body above the limit: announced, or in chunks without an end."""
    async with connected(world.port) as connection:
        head = _CALL.partition(b"\r\n\r\n")[0]
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
        is_chunked = world.random.random() < 0.5
        lines.append(b"transfer-encoding: chunked" if is_chunked else b"content-length: %d" % _TOO_LARGE_BYTES)
        piece = b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE) if is_chunked else _PIECE
        received = b""
        with suppress(trio.BrokenResourceError):
            await connection.stream.send_all(b"\r\n".join(lines) + b"\r\n\r\n")
            for _ in range(_TOO_LARGE_BYTES // len(_PIECE)):
                await connection.stream.send_all(piece)
            received = await _listen(connection.stream)
        if received and received[9:10] != b"4":
            raise LostError(f"a body that is too large was answered {received[:100]!r}")
        world.tally.add("too much")


async def says_nothing(world: World) -> None:
    """A connection and not a byte on it, or the first bytes of TLS; until the server has had enough, or not even that."""
    async with connected(world.port) as connection:
        with suppress(trio.BrokenResourceError), trio.move_on_after(world.random.uniform(0.5, 8.0)):
            if world.random.random() < 0.3:
                await connection.stream.send_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            await connection.stream.receive_some(65536)
    world.tally.add("silence")


async def aborts(world: World) -> None:
    """Calls, some in one write, and a reset instead of a farewell."""
    async with connected(world.port) as connection:
        if world.random.random() < 0.5:
            await connection.stream.send_all(_CALL * world.random.randint(1, _PIPELINED))
        else:
            calls = (echo(next(world.ids), "z" * 200_000), counting(next(world.ids), 50))
            await connection.post(world.random.choice(calls))
        await trio.sleep(world.random.uniform(0, 0.1))
        # Closed with unsent data thrown away: the other side sees ECONNRESET in whatever it does.
        connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    world.tally.add("abort")


HOSTILE: Final[Mapping[str, tuple[int, Client]]] = {
    "throws": (2, asks_what_throws),
    "throws in a session": (2, asks_what_throws_in_a_session),
    "upgrades": (2, upgrades),
    "HTTP/2": (2, speaks_http2_badly),
    "drips": (4, drips),
    "too much": (1, sends_too_much),
    "silence": (8, says_nothing),
    "aborts": (3, aborts),
}
"""How many of each are there at once."""

"""Backlogs: who is cut off for what it does not read, when, and who is not."""

import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, cast

import pytest
import trio
import trio.testing

from mcp_runtime.server.http1.backlog import Backlog, Backlogs
from tests.support.captured_log import captured_log

TIMEOUT_S: Final = 60.0
FULL_BYTES: Final = 16 * 1024 * 1024


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Writes:
    """Writes that do not go on, and who was hung up on."""

    def __init__(self, clock: Clock, most_bytes: int = 1000) -> None:
        self.backlogs = Backlogs(TIMEOUT_S, most_bytes, clock)
        self.cut: list[str] = []

    def begin(
        self, name: str, left: int = 1, sock: Any = None, address: str = "127.0.0.1", *, is_timed: bool = True
    ) -> Backlog:
        sock = cast("trio.socket.SocketType", sock or Socket(address))
        return self.backlogs.begin(sock, left, partial(self.cut.append, name), is_timed=is_timed)


class Socket:
    """A socket of a client at `address`, as far as a backlog looks at it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def getpeername(self) -> tuple[str, int]:
        return self._address, 1

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: object) -> None:
        """There is nothing to set."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sockets() -> Generator[Callable[[], tuple[socket.socket, socket.socket]]]:
    """Makes both ends of connections over loopback; the first one does not block."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def pair() -> tuple[socket.socket, socket.socket]:
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            ours = stack.enter_context(listener.accept()[0])
            ours.setblocking(False)
            return ours, client

        yield pair


def fill(ours: socket.socket) -> int:
    """Send until the kernel takes no more; how much it took."""
    sent = 0
    while True:
        try:
            sent += ours.send(bytes(65_536))
        except BlockingIOError:
            return sent


def read_all(client: socket.socket) -> None:
    while client.recv(65_536):
        pass


def test_who_takes_nothing_is_cut_off_once_the_time_is_over_and_not_before(clock: Clock) -> None:
    writes = Writes(clock)
    writes.begin("deaf")
    writes.backlogs.look()
    clock.now += TIMEOUT_S - 0.001
    writes.backlogs.look()
    assert writes.cut == []
    clock.now += 0.001
    writes.backlogs.look()
    assert writes.cut == ["deaf"]
    clock.now += TIMEOUT_S
    writes.backlogs.look()
    assert writes.cut == ["deaf"], "it is cut off once"


def test_who_takes_a_byte_in_time_is_not_cut_off(clock: Clock) -> None:
    writes = Writes(clock)
    slow = writes.begin("slow", left=100)
    for left in range(100, 0, -1):
        writes.backlogs.look()
        clock.now += TIMEOUT_S - 0.001
        writes.backlogs.moved(slow, left - 1)
    assert writes.cut == []


def test_a_write_that_is_over_is_not_looked_at(clock: Clock) -> None:
    writes = Writes(clock)
    writes.backlogs.end(writes.begin("done"))
    clock.now += TIMEOUT_S
    writes.backlogs.look()
    clock.now += TIMEOUT_S
    writes.backlogs.look()
    assert writes.cut == []
    assert writes.backlogs.held_bytes == 0


def test_to_read_what_the_kernel_has_is_to_read(
    clock: Clock, sockets: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    """The kernel says that there is room again only once it has a third of what it holds, or so."""
    ours, client = sockets()
    sent = fill(ours)
    writes = Writes(clock)
    writes.begin("slow", sock=ours)
    writes.backlogs.look()
    clock.now += TIMEOUT_S
    read = 0
    while read < sent // 4:
        read += len(client.recv(65_536))
    writes.backlogs.look()
    assert writes.cut == []
    clock.now += TIMEOUT_S
    writes.backlogs.look()
    assert writes.cut == ["slow"], "and then it took nothing"


def test_who_is_cut_off_is_reset(clock: Clock, sockets: Callable[[], tuple[socket.socket, socket.socket]]) -> None:
    ours, client = sockets()
    fill(ours)
    backlogs = Backlogs(TIMEOUT_S, 1, clock)
    backlogs.begin(cast("trio.socket.SocketType", ours), 1, ours.close)
    for _ in range(2):
        backlogs.look()
        clock.now += TIMEOUT_S
    backlogs.look()
    with pytest.raises(ConnectionResetError):
        read_all(client)


def test_what_has_a_timeout_of_its_own_is_not_cut_off_here(clock: Clock) -> None:
    writes = Writes(clock)
    writes.begin("stream", is_timed=False)
    for _ in range(3):
        writes.backlogs.look()
        clock.now += TIMEOUT_S
    assert writes.cut == []


class TestAllTogether:
    def test_as_much_as_is_allowed_is_held(self, clock: Clock) -> None:
        writes = Writes(clock)
        writes.begin("a", 600)
        writes.begin("b", 400)
        assert writes.cut == []
        assert writes.backlogs.held_bytes == 1000

    def test_past_it_the_client_that_holds_most_loses_one(self, clock: Clock) -> None:
        writes = Writes(clock)
        for number in range(4):
            writes.begin(f"many {number}", 200, address="192.0.2.1")
        writes.begin("one", 201, address="192.0.2.2")
        assert writes.cut == ["many 0"]
        assert writes.backlogs.held_bytes == 801

    def test_a_connection_that_is_cut_off_holds_nothing_more(self, clock: Clock) -> None:
        writes = Writes(clock)
        many = Socket("192.0.2.1")
        for number in range(5):
            writes.begin(f"stream {number}", 199, sock=many, is_timed=False)
        writes.begin("other", 100, address="192.0.2.2")
        assert writes.cut == ["stream 0"], "the others went with it"
        assert writes.backlogs.held_bytes == 100

    def test_of_its_answers_it_is_the_one_that_has_not_moved_for_longest(self, clock: Clock) -> None:
        writes = Writes(clock)
        moving, still = writes.begin("moving", 400), writes.begin("still", 400)
        writes.backlogs.look()
        clock.now += 1
        writes.backlogs.moved(moving, 399)
        writes.backlogs.look()
        clock.now += 1
        writes.begin("new", 400)
        assert writes.cut == ["still"]
        writes.backlogs.moved(still, 300)
        writes.backlogs.end(still)
        assert writes.backlogs.held_bytes == 799, "what was cut off does not count any more"

    def test_what_was_taken_makes_room(self, clock: Clock) -> None:
        writes = Writes(clock)
        for _ in range(10):
            one = writes.begin("reads", 900)
            writes.backlogs.moved(one, 100)
            other = writes.begin("reads too", 900)
            writes.backlogs.end(one)
            writes.backlogs.end(other)
        assert writes.cut == []
        assert writes.backlogs.held_bytes == 0

    def test_one_alone_may_be_longer(self, clock: Clock) -> None:
        writes = Writes(clock)
        writes.begin("long", 5000)
        assert writes.cut == []
        writes.begin("short", 1)
        assert writes.cut == ["long"]


async def test_no_crowd_of_deaf_clients_can_fill_the_log(autojump_clock: trio.testing.MockClock) -> None:
    backlogs, cut = Backlogs(TIMEOUT_S), list[int]()
    for number in range(100):
        sock = cast("trio.socket.SocketType", Socket("192.0.2.1"))
        backlogs.begin(sock, 1, partial(cut.append, number))
    with captured_log() as events:
        with trio.move_on_after(TIMEOUT_S * 1.125 + 0.1):
            await backlogs.watch()
        found = events()
    assert len(cut) == 100, "in time, or an eighth later"
    assert [event["event"] for event in found] == ["answer_not_read"] * 5 + ["answers_not_read_unlogged"]
    assert found[-1]["count"] == 95

"""The soak: a crowd of clients on the default server. Rule: what they leave behind is nothing: memory, descriptors and tasks
are what they were, and what was acknowledged is kept.

The crowd comes once to warm up; then everything is counted, the crowd comes for as long as asked, goes, and everything
is counted again. Then it comes back, and the server is ended amid it and started again, by SIGTERM and by SIGKILL.
"""

import argparse
import random
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS, Peer
from tests.benchmarks.pinning import LOAD_CORE, pinned_to
from tests.benchmarks.server import HttpServer, PeerError, allow_descriptors
from tests.benchmarks.soak_clients import CLIENTS, Client, Tally, World, answer_to, keep_doing
from tests.benchmarks.soak_hostile import HOSTILE
from tests.benchmarks.soak_restarts import Keeper, is_kept
from tests.benchmarks.soak_wire import LostError, connected
from tests.benchmarks.turns import percentile, say
from tests.support.messages import request

PARSERS: Final = ("httptools", "h11")
Clients = Mapping[str, tuple[int, Client]]
CROWDS: Final[Mapping[str, Clients]] = {"honest": CLIENTS, "hostile": HOSTILE, "both": {**CLIENTS, **HOSTILE}}
_ANSWERED: Final[Mapping[str, tuple[str, ...]]] = {"calls": ("call", "progress", "listen"), "throws": ("thrown",)}
"""What has to be answered at least once, where the client of the name is in the crowd."""
_OLD: Final[Mapping[str, tuple[str, ...]]] = {"session": ("throws in a session",), "HTTP+SSE": ()}
"""Clients of older revisions, and who else cannot come where one of them is not served."""
_RESTARTS: Final = (signal.SIGTERM, signal.SIGKILL)
_RESTART_S: Final = 10.0
"""How long the crowd is at work before each."""
_SETTLE_S: Final = 15.0
_WARM_UP_S: Final = 60.0
_WINDOWS: Final = 6
_MEMORY_GROWTH: Final = 1.10
_MEMORY_SLACK_MIB: Final = 4.0
"""What fragmentation may take; it does not grow with time, as a leak does."""
_WATCH_S: Final = 0.2
_DRIFT: Final = 2.0
_DRIFT_SLACK_S: Final = 0.02
"""On a shared machine a percentile moves by itself; a queue that grows moves it by more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the server holds while nobody is there."""

    memory_mib: float
    descriptors: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a soak found."""

    before: State
    after: State
    tally: Tally
    p99_s: tuple[float, ...]
    left_out: tuple[str, ...]
    wanted: tuple[str, ...] = _ANSWERED["calls"]
    kept: int = 0
    lost: tuple[str, ...] = ()
    """Of what had been acknowledged when the server was ended: how much was there afterwards, and what was not."""

    def failures(self) -> list[str]:
        """What is not as it has to be, a line each."""
        lines = [f"{len(self.tally.failures)} requests went wrong, such as: {line}" for line in self.tally.failures[:5]]
        before, after = self.before, self.after
        if after.memory_mib > before.memory_mib * _MEMORY_GROWTH + _MEMORY_SLACK_MIB:
            lines.append(f"memory grew from {before.memory_mib:.1f} to {after.memory_mib:.1f} MiB")
        if after.descriptors > before.descriptors:
            lines.append(f"open descriptors grew from {before.descriptors} to {after.descriptors}")
        if after.tasks > before.tasks:
            lines.append(f"tasks grew from {before.tasks} to {after.tasks}")
        half = len(self.p99_s) // 2
        if half and min(self.p99_s[half:]) > max(self.p99_s[:half]) * _DRIFT + _DRIFT_SLACK_S:
            lines.append(f"p99 drifted: {', '.join(f'{p99 * 1e3:.1f}' for p99 in self.p99_s)} ms")
        lines += [f"no {name} was answered at all" for name in self.wanted if not self.tally.answered.get(name)]
        lines += [f"{len(self.lost)} things were lost with a restart, such as: {line}" for line in self.lost[:5]]
        return lines

    def measurement(self) -> Measurement:
        """The 99th percentile along the soak, as something to draw."""
        series = (Series(peer="ours", samples=(p99 * 1e3,), x=float(at)) for at, p99 in enumerate(self.p99_s, 1))
        return Measurement(
            key="soak/p99",
            title="p99 of a tools/call amid a mixed crowd",
            unit="ms",
            better="less",
            series=tuple(series),
            axis="sixth of the soak",
        )


def run(
    seconds: float,
    *,
    seed: int = 1,
    parser: str = PARSERS[0],
    crowd: str = "both",
    peer: Peer = PEERS["soak"],
) -> Outcome:
    """Soak the default server with `http.parser` as in `parser` for `seconds`, of which a part is for warming up.

    Raises PeerError where the server ends by itself.
    """
    allow_descriptors()
    warm_up_s = min(seconds / 3, _WARM_UP_S)
    with HttpServer(peer, extra={"MCP_RUNTIME_HTTP_PARSER": parser}) as server, pinned_to(LOAD_CORE):
        server.wait_until_listening()
        return trio.run(partial(_soak, server, CROWDS[crowd], seconds - warm_up_s, seed, warm_up_s))


async def _soak(server: HttpServer, crowd: Clients, seconds: float, seed: int, warm_up_s: float) -> Outcome:
    chosen, left_out = await _able(server, crowd)
    say(f"soak: warming up for {warm_up_s:g} s")
    await _crowd(server, chosen, warm_up_s, seed=seed + 1)
    before = await _settled(server, None)
    say(f"soak: {seconds:g} s")
    began = trio.current_time()
    tally = await _crowd(server, chosen, seconds, seed=seed)
    after = await _settled(server, before)
    keeper = Keeper(server)
    if "session" not in left_out:
        for number in _RESTARTS:
            say(f"soak: {number.name} amid the crowd")
            await _restart(server, chosen, keeper, number, min(_RESTART_S, seconds / 6), seed=seed + number)
    return Outcome(
        before=before,
        after=after,
        tally=tally,
        p99_s=_windows(tally, began, seconds),
        left_out=tuple(left_out),
        wanted=tuple(kind for name in crowd for kind in _ANSWERED.get(name, ())),
        kept=keeper.kept,
        lost=tuple(keeper.lost),
    )


async def _able(server: HttpServer, crowd: Clients) -> tuple[Clients, list[str]]:
    """The clients of `crowd` that this server is for; those of older revisions where it speaks them."""
    left_out: list[str] = []
    for name, others in _OLD.items():
        world = World(port=server.port, random=random.Random(0), tally=Tally())
        try:
            await CLIENTS[name][1](world)
        except (LostError, StopAsyncIteration):
            left_out += [name, *others]
    return {name: row for name, row in crowd.items() if name not in left_out}, left_out


async def _crowd(server: HttpServer, clients: Clients, seconds: float, *, seed: int) -> Tally:
    world = World(port=server.port, random=random.Random(seed), tally=Tally())
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            _send_in(clients, world, nursery)
            await _ended(server)
            nursery.cancel_scope.cancel()
    if server.process.poll() is not None:
        # Whatever its clients would say now is the same.
        raise server.failure(f"ended with {server.process.returncode} amid the crowd")
    return world.tally


def _send_in(clients: Clients, world: World, nursery: trio.Nursery) -> None:
    for name, (number, client) in clients.items():
        for _ in range(number):
            nursery.start_soon(keep_doing, name, client, world)


async def _ended(server: HttpServer) -> None:
    while server.process.poll() is None:  # noqa: ASYNC110  # a process sets no event
        await trio.sleep(_WATCH_S)


async def _restart(
    server: HttpServer, clients: Clients, keeper: Keeper, number: signal.Signals, seconds: float, *, seed: int
) -> None:
    """End the server amid the crowd and start it again; then `keeper` looks for what was acknowledged before."""
    # What the crowd is not answered now is no failure: the server goes away beneath it.
    world = World(port=server.port, random=random.Random(seed), tally=Tally())
    async with trio.open_nursery() as nursery:
        _send_in(clients, world, nursery)
        nursery.start_soon(keeper.keep_acknowledging)
        with trio.move_on_after(seconds):
            await _ended(server)
        ended = await trio.to_thread.run_sync(server.end, number)
        nursery.cancel_scope.cancel()
    wanted = 0 if is_kept(number) else -number
    if ended != wanted:
        raise server.failure(f"{number.name} should end it with {wanted}, and it ended with {ended}")
    await trio.to_thread.run_sync(server.start_again)
    await keeper.look(number)


async def _settled(server: HttpServer, wanted: State | None) -> State:
    """The state of the server once it has come to rest, or back to `wanted`."""
    found = await _state(server)
    deadline = trio.current_time() + _SETTLE_S
    while trio.current_time() < deadline:
        await trio.sleep(0.5)
        last, found = found, await _state(server)
        at_rest = found == last if wanted is None else _is_within(found, wanted)
        if at_rest:
            break
    return found


def _is_within(found: State, wanted: State) -> bool:
    return found.descriptors <= wanted.descriptors and found.tasks <= wanted.tasks


async def _state(server: HttpServer) -> State:
    async with connected(server.port) as connection:
        message = request("tools/call", {"name": "tasks", "arguments": {}}, id=0, capabilities={})
        tasks = int(answer_to(0, await connection.ask(message)))
        return State(memory_mib=server.resident_bytes() / 2**20, descriptors=server.open_descriptors(), tasks=tasks)


def _windows(tally: Tally, began: float, seconds: float) -> tuple[float, ...]:
    windows: list[list[float]] = [[] for _ in range(_WINDOWS)]
    for at, taken_s in tally.taken_s:
        windows[min(_WINDOWS - 1, int((at - began) / seconds * _WINDOWS))].append(taken_s)
    return tuple(percentile(window, 0.99) for window in windows if window)


def command(arguments: Sequence[str]) -> int:
    """`scripts/bench soak`; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description="Does the default server stay up?")
    parser.add_argument("--seconds", type=float, default=1800.0, help="default: half an hour")
    parser.add_argument("--seed", type=int, default=1, help="what the clients do follows from it")
    parser.add_argument("--parser", choices=PARSERS, default=PARSERS[0], help="http.parser of the server")
    parser.add_argument("--crowd", choices=CROWDS, default="both", help="who comes; default: both")
    options = parser.parse_args(arguments)
    try:
        outcome = run(options.seconds, seed=options.seed, parser=options.parser, crowd=options.crowd)
    except PeerError as error:
        print(f"FAILED {error}")
        return 1
    print("answered:", ", ".join(f"{number:,} {kind}" for kind, number in outcome.tally.answered.items()))
    print("before:", outcome.before)
    print("after: ", outcome.after)
    print("p99, ms:", ", ".join(f"{p99 * 1e3:.1f}" for p99 in outcome.p99_s))
    print(f"restarts: {outcome.kept:,} things that were acknowledged before are there, {len(outcome.lost)} are not")
    if outcome.left_out:
        print("not spoken here:", ", ".join(outcome.left_out))
    failed = outcome.failures()
    print("\n".join(f"FAILED {line}" for line in failed) if failed else "It stays up.")
    return 1 if failed else 0

"""`scripts/bench hostile`: what does one client pay for what others do? Rule: the same calls alone and amid the attackers, in turns.

The server is one process, the honest client another, the attackers a third that leaves the core to the honest client.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.hostile.attackers import ATTACKERS
from tests.benchmarks.hostile.honest import WAYS, Honest, Seen
from tests.benchmarks.hostile.siege import BEGUN, tallies
from tests.benchmarks.peers import PEERS, ROOT
from tests.benchmarks.pinning import LOAD_CORE, pinned_to
from tests.benchmarks.server import HttpServer, PeerError, allow_descriptors
from tests.benchmarks.soak import PARSERS
from tests.benchmarks.turns import percentile, say

_SLOWER: Final = 3.0
_SLOWER_S: Final = 0.005
"""Of p99 alone: so many times as much, or so much more, whichever is larger."""
_LARGER: Final = 1.5
_WARM_UP_S: Final = 0.5
_MORE_S: Final = 0.5
"""The attackers stay a bit longer than the honest client calls."""
_ENDS_S: Final = 60.0
_QUICK: Final = (1, 1.5)
_FULL: Final = (3, 10.0)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was found: what the honest client saw in each round, memory, and how the attackers were answered."""

    alone: list[Seen] = field(default_factory=list[Seen])
    amid: list[Seen] = field(default_factory=list[Seen])
    before_mib: float = 0.0
    peak_mib: float = 0.0
    busy: list[float] = field(default_factory=list[float])
    """The share of a core that the server used amid the attackers, in each round."""
    answered: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])

    def failures(self) -> list[str]:
        """What is not as it has to be, a line each."""
        wrong = [line for seen in (*self.alone, *self.amid) for line in seen.failures]
        lines = [f"{len(wrong)} honest calls went wrong, such as: {line}" for line in dict.fromkeys(wrong[:5])]
        for way in WAYS:
            alone_s, amid_s = (quantile(rounds, way, 0.99) for rounds in (self.alone, self.amid))
            if amid_s > allowed_s(alone_s):
                lines.append(f"{way}: p99 is {amid_s * 1e3:.1f} ms, and may be {allowed_s(alone_s) * 1e3:.1f} ms")
        if self.peak_mib > self.before_mib * _LARGER:
            lines.append(f"memory went from {self.before_mib:.1f} up to {self.peak_mib:.1f} MiB")
        return lines + [f"the attacker {name!r} did nothing" for name, found in self.answered.items() if not found]

    def table(self) -> str:
        """What was found, for people."""
        rows = [
            f"{'milliseconds':<16}{'p50 alone':>12}{'p50 amid':>12}{'p99 alone':>12}{'p99 amid':>12}{'allowed':>12}"
        ]
        for way in WAYS:
            shares = [quantile(rounds, way, q) for q in (0.5, 0.99) for rounds in (self.alone, self.amid)]
            cells = "".join(f"{1e3 * value:>12.2f}" for value in (*shares, allowed_s(shares[2])))
            rows.append(f"{way:<16}{cells}")
        rows.append(f"memory: {self.before_mib:.1f} MiB before, {self.peak_mib:.1f} MiB at its peak")
        rows.append(f"processor: {', '.join(f'{share:.0%}' for share in self.busy)} of a core amid the attackers")
        rows += [
            f"  {name}: {', '.join(f'{number:,} {kind}' for kind, number in found.most_common())}"
            for name, found in self.answered.items()
        ]
        return "\n".join(rows)


def quantile(rounds: Sequence[Seen], way: str, share: float) -> float:
    """The percentile of the calls on this way, in seconds: the median of all rounds, as the machine has bad moments.

    Infinite where none came back in time to be followed by another.
    """
    return median(percentile(seen.taken_s[way] or [inf], share) for seen in rounds)


def allowed_s(alone_s: float) -> float:
    """How long p99 may be amid the attackers."""
    return max(alone_s * _SLOWER, alone_s + _SLOWER_S)


def run(rounds: int, seconds: float, *, parser: str = PARSERS[0], only: Sequence[str] = ()) -> Outcome:
    """Call for `seconds` alone and for as long amid the attackers, so many times. Raises PeerError."""
    allow_descriptors()
    outcome = Outcome(answered={name: Counter() for name in only or ATTACKERS})
    with (
        HttpServer(PEERS["hostile"], extra={"MCP_RUNTIME_HTTP_PARSER": parser}) as server,
        pinned_to(LOAD_CORE),
    ):
        server.wait_until_listening()
        with Honest(server.port) as honest:
            honest.call_for(_WARM_UP_S)
            for number in range(1, rounds + 1):
                say(f"round {number} of {rounds}")
                outcome.alone.append(honest.call_for(seconds))
                if number == 1:
                    outcome.before_mib = _reset_peak_mib(server)
                _amid(server, honest, seconds, outcome)
                if server.process.poll() is not None:
                    raise server.failure(f"ended with {server.process.returncode} amid the attackers")
                # What the attackers left is cleared up: the next round is as the first.
                server.wait_until_asleep()
        outcome.peak_mib = _memory_mib(server, "VmHWM")
    return outcome


def _amid(server: HttpServer, honest: Honest, seconds: float, outcome: Outcome) -> None:
    command = (sys.executable, "-m", "tests.benchmarks.hostile.siege", str(server.port), str(seconds + _MORE_S))
    with subprocess.Popen((*command, *outcome.answered), cwd=ROOT, stdout=subprocess.PIPE, text=True) as siege:
        try:
            assert siege.stdout is not None
            if siege.stdout.readline().strip() != BEGUN:
                raise PeerError("the attackers did not begin")
            used_s, began_s = server.cpu_s(), time.monotonic()
            outcome.amid.append(honest.call_for(seconds))
            outcome.busy.append((server.cpu_s() - used_s) / (time.monotonic() - began_s))
            said, _ = siege.communicate(timeout=_ENDS_S)
        finally:
            siege.kill()
    for name, found in tallies(said).items():
        outcome.answered[name] += found


def _reset_peak_mib(server: HttpServer) -> float:
    """What is resident now, from which the peak is counted from here on."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return _memory_mib(server, "VmRSS")


def _memory_mib(server: HttpServer, kind: str) -> float:
    """What is resident, VmRSS, or its peak, VmHWM. Raises PeerError where the process has ended."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise server.failure("has ended")


def command(arguments: Sequence[str]) -> int:
    """`scripts/bench hostile`; the exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench hostile", description="Does one client notice what the others do?"
    )
    parser.add_argument("--seconds", type=float, help=f"of each half of a round; default: {_FULL[1]:g}")
    parser.add_argument("--rounds", type=int, help=f"default: {_FULL[0]}")
    parser.add_argument("--quick", action="store_true", help="one short round: for working on the harness")
    parser.add_argument("--parser", choices=PARSERS, help="http.parser of the server; default: one after the other")
    parser.add_argument(
        "--only", action="append", choices=ATTACKERS, metavar="KIND", help=f"only this attacker: {', '.join(ATTACKERS)}"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bound does not hold")
    options = parser.parse_args(arguments)
    rounds, seconds = _QUICK if options.quick else _FULL
    failed: list[str] = []
    for name in (options.parser,) if options.parser else PARSERS:
        try:
            outcome = run(
                options.rounds or rounds, options.seconds or seconds, parser=name, only=tuple(options.only or ())
            )
        except PeerError as error:
            print(f"FAILED {name}: {error}")
            return 1
        print(f"http.parser = {name}\n{outcome.table()}\n")
        failed += [f"{name}: {line}" for line in outcome.failures()]
    print("\n".join(f"FAILED {line}" for line in failed) if failed else "One client does not notice the others.")
    return 1 if failed and options.check else 0

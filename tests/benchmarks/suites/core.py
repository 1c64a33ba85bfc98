"""A call in the process that serves it. Rule: no server, no sockets; the processor's time, on the server's core."""

import json
import subprocess
from collections.abc import Callable
from typing import Final, Literal

from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.pinning import SERVER_CORE, pinned_to
from tests.benchmarks.turns import Pace, in_turns, say
from tests.benchmarks.wire import HOST
from tests.support.messages import encode, headers_for, request

_PROGRAMS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "dispatcher": ("ours", ("{python}", "{servers}/in_process_runtime.py", "dispatcher")),
    "ours": ("ours", ("{python}", "{servers}/in_process_runtime.py", "asgi")),
    "official": ("official", ("{python}", "{servers}/in_process_official.py")),
}
"""By the name of the row: whose environment it needs, and what to run there."""
_QUANTITIES: Final[tuple[tuple[str, str, Literal["us", "calls", "bytes"]], ...]] = (
    ("cpu_us", "processor time of a tools/call, in process", "us"),
    ("functions", "functions called for a tools/call, in process", "calls"),
    ("bytes", "memory that a tools/call holds at most, in process", "bytes"),
)

_LIMIT_S: Final = 120.0

Found = dict[str, float]


def run(pace: Pace) -> list[Measurement]:
    """Processor time, functions called and memory held, a call."""
    absent: dict[str, str] = {}
    able: dict[str, Callable[[], Found]] = {}
    for name, (peer, command) in _PROGRAMS.items():
        if PEERS[peer].is_installed:
            able[name] = _taking(peer, (*command, str(pace.seconds)))
        else:
            absent[name] = "not installed"
    samples = in_turns(able, pace.rounds, say=lambda text: say(f"core: {text}"))
    return [
        Measurement(
            key=f"core/{quantity}",
            title=title,
            unit=unit,
            better="less",
            series=tuple(
                Series(peer=name, samples=tuple(one[quantity] for one in found)) for name, found in samples.items()
            ),
            against="dispatcher",
            absent=absent,
        )
        for quantity, title, unit in _QUANTITIES
    ]


def _taking(peer: str, command: tuple[str, ...]) -> Callable[[], Found]:
    message = request("tools/call", {"name": "echo", "arguments": {"text": "hello"}}, capabilities={})
    given = json.dumps({"body": encode(message).decode(), "headers": {"host": HOST, **headers_for(message)}})

    def take() -> Found:
        with pinned_to(SERVER_CORE):
            ran = subprocess.run(
                PEERS[peer].command(command), input=given, capture_output=True, text=True, check=False, timeout=_LIMIT_S
            )
        if ran.returncode:
            raise RuntimeError(f"{' '.join(command)}:\n{ran.stderr}")
        found: Found = json.loads(ran.stdout)
        return found

    return take

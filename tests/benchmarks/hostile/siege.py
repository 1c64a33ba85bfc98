"""The attackers as a process of its own. Rule: it is as polite to the honest client's core as it is hostile to the server.

    python -m tests.benchmarks.hostile.siege PORT SECONDS ATTACKER ...

It writes a line when it begins, and at its end how often each attacker was answered in which way, as JSON.
"""

import json
import os
import sys
from collections import Counter
from typing import Final

import trio

from tests.benchmarks.hostile.attackers import ATTACKERS
from tests.benchmarks.hostile.foe import Foe
from tests.benchmarks.server import allow_descriptors
from tests.benchmarks.soak_wire import LostError

BEGUN: Final = "attacking"
_PAUSE_S: Final = 0.5
_NICENESS: Final = 15
_PATIENCE_S: Final = 20.0


def main(port: int, seconds: float, names: list[str]) -> None:
    """Attack, and say what came of it."""
    allow_descriptors()
    # The honest client runs on this core, too, and what it waits for is to be the server.
    os.nice(_NICENESS)
    print(BEGUN, flush=True)
    foes = trio.run(attack, port, seconds, names)
    print(json.dumps({name: foe.answered for name, foe in foes.items()}))


async def attack(port: int, seconds: float, names: list[str]) -> dict[str, Foe]:
    """Let the attackers of these names come until time is over and each has made a step."""
    foes = foes_of(port, names)
    async with trio.open_nursery() as nursery:
        for number, (name, foe) in enumerate(foes.items()):
            nursery.start_soon(_keep_attacking, name, foe, number * _PAUSE_S / len(foes))
        await trio.sleep(seconds)
        # On a busy machine the first step of one may take longer.
        with trio.move_on_after(_PATIENCE_S):
            for foe in foes.values():
                await foe.attacked.wait()
        nursery.cancel_scope.cancel()
    return foes


def foes_of(port: int, names: list[str]) -> dict[str, Foe]:
    """The attackers of these names, each with an address of its own."""
    return {name: Foe(port=port, address=f"198.51.100.{number}") for number, name in enumerate(names, 1)}


async def _keep_attacking(name: str, foe: Foe, after_s: float) -> None:
    # Not all in the same moment.
    await trio.sleep(after_s)
    while True:
        try:
            await ATTACKERS[name](foe)
        except (LostError, OSError, trio.BrokenResourceError, ValueError) as error:
            foe.answered[_ending(error)] += 1
        foe.attacked.set()
        await trio.sleep(_PAUSE_S)


def _ending(error: Exception) -> str:
    if isinstance(error, ValueError):
        return "no JSON"
    return str(error) if isinstance(error, LostError) else "closed"


def tallies(said: str) -> dict[str, Counter[str]]:
    """What came of it, from what the process wrote."""
    return {name: Counter(answered) for name, answered in json.loads(said).items()}


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])

"""A process that keeps a ledger: `python -m tests.bridges.deprecation.ledger_writer PATH CALLS`.

Notes calls in rounds and writes after each; says "noted N" before a write and "written N" after it. With CALLS it ends
there, without it goes on until it is killed.
"""

import itertools
import sys
import time
from pathlib import Path

import anyio

from mcp_bridges.deprecation.ledger.ledger import Ledger
from tests.bridges.deprecation.ledgers import client, sighting

A_ROUND = 20


async def keep(path: Path, calls: int | None) -> None:
    ledger = Ledger(path)
    for noted in itertools.count(A_ROUND, A_ROUND):
        for n in range(A_ROUND):
            ledger.note(sighting(client(f"client {n % 7}")), at=time.time(), outcome="served")
        print(f"noted {noted}", flush=True)
        while not await ledger.flush():
            """Another process is writing."""
        print(f"written {noted}", flush=True)
        if noted == calls:
            return


if __name__ == "__main__":
    anyio.run(keep, Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None, backend="trio")

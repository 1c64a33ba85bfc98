"""Processes that are killed, and processes that share a file: what is in it is right at every moment."""

import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast

import pytest

from tests.bridges.deprecation.ledger_writer import A_ROUND
from tests.bridges.deprecation.ledgers import Fixture

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
TIMES = 10


def writer(path: Path, *calls: str) -> subprocess.Popen[str]:
    module = "tests.bridges.deprecation.ledger_writer"
    return subprocess.Popen(
        [sys.executable, "-m", module, str(path), *calls], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> list[tuple[str, int]]:
    """Everything that the process has said by its end; a line that the kill has cut off is none."""
    lines = cast("IO[str]", process.stdout).read().splitlines()
    words = [line.split() for line in lines if line.startswith(("noted ", "written "))]
    return [(verb, int(number)) for verb, number in words]


def test_killed_ten_times_it_loses_one_round_at_most_and_counts_never_go_back(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path / "ledger.db")
    chance = random.Random(20260728)
    before = 0
    for _ in range(TIMES):
        with writer(fixture.path) as process:
            out = cast("IO[str]", process.stdout)
            # Somewhere in the middle of its work: after so many lines, and then at once.
            rounds = [out.readline() for _ in range(chance.randrange(1, 12))]
            process.send_signal(signal.SIGKILL)
            rest = said(process)
        assert process.wait() == -signal.SIGKILL
        events = [(verb, int(number)) for verb, number in (line.split() for line in rounds)] + rest
        noted = max((number for verb, number in events if verb == "noted"), default=0)
        written = max((number for verb, number in events if verb == "written"), default=0)
        assert fixture.rows("PRAGMA integrity_check") == [("ok",)]
        now = fixture.total()
        assert before + written <= now <= before + noted + A_ROUND
        assert now - before >= noted - A_ROUND
        assert (now - before) % A_ROUND == 0
        before = now
    assert before > 0


def test_two_processes_add_to_the_same_rows(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path / "ledger.db")
    with writer(fixture.path, "400") as one, writer(fixture.path, "400") as other:
        for process in (one, other):
            assert ("written", 400) in said(process)
    assert (one.returncode, other.returncode) == (0, 0)
    today = datetime.now(UTC).date()
    evidence = fixture.evidence(today - timedelta(1), today)
    used = evidence.users_of("transport.session_id")
    assert sum(one.calls for one in used.values()) == 800
    assert len(evidence.clients) == 7

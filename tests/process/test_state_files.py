"""What a server keeps in files, and what becomes of it: killed, removed, restored, locked, checked and reset."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.blocking_http import Connection
from tests.support.messages import encode
from tests.support.server_process import COMMAND, PATIENCE_S, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

ACCEPT = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
BUSY_TIMEOUT_S = 5.0


def files(directory: Path) -> Path:
    return directory / "state" / "mcp-runtime"


def serve(directory: Path) -> ServerProcess:
    (files(directory)).mkdir(parents=True, exist_ok=True)
    often = {"MCP_RUNTIME_LEDGER_FLUSH_INTERVAL_S": "0.05"}
    return ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=directory, environment=often)


def command(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [COMMAND, "state", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env=clean_environment(directory),
        timeout=PATIENCE_S,
    )


class OldSession:
    """A session of 2025-06-18. What it says is kept: its id opens at any server that has the key."""

    def __init__(self, url: str, session_id: str | None = None) -> None:
        self._url = url
        self._headers = dict(ACCEPT)
        if session_id is None:
            info = {"name": "old-desk", "version": "3"}
            params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
            session_id, status, _ = self.ask("initialize", **params)
            assert status == 200
        self.id = self._headers["mcp-session-id"] = session_id

    def ask(self, method: str, **params: Any) -> tuple[str, int, dict[str, Any]]:
        with Connection(self._url) as connection:
            body = encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            connection.send_body(body, self._headers)
            response = connection.response()
            return response.headers.get("mcp-session-id", ""), response.status, connection.answer()

    def changes_its_level(self, level: str = "error") -> int:
        """The status of the answer."""
        return self.ask("logging/setLevel", level=level)[1]


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


def names(events: list[dict[str, Any]]) -> list[str]:
    return [one["event"] for one in events if one["event"].startswith("state_")]


def killed(directory: Path, sessions: int) -> list[str]:
    """The ids of sessions that a server has kept something of before it was killed."""
    with serve(directory) as server:
        opened = [OldSession(server.url) for _ in range(sessions)]
        assert {one.changes_its_level() for one in opened} == {200}
        server.signal(signal.SIGKILL)
        assert server.exit_code() == -signal.SIGKILL
    assert (files(directory) / "state.db-wal").stat().st_size > 0
    return [one.id for one in opened]


def test_killed_and_removed_the_next_one_is_intact_both_times(tmp_path: Path) -> None:
    path = files(tmp_path) / "state.db"
    for sessions in (1, 30):
        killed(tmp_path, sessions)
        path.unlink()
        with serve(tmp_path) as server:
            assert OldSession(server.url).changes_its_level() == 200
            assert names(server.events()) == ["state_siblings_put_aside"]
            server.signal()
            assert server.exit_code() == 0
        assert (integrity(path), count(path)) == ("ok", 1)
        path.unlink()


def test_killed_and_started_again_everything_is_there(tmp_path: Path) -> None:
    ids = killed(tmp_path, 20)
    done = command(tmp_path, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "holds     20 sessions" in done.stdout
    with serve(tmp_path) as server:
        assert OldSession(server.url, ids[0]).ask("ping")[1] == 200
        assert names(server.events()) == []
        server.signal()
        assert server.exit_code() == 0
    assert (integrity(files(tmp_path) / "state.db"), count(files(tmp_path) / "state.db")) == ("ok", 20)


def test_removed_under_a_running_server_it_is_said_once_and_what_comes_then_is_kept(tmp_path: Path) -> None:
    path = files(tmp_path) / "state.db"
    with serve(tmp_path) as server:
        sessions = [OldSession(server.url) for _ in range(3)]
        assert {one.changes_its_level() for one in sessions} == {200}
        path.unlink()
        assert {one.changes_its_level("debug") for one in sessions[:2]} == {200}
        told = server.event("state_file_replaced")
        assert (told["level"], told["path"], told["found"], told["lost_entries"]) == ("error", str(path), "nothing", 3)
        server.signal(signal.SIGKILL)
        server.exit_code()
        assert names(server.events()) == ["state_file_replaced", "state_siblings_put_aside"]
    with serve(tmp_path) as server:
        assert OldSession(server.url, sessions[0].id).ask("ping")[1] == 200
        server.signal()
        assert server.exit_code() == 0
    assert (integrity(path), count(path)) == ("ok", 2)


def test_replaced_by_an_older_copy_under_a_running_server_the_copy_is_used_and_intact(tmp_path: Path) -> None:
    path = files(tmp_path) / "state.db"
    with serve(tmp_path) as server:
        assert {OldSession(server.url).changes_its_level() for _ in range(5)} == {200}
        server.signal()
        assert server.exit_code() == 0
    shutil.copy(path, tmp_path / "older.db")
    with serve(tmp_path) as server:
        assert {OldSession(server.url).changes_its_level() for _ in range(40)} == {200}
        (tmp_path / "older.db").rename(path)
        assert OldSession(server.url).changes_its_level() == 200
        told = server.event("state_file_replaced")
        assert (told["found"], told["lost_entries"]) == ("another file", 45)
        server.signal()
        assert server.exit_code() == 0
    assert (integrity(path), count(path)) == ("ok", 6)


def test_two_servers_whose_file_is_removed_while_both_write_share_the_next_one(tmp_path: Path) -> None:
    path = files(tmp_path) / "state.db"
    with serve(tmp_path) as one, serve(tmp_path) as other:
        session = OldSession(one.url)
        for _ in range(3):
            threads = [
                threading.Thread(target=lambda url=url: [OldSession(url).changes_its_level() for _ in range(8)])
                for url in (one.url, other.url)
            ]
            for thread in threads:
                thread.start()
            one.errors.wait_until(path.exists)
            path.unlink()
            for thread in threads:
                thread.join()
        assert session.changes_its_level() == 200
        assert OldSession(other.url).changes_its_level() == 200
        for server in (one, other):
            server.signal()
            assert server.exit_code() == 0
            assert "state_file_replaced" in names(server.events())
    assert integrity(path) == "ok"
    # A session of before the last removal has set its level after it: so it is in the new file.
    assert count(path) >= 2


# The command


def test_a_check_says_who_has_it_open_and_a_reset_waits_for_nobody_and_harms_nobody(tmp_path: Path) -> None:
    path = files(tmp_path) / "state.db"
    with serve(tmp_path) as server:
        assert OldSession(server.url).changes_its_level() == 200
        done = command(tmp_path, "check")
        assert (done.returncode, done.stderr) == (0, "")
        for text in (str(path), "intact    schema 2, application id 0x4d435052", "1 sessions", "state.db-wal"):
            assert text in done.stdout
        assert f"open      by process {server.pid}" in done.stdout
        refused = command(tmp_path, "reset")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert (
            f"state.db: state.directory: process {server.pid} has it open. Fix: stop the server first."
            in refused.stderr
        )
        assert OldSession(server.url).changes_its_level() == 200
        server.signal()
        assert server.exit_code() == 0
        assert names(server.events()) == []
    reset = command(tmp_path, "reset")
    assert (reset.returncode, reset.stderr) == (0, "")
    (aside,) = [one for one in files(tmp_path).iterdir() if one.name.startswith("state.db.")]
    assert str(aside) in reset.stdout
    assert "Lost with it: the log levels and subscriptions that sessions changed" in reset.stdout
    assert not path.exists()
    assert count(aside) == 2
    again = command(tmp_path, "reset")
    assert (again.returncode, again.stdout) == (0, f"There is nothing at {path}.\n")


def test_a_reset_after_a_kill_moves_all_that_belongs_together_and_it_can_be_taken_back(tmp_path: Path) -> None:
    ids = killed(tmp_path, 7)
    moved = command(tmp_path, "reset").stdout
    assert moved.count("\n  ") == 2
    assert {one.name for one in files(tmp_path).iterdir() if one.name.startswith("state.db")} == {
        Path(line).name for line in moved.splitlines() if line.startswith("  ")
    }
    for line in moved.splitlines():
        if line.startswith("  "):
            aside = Path(line.strip())
            aside.rename(aside.with_name("state.db" + ("-wal" if aside.name.endswith("-wal") else "")))
    with serve(tmp_path) as server:
        assert OldSession(server.url, ids[0]).ask("ping")[1] == 200
        server.signal()
        assert server.exit_code() == 0
    assert count(files(tmp_path) / "state.db") == 7


def test_the_ledger_is_checked_and_reset_while_its_server_runs(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        OldSession(server.url)
        server.errors.wait_until((files(tmp_path) / "ledger.db").exists)
        server.errors.wait_until(lambda: "1 clients" in command(tmp_path, "check").stdout)
        done = command(tmp_path, "reset", "--ledger")
        assert (done.returncode, done.stderr) == (0, "")
        assert "Lost with it: the evidence" in done.stdout
        OldSession(server.url)
        server.event("ledger_file_replaced")
        server.signal()
        assert server.exit_code() == 0
    done = command(tmp_path, "check")
    assert (done.returncode, done.stderr) == (0, "")


# A lock that somebody keeps

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held(path: Path) -> Generator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.kill()


def test_all_who_wait_for_a_lock_give_up_after_their_own_five_seconds_and_hold_up_no_drain(tmp_path: Path) -> None:
    path = files(tmp_path) / "state.db"
    with serve(tmp_path) as server:
        sessions = [OldSession(server.url) for _ in range(6)]
        assert sessions[0].changes_its_level() == 200
        answers: list[tuple[int, float]] = []

        def change(session: OldSession) -> None:
            began_s = time.monotonic()
            status = session.changes_its_level("debug")
            answers.append((status, time.monotonic() - began_s))

        with held(path):
            threads = [threading.Thread(target=change, args=(one,)) for one in sessions]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [status for status, _ in answers] == [503] * 6
            assert all(BUSY_TIMEOUT_S * 0.9 <= took_s <= BUSY_TIMEOUT_S + 2 for _, took_s in answers)
            stopped_s = server.signal()
            assert server.ended_after_s(stopped_s) <= 2
    assert (integrity(path), count(path)) == ("ok", 1)


# A key that is lost


def test_a_lost_state_directory_is_said_once_for_all_the_sessions_it_had(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        ids = [OldSession(server.url).id for _ in range(4)]
        server.signal()
        assert server.exit_code() == 0
    shutil.rmtree(files(tmp_path))
    with serve(tmp_path) as server:
        for one in [*ids, "v1.rubbish", "x" * 40]:
            status, answer = OldSession(server.url, one).ask("ping")[1:]
            assert status == 404, json.dumps(answer)
        told = [one for one in server.events() if one["event"] == "sealed_with_another_key"]
        server.signal()
        assert server.exit_code() == 0
    assert len(told) == 1
    assert (told[0]["purpose"], told[0]["own_key"]) == ("session", str(files(tmp_path) / "seal.key"))
    assert "state directory lost" in told[0]["advice"]

"""Hostile SQL: it is stopped, whatever it is made of, and costs nobody else a thread, a file or the server."""

import os
import select
from base64 import b64encode
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, call, request, text
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess

pytestmark = pytest.mark.process

LETTERS: Final = "a" * 100_000
NUMBERS: Final = "1" * 900_000
TRIMMED: Final = "".join(map(chr, range(0x100, 0x7000))) + "a"
KEYS: Final = tuple("{" + ",".join(f'"{name}{i}":1' for i in range(40_000)) + "}" for name in "ab")

# Programs without a loop, so SQLite looks at no clock before their end: each takes from ten seconds to minutes.
STRAIGHT: Final = {
    "instr": ("SELECT " + ",".join(f"instr(?1, ?2 || 'n{i}')" for i in range(90)), [LETTERS, LETTERS[:50_000]]),
    "replace": ("SELECT " + ",".join(f"length(replace(?1, ?2 || {i}, ''))" for i in range(90)), [LETTERS, LETTERS[:50_000]]),
    "trim": ("SELECT " + ",".join(f"length(trim(?1, ?2 || {i}))" for i in range(90)), [LETTERS, TRIMMED]),
    "arithmetic": ("SELECT " + ",".join(["+".join(["?1"] * 100)] * 90), [NUMBERS]),
    "json_patch": ("SELECT length(json_patch(?1, ?2))", list(KEYS)),
    "one row of a table": ("SELECT " + ",".join(f"instr(?1, ?2 || id || {i})" for i in range(90)) + " FROM orders LIMIT 1", [LETTERS, LETTERS[:50_000]]),
}  # fmt: skip


class Server:
    """A server of the sample shop and of the probes."""

    def __init__(self, directory: Path, stack: ExitStack, **settings: object) -> None:
        names = {f"MCP_RUNTIME_PLUGIN_SQLITE_{name.upper()}": str(value) for name, value in settings.items()}
        self._stack = stack
        self.process = stack.enter_context(
            ServerProcess(
                *("--plugin", "mcp_plugins.sqlite", "--plugin", PROBES, "--bind", "127.0.0.1:0"),
                directory=directory,
                environment=names,
            )
        )
        self.url = self.process.url

    def sent(self, sql: str, parameters: list[Any]) -> Connection:
        """A connection with a query under way."""
        connection = self._stack.enter_context(Connection(self.url))
        connection.send(query(sql, parameters))
        return connection

    def answer(self, sql: str = "SELECT 1 AS one", parameters: list[Any] | None = None) -> str:
        return text(ask(self.url, query(sql, parameters)))

    def workers(self) -> list[int]:
        """The ids of the processes that it started, and that still run."""
        return children(self.process.pid)

    def wait_for_workers(self, count: int) -> None:
        self.process.errors.wait_until(lambda: len(self.workers()) == count)


@pytest.fixture
def stack() -> Generator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def query(sql: str, parameters: list[Any] | None = None) -> Message:
    return call("query", sql=sql, parameters=parameters or [])


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return [child for child in found if " Z " not in Path(f"/proc/{child}/stat").read_text()]


def test_a_statement_that_sqlite_cannot_stop_is_stopped_all_the_same(tmp_path: Path, stack: ExitStack) -> None:
    server = Server(tmp_path, stack, query_time_limit_s=0.1, max_queries=len(STRAIGHT))
    under_way = {name: server.sent(sql, parameters) for name, (sql, parameters) in STRAIGHT.items()}
    for name, connection in under_way.items():
        said = text(connection.answer())
        assert said.startswith("The statement was stopped"), (name, said)
        assert "query_time_limit_s" in said, (name, said)
    # One that SQLite could stop after all waits for the next statement.
    assert all(" S " in Path(f"/proc/{worker}/stat").read_text() for worker in server.workers())
    assert '"one"' in server.answer()


def test_many_hostile_statements_leave_the_threads_of_other_plugins_alone(tmp_path: Path, stack: ExitStack) -> None:
    (tmp_path / "told").write_text("told")
    server = Server(tmp_path, stack, query_time_limit_s=0.1, max_queries=2, max_waiting_queries=2)
    under_way = [server.sent(*STRAIGHT["instr"]) for _ in range(40)]
    # There are 40 threads, and this takes one.
    told = ask(server.url, call("hold_until_told", name="other", fifo=str(tmp_path / "told")))
    assert text(told) == "told"
    assert len(server.workers()) <= 2
    answers = [text(connection.answer()) for connection in under_way]
    busy = [said for said in answers if said.startswith("The database is busy: 2 statements are at work, and 2 wait")]
    stopped = [said for said in answers if said.startswith("The statement was stopped")]
    assert (len(busy), len(stopped)) == (36, 4)


def test_what_its_client_has_left_is_stopped_and_the_next_has_its_place(tmp_path: Path, stack: ExitStack) -> None:
    server = Server(tmp_path, stack, query_time_limit_s=300, max_queries=1)
    at_work = server.sent(*STRAIGHT["instr"])
    server.wait_for_workers(1)
    (worker,) = server.workers()
    waits = server.sent("SELECT 1 AS one", [])
    at_work.close()
    assert '"one"' in text(waits.answer())
    assert worker not in server.workers()


def test_a_worker_does_not_outlive_a_server_that_was_killed(tmp_path: Path, stack: ExitStack) -> None:
    server = Server(tmp_path, stack, query_time_limit_s=0.2, max_queries=2)
    assert '"one"' in server.answer()
    server.sent(*STRAIGHT["instr"])
    server.sent(*STRAIGHT["instr"])
    server.wait_for_workers(2)
    ends = [os.pidfd_open(worker) for worker in server.workers()]
    server.process.process.kill()
    for end in ends:
        ended, _, _ = select.select([end], [], [], PATIENCE_S)
        os.close(end)
        assert ended


def test_a_row_that_would_fill_the_memory_ends_with_its_statement(tmp_path: Path, stack: ExitStack) -> None:
    server = Server(tmp_path, stack, max_memory_bytes=16_000_000)
    # SQLite copies a text for each column, and gives out one blob for all: then the copies are Python's.
    blob = {"base64": b64encode(bytes(900_000)).decode()}
    for columns, value in (("?1", NUMBERS), ("?1 || rowid", NUMBERS), ("?1", blob)):
        said = server.answer("SELECT " + ",".join([columns] * 400) + " FROM orders", [value])
        assert "max_memory_bytes" in said
    assert '"one"' in server.answer()


def test_a_worker_starts_with_the_first_statement_and_inherits_nothing(tmp_path: Path) -> None:
    environment = {"A_SECRET": "do-not-inherit"}
    with StdioServer("--plugin", "mcp_plugins.sqlite", directory=tmp_path, environment=environment) as server:
        server.ask(request("tools/list", id=1))
        server.ask(request("tools/list", id=1))
        assert children(server.pid) == []
        assert '"one"' in text(server.ask(call("query", 2, sql="SELECT 1 AS one")))
        (worker,) = children(server.pid)
        opened = {int(one.name): str(one.readlink()) for one in Path(f"/proc/{worker}/fd").iterdir()}
        assert opened.pop(0).startswith("socket:")
        assert opened == {1: "/dev/null", 2: "/dev/null"}
        assert b"A_SECRET" not in Path(f"/proc/{worker}/environ").read_bytes()
        end = os.pidfd_open(worker)
        server.close_stdin()
        assert server.exit_code() == 0
    ended, _, _ = select.select([end], [], [], PATIENCE_S)
    os.close(end)
    assert ended

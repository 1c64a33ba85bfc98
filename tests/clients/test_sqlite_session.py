"""A real client works with a real database, as a newcomer does on the first day."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.transcripts import PYTHON, TIME_LIMIT_S
from tests.support.server_process import COMMAND, ServerProcess, clean_environment

pytestmark = pytest.mark.clients

SCRIPT: Final = (*PYTHON, str(Path(__file__).with_name("sqlite_client.py")))
SCHEMA: Final = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id));
INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bo');
INSERT INTO orders VALUES (1, 2);
"""


@pytest.fixture(scope="module", params=["http", "stdio"])
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[dict[str, Any], Path]]:
    """What the client saw, and the database it worked on."""
    directory = tmp_path_factory.mktemp("sqlite")
    database, config = directory / "shop.db", directory / "config.toml"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(SCHEMA)
    config.write_text(
        '[plugins]\nload = ["sqlite"]\n[http]\nbind = ["127.0.0.1:0"]\n'
        '[plugin.sqlite]\ndatabase = "shop.db"\nallow_writes = true\n'
    )
    if request.param == "http":
        with ServerProcess("--config", str(config), directory=directory) as server:
            yield _talk({"url": server.url}, directory), database
            server.signal()
            assert server.exit_code() == 0
        return
    arguments = ["serve", "--stdio", "--config", str(config)]
    environment = {"XDG_STATE_HOME": str(directory)}
    target = {"command": COMMAND, "arguments": arguments, "environment": environment}
    yield _talk(target, directory), database


def _talk(target: dict[str, Any], directory: Path) -> dict[str, Any]:
    client = subprocess.Popen(
        [*SCRIPT, json.dumps(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(directory),
        start_new_session=True,
        text=True,
    )
    try:
        out, errors = client.communicate(timeout=TIME_LIMIT_S)
    finally:
        if client.poll() is None:
            os.killpg(client.pid, signal.SIGKILL)
    assert client.returncode == 0, errors
    seen: dict[str, Any] = json.loads(out)
    return seen


Session = tuple[dict[str, Any], Path]


def test_the_database_is_explored(session: Session) -> None:
    seen, _ = session
    assert seen["tables"] == ["customers", "orders"]
    assert seen["columns"] == ["id", "name"]
    assert seen["before"] == [["Ann"]]
    assert seen["completed"] == seen["completed_for_prompt"] == ["customers"]
    assert "Who buys most?" in seen["prompt"]


def test_a_query_cannot_change_it(session: Session) -> None:
    seen, database = session
    assert isinstance(seen["forbidden"], str)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (2,)


def test_a_change_happens_when_the_user_agrees_and_only_then(session: Session) -> None:
    seen, database = session
    assert len(seen["asked"]) == 2
    assert "UPDATE customers" in seen["asked"][0]
    assert seen["declined"].startswith("Not executed")
    assert seen["after_declining"] == [["Ann"]]
    assert seen["accepted"]["rows_affected"] == 1
    assert seen["after_accepting"] == [["Zoe"]]
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM customers ORDER BY id").fetchall() == [("Zoe",), ("Bo",)]


def test_who_watches_a_table_hears_of_its_change(session: Session) -> None:
    seen, _ = session
    assert seen["updated"] == "sqlite://tables/customers"
    assert seen["resource"] == [1, "Zoe"]

"""Cases of what a statement may take of the SQLite plugin."""

import sqlite3
import time
from contextlib import closing
from typing import Any, Final

from tests.security.bounds.peer import Answer, Case, Peer, edge, with_something_to_read
from tests.support.blocking_http import Connection
from tests.support.messages import call

ENDLESS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
TIME_LIMIT_S: Final = 0.5


def _sent(peer: Peer, sql: str, parameters: list[Any] | None = None) -> Connection:
    return peer.sent(call("query", sql=sql, parameters=parameters or []))


def _asked(peer: Peer, sql: str, parameters: list[Any] | None = None) -> Any:
    """The result."""
    return Answer(_sent(peer, sql, parameters)).message["result"]


def _refused(peer: Peer, sql: str, parameters: list[Any] | None = None) -> str:
    result = _asked(peer, sql, parameters)
    assert result.get("isError")
    return str(result["content"][0]["text"])


def _naming(said: str, words: str) -> str:
    return f"The call fails: `{words}`" if words in said else said


def max_queries(peer: Peer) -> str:
    began = time.monotonic()
    both = [_sent(peer, ENDLESS) for _ in range(2)]
    for connection in both:
        assert Answer(connection).words.startswith("The statement was stopped")
    assert time.monotonic() - began >= 2 * TIME_LIMIT_S
    return "The statement waits"


def max_waiting_queries(peer: Peer) -> str:
    three = [_sent(peer, ENDLESS) for _ in range(3)]
    first = [Answer(connection).words for connection in with_something_to_read(three)]
    [said] = [words for words in first if not words.startswith("The statement was stopped")]
    for connection in three:
        connection.close()
    peer.wait_until(lambda: not _asked(peer, "SELECT 1").get("isError"))
    return _naming(said, "The database is busy")


def query_time_limit_s(peer: Peer) -> str:
    assert not _asked(peer, "SELECT 1").get("isError")
    began = time.monotonic()
    said = _refused(peer, ENDLESS)
    assert time.monotonic() - began >= TIME_LIMIT_S
    assert "query_time_limit_s" in said
    return f"`{said.partition(' after')[0]}`"


def length_of_a_statement(peer: Peer) -> str:
    assert not _asked(peer, "SELECT 1".ljust(100_000)).get("isError")
    said = _refused(peer, "SELECT 1".ljust(100_001))
    return _naming(said, "query string is too large")


def max_parameters(peer: Peer) -> str:
    assert not _asked(peer, "SELECT ?, ?, ?", [1, 2, 3]).get("isError")
    return _naming(_refused(peer, "SELECT ?, ?, ?, ?", [1, 2, 3, 4]), "max_parameters")


def max_rows(peer: Peer) -> str:
    def cut(rows: int) -> str | None:
        result = _asked(peer, "SELECT value FROM json_each(?)", [f"[{','.join('1' * rows)}]"])["structuredContent"]
        assert len(result["rows"]) == min(3, rows)
        return result["truncated"]  # type: ignore[no-any-return]  # JSON

    assert cut(3) is None
    assert cut(4) == "max_rows"
    return "The rest is cut: `truncated`"


def max_result_bytes(peer: Peer) -> str:
    def cut(text_bytes: int) -> str | None:
        sql = "SELECT ?1 AS x UNION ALL SELECT ?1"
        return _asked(peer, sql, ["x" * text_bytes])["structuredContent"]["truncated"]  # type: ignore[no-any-return]  # JSON

    most = edge(lambda text_bytes: cut(text_bytes) is None, 1, 1000)
    assert abs(2 * len(f'["{"x" * most}"],') - 1500) <= 4
    assert cut(most + 1) == "max_result_bytes"
    return "The rest is cut: `truncated`"


def max_value_bytes(peer: Peer) -> str:
    assert not _asked(peer, "SELECT ? || 'x'", ["x" * 999]).get("isError")
    return _naming(_refused(peer, "SELECT ? || 'x'", ["x" * 1000]), "max_value_bytes")


def _question(peer: Peer, sql: str) -> str | None:
    """What the user is asked before a change; None where nobody is."""
    result = peer.ask(call("execute", sql=sql)).message["result"]
    if result.get("isError"):
        assert "max_question_" in result["content"][0]["text"]
        return None
    [asked] = result["inputRequests"].values()
    return str(asked["params"]["message"])


def _change(characters: int = 0, lines: int = 1) -> str:
    return "\n".join([f"DELETE FROM orders --{'x' * characters}", *["WHERE 1"] * (lines > 1), *["AND 1"] * (lines - 2)])


def max_question_characters(peer: Peer) -> str:
    most = edge(lambda characters: _question(peer, _change(characters)) is not None, 1, 300)
    assert len(_question(peer, _change(most)) or "") == 300
    said = peer.ask(call("execute", sql=_change(most + 1))).words
    return _naming(said, "max_question_characters")


def max_question_lines(peer: Peer) -> str:
    assert _question(peer, _change(lines=3)) is not None
    assert _question(peer, _change(lines=4)) is None
    return _naming(peer.ask(call("execute", sql=_change(lines=4))).words, "max_question_lines")


def busy_timeout_s(peer: Peer) -> str:
    file = peer.directory / "state" / "mcp-runtime" / "sample.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        said = _refused(peer, "SELECT count(*) FROM orders")
        other.execute("ROLLBACK")
    assert not _asked(peer, "SELECT count(*) FROM orders").get("isError")
    return _naming(said, "The database is locked")


CASES: Final[dict[str, Case]] = {
    "plugin.sqlite.max_queries": max_queries,
    "plugin.sqlite.max_waiting_queries": max_waiting_queries,
    "plugin.sqlite.query_time_limit_s": query_time_limit_s,
    "length of a statement": length_of_a_statement,
    "plugin.sqlite.max_parameters": max_parameters,
    "plugin.sqlite.max_rows": max_rows,
    "plugin.sqlite.max_result_bytes": max_result_bytes,
    "plugin.sqlite.max_value_bytes": max_value_bytes,
    "plugin.sqlite.max_question_characters": max_question_characters,
    "plugin.sqlite.max_question_lines": max_question_lines,
    "plugin.sqlite.busy_timeout_s": busy_timeout_s,
}

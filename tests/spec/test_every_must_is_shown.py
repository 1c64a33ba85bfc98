"""The tables of demands and the tests agree. Rule: no demand without a test or a reason, no mark without a demand."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

_HERE = Path(__file__).parent
_TABLES = ("musts.toml", "legacy/musts.toml")
_SEARCHED = ("spec", "spec/legacy", "replay", "transports", "fuzz")
_MEMBERS = {"section", "id", "demand", "level", "why"}
_PAGES = {
    "basic/index",
    "basic/versioning",
    "basic/transports/index",
    "basic/transports/stdio",
    "basic/transports/streamable-http",
    "basic/patterns/index",
    "basic/patterns/mrtr",
    "basic/patterns/subscriptions",
    "basic/patterns/cancellation",
    "basic/patterns/progress",
    "client/elicitation",
    "client/sampling",
    "client/roots",
    "server/discover",
    "server/tools",
    "server/resources",
    "server/prompts",
    "server/utilities/caching",
    "server/utilities/completion",
    "server/utilities/logging",
    "server/utilities/pagination",
    # Of older revisions, what differs.
    "2025-11-25/basic/lifecycle",
    "2025-11-25/basic/transports",
    "2025-11-25/basic/utilities/ping",
    "2025-11-25/basic/utilities/cancellation",
    "2025-11-25/basic/utilities/progress",
    "2025-11-25/server/tools",
    "2025-11-25/server/resources",
    "2025-11-25/server/prompts",
    "2025-11-25/server/utilities/completion",
    "2025-11-25/server/utilities/logging",
    "2025-11-25/client/elicitation",
    "2025-11-25/client/sampling",
    "2025-11-25/client/roots",
    "2025-06-18/basic/transports",
    "2025-06-18/client/elicitation",
    "2025-03-26/basic/index",
    "2025-03-26/basic/lifecycle",
    "2025-03-26/basic/transports",
    "2024-11-05/basic/lifecycle",
    "2024-11-05/basic/transports",
}


class Mark(NamedTuple):
    """A `@pytest.mark.spec(section, id...)` on a test."""

    test: str
    section: str
    ids: tuple[str, ...]


def _rows() -> list[dict[str, Any]]:
    tables = [tomllib.loads((_HERE / table).read_text(encoding="utf-8")) for table in _TABLES]
    return [row for table in tables for row in table["must"]]


def _test_files() -> list[Path]:
    return sorted(file for folder in _SEARCHED for file in (_HERE.parent / folder).glob("test_*.py"))


def _tests(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def _marks_on(test: ast.FunctionDef | ast.AsyncFunctionDef, file: Path) -> Iterator[Mark]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.spec":
            section, *ids = (ast.literal_eval(argument) for argument in decorator.args)
            yield Mark(f"{file.name}::{test.name}", section, tuple(ids))


def _marks() -> list[Mark]:
    return [mark for file in _test_files() for test in _tests(file) for mark in _marks_on(test, file)]


@pytest.mark.parametrize("page", sorted(_PAGES))
def test_every_page_that_is_implemented_has_its_demands_in_the_table(page: str) -> None:
    assert any(row["section"].partition("#")[0] == page for row in _rows())


def test_rows_are_complete_and_named_once() -> None:
    rows = _rows()
    assert all(set(row) <= _MEMBERS and row["demand"].endswith(".") for row in rows)
    assert all(row.get("level", "MUST") in {"MUST", "SHOULD"} for row in rows)
    assert {row["section"].partition("#")[0] for row in rows} == _PAGES
    names = [(row["section"], row["id"]) for row in rows]
    assert [name for name in names if names.count(name) > 1] == []


def test_every_demand_has_a_test_or_says_why_not() -> None:
    shown = {(mark.section, id_) for mark in _marks() for id_ in mark.ids}
    unshown = [f"{row['section']} {row['id']}" for row in _rows() if "why" not in row]
    assert [name for name in unshown if tuple(name.split(" ")) not in shown] == []


def test_no_demand_that_has_a_test_says_why_it_has_none() -> None:
    shown = {(mark.section, id_) for mark in _marks() for id_ in mark.ids}
    assert [row for row in _rows() if "why" in row and (row["section"], row["id"]) in shown] == []


def test_every_mark_names_demands_that_are_in_the_table() -> None:
    known = {(row["section"], row["id"]) for row in _rows()}
    sections = {section for section, _ in known}
    assert [mark for mark in _marks() if mark.section not in sections] == []
    assert [(mark.test, id_) for mark in _marks() for id_ in mark.ids if (mark.section, id_) not in known] == []


def test_every_test_of_the_specification_says_which_demand_it_shows() -> None:
    unmarked = [
        f"{file.name}::{test.name}"
        for file in _test_files()
        if _HERE in {file.parent, file.parent.parent} and file.name != Path(__file__).name
        for test in _tests(file)
        if not any(mark.ids for mark in _marks_on(test, file))
    ]
    assert unmarked == []

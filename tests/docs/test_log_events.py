"""The page of log events lists what the code logs."""

import ast
import re
from logging import getLevelName
from pathlib import Path
from typing import Final

from mcp_bridges.deprecation.decisions.policy import CADENCES
from mcp_bridges.deprecation.gatekeeping.logs import EVENTS, REST, UNCOUNTED
from tests.docs.pages import DOCS
from tests.docs.sources import SOURCES, tree_of

PAGE: Final = DOCS / "reference" / "log-events.md"
_LEVELS: Final = {"debug", "info", "warning", "error", "critical", "exception"}
_EVENT: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def _logged() -> set[tuple[str, str]]:
    """Event and level of every call in the code such as `log.info("stopping", ...)`."""
    return {event for path in SOURCES for event in _events(path)}


def _events(path: Path) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str(event)), *_]):
                if level in _LEVELS and _EVENT.fullmatch(event):
                    found.add((event, level))
            case _:
                pass
    return found


def _listed() -> set[tuple[str, str]]:
    table = PAGE.read_text(encoding="utf-8").partition("| Event |")[2].partition("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    return {(row[1].strip(" `"), row[2].strip()) for row in rows}


def _table_after(head: str) -> list[list[str]]:
    table = PAGE.read_text(encoding="utf-8").partition(head)[2].partition("\n\n")[0]
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines() if line[:3] == "| `"]


def test_every_event_of_the_past_is_listed() -> None:
    assert [row[0] for row in _table_after("| Event of the past |")] == [*EVENTS.values(), UNCOUNTED, REST]


def test_every_phase_is_listed_with_its_level_and_interval() -> None:
    intervals = {86_400: "a day", 3_600: "an hour"}
    assert _table_after("| Phase |") == [
        [phase.value, getLevelName(cadence.level).lower(), intervals[cadence.interval_s]]
        for phase, cadence in CADENCES.items()
    ]


def test_every_event_of_the_code_is_listed_with_its_level_and_no_other() -> None:
    assert _listed() == _logged()

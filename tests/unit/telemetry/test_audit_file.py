"""The audit file: lines that are whole, numbers that show what is missing, and rotation by others."""

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from mcp_runtime.telemetry.audit_file import AuditFile
from tests.support.captured_log import captured_log


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def started(path: Path, now: float = 0.0) -> AuditFile:
    file = AuditFile(path, now=lambda: now)
    file.open()
    return file


def test_a_run_begins_and_ends_and_its_lines_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = started(path)
    file.write({"event": "tools/call", "name": "a\nb"})
    file.close()
    found = lines(path)
    assert [(line["n"], line["event"]) for line in found] == [
        (0, "audit_started"),
        (1, "tools/call"),
        (2, "audit_stopped"),
    ]
    assert {line["run"] for line in found} == {found[0]["run"]}
    assert found[1]["time"] == "1970-01-01T00:00:00.000+00:00"
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_run_goes_on_in_the_same_file_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(2):
        started(path).close()
    assert len({line["run"] for line in lines(path)}) == 2
    assert [line["n"] for line in lines(path)] == [0, 1, 0, 1]


@pytest.mark.parametrize("moved_by", ["rename", "removal"])
def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path, moved_by: str) -> None:
    path = tmp_path / "audit.jsonl"
    file = started(path)
    if moved_by == "rename":
        path.rename(tmp_path / "audit.jsonl.1")
    else:
        path.unlink()
    file.write({"event": "tools/call"})
    assert [(line["n"], line["event"]) for line in lines(path)] == [(1, "tools/call")]
    file.close()


def test_a_file_that_was_replaced_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = started(path)
    path.rename(tmp_path / "old")
    path.touch()
    file.write({"event": "tools/call"})
    assert [line["n"] for line in lines(path)] == [1]
    file.close()


@pytest.mark.parametrize("what", ["directory", "pipe", "link", "nowhere"])
def test_what_is_no_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "audit.jsonl"
    match what:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case _:
            path = tmp_path / "none" / "audit.jsonl"
    with pytest.raises(OSError, match=r".+"):
        AuditFile(path, now=lambda: 0.0).open()
    assert not (tmp_path / "elsewhere").exists()


def test_lines_that_cannot_be_written_are_said_once_and_show_as_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = started(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, hard))
        with captured_log() as events:
            for _ in range(3):
                file.write({"event": "tools/call"})
            said = events()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [event["event"] for event in said] == ["audit_lost"]
    file.write({"event": "tools/call"})
    file.close()
    last = lines_after_damage(path)
    assert [line["n"] for line in last] == [4, 5]
    assert last[-1]["lost"] == 3


def lines_after_damage(path: Path) -> list[dict[str, Any]]:
    """The lines after the first, and after what is left of the one of which only a part was written."""
    first, torn, *rest = path.read_text().splitlines()
    assert json.loads(first)["n"] == 0
    assert torn == '{"tim'
    return [json.loads(line) for line in rest]


def test_a_value_that_is_no_json_is_written_as_its_text(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = started(path)
    file.write({"event": "tools/call", "path": tmp_path})
    file.close()
    assert lines(path)[1]["path"] == str(tmp_path)

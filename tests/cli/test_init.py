"""`mcp-runtime init` writes what works right away, and never overwrites."""

from pathlib import Path

import pytest

from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import discover, run_command

pytestmark = pytest.mark.process


def test_what_it_writes_works_right_away(tmp_path: Path) -> None:
    done = run_command("init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "my_tools.py"]
    assert "Wrote config.toml and my_tools.py." in done.stdout
    checked = run_command("check", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (ExitCode.OK, "")
    assert "tools       2: count_words, shout" in checked.stdout


def test_what_it_writes_can_be_served(tmp_path: Path) -> None:
    run_command("init", cwd=tmp_path)
    served = run_command("serve", "--stdio", cwd=tmp_path, stdin=discover())
    assert (served.returncode, served.stderr) == (ExitCode.OK, "")
    assert "Small text tools" in served.stdout


def test_it_makes_the_directory(tmp_path: Path) -> None:
    done = run_command("init", "new/place", cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    assert (tmp_path / "new" / "place" / "my_tools.py").is_file()
    assert "cd new/place" in done.stdout


@pytest.mark.parametrize("there", ["config.toml", "my_tools.py"])
def test_it_never_overwrites(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    done = run_command("init", cwd=tmp_path)
    assert done.returncode == ExitCode.UNEXPECTED
    assert f"{there} would be overwritten; nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_command("init", "file/inside", cwd=tmp_path)
    assert done.returncode == ExitCode.UNEXPECTED
    assert "cannot write to file/inside: Not a directory" in done.stderr

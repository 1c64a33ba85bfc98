"""The scripts' shared functions: which Python they take, and what they say is missing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.workshop.project import ROOT, VERSIONS

SYSTEM: Final = ("bash", "dirname", "sed", "head", "mktemp", "rm", "cat")


def sourced(command: str, path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a function of environment.sh, with nothing on PATH but what is in `path`."""
    for name in SYSTEM:
        found = next(Path(folder, name) for folder in ("/bin", "/usr/bin") if Path(folder, name).exists())
        (path / name).symlink_to(found)
    return subprocess.run(
        [str(path / "bash"), "-c", f"set -euo pipefail; source scripts/environment.sh; {command}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={"PATH": str(path), "HOME": str(home)},
    )


def place(target: Path, *, works: bool) -> None:
    """A Python at that path; or what a version manager leaves there, which does not run."""
    target.parent.mkdir(parents=True, exist_ok=True)
    end = f'exec {sys.executable} "$@"' if works else "exit 127"
    target.write_text(f"#!/bin/bash\n{end}\n")
    target.chmod(0o755)


def test_the_scripts_know_the_versions_that_are_listed(tmp_path: Path) -> None:
    assert sourced("python_versions", tmp_path, tmp_path).stdout.split() == VERSIONS


def test_the_oldest_python_that_runs_is_taken(tmp_path: Path) -> None:
    place(tmp_path / f"python{VERSIONS[0]}", works=False)
    for version in VERSIONS[1:]:
        place(tmp_path / f"python{version}", works=True)
    assert sourced("find_python", tmp_path, tmp_path).stdout.strip() == str(tmp_path / f"python{VERSIONS[1]}")


def test_a_python_of_pyenv_is_found_though_its_shim_does_not_run(tmp_path: Path) -> None:
    place(tmp_path / "python3.12", works=False)
    real = tmp_path / ".pyenv" / "versions" / "3.12.4" / "bin" / "python3.12"
    place(real, works=True)
    assert sourced("find_interpreter 3.12", tmp_path, tmp_path).stdout.strip() == str(real)


def test_a_newer_python_than_those_listed_will_do_where_no_other_is(tmp_path: Path) -> None:
    place(tmp_path / "python3", works=True)
    assert sourced("find_python", tmp_path, tmp_path).stdout.strip() == str(tmp_path / "python3")


def test_without_python_it_is_said_what_to_install(tmp_path: Path) -> None:
    done = sourced("find_python", tmp_path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "Needs Python 3.11 or later with its venv module (on Debian and Ubuntu: apt-get install python3-venv)."
    )


def test_programs_that_are_not_here_are_named_with_what_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "curl").symlink_to("/bin/true")
    rows = sourced("missing_programs", tmp_path, tmp_path).stdout.splitlines()
    programs = {row.split()[0] for row in rows}
    assert "faketime" in programs or any(os.access(f"{folder}/faketime", os.X_OK) for folder in ("/usr/sbin", "/sbin"))
    assert "curl" not in programs
    assert all(row.split(maxsplit=2)[2].startswith("tests ") for row in rows)

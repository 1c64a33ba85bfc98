"""Two trees beside each other: which rows, which bounds, which code. Rule: what is measured here is over at once, and its
numbers say nothing.
"""

import subprocess
from pathlib import Path

import pytest

from tests.benchmarks import compare, comparison, instructions, trees
from tests.benchmarks.__main__ import COMMANDS, SUITES
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import CACHE, COMPARED, PEERS, ROOT, STDIO
from tests.benchmarks.turns import Pace

RATE = Measurement(
    key="http/call",
    title="calls",
    unit="requests/s",
    better="more",
    series=(
        Series(peer="now", samples=(98.0, 196.0, 300.0)),
        Series(peer="before", samples=(100.0, 200.0, 200.0)),
    ),
    against="now",
)
START = Measurement(
    key="startup/stdio",
    title="start",
    unit="ms",
    better="less",
    series=(
        Series(peer="now", samples=(300.0, 104.0, 104.0)),
        Series(peer="before", samples=(100.0, 100.0, 300.0)),
    ),
    against="now",
)
IN_GIT = (ROOT / ".git").exists()
needs_git = pytest.mark.skipif(not IN_GIT, reason="an unpacked archive has no revisions")


def test_rates_are_divided_round_by_round_and_starts_by_their_medians() -> None:
    assert Comparison(measurement=RATE).ratio == pytest.approx(0.98)
    assert Comparison(measurement=START, by_medians=True).ratio == pytest.approx(1.04)


@pytest.mark.parametrize(
    ("row", "within", "outside"),
    [(Comparison(measurement=RATE), 1.03, 1.02), (Comparison(measurement=START, by_medians=True), 1.04, 1.039)],
    ids=["more is better", "less is better"],
)
def test_a_row_holds_up_to_its_bound_whichever_way_is_good(row: Comparison, within: float, outside: float) -> None:
    assert comparison.failures([row], within) == []
    assert len(comparison.failures([row], outside)) == 1


def test_a_failure_says_what_was_found_and_what_is_allowed() -> None:
    assert comparison.failures([Comparison(measurement=RATE)], 1.01) == [
        "http/call: 0.9800 of before, bound at least 0.9901"
    ]


def test_a_row_of_which_one_side_is_missing_does_not_hold() -> None:
    alone = Measurement(
        key="a/b", title="", unit="ms", better="less", series=START.series[:1], absent={"before": "it did not start"}
    )
    row = Comparison(measurement=alone)
    assert comparison.failures([row], 2.0) == ["a/b: not measured: it did not start"]
    assert "a/b" in comparison.plain([row])


def test_the_table_has_the_ratio_its_range_and_both_medians() -> None:
    head, line = comparison.plain([Comparison(measurement=RATE)]).splitlines()
    assert head.split() == ["now", "/", "before", "least", "most", "before", "now", "unit", "better"]
    assert line.split() == ["http/call", "0.9800", "0.9800", "1.5000", "200", "196", "requests/s", "more"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], list(compare.ROWS)),
        (["stdio/calls", "http"], ["http/call", "stdio/calls"]),
        (["memory"], ["memory/idle", "memory/idle-stdio"]),
        (["http/call", "no/such"], []),
    ],
)
def test_rows_are_chosen_by_name_or_by_what_stands_before_the_slash(wanted: list[str], expected: list[str]) -> None:
    assert compare.chosen(wanted, compare.ROWS) == expected


def test_an_unknown_row_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        compare.command(["HEAD", "no/such", "--quick"])
    assert "no such row: no/such (there are http/call, " in capsys.readouterr().err


@needs_git
def test_an_unknown_revision_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.command(["no-such-revision", "--check"]) == 1
    assert capsys.readouterr().out.startswith("BROKEN git ended with 128")


def test_the_compared_trees_are_in_no_suite_and_serve_the_same() -> None:
    assert not set(COMPARED) & set(STDIO)
    now, before = (PEERS[key] for key in COMPARED)
    assert (now.http, now.stdio, now.variables) == (before.http, before.stdio, before.variables)
    assert not set(COMMANDS) & set(SUITES)


def test_counts_between_marks_are_read_in_their_order(tmp_path: Path) -> None:
    for number, total in ((1, 900), (2, 70), (3, 8000)):
        (tmp_path / f"counts.{number}").write_text(f"events: Ir\nsummary: {total}\n\nfn=(1) f\n0 5\ntotals: {total}\n")
    assert instructions.read_counts(tmp_path) == [900, 70, 8000]


def test_missing_counts_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(instructions.CountError, match=r"counts\.1"):
        instructions.read_counts(tmp_path)


@needs_git
def test_a_checkout_has_the_files_of_its_commit_and_is_made_once(tmp_path: Path) -> None:
    sha = trees.commit("HEAD")
    made = trees.checkout(sha, tmp_path)
    committed = subprocess.run(["git", "show", "HEAD:pyproject.toml"], cwd=ROOT, capture_output=True, check=True)
    assert made == tmp_path / sha
    assert (made / "pyproject.toml").read_bytes() == committed.stdout
    (made / "mark").touch()
    assert trees.checkout(sha, tmp_path) == made
    assert (made / "mark").exists()


def _tree(folder: Path, version: str) -> Path:
    """A project of the same name with nothing in it but a version."""
    package = folder / "runtime" / "mcp_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"VERSION = {version!r}\n")
    (folder / "pyproject.toml").write_text(
        f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "mcp-runtime-bridge"
version = "{version}"
[project.entry-points."mcp_runtime.plugins"]
mine = "mcp_runtime.mine"
[tool.hatch.build]
dev-mode-dirs = ["runtime"]
[tool.hatch.build.targets.wheel]
packages = ["runtime/mcp_runtime"]
"""
    )
    return folder


_ASKED = """\
from importlib.metadata import entry_points, version
import mcp_runtime, trio
print(mcp_runtime.VERSION, version("mcp-runtime-bridge"), [one.name for one in entry_points(group="mcp_runtime.plugins")])
"""


@pytest.mark.process
def test_an_environment_has_its_tree_s_code_version_and_entry_points_and_this_one_s_packages(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    for version in ("1.2.3", "4.5.6"):  # the second time in the place of the first
        trees.install(_tree(tmp_path / version, version), environment)
        asked = [str(environment / "bin" / "python"), "-c", _ASKED]
        said = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert said == f"{version} {version} ['mine']\n"
        assert list((tmp_path / version).rglob("*.pyc")), "it is compiled once, not at each start"


@pytest.mark.process
@needs_git
def test_two_trees_start_and_are_compared() -> None:
    compare.prepare("HEAD")
    for key in COMPARED:
        assert (CACHE / PEERS[key].environment / ".installed").exists()
    (row,) = compare.measure({"startup/stdio": compare.ROWS["startup/stdio"]}, Pace(rounds=1, seconds=1.0))
    assert row.measurement.absent == {}
    assert len(row.rounds) == 1

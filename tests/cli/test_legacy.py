"""`mcp-runtime legacy` prints what is on its way out, and when."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_runtime.cli import main
from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import run_command

CONFIG = """
[deprecation]
stages = ["transport.http_sse = brownout", "ping = gone"]
dry_run = ["ping"]
sunsets = ["transport.http_sse = 2027-01-31"]
brownouts = [
    "transport.http_sse = 2026-12-01T14:00Z for=2h every=7d fraction=0.5 until=2026-12-15",
    "ping = 2026-12-01T14:00Z for=2h every=7d",
]
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.process
def test_the_command_lists_every_feature(tmp_path: Path) -> None:
    done = run_command("legacy", "features", "--today", "2027-05-04", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    blocks = done.stdout.split("\n\n")
    assert [block.partition("\n")[0] for block in blocks] == list(FEATURES)
    assert blocks[0] == (
        "transport.http_sse\n"
        "  what     the HTTP+SSE transport\n"
        "  instead  Streamable HTTP\n"
        "  spec     deprecated in 2025-03-26 (SEP-2596), not removed before 2026-09-03\n"
        "           https://modelcontextprotocol.io/specification/2026-07-28/deprecated\n"
        "  here     signal; ends 2027-07-28: urgent, 85 days left"
    )


@pytest.mark.process
@pytest.mark.parametrize("line", [["legacy"], ["legacy", "featurs"], ["legacy", "plan", "--today", "now"]])
def test_a_wrong_command_line_is_exit_code_2(tmp_path: Path, line: list[str]) -> None:
    done = run_command(*line, cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "usage: mcp-runtime legacy" in done.stderr


def test_a_wrong_day_says_what_would_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["legacy", "plan", "--today", "2027-02-29"])
    assert "'2027-02-29' is no day; write one such as 2027-07-28" in capsys.readouterr().err


@pytest.mark.usefixtures("configured")
def test_features_show_what_the_operator_decided(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["legacy", "features", "--today", "2026-12-08"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "  here     brownout; ends 2027-01-31: urgent, 54 days left" in text
    assert "  here     gone, as a dry run; ends 2027-07-28: announced, 232 days left" in text


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("today", "left"),
    [("2027-07-27", "1 days left"), ("2027-07-28", "past, 0 days left"), ("2027-08-02", "past, 5 days ago")],
)
def test_days_run_down_to_the_sunset_and_then_up(today: str, left: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["legacy", "features", "--today", today]) == ExitCode.OK
    assert left in capsys.readouterr().out.partition("protocol.handshake\n")[2]


@pytest.mark.usefixtures("configured")
def test_features_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["legacy", "features", "--json", "--today", "2026-12-08"]) == ExitCode.OK
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == list(FEATURES)
    assert rows[0] == {
        "id": "transport.http_sse",
        "title": "the HTTP+SSE transport",
        "replacement": "Streamable HTTP",
        "deprecated_in": "2025-03-26",
        "source": "SEP-2596",
        "spec_url": "https://modelcontextprotocol.io/specification/2026-07-28/deprecated",
        "earliest_removal": "2026-09-03",
        "sunset": "2027-01-31",
        "days_left": 54,
        "phase": "urgent",
        "stage": "brownout",
        "dry_run": False,
    }
    assert rows[1]["earliest_removal"] is None


def test_without_a_day_it_counts_from_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = datetime.now(UTC).date()
    assert main(["legacy", "features", "--json"]) == ExitCode.OK
    [first, *_] = json.loads(capsys.readouterr().out)
    sunset = datetime.fromisoformat(first["sunset"]).date()
    assert first["days_left"] in {(sunset - before).days, (sunset - datetime.now(UTC).date()).days}


@pytest.mark.usefixtures("configured")
def test_the_plan_is_every_day_on_which_something_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["legacy", "plan", "--today", "2026-12-02"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert text.startswith("Announced 2026-07-28, for 12 months. Times are UTC.\n\n2026-07-28        announced  every ")
    lines = [line for line in text.splitlines() if line[:2] == "20"]
    assert lines[:6] == [
        "2026-07-28        announced  every feature but transport.http_sse",
        "2026-07-28        announced  transport.http_sse",
        "2026-08-01        reminded   transport.http_sse",
        "2026-11-01        urgent     transport.http_sse",
        "2026-12-02        -- today --",
        "2026-12-08 14:00  brownout   ping (until 2026-12-08 16:00, all clients, 503, dry run, not at stage",
    ]
    assert "2026-12-08 14:00  brownout   transport.http_sse (until 2026-12-08 16:00, 50% of clients, 503)" in lines
    assert not [line for line in lines if "2026-12-15" in line and "transport.http_sse" in line]
    assert [line for line in lines if line.startswith("2027-02-16 14:00  brownout   ping (and so on")]
    assert lines[-1] == "2027-07-28        past       every feature but transport.http_sse"
    stages = text.partition("Stages, which only the configuration changes:\n")[2].partition("\nWhere")[0]
    assert stages == (
        "  brownout              transport.http_sse\n"
        "  signal                every feature but transport.http_sse, ping\n"
        "  gone (dry run)        ping\n"
    )


@pytest.mark.usefixtures("configured")
def test_a_brownout_that_is_open_is_in_the_plan(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (configured / "config.toml").write_text(
        '[deprecation]\nstage = "brownout"\nbrownouts = ["ping = 2026-12-01T14:00Z for=2d"]\n'
    )
    assert main(["legacy", "plan", "--json", "--today", "2026-12-02"]) == ExitCode.OK
    entries = json.loads(capsys.readouterr().out)
    assert {"at", "what", "features", "detail"} == set(entries[0])
    assert [(one["at"], one["features"], one["detail"]) for one in entries if one["what"] == "brownout"] == [
        ("2026-12-01T14:00:00+00:00", ["ping"], "until 2026-12-03 14:00, all clients, 503")
    ]
    assert [one["what"] for one in entries if one["features"] == list(FEATURES)] == [
        "announced",
        "reminded",
        "urgent",
        "final",
        "past",
    ]


@pytest.mark.usefixtures("configured")
def test_the_default_plan_speaks_of_every_feature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text("")
    assert main(["legacy", "plan", "--today", "2028-01-01"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "2027-07-28        past       every feature\n2028-01-01        -- today --\n\n" in text
    assert text.endswith(
        "  signal                every feature\n\n"
        "Where these dates and the specification's part:\n"
        "  transport.http_sse ends here on 2027-07-28, but new revisions may come without it from 2026-09-03\n"
        "    on (SEP-2596)\n"
    )


@pytest.mark.usefixtures("configured")
def test_a_plan_that_agrees_with_the_specification_has_no_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text('[deprecation]\nsunsets = ["transport.http_sse = 2026-09-03"]\n')
    assert main(["legacy", "plan"]) == ExitCode.OK
    assert "specification" not in capsys.readouterr().out


@pytest.mark.usefixtures("configured")
def test_two_decisions_about_one_thing_are_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text('[deprecation]\nstages = ["ping = gone", "ping = signal"]\n')
    assert main(["legacy", "plan"]) == ExitCode.CONFIGURATION
    assert "deprecation.stages" in capsys.readouterr().err


@pytest.mark.usefixtures("configured")
def test_check_points_out_where_sunsets_and_the_specification_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == ExitCode.OK
    assert "  sunset      transport.http_sse ends here on 2027-01-31, but new revisions may" in capsys.readouterr().out
    (tmp_path / "config.toml").write_text('[deprecation]\nsunsets = ["transport.http_sse = 2026-09-03"]\n')
    assert main(["check"]) == ExitCode.OK
    assert "  sunset  " not in capsys.readouterr().out

"""Days and times are those of UTC, wherever the server stands."""

import json
import re
from collections.abc import Generator
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mcp_bridges.deprecation.decisions.options import read_deprecation
from mcp_bridges.deprecation.decisions.policy import Policy, day_of
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.ledger.metrics import ledger_families
from mcp_bridges.deprecation.reports.page import legacy_page
from mcp_bridges.deprecation.reports.report import day_in_words
from mcp_runtime.cli.main import main
from mcp_runtime.server.http.admin import admin_app
from mcp_runtime.server.progress import ServerStage
from tests.bridges.deprecation.ledgers import client, seconds
from tests.bridges.deprecation.parts import config_of, sighting, station, unix
from tests.bridges.deprecation.reports.test_report import DAY, Story
from tests.support.time_zones import FAR_ZONES, time_zone

EDGES = ("2027-05-04T00:00:00", "2027-05-04T23:59:59")
BROWNOUT = "ping = 2027-05-04T14:00Z for=2h every=1d until=2027-05-06"


@pytest.fixture(params=FAR_ZONES, autouse=True)
def _far_zone(request: pytest.FixtureRequest) -> Generator[None]:
    with time_zone(request.param):
        yield


@pytest.mark.parametrize("at", EDGES)
def test_a_moment_belongs_to_its_day_in_utc(at: str) -> None:
    moment = unix(at)
    assert day_of(moment) == date(2027, 5, 4)
    assert day_in_words(moment) == at[:16].replace("T", " ")


def test_a_feature_is_deprecated_at_the_beginning_of_the_day_in_utc() -> None:
    at = FEATURES["ping"].deprecated_at
    assert (at, at.timestamp()) == (datetime(2026, 7, 28, tzinfo=UTC), unix("2026-07-28"))


def test_headers_and_refusals_say_times_in_utc(tmp_path: Path) -> None:
    server = station(tmp_path, at="2027-05-04T15:00", stage="brownout", brownouts=[BROWNOUT])
    verdict = server.gate.admit(sighting(features=["ping"]))
    headers = {name: value.decode() for name, value in verdict.headers}
    assert parsedate_to_datetime(headers[b"sunset"]) == datetime(2027, 7, 28, tzinfo=UTC)
    assert headers[b"deprecation"] == f"@{unix('2026-07-28'):.0f}"
    assert verdict.refusal is not None
    assert verdict.refusal.message.startswith("Refused until 2027-05-04T16:00:00Z, because it ends on 2027-07-28")


def test_a_schedule_ends_at_the_beginning_of_a_day_in_utc(tmp_path: Path) -> None:
    (brownout,) = read_deprecation(config_of(tmp_path, brownouts=[BROWNOUT])).enforcement.brownouts
    assert (brownout.begins_s, brownout.until_s) == (unix("2027-05-04T14:00"), unix("2027-05-06"))


@pytest.mark.parametrize("at", EDGES)
async def test_days_to_the_sunset_are_counted_from_the_day_in_utc(tmp_path: Path, at: str) -> None:
    ledger = Story(tmp_path).ledger
    families = {family.name: family for family in ledger_families(ledger, Policy(), now=lambda: unix(at))}
    assert families["mcp_legacy_days_to_sunset"].read()["ping",] == 85


@pytest.mark.parametrize("hour", [0, 23.99])
async def test_the_page_goes_up_to_the_day_in_utc(tmp_path: Path, hour: float) -> None:
    story = Story(tmp_path)
    story.called(client(), "ping")
    await story.ledger.flush()
    page = legacy_page(story.fixture.path, Policy(), now=lambda: seconds(DAY, hour))
    shown = TestClient(admin_app(lambda: ServerStage.READY, routes=[page])).get("/legacy").text
    assert max(re.findall(r"<title>(\d{4}-\d\d-\d\d): ", shown)) == "2027-07-01"
    assert "27 days" in shown  # to the sunset


def test_a_plan_is_in_utc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.toml"
    config_of(tmp_path, stage="brownout", brownouts=[BROWNOUT])
    assert main(["legacy", "plan", "--json", "--today", "2027-05-05", "--config", str(path)]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if "ping" in row["features"]]
    assert [(row["at"], row["detail"]) for row in rows if row["what"] == "brownout"] == [
        ("2027-05-05T14:00:00+00:00", "until 2027-05-05 16:00, all clients, 503")
    ]
    assert [row["at"] for row in rows if row["what"] == "past"] == ["2027-07-28T00:00:00+00:00"]
    assert main(["legacy", "plan", "--today", "2027-05-05", "--config", str(path)]) == 0
    assert "2027-05-05 14:00  brownout" in capsys.readouterr().out


async def test_today_is_the_day_in_utc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(tmp_path)
    await story.ledger.flush()
    path = tmp_path / "config.toml"
    path.write_text('[ledger]\ndatabase = "ledger.db"\n')
    before = datetime.now(UTC).date()
    assert main(["legacy", "report", "--format", "json", "--config", str(path)]) == 0
    until = date.fromisoformat(json.loads(capsys.readouterr().out)["until"])
    assert before <= until <= datetime.now(UTC).date()  # Two days where midnight comes between them.

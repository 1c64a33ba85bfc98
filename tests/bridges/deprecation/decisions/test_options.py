"""[deprecation] as a whole: defaults, environment, and errors with file, key, problem and fix."""

from datetime import date
from pathlib import Path

import pytest

from mcp_bridges.deprecation.decisions.enforcement import Enforcement
from mcp_bridges.deprecation.decisions.options import Deprecation, advice, read_deprecation
from mcp_bridges.deprecation.decisions.policy import CADENCES, Links, Policy
from mcp_bridges.deprecation.gatekeeping.gatekeeper import build_gate
from mcp_runtime.config import Config, ConfigError, load_config
from tests.bridges.deprecation.parts import Clock, Lines, Notes, config_of
from tests.config.files import load_text, refusal


def test_the_defaults_announce_a_year_and_refuse_nobody() -> None:
    assert read_deprecation(Config()) == Deprecation(policy=Policy(), enforcement=Enforcement(), links=Links())


def test_a_day_may_be_written_as_toml_writes_days(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[deprecation]\nannounced = 2026-09-01\nwindow_months = 6")
    assert read_deprecation(config).policy.sunset("ping") == date(2027, 3, 1)


def test_lists_come_from_the_environment_too(tmp_path: Path) -> None:
    environ = {
        "MCP_RUNTIME_DEPRECATION_STAGES": "ping = gone, transport.http_sse = brownout",
        "MCP_RUNTIME_DEPRECATION_EXEMPT": "name=cursor version=>=1.2 version=<2,ping: principal=ops/*",
        "MCP_RUNTIME_DEPRECATION_ANNOUNCED": "2026-08-01",
    }
    decided = read_deprecation(load_text(tmp_path, "", environ=environ))
    assert len(decided.enforcement.stages) == 2
    assert [one.feature for one in decided.enforcement.exempt] == [None, "ping"]
    assert decided.policy.announced == date(2026, 8, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("announced = 'soon'", 'deprecation.announced: "soon" is no day. Fix: write one such as 2027-07-28.'),
        ("announced = 2026-07-28T00:00:00Z", "is no day"),
        ("announced = ''", 'deprecation.announced: "" is not a text, not empty.'),
        (
            "window_months = 0",
            "deprecation.window_months: 0 is not a whole number, 1 to 1200. Fix: write one, such as 12",
        ),
        ("window_months = 1201", "deprecation.window_months: 1201 is not a whole number, 1 to 1200."),
        ("stage = 'of'", "deprecation.stage:"),
        ("sunsets = ['png = 2027-01-01']", 'deprecation.sunsets: there is no feature "png". Fix: did you mean "ping"?'),
        ("stages = ['ping = off']", 'deprecation.stages: "off" is no stage. Fix: write one of observe,'),
        ("dry_run = ['all']", 'deprecation.dry_run: there is no feature "all".'),
        ("brownouts = ['ping = 2027-05-04T14:00Z']", "deprecation.brownouts:"),
        ("exempt = ['cursor']", "deprecation.exempt: \"cursor\" in 'cursor' is no term. Fix: write FIELD=PATTERN"),
        ("deny = ['ping: nme=x']", 'deprecation.deny: clients have no "nme"'),
        ("log_cadences = ['past = loud']", 'deprecation.log_cadences: "loud" is no cadence. Fix: write LEVEL every'),
        ("brownout_notice_days = 367", "is not a whole number, 0 to 366."),
        (
            "documentation_url = 'a.example'",
            'deprecation.documentation_url: "a.example" is no URL. Fix: write one such',
        ),
        ("sunset_url = 'ftp://a.example'", '"ftp://a.example" is no URL'),
        ("replacement_url = 'https://'", '"https://" is no URL'),
        ("replacement_url = 'https://a.example/>;rel=x'", "is no URL"),
        ('replacement_url = "https://a.example/\\r\\nset-cookie: a"', "is no URL"),
        ("replacement_url = 'https://ä.example/'", "is no URL"),
        ("replacement_url = 'https://[a/'", "deprecation.replacement_url: Invalid IPv6 URL."),
        (
            "replacement_url = 'https://me:hunter2@a.example/'",
            "the URL has a user name in it, and everybody will read it",
        ),
    ],
)
def test_a_wrong_value_names_its_key_and_what_would_be_right(tmp_path: Path, text: str, message: str) -> None:
    error = str(refusal(tmp_path, f"[deprecation]\n{text}"))
    assert message in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("sunsets", ["ping = 2027-01-01", "ping = 2027-02-01"]),
        ("stages", ["ping = gone", "ping = gone"]),
        ("log_cadences", ["past = error every 1h", "past = info every 1h"]),
    ],
)
def test_two_that_are_about_the_same_are_an_error(tmp_path: Path, key: str, texts: list[str]) -> None:
    config = config_of(tmp_path, **{key: texts})
    with pytest.raises(ConfigError) as raised:
        build_gate(config, notebook=Notes(), now=Clock(), log=Lines())
    assert (raised.value.file, raised.value.key) == (str(tmp_path / "config.toml"), f"deprecation.{key}")
    assert texts[1] in raised.value.problem


def test_two_in_the_environment_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(environ={"MCP_RUNTIME_DEPRECATION_STAGES": "ping = gone,ping = gone"})
    with pytest.raises(ConfigError, match=r"^environment: deprecation\.stages"):
        read_deprecation(config)


def test_the_operators_links_and_path_are_taken(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[http]\npath = '/v2'\n[deprecation]\nsunset_url = 'https://a.example/p'")
    assert read_deprecation(config).links == Links(sunset_url="https://a.example/p", replacement_url="/v2")


def test_advice_is_that_of_the_policy(tmp_path: Path) -> None:
    config = config_of(tmp_path, window_months=11)
    assert advice(config) == read_deprecation(config).policy.advice()
    assert len(advice(config)) == 6


def test_who_has_set_no_date_gets_no_advice(tmp_path: Path) -> None:
    assert advice(Config()) == []
    assert advice(config_of(tmp_path, stage="gone")) == []


def test_every_phase_has_a_cadence() -> None:
    assert [phase.value for phase in CADENCES] == ["announced", "reminded", "urgent", "final", "past"]

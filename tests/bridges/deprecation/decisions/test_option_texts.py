"""The texts of [deprecation]: what they mean, and what is said of a wrong one."""

from collections.abc import Callable
from datetime import date
from logging import ERROR, WARNING

import pytest

from mcp_bridges.deprecation.decisions.enforcement import Stage
from mcp_bridges.deprecation.decisions.option_texts import (
    parse_brownout,
    parse_cadence,
    parse_day,
    parse_dry_run,
    parse_feature,
    parse_scoped_rule,
    parse_stage,
    parse_sunset,
)
from mcp_bridges.deprecation.decisions.policy import Cadence, Phase
from mcp_bridges.deprecation.decisions.schedule import Brownout
from tests.bridges.deprecation.parts import unix

SSE = "transport.http_sse"


def test_texts_mean_what_they_say() -> None:
    assert parse_day("2028-02-29") == date(2028, 2, 29)
    assert parse_feature(SSE) == SSE
    assert (parse_dry_run(SSE), parse_dry_run("*")) == (SSE, "*")
    assert parse_sunset(f"{SSE} = 2027-01-31") == (SSE, date(2027, 1, 31))
    assert parse_sunset("revision.2024-11-05=2027-01-31") == ("revision.2024-11-05", date(2027, 1, 31))
    assert parse_stage(f" {SSE} = refuse_new ") == (SSE, Stage.REFUSE_NEW)
    assert parse_cadence("urgent = warning every 90s") == (Phase.URGENT, Cadence(level=WARNING, interval_s=90))
    assert parse_cadence("past = error every 7d") == (Phase.PAST, Cadence(level=ERROR, interval_s=604_800))


@pytest.mark.parametrize(
    ("text", "feature", "rule"),
    [
        ("name=cursor", None, "name=cursor"),
        ("ping: name=cursor version=<1.5", "ping", "name=cursor version=<1.5"),
        ('name="ping: pong"', None, 'name="ping: pong"'),
        ("name=a: b=c", None, None),
    ],
)
def test_a_rule_may_be_for_one_feature(text: str, feature: str | None, rule: str | None) -> None:
    if rule is None:
        with pytest.raises(ValueError, match='clients have no "b"'):
            parse_scoped_rule(text)
    else:
        parsed = parse_scoped_rule(text)
        assert (parsed.feature, parsed.rule.text) == (feature, rule)


def test_a_brownout_needs_a_beginning_and_a_length() -> None:
    assert parse_brownout(f"{SSE} = 2027-05-04T14:00Z for=2h") == Brownout(
        feature=SSE, begins_s=int(unix("2027-05-04T14:00")), length_s=7_200
    )


def test_a_brownout_may_say_more_in_any_order() -> None:
    text = f"{SSE} = 2027-05-04T16:00+02:00 status=410 seed=7 fraction=0.25 until=2027-07-28 every=7d for=90s"
    assert parse_brownout(text) == Brownout(
        feature=SSE,
        begins_s=int(unix("2027-05-04T14:00")),
        length_s=90,
        every_s=604_800,
        until_s=int(unix("2027-07-28")),
        fraction=0.25,
        seed=7,
        status=410,
    )


@pytest.mark.parametrize("length", ["1s", "30m", "2h", "7d"])
def test_windows_may_follow_each_other_without_a_gap(length: str) -> None:
    brownout = parse_brownout(f"ping = 2027-05-04T14:00Z for={length} every={length}")
    assert brownout.every_s == brownout.length_s


WRONG: list[tuple[Callable[[str], object], str, str]] = [
    (parse_day, "2027-02-29", '"2027-02-29" is no day; write one such as 2027-07-28'),
    (parse_day, "20270728", "is no day"),
    (parse_day, "2027-W30-3", "is no day"),
    (parse_day, "0001-01-01", "is no day"),
    (parse_day, "9999-01-01", "is no day"),
    (parse_day, "soon", "is no day"),
    (parse_feature, "transport.htp_sse", 'there is no feature "transport.htp_sse"; did you mean "transport.http_sse"?'),
    (parse_feature, "xyz", 'there is no feature "xyz"; `mcp-runtime legacy features` lists them'),
    (parse_dry_run, "**", 'there is no feature "**"'),
    (parse_sunset, SSE, f'"{SSE}" is incomplete; write one such as "transport.http_sse = 2027-01-31"'),
    (parse_sunset, f"{SSE} =", "is incomplete"),
    (parse_sunset, "= 2027-01-31", "is incomplete"),
    (parse_sunset, "pong = 2027-01-31", 'there is no feature "pong"; did you mean "ping"?'),
    (parse_sunset, "ping = never", '"never" is no day'),
    (parse_stage, "ping = off", '"off" is no stage; write one of observe, signal, brownout, refuse_new, gone'),
    (parse_stage, "ping gone", "is incomplete"),
    (parse_scoped_rule, "pong: name=cursor", 'there is no feature "pong"'),
    (parse_scoped_rule, "ping: cursor", '"cursor" in'),
    (
        parse_cadence,
        "soon = info every 1d",
        '"soon" is no phase; write one of announced, reminded, urgent, final, past',
    ),
    (parse_cadence, "past = loud every 1d", '"loud every 1d" is no cadence; write LEVEL every DURATION'),
    (parse_cadence, "past = error hourly", "is no cadence"),
    (parse_cadence, "past = error every hour", '"hour" is no duration; write a number with s, m, h or d'),
    (parse_brownout, "ping", "is incomplete"),
    (parse_brownout, "ping = 2027-05-04T14:00Z", "does not say how long it lasts; add for=DURATION"),
    (parse_brownout, "ping = 2027-05-04T14:00 for=2h", '"2027-05-04T14:00" is no time with a zone; write one such as'),
    (parse_brownout, "ping = today for=2h", '"today" is no time with a zone'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=0h", '"0h" is no duration'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2w", '"2w" is no duration'),
    (
        parse_brownout,
        "ping = 2027-05-04T14:00Z for=2h every=1h",
        "begins before the one before it ends; write a longer",
    ),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h until=2027-05-04", "no window begins before its until="),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h until=then", '"then" is no day'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h fraction=0", '"0" is no fraction; write a share of the clients'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h fraction=1.1", '"1.1" is no fraction'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h fraction=50%", '"50%" is no fraction'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h seed=-1", '"-1" is no seed; write a whole number'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h status=404", '"404" is no status of a brownout'),
    (parse_brownout, "ping = 2027-05-04T14:00Z for=2h evry=1d", 'a brownout has no "evry=1d"; did you mean every=?'),
    (parse_brownout, "ping = 2027-05-04T14:00Z 2h", 'a brownout has no "2h"; write for=, every=, until='),
    (parse_brownout, "pong = 2027-05-04T14:00Z for=2h", 'there is no feature "pong"'),
]


@pytest.mark.parametrize(("parse", "text", "problem"), WRONG, ids=[text for _, text, _ in WRONG])
def test_a_wrong_text_says_what_is_wrong_and_what_would_be_right(
    parse: Callable[[str], object], text: str, problem: str
) -> None:
    with pytest.raises(ValueError, match="; ") as raised:
        parse(text)
    assert problem in str(raised.value)


@pytest.mark.parametrize("share", ["0.000000001", "1", "1.0", "0.5"])
def test_a_fraction_is_more_than_nothing_and_no_more_than_all(share: str) -> None:
    assert parse_brownout(f"ping = 2027-05-04T14:00Z for=2h fraction={share}").fraction == float(share)

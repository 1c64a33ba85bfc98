"""The window: its sunset, its phases day by day, and where it parts from the specification."""

from datetime import date, timedelta

import pytest

from mcp_bridges.deprecation.decisions.policy import Phase, Policy, months_after
from mcp_bridges.deprecation.decisions.registry import FEATURES

DEFAULT = Policy()
LEAP = Policy(announced=date(2027, 2, 28), window_months=12, sunsets={"ping": date(2028, 2, 29)})


def test_the_default_window_ends_a_year_after_the_revision() -> None:
    assert {DEFAULT.sunset(feature) for feature in FEATURES} == {date(2027, 7, 28)}


def test_a_feature_may_have_a_sunset_of_its_own() -> None:
    assert LEAP.sunset("ping") == date(2028, 2, 29)
    assert LEAP.sunset("protocol.handshake") == date(2028, 2, 28)


def test_a_feature_that_is_not_in_the_registry_has_no_sunset() -> None:
    with pytest.raises(KeyError):
        DEFAULT.sunset("transport.carrier_pigeon")


@pytest.mark.parametrize(
    ("today", "days", "phase"),
    [
        (date(2026, 1, 1), 573, Phase.ANNOUNCED),
        (date(2026, 7, 28), 365, Phase.ANNOUNCED),
        (date(2027, 1, 28), 181, Phase.ANNOUNCED),
        (date(2027, 1, 29), 180, Phase.REMINDED),
        (date(2027, 4, 28), 91, Phase.REMINDED),
        (date(2027, 4, 29), 90, Phase.URGENT),
        (date(2027, 6, 28), 30, Phase.URGENT),
        (date(2027, 6, 29), 29, Phase.FINAL),
        (date(2027, 7, 27), 1, Phase.FINAL),
        (date(2027, 7, 28), 0, Phase.PAST),
        (date(2027, 7, 29), -1, Phase.PAST),
        (date(2030, 1, 1), -888, Phase.PAST),
    ],
)
def test_phases_change_where_less_than_six_three_and_one_months_are_left(today: date, days: int, phase: Phase) -> None:
    assert (DEFAULT.days_left("ping", today), DEFAULT.phase("ping", today)) == (days, phase)


@pytest.mark.parametrize(
    ("today", "days", "phase"),
    [
        (date(2027, 8, 29), 184, Phase.ANNOUNCED),
        (date(2027, 8, 30), 183, Phase.REMINDED),
        (date(2027, 11, 29), 92, Phase.REMINDED),
        (date(2027, 11, 30), 91, Phase.URGENT),
        (date(2028, 1, 29), 31, Phase.URGENT),
        (date(2028, 1, 30), 30, Phase.FINAL),
        (date(2028, 2, 28), 1, Phase.FINAL),
        (date(2028, 2, 29), 0, Phase.PAST),
        (date(2028, 3, 1), -1, Phase.PAST),
    ],
)
def test_a_sunset_on_a_leap_day(today: date, days: int, phase: Phase) -> None:
    assert (LEAP.days_left("ping", today), LEAP.phase("ping", today)) == (days, phase)


@pytest.mark.parametrize(
    ("sunset", "last_urgent"),
    [
        (date(2028, 3, 31), date(2028, 2, 29)),
        (date(2028, 3, 29), date(2028, 2, 29)),
        (date(2028, 3, 28), date(2028, 2, 28)),
        (date(2027, 3, 31), date(2027, 2, 28)),
        (date(2028, 12, 31), date(2028, 11, 30)),
        (date(2028, 1, 15), date(2027, 12, 15)),
    ],
)
def test_a_month_before_a_day_that_february_lacks_is_its_last_day(sunset: date, last_urgent: date) -> None:
    policy = Policy(sunsets={"ping": sunset})
    assert policy.phase("ping", last_urgent) is Phase.URGENT
    assert policy.phase("ping", last_urgent + timedelta(days=1)) is Phase.FINAL


@pytest.mark.parametrize("announced", [date(2026, 7, 28), date(2027, 2, 28), date(2028, 2, 29), date(2027, 8, 31)])
def test_through_a_whole_window_phases_only_get_later_and_begin_where_they_say(announced: date) -> None:
    policy = Policy(announced=announced)
    days = [announced + timedelta(days=n) for n in range(400)]
    phases = [policy.phase("ping", day) for day in days]
    order = list(Phase)
    assert [order.index(phase) for phase in phases] == sorted(order.index(phase) for phase in phases)
    assert {phase: days[phases.index(phase)] for phase in order} == policy.begins("ping")
    left = [policy.days_left("ping", day) for day in days]
    assert left == list(range(left[0], left[0] - 400, -1))


def test_a_short_window_begins_in_a_late_phase() -> None:
    policy = Policy(announced=date(2027, 1, 1), window_months=2)
    assert policy.begins("ping") == {
        Phase.URGENT: date(2027, 1, 1),
        Phase.FINAL: date(2027, 2, 2),
        Phase.PAST: date(2027, 3, 1),
    }
    assert policy.phase("ping", date(2027, 1, 1)) is Phase.URGENT


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 7, 28), 12, date(2027, 7, 28)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2027, 12, 31), 1, date(2028, 1, 31)),
        (date(2027, 12, 31), 0, date(2027, 12, 31)),
        (date(2028, 1, 31), -1, date(2027, 12, 31)),
        (date(2028, 2, 29), -12, date(2027, 2, 28)),
        (date(2028, 1, 1), -25, date(2025, 12, 1)),
    ],
)
def test_months_are_those_of_the_calendar(day: date, months: int, then: date) -> None:
    assert months_after(day, months) == then


def test_the_default_policy_parts_from_the_specification_in_one_feature() -> None:
    assert DEFAULT.advice() == [
        "transport.http_sse ends here on 2027-07-28, but new revisions may come without it from 2026-09-03 on (SEP-2596)"
    ]


def test_a_sunset_on_the_day_of_the_earliest_removal_is_no_advice() -> None:
    assert Policy(sunsets={"transport.http_sse": date(2026, 9, 3)}).advice() == []


def test_a_sunset_before_the_floor_of_the_specification_is_pointed_out() -> None:
    early = Policy(sunsets={"transport.http_sse": date(2026, 9, 3), "feature.roots": date(2027, 7, 27)})
    assert early.advice() == [
        "feature.roots ends here on 2027-07-27, but every revision has it until 2027-07-28 at least (SEP-2577)"
    ]


def test_a_feature_that_is_gone_already_can_end_whenever_the_operator_likes() -> None:
    policy = Policy(sunsets={"transport.http_sse": date(2026, 9, 3), "ping": date(2026, 8, 1)})
    assert policy.advice() == []

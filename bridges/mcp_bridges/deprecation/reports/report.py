"""The report to an operator on the evidence. Rule: a report is values; how it looks is decided elsewhere.

Everybody who used something of the past, by feature; how long that is still served; what they could do, and you.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from mcp_bridges.deprecation.decisions.policy import Phase, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES, Feature
from mcp_bridges.deprecation.ledger.schema import MESSAGE
from mcp_bridges.deprecation.reports.evidence import Client, Evidence, Used
from mcp_bridges.deprecation.reports.prospects import Prospect, ProspectKind, prospects_of
from mcp_runtime.protocol.revisions import Era

NAMED_AT_MOST: Final = 5
"""The most clients that a sentence names; the tables name all."""
_LATE: Final = frozenset({Phase.URGENT, Phase.FINAL, Phase.PAST})


class ClientUse(msgspec.Struct, frozen=True, kw_only=True):
    """The use of one feature by one client."""

    client: Client
    used: Used
    prospect: Prospect


class FeatureReport(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a report on one feature: who used it, and its end."""

    feature: Feature
    users: tuple[ClientUse, ...]
    """The latest first."""
    sunset: date
    days_left: int
    phase: Phase

    @property
    def calls(self) -> int:
        """The calls of all users."""
        return sum(use.used.calls for use in self.users)

    @property
    def trend(self) -> list[int]:
        """The calls of all users in each part of the time; empty where there were none."""
        return [sum(part) for part in zip(*(use.used.trend for use in self.users), strict=True)]


class ClientReport(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a report on one client that used the past."""

    client: Client
    used: Used
    """Its messages."""
    features: tuple[str, ...]
    """The ids of the features in them."""
    prospect: Prospect


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report on what was seen from `since` to `until`, both included; `until` is the day of the report."""

    since: date
    until: date
    features: tuple[FeatureReport, ...]
    """In the order of the registry, also those that nobody used."""
    clients: tuple[ClientReport, ...]
    """The latest seen first."""
    by_era: Mapping[date, Mapping[Era, int]]
    watched_days: int
    covered: bool
    lost_calls: int

    @property
    def days(self) -> int:
        """The number of days it is about."""
        return (self.until - self.since).days + 1


def make_report(evidence: Evidence, policy: Policy, *, feature: str | None = None) -> Report:
    """The report on `evidence`, of one feature or of all. Raises KeyError for a feature that is not in the registry."""
    prospects = prospects_of(evidence)
    wanted = FEATURES.values() if feature is None else (FEATURES[feature],)
    features = tuple(_feature_report(one, evidence, policy, prospects) for one in wanted)
    return Report(
        since=evidence.since,
        until=evidence.until,
        features=features,
        clients=_client_reports(evidence, features, prospects, everybody=feature is None),
        by_era=evidence.by_era,
        watched_days=evidence.watched_days,
        covered=evidence.is_covered,
        lost_calls=evidence.lost_calls,
    )


def _feature_report(
    feature: Feature, evidence: Evidence, policy: Policy, prospects: Mapping[str, Prospect]
) -> FeatureReport:
    users = [
        ClientUse(client=evidence.clients[key], used=used, prospect=prospects[key])
        for key, used in evidence.users_of(feature.id).items()
    ]
    return FeatureReport(
        feature=feature,
        users=tuple(sorted(users, key=lambda use: (-use.used.last_s, use.client.key))),
        sunset=policy.sunset(feature.id),
        days_left=policy.days_left(feature.id, evidence.until),
        phase=policy.phase(feature.id, evidence.until),
    )


def _client_reports(
    evidence: Evidence, features: Iterable[FeatureReport], prospects: Mapping[str, Prospect], *, everybody: bool
) -> tuple[ClientReport, ...]:
    used_by: dict[str, list[str]] = {key: [] for key in evidence.users_of(MESSAGE)} if everybody else {}
    spent: dict[str, Used] = {}
    for one in features:
        for use in one.users:
            used_by.setdefault(use.client.key, []).append(one.feature.id)
            spent.setdefault(use.client.key, use.used)
    # A modern client that uses an old feature has no legacy messages: what it used of the feature stands for them.
    spent |= {key: used for key, used in evidence.users_of(MESSAGE).items() if key in used_by}
    reports = [
        ClientReport(
            client=evidence.clients[key], used=spent[key], features=tuple(features_used), prospect=prospects[key]
        )
        for key, features_used in used_by.items()
    ]
    return tuple(sorted(reports, key=lambda one: (-one.used.last_s, one.client.key)))


def next_steps(report: Report) -> list[str]:
    """The sentences on what to do about it, the most urgent first."""
    return [*_ends_soon(report), *_could_move(report), *_who_is_it(report), *_unused(report), *_gaps(report)]


def _ends_soon(report: Report) -> list[str]:
    late = [one for one in report.features if one.users and one.phase in _LATE]
    return [_end([one for one in late if one.sunset == sunset]) for sunset in sorted({one.sunset for one in late})]


def _end(together: Sequence[FeatureReport]) -> str:
    """A sentence on features that end on one day."""
    days_left = together[0].days_left
    when = (
        f"In {in_words(days_left, 'day')}"
        if days_left > 0
        else "Today"
        if days_left == 0
        else f"Since {together[0].sunset}"
    )
    verb = "is no longer" if days_left < 0 else "will no longer be"
    features = ", ".join(one.feature.id for one in together)
    keys = {use.client.key for one in together for use in one.users}
    who = f"{in_words(len(keys), 'client')} used that: {_names(use for one in together for use in one.users)}"
    return f"{when} this {verb} served: {features}. {who}."


def _with(report: Report, *kinds: ProspectKind) -> list[ClientReport]:
    return [one for one in report.clients if one.prospect.kind in kinds]


def _could_move(report: Report) -> list[str]:
    able = _with(report, "configuration", "modern_seen")
    return [f"{one.client.identity.label} could move today: {one.prospect.action}." for one in able[:NAMED_AT_MOST]] + (
        [f"So could {len(able) - NAMED_AT_MOST} more; the table says how."] if len(able) > NAMED_AT_MOST else []
    )


def _who_is_it(report: Report) -> list[str]:
    nameless = _with(report, "unknown")
    if not nameless:
        return []
    places = sorted({network.name for one in nameless for network in one.client.networks})
    where = f" They call from {', '.join(places[:NAMED_AT_MOST])}." if places else ""
    return [f"Find out what is behind {in_words(len(nameless), 'client')} without a name.{where}"]


def _unused(report: Report) -> list[str]:
    quiet = [one.feature.id for one in report.features if not one.users]
    if not quiet or not report.covered:
        return []
    return [f"Nobody has used these in {in_words(report.days, 'day')}, so they can be retired: {', '.join(quiet)}."]


def _gaps(report: Report) -> list[str]:
    missing = report.days - report.watched_days
    said = [f"The ledger knows nothing of {missing} of these {report.days} days."] if missing > 0 else []
    if report.lost_calls:
        said.append(f"The ledger had no room for {in_words(report.lost_calls, 'call')}: the numbers lack that.")
    return said


def in_words(count: int, what: str) -> str:
    """A number of things as a sentence has it: 1 client, 2,000 clients."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _names(users: Iterable[ClientUse]) -> str:
    names = list(dict.fromkeys(use.client.identity.label for use in users))
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more


def day_in_words(at_s: float) -> str:
    """The UTC day and minute of a time in Unix seconds, "2026-07-28 09:30"."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")

"""The formats of a report that are text: a table, JSON and CSV.

Rule: what a client says of itself is data in every format, and never a formula.

Identities hold printable characters only, so a terminal is safe; a spreadsheet is what takes a text for a formula.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mcp_bridges.deprecation.reports.report import ClientUse, FeatureReport, Report, day_in_words, in_words, next_steps

BARS: Final = "▁▂▃▄▅▆▇█"
_SEPARATORS: Final = ",;|\\t\\r\\n\uff0c\uff1b"
_PASSED_OVER: Final = "\\s\"'`\u00ad\u180e\u200b-\u200f\u2060-\u2064\u2800\u3164\ufeff\x00-\x1f"
_STARTS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c\u2212"
_FORMULA: Final = re.compile(f"(?:^|(?<=[{_SEPARATORS}]))(?=[{_PASSED_OVER}]*[{_STARTS}])|^(?=[\\t\\r\\n])")
"""The places where a spreadsheet could find a formula: where a cell begins, in the languages where `;` or a tab parts
cells too, whatever blanks and quotes it passes over; and with the signs that it takes for those of ASCII. Quotes do not
help: where a comma parts no cells, a cell in quotes is the middle of another one. Source: OWASP, "CSV Injection"."""

_COLUMNS: Final = (
    "feature",
    "client",
    "version",
    "principal",
    "user_agent",
    "transport",
    "networks",
    "calls",
    "refused",
    "would_refuse",
    "first_seen",
    "last_seen",
    "could_move",
    "action",
    "sunset",
    "days_left",
    "phase",
)


def sparkline(numbers: Sequence[int]) -> str:
    """A sparkline, one character a number: a blank for none, else a bar in proportion to the largest."""
    most = max(numbers, default=0)
    return "".join(" " if not number else BARS[-(-number * len(BARS) // most) - 1] for number in numbers)


def as_json(report: Report) -> str:
    """The report as JSON, with everything in it. Times are RFC 3339 in UTC, days "YYYY-MM-DD"."""
    found = {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "watched_days": report.watched_days,
        "lost_calls": report.lost_calls,
        "messages_by_day": [
            {"day": day.isoformat(), **{era.value: count for era, count in counts.items()}}
            for day, counts in sorted(report.by_era.items())
        ],
        "features": [_feature_json(one) for one in report.features],
        "next_steps": next_steps(report),
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _feature_json(report: FeatureReport) -> dict[str, object]:
    return {
        "feature": report.feature.id,
        "sunset": report.sunset.isoformat(),
        "days_left": report.days_left,
        "phase": report.phase.value,
        "calls": report.calls,
        "clients": [_client_json(use) for use in report.users],
    }


def _client_json(use: ClientUse) -> dict[str, object]:
    return {
        **use.client.identity._asdict(),
        "networks": [network.name for network in use.client.networks],
        "calls": use.used.calls,
        "refused": use.used.refused,
        "would_refuse": use.used.would_refuse,
        "first_seen": _rfc3339(use.used.first_s),
        "last_seen": _rfc3339(use.used.last_s),
        "trend": use.used.trend,
        "could_move": use.prospect.kind,
        "action": use.prospect.action,
    }


def as_csv(report: Report) -> str:
    """The report as CSV, a row for each client and feature; RFC 4180, safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in report.features:
        writer.writerows([_cell(value) for value in _csv_row(one, use)] for use in one.users)
    return out.getvalue().removesuffix("\r\n")


def _csv_row(one: FeatureReport, use: ClientUse) -> Iterable[object]:
    who = use.client.identity
    networks = " ".join(network.name for network in use.client.networks)
    yield from (one.feature.id, who.name, who.version, who.principal, who.user_agent, who.transport, networks)
    yield from (use.used.calls, use.used.refused, use.used.would_refuse)
    yield from (_rfc3339(use.used.first_s), _rfc3339(use.used.last_s))
    yield from (use.prospect.kind, use.prospect.action)
    yield from (one.sunset.isoformat(), one.days_left, one.phase.value)


def _cell(value: object) -> object:
    return _FORMULA.sub("'", value) if isinstance(value, str) else value


def _rfc3339(at_s: float) -> str:
    return day_in_words(at_s).replace(" ", "T") + "Z"


def as_table(report: Report) -> str:
    """The report for a terminal: a block for each feature that was used, then what to do next."""
    watched = "" if report.watched_days >= report.days else f", {report.watched_days} of them watched"
    blocks = [f"From {report.since} to {report.until} ({in_words(report.days, 'day')}{watched})"]
    blocks += [_block(one) for one in report.features if one.users]
    if len(blocks) == 1:
        blocks.append("Nobody used anything of the past.")
    steps = next_steps(report)
    if steps:
        blocks.append("\n".join(["What to do next", *(f"  - {step}" for step in steps)]))
    return "\n\n".join(blocks)


_HEADINGS: Final = ("CLIENT", "PRINCIPAL", "TRANSPORT", "CALLS", "REFUSED", "FIRST SEEN", "LAST SEEN", "MOVE", "TREND")


def _block(one: FeatureReport) -> str:
    left = f"{in_words(one.days_left, 'day')} left" if one.days_left > 0 else f"past since {one.sunset}"
    who, calls = in_words(len(one.users), "client"), in_words(one.calls, "call")
    title = f"{one.feature.id}: {who}, {calls}, {left} ({one.phase.value})"
    return "\n".join([title, *aligned([_HEADINGS, *(_table_row(use) for use in one.users)])])


def _table_row(use: ClientUse) -> Sequence[str]:
    who, used = use.client.identity, use.used
    return (
        who.label,
        who.principal,
        who.transport,
        f"{used.calls:,}",
        f"{used.refused:,}" if used.refused else "",
        day_in_words(used.first_s),
        day_in_words(used.last_s),
        use.prospect.kind,
        sparkline(used.trend),
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, indented, columns under each other; a column with nothing below its heading is left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(len(cell) for cell in column) for column in columns]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]

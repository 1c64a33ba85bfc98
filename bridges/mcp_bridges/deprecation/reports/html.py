"""A report as one HTML document. Rule: it needs no script and nothing from elsewhere, and every text in it is escaped.

Light and dark follow the reader's system. Whoever cannot see the chart has its numbers in a table.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

from mcp_bridges.deprecation.reports.chart import Bar, bars, chart
from mcp_bridges.deprecation.reports.formats import sparkline
from mcp_bridges.deprecation.reports.prospects import MEANINGS
from mcp_bridges.deprecation.reports.report import (
    ClientReport,
    FeatureReport,
    Report,
    day_in_words,
    in_words,
    next_steps,
)

STYLE: Final = """
:root { color-scheme: light dark; --surface: #ffffff; --raised: #f4f5f7; --ink: #1a1d21; --muted: #50575f;
  --line: #d0d5da; --accent: #0b57a4; --modern: #1f6feb; --legacy: #b45309; --late: #b42318; }
@media (prefers-color-scheme: dark) { :root { --surface: #14171a; --raised: #1e2226; --ink: #eceff2; --muted: #b0b8c0;
  --line: #3a4148; --accent: #8ec5ff; --modern: #58a6ff; --legacy: #f2a65a; --late: #ff9b8f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--surface); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main, header { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; }
p { margin: .4rem 0; }
.muted { color: var(--muted); }
a { color: var(--accent); }
ul.steps { padding-left: 1.2rem; } ul.steps li { margin: .3rem 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; min-width: 62rem; font-size: .9rem; }
details table { min-width: 0; }
caption { text-align: left; padding: .6rem .75rem; color: var(--muted); }
th, td { text-align: left; vertical-align: top; padding: .45rem .75rem; border-top: 1px solid var(--line); }
tbody th, td { overflow-wrap: anywhere; } tbody th { min-width: 12rem; } td.move { min-width: 17rem; }
thead th { background: var(--raised); white-space: nowrap; }
tbody th { font-weight: 600; } tbody th .muted { font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.day, .id { white-space: nowrap; }
.late { color: var(--late); font-weight: 600; }
.spark { font-family: monospace; white-space: pre; color: var(--legacy); }
.chart { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.chart text { fill: var(--muted); }
.chart .grid { stroke: var(--line); }
.chart .modern { fill: var(--modern); }
.chart .legacy { fill: url(#hatch); stroke: var(--legacy); }
.key { display: inline-block; width: .9rem; height: .9rem; margin: 0 .35rem 0 0; vertical-align: -.1rem; }
.key.modern { background: var(--modern); }
.key.legacy { border: 1px solid var(--legacy);
  background: repeating-linear-gradient(45deg, var(--legacy) 0 4px, var(--surface) 4px 6px); }
.legend span.item { margin-right: 1.5rem; }
details { margin: .75rem 0; } summary { cursor: pointer; color: var(--accent); }
footer { max-width: 76rem; margin: 2.5rem auto; padding: 0 1.25rem; color: var(--muted); font-size: .85rem; }
"""
"""Contrast is at least 4.5 for text and 3 for the chart, in light and in dark."""


def as_html(report: Report) -> str:
    """The report as a whole document."""
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Old MCP clients, {report.until}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            *_header(report),
            "<main>",
            *_steps(report),
            *_traffic(report),
            *_clients(report),
            *_countdown(report),
            "</main>",
            f"<footer><p>{_coverage(report)}</p></footer>\n</body>\n</html>",
        ]
    )


def _header(report: Report) -> list[str]:
    clients = len(report.clients)
    said = "Nobody has" if not clients else "1 client has" if clients == 1 else f"{clients:,} clients have"
    return [
        "<header>\n<h1>Who still speaks the old protocol</h1>",
        f'<p class="muted">{said} used something of the past from {report.since} to {report.until}.</p>\n</header>',
    ]


def _coverage(report: Report) -> str:
    lost = f" It had no room for {in_words(report.lost_calls, 'call')}." if report.lost_calls else ""
    return f"The ledger was watching on {report.watched_days} of these {report.days} days.{lost} All times are UTC."


def _steps(report: Report) -> list[str]:
    steps = next_steps(report) or ["Nothing: wait for more evidence."]
    items = "\n".join(f"<li>{escape(step)}</li>" for step in steps)
    return [
        f'<section aria-labelledby="next">\n<h2 id="next">What to do next</h2>\n<ul class="steps">\n{items}\n</ul>',
        _END,
    ]


_END: Final = "</section>"


def _traffic(report: Report) -> list[str]:
    shown = bars(report.by_era, report.since, report.until)
    return [
        '<section aria-labelledby="traffic">\n<h2 id="traffic">Traffic by era and day</h2>',
        '<p class="legend"><span class="item"><span class="key legacy"></span>older revisions</span>',
        '<span class="item"><span class="key modern"></span>2026-07-28</span></p>',
        chart(shown),
        "<details><summary>The numbers of the chart</summary>",
        *_table("numbers", "Messages in each part of the chart.", ("Day", "Older", "2026-07-28"), map(_bar_row, shown)),
        "</details>",
        _END,
    ]


def _bar_row(bar: Bar) -> list[str]:
    return [_name(bar.when), _number(bar.legacy), _number(bar.modern)]


def _countdown(report: Report) -> list[str]:
    headings = ("Feature", "Ends here", "Days left", "Clients", "Calls", "Trend", "Instead")
    rows = (_feature_row(one) for one in sorted(report.features, key=lambda one: (one.sunset, -len(one.users))))
    said = "Everything on its way out, the first to end at the top, and how much it was used."
    return [
        '<section aria-labelledby="countdown">\n<h2 id="countdown">Countdown</h2>',
        *_table("features", said, headings, rows),
        _END,
    ]


def _feature_row(one: FeatureReport) -> list[str]:
    title = f'<a class="id" href="{escape(one.feature.spec_url)}">{escape(one.feature.id)}</a>'
    title += f'<br><span class="muted">{escape(one.feature.title)}</span>'
    late = ' class="number late"' if one.users and one.days_left <= 0 else ' class="number"'
    return [
        f'<th scope="row">{title}</th>',
        f'<td class="day">{one.sunset}</td>',
        f"<td{late}>{one.days_left:,}<br>{one.phase.value}</td>",
        _number(len(one.users)),
        _number(one.calls),
        _spark(one.trend),
        _cell(one.feature.replacement),
    ]


def _clients(report: Report) -> list[str]:
    headings = (
        "Client",
        "Principal",
        "Transport",
        "Networks",
        "Uses",
        "Messages",
        "Refused",
        "Last seen",
        "Could it move?",
    )
    return [
        '<section aria-labelledby="clients">\n<h2 id="clients">Clients by last seen</h2>',
        *_table("who", "Every client that used something of the past.", headings, map(_client_row, report.clients)),
        _END,
    ]


def _client_row(one: ClientReport) -> list[str]:
    who = one.client.identity
    networks = ", ".join(network.name for network in one.client.networks)
    agent = f'<br><span class="muted">{escape(who.user_agent)}</span>' if who.user_agent else ""
    kind, action = one.prospect.kind, one.prospect.action
    return [
        f'<th scope="row">{escape(who.label)}{agent}</th>',
        _cell(who.principal),
        _ids(who.transport),
        _cell(networks),
        _ids(*one.features),
        _number(one.used.calls),
        _number(one.used.refused),
        f'<td class="day">{day_in_words(one.used.last_s)}</td>',
        f'<td class="move">{escape(MEANINGS[kind])}<br><span class="muted">{escape(action)}</span></td>',
    ]


_ALIGNED: Final = ' class="number"'
_NUMBERS: Final = frozenset({"Older", "2026-07-28", "Days left", "Clients", "Calls", "Messages", "Refused"})


def _table(id_: str, caption: str, headings: Iterable[str], rows: Iterable[list[str]]) -> list[str]:
    head = "".join(f'<th scope="col"{_ALIGNED if heading in _NUMBERS else ""}>{heading}</th>' for heading in headings)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return [
        # Whoever has no mouse must be able to scroll it.
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{id_}">',
        f'<table><caption id="{id_}">{caption}</caption>',
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>",
    ]


def _name(text: str) -> str:
    return f'<th scope="row" class="day">{escape(text)}</th>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _ids(*ids: str) -> str:
    """A cell of ids, a line each: they are ours, so they are not broken, and need no escaping."""
    return f'<td class="id">{"<br>".join(ids)}</td>'


def _number(number: int) -> str:
    return f'<td class="number">{number:,}</td>'


def _spark(trend: list[int]) -> str:
    # The calls stand beside it; bars of block characters would be read out one by one.
    return f'<td><span class="spark" aria-hidden="true">{sparkline(trend)}</span></td>'

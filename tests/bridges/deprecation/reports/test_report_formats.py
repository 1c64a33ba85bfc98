"""Text, JSON, CSV and HTML: the same facts, and no client can make them something else."""

import csv
import io
import json
import unicodedata
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mcp_bridges.deprecation.reports.chart import bars, chart, short
from mcp_bridges.deprecation.reports.formats import aligned, as_csv, as_json, as_table, sparkline
from mcp_bridges.deprecation.reports.html import as_html
from mcp_runtime.protocol.revisions import Era
from tests.bridges.deprecation.ledgers import client, seconds
from tests.bridges.deprecation.reports.test_report import DAY, Story

HOSTILE = (
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    '"><script>alert(1)</script>',
    "</table></svg><img src=x onerror=alert(1)>",
    "a,b\"c'd;e",
)


@pytest.fixture
async def story(tmp_path: Path) -> Story:
    told = Story(tmp_path)
    await told.watched(30)
    for name in HOSTILE:
        told.called(client(name, version=name, user_agent=name, principal=name), "ping", times=3)
    return told


async def test_a_spreadsheet_sees_texts(story: Story) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(await story.report()))))
    assert len(rows) == 2 * len(HOSTILE)  # ping, and the revision
    for row in rows:
        for column in ("client", "version", "principal", "user_agent", "action"):
            assert not row[column].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert {row["client"].removeprefix("'") for row in rows} == set(HOSTILE)
    assert (
        rows[0]
        | {
            "feature": "ping",
            "calls": "3",
            "refused": "0",
            "networks": "192.0.2.7",
            "last_seen": "2027-07-01T12:00Z",
            "days_left": "27",
            "phase": "final",
            "sunset": "2027-07-28",
        }
        == rows[0]
    )


FORMULAS = (
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "\ufe661",
    "\u207a1",
    "\u22121",
    "  =1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    '""=1',
    "\t=1",
    "\r=1",
    "\n=1",
    "x;=1",
    'x;y; "=1"',
    "x\t@SUM(A1)",
    "x\r\n=1",
    "x|+1",
    "x\uff1b\uff1d1",
    "Bot/1 (compatible; +http://bot.example)",
)
TEXTS = ("my-client", "a=b", "me@example.org", "C++", "1 + 1", "x; y", "a, b")


async def test_a_spreadsheet_finds_no_formula_whatever_parts_its_cells(tmp_path: Path) -> None:
    story = Story(tmp_path)
    await story.watched(30)
    for number, formula in enumerate(FORMULAS):
        story.called(client(formula, version=str(number), user_agent=formula, principal=formula), "ping", times=3)
    text = as_csv(await story.report(feature="ping"))
    assert len(list(csv.reader(io.StringIO(text)))) == 1 + len(FORMULAS)
    for separator in ",;\t|\uff1b":
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        for cell in (cell for row in rows for part in row for cell in (part, *part.splitlines())):
            begins = cell.lstrip(' "\t\r\n\u00a0\u200b\ufeff')[:1]
            assert unicodedata.normalize("NFKC", begins) not in {"=", "+", "-", "@", "\u2212"}, (separator, cell)


async def test_a_text_that_is_no_formula_stays_as_it_is(tmp_path: Path) -> None:
    story = Story(tmp_path)
    await story.watched(30)
    for text in TEXTS:
        story.called(client("c", version="1", user_agent=text, principal=text), "ping", times=3)
    rows = list(csv.DictReader(io.StringIO(as_csv(await story.report()))))
    assert {row["user_agent"] for row in rows} == set(TEXTS)


async def test_a_number_below_zero_stays_a_number(story: Story) -> None:
    (row, *_) = csv.DictReader(io.StringIO(as_csv(await story.report(until=DAY + timedelta(28)))))
    assert row["days_left"] == "-1"


async def test_json_has_every_fact_as_it_is(story: Story) -> None:
    found = json.loads(as_json(await story.report(feature="ping")))
    ((feature),) = found["features"]
    assert {one["name"] for one in feature["clients"]} == set(HOSTILE)
    one = feature["clients"][0]
    assert (one["calls"], one["networks"], one["could_move"], len(one["trend"])) == (
        3,
        ["192.0.2.7"],
        "never_tried",
        30,
    )
    assert (feature["feature"], feature["days_left"], feature["calls"]) == ("ping", 27, 21)
    assert found["messages_by_day"] == [{"day": "2027-07-01", "modern": 0, "legacy": 21}]
    assert found["watched_days"] == 30


async def test_the_table_names_everybody_and_says_what_to_do(story: Story) -> None:
    text = as_table(await story.report(feature="ping"))
    assert "ping: 7 clients, 21 calls, 27 days left (final)" in text
    assert all(name in text for name in HOSTILE)
    assert "REFUSED" not in text  # Nobody was, so there is no such column.
    assert "What to do next" in text


async def test_the_table_of_an_empty_ledger(tmp_path: Path) -> None:
    story = Story(tmp_path)
    await story.watched(30)
    text = as_table(await story.report(feature="ping"))
    assert "Nobody used anything of the past." in text
    assert as_table(await story.report(feature="ping", until=DAY + timedelta(400))).startswith(
        "From 2028-07-06 to 2028-08-04 (30 days, 1 of them watched)"
    )


async def test_the_table_of_what_is_past(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.called(client(), "ping")
    story.ledger.note_modern(client(), "2026-07-28", at=seconds(DAY))
    text = as_table(await story.report(feature="ping", until=DAY + timedelta(28)))
    assert "past since 2027-07-28 (past)" in text


async def test_a_report_with_nothing_to_do_has_no_such_block(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.called(client(), "ping")
    await story.watched(30)
    from mcp_bridges.deprecation.decisions.policy import Policy

    report = await story.report(Policy(window_months=60), feature="ping")
    assert "What to do next" not in as_table(report)
    assert "wait for more evidence" in as_html(report)


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [([], ""), ([0, 0], "  "), ([1, 8], "▁█"), ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"), ([0, 1, 1000], " ▁█")],
)
def test_a_sparkline_is_in_proportion_and_one_call_shows(numbers: list[int], shown: str) -> None:
    assert sparkline(numbers) == shown


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    assert aligned([("A", "B", "C"), ("1", "", "333"), ("22", "", "")]) == ["  A   C", "  1   333", "  22"]


class Page(HTMLParser):
    """What a browser would make of a document, as far as it matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "line", "rect", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def test_the_document_is_well_formed_and_nothing_in_it_came_from_a_client(story: Story) -> None:
    page = Page(as_html(await story.report()))
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "object", "link", "form"}
    assert not [attrs for _, attrs in page.tags for name in attrs if name.startswith("on")]
    text = "".join(page.texts)
    assert all(name in text for name in HOSTILE)


async def test_the_document_loads_nothing_and_links_to_the_specification_only(story: Story) -> None:
    page = Page(as_html(await story.report()))
    assert not [attrs for _, attrs in page.tags if "src" in attrs]
    links = [attrs["href"] or "" for tag, attrs in page.tags if tag == "a"]
    assert links
    assert all(link.startswith("https://modelcontextprotocol.io/specification/") for link in links)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (999, "999"), (1200, "1.2k"), (5_000_000, "5M"), (2 * 10**9, "2G")]
)
def test_large_numbers_are_short(number: int, said: str) -> None:
    assert short(number) == said


@pytest.mark.parametrize(("days", "count", "last_days"), [(1, 1, 1), (62, 62, 1), (63, 32, 1), (365, 61, 5)])
def test_the_chart_covers_every_day_once(days: int, count: int, last_days: int) -> None:
    since = DAY - timedelta(days - 1)
    by_era = {since + timedelta(n): {Era.LEGACY: 2, Era.MODERN: 1} for n in range(days)}
    shown = bars(by_era, since, DAY)
    assert len(shown) == count
    assert (shown[0].first, shown[-1].last) == (since, DAY)
    assert sum(bar.legacy for bar in shown) == 2 * days
    assert shown[-1].modern == last_days


def test_the_chart_says_in_words_what_it_shows() -> None:
    svg = chart(bars({DAY: {Era.LEGACY: 1234, Era.MODERN: 5}}, DAY, DAY))
    assert "<title" in svg
    assert "1,234 messages of older revisions, 5 of 2026-07-28" in svg
    assert "2027-07-01: 1,234 older, 5 of 2026-07-28" in svg


def heights(svg: str) -> list[float]:
    import re

    return [float(found) for found in re.findall(r'<rect class="[a-z]+" .*?height="([0-9.]+)"', svg)]


def test_an_empty_chart_has_bars_of_no_height() -> None:
    assert heights(chart(bars({}, DAY, DAY))) == [0.0, 0.0]


def test_bars_stand_in_proportion() -> None:
    counts: dict[Any, Any] = {DAY: {Era.LEGACY: 30, Era.MODERN: 10}}
    modern, legacy = heights(chart(bars(counts, DAY, DAY)))
    assert legacy == pytest.approx(3 * modern, rel=0.01)

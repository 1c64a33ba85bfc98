"""The chart of traffic by era and day, as SVG in a page. Rule: it can be read without seeing it, and without colour.

Its colours are the page's (`--legacy`, `--modern`); the legacy part is hatched too. Its numbers stand in a table, too.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from mcp_runtime.protocol.revisions import Era

_MAX_BARS: Final = 62
"""Bars for two months, a day each; a longer time has several days in one bar."""
_WIDTH: Final = 1100
_HEIGHT: Final = 260
_LEFT: Final = 64
_BOTTOM: Final = 28
_TOP: Final = 12
_PLOT_HEIGHT: Final = _HEIGHT - _TOP - _BOTTOM


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar: the messages from `first` to `last`, both included."""

    first: date
    last: date
    legacy: int
    modern: int

    @property
    def when(self) -> str:
        """The day or days, in words."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def bars(by_era: Mapping[date, Mapping[Era, int]], since: date, until: date) -> list[Bar]:
    """The bars from `since` to `until`, at most `_MAX_BARS` of equal length; the last one may be shorter."""
    days = (until - since).days + 1
    days_a_bar = -(-days // _MAX_BARS)
    return [_bar(by_era, since + timedelta(start), days_a_bar, until) for start in range(0, days, days_a_bar)]


def _bar(by_era: Mapping[date, Mapping[Era, int]], first: date, days: int, until: date) -> Bar:
    last = min(first + timedelta(days - 1), until)
    counts = [by_era.get(first + timedelta(n), {}) for n in range((last - first).days + 1)]
    return Bar(
        first=first,
        last=last,
        legacy=sum(count.get(Era.LEGACY, 0) for count in counts),
        modern=sum(count.get(Era.MODERN, 0) for count in counts),
    )


def chart(shown: Sequence[Bar]) -> str:
    """The bars as one `<svg>`."""
    most = _round_up(max((bar.legacy + bar.modern for bar in shown), default=0))
    legacy, modern = sum(bar.legacy for bar in shown), sum(bar.modern for bar in shown)
    said = (
        f"From {shown[0].first} to {shown[-1].last}: {legacy:,} messages of older revisions, {modern:,} of 2026-07-28. "
        "The table below has every number."
    )
    return "\n".join(
        [
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="chart-title chart-desc">',
            '<title id="chart-title">Messages by era and day</title>',
            f'<desc id="chart-desc">{said}</desc>',
            _HATCH,
            *_grid(most),
            *(part for index, bar in enumerate(shown) for part in _bar_svg(index, bar, len(shown), most)),
            *_days(shown),
            "</svg>",
        ]
    )


_HATCH: Final = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="var(--legacy)"/><rect width="2" height="6" fill="var(--surface)"/>'
    "</pattern></defs>"
)


def _round_up(most: int) -> int:
    """The next number of one or two significant digits, so that half of it can be read too."""
    step = max(int(f"1{'0' * (len(str(most)) - 1)}"), 2)
    return max(-(-most // step) * step, 2)


def _grid(most: int) -> list[str]:
    lines: list[str] = []
    for value in (0, most // 2, most):
        y = _TOP + _PLOT_HEIGHT * (1 - value / most)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    return lines


def short(number: int) -> str:
    """A number in few characters: 1200 as "1.2k"."""
    for size, mark in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{mark}"
    return str(number)


def _bar_svg(index: int, bar: Bar, count: int, most: int) -> list[str]:
    step = (_WIDTH - _LEFT) / count
    x, width = _LEFT + index * step, max(step * 0.8, 1)
    legacy, modern = (_PLOT_HEIGHT * value / most for value in (bar.legacy, bar.modern))
    top = _TOP + _PLOT_HEIGHT - modern
    place = f'x="{x:.1f}" width="{width:.1f}"'
    said = f"{bar.when}: {bar.legacy:,} older, {bar.modern:,} of 2026-07-28"
    return [
        f"<g><title>{said}</title>",
        f'<rect class="modern" {place} y="{top:.1f}" height="{modern:.1f}"/>',
        f'<rect class="legacy" {place} y="{top - legacy:.1f}" height="{legacy:.1f}"/>',
        "</g>",
    ]


def _days(shown: Sequence[Bar]) -> list[str]:
    y = _HEIGHT - 8
    return [
        f'<text x="{_LEFT}" y="{y}">{shown[0].first}</text>',
        f'<text x="{_WIDTH}" y="{y}" text-anchor="end">{shown[-1].last}</text>',
    ]

"""Results as pictures. Rule: SVG by hand, no library; readable on light and on dark, and without colour.

Bars for one number a peer, lines for what grows along an axis. Both have a logarithmic scale where values are far apart.
"""

import math
from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape

from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.tables import label, number

_WIDTH: Final = 760
_LEFT: Final = 250
_RIGHT: Final = 130
_TOP: Final = 46
_ROW: Final = 30
_BAR: Final = 16
_PLOT: Final = 300
_FAR_APART: Final = 20.0
"""From this ratio on of the largest to the smallest, a linear bar would be a hairline."""

_STYLE: Final = """\
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .small { font-size: 12px; fill: #59636e; }
  .axis { stroke: #d1d9e0; stroke-width: 1; }
  .whisker { stroke: #59636e; stroke-width: 1.5; fill: none; }
  .ours { fill: #0969da; stroke: #0969da; }
  .other { fill: #afb8c1; stroke: #afb8c1; }
  .c0 { stroke: #0969da; } .c1 { stroke: #1a7f37; } .c2 { stroke: #bc4c00; } .c3 { stroke: #8250df; }
  .line { fill: none; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .axis { stroke: #3d444d; }
    .whisker { stroke: #9198a1; }
    .ours { fill: #4493f8; stroke: #4493f8; }
    .other { fill: #656c76; stroke: #656c76; }
    .c0 { stroke: #4493f8; } .c1 { stroke: #3fb950; } .c2 { stroke: #db6d28; } .c3 { stroke: #ab7df8; }
  }
</style>"""
_DASHES: Final = ("none", "7 3", "2 3", "9 3 2 3")
_OURS: Final = frozenset({"ours", "ours_uvicorn", "ours_granian", "dispatcher", "bare_ours"})


def svg(measurement: Measurement) -> str:
    """The picture of `measurement`."""
    return _bars(measurement) if measurement.axis is None else _lines(measurement)


def _document(measurement: Measurement, height: int, content: list[str]) -> str:
    better = f"{measurement.better} is better"
    if _are_far_apart(_values(measurement)):
        better += ", logarithmic"
    title = escape(measurement.title)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">',
            f"<title>{title}</title>",
            _STYLE,
            f'<text class="title" x="8" y="22">{title}</text>',
            f'<text class="small" x="{_WIDTH - 8}" y="22" text-anchor="end">{escape(measurement.unit)}, {better}</text>',
            *content,
            "</svg>\n",
        ]
    )


def _values(measurement: Measurement) -> list[float]:
    return [value for one in measurement.series for value in (one.low, one.high)]


def _are_far_apart(values: list[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) / min(values) >= _FAR_APART


def _bars(measurement: Measurement) -> str:
    series = measurement.series
    place = _scale(_values(measurement), _LEFT, _WIDTH - _RIGHT)
    content: list[str] = []
    for index, one in enumerate(series):
        content += _bar(measurement, one, _TOP + index * _ROW, place)
    height = _TOP + len(series) * _ROW + 12
    content.append(f'<line class="axis" x1="{_LEFT}" y1="{_TOP - 6}" x2="{_LEFT}" y2="{height - 12}"/>')
    return _document(measurement, height, content)


def _bar(measurement: Measurement, one: Series, y: int, place: Callable[[float], float]) -> list[str]:
    kind = "ours" if one.peer in _OURS else "other"
    middle, end = y + _BAR / 2, place(one.median)
    low, high = place(one.low), place(one.high)
    ratio = measurement.times_as_good(one)
    told = "" if ratio is None or one.peer == measurement.against else f" ({ratio:.2g}x)"
    return [
        f'<text x="{_LEFT - 8}" y="{middle + 5}" text-anchor="end">{escape(label(one.peer))}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{max(1.0, end - _LEFT):.1f}" height="{_BAR}"/>',
        f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {y + 4}v8M{high:.1f} {y + 4}v8"/>',
        f'<text x="{max(end, high) + 8:.1f}" y="{middle + 5}">{number(one.median)}{told}</text>',
    ]


def _lines(measurement: Measurement) -> str:
    peers = list(dict.fromkeys(one.peer for one in measurement.series))
    xs = sorted({one.x or 0.0 for one in measurement.series})
    across = _scale(xs, 70, _WIDTH - _LEFT) if xs else None
    values = _values(measurement)
    if across is None:
        return _document(measurement, _TOP, [])
    up = _scale(values, _TOP + _PLOT, _TOP + 10)
    bottom = _TOP + _PLOT
    content = [f'<path class="axis" fill="none" d="M70 {_TOP}V{bottom}H{_WIDTH - _LEFT + 10}"/>']
    content += [
        f'<text class="small" x="{across(x):.1f}" y="{bottom + 18}" text-anchor="middle">{number(x)}</text>' for x in xs
    ]
    content += [
        f'<text class="small" x="62" y="{up(value) + 4:.1f}" text-anchor="end">{number(value)}</text>'
        for value in (min(values), max(values))
    ]
    content.append(f'<text class="small" x="70" y="{bottom + 38}">{escape(measurement.axis or "")}</text>')
    ends = _spread([up(_last(measurement, peer).median) for peer in peers])
    for index, peer in enumerate(peers):
        content += _line(measurement, peer, index, across, up, ends[index])
    return _document(measurement, bottom + 50, content)


def _line(
    measurement: Measurement,
    peer: str,
    index: int,
    across: Callable[[float], float],
    up: Callable[[float], float],
    label_y: float,
) -> list[str]:
    own = sorted((one for one in measurement.series if one.peer == peer), key=lambda one: one.x or 0.0)
    points = " ".join(f"{across(one.x or 0.0):.1f},{up(one.median):.1f}" for one in own)
    style = f'class="line c{index % 4}" stroke-dasharray="{_DASHES[index % 4]}"'
    whiskers = "".join(f"M{across(one.x or 0.0):.1f} {up(one.low):.1f}V{up(one.high):.1f}" for one in own)
    start = across(own[-1].x or 0.0) + 10
    return [
        f'<path class="whisker" d="{whiskers}"/>',
        f'<polyline {style} points="{points}"/>',
        f'<path {style} d="M{start:.1f} {label_y:.1f}h18"/>',
        f'<text x="{start + 24:.1f}" y="{label_y + 4:.1f}">{escape(label(peer))}</text>',
    ]


def _last(measurement: Measurement, peer: str) -> Series:
    return max((one for one in measurement.series if one.peer == peer), key=lambda one: one.x or 0.0)


def _spread(ys: list[float]) -> list[float]:
    """`ys`, moved down where labels would lie on each other."""
    placed = dict.fromkeys(range(len(ys)), 0.0)
    lowest = -math.inf
    for index in sorted(range(len(ys)), key=lambda one: ys[one]):
        lowest = placed[index] = max(ys[index], lowest + 18)
    return list(placed.values())


def _scale(values: list[float], start: float, end: float) -> Callable[[float], float]:
    """Where a value lies between the coordinates `start` and `end`: from zero, or by its logarithm."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if _are_far_apart(values):
        first = math.log10(low / 1.5)
        span = math.log10(high) - first
        return lambda value: start + (end - start) * (math.log10(max(value, low / 1.5)) - first) / span
    return lambda value: start + (end - start) * value / (high or 1.0)

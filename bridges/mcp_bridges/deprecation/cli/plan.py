"""The subcommand `legacy plan`: the timeline. Rule: every day on which something changes by itself, in order."""

import argparse
import json
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Final

import msgspec

from mcp_bridges.deprecation.cli.output import write
from mcp_bridges.deprecation.decisions.enforcement import Enforcement, Stage
from mcp_bridges.deprecation.decisions.options import Deprecation, read_deprecation
from mcp_bridges.deprecation.decisions.policy import Phase
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.decisions.schedule import Brownout
from mcp_runtime.config import Config

_WIDTH: Final = 100
_MAX_WINDOWS: Final = 10
"""The windows that are listed of one line of the schedule: a person reads no more, and a schedule may have no end."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the timeline."""

    at: datetime
    what: str
    features: tuple[str, ...]
    detail: str = ""


def run(args: argparse.Namespace, config: Config) -> int:
    """Print the timeline; `args` has `json` and `today`. Returns the exit code. Raises ConfigError."""
    decided = read_deprecation(config)
    now = datetime.combine(args.today, time(), UTC)
    entries = sorted([*_phases(decided), *_brownouts(decided.enforcement, now)], key=lambda one: (one.at, one.features))
    write(_as_json(entries) if args.json else _as_text(entries, now, decided))
    return 0


def _phases(decided: Deprecation) -> Iterator[_Entry]:
    """The entries of phases; features whose phases begin on the same days share them."""
    groups: dict[tuple[tuple[Phase, datetime], ...], list[str]] = {}
    for feature in FEATURES:
        begins = decided.policy.begins(feature)
        days = tuple((phase, datetime.combine(day, time(), UTC)) for phase, day in begins.items())
        groups.setdefault(days, []).append(feature)
    for days, features in groups.items():
        for phase, at in days:
            yield _Entry(at=at, what=phase.value, features=tuple(features))


def _brownouts(enforcement: Enforcement, now: datetime) -> Iterator[_Entry]:
    for one in enforcement.brownouts:
        stage = enforcement.stage_of(one.feature)
        dry = "dry run" if enforcement.is_dry(one.feature) else ""
        sleeps = "" if stage in {Stage.BROWNOUT, Stage.REFUSE_NEW} else f"not at stage {stage.name.lower()}"
        share = f"{one.fraction:.0%} of clients" if one.fraction < 1 else "all clients"
        for begins_s, detail in _windows(one, now.timestamp()):
            text = ", ".join(part for part in (detail, share, str(one.status), dry, sleeps) if part)
            yield _Entry(
                at=datetime.fromtimestamp(begins_s, UTC), what="brownout", features=(one.feature,), detail=text
            )


def _windows(one: Brownout, now_s: float) -> Iterator[tuple[int, str]]:
    """The beginnings of windows that are open or still to come, with what to say of each."""
    window = one.window_at(now_s) or one.window_after(now_s)
    listed = 0
    while window is not None and listed < _MAX_WINDOWS:
        listed += 1
        yield window.begins_s, f"until {datetime.fromtimestamp(window.ends_s, UTC):%Y-%m-%d %H:%M}"
        window = one.window_after(window.begins_s)
    if window is not None:
        yield window.begins_s, "and so on"


def _as_json(entries: list[_Entry]) -> str:
    rows = [
        {"at": one.at.isoformat(), "what": one.what, "features": list(one.features), "detail": one.detail}
        for one in entries
    ]
    return json.dumps(rows, indent=2)


def _as_text(entries: list[_Entry], now: datetime, decided: Deprecation) -> str:
    policy = decided.policy
    lines = [f"Announced {policy.announced}, for {policy.window_months} months. Times are UTC.", ""]
    passed = sum(one.at <= now for one in entries)
    lines += [_line(one) for one in entries[:passed]]
    lines += [f"{now:%Y-%m-%d}        -- today --"]
    lines += [_line(one) for one in entries[passed:]]
    lines += ["", "Stages, which only the configuration changes:", *_stages(decided.enforcement)]
    if advice := policy.advice():
        lines += ["", "Where these dates and the specification's part:"]
        lines += [textwrap.fill(said, _WIDTH, initial_indent="  ", subsequent_indent="    ") for said in advice]
    return "\n".join(lines)


def _line(one: _Entry) -> str:
    hour = "" if one.at.time() == time() else f"{one.at:%H:%M}"
    detail = f" ({one.detail})" if one.detail else ""
    return _wrapped(f"{one.at:%Y-%m-%d} {hour:5}  {one.what:9}  ", list(one.features), detail)


def _wrapped(head: str, features: list[str], detail: str = "") -> str:
    others = [one for one in FEATURES if one not in features]
    if len(others) < len(features):
        features = ["every feature" + (f" but {', '.join(others)}" if others else "")]
    return textwrap.fill(
        ", ".join(features) + detail,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )


def _stages(enforcement: Enforcement) -> list[str]:
    found: dict[str, list[str]] = {}
    for feature in FEATURES:
        dry = " (dry run)" if enforcement.is_dry(feature) else ""
        found.setdefault(enforcement.stage_of(feature).name.lower() + dry, []).append(feature)
    return [_wrapped(f"  {name:20}  ", features) for name, features in found.items()]

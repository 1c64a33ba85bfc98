"""Parsers of the texts in `[deprecation]`, one a kind. Rule: a ValueError says `problem; fix`, and a text has no comma.

A comma would tear a text apart where a list comes from an environment variable.
"""

import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from mcp_bridges.deprecation.decisions.enforcement import EVERY_FEATURE, STAGES, ScopedRule, Stage
from mcp_bridges.deprecation.decisions.policy import DAY_S, Cadence, Phase
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.decisions.schedule import Brownout
from mcp_bridges.gate.client_rules import parse_rule
from mcp_runtime.config import nearest

_SECONDS: Final[Mapping[str, int]] = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": DAY_S})
_DURATION: Final = re.compile(r"([1-9]\d{0,8})([smhd])", re.ASCII)
_YEARS: Final = range(2024, 3000)  # MCP began in 2024.
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_CADENCE: Final = re.compile(r"(\S+) every (\S+)")


def parse_day(text: str) -> date:
    """A calendar day: `2027-07-28`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Python takes 20270728 and 2027-W30-3 too; and a month before the first one of all is no day.
    if day is None or day.isoformat() != text or day.year not in _YEARS:
        raise ValueError(f'"{text}" is no day; write one such as 2027-07-28')
    return day


def parse_feature(text: str) -> str:
    """The id of a feature."""
    if text in FEATURES:
        return text
    meant = nearest(text, FEATURES)
    fix = f'did you mean "{meant}"?' if meant else "`mcp-runtime legacy features` lists them"
    raise ValueError(f'there is no feature "{text}"; {fix}')


def parse_dry_run(text: str) -> str:
    """The id of a feature, or `*`."""
    return text if text == EVERY_FEATURE else parse_feature(text)


def parse_sunset(text: str) -> tuple[str, date]:
    """`FEATURE = DAY`."""
    feature, day = _assignment(text, "transport.http_sse = 2027-01-31")
    return parse_feature(feature), parse_day(day)


def parse_stage(text: str) -> tuple[str, Stage]:
    """`FEATURE = STAGE`."""
    feature, name = _assignment(text, "transport.http_sse = brownout")
    if name not in STAGES:
        raise ValueError(f'"{name}" is no stage; write one of {", ".join(STAGES)}')
    return parse_feature(feature), STAGES[name]


def parse_scoped_rule(text: str) -> ScopedRule:
    """`RULE` about clients, or `FEATURE: RULE`."""
    feature, separator, rule = text.partition(": ")
    if separator and "=" not in feature and '"' not in feature:
        return ScopedRule(feature=parse_feature(feature.strip()), rule=parse_rule(rule))
    return ScopedRule(feature=None, rule=parse_rule(text))


def parse_cadence(text: str) -> tuple[Phase, Cadence]:
    """`PHASE = LEVEL every DURATION`."""
    name, said = _assignment(text, "urgent = warning every 1h")
    phases = {phase.value: phase for phase in Phase}
    if name not in phases:
        raise ValueError(f'"{name}" is no phase; write one of {", ".join(phases)}')
    found = _CADENCE.fullmatch(said)
    if found is None or found[1] not in _LEVELS:
        raise ValueError(f'"{said}" is no cadence; write LEVEL every DURATION, such as warning every 1h')
    level = logging.getLevelNamesMapping()[found[1].upper()]
    return phases[name], Cadence(level=level, interval_s=_duration_s(found[2]))


def parse_brownout(text: str) -> Brownout:
    """`FEATURE = BEGINNING for=DURATION`, then what is wanted of `every= until= fraction= seed= status=`."""
    feature, said = _assignment(text, _EXAMPLE_BROWNOUT)
    beginning, *words = said.split()
    options = _BrownoutOptions(dict(_option(word) for word in words), text)
    length_s, every_s = options.duration_s("for"), options.duration_s("every")
    if length_s is None:
        raise ValueError(f'"{text}" does not say how long it lasts; add for=DURATION, such as for=2h')
    if every_s is not None and every_s < length_s:
        raise ValueError(f'in "{text}" a window begins before the one before it ends; write a longer every=')
    begins_s, until_s = _moment_s(beginning), options.until_s()
    if until_s is not None and until_s <= begins_s:
        raise ValueError(f'in "{text}" no window begins before its until=; write a later day')
    return Brownout(
        feature=parse_feature(feature),
        begins_s=begins_s,
        length_s=length_s,
        every_s=every_s,
        until_s=until_s,
        fraction=options.fraction(),
        seed=options.seed(),
        status=options.status(),
    )


_EXAMPLE_BROWNOUT: Final = "transport.http_sse = 2027-05-04T14:00Z for=2h every=7d"
_OPTIONS: Final = ("for", "every", "until", "fraction", "seed", "status")


def _option(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator or name not in _OPTIONS:
        meant = nearest(name, _OPTIONS)
        fix = f"did you mean {meant}=?" if meant else f"write {', '.join(f'{one}=' for one in _OPTIONS)}"
        raise ValueError(f'a brownout has no "{word}"; {fix}')
    return name, value


class _BrownoutOptions(msgspec.Struct, frozen=True):
    """The words after a brownout's beginning, by name."""

    given: Mapping[str, str]
    text: str

    def duration_s(self, name: str) -> int | None:
        return _duration_s(self.given[name]) if name in self.given else None

    def until_s(self) -> int | None:
        day = self.given.get("until")
        return None if day is None else int(datetime.combine(parse_day(day), datetime.min.time(), UTC).timestamp())

    def fraction(self) -> float:
        text = self.given.get("fraction", "1")
        share = float(text) if re.fullmatch(r"[01](\.\d{1,9})?", text, re.ASCII) else math.inf
        if not 0 < share <= 1:
            raise ValueError(f'"{text}" is no fraction; write a share of the clients, such as fraction=0.5')
        return share

    def seed(self) -> int:
        text = self.given.get("seed", "0")
        if re.fullmatch(r"\d{1,18}", text, re.ASCII) is None:
            raise ValueError(f'"{text}" is no seed; write a whole number, such as seed=7')
        return int(text)

    def status(self) -> Literal[410, 503]:
        text = self.given.get("status", "503")
        if text not in {"410", "503"}:
            raise ValueError(f'"{text}" is no status of a brownout; write status=503 or status=410')
        return 410 if text == "410" else 503


def _assignment(text: str, example: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name.strip() or not value.strip():
        raise ValueError(f'"{text}" is incomplete; write one such as "{example}"')
    return name.strip(), value.strip()


def _duration_s(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no duration; write a number with s, m, h or d, such as 90s, 30m, 2h or 7d')
    return int(found[1]) * _SECONDS[found[2]]


def _moment_s(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f'"{text}" is no time with a zone; write one such as 2027-05-04T14:00Z')
    return int(moment.timestamp())

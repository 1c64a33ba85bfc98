"""The gate of a server that retires the past. Rule: what follows from client and features is worked out once, and kept.

A call for which nothing is due costs a dictionary lookup, the notebook's note, and a counter for each feature.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from mcp_bridges.deprecation.decisions.enforcement import Enforcement, Objection, Stage
from mcp_bridges.deprecation.decisions.option_texts import parse_cadence
from mcp_bridges.deprecation.decisions.options import each_once, read_deprecation
from mcp_bridges.deprecation.decisions.policy import CADENCES, DAY_S
from mcp_bridges.deprecation.gatekeeping.logs import EventLog, UsageLog, UsageStream
from mcp_bridges.deprecation.gatekeeping.refusals import Refusals
from mcp_bridges.deprecation.gatekeeping.signals import SignalHeaders, brownout_headers
from mcp_bridges.gate.port import HeaderFields, LegacyClient, Sighting, UseOutcome, Verdict
from mcp_runtime.config import Config

_MAX_COURSES: Final = 4096
"""Courses that are kept; past it the one made first is forgotten, and made anew when it is needed."""

# RFC 9110: a 410 may be kept by caches, and this one can be taken back.
_UNCACHED: Final[HeaderFields] = ((b"cache-control", b"no-store"),)


class Notebook(Protocol):
    """The notebook of a gate: keeps the evidence, which is who used what, when, and with which outcome."""

    def note(self, sighting: Sighting, *, at: float, outcome: UseOutcome) -> None:
        """Note one use of the past at `at`, in Unix seconds. Called for every one: it neither waits nor fails."""
        ...


class _Course(msgspec.Struct, frozen=True):
    """The course to take with sightings that are alike, before `until_s`."""

    until_s: float
    outcome: UseOutcome
    verdict: Verdict
    streams: tuple[UsageStream, ...]
    objection: Objection | None


_Alike = tuple[LegacyClient, str | None, tuple[str, ...], bool]


class DeprecationGate:
    """A `Gate`: notes every sighting, logs it within bounds, and refuses what the operator has decided to refuse.

    `now` gives Unix seconds. Raises KeyError for a feature that is not in the registry.
    """

    def __init__(
        self,
        *,
        enforcement: Enforcement,
        signals: SignalHeaders,
        refusals: Refusals,
        log: UsageLog,
        notebook: Notebook,
        now: Callable[[], float],
    ) -> None:
        self._enforcement = enforcement
        self._signals = signals
        self._refusals = refusals
        self._log = log
        self._notebook = notebook
        self._now = now
        self._courses: dict[_Alike, _Course] = {}

    def admit(self, sighting: Sighting) -> Verdict:
        """As the port says."""
        at = self._now()
        alike = (sighting.client, sighting.revision, sighting.features, sighting.opening)
        course = self._courses.get(alike)
        if course is None or at >= course.until_s:
            course = self._keep(alike, self._course(sighting, at))
        if sighting.preliminary and course.objection is None:
            return course.verdict
        self._notebook.note(sighting, at=at, outcome=course.outcome)
        for stream in course.streams:
            stream.calls += 1
            if at >= stream.due_s:
                self._log.write(stream, sighting, at)
        if course.objection is None:
            return course.verdict
        return Verdict(refusal=self._refusals.refusal(course.objection, sighting, at), headers=course.verdict.headers)

    def headers(self, sighting: Sighting, at: float) -> HeaderFields:
        """The headers of a response to `sighting` at `at`, about the features it uses: none on stdio."""
        if sighting.client.transport == "stdio":
            return ()
        told = tuple(one for one in sighting.features if self._enforcement.stage_of(one) >= Stage.SIGNAL)
        announced = self._enforcement.announcements(sighting.client, told, at=at)
        return self._signals.headers(told) + brownout_headers(announced)

    def close(self) -> None:
        """Log what was counted and not logged. Call once, when nothing is served any more."""
        self._log.finish(self._now())

    def _keep(self, alike: _Alike, course: _Course) -> _Course:
        if alike not in self._courses and len(self._courses) >= _MAX_COURSES:
            del self._courses[next(iter(self._courses))]
        self._courses[alike] = course
        return course

    def _course(self, sighting: Sighting, at: float) -> _Course:
        client, features = sighting.client, sighting.features
        objections = self._enforcement.objections(client, features, opening=sighting.opening, at=at)
        refused = objections[0] if objections and not objections[0].is_dry else None
        return _Course(
            # At midnight a phase may begin, and with it another cadence.
            until_s=min((at // DAY_S + 1) * DAY_S, self._enforcement.changes_at(features, at=at)),
            outcome="refused" if refused else "would_refuse" if objections else "served",
            verdict=Verdict(headers=self.headers(sighting, at) + (_UNCACHED if refused else ())),
            streams=tuple(self._streams(sighting, objections, at)),
            objection=refused,
        )

    def _streams(self, sighting: Sighting, objections: tuple[Objection, ...], at: float) -> list[UsageStream]:
        """The streams that a call counts in: of a refused one, only those of the features it is refused for."""
        is_dry = {one.feature: one.is_dry for one in reversed(objections)}
        is_refused = False in is_dry.values()
        outcomes: dict[str, UseOutcome] = {
            feature: "served" if feature not in is_dry else "would_refuse" if is_dry[feature] else "refused"
            for feature in sighting.features
        }
        return [
            self._log.stream(sighting.client, feature, outcome, at)
            for feature, outcome in outcomes.items()
            if not is_refused or outcome == "refused"
        ]


def build_gate(config: Config, *, notebook: Notebook, now: Callable[[], float], log: EventLog) -> DeprecationGate:
    """The gate that `config` asks for. `now` gives Unix seconds. Raises ConfigError as `read_deprecation` does."""
    decided, section = read_deprecation(config), config.deprecation
    cadences = dict(CADENCES) | each_once(config, "log_cadences", section.log_cadences, parse_cadence)
    return DeprecationGate(
        enforcement=decided.enforcement,
        signals=SignalHeaders(decided.policy, decided.links),
        refusals=Refusals(
            policy=decided.policy, enforcement=decided.enforcement, links=decided.links, message=section.message
        ),
        log=UsageLog(decided.policy, decided.links, log=log, cadences=cadences, max_streams=section.max_log_streams),
        notebook=notebook,
        now=now,
    )

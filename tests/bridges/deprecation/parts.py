"""A gate with a clock that stands still. Rule: a test sets the time, makes calls, and reads what was written and noted."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mcp_bridges.deprecation.gatekeeping.gatekeeper import DeprecationGate, build_gate
from mcp_bridges.gate.port import ANSWERED, LegacyClient, Sighting, UseOutcome
from mcp_runtime.config import Config, load_config
from mcp_runtime.config.template import toml_value
from mcp_runtime.telemetry.labels import TransportName

LEVEL_NAMES: Final = {level: name.lower() for name, level in logging.getLevelNamesMapping().items() if name != "WARN"}


def unix(text: str) -> float:
    """The Unix time of "2027-05-04" or "2027-05-04T14:00", in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def client(name: str | None = "cursor", transport: TransportName = "http_sse", **more: str) -> LegacyClient:
    return LegacyClient(transport=transport, name=name, **more)


def sighting(
    who: LegacyClient | None = None,
    features: Iterable[str] = ("transport.http_sse",),
    *,
    revision: str | None = "2024-11-05",
    opening: bool = False,
) -> Sighting:
    return Sighting(
        client=who or client(), revision=revision, features=tuple(features), method="tools/call", opening=opening
    )


def config_of(directory: Path, **keys: object) -> Config:
    """A configuration with these keys of [deprecation], read from a file as an operator writes it."""
    path = directory / "config.toml"
    lines = [f"{name} = {toml_value(value)}" for name, value in keys.items()]
    path.write_text("\n".join(["[deprecation]", *lines, ""]), encoding="utf-8")
    return load_config(path, environ={})


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def set(self, text: str) -> None:
        self.now_s = unix(text)


@dataclass
class Lines:
    """Takes events as structlog does."""

    written: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list[tuple[str, str, dict[str, Any]]])

    def log(self, level: int, event: str, *args: Any, **fields: Any) -> None:
        assert args == ()
        self.written.append((LEVEL_NAMES[level], event, fields))

    def take(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What was written since the last time."""
        taken, self.written = self.written, []
        return taken

    def events(self) -> list[str]:
        return [event for _, event, _ in self.take()]


@dataclass
class Notes:
    """A notebook that is read by the test."""

    noted: list[tuple[Sighting, float, UseOutcome]] = field(default_factory=list[tuple[Sighting, float, UseOutcome]])

    def note(self, sighting: Sighting, *, at: float, outcome: UseOutcome) -> None:
        self.noted.append((sighting, at, outcome))

    def outcomes(self) -> list[UseOutcome]:
        outcomes: list[UseOutcome] = [outcome for _, _, outcome in self.noted]
        self.noted.clear()
        return outcomes


@dataclass
class Station:
    """A gate, and what it is made of."""

    gate: DeprecationGate
    clock: Clock
    lines: Lines
    notes: Notes

    def headers(self, seen: Sighting) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.gate.admit(seen).headers}

    def status(self, seen: Sighting) -> int:
        """200 where `seen` is served; the code of a refusal that is no more than a method's answer."""
        refusal = self.gate.admit(seen).refusal
        if refusal is None:
            return 200
        return refusal.code if refusal.status == ANSWERED else refusal.status


def station(directory: Path, at: str = "2026-08-01", **keys: object) -> Station:
    clock, lines, notes = Clock(unix(at)), Lines(), Notes()
    gate = build_gate(config_of(directory, **keys), notebook=notes, now=clock, log=lines)
    return Station(gate=gate, clock=clock, lines=lines, notes=notes)

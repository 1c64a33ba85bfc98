"""Conversations in replay files: the lines of a file, and whether a message is what a line says."""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from tests.support.messages import meta

Kind = Literal["send", "send_raw", "expect", "cancel", "lose", "wait", "nothing", "stop", "end"]
ABSENT: Final = "$absent"
MODERN: Final = "2026-07-28"
WIRES: Final = frozenset({"http", "stdio", "sessions", "sse"})
"""What lines can be for. "http" is every wire over HTTP; of old conversations, that is "sessions" and "sse"."""
REVISIONS: Final = frozenset({MODERN, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"})
_MODERN_META: Final = "$modern"
_ANY_MEMBERS: Final = "*"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line that does something. `on` are the wires and revisions it is for; where it names none of a kind, all."""

    line: int
    kind: Kind
    on: frozenset[str]
    value: Any = None
    status: int = 200
    headers: dict[str, str | None] = field(default_factory=dict[str, str | None])

    def is_for(self, place: frozenset[str]) -> bool:
        """Whether it is part of the conversation at `place`: the names of the wire and of the revision."""
        return all(not self.on & kind or bool(self.on & kind & place) for kind in (WIRES, REVISIONS))


@dataclass(kw_only=True)
class Conversation:
    """A replay file. `capabilities` are what an old client declares, None for all there are in its revision."""

    name: str
    revisions: tuple[str, ...] = ()
    plugin: str = "fixture"
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    capabilities: dict[str, Any] | None = None
    opening: Literal["played", "written"] = "played"
    steps: list[Step] = field(default_factory=list[Step])

    def on(self, *place: str) -> list[Step]:
        """The steps at this place; empty where none of them sends anything."""
        steps = [step for step in self.steps if step.is_for(frozenset(place))]
        return steps if any(step.kind in {"send", "send_raw"} for step in steps) else []


def read(file: Path) -> Conversation:
    """The conversation in `file`. Raises ValueError naming the line that cannot be read."""
    conversation = Conversation(name=file.stem)
    on: frozenset[str] = frozenset()
    headers: dict[str, str | None] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            if text.startswith("@on "):
                on = _places(text.removeprefix("@on "))
            elif text.startswith("@"):
                _directive(conversation, text)
            elif text.startswith("--"):
                name, _, value = text.removeprefix("--").partition(":")
                headers[name.strip()] = value.strip() or None
            else:
                conversation.steps.append(_step(number, text, on, headers))
                headers = {}
        except (KeyError, ValueError) as error:
            raise ValueError(f"{file.name}:{number}: {text!r}: {error!r}") from None
    return conversation


def _places(text: str) -> frozenset[str]:
    names = frozenset(text.split()) - {"all"}
    if not names <= WIRES | REVISIONS:
        raise ValueError("no such place")
    return names


def _directive(conversation: Conversation, text: str) -> None:
    name, _, value = text.removeprefix("@").partition(" ")
    match name:
        case "revision":
            conversation.revisions = tuple(value.split())
        case "plugin":
            conversation.plugin = value
        case "config":
            _merge(conversation.config, tomllib.loads(value))
        case "capabilities":
            conversation.capabilities = json.loads(value)
        case "opening" if value == "written":
            conversation.opening = "written"
        case _:
            raise ValueError("no such directive")


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)  # pyright: ignore[reportUnknownArgumentType]  # TOML
        else:
            into[key] = value


def _step(line: int, text: str, on: frozenset[str], headers: dict[str, str | None]) -> Step:
    mark, rest = text[:2], text[2:].strip()
    match mark:
        case ">>" if rest.startswith("!"):
            return Step(line=line, on=on, kind="send_raw", value=rest.removeprefix("!").strip(), headers=headers)
        case ">>":
            return Step(line=line, on=on, kind="send", value=json.loads(rest), headers=headers)
        case "<<" if rest.startswith("[") and rest[1:4].isdigit():
            status, _, message = rest.removeprefix("[").partition("]")
            value = json.loads(message) if message.strip() else None
            return Step(line=line, on=on, kind="expect", value=value, status=int(status))
        case "<<":
            return Step(line=line, on=on, kind="expect", value=json.loads(rest))
        case "xx" if rest.startswith("!"):
            return Step(line=line, on=on, kind="lose", value=json.loads(rest.removeprefix("!")))
        case "xx":
            return Step(line=line, on=on, kind="cancel", value=json.loads(rest))
        case "~~":
            return Step(line=line, on=on, kind="wait", value=float(rest))
        case "==":
            return Step(line=line, on=on, kind="nothing")
        case "!!":
            return Step(line=line, on=on, kind=_ENDS[rest], headers=headers)
        case _:
            raise ValueError("no such line")


_ENDS: Final[dict[str, Literal["stop", "end"]]] = {"stop": "stop", "end": "end"}


def filled(value: Any, kept: dict[str, str]) -> Any:
    """What a `>>` line sends: absent members left out, kept values and the `_meta` of 2026-07-28 put in."""
    if value == _MODERN_META:
        return meta()
    if isinstance(value, dict):
        return {key: filled(inner, kept) for key, inner in value.items() if inner != ABSENT}  # pyright: ignore[reportUnknownVariableType]  # JSON
    if isinstance(value, list):
        return [filled(inner, kept) for inner in value]  # pyright: ignore[reportUnknownVariableType]  # JSON
    if isinstance(value, str) and value.startswith("$") and value[1:] in kept:
        return kept[value[1:]]
    return value


def difference(pattern: Any, value: Any, kept: dict[str, str], place: str = "") -> str | None:
    """Where `value` is not what `pattern` says, None where it is; texts to keep go into `kept`."""
    if isinstance(pattern, str) and pattern.startswith("$"):
        return _special(pattern, value, kept, place)
    if isinstance(pattern, dict) and isinstance(value, dict):
        return _members(pattern, value, kept, place)  # pyright: ignore[reportUnknownArgumentType]  # JSON
    if isinstance(pattern, list) and isinstance(value, list):
        return _elements(pattern, value, kept, place)  # pyright: ignore[reportUnknownArgumentType]  # JSON
    same = type(pattern) is type(value) or {type(pattern), type(value)} == {int, float}
    return None if same and pattern == value else f"{place or 'the message'} is {value!r}, not {pattern!r}"


def _special(pattern: str, value: Any, kept: dict[str, str], place: str) -> str | None:
    name = pattern[1:]
    if name.startswith("=") and isinstance(value, str):
        kept[name[1:]] = value
        return None
    types: dict[str, type | tuple[type, ...]] = {"any": object, "string": str, "integer": int}
    if name in types:
        return None if isinstance(value, types[name]) else f"{place} is {value!r}, not {name}"
    return None if value == kept.get(name, pattern) else f"{place} is {value!r}, not {kept.get(name, pattern)!r}"


def _members(pattern: dict[str, Any], value: dict[str, Any], kept: dict[str, str], place: str) -> str | None:
    wanted = {key: inner for key, inner in pattern.items() if key != _ANY_MEMBERS}
    missing = sorted(set(wanted) - set(value))
    extra = sorted(set(value) - set(wanted))
    if missing or (extra and _ANY_MEMBERS not in pattern):
        return f"{place or 'the message'} lacks {missing} and has {extra} besides"
    found = (difference(inner, value[key], kept, f"{place}.{key}".lstrip(".")) for key, inner in wanted.items())
    return next((problem for problem in found if problem is not None), None)


def _elements(pattern: list[Any], value: list[Any], kept: dict[str, str], place: str) -> str | None:
    more = bool(pattern) and pattern[-1] == _ANY_MEMBERS
    wanted = pattern[:-1] if more else pattern
    if len(value) < len(wanted) or (len(value) > len(wanted) and not more):
        return f"{place} has {len(value)} elements, not {len(wanted)}"
    found = (difference(inner, value[index], kept, f"{place}[{index}]") for index, inner in enumerate(wanted))
    return next((problem for problem in found if problem is not None), None)

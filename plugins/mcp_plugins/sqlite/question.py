r"""The question before a change: a text that shows what is asked for. Rule: all of it is seen, or nothing is asked.

What a client wrote stands behind a bar, line by line, so none of it can pass for ours; and what a screen would hide,
reorder or push out of sight is shown as what it is: `\u202e`, `\u0020{400}`, `(12 empty lines)`.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from itertools import groupby
from typing import Any, Final

from .access.database import WritePlan
from .access.refusals import StatementRefused
from .access.values import Parameters
from .settings import SqliteSettings

# Letters, marks and symbols that have no ink, which Python calls printable: fillers of Hangul, the empty pattern of
# Braille, joiners, selectors of variants, vowels of Khmer that are not written, and musical and shorthand controls.
_WITHOUT_INK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U0001d159\U0001d173-\U0001d17a\U000e0100-\U000e01ef]"
)

# Written languages put up to three marks on a letter; more cover the lines around.
_MARKS_SHOWN: Final = 3

# An indentation is narrower; a wider run pushes what follows it out of the window.
_SPACES_SHOWN: Final = 24

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def question(plan: WritePlan, sql: str, parameters: Parameters | None, settings: SqliteSettings) -> str:
    """The text that the user reads. Raises StatementRefused for one that is too long to be read."""
    lines = [f"Change the database? {', '.join(plan.operations)}"]
    if plan.tables:
        lines.append(f"Tables whose rows change: {', '.join(map(_name, plan.tables))}")
    if parameters:
        lines.append(f"Parameters: {_visible(_json(parameters))}")
    statement = list(_statement(sql))
    count = sql.count("\n") + 1
    lines.append("Statement:" if count == 1 else f"Statement, {count} lines:")
    text = "\n".join([*lines, *statement])
    if len(text) > settings.max_question_characters or len(statement) > settings.max_question_lines:
        raise StatementRefused(
            f"The user could not read it: a statement and its parameters are shown whole, here in {len(statement)} "
            f"lines and {len(text)} characters. At most {settings.max_question_lines} lines (max_question_lines) and "
            f"{settings.max_question_characters} characters (max_question_characters) are shown. "
            "Send several shorter statements."
        )
    return text


def _statement(sql: str) -> Iterable[str]:
    # Only "\n" is a line's end: any other character that a screen may take for one is shown by its number.
    for is_empty, lines in groupby(sql.split("\n"), key=lambda line: not line.strip()):
        found = list(lines)
        if is_empty and len(found) > 1:
            yield f"({len(found)} empty lines)"
        else:
            yield from (f"| {_visible(line.replace(chr(92), chr(92) * 2))}" for line in found)


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _visible(_json(name))


def _visible(text: str) -> str:
    """The text with numbers in place of what hides or moves text. In `text` a backslash stands doubled already."""
    shown: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        is_seen = char.isprintable() and marks <= _MARKS_SHOWN and not _WITHOUT_INK.match(char)
        shown.append(char if is_seen else _number(char))
    return re.sub(f" {{{_SPACES_SHOWN + 1},}}", lambda run: f"\\u0020{{{len(run[0])}}}", "".join(shown))


def _number(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def _json(value: object) -> str:
    return json.dumps(value, default=_as_json, ensure_ascii=False)


def _as_json(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no JSON")

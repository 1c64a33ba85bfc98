"""URI templates (RFC 6570), read backwards: from a URI to the variables.

Rule: a variable never climbs out of its place.

Supported are `{name}` (one path segment) and `{+name}` (may span "/"); what cannot be matched without doubt is refused.
Spec: 2026-07-28/server/resources#resource-templates
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
_STOP: Final = re.compile(r"[/?#]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_VARIABLE: Final = re.compile(r"(\+?)([A-Za-z_][A-Za-z0-9_]*)")


class UriTemplateError(ValueError):
    """A template this server cannot match; the text says which part."""


class UriTemplate:
    """One URI template. `variables` are its names in order."""

    def __init__(self, template: str) -> None:
        """Raises UriTemplateError."""
        self.template = template
        self.variables: tuple[str, ...] = ()
        self._spans: list[bool] = []
        self._literals: list[str] = []
        end = 0
        for found in _EXPRESSION.finditer(template):
            if found.start() == end and end > 0:
                raise UriTemplateError(f"{template!r}: two variables side by side cannot be told apart")
            self._literals.append(_literal(template, template[end : found.start()]))
            self._add(template, found.group(1))
            end = found.end()
        self._literals.append(_literal(template, template[end:]))

    def _add(self, template: str, expression: str) -> None:
        variable = _VARIABLE.fullmatch(expression)
        if variable is None:
            raise UriTemplateError(f"{template!r}: {{{expression}}} is not supported; use {{name}} or {{+name}}")
        operator, name = variable.groups()
        if name in self.variables:
            raise UriTemplateError(f"{template!r}: {{{name}}} comes twice")
        self.variables = (*self.variables, name)
        self._spans.append(bool(operator))

    def match(self, uri: str) -> dict[str, str] | None:
        """The percent-decoded variables of `uri`, or None where it does not fit.

        Where several readings fit, later variables are as short as can be. A value that would leave its place once
        decoded ("..", a slash in one segment, NUL) does not fit. Takes time in proportion to the length of `uri`.
        Spec: 2026-07-28/server/resources#security-considerations
        """
        texts = self._split(uri)
        if texts is None:
            return None
        values = {name: unquote(text) for name, text in zip(self.variables, texts, strict=True)}
        return values if all(self._stays(name, value) for name, value in values.items()) else None

    def _split(self, uri: str) -> list[str] | None:
        """The text of each variable. No regular expression: a client could keep its backtracking busy for hours."""
        first, last = self._literals[0], self._literals[-1]
        if not self.variables:
            return [] if uri == first else None
        if not (uri.startswith(first) and uri.endswith(last)) or "\n" in uri:
            return None
        stops = [found.start() for found in _STOP.finditer(uri)]
        starts = [[len(first)]]
        for spans, literal in zip(self._spans, self._literals[1:-1], strict=False):
            ends = _occurrences(literal, uri)
            starts.append(
                [end + len(literal) for end in ends if _begin(starts[-1], end, stops, spans=spans) is not None]
            )
        texts: list[str] = []
        end = len(uri) - len(last)
        for index in reversed(range(len(starts))):
            begin = _begin(starts[index], end, stops, spans=self._spans[index])
            if begin is None:
                return None
            texts.append(uri[begin:end])
            end = begin - len(self._literals[index])
        return texts[::-1]

    def _stays(self, name: str, value: str) -> bool:
        expression = "{+" + name + "}"
        # Right behind "scheme://" the variable is the path itself, slash and all.
        is_path = self.template.partition("://")[2].startswith(expression)
        return _stays(value.removeprefix("/") if is_path else value, spans=expression in self.template)


def _literal(template: str, text: str) -> str:
    if "{" in text or "}" in text:
        raise UriTemplateError(f"{template!r}: unbalanced braces")
    return text


def _occurrences(literal: str, uri: str) -> Iterator[int]:
    at = uri.find(literal)
    while at >= 0:
        yield at
        at = uri.find(literal, at + 1)


def _begin(starts: list[int], end: int, stops: list[int], *, spans: bool) -> int | None:
    """The last of `starts` from which a variable of at least one character reaches to `end`, past none of `stops`."""
    position = bisect_left(starts, end)
    if position == 0:
        return None
    begin = starts[position - 1]
    stop = bisect_left(stops, end)
    return begin if spans or stop == 0 or stops[stop - 1] < begin else None


def _stays(value: str, *, spans: bool) -> bool:
    segments = re.split(r"[/\\]", value)
    # An empty first segment, or a drive, makes the path absolute: joined to a folder, it leaves that folder behind.
    if "\0" in value or ".." in segments or not segments[0] or _DRIVE.match(value):
        return False
    return spans or len(segments) == 1

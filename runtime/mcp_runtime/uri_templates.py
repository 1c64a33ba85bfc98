"""RFC 6570 templates read backwards: from a URI to the variables. Rule: a variable never climbs out of its place.

Supported are `{name}` (one path segment) and `{+name}` (may span "/"); what cannot be matched without doubt is refused.
Spec: 2026-07-28/server/resources#resource-templates
"""

import re
from typing import Final
from urllib.parse import unquote

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_VARIABLE: Final = re.compile(r"(\+?)([A-Za-z_][A-Za-z0-9_]*)")


class UriTemplateError(ValueError):
    """A template this server cannot match; the text says which part."""


class UriTemplate:
    """One template. `variables` are its names in order."""

    def __init__(self, template: str) -> None:
        """Raises UriTemplateError."""
        self.template = template
        self.variables: tuple[str, ...] = ()
        self._pattern = re.compile(self._translate(template))

    def _translate(self, template: str) -> str:
        parts: list[str] = []
        end = 0
        for found in _EXPRESSION.finditer(template):
            if found.start() == end and end > 0:
                raise UriTemplateError(f"{template!r}: two variables side by side cannot be told apart")
            parts.append(_literal(template, template[end : found.start()]))
            parts.append(self._group(template, found.group(1)))
            end = found.end()
        parts.append(_literal(template, template[end:]))
        return "".join(parts)

    def _group(self, template: str, expression: str) -> str:
        variable = _VARIABLE.fullmatch(expression)
        if variable is None:
            raise UriTemplateError(f"{template!r}: {{{expression}}} is not supported; use {{name}} or {{+name}}")
        operator, name = variable.groups()
        if name in self.variables:
            raise UriTemplateError(f"{template!r}: {{{name}}} comes twice")
        self.variables = (*self.variables, name)
        return f"(?P<{name}>{'.+' if operator else '[^/?#]+'})"

    def match(self, uri: str) -> dict[str, str] | None:
        """The percent-decoded variables of `uri`, or None where it does not fit.

        A value that would leave its place once decoded ("..", a slash in one segment, NUL) does not fit.
        Spec: 2026-07-28/server/resources#security-considerations
        """
        found = self._pattern.fullmatch(uri)
        if found is None:
            return None
        values = {name: unquote(value) for name, value in found.groupdict().items()}
        return values if all(self._stays(name, value) for name, value in values.items()) else None

    def _stays(self, name: str, value: str) -> bool:
        expression = "{+" + name + "}"
        # Right behind "scheme://" the variable is the path itself, slash and all.
        is_path = self.template.partition("://")[2].startswith(expression)
        return _stays(value.removeprefix("/") if is_path else value, spans=expression in self.template)


def _literal(template: str, text: str) -> str:
    if "{" in text or "}" in text:
        raise UriTemplateError(f"{template!r}: unbalanced braces")
    return re.escape(text)


def _stays(value: str, *, spans: bool) -> bool:
    segments = re.split(r"[/\\]", value)
    # An empty first segment, or a drive, makes the path absolute: joined to a folder, it leaves that folder behind.
    if "\0" in value or ".." in segments or not segments[0] or _DRIVE.match(value):
        return False
    return spans or len(segments) == 1

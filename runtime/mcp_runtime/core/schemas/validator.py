"""The schema validator: JSON Schema 2020-12, compiled once.

Rule: a schema that reaches outside itself or past the bounds never gets in.

Spec: 2026-07-28/basic#json-schema-usage
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError
from mcp_runtime.protocol.json_types import is_array, is_object

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DIALECTS: Final = frozenset({_DIALECT, f"{_DIALECT}#"})
_MAPS: Final = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
_DATA_KEYWORDS: Final = frozenset({"const", "default", "enum", "examples"})
MAX_REPORTED_ERRORS: Final = 5
"""How many problems one refusal names: enough to fix a call, short enough to read."""

_COLLECTED_CHARS: Final = 200_000
"""Of all problems collected at once, if each repeats the whole value: some megabytes, and some milliseconds."""
_MAX_READING_VISITS: Final = 30_000
"""Of a reading that remembers nothing: to count them, and to read so, takes some tens of milliseconds each."""

_MAX_COLLECTING_VISITS: Final = 2000
_ROOT: Final = "urn:schema"


class SchemaError(ValueError):
    """A JSON Schema that cannot be used; the text says why."""


class SchemaValidator:
    """A JSON Schema, compiled. Safe to use from any thread."""

    def __init__(self, schema: dict[str, Any], limits: Limits) -> None:
        """Raises SchemaError for another dialect, an outside `$ref`, a schema past the bounds, or an invalid one."""
        _check_dialect(schema)
        check_bounds(schema, limits)
        import jsonschema_rs  # Three megabytes: for servers that have schemas of their own.

        try:
            # offline: no $ref is ever fetched. Spec: 2026-07-28/basic#ref-resolution
            self._compiled = jsonschema_rs.Draft202012Validator(schema, offline=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise SchemaError(_first_line(error)) from None
        self._schema = schema

    def accepts(self, value: object) -> bool:
        """Whether `value`, decoded JSON, fits. Takes time in proportion to it: a part is judged once by each schema."""
        return self._compiled.is_valid(value)

    def problems(self, value: object) -> list[str]:
        """Problems of `value`: a line each, with its place, at most MAX_REPORTED_ERRORS; none if it fits."""
        if self.accepts(value):
            return []
        from mcp_runtime.core.schemas.explanation import Explanation, problem  # for a server that has to explain

        if not self._is_cheap(value):
            return Explanation(self._schema, self._parts(), most=MAX_REPORTED_ERRORS).problems(value)
        found: list[str] = []
        for error in self._compiled.iter_errors(value):
            found.append(problem(error.instance_path, error.message))
            if len(found) == MAX_REPORTED_ERRORS:
                break
        return found

    def refusal(self, arguments: object) -> ArgumentsError:
        """The error for `arguments`, decoded JSON, which do not fit."""
        problems = self.problems(arguments)
        return ArgumentsError(problems, may_be_more=len(problems) >= MAX_REPORTED_ERRORS)

    def is_read_within(self, value: object, visits_per_char: int) -> bool:
        """Whether one that remembers nothing reads `value` by the schema in time in proportion to its size."""
        from mcp_runtime.core.schemas.reading_cost import size_of, visits_of  # as above

        most = min(10_000 + visits_per_char * size_of(value, _MAX_READING_VISITS), _MAX_READING_VISITS)
        return visits_of(self._schema, value, most) <= most

    def _is_cheap(self, value: object) -> bool:
        """Whether to collect all problems takes little: the validator collects them before it names the first."""
        from mcp_runtime.core.schemas.reading_cost import length_of, visits_of  # as above

        most = min(_COLLECTED_CHARS // length_of(value), _MAX_COLLECTING_VISITS)
        return visits_of(self._schema, value, most) <= most

    def _parts(self) -> Callable[[str], Callable[[object], bool]]:
        import jsonschema_rs  # as above

        registry = jsonschema_rs.Registry([(_ROOT, self._schema)])

        @cache
        def part(pointer: str) -> Callable[[object], bool]:
            reference = {"$ref": f"{_ROOT}#{quote(pointer)}"}
            return jsonschema_rs.Draft202012Validator(reference, registry=registry, offline=True).is_valid

        return part


def _check_dialect(schema: dict[str, Any]) -> None:
    for inner in _schemas(schema):
        dialect = inner.get("$schema", _DIALECT)
        if not (isinstance(dialect, str) and dialect in DIALECTS):
            raise SchemaError(f"JSON Schema dialect {dialect!r} is not supported; use 2020-12 (or leave $schema out)")


def check_bounds(schema: dict[str, Any], limits: Limits) -> None:
    """Raises SchemaError for a schema past `limits.max_schema_depth` or `limits.max_subschemas`."""
    for count, (_, depth) in enumerate(_objects(schema, 1), start=1):
        if depth > limits.max_schema_depth:
            raise SchemaError(f"the schema is nested deeper than limits.max_schema_depth = {limits.max_schema_depth}")
        if count > limits.max_subschemas:
            raise SchemaError(f"the schema has more than limits.max_subschemas = {limits.max_subschemas} subschemas")


def _objects(schema: object, depth: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Every object in the schema with its depth. An explicit stack: the input may be nested past Python's own."""
    stack: list[tuple[object, int]] = [(schema, depth)]
    while stack:
        current, level = stack.pop()
        if is_object(current):
            yield current, level
            stack.extend((inner, level + 1) for inner in current.values())
        elif is_array(current):
            stack.extend((inner, level) for inner in current)


def _schemas(schema: object) -> Iterator[dict[str, Any]]:
    """Every object in the schema that is a schema itself: neither data nor a map of schemas by name."""
    stack: list[object] = [schema]
    while stack:
        current = stack.pop()
        if is_array(current):
            stack.extend(current)
        elif is_object(current):
            yield current
            for keyword, inner in current.items():
                if keyword in _MAPS and is_object(inner):
                    stack.extend(inner.values())
                elif keyword not in _DATA_KEYWORDS:
                    stack.append(inner)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

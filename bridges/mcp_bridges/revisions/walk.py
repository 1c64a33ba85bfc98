"""The walk over a message with the table of revisions. Rule: what is given is copied where it differs, never changed.

For each type and revision the table is compiled, once, into a function that looks only where that revision differs.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from mcp_bridges.revisions.table import MAPS, PARTS, ROWS, UNIONS, Row
from mcp_runtime.protocol.json_types import is_array, is_object

Walk = Callable[[Any], Any]
"""A function from JSON to what an older revision knows of it: the value itself where that is all of it."""


def translate(kind: str, value: dict[str, Any], revision: str) -> dict[str, Any]:
    """`value`, an object of the type `kind`, as `revision` knows it. May share parts with `value`, or be it."""
    walk = _walk_of(kind, revision)
    translated: dict[str, Any] = value if walk is None else walk(value)
    return translated


@cache
def _walk_of(kind: str, revision: str) -> Walk | None:
    """The function for `kind`, None where that revision knows all there is."""
    if kind in UNIONS:
        return _union_walk(_walks_of(UNIONS[kind], revision))
    if kind in MAPS:
        return _map_walk(_walk_of(MAPS[kind], revision))
    rows = tuple(row for row in ROWS if kind in row.where and row.since > revision)
    parts = _walks_of(PARTS.get(kind, {}), revision)
    return _object_walk(tuple(parts.items()), rows) if rows or parts else None


def _walks_of(kinds: dict[str, str], revision: str) -> dict[str, Walk]:
    found = {key: _walk_of(kind, revision) for key, kind in kinds.items()}
    return {key: walk for key, walk in found.items() if walk is not None}


def _object_walk(parts: tuple[tuple[str, Walk], ...], rows: tuple[Row, ...]) -> Walk:
    def walk(value: Any) -> Any:
        if not is_object(value):
            return value
        current = value
        for row in rows:
            if row.field in current and (row.when is None or row.when(current[row.field])):
                current = dict(value) if current is value else current
                row.becomes(current, row.field)
        # Parts come second: what a row put in the place of a field may have parts of its own.
        for field, inner in parts:
            if field in current and (after := _each(inner, current[field])) is not current[field]:
                current = dict(value) if current is value else current
                current[field] = after
        return current

    return walk


def _each(walk: Walk, value: Any) -> Any:
    """`value` walked, or each item of it: several fields hold one object or an array of them."""
    if not is_array(value):
        return walk(value)
    after = [walk(item) for item in value]
    return after if any(new is not old for new, old in zip(after, value, strict=True)) else value


def _union_walk(walks: dict[str, Walk]) -> Walk | None:
    def walk(value: Any) -> Any:
        kind = value.get("type") if is_object(value) else None
        chosen = walks.get(kind) if isinstance(kind, str) else None
        return value if chosen is None else chosen(value)

    return walk if walks else None


def _map_walk(inner: Walk | None) -> Walk | None:
    if inner is None:
        return None

    def walk(value: Any) -> Any:
        return {key: inner(item) for key, item in value.items()} if is_object(value) else value

    return walk

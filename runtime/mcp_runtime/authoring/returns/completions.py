"""Completions: suggestions, from what a function returned. Rule: never more than 100 travel, and what was cut is said.

Spec: 2026-07-28/server/utilities/completion#completion-results
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec
from msgspec import UNSET

from mcp_runtime.protocol.messages import Completion

MAX_VALUES: Final = 100


class Completions(msgspec.Struct, frozen=True, kw_only=True):
    """Suggestions, best first, with what is known of the rest: `total` matches, or only that there are more."""

    values: Iterable[str]
    total: int | None = None
    has_more: bool | None = None


def read_completions(value: Iterable[str] | Completions) -> Completion:
    """The first 100 suggestions of `value`, and whether there are more."""
    given = value if isinstance(value, Completions) else Completions(values=value)
    taken = [str(item) for item in islice(given.values, MAX_VALUES + 1)]
    cut = len(taken) > MAX_VALUES
    return Completion(
        values=taken[:MAX_VALUES],
        total=UNSET if given.total is None else given.total,
        has_more=cut if given.has_more is None else given.has_more or cut,
    )

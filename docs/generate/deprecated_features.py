"""The page of deprecated features, read off the registry. Rule: every date and source on it stands in a row there."""

from typing import Final

from docs.generate import markdown
from docs.generate.markdown import code, plain, table
from mcp_bridges.deprecation.decisions.policy import MONTHS_BEFORE_SUNSET, Phase, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES, Feature

_INTRODUCTION: Final = """
What of MCP is on its way out, and what the specification says of each part. The ids are those of the log, of
`[deprecation]` in the [configuration](configuration.md#deprecation) and of `mcp-runtime legacy`.
[Deprecation](../explanation/deprecation.md) explains the words; [Retire the past](../how-to/retire-the-past.md) is what
to do.
"""

_REMOVAL: Final = """
**Deprecated in** is the revision that deprecated it, or the first one without it. **Not removed before** is the day
from which a new revision may come without it. There is no such day where 2026-07-28, or a revision before it, has left
it out already: then only older revisions have it, and how long those are served is up to each operator.

Two days need a word. HTTP+SSE was deprecated long before there was a policy, so SEP-2596 gave it three months from the
day on which it became final itself, 2026-06-03. `includeContext` goes with Sampling, or before it.
"""

_OLD_REVISIONS: Final = """
An old revision is not deprecated by the specification; it is final, and another one follows it. These ids stand for all
that a client of that revision does.
"""

_PHASES: Final[dict[Phase, str]] = {
    Phase.ANNOUNCED: "six months or more",
    Phase.REMINDED: "less than six months",
    Phase.URGENT: "less than three months",
    Phase.FINAL: "less than one month",
    Phase.PAST: "nothing: from the sunset on",
}
"""What is left of the window in each phase."""


def page() -> str:
    """The text of the page."""
    rows = {feature.id: feature for feature in FEATURES.values()}
    revisions = [feature for feature in rows.values() if feature.id.startswith("revision.")]
    others = [feature for feature in rows.values() if feature not in revisions]
    return markdown.page(
        "Deprecated features",
        _INTRODUCTION,
        "## Features",
        table(
            ["Feature", "Instead", "Deprecated in", "Not removed before"],
            [(_what(one), plain(one.replacement), _since(one), _removal(one)) for one in others],
        ),
        _REMOVAL,
        "## Old revisions",
        _OLD_REVISIONS,
        table(["Id", "Followed by"], [(code(one.id), _link(one.deprecated_in, one.spec_url)) for one in revisions]),
        "## Phases",
        f"Unless the operator says otherwise, a window begins on {Policy().announced} and has {Policy().window_months} "
        f"months:\nevery feature ends on {Policy().sunset('ping')}.",
        table(["Phase", "What is left of the window"], [(code(phase.value), _PHASES[phase]) for phase in _phases()]),
        "Months are months of the calendar: one month before 31 March is the last day of February. Days are in UTC.",
    )


def _phases() -> list[Phase]:
    return [Phase.ANNOUNCED, *sorted(MONTHS_BEFORE_SUNSET, key=lambda phase: -MONTHS_BEFORE_SUNSET[phase])]


def _what(feature: Feature) -> str:
    return f"{code(feature.id)}<br>{plain(feature.title)}"


def _since(feature: Feature) -> str:
    return f"{feature.deprecated_in}<br>{_link(feature.source, feature.spec_url)}"


def _removal(feature: Feature) -> str:
    return "" if feature.earliest_removal is None else feature.earliest_removal.isoformat()


def _link(text: str, url: str) -> str:
    return f"[{text}]({url})"

"""The subcommand `legacy ready`: may a feature go? Rule: 0 is a promise that the ledger can keep; all else is 1."""

import argparse
import json
from datetime import timedelta

from mcp_bridges.deprecation.cli.ledger_queries import affected_json, affected_lines, evidence_of, known_feature
from mcp_bridges.deprecation.cli.output import write
from mcp_bridges.deprecation.reports.readiness import Readiness, readiness
from mcp_bridges.deprecation.reports.report import in_words
from mcp_runtime.config import Config


def run(args: argparse.Namespace, config: Config) -> int:
    """Print who would miss it; `args` has `feature`, `quiet` (days), `json` and `today`. Raises ConfigError."""
    feature = known_feature(args.feature)
    evidence = evidence_of(config, since=args.today - timedelta(args.quiet - 1), until=args.today)
    found = readiness(evidence, feature)
    write(_as_json(found) if args.json else _as_text(found))
    return 0 if found.is_ready else 1


def _as_json(found: Readiness) -> str:
    return json.dumps(
        {
            "feature": found.feature,
            "ready": found.is_ready,
            "days": found.days,
            "watched_days": found.watched_days,
            "watched_since": None if found.watched_since is None else found.watched_since.isoformat(),
            "clients": [affected_json(one) for one in found.affected],
        },
        indent=2,
    )


def _as_text(found: Readiness) -> str:
    if found.affected:
        who = in_words(len(found.affected), "client")
        said = f"Not ready: {who} used {found.feature} in {in_words(found.days, 'day')}."
        return "\n".join([said, *affected_lines(found.affected)])
    nobody = f"nobody used {found.feature} in {in_words(found.days, 'day')}"
    watched = f"the ledger was watching on {found.watched_days} of them"
    if found.covered:
        return f"Ready: {nobody}; {watched}."
    since = f", the first time on {found.watched_since}" if found.watched_since else ""
    return f"Not ready: {nobody}, but {watched}{since}."

"""The subcommand `legacy simulate`. Rule: what has been seen is replayed; what is to come is only ever estimated."""

import argparse
import json
from datetime import date, timedelta
from typing import Final

from mcp_bridges.deprecation.cli.ledger_queries import affected_json, affected_lines, evidence_of, known_feature
from mcp_bridges.deprecation.cli.output import write
from mcp_bridges.deprecation.reports.readiness import Readiness, readiness
from mcp_bridges.deprecation.reports.report import in_words
from mcp_runtime.config import Config

ESTIMATE_DAYS: Final = 30
"""The days that stand for a day still to come."""


def run(args: argparse.Namespace, config: Config) -> int:
    """Print whom it would hit; `args` has `retire`, `on`, `json` and `today`. Returns 0. Raises ConfigError."""
    feature = known_feature(args.retire)
    estimated = args.on > args.today
    since = args.today - timedelta(ESTIMATE_DAYS - 1) if estimated else args.on
    found = readiness(evidence_of(config, since=since, until=args.today), feature)
    write(_as_json(found, args.on, since, args.today) if args.json else _as_text(found, args.on, since, args.today))
    return 0


def _as_json(found: Readiness, on: date, since: date, until: date) -> str:
    return json.dumps(
        {
            "retire": found.feature,
            "on": on.isoformat(),
            "replayed_since": since.isoformat(),
            "replayed_until": until.isoformat(),
            "estimated": on > until,
            "refused_calls": sum(one.used.calls for one in found.affected),
            "clients": [affected_json(one) for one in found.affected],
        },
        indent=2,
    )


def _as_text(found: Readiness, on: date, since: date, until: date) -> str:
    calls = sum(one.used.calls for one in found.affected)
    who = in_words(len(found.affected), "client")
    if on > until:
        said = f"{on} is still to come. As in the {found.days} days to {until}, {who} would be refused, {calls:,} times"
    else:
        said = f"From {since} to {until}, {who} would have been refused, {calls:,} times"
    lines = [f"Without {found.feature} from {on} on:", f"{said}."]
    return "\n".join([*lines, *affected_lines(found.affected)] if calls else lines)

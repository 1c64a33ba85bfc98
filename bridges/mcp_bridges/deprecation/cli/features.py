"""The subcommand `legacy features`. Rule: what the specification says and what happens here stand side by side."""

import argparse
import json
from datetime import date
from typing import Any

from mcp_bridges.deprecation.cli.output import write
from mcp_bridges.deprecation.decisions.options import Deprecation, read_deprecation
from mcp_bridges.deprecation.decisions.registry import FEATURES, Feature
from mcp_runtime.config import Config


def run(args: argparse.Namespace, config: Config) -> int:
    """Print every feature; `args` has `json` and `today`. Returns the exit code. Raises ConfigError."""
    rows = [_row(feature, read_deprecation(config), args.today) for feature in FEATURES.values()]
    write(json.dumps(rows, indent=2) if args.json else "\n\n".join(map(_as_text, rows)))
    return 0


def _row(feature: Feature, decided: Deprecation, today: date) -> dict[str, Any]:
    earliest = feature.earliest_removal
    return {
        "id": feature.id,
        "title": feature.title,
        "replacement": feature.replacement,
        "deprecated_in": feature.deprecated_in,
        "source": feature.source,
        "spec_url": feature.spec_url,
        "earliest_removal": None if earliest is None else earliest.isoformat(),
        "sunset": decided.policy.sunset(feature.id).isoformat(),
        "days_left": decided.policy.days_left(feature.id, today),
        "phase": decided.policy.phase(feature.id, today).value,
        "stage": decided.enforcement.stage_of(feature.id).name.lower(),
        "dry_run": decided.enforcement.is_dry(feature.id),
    }


def _left(days: int) -> str:
    return f"{days} days left" if days >= 0 else f"{-days} days ago"


def _as_text(row: dict[str, Any]) -> str:
    removal = f", not removed before {row['earliest_removal']}" if row["earliest_removal"] else ""
    dry = ", as a dry run" if row["dry_run"] else ""
    return "\n".join(
        [
            f"{row['id']}",
            f"  what     {row['title']}",
            f"  instead  {row['replacement']}",
            f"  spec     deprecated in {row['deprecated_in']} ({row['source']}){removal}",
            f"           {row['spec_url']}",
            f"  here     {row['stage']}{dry}; ends {row['sunset']}: {row['phase']}, {_left(row['days_left'])}",
        ]
    )

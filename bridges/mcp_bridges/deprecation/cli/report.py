"""The subcommand `legacy report`: the report on the ledger. Rule: in the format that was asked for."""

import argparse
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from mcp_bridges.deprecation.cli.ledger_queries import evidence_of, known_feature
from mcp_bridges.deprecation.cli.output import write
from mcp_bridges.deprecation.decisions.options import read_deprecation
from mcp_bridges.deprecation.reports.formats import as_csv, as_json, as_table
from mcp_bridges.deprecation.reports.html import as_html
from mcp_bridges.deprecation.reports.report import Report, make_report
from mcp_runtime.config import Config

FORMATS: Final[Mapping[str, Callable[[Report], str]]] = MappingProxyType(
    {"table": as_table, "json": as_json, "html": as_html, "csv": as_csv}
)


def run(args: argparse.Namespace, config: Config) -> int:
    """Print the report; `args` has `since` (days), `feature`, `format` and `today`. Raises ConfigError."""
    policy = read_deprecation(config).policy
    feature = None if args.feature is None else known_feature(args.feature)
    evidence = evidence_of(config, since=args.today - timedelta(args.since - 1), until=args.today)
    write(FORMATS[args.format](make_report(evidence, policy, feature=feature)))
    return 0

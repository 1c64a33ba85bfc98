"""What the subcommands that ask the ledger share: the question. Rule: what cannot be asked is the operator's error."""

from datetime import date

from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.ledger.options import ledger_path
from mcp_bridges.deprecation.ledger.schema import LedgerUnusable
from mcp_bridges.deprecation.reports.evidence import Evidence, read_evidence
from mcp_runtime.config import Config, ConfigError, nearest


def evidence_of(config: Config, *, since: date, until: date) -> Evidence:
    """What the configured ledger says of that time. Raises ConfigError where it cannot be read."""
    try:
        return read_evidence(ledger_path(config), since=since, until=until)
    except LedgerUnusable as error:
        fix = "name the server's own configuration with --config, or set ledger.database"
        raise ConfigError(config.origin.file or "defaults", "ledger.database", str(error), fix) from None


def known(feature: str) -> str:
    """`feature`. Raises ConfigError for one that is not in the registry."""
    if feature not in FEATURES:
        suggestion = nearest(feature, FEATURES)
        fix = f"did you mean {suggestion}?" if suggestion else "see `mcp-runtime legacy features`"
        raise ConfigError("command line", "FEATURE", f'there is no feature "{feature}"', fix)
    return feature

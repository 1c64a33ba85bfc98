"""The questions to the ledger that subcommands share, and affected clients as their answer.

Rule: what cannot be asked is the operator's error, and whoever would be refused is named.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.ledger.ledger import ledger_path
from mcp_bridges.deprecation.ledger.schema import LedgerUnusable
from mcp_bridges.deprecation.reports.evidence import Evidence, read_evidence
from mcp_bridges.deprecation.reports.formats import aligned
from mcp_bridges.deprecation.reports.readiness import AffectedClient
from mcp_bridges.deprecation.reports.report import day_in_words
from mcp_runtime.config import Config, ConfigError, nearest

_HEADINGS: Final = ("CLIENT", "PRINCIPAL", "TRANSPORT", "NETWORK", "CALLS", "OF", "LAST SEEN", "WHAT TO DO")


def evidence_of(config: Config, *, since: date, until: date) -> Evidence:
    """The evidence of that time in the configured ledger. Raises ConfigError where it cannot be read."""
    try:
        return read_evidence(ledger_path(config), since=since, until=until)
    except LedgerUnusable as error:
        fix = "name the server's own configuration with --config, or set ledger.database"
        raise ConfigError(config.origin.file or "defaults", "ledger.database", str(error), fix) from None


def known_feature(feature: str) -> str:
    """`feature`, which the command line names. Raises ConfigError for one that is not in the registry."""
    if feature not in FEATURES:
        suggestion = nearest(feature, FEATURES)
        fix = f"did you mean {suggestion}?" if suggestion else "see `mcp-runtime legacy features`"
        raise ConfigError("command line", "FEATURE", f'there is no feature "{feature}"', fix)
    return feature


def affected_lines(affected: Sequence[AffectedClient]) -> list[str]:
    """Affected clients as a table: `CALLS` use the feature, `OF` are all messages of the client."""
    return aligned([_HEADINGS, *map(_row, affected)])


def _row(one: AffectedClient) -> Sequence[str]:
    who = one.client.identity
    return (
        who.label,
        who.principal,
        who.transport,
        one.client.networks[0].name if one.client.networks else "",
        f"{one.used.calls:,}",
        f"{one.messages:,}",
        day_in_words(one.used.last_s),
        one.prospect.action,
    )


def affected_json(one: AffectedClient) -> dict[str, object]:
    """An affected client as JSON, its facts by their names."""
    return {
        **one.client.identity._asdict(),
        "networks": [network.name for network in one.client.networks],
        "calls": one.used.calls,
        "messages": one.messages,
        "first_seen": day_in_words(one.used.first_s),
        "last_seen": day_in_words(one.used.last_s),
        "could_move": one.prospect.kind,
        "action": one.prospect.action,
    }

"""The subcommand `legacy forget`: erases clients from the ledger. Rule: what would go is shown before anything goes."""

import argparse
import sqlite3

from mcp_bridges.deprecation.cli.output import write
from mcp_bridges.deprecation.ledger.erasure import Kept, erase
from mcp_bridges.deprecation.ledger.ledger import ledger_path
from mcp_bridges.deprecation.ledger.schema import LedgerUnusable
from mcp_bridges.deprecation.reports.formats import aligned
from mcp_bridges.deprecation.reports.report import in_words
from mcp_bridges.gate.client_rules import ClientRule, parse_rule
from mcp_runtime.config import Config, ConfigError


def run(args: argparse.Namespace, config: Config) -> int:
    """Erase the clients that `args.client` describes, or show them without `args.yes`; 1 where there are none.

    Raises ConfigError.
    """
    rule = _rule(args.client)
    path = ledger_path(config)
    origin = config.origin.file or "defaults"
    if not path.exists():
        raise ConfigError(origin, "ledger.database", f"there is no ledger at {path}", "name the server's configuration")
    try:
        found = erase(path, lambda one: _is_meant(one, rule), max_bytes=config.ledger.max_bytes, dry_run=not args.yes)
    except (OSError, sqlite3.Error, LedgerUnusable) as error:
        fix = "see `mcp-runtime state check`"
        raise ConfigError(origin, "ledger.database", f"{path} cannot be written: {error}", fix) from None
    if not found:
        write(f"The ledger knows no client with {args.client}.")
        return 1
    write("\n".join([*aligned([_HEADINGS, *map(_row, found)]), _verdict(len(found), erased=args.yes)]))
    return 0


_HEADINGS = ("CLIENT", "PRINCIPAL", "TRANSPORT", "NETWORKS")


def _row(one: Kept) -> tuple[str, ...]:
    who = one.identity
    return who.label, who.principal, who.transport, " ".join(one.networks) or who.network


def _verdict(number: int, *, erased: bool) -> str:
    who = in_words(number, "client")
    return f"Erased {who}." if erased else f"This would erase {who}; add --yes to do it."


def _rule(text: str) -> ClientRule:
    try:
        return parse_rule(text)
    except ValueError as error:
        problem, _, fix = str(error).partition("; ")
        raise ConfigError("command line", "CLIENT", problem, fix or 'write one such as "name=cursor"') from None


def _is_meant(one: Kept, rule: ClientRule) -> bool:
    return any(rule.matches(client) for client in one.seen_as())

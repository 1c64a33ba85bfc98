"""The gate that a configuration asks for, put together. Rule: what was decided is read elsewhere, not judged here."""

from collections.abc import Callable

from mcp_bridges.deprecation.decisions.cadences import CADENCES
from mcp_bridges.deprecation.decisions.option_texts import parse_cadence
from mcp_bridges.deprecation.decisions.options import each_once, read_deprecation
from mcp_bridges.deprecation.gatekeeping.gatekeeper import DeprecationGate, Notebook
from mcp_bridges.deprecation.gatekeeping.logs import EventLog, UsageLog
from mcp_bridges.deprecation.gatekeeping.refusals import Refusals
from mcp_bridges.deprecation.gatekeeping.signals import SignalHeaders
from mcp_runtime.config import Config


def build_gate(config: Config, *, notebook: Notebook, now: Callable[[], float], log: EventLog) -> DeprecationGate:
    """The gate that `config` asks for. `now` gives Unix seconds. Raises ConfigError as `read_deprecation` does."""
    decided, section = read_deprecation(config), config.deprecation
    cadences = dict(CADENCES) | each_once(config, "log_cadences", section.log_cadences, parse_cadence)
    return DeprecationGate(
        enforcement=decided.enforcement,
        signals=SignalHeaders(decided.policy, decided.links),
        refusals=Refusals(
            policy=decided.policy, enforcement=decided.enforcement, links=decided.links, message=section.message
        ),
        log=UsageLog(decided.policy, decided.links, log=log, cadences=cadences, max_streams=section.max_log_streams),
        notebook=notebook,
        now=now,
    )

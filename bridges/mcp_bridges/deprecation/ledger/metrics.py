"""The metrics of the ledger and the policy. Rule: their labels are the registry's features and three outcomes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.ledger.ledger import Ledger
from mcp_runtime.telemetry.metrics import Family


def ledger_families(ledger: Ledger, policy: Policy, *, now: Callable[[], float]) -> tuple[Family, ...]:
    """The families to add to the process's metrics. `now` gives Unix seconds."""
    return (
        Family(
            name="mcp_legacy_calls_total",
            description="Uses of a feature on its way out; one call may use several.",
            kind="counter",
            labels=("feature", "outcome"),
            read=lambda: _calls(ledger),
        ),
        Family(
            name="mcp_legacy_days_to_sunset",
            description="Days on which a feature is still served; less than zero once that is over.",
            kind="gauge",
            labels=("feature",),
            read=lambda: _days_left(policy, now()),
        ),
        Family(
            name="mcp_ledger_lag_seconds",
            description="Age of the oldest call that is not yet in the ledger's file.",
            kind="gauge",
            labels=(),
            read=lambda: {(): ledger.status.lag_s},
        ),
        Family(
            name="mcp_ledger_waiting_calls",
            description="Calls that are not yet in the ledger's file.",
            kind="gauge",
            labels=(),
            read=lambda: {(): ledger.status.waiting_calls},
        ),
        Family(
            name="mcp_ledger_lost_calls_total",
            description="Calls that the ledger had no room for.",
            kind="counter",
            labels=(),
            read=lambda: {(): ledger.status.lost_calls},
        ),
    )


def _calls(ledger: Ledger) -> Mapping[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for feature, tally in ledger.by_feature().items():
        if feature in FEATURES:
            found[feature, "refused"] = tally.refused
            found[feature, "would_refuse"] = tally.would_refuse
            found[feature, "served"] = tally.calls - tally.refused - tally.would_refuse
    return found


def _days_left(policy: Policy, now_s: float) -> Mapping[tuple[str, ...], float]:
    today = datetime.fromtimestamp(now_s, UTC).date()
    return {(feature,): policy.days_left(feature, today) for feature in FEATURES}

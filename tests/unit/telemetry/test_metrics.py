"""Metrics: right numbers, under labels that no client can add to, in a format that Prometheus reads."""

from itertools import product
from typing import Any, get_args

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from mcp_runtime.core.dispatch.methods import METHODS
from mcp_runtime.protocol.legacy import LEGACY_METHODS
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS
from mcp_runtime.telemetry.labels import EraName, OutcomeName, TransportName
from mcp_runtime.telemetry.metrics import (
    DURATION_BUCKETS_S,
    Family,
    Meter,
    Metrics,
)
from mcp_runtime.telemetry.prometheus_text import PrometheusText

MODERN = "2026-07-28"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(methods=METHODS)


def samples(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """What a scrape has under `name`, by labels."""
    text, _ = PrometheusText(metrics).text("")
    families: Any = parse_text(text.decode())
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def called(metrics: Meter, method: str = "tools/call", **changes: Any) -> None:
    given: dict[str, Any] = {
        "era": "modern",
        "revision": MODERN,
        "transport": "stdio",
        "outcome": "ok",
        "duration_s": 0.004,
        **changes,
    }
    metrics.request(given["era"], given["revision"], given["transport"], method, given["outcome"], given["duration_s"])


def test_requests_are_counted_by_their_labels(metrics: Metrics) -> None:
    for outcome in ("ok", "ok", "error"):
        called(metrics, outcome=outcome)
    called(metrics, "initialize", era="legacy", revision="2025-06-18", transport="http_sse")
    assert samples(metrics, "mcp_requests_total") == {
        labels("modern", MODERN, "stdio", "tools/call", "ok"): 2,
        labels("modern", MODERN, "stdio", "tools/call", "error"): 1,
        labels("legacy", "2025-06-18", "http_sse", "initialize", "ok"): 1,
    }


def labels(era: str, revision: str, transport: str, method: str, outcome: str) -> tuple[tuple[str, str], ...]:
    found = {"era": era, "revision": revision, "transport": transport, "method": method, "outcome": outcome}
    return tuple(sorted(found.items()))


@pytest.mark.parametrize(
    ("revision", "label"),
    [(MODERN, MODERN), ("2024-11-05", "2024-11-05"), ("", "none"), ("2099-01-01", "other"), ('"} 1\nx', "other")],
)
def test_a_revision_is_known_none_or_other(metrics: Metrics, revision: str, label: str) -> None:
    called(metrics, revision=revision)
    ((found),) = samples(metrics, "mcp_requests_total")
    assert dict(found)["revision"] == label


def test_no_client_can_add_a_series(metrics: Metrics) -> None:
    for n in range(1000):
        called(metrics, f"tools/call{n}", revision=f"x{n}")
    assert samples(metrics, "mcp_requests_total") == {labels("modern", "other", "stdio", "other", "ok"): 1000}
    assert len(metrics._requests) == len(metrics._durations) == 1


def test_there_is_an_end_to_all_labels(metrics: Metrics) -> None:
    methods = [*METHODS, *LEGACY_METHODS, "made/up"]
    revisions = [*MODERN_REVISIONS, *LEGACY_REVISIONS, "", "x"]
    names = (get_args(EraName), get_args(TransportName), get_args(OutcomeName))
    for era, transport, outcome in product(*names):
        for revision, method in product(revisions, methods):
            metrics.request(era, revision, transport, method, outcome, 0.1)
    assert len(metrics._requests) == 2 * 3 * 5 * len(revisions) * len(methods)
    assert len(metrics._durations) == 2 * 3 * len(methods)


@pytest.mark.parametrize(
    ("duration_s", "bound"),
    [(0.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (300.0, "300.0"), (300.1, "+Inf"), (1e9, "+Inf")],
)
def test_a_duration_is_in_the_first_bucket_that_holds_it(metrics: Metrics, duration_s: float, bound: str) -> None:
    called(metrics, duration_s=duration_s)
    buckets = {dict(key)["le"]: value for key, value in samples(metrics, "mcp_request_duration_seconds_bucket").items()}
    assert len(buckets) == len(DURATION_BUCKETS_S) + 1
    holding = [le for le, value in buckets.items() if value]
    assert holding[0] == bound
    assert buckets["+Inf"] == 1


def test_durations_are_summed_over_revisions_and_outcomes(metrics: Metrics) -> None:
    called(metrics, duration_s=0.5)
    called(metrics, duration_s=0.25, outcome="error")
    key = (("era", "modern"), ("method", "tools/call"), ("transport", "stdio"))
    assert samples(metrics, "mcp_request_duration_seconds_sum") == {key: 0.75}
    assert samples(metrics, "mcp_request_duration_seconds_count") == {key: 2}


def test_open_streams_go_up_and_down(metrics: Metrics) -> None:
    metrics.stream_opened("modern", "streamable_http")
    metrics.stream_opened("legacy", "http_sse")
    metrics.stream_opened("legacy", "http_sse")
    metrics.stream_closed("legacy", "http_sse")
    metrics.stream_closed("modern", "streamable_http")
    assert samples(metrics, "mcp_open_streams") == {
        (("era", "legacy"), ("transport", "http_sse")): 1,
        (("era", "modern"), ("transport", "streamable_http")): 0,
    }


def test_others_add_numbers_that_are_read_when_somebody_asks(metrics: Metrics) -> None:
    now: dict[tuple[str, ...], float] = {(): 1.0}
    metrics.add(Family(name="mcp_ledger_lag_seconds", description="Lag.", kind="gauge", labels=(), read=lambda: now))
    metrics.add(
        Family(name="mcp_things_total", description="T.", kind="counter", labels=("a",), read=lambda: {("x",): 3})
    )
    assert samples(metrics, "mcp_ledger_lag_seconds") == {(): 1}
    now[()] = 2.0
    assert samples(metrics, "mcp_ledger_lag_seconds") == {(): 2}
    assert samples(metrics, "mcp_things_total") == {(("a", "x"),): 3}


def test_the_process_is_in_it_too(metrics: Metrics) -> None:
    assert samples(metrics, "process_resident_memory_bytes")[()] > 0


def test_openmetrics_is_there_for_whoever_asks_for_it(metrics: Metrics) -> None:
    called(metrics)
    text, content_type = PrometheusText(metrics).text(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    families: Any = parse_openmetrics(text.decode())  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
    assert {family.name for family in families} >= {"mcp_requests", "mcp_request_duration_seconds", "mcp_open_streams"}


def test_two_texts_of_the_same_numbers_do_not_disturb_each_other(metrics: Metrics) -> None:
    called(metrics)
    one, other = PrometheusText(metrics), PrometheusText(metrics)
    assert b"mcp_requests_total{" in one.text("")[0]
    assert b"mcp_requests_total{" in other.text("")[0]

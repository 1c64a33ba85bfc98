"""Metrics in Prometheus' formats. Rule: prometheus-client is imported here, and only once somebody asks.

What is counted is in `metrics.py`; this turns it into text, with what the library knows of the process itself.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mcp_runtime.telemetry.metrics import DURATION_BUCKETS_S, Family, Histogram, Metrics

_BOUNDS: Final = (*map(str, DURATION_BUCKETS_S), "+Inf")


class PrometheusText:
    """The numbers of `metrics` and of the process, as text."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(metrics))
        ProcessCollector(registry=self._registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """The text in the format that suits `accept`, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read the numbers."""
        return []

    def collect(self) -> Iterator[Metric]:
        for family in self._metrics.families():
            yield _simple(family)
        durations = HistogramMetricFamily(
            "mcp_request_duration_seconds", "How long requests took.", labels=("era", "transport", "method")
        )
        for labels, histogram in self._metrics.durations().items():
            durations.add_metric(labels, _cumulative(histogram), histogram.sum_s)
        yield durations


def _simple(family: Family) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.description, labels=family.labels)
    for labels, value in family.read().items():
        metric.add_metric(labels, value)
    return metric


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    """The format wants in each bucket what is in the smaller ones, too."""
    return list(zip(_BOUNDS, accumulate(histogram.buckets), strict=True))

"""The registry says what the specification says."""

import re
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from mcp_bridges.deprecation.decisions.registry import FEATURES, Feature
from mcp_bridges.gate.features import FeatureId, revision_feature
from mcp_runtime.protocol.revisions import LEGACY_REVISIONS, MODERN_REVISIONS

REVISIONS = sorted([*LEGACY_REVISIONS, *MODERN_REVISIONS])
SPEC = "https://modelcontextprotocol.io/specification/"


def test_the_registry_has_every_feature_of_the_past_in_its_order() -> None:
    assert list(FEATURES) == [
        "transport.http_sse",
        "protocol.handshake",
        "transport.session_id",
        "transport.get_stream",
        "transport.resumption",
        "jsonrpc.batch",
        "resources.subscribe",
        "logging.set_level",
        "ping",
        "feature.roots",
        "feature.sampling",
        "feature.logging",
        "sampling.include_context",
        "auth.dynamic_client_registration",
        "tasks.experimental_2025_11_25",
        "revision.2024-11-05",
        "revision.2025-03-26",
        "revision.2025-06-18",
        "revision.2025-11-25",
    ]


def test_every_old_revision_has_a_row_that_names_the_one_after_it() -> None:
    for old, new in pairwise(REVISIONS):
        assert FEATURES[f"revision.{old}"].deprecated_in == new


@pytest.mark.spec("deprecated#deprecated")
@pytest.mark.parametrize(
    ("feature", "deprecated_in", "source", "earliest_removal"),
    [
        ("feature.roots", "2026-07-28", "SEP-2577", date(2027, 7, 28)),
        ("feature.sampling", "2026-07-28", "SEP-2577", date(2027, 7, 28)),
        ("feature.logging", "2026-07-28", "SEP-2577", date(2027, 7, 28)),
        ("auth.dynamic_client_registration", "2026-07-28", "PR #2858", date(2027, 7, 28)),
        ("sampling.include_context", "2025-11-25", "SEP-2596", date(2027, 7, 28)),
        ("transport.http_sse", "2025-03-26", "SEP-2596", date(2026, 9, 3)),
    ],
)
def test_what_the_specification_calls_deprecated_has_its_dates(
    feature: str, deprecated_in: str, source: str, earliest_removal: date
) -> None:
    row = FEATURES[feature]
    assert (row.deprecated_in, row.source, row.earliest_removal) == (deprecated_in, source, earliest_removal)


@pytest.mark.spec("changelog#major-changes")
@pytest.mark.parametrize(
    ("feature", "source"),
    [
        ("protocol.handshake", "SEP-2575"),
        ("transport.session_id", "SEP-2567"),
        ("transport.get_stream", "SEP-2575"),
        ("transport.resumption", "SEP-2575"),
        ("resources.subscribe", "SEP-2575"),
        ("logging.set_level", "SEP-2575"),
        ("ping", "SEP-2575"),
        ("tasks.experimental_2025_11_25", "SEP-2663"),
    ],
)
def test_what_2026_07_28_came_without_has_no_date_to_wait_for(feature: str, source: str) -> None:
    row = FEATURES[feature]
    assert (row.deprecated_in, row.source, row.earliest_removal) == ("2026-07-28", source, None)


def test_batches_went_a_year_before_the_rest() -> None:
    assert FEATURES["jsonrpc.batch"].deprecated_in == "2025-06-18"


@pytest.mark.parametrize("row", FEATURES.values(), ids=FEATURES)
def test_a_row_is_complete(row: Feature) -> None:
    assert FEATURES[row.id] is row
    assert row.title
    assert row.replacement
    assert row.deprecated_in in REVISIONS
    assert re.fullmatch(r"SEP-\d{4}|PR #\d+|superseded by \d{4}-\d\d-\d\d", row.source)
    page = row.spec_url.removeprefix(SPEC)
    assert page != row.spec_url
    assert page.split("/")[0] in REVISIONS
    assert row.earliest_removal is None or row.earliest_removal > date.fromisoformat(row.deprecated_in)


def test_a_feature_is_deprecated_from_the_start_of_the_day() -> None:
    assert FEATURES["ping"].deprecated_at == datetime(2026, 7, 28, tzinfo=UTC)


def test_every_id_of_a_feature_has_a_row_and_every_row_an_id() -> None:
    assert set(FeatureId) | {revision_feature(one) for one in LEGACY_REVISIONS} == set(FEATURES)

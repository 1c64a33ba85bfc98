"""Prospects: what was seen, and what is known, keep "cannot" apart from "did not try"."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mcp_bridges.deprecation.reports.prospects import (
    MEANINGS,
    PRODUCTS,
    Product,
    Prospect,
    ProspectKind,
    product_of,
    prospects_of,
)
from mcp_bridges.gate.identity import identity_of
from mcp_bridges.gate.port import LegacyClient
from tests.bridges.deprecation.ledgers import Fixture, client, sighting

SDK: dict[str, Any] = {"version": "0.1.0", "user_agent": "python-httpx/0.28.1"}


async def found_prospects(path: Path, legacy: list[LegacyClient], modern: list[LegacyClient]) -> list[Prospect]:
    """The prospects of the legacy ones, in their order."""
    fixture = Fixture(path / "ledger.db")
    ledger = fixture.ledger()
    for one in legacy:
        ledger.note(sighting(one), at=fixture.clock(), outcome="served")
    for one in modern:
        ledger.note_modern(one, "2026-07-28", at=fixture.clock())
    await ledger.flush()
    found = prospects_of(fixture.evidence())
    return [found[identity_of(one).key] for one in legacy]


@pytest.mark.parametrize(
    ("legacy", "modern", "kind"),
    [
        (client(), [], "never_tried"),
        (client(), [client()], "modern_seen"),
        (client(transport="http_sse"), [client(transport="streamable_http")], "modern_seen"),
        (client(), [client(version="2.0")], "never_tried"),
        (client(), [client(user_agent="other/1")], "never_tried"),
        (client(), [client(principal="ada")], "never_tried"),
        (client("claude-code", transport="http_sse", version="2.1.330"), [], "configuration"),
        (client("Claude-Code", transport="http_sse", version="2.1.331 (cli)"), [], "configuration"),
        (client("claude-code", transport="http_sse", version="3.0"), [], "configuration"),
        (client("claude-code", transport="http_sse", version="2.1.329"), [], "never_tried"),
        (client("claude-code", transport="http_sse", version="next"), [], "never_tried"),
        (client("claude-code", transport="http_sse", version=None), [], "never_tried"),
        (client("claude-code", transport="streamable_http", version="2.1.330"), [], "never_tried"),
        (client("mcp-inspector", transport="stdio", version="2.12.0"), [], "configuration"),
        (client("mcp", **SDK), [], "unknown"),
        (client("mcp", **SDK), [client("mcp", **SDK)], "modern_seen"),
        (client("mcp", **SDK), [client("mcp", **SDK, peer="198.51.100.1")], "unknown"),
        (client("mcp", **SDK, principal="ada"), [], "never_tried"),
        (client("mcp", **SDK, principal="ada"), [client("mcp", **SDK, principal="ada", peer=None)], "modern_seen"),
        (client("mcp", version="1.12", user_agent=None), [], "never_tried"),
        (client("", version=None), [], "unknown"),
        (client("mcp", **SDK, peer=None), [client("mcp", **SDK, peer=None)], "unknown"),
    ],
)
async def test_the_prospect(
    tmp_path: Path, legacy: LegacyClient, modern: list[LegacyClient], kind: ProspectKind
) -> None:
    (found,) = await found_prospects(tmp_path, [legacy], modern)
    assert found.kind == kind
    assert found.action


async def test_a_known_product_is_told_what_to_change(tmp_path: Path) -> None:
    (found,) = await found_prospects(tmp_path, [client("claude-code", transport="http_sse", version="2.1.330")], [])
    assert found.action.startswith("Claude Code: edit the URL of its entry")


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.title)
def test_every_product_says_where_that_is_from_and_when(product: Product) -> None:
    assert product.source
    assert date(2026, 7, 28) <= product.checked
    assert product.name == product.name.lower()


def test_an_sdk_default_names_nobody_but_with_a_principal() -> None:
    assert identity_of(client("mcp", **SDK)).is_anonymous
    assert not identity_of(client("mcp", **SDK, principal="ada")).is_anonymous
    assert product_of(identity_of(client("mcp", **SDK))) is None


def test_every_prospect_has_a_meaning_for_people() -> None:
    assert set(MEANINGS) == {"modern_seen", "configuration", "never_tried", "unknown"}

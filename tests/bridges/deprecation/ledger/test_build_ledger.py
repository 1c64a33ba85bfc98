"""From the configuration to a ledger, its metrics, and its place."""

from pathlib import Path

import pytest

from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.gatekeeping.gatekeeper import build_gate
from mcp_bridges.deprecation.ledger.ledger import build_ledger, ledger_path
from mcp_bridges.deprecation.ledger.metrics import ledger_families
from mcp_runtime.config import (
    Config,
    ConfigError,
    DeprecationConfig,
    LedgerConfig,
    StateConfig,
    default_state_directory,
    load_config,
)
from tests.bridges.deprecation.ledgers import Clock, Fixture, client, sighting


def configured(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    return load_config(file, environ={"HOME": str(folder)})


def test_the_file_is_in_the_state_directory_unless_it_is_named(tmp_path: Path) -> None:
    assert ledger_path(configured(tmp_path, '[state]\ndirectory = "here"\n')) == tmp_path / "here" / "ledger.db"
    assert ledger_path(configured(tmp_path, '[ledger]\ndatabase = "past.db"\n')) == tmp_path / "past.db"
    assert ledger_path(configured(tmp_path, "")) == tmp_path / ".local" / "state" / "mcp-runtime" / "ledger.db"


def test_a_configuration_that_was_not_loaded_has_the_default_place() -> None:
    import os

    assert ledger_path(Config()) == default_state_directory(os.environ) / "ledger.db"


@pytest.mark.parametrize(
    "text",
    [
        "flush_interval_s = 0",
        "retention_days = 0",
        "max_bytes = 1000",
        'addresses = "some"',
        'path = "x"',
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="ledger"):
        configured(tmp_path, f"[ledger]\n{text}\n")


@pytest.mark.parametrize(
    ("addresses", "kept"), [("full", "192.0.2.7"), ("truncated", "192.0.2.0/24"), ("hashed", None)]
)
async def test_what_is_configured_is_what_is_kept(tmp_path: Path, addresses: str, kept: str | None) -> None:
    text = f'[ledger]\ndatabase = "ledger.db"\naddresses = "{addresses}"\n[seal]\nkeys = ["{"0123456789abcdef" * 2}"]\n'
    fixture = Fixture(tmp_path / "ledger.db")
    networks: set[str] = set()
    for _ in range(2):  # A restarted server has the same key.
        ledger = build_ledger(configured(tmp_path, text), now=fixture.clock, log=fixture.log)
        ledger.note(sighting(), at=fixture.clock(), outcome="served")
        assert await ledger.flush()
        networks |= {row[0] for row in fixture.rows("SELECT network FROM network")}
    ((network),) = networks
    assert kept in (network, None)
    assert (network == "192.0.2.7") is (addresses == "full")


def test_the_values_reach_the_ledger(tmp_path: Path) -> None:
    section = LedgerConfig(flush_interval_s=0.5, retention_days=3, max_bytes=2_000_000)
    ledger = build_ledger(Config(ledger=section, state=StateConfig(directory=str(tmp_path))))
    assert (ledger._flush_interval_s, ledger._retention_days, ledger._max_bytes) == (0.5, 3, 2_000_000)


def test_metrics_are_of_the_registrys_features_alone(tmp_path: Path) -> None:
    clock = Clock()
    ledger = Fixture(tmp_path / "ledger.db", clock).ledger()
    for outcome in ("served", "served", "refused", "would_refuse"):
        ledger.note(sighting(client(), "ping", "made.up"), at=clock(), outcome=outcome)
    clock.at_s += 3
    read = {family.name: family.read() for family in ledger_families(ledger, Policy(), now=clock)}
    assert read["mcp_legacy_calls_total"] == {
        ("ping", "served"): 2,
        ("ping", "refused"): 1,
        ("ping", "would_refuse"): 1,
    }
    assert set(read["mcp_legacy_days_to_sunset"]) == {(feature,) for feature in FEATURES}
    assert read["mcp_legacy_days_to_sunset"]["ping",] == 361
    assert read["mcp_ledger_lag_seconds"] == {(): 3}
    assert read["mcp_ledger_waiting_calls"] == {(): 4}
    assert read["mcp_ledger_lost_calls_total"] == {(): 0}


async def test_the_gate_writes_into_it_what_became_of_each_sighting(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path / "ledger.db")
    ledger = fixture.ledger()
    config = Config(deprecation=DeprecationConfig(stages=("ping = gone", "jsonrpc.batch = gone"), dry_run=("ping",)))
    gate = build_gate(config, notebook=ledger, now=fixture.clock, log=fixture.log)
    for feature in ("ping", "jsonrpc.batch", "transport.session_id"):
        gate.admit(sighting(client(), feature))
    await ledger.flush()
    rows = fixture.rows("SELECT feature, calls, refused, would_refuse FROM use WHERE feature <> '*' ORDER BY feature")
    assert rows == [("jsonrpc.batch", 1, 1, 0), ("ping", 1, 0, 1), ("transport.session_id", 1, 0, 0)]

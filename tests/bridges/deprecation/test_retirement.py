"""The retirement of the past in one process: who used what, refused or served, and who could leave it.

Rule: what was counted is written when the process ends, whatever the loop and the wire.
"""

import re
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from starlette.testclient import TestClient

from mcp_bridges.attach import AttachedBridges
from mcp_bridges.deprecation.reports.evidence import Evidence, read_evidence
from mcp_bridges.deprecation.retirement import build_retirement
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import AdminConfig, BridgesConfig, Config, LedgerConfig
from mcp_runtime.config.sections import LegacyClientsConfig
from mcp_runtime.protocol.revisions import Era
from mcp_runtime.server.http.admin import admin_app
from mcp_runtime.server.progress import ServerStage
from tests.support.fixture_plugin import make_plugin
from tests.support.http_client import HttpClient, http_client
from tests.support.messages import LOG_LEVEL
from tests.support.raw_sessions import on_both_loops, serving
from tests.support.raw_wires import old_sse, old_stdio
from tests.support.settings import settings


def keeping(directory: Path, *rules: str, flush_interval_s: float = 3600.0, **sections: Any) -> Config:
    """A server that keeps a ledger in `directory`, and refuses by `rules`."""
    ledger = LedgerConfig(database=str(directory / "ledger.db"), flush_interval_s=flush_interval_s)
    return settings(ledger=ledger, bridges=BridgesConfig(clients=LegacyClientsConfig(rules=rules)), **sections)


def evidence(directory: Path) -> Evidence:
    """What was written there yesterday and today: a test may run past midnight."""
    today = datetime.now(UTC).date()
    return read_evidence(directory / "ledger.db", since=today - timedelta(days=1), until=today)


def calls(found: Evidence, feature: str) -> tuple[int, int]:
    """How often it was used, and how often of that it was refused."""
    used = found.users_of(feature).values()
    return sum(one.calls for one in used), sum(one.refused for one in used)


def modern_calls(found: Evidence) -> int:
    """How many requests of the present were counted."""
    return sum(day.get(Era.MODERN, 0) for day in found.by_era.values())


@on_both_loops("real")
async def test_whoever_uses_the_past_is_in_the_ledger_and_whoever_was_refused_too(tmp_path: Path) -> None:
    async with serving(keeping(tmp_path, "refuse name=cursor")) as server:
        client = await server.client()
        assert (await client.use("echo", text="hi")).text == "hi"
        assert (await server.visitor().begin(name="cursor")).status == 400
    found = evidence(tmp_path)
    assert calls(found, "protocol.handshake") == (2, 1)
    assert calls(found, "transport.session_id") == (4, 1)
    assert {client.identity.name for client in found.clients.values()} == {"old-client", "cursor"}


@on_both_loops("real")
async def test_requests_of_the_present_are_counted_too_and_what_of_the_past_they_use(tmp_path: Path) -> None:
    config = keeping(tmp_path)
    runtime = build_runtime(config, (make_plugin([]),))
    async with http_client(runtime, []) as client:
        assert (await client.ask("tools/list")).status == 200
        assert (await client.call("chat", extra_meta={LOG_LEVEL: "error"})).text == "chatted"
    found = evidence(tmp_path)
    assert modern_calls(found) == 2
    assert calls(found, "feature.logging") == (1, 0)
    assert calls(found, "protocol.handshake") == (0, 0)


@pytest.mark.parametrize(
    ("addresses", "kept"),
    [("full", r"127\.0\.0\.1"), ("truncated", r"127\.0\.0\.0/24"), ("hashed", "[0-9a-f]{16}"), ("none", None)],
)
@on_both_loops("real")
async def test_of_an_address_no_more_is_kept_than_the_operator_allows(
    addresses: Any, kept: str | None, tmp_path: Path
) -> None:
    ledger_config = LedgerConfig(database=str(tmp_path / "ledger.db"), addresses=addresses)
    async with serving(settings(ledger=ledger_config)) as server:
        await server.client()
        async with old_sse(HttpClient(server.app, server.runtime, [], server.tasks)) as client:
            await client.open()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
        networks = {network for (network,) in ledger.execute("SELECT network FROM network")}
    if kept is None:
        assert networks == set()
    else:
        (network,) = networks
        assert re.fullmatch(kept, network)
    if addresses != "full":
        assert b"127.0.0.1" not in (tmp_path / "ledger.db").read_bytes()


class Parts:
    """A ledger and a watch that write down what is done with them, and when."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self.began = anyio.current_time()

    def note(self, what: str) -> None:
        self.done.append((what, round(anyio.current_time() - self.began)))

    def hand_over(self) -> None:
        self.note("handed over")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        yield
        self.note("written")


@on_both_loops()
async def test_what_was_counted_is_handed_over_from_time_to_time_and_before_the_last_write() -> None:
    parts: Any = Parts()
    retirement = replace(build_retirement(settings(), now=time.time), ledger=parts, modern=parts, flush_interval_s=5)
    async with retirement.running():
        await anyio.sleep(12)
    assert parts.done == [("handed over", 5), ("handed over", 10), ("handed over", 12), ("written", 12)]


@on_both_loops()
async def test_where_no_ledger_is_kept_there_is_nothing_to_hand_over() -> None:
    retirement = build_retirement(settings(), now=time.time)
    assert (retirement.ledger, retirement.modern) == (None, None)
    async with retirement.running():
        await anyio.lowlevel.checkpoint()


async def test_on_stdio_nothing_is_kept_before_an_old_client_comes(tmp_path: Path) -> None:
    runtime = build_runtime(keeping(tmp_path), (make_plugin([]),))
    async with old_stdio(runtime, []) as client:
        await client.open()
        assert "result" in await client.ask("tools/list")
    found = evidence(tmp_path)
    assert calls(found, "protocol.handshake") == (1, 0)
    assert modern_calls(found) == 0


# For the operator


def metered(directory: Path, *, enabled: bool = True) -> Runtime:
    """A runtime with an admin bind."""
    ledger = LedgerConfig(enabled=enabled, database=str(directory / "ledger.db"))
    return build_runtime(settings(ledger=ledger, admin=AdminConfig(bind=("127.0.0.1:0",))), ())


def test_the_metrics_have_what_the_ledger_counts(tmp_path: Path) -> None:
    runtime = metered(tmp_path)
    assert isinstance(runtime.bridges, AttachedBridges)
    runtime.bridges.observer()
    runtime.bridges.observer()
    assert runtime.metrics is not None
    names = [family.name for family in runtime.metrics.families()]
    assert names.count("mcp_legacy_calls_total") == 1
    assert "mcp_ledger_waiting_calls" in names


def test_without_a_ledger_there_is_no_page_nothing_to_observe_and_nothing_more_to_measure(tmp_path: Path) -> None:
    runtime = metered(tmp_path, enabled=False)
    assert isinstance(runtime.bridges, AttachedBridges)
    assert runtime.bridges.admin_routes() == ()
    runtime.bridges.observer()
    assert runtime.metrics is not None
    assert not [family.name for family in runtime.metrics.families() if "ledger" in family.name]
    assert list(tmp_path.iterdir()) == []


def test_the_page_is_on_the_admin_bind(tmp_path: Path) -> None:
    runtime = metered(tmp_path)
    assert runtime.bridges is not None
    browser = TestClient(admin_app(lambda: ServerStage.READY, routes=runtime.bridges.admin_routes()))
    answer = browser.get("/legacy")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"

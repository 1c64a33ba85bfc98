"""Modern requests show who could leave the past, and what of the past is still used there."""

from pathlib import Path
from typing import Any

import pytest
import trio.testing

from mcp_bridges.deprecation.ledger import modern_clients
from mcp_bridges.deprecation.ledger.modern_clients import ModernClientObserver
from mcp_runtime.core.calls.call import Call
from mcp_runtime.core.calls.time_limit import no_limit
from mcp_runtime.protocol.jsonrpc import NO_PARAMS, Request
from mcp_runtime.protocol.meta import Implementation, LoggingLevel, MetaProbe, RequestMetaObject
from tests.bridges.deprecation.ledgers import START, Fixture, seconds

VERSION = "2026-07-28"


async def silent(_: bytes) -> None:
    """Nothing is sent."""


def call(
    name: str | None = "acme", *, agent: bytes | None = b"acme/2", asked: tuple[str, ...] = (), log: bool = False
) -> Call:
    """A request that a client of 2026-07-28 made."""
    meta: dict[str, Any] = {}
    if name is not None:
        meta["client_info"] = Implementation(name=name, version="2.0")
    if log:
        level: LoggingLevel = "info"
        meta["log_level"] = level
    return Call(
        request=Request(1, "tools/call", NO_PARAMS, MetaProbe(None, None, VERSION)),
        transport="streamable_http",
        notify=silent,
        time=no_limit(),
        peer="192.0.2.7",
        http_headers=None if agent is None else {b"user-agent": agent},
        asked=list(asked),
        meta=RequestMetaObject(protocol_version=VERSION, **meta),
    )


@pytest.fixture
def fixture(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path / "state" / "ledger.db")


async def test_requests_are_handed_over_in_one_piece(fixture: Fixture, autojump_clock: trio.testing.MockClock) -> None:
    ledger = fixture.ledger()
    observer = ModernClientObserver(ledger, now=lambda: seconds(START))
    for _ in range(3):
        observer.served(call(), None, 0.0)
    observer.served(call(None, agent=None), None, 0.0)
    assert ledger.status.waiting_calls == 0
    observer.hand_over()
    observer.hand_over()
    assert await ledger.flush()
    assert fixture.rows(
        "SELECT name, version, user_agent, calls, revision FROM use JOIN client ON use.client = client.id ORDER BY calls"
    ) == [("", "", "", 1, VERSION), ("acme", "2.0", "acme/2", 3, VERSION)]


@pytest.mark.parametrize("more", [-1, 0, 1, modern_clients._AT_ONCE])
async def test_none_is_lost_however_many_come(
    fixture: Fixture, more: int, autojump_clock: trio.testing.MockClock
) -> None:
    ledger = fixture.ledger()
    observer = ModernClientObserver(ledger, now=lambda: seconds(START))
    for _ in range(modern_clients._AT_ONCE + more):
        observer.served(call("one"), None, 0.0)
        observer.served(call("two"), None, 0.0)
    observer.hand_over()
    assert await ledger.flush()
    calls = modern_clients._AT_ONCE + more
    rows = fixture.rows("SELECT name, calls FROM use JOIN client ON use.client = client.id ORDER BY name")
    assert rows == [("one", calls), ("two", calls)]


@pytest.mark.parametrize(
    ("asked", "log", "features"),
    [
        ((), False, set[str]()),
        ((), True, {"feature.logging"}),
        (("sampling/createMessage", "sampling/createMessage"), False, {"feature.sampling"}),
        (("roots/list", "elicitation/create"), True, {"feature.roots", "feature.logging"}),
        (("elicitation/create",), False, set[str]()),
    ],
)
async def test_what_is_on_its_way_out_is_noted(
    fixture: Fixture, asked: tuple[str, ...], log: bool, features: set[str], autojump_clock: trio.testing.MockClock
) -> None:
    ledger = fixture.ledger()
    ModernClientObserver(ledger, now=lambda: seconds(START)).served(call(asked=asked, log=log), None, 0.0)
    assert {feature for feature in ledger.by_feature() if feature != "*"} == features


async def test_clients_past_the_bound_are_not_kept_apart(
    fixture: Fixture, autojump_clock: trio.testing.MockClock
) -> None:
    ledger = fixture.ledger()
    observer = ModernClientObserver(ledger, now=lambda: seconds(START))
    bound = modern_clients._MAX_CLIENTS
    for number in range(bound + 5):
        observer.served(call(f"client-{number}"), None, 0.0)
    observer.served(call("client-0"), None, 0.0)
    observer.hand_over()
    assert ledger.status.waiting_calls == bound + 1

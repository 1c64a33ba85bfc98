"""The attachment of bridges to a server, and a release without them. Rule: what is off is not even imported."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from mcp_bridges.attach import AttachedBridges, attach
from mcp_bridges.deprecation.reports.evidence import read_evidence
from mcp_bridges.gate.port import SERVE, Sighting, Verdict
from mcp_bridges.wires.stdio import HandshakeStdio
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.config import AdminConfig, BridgesConfig, ConfigError, LedgerConfig, Limits
from mcp_runtime.config.sections import (
    HttpSessionsConfig,
    HttpSseConfig,
    LegacyClientsConfig,
    StdioHandshakeConfig,
)
from mcp_runtime.protocol.messages import read_message
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.patience import Patience
from mcp_runtime.transports.stdio.bridge_port import StdioWire
from tests.support.legacy_messages import opening
from tests.support.messages import encode
from tests.support.raw_sessions import OldServer as Server
from tests.support.raw_sessions import bridge_settings, on_both_loops, served, serving
from tests.support.settings import NO_BRIDGES, settings


async def _drop(_: bytes) -> None:
    """Nobody listens."""


WIRE: Final = StdioWire(send=_drop, start=lambda _: None)


def runtime(**options: Any) -> Any:
    return build_runtime(settings(**options), ())


# Loading


def test_a_runtime_gets_the_bridges_of_its_configuration() -> None:
    assert isinstance(runtime().bridges, AttachedBridges)


@pytest.mark.parametrize("on", ["http_sessions", "http_sse", "stdio_handshake"])
@pytest.mark.parametrize("posture", ["serve", "refuse"])
async def test_one_bridge_is_enough(on: str, posture: Any) -> None:
    types: dict[str, Any] = {
        "http_sessions": HttpSessionsConfig,
        "http_sse": HttpSseConfig,
        "stdio_handshake": StdioHandshakeConfig,
    }
    sections = {name: kind(posture=posture if name == on else "off") for name, kind in types.items()}
    made = runtime(bridges=BridgesConfig(**sections))
    assert made.bridges is not None
    assert (made.bridges.stdio(WIRE) is None) == (on != "stdio_handshake")


def test_with_every_bridge_off_nothing_of_them_is_imported() -> None:
    code = (
        "import sys\n"
        "from mcp_runtime.assembly.compose import build_runtime\n"
        "from tests.support.settings import NO_BRIDGES, settings\n"
        "assert build_runtime(settings(bridges=NO_BRIDGES), ()).bridges is None\n"
        "print([name for name in sys.modules if name.startswith('mcp_bridges')])\n"
        "assert build_runtime(settings(), ()).bridges is not None\n"
        "print(sorted(name for name in sys.modules if name in ('cryptography', 'starlette', 'mcp_bridges.http_bridge')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The latter: a client on stdio does not wait for what HTTP needs.
    assert done.stdout.splitlines() == ["[]", "[]"]


@pytest.mark.parametrize("bridges", [BridgesConfig(), BridgesConfig(clients=LegacyClientsConfig(rules=("refuse",)))])
def test_a_bad_rule_stops_the_start(bridges: BridgesConfig) -> None:
    if bridges.clients.rules:
        with pytest.raises(ConfigError, match=r"bridges\.clients\.rules"):
            runtime(bridges=bridges)
    else:
        assert isinstance(attach(runtime(bridges=bridges)), AttachedBridges)


class Absent(MetaPathFinder):
    """Makes a package absent, as if it were not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002  # a finder's
        if fullname == self.name or fullname.startswith(f"{self.name}."):
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)
        return None


@contextmanager
def without(name: str) -> Generator[None]:
    """`name` cannot be imported within the block."""
    kept = {one: module for one, module in sys.modules.items() if one.startswith(name)}
    for one in kept:
        del sys.modules[one]
    finder = Absent(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(kept)


def test_a_release_without_the_package_serves_the_present() -> None:
    with without("mcp_bridges"):
        assert runtime(bridges=NO_BRIDGES).bridges is None
        assert runtime().bridges is None
    assert isinstance(runtime().bridges, AttachedBridges)


# Parts and their life


async def test_stdio_gets_a_bridge_unless_that_is_off() -> None:
    assert isinstance(runtime().bridges.stdio(WIRE), HandshakeStdio)
    off = BridgesConfig(stdio_handshake=StdioHandshakeConfig(posture="off"))
    assert runtime(bridges=off).bridges.stdio(WIRE) is None


async def test_a_process_without_http_has_nothing_to_run_or_close() -> None:
    bridges = runtime().bridges
    async with bridges.running():
        await trio.lowlevel.checkpoint()
    bridges.close()


async def test_what_http_runs_ends_with_the_block() -> None:
    bridges = runtime().bridges
    bridges.http(Patience(after_s=1, keep_alive_interval_s=1), BodyBudget(Limits()))
    async with bridges.running():
        await trio.lowlevel.checkpoint()
        bridges.close()


ASKED_FOR: Final = ("http", "stdio", "observer", "admin_routes")


@pytest.mark.parametrize("order", [pytest.param(order, id="-".join(order)) for order in permutations(ASKED_FOR)])
async def test_whatever_is_asked_for_first_the_past_is_kept_once(order: tuple[str, ...], tmp_path: Path) -> None:
    started: list[object] = []
    ledger = LedgerConfig(database=str(tmp_path / "ledger.db"), flush_interval_s=3600)
    made = runtime(ledger=ledger, admin=AdminConfig(bind=("127.0.0.1:0",)))
    assert made.bridges is not None
    asks = {
        "http": lambda: made.bridges.http(Patience(after_s=1, keep_alive_interval_s=1), BodyBudget(Limits())),
        "stdio": lambda: made.bridges.stdio(StdioWire(send=_drop, start=started.append)),
        "observer": made.bridges.observer,
        "admin_routes": made.bridges.admin_routes,
    }
    parts = {one: asks[one]() for one in order}
    assert parts["observer"] is made.bridges.retirement.modern
    assert len(parts["admin_routes"]) == 1
    assert isinstance(parts["stdio"], HandshakeStdio)
    assert started == []  # What is kept ends with the server, and not with one of its clients.
    async with made.bridges.running():
        await parts["stdio"].serve(read_message(encode(opening())))
    assert handshakes(tmp_path) == 1
    assert [family.name for family in made.metrics.families()].count("mcp_legacy_calls_total") == 1


@pytest.mark.parametrize("is_late", [True, False])
async def test_what_an_old_client_on_stdio_does_is_kept_whenever_it_comes(tmp_path: Path, *, is_late: bool) -> None:
    bridges = runtime(ledger=LedgerConfig(database=str(tmp_path / "ledger.db"))).bridges
    client = None if is_late else bridges.stdio(WIRE)
    async with bridges.running():
        client = client or bridges.stdio(WIRE)
        await client.serve(read_message(encode(opening())))
    assert handshakes(tmp_path) == 1


async def test_without_an_old_client_a_process_on_stdio_keeps_nothing(tmp_path: Path) -> None:
    bridges = runtime(ledger=LedgerConfig(database=str(tmp_path / "ledger.db"))).bridges
    async with bridges.running():
        await trio.lowlevel.checkpoint()
    assert not (tmp_path / "ledger.db").exists()  # nothing else is at work
    assert "retirement" not in vars(bridges)


def handshakes(directory: Path) -> int:
    """How many are in the ledger there."""
    today = datetime.now(UTC).date()
    found = read_evidence(directory / "ledger.db", since=today - timedelta(days=1), until=today)
    return sum(one.calls for one in found.users_of("protocol.handshake").values())


async def test_what_is_raised_while_they_run_comes_out_as_it_is() -> None:
    raised = OSError("power cut")
    found: Exception | None = None
    try:
        async with runtime().bridges.running():
            raise raised
    except OSError as error:
        found = error
    assert found is raised


class Everybody:
    """A gate that serves."""

    def admit(self, sighting: Sighting) -> Verdict:
        """As the port says."""
        del sighting
        return SERVE


async def test_with_a_gate_of_ones_own_they_run_all_the_same() -> None:
    bridges = AttachedBridges(runtime().core, gate=Everybody())
    bridges.http(Patience(after_s=1, keep_alive_interval_s=1), BodyBudget(Limits()))
    async with bridges.running():
        await trio.lowlevel.checkpoint()
    assert isinstance(bridges.stdio(WIRE), HandshakeStdio)


@on_both_loops()
async def test_a_failure_beside_them_is_not_hidden_by_the_bridges() -> None:
    failures: list[BaseException] = []
    try:
        async with serving() as server:
            await server.client()
            raise RuntimeError("power cut")  # noqa: TRY301  # what a server does that fails
    except* RuntimeError as group:
        failures += group.exceptions
    assert "power cut" in repr(failures)


# What initialize says of the server


@served(settings())
async def test_initialize_offers_what_discovery_does(server: Server) -> None:
    result = (await server.visitor().begin()).result
    assert set(result) == {"protocolVersion", "capabilities", "serverInfo", "instructions"}
    assert result["serverInfo"] == {"name": "test-server", "version": "1.2.3"}
    assert {"tools", "resources", "prompts", "completions", "logging"} <= set(result["capabilities"])
    assert result["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}


@served(settings(server={"expose_server_info": False}))
async def test_a_server_that_will_not_say_who_it_is_has_a_name_all_the_same(server: Server) -> None:
    assert (await server.visitor().begin()).result["serverInfo"] == {"name": "server", "version": "0"}


@on_both_loops()
async def test_ids_of_sessions_streams_and_questions_are_all_different() -> None:
    async with serving(bridge_settings()) as server:
        clients = [await server.client() for _ in range(20)]
        assert len({client.session_id for client in clients}) == 20
        streams: set[str | None] = set()
        for client in clients:
            reply = await client.send(client.call("count", id_=1, token=1))
            streams.add(reply.events[0].id)
        assert len(streams) == 20

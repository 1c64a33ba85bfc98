"""The crowd of the soak and its keeper: what they send is what they mean to send, and what is lost is seen.

Rule: seconds, not minutes. Whether the server stays up is tests/process/test_soak.py.
"""

import random
import signal
from collections.abc import Iterator
from functools import partial

import h2.config
import h2.connection
import h2.events
import pytest
import trio

from tests.benchmarks import soak, soak_http2, soak_restarts
from tests.benchmarks.__main__ import main
from tests.benchmarks.peers import PEERS
from tests.benchmarks.server import HttpServer, PeerError
from tests.benchmarks.soak_clients import Client, Tally, World
from tests.benchmarks.soak_hostile import HOSTILE, UPGRADES, is_refusal_of
from tests.benchmarks.soak_http2 import ATTACKS, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame
from tests.benchmarks.soak_restarts import Keeper, calls_of
from tests.benchmarks.soak_wire import Message


def test_both_crowds_come_unless_one_is_asked_for() -> None:
    assert soak.CROWDS["both"] == {**soak.CROWDS["honest"], **soak.CROWDS["hostile"]}
    assert not set(soak.CROWDS["honest"]) & set(HOSTILE)


def test_there_are_no_other_crowds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["soak", "--crowd", "nobody"])
    assert "invalid choice: 'nobody'" in capsys.readouterr().err


REFUSED = {"id": 7, "result": {"isError": True, "content": []}}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([REFUSED], True),
        ([{"method": "notifications/progress"}, {"id": 7, "error": {"code": -32603}}], True),
        ([], False),
        ([REFUSED, REFUSED], False),
        ([{**REFUSED, "id": 8}], False),
        ([{"id": 7, "result": {"content": []}}], False),
    ],
    ids=["error of the tool", "error of the protocol", "none", "two", "another's", "no error"],
)
def test_a_tool_that_ends_badly_has_to_be_answered_once_and_with_an_error(
    messages: list[Message], expected: bool
) -> None:
    assert is_refusal_of(7, messages) is expected


def test_frames_made_by_hand_are_those_that_h2_reads() -> None:
    server = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    pairs = ((b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/mcp"))
    sent = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS | END_STREAM, 1, soak_http2.fields(*pairs))
    (request,) = [one for one in server.receive_data(sent) if isinstance(one, h2.events.RequestReceived)]
    assert [(str(name), str(value)) for name, value in request.headers] == [(n.decode(), v.decode()) for n, v in pairs]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_is_a_few_writes_and_follows_from_its_seed(attack: soak_http2.Attack) -> None:
    first, again = (list(attack(random.Random(3))) for _ in range(2))
    assert first == again
    assert 1 <= len(first) <= 250
    assert sum(map(len, first)) < 2**20


def test_every_upgrade_is_one_whole_request() -> None:
    assert all(one.startswith(b"GET ") and b"\r\n\r\n" in one for one in UPGRADES)


def test_the_ledger_s_report_is_read_by_client_and_feature() -> None:
    clients = [{"name": "keeper", "calls": 3}, {"name": "keeper", "calls": 4}, {"name": "other", "calls": 9}]
    report = {"features": [{"feature": "ping", "clients": clients}, {"feature": "session", "clients": clients[:1]}]}
    assert calls_of("keeper", "ping", report) == 7
    assert calls_of("keeper", "nothing", report) == 0


def test_what_was_lost_with_a_restart_is_a_failure() -> None:
    rest = soak.State(memory_mib=50.0, descriptors=10, tasks=5)
    lost = ("SIGKILL: end: a session that was ended is there: 200",)
    outcome = soak.Outcome(
        before=rest,
        after=rest,
        tally=Tally(answered={"thrown": 1}),
        p99_s=(),
        left_out=(),
        wanted=("thrown",),
        lost=lost,
    )
    assert outcome.failures() == [f"1 things were lost with a restart, such as: {lost[0]}"]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer(PEERS["soak"]) as running:
        running.wait_until_listening()
        yield running


@pytest.mark.process
def test_a_server_that_ends_amid_the_crowd_is_said_to_have_ended(server: HttpServer) -> None:
    async def kills(_world: World) -> None:
        server.process.kill()
        await trio.sleep_forever()

    clients: dict[str, tuple[int, Client]] = {"kills": (1, kills)}
    with pytest.raises(PeerError, match="ended with -9 amid the crowd"):
        trio.run(partial(soak._crowd, server, clients, 60.0, seed=1))


async def _lost(server: HttpServer, *numbers: signal.Signals) -> Keeper:
    keeper = Keeper(server)
    for number in numbers:
        with trio.move_on_after(1.0):
            await keeper.keep_acknowledging()
        server.end(number)
        server.start_again()
        await keeper.look(number)
    return keeper


@pytest.mark.process
def test_what_was_acknowledged_is_found_after_a_restart(server: HttpServer) -> None:
    keeper = trio.run(_lost, server, signal.SIGTERM, signal.SIGKILL)
    assert keeper.lost == []
    assert keeper.kept > 2 * len(soak_restarts._KINDS)


@pytest.mark.process
def test_what_is_kept_in_memory_is_seen_to_be_lost() -> None:
    with HttpServer(PEERS["soak"], extra={"MCP_RUNTIME_STATE_ENGINE": "memory"}) as server:
        server.wait_until_listening()
        keeper = trio.run(_lost, server, signal.SIGKILL)
    found = {line.split(": ")[1] for line in keeper.lost}
    assert {"log level", "end"} <= found


@pytest.mark.process
@pytest.mark.parametrize("name", ["drips", "too much", "aborts"])
def test_a_hostile_client_gets_to_its_end(server: HttpServer, name: str) -> None:
    tally = Tally()
    trio.run(HOSTILE[name][1], World(port=server.port, random=random.Random(1), tally=tally))
    assert sum(tally.answered.values()) == 1
    assert server.process.poll() is None

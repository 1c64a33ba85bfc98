"""`scripts/bench hostile`: the attackers attack, the honest client sees what goes wrong, and the bounds are judged.

Rule: seconds, and no times are judged here: the machine that runs tests has other things to do.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.hostile import siege
from tests.benchmarks.hostile.attackers import ATTACKERS
from tests.benchmarks.hostile.command import Outcome, run
from tests.benchmarks.hostile.honest import WAYS, Honest, Seen
from tests.benchmarks.peers import PEERS
from tests.benchmarks.server import HttpServer


def seen(taken_s: float, *failures: str) -> Seen:
    return Seen(taken_s={way: [taken_s] * 100 for way in WAYS}, failures=list(failures))


def outcome(alone_s: float, amid_s: float, *, peak_mib: float = 90.0) -> Outcome:
    return Outcome(alone=[seen(alone_s)], amid=[seen(amid_s)], before_mib=60.0, peak_mib=peak_mib)


@pytest.mark.parametrize(("alone_s", "at_most_s"), [(0.001, 0.006), (0.01, 0.03)], ids=["5 ms more", "3 times"])
def test_the_slowest_calls_may_be_slower_by_the_larger_of_two_bounds(alone_s: float, at_most_s: float) -> None:
    assert outcome(alone_s, at_most_s).failures() == []
    lines = outcome(alone_s, at_most_s + 0.0001).failures()
    assert [line.partition(":")[0] for line in lines] == list(WAYS)


def test_memory_may_be_half_as_much_again() -> None:
    assert outcome(0.001, 0.001, peak_mib=90.1).failures() == ["memory went from 60.0 up to 90.1 MiB"]


def test_one_bad_round_of_three_is_the_machine() -> None:
    found = Outcome(alone=[seen(0.001)] * 3, amid=[seen(0.001), seen(0.9), seen(0.001)])
    assert found.failures() == []


def test_a_way_on_which_no_call_was_over_in_time_is_a_failure() -> None:
    found = Outcome(alone=[seen(0.001)], amid=[Seen(taken_s={way: [] for way in WAYS})])
    assert [line.partition(":")[0] for line in found.failures()] == list(WAYS)


def test_an_honest_call_that_goes_wrong_and_an_attacker_that_does_nothing_are_failures() -> None:
    found = Outcome(alone=[seen(0.001)], amid=[seen(0.001, "session: 503")], answered={"SQL": Counter()})
    assert found.failures() == [
        "1 honest calls went wrong, such as: session: 503",
        "the attacker 'SQL' did nothing",
    ]


def test_there_are_no_other_attackers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["hostile", "--only", "nobody"])
    assert "invalid choice: 'nobody'" in capsys.readouterr().err


def test_twenty_attackers_come_each_from_an_address_of_its_own() -> None:
    assert len(ATTACKERS) >= 20
    foes = siege.foes_of(1, list(ATTACKERS))
    assert len({foe.address for foe in foes.values()}) == len(ATTACKERS)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer(PEERS["hostile"]) as running:
        running.wait_until_listening()
        yield running


@pytest.mark.process
def test_the_honest_client_is_answered_on_every_way_and_sees_it_where_it_is_not(server: HttpServer) -> None:
    with Honest(server.port) as honest:
        before = honest.call_for(0.3)
        assert before.failures == []
        assert all(before.taken_s.values())
        server.process.kill()
        server.process.wait()
        after = honest.call_for(0.1)
    assert {line.partition(":")[0] for line in after.failures} == set(WAYS)


@pytest.mark.process
def test_every_attacker_attacks_and_the_honest_client_is_answered_rightly() -> None:
    found = run(1, 1.5)
    assert [line for line in found.failures() if "p99" not in line and "memory" not in line] == []
    assert found.before_mib > 10
    assert found.peak_mib > found.before_mib
    assert all(way in found.table() for way in (*WAYS, *ATTACKERS))

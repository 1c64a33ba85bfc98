"""Counting in memory: bounded, whoever sends what, and never short of a call."""

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridges.deprecation.ledger.tallies import Tallies
from mcp_bridges.gate.identity import AddressPrivacy, overflow
from tests.bridges.deprecation.ledgers import START, Fixture, client, seconds, sighting

FEATURES = ("ping",)


def tallies(**bounds: int) -> Tallies:
    return Tallies(AddressPrivacy("truncated"), **bounds)


def count(found: Tallies, name: str, *, at: float = seconds(START), peer: str = "192.0.2.7") -> None:
    found.of(client(name, peer=peer), "2025-06-18", FEATURES, at).calls += 1


def test_a_sighting_like_one_before_is_counted_in_the_same_tally() -> None:
    found = tallies()
    one, other = (found.of(client(), "2025-06-18", FEATURES, seconds(START)) for _ in range(2))
    assert one is other


def test_clients_past_the_bound_of_a_day_are_counted_together() -> None:
    found = tallies(max_clients_a_day=3)
    for n in range(10):
        count(found, f"client {n}")
    taken, lost = found.take()
    by_name = {what.identity.name: tally.calls for what, tally in taken.items()}
    assert by_name == {"client 0": 1, "client 1": 1, "client 2": 1, overflow("stdio").name: 7}
    assert lost == 0
    assert {what.network for what in taken if what.identity.name == overflow("stdio").name} == {""}


def test_a_new_day_has_room_again_and_a_day_before_has_not() -> None:
    found = tallies(max_clients_a_day=1)
    tomorrow = seconds(START + timedelta(1))
    count(found, "a")
    count(found, "b", at=tomorrow)
    count(found, "c")  # The clock has stepped back over midnight.
    count(found, "d", at=tomorrow)
    taken, _ = found.take()
    assert sorted(what.identity.name for what in taken) == ["(more clients)", "(more clients)", "a", "b"]


def test_tallies_past_the_bound_are_only_counted() -> None:
    found = tallies(max_tallies=2)
    for n in range(5):
        count(found, f"client {n}")
    taken, lost = found.take()
    assert (len(taken), lost) == (2, 3)
    assert found.take() == ({}, 0)


def test_addresses_of_one_network_are_one_tally_however_many() -> None:
    found = tallies(max_tallies=20)
    for n in range(200):
        count(found, "a", peer=f"192.0.2.{n}")
    taken, lost = found.take()
    assert [tally.calls for tally in taken.values()] == [200]
    assert lost == 0
    assert len(found._by_sighting) <= 20


def test_what_could_not_be_written_waits_with_what_came_since() -> None:
    found = tallies()
    count(found, "a", at=seconds(START, 3))
    found.take()
    count(found, "a", at=seconds(START, 1))
    count(found, "b")
    assert found.calls == 3
    found.give_back()
    assert found.calls == 3
    assert found.oldest_s == seconds(START, 1)
    count(found, "a", at=seconds(START, 5))
    taken, _ = found.take()
    seen = {what.identity.name: (tally.calls, tally.first_s, tally.last_s) for what, tally in taken.items()}
    assert seen["a"] == (3, seconds(START, 1), seconds(START, 5))
    assert seen["b"][0] == 1


def test_what_came_since_is_only_counted_where_there_is_no_room() -> None:
    found = tallies(max_tallies=1)
    count(found, "a")
    found.take()
    count(found, "b")
    found.give_back()
    taken, lost = found.take()
    assert ([what.identity.name for what in taken], lost) == (["a"], 1)


def test_nothing_that_was_only_looked_up_is_taken() -> None:
    found = tallies()
    found.of(client(), "2025-06-18", FEATURES, seconds(START))
    assert found.oldest_s is None
    assert found.take() == ({}, 0)


@given(st.lists(st.sampled_from(["count", "take", "done", "give_back"]), max_size=30))
def test_no_call_is_lost_or_counted_twice_whatever_happens_in_between(steps: list[str]) -> None:
    found, names = tallies(), itertools.cycle("abc")
    counted = written = 0
    in_flight: int | None = None
    for step in steps:
        if step == "count":
            count(found, next(names))
            counted += 1
        elif step == "take" and in_flight is None:
            taken, _ = found.take()
            in_flight = sum(tally.calls for tally in taken.values())
        elif step == "done" and in_flight is not None:
            found.done()
            written, in_flight = written + in_flight, None
        elif step == "give_back" and in_flight is not None:
            found.give_back()
            in_flight = None
        assert found.calls == counted - written
        assert sum(tally.calls for feature, tally in found.by_feature().items() if feature == "*") == counted


@pytest.mark.parametrize("at", [0.0, 4_000_000_000.0])
async def test_any_time_has_its_day(at: float, tmp_path: Path) -> None:
    fixture = Fixture(tmp_path / "ledger.db")
    ledger = fixture.ledger(retention_days=40_000)
    ledger.note(sighting(), at=at, outcome="served")
    await ledger.flush()
    assert fixture.rows("SELECT first_seen FROM client") == [(at,)]

"""A client's new connection takes what is free, then what it leaves idle itself, then what others do; never their work."""

import random
import socket
from math import inf
from typing import Any

import pytest

from mcp_runtime.server.http.places import Place, Places, places_allowed
from tests.support.captured_log import captured_log

HERE = "127.0.0.1"


class Sock:
    """A socket whose client has this address, None for one that has left; `is_shut` once it was shut down."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self.is_shut = False

    def getpeername(self) -> tuple[str, int] | str:
        if self.address is None:
            raise OSError("not connected")
        return self.address if self.address.startswith("/") else (self.address, 1)

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_RDWR
        self.is_shut = True
        if self.address is None:
            raise OSError("not connected")


class Work:
    """What serves a connection, and when its client is late."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def at_work(places: Places, address: str | None) -> Place | None:
    return places.enter(Sock(address))


def idle(places: Places, address: str | None, deadline: float) -> Place:
    place = places.enter(Sock(address))
    assert place is not None
    place.server = Work(deadline)
    return place


@pytest.mark.parametrize(
    ("address", "most"),
    [(HERE, 8), ("/run/mcp.sock", 8), (None, 8), ("192.0.2.1", 4), ("2001:db8::1", 4), ("::ffff:192.0.2.1", 4)],
)
def test_one_client_has_half_and_what_stands_for_many_has_all(address: str | None, most: int) -> None:
    places = Places(8, now=Clock())
    assert [at_work(places, address) is not None for _ in range(9)] == [True] * most + [False] * (9 - most)


def test_the_addresses_of_one_household_are_one_client() -> None:
    places = Places(8, now=Clock())
    assert [at_work(places, f"2001:db8::{number}") is not None for number in range(1, 6)] == [True] * 4 + [False]
    assert at_work(places, "2001:db8:0:1::1") is not None


def test_whoever_comes_next_finds_half_of_what_is_left() -> None:
    places = Places(8, now=Clock())
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        while at_work(places, client) is not None:
            pass
    assert [places.shares.held_by(f"192.0.2.{n}") for n in (1, 2, 3)] == [4, 2, 1]
    assert at_work(places, HERE) is not None
    assert at_work(places, HERE) is None


def test_a_clients_own_idle_one_makes_room_first_and_the_one_that_waited_longest() -> None:
    places = Places(4, now=Clock())
    others = idle(places, "192.0.2.9", 1)
    young, old = idle(places, HERE, 9), idle(places, HERE, 5)
    assert at_work(places, HERE) is not None
    assert at_work(places, HERE) is not None
    assert [one.socket.is_shut for one in (others, young, old)] == [False, False, True]
    assert at_work(places, HERE) is not None
    assert at_work(places, HERE) is not None
    assert [one.socket.is_shut for one in (others, young, old)] == [True, True, True]
    assert at_work(places, HERE) is None


def test_past_its_share_a_client_takes_its_own_and_no_others() -> None:
    places = Places(8, now=Clock())
    others = idle(places, "192.0.2.9", 1)
    own = [idle(places, "192.0.2.1", deadline) for deadline in (3, 2, 4)]
    assert at_work(places, "192.0.2.1") is not None
    assert [one.socket.is_shut for one in own] == [False, True, False]
    for _ in range(2):
        assert at_work(places, "192.0.2.1") is not None
    assert at_work(places, "192.0.2.1") is None
    assert not others.socket.is_shut


def test_a_client_that_has_none_gets_one_although_all_are_held() -> None:
    places = Places(4, now=Clock())
    held = [idle(places, HERE, deadline) for deadline in (4, 3, 2, 1)]
    assert [at_work(places, "192.0.2.1") is not None for _ in range(3)] == [True, False, False]
    assert [one.socket.is_shut for one in held] == [False, False, False, True]


def test_a_client_that_left_before_it_was_shut_out_makes_room_too() -> None:
    places = Places(1, now=Clock())
    idle(places, None, 1)
    assert at_work(places, None) is not None


def test_refusals_are_said_at_once_and_then_counted() -> None:
    clock = Clock()
    places = Places(1, now=clock)
    assert at_work(places, "192.0.2.1") is not None
    with captured_log() as log:
        for clock.now in (100, 105, 109.9, 110, 130):
            assert at_work(places, "192.0.2.1") is None
        events = log()
    found = [(event["event"], event["count"], event["address"]) for event in events]
    assert found == [("connections_refused", count, "192.0.2.1") for count in (1, 3, 1)]
    assert (events[0]["open"], events[0]["places"]) == (1, 1)


def test_whatever_comes_and_goes_the_count_is_exact() -> None:
    chance = random.Random(2_026)
    places = Places(20, now=Clock())
    open_now: list[Place] = []
    for _ in range(3000):
        if open_now and chance.random() < 0.45:
            places.leave(open_now.pop(chance.randrange(len(open_now))))
        elif (
            place := places.enter(Sock(chance.choice((HERE, None, "192.0.2.1", "192.0.2.2", "2001:db8::1"))))
        ) is not None:
            place.server = Work(chance.choice((inf, chance.random())))
            open_now.append(place)
        held = [place for place in open_now if place.is_held]
        assert places.shares.held == len(held) <= 20
        assert set(places.open) == set(open_now)
        for client in ("192.0.2.1", "192.0.2.2"):
            assert places.shares.held_by(client) == sum(place.client == client for place in held)
    for place in open_now:
        places.leave(place)
    assert (places.shares.held, places.open) == (0, {})


@pytest.mark.parametrize(
    ("wanted", "limit", "taken", "allowed"),
    [
        (4096, 100_000, 30, 4096),
        (4096, 1024, 30, 1024 - 30 - 128),
        (4096, 128, 20, 128 - 20 - 48),
        (10, 128, 20, 10),
        (4096, 64, 40, 12),
        (4096, 64, 64, 1),
        (4096, 64, 70, 1),
    ],
)
def test_a_process_takes_no_more_than_it_has_files_for(wanted: int, limit: int, taken: int, allowed: int) -> None:
    assert places_allowed(wanted, limit=limit, taken=taken) == allowed


def test_no_place_is_asked_of_the_socket_for_more_than_it_has() -> None:
    place: Any = at_work(Places(1, now=Clock()), HERE)
    assert place.server.deadline == inf

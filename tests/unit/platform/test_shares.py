"""Tests of shares: what one client may hold of something that all clients use."""

import pytest

from mcp_runtime.platform.shares import Shares, address_key, share_key


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("127.0.0.1", None),
        ("127.8.8.8", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("unix:", None),
        ("a-name", None),
        ("", None),
        (None, None),
    ],
)
def test_a_client_is_told_by_its_address_or_by_its_network(peer: str | None, key: str | None) -> None:
    assert address_key(peer) == key


@pytest.mark.parametrize(
    ("principal", "peer", "key"),
    [
        ("alice", "203.0.113.7", "principal alice"),
        ("alice", None, "principal alice"),
        ("203.0.113.7", None, "principal 203.0.113.7"),
        (None, "203.0.113.7", "203.0.113.7"),
        (None, "127.0.0.1", None),
        (None, None, None),
    ],
)
def test_who_a_client_is_goes_before_where_it_comes_from(principal: str | None, peer: str | None, key: str) -> None:
    assert share_key(principal, peer) == key


def take_all(shares: Shares, client: str | None) -> int:
    taken = 0
    while shares.take(client):
        taken += 1
    return taken


def test_each_client_gets_half_of_what_the_others_leave() -> None:
    shares = Shares(100)
    assert [take_all(shares, client) for client in ("a", "b", "c")] == [50, 25, 12]
    assert shares.held_by("b") == 25
    assert shares.held == 87


def test_the_last_place_can_be_taken_by_whoever_comes() -> None:
    shares = Shares(2)
    assert shares.take("a")
    assert not shares.take("a")
    assert shares.take("b")
    assert not shares.take("c")


def test_a_client_without_a_key_gets_all_that_there_is() -> None:
    shares = Shares(10)
    assert take_all(shares, None) == 10
    assert not shares.take("a")
    assert shares.held_by(None) == 0


def test_what_is_given_back_can_be_taken_again() -> None:
    shares = Shares(8)
    assert shares.take("a", 4)
    assert not shares.take("a")
    shares.give_back("a", 3)
    assert shares.held_by("a") == 1
    assert shares.take("a", 3)
    shares.give_back("a", 4)
    assert shares.held_by("a") == 0
    assert shares.held == 0


def test_more_places_at_once_than_the_share_are_refused_whole() -> None:
    shares = Shares(10)
    assert not shares.take("a", 6)
    assert shares.take("a", 5)
    assert not shares.take(None, 6)
    assert shares.take(None, 5)


def test_of_nothing_nobody_gets_anything() -> None:
    shares = Shares(0)
    assert not shares.take("a")
    assert not shares.take(None)


def test_the_most_that_a_client_may_hold_is_what_it_can_take_once_its_own_is_given_back() -> None:
    shares = Shares(10)
    assert (shares.most_for("a"), shares.most_for(None)) == (5, 10)
    assert shares.take("a", 4)
    assert shares.take(None, 2)
    assert (shares.most_for("a"), shares.most_for("b"), shares.most_for(None)) == (4, 2, 6)
    shares.give_back("a", 4)
    assert (shares.most_for("a"), shares.most_for(None)) == (4, 10)
    assert shares.take(None, 8)
    assert (shares.most_for("a"), shares.most_for(None)) == (0, 10)


def test_there_is_room_exactly_where_a_place_can_be_taken() -> None:
    for total in range(5):
        shares = Shares(total)
        for client in ("a", "b", None, "a", None, "c", "a"):
            had_room = shares.has_room(client)
            assert shares.take(client) == had_room

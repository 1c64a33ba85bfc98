"""Brownouts: windows at their edges, and who is hit."""

import math

import pytest

from mcp_bridges.deprecation.decisions.schedule import Brownout, Window
from mcp_bridges.gate.identity import Identity, identity_of
from tests.bridges.deprecation.parts import client

HOUR, DAY = 3_600, 86_400
CLIENTS: list[Identity] = [identity_of(client(f"client-{n}")) for n in range(2_000)]

ONCE = Brownout(feature="ping", begins_s=1_000, length_s=100)
WEEKLY = Brownout(feature="ping", begins_s=1_000, length_s=100, every_s=500, until_s=2_001)


@pytest.mark.parametrize(
    ("at", "window"),
    [
        (0, None),
        (999.999, None),
        (1_000, (1_000, 1_100)),
        (1_099.999, (1_000, 1_100)),
        (1_100, None),
        (1_500, None),
    ],
)
def test_a_window_is_open_from_its_first_second_to_before_its_last(at: float, window: tuple[int, int] | None) -> None:
    expected = None if window is None else Window(begins_s=window[0], ends_s=window[1])
    assert ONCE.window_at(at) == expected


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        (0, None),
        (1_000, 1_000),
        (1_100, None),
        (1_500, 1_500),
        (2_000, 2_000),
        (2_099, 2_000),
        (2_100, None),
        (2_500, None),
    ],
)
def test_windows_come_again_until_the_end_of_the_schedule(at: float, begins: int | None) -> None:
    window = WEEKLY.window_at(at)
    assert (window.begins_s if window else None) == begins


@pytest.mark.parametrize(
    ("at", "begins"), [(-10_000, 1_000), (999, 1_000), (1_000, 1_500), (1_499, 1_500), (1_500, 2_000), (2_000, None)]
)
def test_the_next_window_begins_after_now(at: float, begins: int | None) -> None:
    window = WEEKLY.window_after(at)
    assert (window.begins_s if window else None) == begins


@pytest.mark.parametrize(
    ("until_s", "last"), [(1_999, 1_500), (2_000, 1_500), (2_001, 2_000), (1_000, None), (0, None)]
)
def test_no_window_begins_on_or_after_the_end_of_the_schedule(until_s: int, last: int | None) -> None:
    ends = Brownout(feature="ping", begins_s=1_000, length_s=100, every_s=500, until_s=until_s)
    begun = [window.begins_s for at in range(1_000, 3_000, 500) if (window := ends.window_at(at))]
    found = [window.begins_s for at in range(999, 3_000, 500) if (window := ends.window_after(at))]
    assert found == begun == [at for at in (1_000, 1_500, 2_000) if last is not None and at <= last]


@pytest.mark.parametrize(("until_s", "begins"), [(1_000, None), (1_001, 1_000)])
def test_a_single_window_does_not_begin_on_the_end_of_its_schedule_either(until_s: int, begins: int | None) -> None:
    window = Brownout(feature="ping", begins_s=1_000, length_s=100, until_s=until_s).window_at(1_000)
    assert (window.begins_s if window else None) == begins


def test_a_single_window_has_none_after_it() -> None:
    assert ONCE.window_after(999) == Window(begins_s=1_000, ends_s=1_100)
    assert ONCE.window_after(1_000) is None


def test_windows_may_touch() -> None:
    always = Brownout(feature="ping", begins_s=0, length_s=100, every_s=100)
    assert [always.window_at(at) for at in (99, 100)] == [
        Window(begins_s=0, ends_s=100),
        Window(begins_s=100, ends_s=200),
    ]


@pytest.mark.parametrize(
    ("at", "then"), [(0, 1_000), (1_000, 1_100), (1_099, 1_100), (1_100, 1_500), (2_050, 2_100), (2_100, math.inf)]
)
def test_what_changes_next_is_the_nearest_edge(at: float, then: float) -> None:
    assert WEEKLY.changes_at(at) == then


def share(fraction: float, *, seed: int = 0, begins_s: int = 1_000) -> set[Identity]:
    brownout = Brownout(feature="ping", begins_s=begins_s, length_s=100, fraction=fraction, seed=seed)
    window = brownout.window_at(begins_s)
    assert window is not None
    return {one for one in CLIENTS if brownout.hits(one, window)}


def test_a_whole_brownout_hits_everyone() -> None:
    assert share(1.0) == set(CLIENTS)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.9])
def test_a_fraction_hits_that_part_of_the_clients(fraction: float) -> None:
    # Four standard deviations of a fair draw.
    spread = 4 * math.sqrt(len(CLIENTS) * fraction * (1 - fraction))
    assert abs(len(share(fraction)) - fraction * len(CLIENTS)) < spread


def test_who_is_hit_is_the_same_every_time() -> None:
    assert share(0.5, seed=7) == share(0.5, seed=7)


def test_who_is_hit_is_written_in_stone() -> None:
    # The same on every machine and in every release: replicas and restarts agree.
    window = Window(begins_s=1_000, ends_s=1_100)
    brownout = Brownout(feature="ping", begins_s=1_000, length_s=100, fraction=0.5, seed=7)
    assert [n for n in range(16) if brownout.hits(CLIENTS[n], window)] == [1, 2, 5, 6, 9, 10, 13]


def test_of_clients_without_a_name_of_their_own_those_of_a_network_are_hit_together() -> None:
    window = Window(begins_s=1_000, ends_s=1_100)
    brownout = Brownout(feature="ping", begins_s=1_000, length_s=100, fraction=0.5, seed=7)

    def hit(name: str, *peers: str) -> list[bool]:
        return [brownout.hits(identity_of(client(name, version="0.1.0", peer=peer)), window) for peer in peers]

    networks = [f"192.0.{n}.1" for n in range(12)]
    assert [n for n, is_hit in enumerate(hit("mcp", *networks)) if is_hit] == [1, 2, 3, 4, 5, 6, 7, 9, 11]
    assert len(set(hit("mcp", "192.0.2.1", "192.0.2.254"))) == 1
    assert len(set(hit("cursor", *networks))) == 1


def test_another_seed_or_window_hits_others() -> None:
    assert share(0.5, seed=7) != share(0.5, seed=8)
    assert share(0.5) != share(0.5, begins_s=2_000)


def test_a_larger_fraction_adds_clients_and_spares_none() -> None:
    assert share(0.1) < share(0.5) < share(0.9)


def test_the_next_hit_is_the_open_window_or_one_to_come() -> None:
    assert ONCE.next_hit(CLIENTS[0], at=1_050, by=1_050) == Window(begins_s=1_000, ends_s=1_100)
    assert ONCE.next_hit(CLIENTS[0], at=500, by=1_000) == Window(begins_s=1_000, ends_s=1_100)
    assert ONCE.next_hit(CLIENTS[0], at=500, by=999) is None
    assert ONCE.next_hit(CLIENTS[0], at=1_100, by=9_000) is None


def test_the_next_hit_passes_over_windows_that_spare_the_client() -> None:
    rare = Brownout(feature="ping", begins_s=0, length_s=1, every_s=10, fraction=0.1)
    for one in CLIENTS[:20]:
        hit = rare.next_hit(one, at=-1, by=math.inf)
        assert hit is not None
        assert rare.hits(one, hit)
        earlier = [Window(begins_s=at, ends_s=at + 1) for at in range(0, hit.begins_s, 10)]
        assert not any(rare.hits(one, window) for window in earlier)


def test_the_search_for_a_hit_ends() -> None:
    never = Brownout(feature="ping", begins_s=0, length_s=1, every_s=1, fraction=1e-15)
    assert never.next_hit(CLIENTS[0], at=0, by=math.inf) is None


def test_the_search_for_a_hit_looks_a_hundred_windows_ahead() -> None:
    rare = Brownout(feature="ping", begins_s=0, length_s=1, every_s=10, fraction=0.02)
    windows = [Window(begins_s=at, ends_s=at + 1) for at in range(0, 1_200, 10)]
    found: set[int] = set()
    for one in CLIENTS:
        first = next((number for number, window in enumerate(windows) if rare.hits(one, window)), len(windows))
        hit = rare.next_hit(one, at=-1, by=math.inf)
        assert hit == (windows[first] if first < 100 else None)
        found.add(first)
    assert {99, 100} <= found, "the edge is not among these clients"

"""Never more than a hundred suggestions travel, and what was cut off is said."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from mcp_runtime.authoring.returns.completions import MAX_VALUES, Completions, read_completions

RESULTS = pytest.mark.spec("server/utilities/completion#completion-results")


def numbers(many: int) -> list[str]:
    return [str(number) for number in range(many)]


@RESULTS
@pytest.mark.parametrize(("many", "sent", "has_more"), [(0, 0, False), (99, 99, False), (100, 100, False)])
def test_up_to_a_hundred_suggestions_are_all_there_is(many: int, sent: int, *, has_more: bool) -> None:
    found = read_completions(numbers(many))
    assert (found.values, found.has_more, found.total) == (numbers(sent), has_more, UNSET)


@RESULTS
@pytest.mark.parametrize("many", [101, 1000])
def test_past_a_hundred_there_are_more(many: int) -> None:
    assert MAX_VALUES == 100
    found = read_completions(numbers(many))
    assert (found.values, found.has_more) == (numbers(100), True)


def test_an_endless_source_is_read_no_further_than_it_takes() -> None:
    taken: list[int] = []

    def endless() -> Iterator[str]:
        for number in count():
            taken.append(number)
            yield str(number)

    assert read_completions(endless()).values == numbers(100)
    assert len(taken) == 101


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Completions(values=["a"], total=10), (["a"], 10, False)),
        (Completions(values=["a"], total=0), (["a"], 0, False)),
        (Completions(values=["a"], has_more=True), (["a"], UNSET, True)),
        (Completions(values=["a"], total=10, has_more=True), (["a"], 10, True)),
        (Completions(values=["a"], has_more=False), (["a"], UNSET, False)),
        (Completions(values=iter(["a", "b"])), (["a", "b"], UNSET, False)),
        (Completions(values=numbers(101), has_more=False), (numbers(100), UNSET, True)),
        (Completions(values=numbers(101), total=101), (numbers(100), 101, True)),
        ((value for value in "ab"), (["a", "b"], UNSET, False)),
        (("a", 5), (["a", "5"], UNSET, False)),
    ],
)
def test_what_is_known_of_the_rest_is_said(given: Any, expected: tuple[list[str], Any, bool]) -> None:
    found = read_completions(given)
    assert (found.values, found.total, found.has_more) == expected


@RESULTS
@given(st.lists(st.text(), max_size=300))
def test_the_best_suggestions_travel_in_order(values: list[str]) -> None:
    found = read_completions(values)
    assert found.values == values[:100]
    assert found.has_more == (len(values) > 100)

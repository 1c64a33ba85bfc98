"""What changed while somebody was away: each change once, with its last position, for as long as it is remembered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.subscriptions import (
    _REMEMBERED_CHANGES,
    Change,
    Subscriptions,
    list_changed,
    resource_updated,
)
from mcp_runtime.protocol.messages import SubscriptionFilter

CHANGES: list[Change] = [list_changed("tools"), list_changed("prompts"), resource_updated("a://1")]


def started(**limits: Any) -> Subscriptions:
    """To be called on the loop that owns the streams."""
    made = Subscriptions(Limits(**limits))
    made.start()
    return made


async def test_the_position_counts_every_change() -> None:
    subscriptions = started()
    assert subscriptions.position == 0
    for number, change in enumerate([*CHANGES, *CHANGES], start=1):
        subscriptions.publish(change)
        assert subscriptions.position == number


def test_before_the_start_nothing_counts() -> None:
    subscriptions = Subscriptions(Limits())
    subscriptions.publish(list_changed("tools"))
    assert (subscriptions.position, subscriptions.missed(0)) == (0, {})


@given(st.lists(st.sampled_from(CHANGES), max_size=20), st.integers(0, 20))
async def test_what_was_missed_is_what_came_after_each_once_the_latest_last(changes: list[Change], since: int) -> None:
    subscriptions = started()
    for change in changes:
        subscriptions.publish(change)
    if since > len(changes):
        assert subscriptions.missed(since) is None
        return
    last = {change: number for number, change in enumerate(changes, start=1) if number > since}
    missed = subscriptions.missed(since)
    assert missed == last
    assert missed is not None
    assert list(missed) == sorted(last, key=lambda change: last[change])


async def test_a_position_from_nowhere_is_not_known() -> None:
    subscriptions = started()
    subscriptions.publish(list_changed("tools"))
    assert subscriptions.missed(-1) is None
    assert subscriptions.missed(2) is None
    assert subscriptions.missed(1) == {}


async def test_what_was_missed_is_remembered_up_to_its_exact_edge() -> None:
    subscriptions = started()
    for number in range(_REMEMBERED_CHANGES):
        subscriptions.publish(resource_updated(f"a://{number}"))
    whole = subscriptions.missed(0)
    assert whole is not None
    assert len(whole) == _REMEMBERED_CHANGES
    subscriptions.publish(resource_updated("a://one-more"))
    assert subscriptions.missed(0) is None
    rest = subscriptions.missed(1)
    assert rest is not None
    assert len(rest) == _REMEMBERED_CHANGES
    assert rest[resource_updated("a://one-more")] == _REMEMBERED_CHANGES + 1


async def test_what_happens_again_takes_no_more_memory_and_forgets_nothing() -> None:
    subscriptions = started()
    subscriptions.publish(list_changed("prompts"))
    for _ in range(3 * _REMEMBERED_CHANGES):
        subscriptions.publish(list_changed("tools"))
    assert len(subscriptions._last) == 2
    assert subscriptions.missed(0) == {list_changed("prompts"): 1, list_changed("tools"): 3 * _REMEMBERED_CHANGES + 1}


async def test_the_oldest_that_was_not_taken_is_known_by_its_position() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, SubscriptionFilter(True, True, False, []))
    oldest = [subscription.first_pending]
    for change in (list_changed("resources"), list_changed("tools"), list_changed("prompts"), list_changed("tools")):
        subscriptions.publish(change)
    changes = subscription.changes()
    oldest.append(subscription.first_pending)
    assert await anext(changes) == list_changed("tools")
    oldest.append(subscription.first_pending)
    assert await anext(changes) == list_changed("prompts")
    oldest.append(subscription.first_pending)
    assert oldest == [None, 2, 3, None]
    await changes.aclose()


@pytest.mark.parametrize("closed", [False, True])
async def test_the_changes_alone_come_without_an_acknowledgment(closed: bool) -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, SubscriptionFilter(True, False, False, ["a://1"]))
    subscriptions.publish(resource_updated("a://1"))
    subscriptions.publish(list_changed("tools"))
    if closed:
        subscription.close()
    changes = subscription.changes()
    assert [await anext(changes), await anext(changes)] == [resource_updated("a://1"), list_changed("tools")]
    if closed:
        assert [change async for change in changes] == []
    await changes.aclose()

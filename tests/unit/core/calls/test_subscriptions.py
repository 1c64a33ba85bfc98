"""Who listens hears what it asked for, each change once however often it happened, until it leaves or is closed."""

import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.subscriptions import Change, Subscription, Subscriptions, list_changed, resource_updated
from mcp_runtime.platform.asyncio_thread import AsyncioThread
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, PeerError
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.protocol.messages import SubscriptionFilter

ID_KEY = "io.modelcontextprotocol/subscriptionId"
EVERYTHING = SubscriptionFilter(True, True, True, ["a://1", "a://2"])
ALL_CHANGES: list[Change] = [
    list_changed("tools"),
    list_changed("prompts"),
    list_changed("resources"),
    resource_updated("a://1"),
    resource_updated("a://2"),
]


def started(**limits: Any) -> Subscriptions:
    """To be called on the loop that owns the streams."""
    made = Subscriptions(Limits(**limits))
    made.start()
    return made


async def collect(subscription: Subscription) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in subscription.notifications()]


@asynccontextmanager
async def heard(subscription: Subscription) -> AsyncGenerator[Callable[[], Awaitable[tuple[str, str | None]]]]:
    """A function that waits for the next change; the acknowledgment has been read."""
    async with aclosing(subscription.notifications()) as stream:

        async def hear() -> tuple[str, str | None]:
            message = json.loads(await anext(stream))
            return message["method"], message["params"].get("uri")

        await hear()
        yield hear


def methods(messages: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(message["method"], message["params"].get("uri")) for message in messages[1:]]


@pytest.mark.spec("basic/patterns/subscriptions#acknowledgment")
@pytest.mark.parametrize(
    ("wanted", "honoured"),
    [
        (SubscriptionFilter(), {}),
        (SubscriptionFilter(tools_list_changed=True), {"toolsListChanged": True}),
        (
            EVERYTHING,
            {
                "toolsListChanged": True,
                "promptsListChanged": True,
                "resourcesListChanged": True,
                "resourceSubscriptions": ["a://1", "a://2"],
            },
        ),
    ],
)
async def test_the_acknowledgment_comes_first_and_says_what_is_honoured(
    wanted: SubscriptionFilter, honoured: dict[str, Any]
) -> None:
    subscriptions = started()
    subscription = subscriptions.listen("s", wanted)
    for change in ALL_CHANGES:
        subscriptions.publish(change)
    subscription.close()
    first = (await collect(subscription))[0]
    assert first == {
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"_meta": {ID_KEY: "s"}, "notifications": honoured},
    }


@pytest.mark.spec("basic/patterns/subscriptions#receiving-notifications")
@pytest.mark.parametrize("request_id", [1, 0, "a", ""])
async def test_every_message_carries_the_id_of_its_subscription(request_id: RequestId) -> None:
    subscriptions = started()
    subscription = subscriptions.listen(request_id, EVERYTHING)
    for change in ALL_CHANGES:
        subscriptions.publish(change)
    subscriptions.close()
    messages = await collect(subscription)
    assert len(messages) == 6
    assert all(message["params"]["_meta"] == {ID_KEY: request_id} for message in messages)
    assert not any("id" in message for message in messages)
    assert subscription.meta == {ID_KEY: request_id}


@pytest.mark.spec("basic/patterns/subscriptions#opening-a-stream")
@given(
    st.builds(
        SubscriptionFilter, st.booleans(), st.booleans(), st.booleans(), st.lists(st.sampled_from(["a://1", "b"]))
    )
)
async def test_nothing_is_sent_that_was_not_asked_for(wanted: SubscriptionFilter) -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, wanted)
    for change in ALL_CHANGES:
        subscriptions.publish(change)
    subscriptions.close()
    expected = [
        change
        for change, asked in zip(
            ALL_CHANGES,
            [
                wanted.tools_list_changed,
                wanted.prompts_list_changed,
                wanted.resources_list_changed,
                "a://1" in wanted.resource_subscriptions,
                "a://2" in wanted.resource_subscriptions,
            ],
            strict=True,
        )
        if asked
    ]
    assert methods(await collect(subscription)) == expected


@given(st.lists(st.sampled_from(ALL_CHANGES), max_size=50))
async def test_a_pending_change_is_kept_once_in_the_order_of_its_first_time(changes: list[Change]) -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    for change in changes:
        subscriptions.publish(change)
    subscriptions.close()
    assert methods(await collect(subscription)) == list(dict.fromkeys(changes))


async def test_a_change_that_happens_again_once_it_was_sent_is_sent_again() -> None:
    subscriptions = started()
    async with heard(subscriptions.listen(1, EVERYTHING)) as hear:
        for _ in range(3):
            subscriptions.publish(resource_updated("a://1"))
            subscriptions.publish(resource_updated("a://1"))
            assert await hear() == resource_updated("a://1")


async def test_a_reader_that_stalls_owes_memory_for_what_it_asked_and_no_more() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    for number in range(10_000):
        subscriptions.publish(ALL_CHANGES[number % 5])
        subscriptions.publish(resource_updated(f"other://{number}"))
    assert len(subscription._pending) == 5


async def test_a_reader_that_waits_is_woken_by_a_change() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    received: list[tuple[str, str | None]] = []

    async def read() -> None:
        received.extend(methods(await collect(subscription)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        subscriptions.publish(list_changed("tools"))
        await trio.testing.wait_all_tasks_blocked()
        subscriptions.publish(list_changed("prompts"))
        subscription.close()
    assert received == [list_changed("tools"), list_changed("prompts")]


async def test_changes_reach_all_who_asked_for_them() -> None:
    subscriptions = started()
    one = subscriptions.listen(1, SubscriptionFilter(tools_list_changed=True))
    two = subscriptions.listen(2, SubscriptionFilter(tools_list_changed=True, prompts_list_changed=True))
    three = subscriptions.listen(3, SubscriptionFilter())
    subscriptions.publish(list_changed("prompts"))
    subscriptions.publish(list_changed("tools"))
    subscriptions.close()
    assert methods(await collect(one)) == [list_changed("tools")]
    assert methods(await collect(two)) == [list_changed("prompts"), list_changed("tools")]
    assert methods(await collect(three)) == []


@pytest.mark.spec("basic/patterns/subscriptions#graceful-closure")
async def test_a_closed_stream_sends_what_is_pending_and_ends() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    subscriptions.publish(list_changed("tools"))
    subscription.close()
    subscription.close()
    subscriptions.publish(list_changed("prompts"))
    assert methods(await collect(subscription)) == [list_changed("tools")]


async def test_a_closed_stream_ends_a_reader_that_waits() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, subscription)
            await trio.testing.wait_all_tasks_blocked()
            subscriptions.close()


async def test_who_left_hears_nothing_and_makes_room() -> None:
    subscriptions = started(max_subscriptions=1)
    first = subscriptions.listen(1, EVERYTHING)
    first.leave()
    first.leave()
    assert len(subscriptions) == 0
    second = subscriptions.listen(1, EVERYTHING)
    subscriptions.publish(list_changed("tools"))
    first.leave()
    assert len(subscriptions) == 1
    for subscription, expected in ((first, 0), (second, 1)):
        subscription.close()
        assert len(methods(await collect(subscription))) == expected


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_the_number_of_streams_is_bounded_at_its_exact_edge(limit: int) -> None:
    subscriptions = started(max_subscriptions=limit)
    for number in range(limit):
        subscriptions.listen(number, EVERYTHING)
    with pytest.raises(PeerError) as refused:
        subscriptions.listen("one more", EVERYTHING)
    assert (refused.value.code, refused.value.http_status) == (INTERNAL_ERROR, 503)
    assert refused.value.retry_after_s is not None
    assert str(limit) in refused.value.message
    assert len(subscriptions) == limit


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_the_number_of_uris_is_bounded_at_its_exact_edge(limit: int) -> None:
    subscriptions = started(max_subscription_uris=limit)
    subscriptions.listen(1, SubscriptionFilter(resource_subscriptions=["a://b"] * limit))
    with pytest.raises(PeerError) as refused:
        subscriptions.listen(2, SubscriptionFilter(resource_subscriptions=["a://b"] * (limit + 1)))
    assert (refused.value.code, refused.value.http_status) == (INVALID_PARAMS, 400)
    assert "notifications.resourceSubscriptions" in refused.value.message
    assert len(subscriptions) == 1


async def test_uris_are_bounded_in_length_together_at_the_exact_edge() -> None:
    subscriptions = started(max_subscription_chars=10)
    subscriptions.listen(1, SubscriptionFilter(resource_subscriptions=["a://b", "a://c"]))
    with pytest.raises(PeerError) as refused:
        subscriptions.listen(2, SubscriptionFilter(resource_subscriptions=["a://b", "a://cd"]))
    assert (refused.value.code, refused.value.http_status) == (INVALID_PARAMS, 400)
    assert "more than 10 characters of URIs" in refused.value.message
    assert len(subscriptions) == 1


async def test_a_server_that_stops_opens_no_stream_and_says_when_to_come_back() -> None:
    subscriptions = started()
    subscriptions.close()
    with pytest.raises(PeerError) as refused:
        subscriptions.listen(1, EVERYTHING)
    assert (refused.value.http_status, refused.value.retry_after_s) == (503, 1)


def test_a_change_before_the_start_or_without_listeners_is_no_error() -> None:
    subscriptions = Subscriptions(Limits())
    subscriptions.publish(list_changed("tools"))
    subscriptions.listen(1, EVERYTHING)
    subscriptions.publish(list_changed("tools"))


async def test_changes_may_come_from_any_thread() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    threads: set[int] = set()

    def publish(number: int) -> None:
        threads.add(threading.get_ident())
        for _ in range(20):
            subscriptions.publish(ALL_CHANGES[number])

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(trio.to_thread.run_sync, publish, number)
    assert threading.get_ident() not in threads
    subscriptions.close()
    assert sorted(methods(await collect(subscription)), key=str) == sorted(ALL_CHANGES, key=str)


async def test_changes_may_come_from_a_thread_of_the_authors_own() -> None:
    subscriptions = started()
    async with heard(subscriptions.listen(1, EVERYTHING)) as hear:
        thread = threading.Thread(target=subscriptions.publish, args=[list_changed("tools")])
        thread.start()
        with trio.fail_after(20):
            assert await hear() == list_changed("tools")
        await trio.to_thread.run_sync(thread.join)


async def test_changes_may_come_from_the_asyncio_thread() -> None:
    subscriptions = started()
    subscription = subscriptions.listen(1, EVERYTHING)
    helper = AsyncioThread()

    async def change() -> None:
        subscriptions.publish(list_changed("tools"))

    with helper.in_use(), trio.fail_after(20):
        await helper.run(change)
    subscriptions.close()
    assert methods(await collect(subscription)) == [list_changed("tools")]


def test_a_change_after_the_loop_has_ended_is_no_error_of_the_plugin() -> None:
    subscriptions = Subscriptions(Limits())

    async def serve() -> None:
        subscriptions.start()
        subscriptions.listen(1, EVERYTHING)

    trio.run(serve)
    thread_errors: list[BaseException] = []

    def publish() -> None:
        try:
            subscriptions.publish(list_changed("tools"))
        except BaseException as error:  # noqa: BLE001  # whatever it is, it shall not be
            thread_errors.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join()
    assert thread_errors == []


def test_streams_work_on_asyncio_too() -> None:
    async def listen() -> list[tuple[str, str | None]]:
        subscriptions = started()
        subscription = subscriptions.listen(1, EVERYTHING)
        received: list[tuple[str, str | None]] = []

        async def read() -> None:
            received.extend(methods(await collect(subscription)))

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(subscriptions.publish, list_changed("tools"))
            subscriptions.publish(list_changed("prompts"))
            subscriptions.close()
        return received

    assert anyio.run(listen, backend="asyncio") == [list_changed("tools"), list_changed("prompts")]

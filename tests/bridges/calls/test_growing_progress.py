"""Progress over all the rounds of a call: what an old client has heard of is not said again."""

import pytest

from mcp_bridges.calls.growing_progress import GrowingProgress
from tests.support.messages import encode, notification


def progress(value: float) -> bytes:
    """A notification as the dispatcher writes it."""
    return encode(notification("notifications/progress", {"progressToken": "t", "progress": value, "total": 9}))


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 2, 1, 2, 3], [1, 2, 3]),
        ([0, 0, 0.5], [0, 0.5]),
        ([-1, -2, -0.5], [-1, -0.5]),
        ([5, 1, 4, 5], [5]),
    ],
)
def test_progress_is_news_when_it_grew(said: list[float], heard: list[float]) -> None:
    seen = GrowingProgress()
    assert [value for value in said if seen.is_news(progress(value))] == heard


def test_every_log_message_is_news() -> None:
    seen = GrowingProgress()
    assert seen.is_news(progress(7))
    message = encode(notification("notifications/message", {"level": "info", "data": {"progress": 1}}))
    assert [seen.is_news(message), seen.is_news(message)] == [True, True]
    assert not seen.is_news(progress(7))

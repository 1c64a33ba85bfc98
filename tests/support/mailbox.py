"""A queue between two tasks. Rule: nothing to close, so nothing to forget to close."""

from collections import deque
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class EndOfMail(Exception):
    """Nothing is left, and nothing more will come."""


class Mailbox(Generic[T]):
    """Takes items for one reader. `window` is how many may wait before `put_and_wait` does."""

    def __init__(self, window: int = 0) -> None:
        self.window = window
        self.ended = False
        self._items: deque[T] = deque()
        self._changed = anyio.Event()

    def put(self, item: T) -> None:
        """Leave an item, without waiting for its reader."""
        self._items.append(item)
        self._wake()

    async def put_and_wait(self, item: T) -> None:
        """Leave an item, and wait until no more than `window` lie there. Raises EndOfMail where nobody reads any more."""
        if self.ended:
            raise EndOfMail
        self.put(item)
        while len(self._items) > self.window and not self.ended:
            await self._changed.wait()
        if len(self._items) > self.window:
            raise EndOfMail

    def end(self) -> None:
        """Say that nothing more comes, or that nobody reads any more."""
        self.ended = True
        self._wake()

    async def get(self) -> T:
        """The next item. Raises EndOfMail."""
        while not self._items:
            if self.ended:
                raise EndOfMail
            await self._changed.wait()
        item = self._items.popleft()
        self._wake()
        return item

    def take_all(self) -> list[T]:
        """What lies there now."""
        items = list(self._items)
        self._items.clear()
        self._wake()
        return items

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

"""What a server says unasked. Rule: a client notes it, and can wait until it has heard enough."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

PATIENCE_S = 5.0
"""How long a client waits for what should be there at once. After that the transcript shows what is missing."""


@dataclass
class Heard:
    """Notifications, by kind."""

    progress: list[float] = field(default_factory=list[float])
    logs: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    changes: list[str] = field(default_factory=list[str])
    updated: list[str] = field(default_factory=list[str])
    _news: anyio.Event = field(default_factory=anyio.Event)

    async def on_progress(self, progress: float, _total: float | None, _message: str | None) -> None:
        self.progress.append(progress)
        self._tell()

    async def on_log(self, params: Any) -> None:
        self.logs.append((params.level, params.data))
        self._tell()

    async def on_message(self, message: Any) -> None:
        """A notification of any kind; `mcp` 1.x wraps it."""
        message = getattr(message, "root", message)
        match type(message).__name__:
            case "ResourceUpdatedNotification":
                self.updated.append(str(message.params.uri))
            case "ToolListChangedNotification":
                self.changes.append("tools")
            case _:
                return
        self._tell()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until `enough` is so, or for `PATIENCE_S`."""
        with anyio.move_on_after(PATIENCE_S):
            while not enough():
                await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

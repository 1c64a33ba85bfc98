"""The tasks of a connection on Hypercorn's protocol classes, and the messages for the applications that run in them.

Rule: what one task raises ends all of them at once, whatever they wait for.

Hypercorn (0.18) writes shielded from cancellation, so a task that waits for a client to read would hold a connection
that has failed for as long as the client likes. Here its socket is closed first. And it leaves messages for an
application that has ended where there is room for ten: the eleventh waits for good, and the connection with it.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, Final

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.task_group import TaskGroup
from starlette.types import Message

from mcp_runtime.server.failures import ClientLeftError, split

_WAITING_MESSAGES: Final = 10
"""For an application over HTTP/1.1, as Hypercorn has it. Over HTTP/2 the window of its stream bounds them."""


class Inbox:
    """The messages for one application. `taken` is told how much of a body it took."""

    def __init__(self, bound: float, taken: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._bound = bound
        self._taken = taken
        self._messages: deque[Message] = deque()
        self._is_over = False
        self._changed = trio.Event()

    async def put(self, message: Message) -> None:
        """Leave a message, and wait while there are too many: not after the last, which nobody may ever take."""
        self._messages.append(message)
        self._is_over = self._is_over or message["type"] == "http.disconnect"
        self._change()
        while len(self._messages) > self._bound and not self._is_over:
            await self._changed.wait()

    async def receive(self) -> Message:
        """The next message. For the application."""
        await trio.lowlevel.checkpoint()
        while not self._messages:
            await self._changed.wait()
        message = self._messages.popleft()
        self._change()
        if self._taken is not None and (body := message.get("body")):
            await self._taken(len(body))
        return message

    def _change(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()


class ConnectionTasks(TaskGroup):
    """The tasks of one connection. `abort` closes its socket."""

    def __init__(self, abort: Callable[[], None]) -> None:
        super().__init__()
        self._abort = abort

    async def guard(self, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run `function`; where it fails, close the socket before anybody waits for the other tasks."""
        try:
            await function(*args)
        except BaseException as error:
            if split(error)[0] is not None:
                self._abort()
            raise

    def spawn(self, func: Callable[..., Any], *args: Any) -> None:
        """Start a task."""
        super().spawn(self.guard, func, *args)  # pyright: ignore[reportUnknownMemberType]  # Hypercorn's Callable is bare

    async def spawn_app(self, app: Any, config: HypercornConfig, scope: Any, send: Any) -> Callable[..., Any]:
        """Start the application on one request. Returns what leaves messages for it."""
        return self.start(app, config, scope, send, Inbox(_WAITING_MESSAGES))

    def start(self, app: Any, config: HypercornConfig, scope: Any, send: Any, inbox: Inbox) -> Callable[..., Any]:
        """As `spawn_app`, with this inbox."""
        self.spawn(_run, app, config, scope, inbox, send)
        return inbox.put


class StreamTasks(TaskGroup):
    """The tasks of one HTTP/2 stream, among those of its connection. `taken` is as in Inbox."""

    def __init__(self, tasks: ConnectionTasks, taken: Callable[[int], Awaitable[None]]) -> None:
        super().__init__()
        self._tasks = tasks
        self._taken = taken

    async def spawn_app(self, app: Any, config: HypercornConfig, scope: Any, send: Any) -> Callable[..., Any]:
        """As in ConnectionTasks; to leave a message never waits, for other streams on the connection would wait too."""
        return self._tasks.start(app, config, scope, send, Inbox(inf, self._taken))


async def _run(app: Any, config: HypercornConfig, scope: Any, inbox: Inbox, send: Any) -> None:
    try:
        await app(scope, inbox.receive, send)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # of an application: it is to answer 500
        _, passes = split(error)
        if passes is not error and not isinstance(error, ClientLeftError):
            await config.log.exception("Error in ASGI Framework")
        if passes is not None:
            raise passes from None
    await send(None)  # Not where the connection ends with it: to send may take as long as its client likes.

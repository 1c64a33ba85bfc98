"""A client of the older revisions, the same for every wire. Rule: what comes is checked, and waits until it is taken.

It behaves as its revision has it; one that does not is a raw client (`raw_wires.py`, `raw_sessions.py`).

Over HTTP a message belongs to the request in whose response it came; on a wire that has but one channel it belongs to
the request that it names, or could be for any of those under way.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Literal

import anyio

from mcp_runtime.assembly.runtime import Runtime
from tests.support import old_official
from tests.support.messages import Message, encode, notification
from tests.support.old_events import Event

OldWire = Literal["stdio", "sessions", "sse"]
CHANGES: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    }
)
"""What a server says for no request."""
_PATIENCE_S: Final = 5000.0
CLIENT_INFO: Final[Message] = {"name": "old-client", "version": "0.9"}


@dataclass(eq=False, kw_only=True)
class Sent:
    """What the client sent: one message, or several. `requests` are those that get an answer, by id."""

    body: Any
    requests: dict[Any, Message]
    answered: set[Any] = field(default_factory=set[Any])
    given_up: bool = False
    events: list[Event] = field(default_factory=list[Event])
    """What came over HTTP, where that was an event stream."""

    @property
    def under_way(self) -> bool:
        """Whether more may come."""
        return bool(self.requests) and not self.given_up and self.answered != set(self.requests)

    def has(self, id_: object) -> bool:
        """Whether one of the requests has this id; 1 and "1" are two ids."""
        return any(id_ == own and type(id_) is type(own) for own in self.requests)

    def tokens(self) -> list[Any]:
        """The progress tokens of the requests."""
        found = [old_official.meta_of(request) for request in self.requests.values()]
        return [meta["progressToken"] for meta in found if "progressToken" in meta]


class Listening:
    """The stream for what belongs to no request. `events` is all that came on it."""

    def __init__(self) -> None:
        self.events: list[Event] = []


Source = Sent | Listening | None
"""Where a message came in over HTTP; None where there is one channel for all."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message that came, or a batch; over HTTP with the status of the response that it came in.

    `under_way` are the requests that were not answered yet when it came.
    """

    message: Any
    under_way: tuple[Sent, ...]
    source: Source = None
    status: int | None = None

    def belongs_to(self, sent: Sent) -> bool:
        """Whether it is for this request, as far as that shows."""
        if self.source is not None:
            return self.source is sent
        if isinstance(self.message, list):
            return isinstance(sent.body, list)
        message: Message = self.message
        if "method" not in message:
            return sent.has(message.get("id"))
        if message["method"] in CHANGES:
            return False
        token = message.get("params", {}).get("progressToken")
        return sent in self.under_way if token is None else token in sent.tokens()


class OldClient(ABC):
    """One connection to one runtime. `journal` is what the fixture plugin wrote down; `revision` is what was agreed on."""

    wire: OldWire

    def __init__(self, runtime: Runtime, journal: list[str]) -> None:
        self.runtime = runtime
        self.journal = journal
        self.revision: str | None = None
        self.inbox: list[Arrival] = []
        self.sent: list[Sent] = []
        self.ids = count(1001)  # out of the way of ids that tests choose
        self._came = anyio.Event()

    # What every wire has.

    @abstractmethod
    async def send(self, body: object, *, headers: Mapping[str, str | None] | None = None) -> int | None:
        """Send one message, several, or bytes as they are; over HTTP the status where no request waits for an answer."""

    async def listen(self) -> None:
        """Open the stream for what belongs to no request. A wire that has but one channel has no need to."""
        return

    async def settle(self) -> None:
        """Wait until everybody waits: whatever can arrive has arrived."""
        await anyio.wait_all_tasks_blocked()

    def note(self, body: object) -> tuple[Sent, bytes]:
        """Remember what is being sent, and how it is written."""
        data = body if isinstance(body, bytes) else encode(body)
        value = _parsed(data)
        messages = value if isinstance(value, list) else [value]
        requests = {
            message["id"]: message
            for message in messages
            if isinstance(message, dict) and "method" in message and isinstance(message.get("id"), int | str)
        }
        sent = Sent(body=value, requests=requests)  # pyright: ignore[reportUnknownArgumentType]  # JSON
        self.sent.append(sent)
        return sent, data

    def arrive(self, message: Any, source: Source = None, status: int | None = None) -> None:
        """Take in what came."""
        under_way = tuple(sent for sent in self.sent if sent.under_way)
        for one in message if isinstance(message, list) else [message]:
            owner = None if "method" in one else self._owner(one.get("id"), source)
            request = None if owner is None else owner.requests[one["id"]]
            old_official.check(one, self.revision, request)
            if owner is not None:
                owner.answered.add(one["id"])
            if request is not None and request["method"] == "initialize" and "result" in one:
                self.revision = one["result"]["protocolVersion"]
        self.inbox.append(Arrival(message=message, under_way=under_way, source=source, status=status))
        self._came.set()

    def _owner(self, id_: object, source: Source) -> Sent | None:
        if isinstance(source, Sent):
            return source if source.has(id_) else None
        return next((sent for sent in reversed(self.sent) if sent.has(id_)), None)

    async def take(self, fits: Callable[[Arrival], bool]) -> Arrival:
        """The first arrival that fits, once it is there. Fails where it never comes."""
        with anyio.move_on_after(_PATIENCE_S):
            while True:
                found = next((arrival for arrival in self.inbox if fits(arrival)), None)
                if found is not None:
                    self.inbox.remove(found)
                    return found
                self._came = anyio.Event()
                await self._came.wait()
        raise AssertionError(f"nothing of the kind came; what did: {self.inbox}")

    # What tests say with it.

    async def open(self, revision: str = "2025-11-25", capabilities: Message | None = None) -> Message:
        """Shake hands, and listen; the InitializeResult."""
        declared = old_official.able(revision) if capabilities is None else capabilities
        params = {"protocolVersion": revision, "capabilities": declared, "clientInfo": CLIENT_INFO}
        result = await self.ask("initialize", params)
        await self.initialized()
        return dict(result["result"])

    async def initialized(self) -> None:
        """Say that the handshake is over, and listen."""
        await self.send(notification("notifications/initialized"))
        await self.listen()
        await self.settle()

    async def start(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> Sent:
        """Send a request and do not wait."""
        own = next(self.ids) if id is None else id
        await self.send({"jsonrpc": "2.0", "id": own, "method": method, "params": dict(params or {})})
        return self.sent[-1]

    async def next(self, sent: Sent) -> Message:
        """The next message for what was sent."""
        return dict((await self.take(lambda arrival: arrival.belongs_to(sent))).message)

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> Message:
        """Send a request and wait for its response: the message, which nothing else may come before."""
        return await self.next(await self.start(method, params, id=id))

    async def call(self, tool: str, /, arguments: Mapping[str, Any] | None = None) -> Message:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "arguments": dict(arguments or {})})

    async def start_call(self, tool: str, /, arguments: Mapping[str, Any] | None = None, **options: Any) -> Sent:
        """Call a tool and do not wait."""
        return await self.start("tools/call", {"name": tool, "arguments": dict(arguments or {})}, **options)

    async def change(self) -> Message:
        """The next message that belongs to no request."""
        return dict((await self.take(lambda arrival: is_change(arrival.message))).message)

    async def reply(self, question: Message, result: object) -> int | None:
        """Answer what the server asked."""
        return await self.send({"jsonrpc": "2.0", "id": question["id"], "result": result})

    async def cancel(self, sent: Sent) -> None:
        """Give up on it."""
        for id_ in sent.requests:
            await self.send(notification("notifications/cancelled", {"requestId": id_, "reason": "enough"}))
        sent.given_up = True

    def left(self) -> list[Any]:
        """What nobody has taken."""
        return [arrival.message for arrival in self.inbox]


def is_change(message: object) -> bool:
    """Whether it belongs to no request."""
    return isinstance(message, dict) and message.get("method") in CHANGES  # pyright: ignore[reportUnknownMemberType]  # JSON


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None

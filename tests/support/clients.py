"""A client of the runtime, the same for every wire. Rule: what comes back is checked before a test sees it.

`Client.ask` sends a request and waits for its answer; `Client.open` lets a test watch, and cancel, a request under way.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import anyio

from mcp_runtime.assembly.runtime import Runtime
from tests.support import official
from tests.support.messages import Message, encode, request

Transport = Literal["stdio", "streamable_http"]


@dataclass
class Answer:
    """The answer to one request: the response, the notifications before it, and over HTTP status and headers."""

    request: Message
    response: Message
    notifications: list[Message] = field(default_factory=list[Message])
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        official.check_message(self.response)
        if "result" in self.response:
            official.check_result(self.request["method"], self.response["result"])
        assert self.response.get("id") == self.request["id"]
        assert type(self.response["id"]) is type(self.request["id"])

    @property
    def result(self) -> Message:
        """The result. Fails where there is an error."""
        assert "result" in self.response, self.response
        return dict(self.response["result"])

    @property
    def error(self) -> Message:
        """The error. Fails where there is a result."""
        assert "error" in self.response, self.response
        return dict(self.response["error"])

    def refused(self, code: int, status: int = 400) -> Message:
        """The error, which has this code, and over HTTP this status in a plain JSON body."""
        assert self.error["code"] == code, self.response
        if self.status is not None:
            assert self.status == status, (self.status, self.response)
            assert self.headers["content-type"] == "application/json"
        return self.error

    @property
    def text(self) -> str:
        """The text of a tool's result."""
        return "".join(block["text"] for block in self.result["content"] if block["type"] == "text")

    @property
    def asked(self) -> dict[str, Message]:
        """The questions of a result that needs input."""
        assert self.result["resultType"] == "input_required", self.response
        return dict(self.result["inputRequests"])

    @property
    def state(self) -> str:
        """The state that travels with the questions."""
        return str(self.result["requestState"])


@dataclass
class RawReply:
    """What came back for bytes that may be no message at all: over HTTP with the status, None on stdio."""

    messages: list[Message]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def error(self) -> Message:
        """The one error there is."""
        (message,) = self.messages
        official.check_error(message)
        return dict(message["error"])


class Opened(ABC):
    """A request under way."""

    request: Message

    @abstractmethod
    async def next(self) -> Message:
        """The next message for this request: a notification, or its response."""

    @abstractmethod
    async def cancel(self) -> None:
        """Give up on it, as clients do on this wire."""

    @abstractmethod
    async def answer(self) -> Answer:
        """Wait for the response; notifications not yet read come with it."""

    @abstractmethod
    def arrived(self) -> list[Message]:
        """What is there and was not read; see `Client.settle`."""


class Client(ABC):
    """One connection to one runtime. `journal` is what the fixture plugin wrote down."""

    transport: Transport

    def __init__(self, runtime: Runtime, journal: list[str]) -> None:
        self.runtime = runtime
        self.journal = journal
        self.ids = count(1001)  # out of the way of ids that tests choose

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        capabilities: Message | None = None,
        extra_meta: Message | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send a request and wait for its answer. `headers` replace (or with None leave out) those of HTTP."""
        message = request(method, params, id=next(self.ids), capabilities=capabilities, extra_meta=extra_meta)
        return await self.send(message, headers=headers)

    async def call(self, tool: str, /, arguments: Mapping[str, Any] | None = None, **options: Any) -> Answer:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "arguments": dict(arguments or {})}, **options)

    async def retry(self, answer: Answer, responses: Mapping[str, Any], **options: Any) -> Answer:
        """Send the request of `answer` again with what it asked for, and the state it gave."""
        params = {key: value for key, value in answer.request["params"].items() if key != "_meta"}
        params |= {"inputResponses": dict(responses), "requestState": answer.state}
        return await self.ask(answer.request["method"], params, **options)

    async def send(self, message: Message, *, headers: Mapping[str, str | None] | None = None) -> Answer:
        """Send a request as it is and wait for its answer."""
        async with self.open(message, headers=headers) as opened:
            return await opened.answer()

    def listen(self, *, id: Any = None, **wanted: Any) -> AbstractAsyncContextManager[Opened]:
        """Open a subscription."""
        chosen = next(self.ids) if id is None else id
        return self.open(request("subscriptions/listen", {"notifications": wanted}, id=chosen))

    @abstractmethod
    def open(
        self, message: Message, *, headers: Mapping[str, str | None] | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """Send a request and look on. Leaving the block gives up on it where it is not answered yet."""

    @abstractmethod
    async def raw(self, data: bytes, *, headers: Mapping[str, str | None] | None = None) -> RawReply:
        """Send bytes, and wait until nothing more comes back for them by itself."""

    async def tell(self, message: object, *, headers: Mapping[str, str | None] | None = None) -> RawReply:
        """Send any JSON value as a message."""
        return await self.raw(encode(message), headers=headers)

    async def settle(self) -> None:
        """Wait until everybody waits: whatever can arrive has arrived."""
        await anyio.wait_all_tasks_blocked()

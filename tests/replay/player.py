"""Plays a conversation of 2026-07-28 through one transport. Rule: what is not written down must not happen."""

from contextlib import AsyncExitStack
from typing import Any

import anyio

from tests.replay.replay_file import Conversation, Step, difference, filled
from tests.support import official
from tests.support.clients import Client, Opened
from tests.support.http_client import HttpOpened
from tests.support.messages import PROTOCOL_VERSION, SERVER_INFO, Message, encode, meta
from tests.support.stdio_client import StdioClient


class Player:
    """One conversation in progress."""

    def __init__(self, conversation: Conversation, client: Client, stack: AsyncExitStack) -> None:
        self._name = conversation.name
        self._client = client
        self._stack = stack
        self._kept: dict[str, str] = {}
        self._opened: list[Opened] = []
        self._loose: list[Message] = []
        self._status: int | None = None

    async def play(self, steps: list[Step]) -> None:
        """Play it to its end, where nothing may be left over."""
        for step in steps:
            await self._step(step)
        await self._nothing(steps[-1])

    async def _step(self, step: Step) -> None:
        match step.kind:
            case "send":
                await self._send(step)
            case "send_raw":
                await self._send_raw(step, step.value.encode())
            case "expect":
                await self._expect(step)
            case "cancel":
                await self._find(step, step.value).cancel()
                await self._client.settle()
            case "wait":
                await anyio.sleep(step.value)
            case "nothing":
                await self._nothing(step)
            case "stop":
                self._client.runtime.subscriptions.close()
            case "lose" | "end":
                raise AssertionError(self._at(step, "only sessions have this"))

    async def _send(self, step: Step) -> None:
        message = self._completed(step.value)
        found = message.get("params", {}).get("_meta", {})
        headers = step.headers if PROTOCOL_VERSION in found else {"mcp-protocol-version": None, **step.headers}
        if "id" in message and "method" in message:
            self._opened.append(await self._stack.enter_async_context(self._client.open(message, headers=headers)))
        else:
            await self._send_raw(step, encode(message), headers)

    def _completed(self, written: Message) -> Message:
        message: Message = {"jsonrpc": "2.0", **written}
        if "id" in message and "method" in message and message.get("params") != "$absent":
            params = message.get("params", {})
            own = params.get("_meta", {})
            message["params"] = {**params, "_meta": {**meta(), **own} if isinstance(own, dict) else own}
        return dict(filled(message, self._kept))

    async def _send_raw(self, step: Step, data: bytes, headers: dict[str, str | None] | None = None) -> None:
        reply = await self._client.raw(data, headers=step.headers if headers is None else headers)
        self._status = reply.status
        if isinstance(self._client, StdioClient):  # Some of it may be for requests under way.
            self._loose += self._client.unclaimed
            self._client.unclaimed.clear()
        else:
            self._loose += reply.messages

    async def _expect(self, step: Step) -> None:
        if step.value is None:
            assert self._status in {None, step.status}, self._at(step, f"the status is {self._status}")
            return
        if self._loose:
            message, status, method = self._loose.pop(0), self._status, ""
        else:
            opened = self._owner(step)
            message, method = await opened.next(), opened.request["method"]
            status = opened.exchange.response.status if isinstance(opened, HttpOpened) else None
        official.check_message(message)
        if "result" in message:
            official.check_result(method, message["result"])
        problem = difference(step.value, shown_of(message), self._kept)
        assert problem is None, self._at(step, f"{problem}\n  got {message}")
        if "method" not in message and status is not None:
            assert status == step.status, self._at(step, f"the HTTP status is {status}")

    def _owner(self, step: Step) -> Opened:
        """The request that a message written in a `<<` line is for."""
        body: Message = step.value.get("params") or step.value.get("result") or {}
        token = body.get("progressToken")
        if token is not None:
            return next(found for found in reversed(self._opened) if _token(found.request) == token)
        id_ = step.value.get("id", official.subscription_id(step.value))
        id_ = body.get("requestId", id_) if step.value.get("method") == "notifications/cancelled" else id_
        return self._opened[-1] if id_ is None else self._find(step, id_)

    def _find(self, step: Step, id_: Any) -> Opened:
        for opened in reversed(self._opened):
            if opened.request["id"] == id_ and type(opened.request["id"]) is type(id_):
                return opened
        raise AssertionError(self._at(step, f"no request has the id {id_!r}"))

    async def _nothing(self, step: Step) -> None:
        await self._client.settle()
        left = [*self._loose, *(message for opened in self._opened for message in opened.arrived())]
        assert left == [], self._at(step, f"there is more: {left}")

    def _at(self, step: Step, problem: str) -> str:
        return f"{self._name}.txt:{step.line}: {problem}"


def _token(request: Message) -> Any:
    return request["params"].get("_meta", {}).get("progressToken")


def shown_of(message: Message) -> Message:
    """The message of 2026-07-28 without what is the same in all of them."""
    shown = {key: value for key, value in message.items() if key != "jsonrpc"}
    if "result" in shown:
        result = dict(shown["result"])
        assert official.server_info(result)["name"] == "test-server"
        left = {key: value for key, value in result.pop("_meta").items() if key != SERVER_INFO}
        shown["result"] = {**result, "_meta": left} if left else result
    return shown

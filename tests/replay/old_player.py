"""Plays a conversation of an older revision through one wire. Rule: what is not written down must not happen.

The client keeps the session's id and the version; the handshake is played unless the conversation writes it out.
"""

from typing import Any

import anyio

from tests.replay.player import shown_of
from tests.replay.replay_file import Conversation, Step, difference, filled
from tests.support.messages import Message
from tests.support.old_client import CHANGES, Arrival, OldClient, Sent
from tests.support.old_http import SessionsClient
from tests.support.old_official import is_modern


class OldPlayer:
    """One conversation in progress, in one revision."""

    def __init__(self, conversation: Conversation, revision: str, client: OldClient) -> None:
        self._conversation = conversation
        self._client = client
        self._revision = revision
        self._kept: dict[str, str] = {"revision": revision}
        self._status: int | None = None

    async def play(self, steps: list[Step]) -> None:
        """Play it to its end, where nothing may be left over."""
        if self._conversation.opening == "played":
            await self._client.open(self._revision, self._conversation.capabilities)
        for step in steps:
            await self._step(step)
        await self._nothing(steps[-1])

    async def _step(self, step: Step) -> None:
        match step.kind:
            case "send":
                await self._send(step)
            case "send_raw":
                self._status = await self._client.send(step.value.encode(), headers=step.headers)
            case "expect":
                await self._expect(step)
            case "cancel":
                await self._client.cancel(self._find(step, step.value))
            case "lose":
                await self._lose(step)
            case "wait":
                await anyio.sleep(step.value)
            case "nothing":
                await self._nothing(step)
            case "stop":
                self._client.runtime.close_streams()
            case "end":
                self._status = await self._session(step).delete(step.headers)

    async def _send(self, step: Step) -> None:
        written = step.value if isinstance(step.value, list) else [step.value]
        messages = [filled({"jsonrpc": "2.0", **one}, self._kept) for one in written]
        body: Any = messages if isinstance(step.value, list) else messages[0]
        self._status = await self._client.send(body, headers=step.headers)
        if body == {"jsonrpc": "2.0", "method": "notifications/initialized"}:
            await self._client.listen()
            await self._client.settle()

    async def _lose(self, step: Step) -> None:
        """The connection is lost, and the client comes back for the rest."""
        client, sent = self._session(step), self._find(step, step.value)
        await client.lose(sent)
        ids = [event.id for event in sent.events if event.id]
        assert ids, self._at(step, "no event has said how to come back")
        await client.resume(sent, ids[-1])

    def _session(self, step: Step) -> SessionsClient:
        assert isinstance(self._client, SessionsClient), self._at(step, "only sessions have this")
        return self._client

    async def _expect(self, step: Step) -> None:
        if step.value is None:
            assert self._status in {None, step.status}, self._at(step, f"the status is {self._status}")
            return
        arrival = await self._client.take(lambda arrival: self._is_next(step, arrival))
        shown = _shown(arrival, self._client)
        problem = difference(step.value, shown, self._kept)
        assert problem is None, self._at(step, f"{problem}\n  got {arrival.message}")
        assert arrival.status in {None, step.status}, self._at(step, f"the HTTP status is {arrival.status}")

    def _is_next(self, step: Step, arrival: Arrival) -> bool:
        """Whether an arrival is for what the `<<` line names, whatever it says."""
        wanted, came = step.value, arrival.message
        if isinstance(wanted, list):
            return isinstance(came, list)
        if isinstance(came, list):
            return False
        if wanted.get("method") in CHANGES:
            return came.get("method") in CHANGES
        if "method" not in wanted and "id" not in wanted:
            return "method" not in came and "id" not in came
        owner = self._owner(wanted)
        return arrival.belongs_to(owner) if owner is not None else came.get("id") == wanted.get("id")

    def _owner(self, wanted: Message) -> Sent | None:
        """What the client sent that this is for: a response says it itself, other messages are for the last one."""
        sent = [one for one in reversed(self._client.sent) if one.requests]
        # The response may have come already, and what is wanted before it.
        more = [one for one in sent if one.under_way or any(came.belongs_to(one) for came in self._client.inbox)]
        if "method" not in wanted:
            return next((one for one in (*more, *sent) if one.has(wanted["id"])), None)
        params = wanted.get("params")
        token = params.get("progressToken") if isinstance(params, dict) else None
        return next((one for one in more if token is None or token in one.tokens()), None)

    def _find(self, step: Step, id_: Any) -> Sent:
        found = next((one for one in reversed(self._client.sent) if one.has(id_)), None)
        assert found is not None, self._at(step, f"no request has the id {id_!r}")
        return found

    async def _nothing(self, step: Step) -> None:
        await self._client.settle()
        left = self._client.left()
        assert left == [], self._at(step, f"there is more: {left}")

    def _at(self, step: Step, problem: str) -> str:
        return f"{self._conversation.name}.txt:{step.line}: {self._revision}: {problem}"


def _shown(arrival: Arrival, client: OldClient) -> Any:
    """The message without what is the same in all of them."""
    message = arrival.message
    if isinstance(message, list):
        return [_plain(one) for one in message]
    request = next(
        (sent.requests[message["id"]] for sent in reversed(client.sent) if sent.has(message.get("id"))), None
    )
    asked_today = request is not None and is_modern(request) and "method" not in message
    return shown_of(message) if asked_today else _plain(message)


def _plain(message: Message) -> Message:
    return {key: value for key, value in message.items() if key != "jsonrpc"}

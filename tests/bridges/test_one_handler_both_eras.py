"""One handler, written once, asks a client of today and one of yesterday. Rule: same server, same process, same answer.

The client of 2026-07-28 gets its questions as a result and sends the request again with the answers; the older ones are
asked over their own stream while their request waits. The tools are those of the `everything` plugin as it ships.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_plugins.everything import plugin
from tests.support.asgi import Response
from tests.support.clocks import Backend, run
from tests.support.http_client import HttpClient, http_client
from tests.support.legacy_messages import old, opening, result, text_of
from tests.support.messages import Message, accepted, encode, headers_for, request, rooted, sampled
from tests.support.old_events import OldEventReader
from tests.support.raw_wires import RawWireClient, made, old_sse, old_stdio
from tests.support.settings import settings

BACKENDS: tuple[Backend, ...] = ("trio", "asyncio")


def answer(question: Message) -> Message:
    """What this client answers, in both eras: the question's method and params are the same."""
    params = question.get("params", {})
    match question["method"]:
        case "elicitation/create":
            fields = params["requestedSchema"]["properties"]
            known = {"name": "Ada", "color": "blue"}
            return accepted(**{name: known[name] for name in fields})
        case "sampling/createMessage":
            return sampled("What the model said")
        case _:
            return rooted("file:///home/ada")


TOOLS = (
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
)


def call(tool: str, **more: Any) -> Message:
    """The params of a call."""
    return {"name": tool, "arguments": {}, **more}


# 2026-07-28: by retry


Send = Callable[[Message], Awaitable[Message]]


async def by_retry(send: Send, tool: str) -> tuple[str, int]:
    """The text that the tool comes to, and how often it was asked."""
    asked, params = 0, call(tool)
    while True:
        found = (await send(request("tools/call", params, id=f"{tool}-{asked}")))["result"]
        if found["resultType"] != "input_required":
            return text_of({"result": found}), asked
        responses = {key: answer(question) for key, question in found["inputRequests"].items()}
        asked += len(responses)
        params = call(tool, inputResponses=responses, requestState=found["requestState"])


# Before: by push


async def by_push(client: RawWireClient, tool: str) -> tuple[str, int]:
    """The same, on a wire that is a conversation."""
    asked, request_id = 0, await client.start("tools/call", call(tool))
    while True:
        message = await client.take(lambda message: "id" in message)
        if "method" not in message:
            assert message["id"] == request_id
            return text_of(message), asked
        asked += 1
        await client.say(result(message["id"], answer(message)))


class OldSession:
    """A session of 2025-11-25 on the endpoint."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._headers: dict[str, str | None] = {"mcp-protocol-version": None}

    async def open(self) -> None:
        """Initialize."""
        response = await self._post(opening("2025-11-25"))
        self._headers = {
            "mcp-protocol-version": "2025-11-25",
            "mcp-session-id": response.header("mcp-session-id"),
        }
        assert (await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})).status == 202

    async def _post(self, message: Message) -> Response:
        async with self._http.exchange(message, headers=self._headers) as exchange:
            return await exchange.read_all()

    async def by_push(self, tool: str) -> tuple[str, int]:
        """Questions come on the stream of the POST, each answer goes out as a POST of its own."""
        asked, reader = 0, OldEventReader()
        async with self._http.exchange(old("tools/call", call(tool), id=tool), headers=self._headers) as exchange:
            while (chunk := await exchange.read()) is not None:
                for event in reader.feed(chunk):
                    if not event.data:
                        continue  # It primes the stream.
                    message = event.message
                    if "method" not in message:
                        assert message["id"] == tool
                        return text_of(message), asked
                    asked += 1
                    assert (await self._post(result(message["id"], answer(message)))).status == 202
        raise AssertionError("the stream ended without an answer")


QUESTIONS = dict(zip(TOOLS, (1, 1, 1, 3, 2), strict=True))


@asynccontextmanager
async def over_http() -> AsyncGenerator[HttpClient, None]:
    """A server of the plugin as it ships."""
    async with http_client(made(settings(), [], lambda _: plugin), []) as http:
        yield http


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_handler_asks_2026_by_retry_and_2025_by_push_over_http(backend: Backend) -> None:
    async def test() -> None:
        async with over_http() as http, old_sse(http) as stream:
            session = OldSession(http)
            await session.open()
            await stream.open("2025-11-25")

            async def send(message: Message) -> Message:
                async with http.exchange(encode(message), raw_headers=headers_for(message)) as exchange:
                    return dict(json.loads((await exchange.read_all()).body))

            for tool, asked in QUESTIONS.items():
                today = await by_retry(send, tool)
                assert today[1] == asked
                assert await session.by_push(tool) == today
                assert await by_push(stream, tool) == today

    run(backend, test)


async def test_one_handler_asks_2026_by_retry_and_2025_by_push_over_stdio() -> None:
    async with old_stdio(made(settings(), [], lambda _: plugin), []) as client:
        await client.open("2025-11-25")

        async def send(message: Message) -> Message:
            await client.say(message)
            return await client.response(message["id"])

        for tool, asked in QUESTIONS.items():
            today = await by_retry(send, tool)
            assert today[1] == asked
            assert await by_push(client, tool) == today


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-03-26", "2024-11-05"])
async def test_older_clients_are_asked_what_their_revision_has(revision: str) -> None:
    async with old_stdio(made(settings(), [], lambda _: plugin), []) as client:
        await client.open(revision)
        for tool in ("test_input_required_result_sampling", "test_input_required_result_list_roots"):
            assert (await by_push(client, tool))[1] == 1
        if revision >= "2025-06-18":
            assert await by_push(client, "test_input_required_result_multi_round") == ("Ada likes blue.", 2)
            # A form of today that the revision has no way to put is not put, and the model is told why.
            refused = await client.ask("tools/call", call("test_elicitation_sep1330_enums"))
            assert refused["result"]["isError"] is True
            assert "This client cannot be asked" in text_of(refused)
            assert "2025-11-25" in text_of(refused)
        else:
            refused = await client.ask("tools/call", call("test_input_required_result_elicitation"))
            assert "elicitation" in refused["error"]["message"]

"""Hostile HTTP clients: no exception escapes, every request gets one answer or a status, and the next client is served.

MCP_FUZZ_EXAMPLES=5000 makes a long run with new examples; without it the run is short and the same every time.
"""

import json
from functools import partial
from typing import Any, Final

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import changed, cuts, fuzz, judge, noise, pieces
from tests.support import official
from tests.support.asgi import Exchange, Response
from tests.support.clocks import Backend, run
from tests.support.events import EventReader
from tests.support.fixture_plugin import MIRRORED
from tests.support.http_client import HttpClient
from tests.support.messages import Message, encode, headers_for
from tests.support.settings import settings
from tests.support.wires import Wire, connect

STATUSES: Final = {200, 202, 400, 403, 404, 405, 406, 408, 413, 415, 421, 503}
WIRES: Final[dict[Backend, Wire]] = {"trio": "http-trio", "asyncio": "http-asyncio"}
SMALL: Final = settings(limits={"max_body_bytes": 5000, "body_timeout_s": 5.0, "max_subscriptions": 5})

header_values = st.one_of(
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30),
    st.sampled_from(
        [
            "",
            "2026-07-28",
            "2025-11-25",
            "tools/call",
            "echo",
            "=?base64?",
            "=?base64??=",
            "=?base64?ZWNobw==?=",
            "*/*",
            "localhost",
            "null",
        ]
    ),
)
header_names = st.sampled_from(
    [
        "host",
        "origin",
        "accept",
        "content-type",
        "content-length",
        "content-encoding",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
        "mcp-param-count",
        "mcp-session-id",
        "last-event-id",
        "transfer-encoding",
        "x-other",
    ]
)


def messages_in(response: Response) -> list[Message]:
    """The messages of a response, each checked."""
    if (response.header("content-type") or "").startswith("text/event-stream"):
        reader = EventReader()
        found = reader.feed(response.body)
        reader.end()
    else:
        found = [json.loads(response.body)] if response.body else []
    for message in found:
        official.check_message(message)
    return found


async def post(client: HttpClient, parts: list[bytes], headers: dict[str, str]) -> Response | None:
    """The response to a body in parts; None for one that stays open, as a subscription does."""
    async with client.exchange(raw_headers=headers) as exchange:
        for part in parts:
            exchange.upload(part, more=True)
            await anyio.lowlevel.checkpoint()
        exchange.upload(b"")
        with anyio.move_on_after(400):
            await exchange.returned.wait()
        if exchange.complete.is_set():
            return await exchange.read_all()
        assert b"notifications/subscriptions/acknowledged" in exchange.response.body
        return None


def check(response: Response | None, data: bytes, *, envelope_is_fine: bool) -> None:
    """One answer, under the right id, with a status that means it."""
    if response is None:
        return
    assert response.status in STATUSES
    found = messages_in(response)
    responses = [message for message in found if "method" not in message]
    assert len(responses) == (0 if response.status == 202 else 1)
    assert found[-1:] == responses
    if response.status >= 400:
        assert "error" in responses[0]
    verdict = judge(data)
    if not envelope_is_fine or response.status in {406, 413, 415}:
        return
    match verdict.kind:
        case "request":
            assert responses[0]["id"] == verdict.id
            assert type(responses[0]["id"]) is type(verdict.id)
        case "notification":
            assert response.status in {202, 400}
        case "refused":
            assert response.status == 400
            assert responses[0]["error"]["code"] in {-32700, -32600}
        case _:
            pass


async def still_works(client: HttpClient) -> None:
    """The next client is served, and nothing is left of the ones before it."""
    assert (await client.call("echo", {"text": "still here"})).text == "still here"
    assert client.runtime.dispatcher.at_work == 0
    assert len(client.runtime.subscriptions) == 0


def headers_of(data: bytes) -> dict[str, str]:
    """The headers a client would send with these bytes; names no header can carry come out in base64."""
    try:
        return headers_for(json.loads(data), MIRRORED)
    except (ValueError, RecursionError, AttributeError):
        return headers_for(None)


def play(backend: Backend, conversation: Any) -> None:
    """Have a conversation with a server of one's own."""

    async def talk() -> None:
        async with connect(WIRES[backend], SMALL) as client:
            assert isinstance(client, HttpClient)
            await conversation(client)
            await still_works(client)

    run(backend, talk)


def _latin(headers: dict[str, str]) -> dict[str, str]:
    return {key: value.encode().decode("latin-1") for key, value in headers.items()}


@pytest.mark.parametrize("backend", WIRES)
@given(bodies=st.lists(st.tuples(noise, cuts), min_size=1, max_size=6))
@fuzz
def test_noise_is_refused(backend: Backend, bodies: list[tuple[bytes, list[int]]]) -> None:
    async def talk(client: HttpClient) -> None:
        for data, where in bodies:
            response = await post(client, pieces(data, where), _latin(headers_of(data)))
            check(response, data, envelope_is_fine=True)

    play(backend, talk)


@pytest.mark.parametrize("backend", WIRES)
@given(bodies=st.lists(changed(), min_size=1, max_size=8))
@fuzz
def test_changed_messages_are_answered_under_their_ids(backend: Backend, bodies: list[Any]) -> None:
    async def talk(client: HttpClient) -> None:
        for message in bodies:
            data = encode(message)
            response = await post(client, [data], _latin(headers_of(data)))
            check(response, data, envelope_is_fine=True)

    play(backend, talk)


@pytest.mark.parametrize("backend", WIRES)
@given(
    bodies=st.lists(
        st.tuples(changed(), st.lists(st.tuples(header_names, st.none() | header_values), min_size=1, max_size=4)),
        min_size=1,
        max_size=6,
    )
)
@fuzz
def test_odd_headers_are_refused_or_borne(
    backend: Backend, bodies: list[tuple[Any, list[tuple[str, str | None]]]]
) -> None:
    async def talk(client: HttpClient) -> None:
        for message, changes in bodies:
            data = encode(message)
            headers = {**_latin(headers_of(data)), **{key: value for key, value in changes if value is not None}}
            for key, value in changes:
                if value is None:
                    headers.pop(key, None)
            check(await post(client, [data], headers), data, envelope_is_fine=False)

    play(backend, talk)


@pytest.mark.parametrize("backend", WIRES)
@given(
    requests=st.lists(
        st.tuples(changed(), st.floats(0, 20), st.integers(0, 3), st.sampled_from(["silent", "raises"]), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
@fuzz
def test_clients_that_leave_at_any_moment_leave_nothing_behind(backend: Backend, requests: list[Any]) -> None:
    async def visit(client: HttpClient, message: Any, stay_s: float, window: int, gone: Any, all_of_it: bool) -> None:
        data = encode(message)
        async with client.exchange(raw_headers=_latin(headers_of(data)), window=window, gone=gone) as exchange:
            exchange.upload(data if all_of_it else data[: len(data) // 2], more=not all_of_it)
            await anyio.sleep(stay_s)
            exchange.disconnect()
            with anyio.fail_after(1.5):
                await exchange.returned.wait()
            _is_whole(exchange)

    async def talk(client: HttpClient) -> None:
        async with anyio.create_task_group() as tasks:
            for one in requests:
                tasks.start_soon(partial(visit, client), *one)

    play(backend, talk)


def _is_whole(exchange: Exchange) -> None:
    """What was sent before the client left is whole messages."""
    if exchange.response.status == 200 and (exchange.response.header("content-type") or "").startswith("text/event"):
        EventReader().feed(exchange.response.body)

"""One method of the past is gone, and the rest is not. Rule: that is the method's answer, and the conversation goes on.

Old SDKs read a JSON-RPC error where the exchange succeeded; any other status ends their session, or lets them wait.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from mcp_bridges.deprecation.reports.evidence import Evidence, read_evidence
from mcp_bridges.gate.port import ANSWERED, Refusal, Sighting
from mcp_runtime.config import AdminConfig, Config, DeprecationConfig, LedgerConfig
from mcp_runtime.state.engines import State, open_state
from tests.support.clocks import Backend, run
from tests.support.http_client import HttpClient, http_client
from tests.support.legacy_messages import old, text_of
from tests.support.messages import notification
from tests.support.raw_sessions import SESSION_REVISIONS, on_both_loops, serving
from tests.support.raw_wires import Doorkeeper, RawSseClient, RawWireClient, made, old_http, old_sse, over_old_wires
from tests.support.settings import settings

TEXT: Final = "Ask desk@a.example."
both = pytest.mark.parametrize("backend", ["trio", "asyncio"])


def retiring(*stages: str, directory: Path | None = None, **more: Any) -> Config:
    """A server that is past these stages, and keeps a ledger in `directory`."""
    if directory is not None:
        more["ledger"] = LedgerConfig(database=str(directory / "ledger.db"), flush_interval_s=3600.0)
    return settings(deprecation=DeprecationConfig(stages=stages, message=TEXT), **more)


GONE: Final = retiring("ping = gone", "logging.set_level = gone", admin=AdminConfig(bind=("127.0.0.1:0",)))


def used(directory: Path) -> dict[str, dict[str, int]]:
    """Calls by feature and client, as the ledger has them."""
    today = datetime.now(UTC).date()
    found: Evidence = read_evidence(directory / "ledger.db", since=today - timedelta(days=1), until=today)
    features = ("transport.http_sse", "protocol.handshake", "jsonrpc.batch", "ping")
    return {
        feature: {found.clients[key].identity.name: use.calls for key, use in found.users_of(feature).items()}
        for feature in features
    }


@pytest.mark.parametrize("revision", SESSION_REVISIONS)
@on_both_loops()
async def test_in_a_session_it_is_an_error_that_old_clients_read(revision: str) -> None:
    async with serving(GONE, gate=None) as server:
        client = await server.client(revision)
        for method, params in (("ping", {}), ("logging/setLevel", {"level": "error"})):
            reply = await client.ask(method, params)
            assert reply.status == 200
            assert reply.header("deprecation") is not None
            assert reply.header("retry-after") is None
            error = reply.error
            assert error["code"] == -32601
            assert error["message"].endswith(TEXT)
        assert (await client.use("echo", text="still here")).text == "still here"


@on_both_loops()
async def test_in_a_batch_it_is_the_answer_to_that_message_alone() -> None:
    async with serving(GONE, gate=None) as server:
        client = await server.client("2025-03-26")
        reply = await client.send([old("ping", id=1), client.call("echo", id_=2, text="hi")])
        answers: Any = reply.last
        by_id = {one["id"]: one for one in answers}
        assert by_id[1]["error"]["code"] == -32601
        assert text_of(by_id[2]) == "hi"


@over_old_wires(config=GONE)
async def test_on_a_wire_it_is_the_answer_to_the_request(client: RawWireClient) -> None:
    await client.open()
    assert (await client.ask("ping"))["error"]["message"].endswith(TEXT)
    assert text_of(await client.tool("echo", text="still here")) == "still here"
    assert [status for status in getattr(client, "statuses", []) if status != 202] == []


@over_old_wires(config=GONE)
async def test_on_a_wire_it_is_the_answer_to_one_message_of_a_batch_too(client: RawWireClient) -> None:
    await client.open("2025-03-26")
    await client.say([old("ping", id=1), old("tools/call", {"name": "echo", "arguments": {"text": "hi"}}, id=2)])
    first, second = await client.take(lambda message: isinstance(message, list))
    assert first["error"]["code"] == -32601
    assert text_of(second) == "hi"


ANSWER: Final = Refusal(status=ANSWERED, code=-32601, message="gone")


def refuse_told(sighting: Sighting) -> Refusal | None:
    """Refuses one notification, as a method."""
    return ANSWER if sighting.method == "notifications/roots/list_changed" else None


@both
def test_what_no_answer_is_due_to_is_dropped(backend: Backend) -> None:
    async def test() -> None:
        async with old_http(gate=Doorkeeper(refuse_told)) as http, old_sse(http) as client:
            await client.open()
            response = await client.post(notification("notifications/roots/list_changed"))
            assert (response.status, response.body) == (202, b"")
            assert await client.arrived() == []

    run(backend, test)


@on_both_loops()
async def test_in_a_session_what_no_answer_is_due_to_is_dropped_too() -> None:
    async with serving(gate=Doorkeeper(refuse_told)) as server:
        client = await server.client()
        reply = await client.send(notification("notifications/roots/list_changed"))
        assert (reply.status, reply.messages) == (202, [])


# Evidence of it


@on_both_loops("real")
async def test_what_is_in_a_batch_is_evidence_of_its_own(tmp_path: Path) -> None:
    async with serving(retiring(directory=tmp_path), gate=None) as server:
        client = await server.client("2025-03-26")
        await client.send([client.request("ping"), client.request("ping"), client.request("tools/list")])
    found = used(tmp_path)
    assert found["jsonrpc.batch"] == {"old-client": 1}
    assert found["ping"] == {"old-client": 2}


@on_both_loops()
async def test_a_batch_where_there_are_none_is_answered_with_what_the_gate_wants_said() -> None:
    async with serving(GONE, gate=None) as server:
        client = await server.client("2025-11-25")
        reply = await client.send([old("ping", id=1)])
        assert reply.status == 400
        assert reply.header("deprecation") is not None


@asynccontextmanager
async def two_processes(config: Config) -> AsyncGenerator[tuple[HttpClient, HttpClient], None]:
    """Two of them, with gates and ledgers of their own and one state."""
    state: State = open_state(settings())
    one, two = (made(config, [], state=state) for _ in range(2))
    async with http_client(one, []) as first, http_client(two, []) as second:
        yield first, second


async def post_elsewhere(client: RawSseClient, other: HttpClient) -> None:
    """Open a conversation, ask for a ping and send a batch, all posted to another process than holds the stream."""
    client.http = other
    await client.open("2025-03-26")
    await client.start("ping", id=7)
    await client.response(7)
    await client.say([old("ping", id=8)])
    await client.take(lambda message: isinstance(message, list))


@both
def test_a_message_posted_to_another_process_is_evidence_of_whom_the_stream_is(
    backend: Backend, tmp_path: Path
) -> None:
    async def test() -> None:
        async with two_processes(retiring(directory=tmp_path)) as (one, two), old_sse(one) as client:
            await post_elsewhere(client, two)

    run(backend, test, clock="real")
    found = used(tmp_path)
    assert found["transport.http_sse"] == {"old-client": 4}
    assert found["protocol.handshake"] == {"old-client": 1}
    assert found["jsonrpc.batch"] == {"old-client": 1}
    assert found["ping"] == {"old-client": 2}


@both
def test_what_is_refused_elsewhere_is_said_on_the_stream_and_noted_once(backend: Backend, tmp_path: Path) -> None:
    async def test() -> None:
        config = retiring("ping = gone", "jsonrpc.batch = gone", directory=tmp_path)
        async with two_processes(config) as (one, two), old_sse(one) as client:
            client.http = two
            await client.open("2025-03-26")
            assert (await client.ask("ping"))["error"]["message"].endswith(TEXT)
            assert (await client.post([old("ping")])).status == 410
            assert text_of(await client.tool("echo", text="still here")) == "still here"

    run(backend, test, clock="real")
    found = used(tmp_path)
    assert found["ping"] == {"old-client": 1}
    assert found["jsonrpc.batch"] == {"": 1}


@both
def test_whom_only_the_process_with_the_stream_knows_is_refused_on_the_stream(backend: Backend) -> None:
    async def test() -> None:
        config = settings(deprecation=DeprecationConfig(deny=("name=old-client",)))
        async with two_processes(config) as (one, two), old_sse(one) as client:
            client.http = two
            await client.start("initialize", {"protocolVersion": "2025-03-26", "clientInfo": {"name": "old-client"}})
            refused = await client.take(lambda message: "error" in message)
            assert refused["error"]["code"] == -32022
            await client.say(notification("notifications/initialized"))
            await client.say([old("ping")])
            await anyio.wait_all_tasks_blocked()

    run(backend, test)


@both
def test_what_another_process_would_answer_reaches_the_one_that_does(backend: Backend) -> None:
    async def test() -> None:
        gate = Doorkeeper(lambda seen: ANSWER if seen.method == "ping" else None)
        state = open_state(settings())
        one, two = (made(settings(), [], gate=gate, state=state) for _ in range(2))
        async with (
            http_client(one, []) as first,
            http_client(two, []) as second,
            old_sse(first) as client,
        ):
            client.http = second
            assert (await client.ask("ping"))["error"] == {"code": -32601, "message": "gone"}
            assert client.statuses == [202]

    run(backend, test)

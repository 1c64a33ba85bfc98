"""What clients of old sessions leave behind, at a real process: it ends with them, is bounded, and costs nobody else."""

import json
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.blocking_http import Connection
from tests.support.blocking_old_http import SessionClient, SseClient, initialize, old, old_call
from tests.support.messages import Message, encode
from tests.support.server_process import COMMAND, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

_HEADERS: Mapping[str, str] = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2025-06-18",
}


def serve(directory: Path, **keys: object) -> ServerProcess:
    """A server with these keys of the configuration, as variables have them."""
    environment = {f"MCP_RUNTIME_{name}": str(value) for name, value in keys.items()}
    return ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=directory, environment=environment)


class Caller:
    """A client that sends all it has to say on one connection, in any session."""

    def __init__(self, url: str) -> None:
        self.connection = Connection(url)

    def close(self) -> None:
        self.connection.close()

    def send(
        self, method: str, message: Message | None = None, session: str | None = None, **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        own = {"mcp-session-id": session} if session is not None else {}
        self.connection.send_body(encode(message) if message else b"", {**_HEADERS, **own, **fields}, method)
        response = self.connection.response()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()

    def begin(self) -> str:
        status, headers, body = self.send("POST", initialize("2025-06-18"))
        assert status == 200, body
        return headers["mcp-session-id"]

    def end(self, session: str) -> int:
        return self.send("DELETE", session=session)[0]

    def ask(self, session: str, request: Message) -> tuple[int, Any]:
        status, _, body = self.send("POST", request, session)
        return status, json.loads(body)


def test_calls_whose_clients_closed_their_sockets_at_once_do_not_keep_everybodys_places(tmp_path: Path) -> None:
    with serve(tmp_path, LIMITS_MAX_CONCURRENT_REQUESTS=20, HTTP_WATCH_AFTER_S=0.2) as server:
        with SessionClient(server.url) as leaving:
            for number in range(20):
                leaving.open(old_call("hold", number, name=f"h{number}"))
            for number in range(20):
                server.said(f"h{number} started")
        for number in range(20):
            server.said(f"h{number} cancelled")
        with SessionClient(server.url) as other:
            assert other.status(old_call("echo", 1, text="x")) == 200


def test_a_call_that_its_client_could_come_back_to_is_cancelled_once_nobody_did_for_as_long_as_it_is_kept(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, BRIDGES_HTTP_SESSIONS_REPLAY_MAX_AGE_S=0.5, HTTP_WATCH_AFTER_S=0.05) as server:
        with SessionClient(server.url) as leaving:
            assert next(leaving.open(old_call("hold_on", 1, token="t", name="left")).messages())
            server.said("left started")
            asking = leaving.open(old_call("ask", 2, name="asked")).messages()
            assert next(asking)["method"] == "elicitation/create"
        server.said("left cancelled")
        methods = {server.event("forsaken_call_cancelled")["method"]}
        server.errors.wait_until(lambda: server.errors.text.count("forsaken_call_cancelled") == 2)
        assert methods == {"tools/call"}


def test_a_session_has_a_bounded_number_of_calls_and_other_sessions_have_theirs(tmp_path: Path) -> None:
    with (
        serve(tmp_path, BRIDGES_HTTP_SESSIONS_MAX_CALLS_PER_SESSION=2) as server,
        SessionClient(server.url) as busy,
        SessionClient(server.url) as other,
    ):
        for name in ("a", "b"):
            busy.open(old_call("hold", name, name=name))
            server.said(f"{name} started")
        refused = busy.open(old_call("echo", 3, text="x"))
        assert refused.response().status == 429
        assert "This session has its 2 calls at work" in refused.answer()["error"]["message"]
        assert busy.status(old("ping", 4)) == 200
        assert other.status(old_call("echo", 5, text="x")) == 200
        assert busy.status({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}}) == 202
        server.said("a cancelled")
        assert busy.status(old_call("echo", 6, text="x")) == 200


def test_a_stream_of_http_sse_has_a_bounded_number_of_calls_and_ends_them_all(tmp_path: Path) -> None:
    with serve(tmp_path, BRIDGES_HTTP_SESSIONS_MAX_CALLS_PER_SESSION=2) as server:
        with SseClient(server.url) as client:
            for name in ("a", "b"):
                client.post(old_call("hold", name, name=name))
                server.said(f"{name} started")
            client.post(old_call("echo", 3, text="x"))
            assert "has its 2 calls at work" in next(client.messages())["error"]["message"]
        for name in ("a", "b"):
            server.said(f"{name} cancelled")


def test_who_polls_the_stream_of_a_cancelled_call_is_told_that_it_has_ended(tmp_path: Path) -> None:
    with serve(tmp_path) as server, SessionClient(server.url) as client:
        response = client.open(old_call("hold_on", 1, token="t", name="polled")).response()
        lines = iter(response.readline, b"")
        event_id = next(line for line in lines if line.startswith(b"id:")).decode().removeprefix("id:").strip()
        server.said("polled started")
        client.status({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        assert not [line for line in lines if b'"result"' in line or b'"error"' in line]
        again = client.listen(event_id)
        assert (again.status, again.headers["allow"]) == (405, "POST")
        assert client.status(old("ping", 2)) == 200  # The session goes on.


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_an_ended_session_stays_ended_and_others_keep_their_subscriptions_whatever_is_begun_and_ended(
    tmp_path: Path, engine: str
) -> None:
    with (
        serve(tmp_path, LIMITS_MAX_STATE_ENTRIES=5, STATE_ENGINE=engine) as server,
        closing(Caller(server.url)) as caller,
    ):
        ended, subscribed = caller.begin(), caller.begin()
        assert caller.ask(subscribed, old("resources/subscribe", 1, uri="note://a"))[0] == 200
        assert caller.end(ended) == 200
        for _ in range(20):
            assert caller.end(caller.begin()) == 200
        assert caller.ask(ended, old("ping", 2))[0] == 404
        assert caller.end(ended) == 404
        if engine == "sqlite":
            assert "fills     1 of 5 values" in check(tmp_path, LIMITS_MAX_STATE_ENTRIES="5")


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_where_no_more_ends_can_be_kept_none_is_forgotten_and_no_more_sessions_begin(
    tmp_path: Path, engine: str
) -> None:
    keys = {"LIMITS_MAX_ENDED_SESSIONS": 3, "STATE_ENGINE": engine}
    with serve(tmp_path, **keys) as server, closing(Caller(server.url)) as caller:
        spare = caller.begin()
        ended = [caller.begin() for _ in range(3)]
        assert [caller.end(one) for one in ended] == [200] * 3
        status, headers, body = caller.send("POST", initialize("2025-06-18"))
        assert (status, headers["retry-after"]) == (503, "60")
        assert b"begins no more" in body
        assert caller.end(spare) == 503
        assert caller.ask(spare, old("ping", 1))[0] == 200  # It was not ended, and goes on.
        assert [caller.ask(one, old("ping", 2))[0] for one in ended] == [404] * 3
        assert server.event("session_refused_full")["bound"] == "max_ended_sessions"


def test_what_is_kept_of_sessions_is_bounded_in_bytes_and_the_operator_hears_of_it(tmp_path: Path) -> None:
    keys = {"STATE_MAX_BYTES": 65_536, "LIMITS_MAX_URI_CHARS": 100_000}
    with serve(tmp_path, **keys) as server, closing(Caller(server.url)) as caller:
        session = ""
        for number in range(30):
            session = caller.begin()
            uri = f"note://{number}/" + "x" * 20_000
            assert caller.ask(session, old("resources/subscribe", 1, uri=uri))[1]["result"] == {}
        status, answer = caller.ask(session, old("resources/subscribe", 2, uri="note://" + "y" * 60_000))
        assert (status, answer["error"]["code"]) == (503, -32603)
        assert caller.ask(session, old("ping", 3))[0] == 200
        assert server.event("state_full")["pushed_out"] >= 1
        found = check(tmp_path, STATE_MAX_BYTES="65536")
        assert "of 65,536 bytes" in found
        assert (tmp_path / "state" / "mcp-runtime" / "state.db").stat().st_size < 2 * 65_536
        assert "Traceback" not in server.errors.text


def check(directory: Path, **keys: str) -> str:
    environment = clean_environment(directory, {f"MCP_RUNTIME_{name}": value for name, value in keys.items()})
    done = subprocess.run(
        [COMMAND, "state", "check"], env=environment, cwd=directory, capture_output=True, text=True, check=True
    )
    return done.stdout

"""What clients in the field do that no specification foresees."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.clients.legacy.programs import PLUGINS
from tests.clients.legacy.raw_client import (
    ACCEPT,
    REVISION,
    RawSession,
    answer,
    call,
    http_client,
    initialize,
    opened,
    request,
)
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import request as modern
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.clients

TEXT: Final = [{"type": "text", "text": "This is a simple text response for testing."}]
WATCHED: Final = "touch://watched"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    with ServerProcess(*PLUGINS, "--bind", "127.0.0.1:0", directory=tmp_path_factory.mktemp("traps")) as server:
        yield server


@pytest.fixture
def http() -> Generator[httpx.Client]:
    with http_client() as client:
        yield client


def test_the_headers_that_mcp_remote_adds_do_not_make_a_legacy_request_modern(
    server: ServerProcess, http: httpx.Client
) -> None:
    session = opened(http, server.url, name="mcp-remote", extra={"mcp-method": "initialize"})
    listed = session.post(request("tools/list"), extra={"mcp-method": "tools/list"})
    called = session.post(call("test_simple_text"), extra={"mcp-method": "tools/call", "mcp-name": "test_simple_text"})
    read = session.post(
        request("resources/read", uri="test://static-text"),
        extra={"mcp-method": "resources/read", "mcp-name": "test://static-text"},
    )
    assert "resultType" not in answer(listed)["result"]
    assert answer(called)["result"]["content"] == TEXT
    assert answer(read)["result"]["contents"][0]["text"] == "This is the content of the static text resource."


def test_a_second_session_on_one_connection_is_served_and_the_first_hears_nothing_of_it(
    server: ServerProcess, http: httpx.Client
) -> None:
    """mcp-remote opens one under another name to see whether it can, and leaves it."""
    left = opened(http, server.url, name="mcp-remote-fallback-test")
    used = opened(http, server.url, name="a client behind mcp-remote", elicitation={})
    assert left.id != used.id
    with left.stream() as one, used.stream() as other:
        assert answer(used.post(request("resources/subscribe", uri=WATCHED)))["result"] == {}
        used.post(call("touch", uri=WATCHED))
        update = next(other)
        assert update["method"] == "notifications/resources/updated"
        assert update["params"]["uri"] == WATCHED
        # What both hear of is the first that the one that was left hears of.
        used.post(call("test_trigger_tool_change"))
        assert next(one)["method"] == "notifications/tools/list_changed"
    assert used.delete().status_code in {200, 202, 204}
    assert answer(left.post(request("ping")))["result"] == {}


def test_a_client_that_probes_for_2026_on_stdio_may_still_send_initialize(tmp_path: Path) -> None:
    with StdioServer(*PLUGINS, directory=tmp_path) as server:
        assert "2026-07-28" in server.ask(modern("server/discover", id="probe"))["result"]["supportedVersions"]
        opened = server.ask(initialize())
        assert opened["result"]["protocolVersion"] == REVISION
        server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        called = server.ask(call("test_simple_text", 2))
        assert called["result"]["content"] == TEXT
        assert "resultType" not in called["result"]
        server.close_stdin()
        assert server.exit_code() == 0


def test_a_probe_without_the_meta_of_2026_is_no_obstacle_to_initialize(tmp_path: Path) -> None:
    with StdioServer(*PLUGINS, directory=tmp_path) as server:
        server.ask(request("server/discover", "probe"))
        assert server.ask(initialize())["result"]["protocolVersion"] == REVISION
        server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert server.ask(call("test_simple_text", 2))["result"]["content"] == TEXT


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"accept": "text/event-stream"}, id="of-a-new-client"),
        pytest.param({"accept": "text/event-stream", "mcp-protocol-version": REVISION}, id="with-a-revision"),
        pytest.param({"accept": "*/*"}, id="accepting-anything"),
        pytest.param({"accept": "text/event-stream", "last-event-id": "1"}, id="that-wants-to-resume"),
        pytest.param({"accept": "text/event-stream", "mcp-method": "initialize"}, id="with-a-method-header"),
    ],
)
def test_a_get_without_a_session_is_a_stream_or_405_and_never_400(
    fields: dict[str, str], server: ServerProcess, http: httpx.Client
) -> None:
    """Cursor asks again and again after a 400."""
    with http.stream("GET", server.url, headers=fields) as response:
        assert response.status_code in {200, 405}
        assert response.status_code != 200 or response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("session_id", ["no-session", "00000000-0000-4000-8000-000000000000", "tampered"])
def test_a_get_with_a_session_that_is_none_is_404(session_id: str, server: ServerProcess, http: httpx.Client) -> None:
    if session_id == "tampered":
        real = opened(http, server.url).id
        session_id = real[:-2] + ("AA" if real[-2:] != "AA" else "BB")
    response = http.get(server.url, headers={"accept": "text/event-stream", "mcp-session-id": session_id})
    assert response.status_code == 404
    assert response.json()["error"]["message"]


def test_a_client_that_never_initialises_anew_gets_the_same_404_each_time_and_costs_nothing(
    server: ServerProcess, http: httpx.Client
) -> None:
    session = opened(http, server.url)
    assert session.delete().status_code in {200, 202, 204}
    _call_in_vain(session, 200)  # what is allocated once is allocated
    memory, descriptors = server.resident_bytes(), server.descriptors()
    _call_in_vain(session, 1000)
    # What keeps a session in memory keeps more than a kilobyte of it.
    assert server.resident_bytes() - memory < 1_000_000
    assert server.descriptors() == descriptors
    assert opened(http, server.url).post(request("ping")).status_code == 200


def _call_in_vain(session: RawSession, times: int) -> None:
    for number in range(times):
        response = session.post(call("test_simple_text", number))
        assert response.status_code == 404
        body = response.json()
        assert body["id"] == number
        assert body["error"]["code"] < 0
        assert "session" in body["error"]["message"].lower()


def test_a_ping_before_initialized_and_a_list_right_after_initialize_are_answered(
    server: ServerProcess, http: httpx.Client
) -> None:
    """Some never send notifications/initialized."""
    response = http.post(server.url, json=initialize(), headers={"accept": ACCEPT})
    session = RawSession(http=http, url=server.url, id=response.headers["mcp-session-id"])
    assert answer(session.post(request("ping")))["result"] == {}
    assert answer(session.post(request("tools/list")))["result"]["tools"]

"""What one client holds is not what the others lack: each has a share, told by the address that a proxy names."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.blocking_http import Connection
from tests.support.messages import Message, call, request, text
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

GREEDY, OTHER = "203.0.113.7", "203.0.113.8"
LIMITS = {
    "MCP_RUNTIME_HTTP_TRUSTED_PROXIES": "127.0.0.1",
    "MCP_RUNTIME_LIMITS_MAX_SUBSCRIPTIONS": "4",
    "MCP_RUNTIME_LIMITS_MAX_CONCURRENT_REQUESTS": "6",
    "MCP_RUNTIME_LIMITS_MAX_THREADS": "2",
    "MCP_RUNTIME_LIMITS_HANDLER_TIMEOUT_S": "2",
    "MCP_RUNTIME_BRIDGES_HTTP_SSE_MAX_STREAMS": "4",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    command, directory = ("--plugin", PROBES, "--bind", "127.0.0.1:0"), tmp_path_factory.mktemp("fairness")
    with ServerProcess(*command, directory=directory, environment=LIMITS) as server:
        yield server


def sockets(server: ServerProcess) -> int:
    """How many it has open."""
    found = 0
    for one in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It has closed it in the meantime.
            found += str(one.readlink()).startswith("socket:")
    return found


class Clients:
    """Connections to a server, each for one request of the client at an address."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack

    def send(self, address: str | None, message: Message) -> Connection:
        connection = self._stack.enter_context(Connection(self._url))
        connection.send(message, _from(address))
        return connection

    def get(self, address: str | None, path: str) -> Connection:
        connection = self._stack.enter_context(Connection(self._url))
        connection.path = path
        connection.send_body(b"", {"accept": "text/event-stream", **_from(address)}, "GET")
        return connection


def _from(address: str | None) -> Mapping[str, str]:
    return {} if address is None else {"x-forwarded-for": address}


@pytest.fixture
def clients(server: ServerProcess) -> Generator[Clients]:
    url, before = server.url, sockets(server)
    with ExitStack() as stack:
        yield Clients(url, stack)
    # A connection is closed once what was at work on it has given back its place.
    server.errors.wait_until(lambda: sockets(server) <= before)


def status_of(connection: Connection) -> tuple[int, str | None]:
    response = connection.response()
    return response.status, response.headers["retry-after"]


def test_one_client_opens_half_of_the_subscriptions_and_others_open_theirs(clients: Clients) -> None:
    def listen(address: str | None) -> tuple[int, str | None]:
        return status_of(clients.send(address, request("subscriptions/listen", {"notifications": {}})))

    # Whichever address of its own network it comes from.
    assert [listen(f"2001:db8:0:1::{number}")[0] for number in range(4)] == [200, 200, 429, 429]
    assert listen("2001:db8:0:1::9") == (429, "5")
    assert listen("2001:db8:0:2::1")[0] == 200
    assert listen(None)[0] == 200  # One that is named by nobody has no share, and what is left.
    assert listen(OTHER) == (503, "5")


@pytest.mark.parametrize("path", ["/sse", "/mcp"])
def test_one_client_opens_half_of_the_streams_of_the_past(clients: Clients, path: str) -> None:
    found = [status_of(clients.get(GREEDY, path)) for _ in range(3)]
    assert [status for status, _ in found] == [200, 200, 429]
    assert found[-1][1] == "5"
    assert status_of(clients.get(OTHER, path))[0] == 200


def test_one_client_has_half_of_the_requests_at_work(server: ServerProcess, clients: Clients) -> None:
    for number in range(3):
        clients.send(GREEDY, call("hold", name=f"greedy {number}"))
        server.said(f"greedy {number} started")
    assert status_of(clients.send(GREEDY, call("echo", text="more"))) == (429, "1")
    for address in (OTHER, None):
        assert text(clients.send(address, call("echo", text="served")).answer()) == "served"


def test_threads_that_outlive_their_calls_leave_some_for_others(
    server: ServerProcess, clients: Clients, tmp_path: Path
) -> None:
    (tmp_path / "written").write_text("at once")
    calls = [clients.send(GREEDY, call("block", name=f"blocking {number}")) for number in range(2)]
    quick = call("hold_until_told", name="other", fifo=str(tmp_path / "written"))
    for timed_out in calls:
        assert "Timed out" in text(timed_out.answer())
    for _ in range(3):
        assert text(clients.send(OTHER, quick).answer()) == "at once"
    # The thread of its first call is still at work, so its next one waits, and its time is over.
    assert "Timed out" in text(clients.send(GREEDY, quick).answer())
    assert server.errors.text.count("probe: blocking") == 1

"""What an operator can see of old clients: numbers, a page, a report; and that it outlives the process."""

import json
import re
import signal
import subprocess
from contextlib import AbstractContextManager, closing, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, Final, Self

import httpx
import pytest

from mcp_bridges.deprecation.reports.evidence import read_evidence
from tests.support.blocking_http import Connection, ask, get
from tests.support.messages import Message, call, encode
from tests.support.server_process import COMMAND, PATIENCE_S, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

KILLS: Final = 10
FLUSH_INTERVAL_S: Final = 0.05
LATE_S: Final = FLUSH_INTERVAL_S + 0.7
"""By then a call is in the file: after an interval, and what a busy machine needs to write."""
WRITES_SEEN: Final = 4
ACCEPT: Final = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


class OldClient:
    """A client of 2025-06-18 on a connection of its own."""

    def __init__(self, url: str, name: str = "old-desk") -> None:
        self._connection = Connection(url)
        self._headers = {**ACCEPT, "user-agent": "old-desk/3"}
        info = {"name": name, "version": "3.1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
        response = self._post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        self._headers["mcp-session-id"] = response

    def _post(self, message: Message) -> str:
        self._connection.send_body(encode(message), self._headers)
        response = self._connection.response()
        session = response.headers.get("mcp-session-id", "")
        assert "result" in self._connection.answer()
        return session

    def lists_tools(self) -> None:
        """Make one call."""
        self.asks("tools/list")

    def asks(self, method: str, **params: object) -> None:
        """Send a request, whose answer is a result."""
        self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    def hears(self, url: str) -> AbstractContextManager[httpx.Response]:
        """Its stream at `url`, on a connection of its own, open for as long as the block runs."""
        session = {"mcp-session-id": self._headers["mcp-session-id"]}
        return httpx.stream("GET", url, headers={"accept": "text/event-stream", **session})

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def serve(directory: Path, admin: str, **more: str) -> ServerProcess:
    interval = {"MCP_RUNTIME_LEDGER_FLUSH_INTERVAL_S": str(FLUSH_INTERVAL_S)}
    environment = {"MCP_RUNTIME_ADMIN_BIND": admin, **interval, **more}
    return ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=directory, environment=environment)


def report(directory: Path) -> dict[str, Any]:
    """What `mcp-runtime legacy report` says."""
    command = [COMMAND, "legacy", "report", "--format", "json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=directory, env=clean_environment(directory)
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def uses(directory: Path, client: str) -> dict[str, dict[str, Any]]:
    """What `client` used, by feature, as the report has it."""
    return {
        one["feature"]: use for one in report(directory)["features"] for use in one["clients"] if use["name"] == client
    }


def metric(admin: str, name: str, **labels: str) -> float:
    """A number of /metrics; 0 where it is not there yet."""
    status, text = get(admin, "/metrics")
    assert status == 200
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        shown = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) if found else {}
        if found and all(shown.get(label) == value for label, value in labels.items()):
            return float(found[2])
    return 0.0


def test_an_old_and_a_new_client_show_in_numbers_on_the_page_and_in_the_report(tmp_path: Path) -> None:
    admin = f"unix:{tmp_path}/admin.sock"
    with serve(tmp_path, admin) as server:
        with closing(OldClient(server.url)) as client:
            for _ in range(3):
                client.lists_tools()
        for _ in range(2):
            ask(server.url, call("echo", text="hello"))
        legacy = {"era": "legacy", "revision": "2025-06-18", "transport": "streamable_http"}
        assert metric(admin, "mcp_requests_total", **legacy, method="tools/list", outcome="ok") == 3
        assert metric(admin, "mcp_requests_total", **legacy, method="initialize", outcome="ok") == 1
        assert metric(admin, "mcp_requests_total", era="modern", method="tools/call", outcome="ok") == 2
        assert metric(admin, "mcp_legacy_calls_total", feature="transport.session_id", outcome="served") == 4
        assert metric(admin, "mcp_legacy_days_to_sunset", feature="transport.session_id") != 0
        server.errors.wait_until(lambda: "old-desk" in get(admin, "/legacy")[1])
        server.signal()
        assert server.exit_code() == 0
    used = uses(tmp_path, "old-desk")
    assert {feature: one["calls"] for feature, one in used.items()} == {
        "transport.session_id": 4,
        "protocol.handshake": 1,
        "revision.2025-06-18": 4,
    }
    for one in used.values():
        shown = (one["version"], one["user_agent"], one["transport"], one["could_move"])
        assert shown == ("3.1", "old-desk/3", "streamable_http", "never_tried")


def test_open_streams_and_what_bridges_answer_by_themselves_show_in_numbers(tmp_path: Path) -> None:
    admin = f"unix:{tmp_path}/admin.sock"
    with serve(tmp_path, admin) as server, closing(OldClient(server.url)) as client:
        client.asks("ping")
        client.asks("logging/setLevel", level="error")
        client.asks("resources/subscribe", uri="note://text")
        with client.hears(server.url) as stream, client.hears(server.url.removesuffix("/mcp") + "/sse") as old_stream:
            assert stream.status_code == old_stream.status_code == 200
            for transport in ("streamable_http", "http_sse"):
                assert metric(admin, "mcp_open_streams", era="legacy", transport=transport) == 1
        for method in ("initialize", "ping", "logging/setLevel", "resources/subscribe"):
            assert metric(admin, "mcp_requests_total", era="legacy", method=method, outcome="ok") == 1
        for transport in ("streamable_http", "http_sse"):
            closed_by_s = monotonic() + PATIENCE_S
            while metric(admin, "mcp_open_streams", era="legacy", transport=transport) != 0:
                assert monotonic() < closed_by_s
        server.signal()
        assert server.exit_code() == 0


def test_a_stop_loses_no_call_however_short_it_lived(tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        with closing(OldClient(server.url)):
            pass
        server.signal()
        assert server.exit_code() == 0
    assert uses(tmp_path, "old-desk")["transport.session_id"]["calls"] == 1


class Load:
    """An old client that calls without a pause until its server is gone. `answered_s` is when each answer came."""

    def __init__(self, url: str) -> None:
        self.answered_s: list[float] = []
        self._url = url
        self._thread = Thread(target=self._call_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _call_on(self) -> None:
        with suppress(OSError, HTTPException), closing(OldClient(self._url)) as client:
            while True:
                self.answered_s.append(monotonic())
                client.lists_tools()


def written(ledger: Path) -> int:
    """The calls in sessions that are in the file, whoever is writing to it."""
    today = datetime.now(UTC).date()
    found = read_evidence(ledger, since=today - timedelta(1), until=today + timedelta(1))
    return sum(used.calls for used in found.users_of("transport.session_id").values())


def test_killed_ten_times_under_load_the_ledger_loses_an_interval_at_most_and_never_goes_back(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    kept = 0
    for _ in range(KILLS):
        with serve(tmp_path, "", MCP_RUNTIME_LEDGER_DATABASE=str(ledger)) as server, Load(server.url) as load:
            seen = [kept]
            patient_until_s = monotonic() + PATIENCE_S
            # Long enough for several writes, and then in the middle of whatever is going on.
            while len(set(seen)) < WRITES_SEEN or monotonic() - load.answered_s[0] < LATE_S + 0.4:
                assert monotonic() < patient_until_s, f"nothing more is written than {seen[-1]} calls"
                seen.append(written(ledger) if ledger.exists() else kept)
            killed_s = monotonic()
            server.signal(signal.SIGKILL)
            assert server.exit_code() == -signal.SIGKILL
        total = written(ledger)
        assert seen == sorted(seen)
        assert total >= seen[-1]
        due = sum(answered_s < killed_s - LATE_S for answered_s in load.answered_s)
        # The last call may have been counted and not answered.
        assert kept + due <= total <= kept + len(load.answered_s) + 1
        kept = total

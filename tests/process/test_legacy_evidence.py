"""What an operator can see of old clients: numbers, a page, a report; and that it outlives the process."""

import json
import random
import re
import signal
import subprocess
import threading
import time
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import pytest

from tests.process.http_client import Connection, ask, get
from tests.process.messages import Message, call, encode
from tests.process.server_process import COMMAND, PATIENCE_S, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

KILLS: Final = 10
SEED: Final = 20260728
CLIENTS: Final = 3
FEW_CALLS: Final = 50
BUSY_FLUSH_S: Final = 0.01
"""Short, so that a kill falls into a write as a rule."""
SLACK_S: Final = 2.0
"""For the write itself on a busy machine, and for asking."""
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
        self._post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def serve(directory: Path, admin: str, *, flush_interval_s: float = 0.05) -> ServerProcess:
    environment = {
        "MCP_RUNTIME_ADMIN_BIND": admin,
        "MCP_RUNTIME_LEDGER_FLUSH_INTERVAL_S": str(flush_interval_s),
    }
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
    return number(scrape(admin), name, **labels)


def scrape(admin: str) -> str:
    """What /metrics says, all of it of one moment."""
    status, text = get(admin, "/metrics")
    assert status == 200
    return text


def number(text: str, name: str, **labels: str) -> float:
    """A number of what /metrics said; 0 where it is not there yet."""
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        shown = dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) if found else {}
        if found and all(shown.get(label) == value for label, value in labels.items()):
            return float(found[2])
    return 0.0


class Load:
    """Old clients that call without a pause, each on a thread of its own, until the server is gone."""

    def __init__(self, url: str) -> None:
        self.sent = 0
        self.answered = 0
        """Of both: calls, the one that opens a session among them."""
        self._counting = threading.Lock()
        self._threads = [threading.Thread(target=self._call, args=(url,)) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _call(self, url: str) -> None:
        # Cut off anywhere: before, in or after a head, in a body.
        with suppress(OSError, HTTPException, ValueError, AssertionError):
            self._count(sent=1)
            with closing(OldClient(url)) as client:
                while True:
                    self._count(sent=1, answered=1)
                    client.lists_tools()

    def _count(self, *, sent: int, answered: int = 0) -> None:
        with self._counting:
            self.sent += sent
            self.answered += answered

    def has_answered(self, calls: int) -> bool:
        """Whether so many calls had their answer."""
        return self.answered >= calls

    def finish(self) -> None:
        """Wait until everybody has noticed."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def written(admin: str) -> float:
    """Calls in sessions that are in the ledger's file for certain, of this process."""
    text = scrape(admin)
    counted = number(text, "mcp_legacy_calls_total", feature="transport.session_id", outcome="served")
    return counted - number(text, "mcp_ledger_waiting_calls")


def has_written(admin: str, calls: int) -> bool:
    """Whether so many of them are."""
    return written(admin) >= calls


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


def test_a_stop_loses_no_call_however_short_it_lived(tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        with closing(OldClient(server.url)):
            pass
        server.signal()
        assert server.exit_code() == 0
    assert uses(tmp_path, "old-desk")["transport.session_id"]["calls"] == 1


def test_killed_ten_times_amid_writes_the_ledger_loses_what_no_flush_had_come_to(tmp_path: Path) -> None:
    kept = 0.0
    chance = random.Random(SEED)
    for turn in range(KILLS):
        admin = f"unix:{tmp_path}/admin.{turn}.sock"
        with serve(tmp_path, admin, flush_interval_s=BUSY_FLUSH_S) as server:
            load = Load(server.url)
            server.errors.wait_until(partial(load.has_answered, FEW_CALLS))
            # What has been answered by now is written soon, however many more calls come meanwhile.
            due, since = load.answered, time.monotonic()
            server.errors.wait_until(partial(has_written, admin, due))
            assert time.monotonic() - since < BUSY_FLUSH_S + SLACK_S
            time.sleep(chance.uniform(0, 4 * BUSY_FLUSH_S))  # Waits for nothing: each kill hits another place.
            safe = written(admin)
            server.signal(signal.SIGKILL)
            assert server.exit_code() == -signal.SIGKILL
            load.finish()
        total = uses(tmp_path, "old-desk")["transport.session_id"]["calls"]
        assert kept + safe <= total <= kept + load.sent
        kept = total

"""The process ends when its client says so, whatever it is doing."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.process.timing import assert_within
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import SUBSCRIPTION_ID, call, listen
from tests.support.server_process import PROBES, ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.spec("2026-07-28/basic/transports/stdio#shutdown")]

WITHIN_S: Final = 1.0

End = Callable[[StdioServer], float]
ENDS: Final[Mapping[str, End]] = {
    "end of input": lambda server: server.close_stdin(),
    "SIGTERM": lambda server: server.signal(signal.SIGTERM),
    "SIGINT": lambda server: server.signal(signal.SIGINT),
}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> End:
    return ENDS[request.param]


def _assert_it_ends(directory: Path, prepare: Callable[[StdioServer], None], end: End, *said: str) -> None:
    """Assert that it ends within a second, with code 0, having left its lifespans and `said` what it has to say."""

    def until_ended(_: int) -> float:
        with StdioServer(directory=directory) as server:
            prepare(server)
            taken_s = server.ended_after_s(end(server))
            assert server.exit_code() == 0
            for line in (*said, "lifespan left"):
                server.said(line)
            return taken_s

    assert_within(WITHIN_S, until_ended)


def test_idle_it_ends_within_a_second_with_code_0(end: End, tmp_path: Path) -> None:
    def prepare(server: StdioServer) -> None:
        server.ask(call("echo", text="ready"))

    _assert_it_ends(tmp_path, prepare, end)


@pytest.mark.parametrize("tool", ["hold", "block", "block_in_context"])
def test_with_a_call_under_way_it_ends_within_a_second_with_code_0(end: End, tool: str, tmp_path: Path) -> None:
    def prepare(server: StdioServer) -> None:
        server.send(call(tool, 1, name="stuck", meta={"progressToken": "t"}))
        server.said("stuck started")

    _assert_it_ends(tmp_path, prepare, end, *(["stuck cancelled"] if tool == "hold" else []))


def test_with_a_stalled_reader_it_ends_within_a_second_with_code_0(end: End, tmp_path: Path) -> None:
    def prepare(server: StdioServer) -> None:
        server.send(call("flood", 1, name="flood", size_bytes=1000, meta={"progressToken": "t"}))
        server.said("flood started")
        _wait_until_full(server)

    _assert_it_ends(tmp_path, prepare, end, "flood cancelled")


def test_with_input_that_nobody_takes_it_ends_within_a_second_with_code_0(end: End, tmp_path: Path) -> None:
    """What reads waits for what writes, and that for the client: so the end of input is not reached by reading."""

    def prepare(server: StdioServer) -> None:
        server.send_bytes(b"no json\n" * 4000)
        _wait_until_full(server)

    _assert_it_ends(tmp_path, prepare, end)


def test_listen_streams_end_with_their_final_result(end: End, tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.send(listen("stream"))
        assert server.receive()["method"] == "notifications/subscriptions/acknowledged"
        end(server)
        final, torn_down = server.receive(), server.receive()
        assert server.exit_code() == 0
        assert server.read_to_end() == b""
    assert final["id"] == "stream"
    assert final["result"]["_meta"][SUBSCRIPTION_ID] == "stream"
    # Spec: 2026-07-28/basic/patterns/cancellation, a server that ends a subscription on stdio.
    assert torn_down["method"] == "notifications/cancelled"
    assert torn_down["params"]["requestId"] == "stream"


def test_calls_that_end_within_the_grace_period_are_answered(end: End, tmp_path: Path) -> None:
    grace = {"MCP_RUNTIME_STDIO_EOF_GRACE_S": "600"}
    with StdioServer("--plugin", PROBES, directory=tmp_path, environment=grace) as server:
        server.send(call("linger", 1, seconds=0.5))
        server.said("linger started")
        end(server)
        assert server.receive()["id"] == 1
        assert server.exit_code() == 0


def test_it_ends_when_the_client_stops_reading_for_good(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.ask(call("echo", 1, text="ready"))
        server.stdout.close()
        server.send(call("echo", 2, text="to nobody"))
        assert server.exit_code() == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    grace = {"MCP_RUNTIME_STDIO_EOF_GRACE_S": "600"}
    with StdioServer("--plugin", PROBES, directory=tmp_path, environment=grace) as server:
        server.send(call("hold", 1, name="stuck"))
        server.said("stuck started")
        server.signal()
        server.event("stopping")
        assert server.process.poll() is None
        server.signal()
        assert server.exit_code() == 0
        server.said("stuck cancelled")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)])
def test_a_signal_while_it_starts_is_not_lost(number: signal.Signals, code: int, tmp_path: Path) -> None:
    slow = tmp_path / "slow_start.py"
    slow.write_text("import os, threading\nos.write(2, b'probe: importing\\n')\nthreading.Event().wait(600)\n")
    with ServerProcess("--stdio", "--plugin", str(slow), directory=tmp_path, stdin=subprocess.PIPE) as server:
        server.said("importing")
        server.signal(number)
        assert server.exit_code() == code


def _wait_until_full(server: StdioServer) -> None:
    """Wait until the pipe to the client holds all it can."""
    pipe = os.open(f"/proc/{server.pid}/fd/{_stdout_fd(server)}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        server.errors.wait_until(lambda: not select.select([], [pipe], [], 0)[1])
    finally:
        os.close(pipe)


def _stdout_fd(server: StdioServer) -> int:
    """The descriptor under which the server writes to our pipe."""
    ours = os.fstat(server.stdout.fileno())
    for entry in Path(f"/proc/{server.pid}/fd").iterdir():
        theirs = entry.stat()
        if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
            return int(entry.name)
    raise AssertionError("the server has no pipe to us")

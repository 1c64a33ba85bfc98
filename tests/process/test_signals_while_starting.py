"""A signal is heard in every stage of a start, and the process leaves at once: it never says that it listens."""

import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import accepts_connections
from tests.support.server_process import COMMAND, ServerProcess

pytestmark = pytest.mark.process

STAGES: Final = str(Path(__file__).with_name("plugins") / "stages.py")
HTTP: Final = ("--plugin", STAGES, "--bind", "127.0.0.1:0")
CODES: Final = {signal.SIGTERM: 0, signal.SIGHUP: 0, signal.SIGINT: 130}
EVERY_SIGNAL: Final = pytest.mark.parametrize("number", CODES)
AT_ONCE_S: Final = 5.0
"""Far more than it takes, far less than anything here that stands still would."""


def _end(server: ServerProcess, number: signal.Signals, code: int) -> None:
    assert server.ended_after_s(server.signal(number)) < AT_ONCE_S
    assert server.exit_code() == code, server.errors.text
    assert "Traceback" not in server.errors.text
    assert "listening" not in server.errors.text


@EVERY_SIGNAL
def test_before_a_plugin_is_imported(number: signal.Signals, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    os.mkfifo(config)
    with ServerProcess(*HTTP, "--config", str(config), directory=tmp_path) as server:
        fd = os.open(config, os.O_WRONLY)  # It is there to be read: returns once the server reads it.
        try:
            _end(server, number, CODES[number])
        finally:
            os.close(fd)
        assert f"mcp-runtime: {number.name} came before" in server.errors.text


@pytest.mark.parametrize("place", ["sleeps", "waits", "blocks in C", "swallows"])
def test_in_an_import(place: str, tmp_path: Path) -> None:
    environment = {"STAGES_IMPORT": place}
    with ServerProcess("--plugin", STAGES, "--stdio", directory=tmp_path, environment=environment) as server:
        server.said("importing")
        _end(server, signal.SIGTERM, 0)
        assert "first entered" not in server.errors.text


@pytest.mark.parametrize(
    ("place", "transport"),
    [("waits", "stdio"), ("waits in a thread", "stdio"), ("waits in a thread", "http"), ("blocks the loop", "stdio")],
)
def test_in_a_lifespan(place: str, transport: str, tmp_path: Path) -> None:
    """What can be cancelled is, and the lifespans before it are left; what cannot be gets the grace period."""
    arguments = HTTP if transport == "http" else ("--plugin", STAGES, "--stdio")
    environment = {"STAGES_LIFESPAN": place, "MCP_RUNTIME_HTTP_DRAIN_GRACE_S": "0.5"}
    with ServerProcess(*arguments, directory=tmp_path, environment=environment) as server:
        server.said("second waits")
        _end(server, signal.SIGTERM, 0)
        assert "third entered" not in server.errors.text
        if place == "waits":
            server.said("first left in order")


@EVERY_SIGNAL
def test_in_a_lifespan_every_signal_is_heard(number: signal.Signals, tmp_path: Path) -> None:
    with ServerProcess(*HTTP, directory=tmp_path, environment={"STAGES_LIFESPAN": "waits"}) as server:
        server.said("second waits")
        _end(server, number, CODES[number])
        assert server.event("stopping")["signal"] == number.name
        server.said("first left in order")


@pytest.mark.parametrize("variable", ["STAGES_IMPORT", "STAGES_LIFESPAN"])
def test_a_second_signal_does_not_wait(variable: str, tmp_path: Path) -> None:
    """Not for an import that goes on, nor for a lifespan with ten minutes of grace."""
    place = {"STAGES_IMPORT": "blocks in C", "STAGES_LIFESPAN": "waits in a thread"}[variable]
    environment = {variable: place, "MCP_RUNTIME_HTTP_DRAIN_GRACE_S": "600"}
    with ServerProcess(*HTTP, directory=tmp_path, environment=environment) as server:
        server.errors.wait_for(lambda line: line in {"probe: importing", "probe: second waits"})
        server.signal()
        if variable == "STAGES_LIFESPAN":
            server.event("stopping")
        _end(server, signal.SIGTERM, 0)


def test_sighup_drains_as_sigterm_does(tmp_path: Path) -> None:
    with ServerProcess(*HTTP, directory=tmp_path) as server:
        server.event("listening")
        assert server.ended_after_s(server.signal(signal.SIGHUP)) < AT_ONCE_S
        assert server.exit_code() == 0
        assert server.event("stopping")["signal"] == "SIGHUP"
        server.said("first left in order")


def test_sighup_is_ignored_under_nohup(tmp_path: Path) -> None:
    command = ("nohup", COMMAND, "serve", "--log-format", "json")
    with ServerProcess(*HTTP, directory=tmp_path, command=command) as server:
        url = server.url
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
        assert server.event("stopping")["signal"] == "SIGTERM"
        assert not accepts_connections(url)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_command_that_did_not_finish_does_not_say_that_all_is_well(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """`mcp-runtime check && deploy`: a check that was cut short has found nothing out."""
    with ServerProcess(
        "--plugin", STAGES, directory=tmp_path, environment={"STAGES_IMPORT": "waits"}, command=(COMMAND, "check")
    ) as check:
        check.said("importing")
        _end(check, number, code)


def test_a_child_that_is_forked_dies_of_a_signal_alone(tmp_path: Path) -> None:
    """Neither does it live on with a handler that is not for it, nor does its parent take the signal for its own."""
    forking = tmp_path / "forking.py"
    forking.write_text(
        "import os, signal\n"
        "from mcp_runtime import Plugin\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.pause()\n"
        "    os._exit(7)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "_, status = os.waitpid(child, 0)\n"
        "os.write(2, f'probe: child {os.waitstatus_to_exitcode(status)}\\n'.encode())\n"
        "plugin = Plugin('forking')\n"
    )
    with ServerProcess("--plugin", str(forking), "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        server.said(f"child {-signal.SIGTERM}")
        server.event("listening")
        server.signal()
        assert server.exit_code() == 0


class TestAnAddress:
    """It is taken when the start begins, and connections to it are refused until calls can be served."""

    @pytest.mark.parametrize("kind", ["tcp", "unix"])
    def test_refuses_connections_until_the_server_is_ready(self, kind: str, tmp_path: Path) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        bind = f"unix:{tmp_path}/server.sock" if kind == "unix" else f"127.0.0.1:{_free_port()}"
        url = bind if kind == "unix" else f"http://{bind}/mcp"
        environment = {"STAGES_LIFESPAN": "until told", "STAGES_FIFO": str(fifo)}
        with ServerProcess("--plugin", STAGES, "--bind", bind, directory=tmp_path, environment=environment) as server:
            server.said("second waits")
            assert not accepts_connections(url)
            fifo.write_text("go")
            assert accepts_connections(server.url)

    @pytest.mark.parametrize("kind", ["tcp", "unix"])
    def test_that_two_starts_want_goes_to_one_and_the_other_says_so(self, kind: str, tmp_path: Path) -> None:
        bind = f"unix:{tmp_path}/mcp.sock" if kind == "unix" else f"127.0.0.1:{_free_port()}"
        fifos = [tmp_path / "one", tmp_path / "two"]

        def start(fifo: Path) -> ServerProcess:
            os.mkfifo(fifo)
            environment = {"STAGES_LIFESPAN": "until told", "STAGES_FIFO": str(fifo)}
            return ServerProcess("--plugin", STAGES, "--bind", bind, directory=tmp_path, environment=environment)

        with ExitStack() as stack:
            one = stack.enter_context(start(fifos[0]))
            one.said("second waits")
            two = stack.enter_context(start(fifos[1]))
            two.errors.wait_for(lambda line: line == "probe: second waits" or "cannot listen" in line)
            # A file of a Unix socket is the last one's who put it there; a port the first one's who listens.
            winner, loser = (two, one) if kind == "unix" else (one, two)
            told = dict(zip((one, two), fifos, strict=True))
            told[winner].write_text("go")
            winner.event("listening")
            if "cannot listen" not in loser.errors.text:
                told[loser].write_text("go")
            assert loser.exit_code() == 5
            assert f"http.bind: cannot listen on {bind}: " in loser.errors.text
            assert "Traceback" not in loser.errors.text
            assert "first left in order" in loser.errors.text or "first entered" not in loser.errors.text
            assert accepts_connections(winner.url)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])

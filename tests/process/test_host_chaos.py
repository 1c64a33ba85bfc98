"""What a host does to a process: it is the first of a container, stopped, moved in time, without descriptors or a home."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.messages import call, text
from tests.support.server_process import COMMAND, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

STAGES: Final = str(Path(__file__).with_name("plugins") / "stages.py")
HOST: Final = 6
CONFIGURATION: Final = 3
ANY: Final = ("--bind", "127.0.0.1:0")
SERVE: Final = (COMMAND, "serve", "--log-format", "json")
NAMESPACES: Final = (
    ("unshare", "--pid", "--fork", "--mount-proc"),
    ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"),
)


@pytest.fixture(scope="module")
def as_first() -> Sequence[str]:
    """A command that runs another one as the first process of a namespace."""
    for command in NAMESPACES:
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False, timeout=20).returncode == 0:
                return command
        except FileNotFoundError:
            pytest.skip("there is no unshare")
    pytest.skip("this host does not permit process namespaces")


class TestFirstProcess:
    """The kernel drops signals for it that it has no handler for."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_hears_a_signal_during_an_import(
        self, number: signal.Signals, as_first: Sequence[str], tmp_path: Path
    ) -> None:
        environment = {"STAGES_IMPORT": "waits"}
        command = (*as_first, *SERVE)
        with ServerProcess(
            "--plugin", STAGES, *ANY, directory=tmp_path, environment=environment, command=command
        ) as server:
            server.said("importing")
            os.kill(_only_child(server.pid), number)
            assert server.exit_code() == (130 if number is signal.SIGINT else 0)

    def test_hears_a_signal_in_a_lifespan_and_drains_when_it_is_up(
        self, as_first: Sequence[str], tmp_path: Path
    ) -> None:
        for environment, line in (({"STAGES_LIFESPAN": "waits"}, "second waits"), ({}, "third entered")):
            command = (*as_first, *SERVE)
            with ServerProcess(
                "--plugin", STAGES, *ANY, directory=tmp_path, environment=environment, command=command
            ) as server:
                server.said(line)
                os.kill(_only_child(server.pid), signal.SIGTERM)
                assert server.exit_code() == 0
                server.said("first left in order")


def _only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def test_a_process_that_was_stopped_goes_on_with_its_calls(tmp_path: Path) -> None:
    with (
        ServerProcess("--plugin", PROBES, *ANY, directory=tmp_path) as server,
        Connection(server.url) as working,
        Connection(server.url) as waiting,
    ):
        working.send(call("hold", 1, name="call"))
        server.said("call started")
        server.signal(signal.SIGSTOP)
        server.errors.wait_until(lambda: _state(server.pid) == "T")
        waiting.send(call("release", 2, name="call"))
        server.signal(signal.SIGCONT)
        assert text(waiting.answer()) == "released"
        assert text(working.answer()) == "call was released"
        server.signal()
        assert server.exit_code() == 0


def test_a_signal_to_a_process_that_is_stopped_is_heard_when_it_goes_on(tmp_path: Path) -> None:
    with ServerProcess(
        "--plugin", STAGES, *ANY, directory=tmp_path, environment={"STAGES_LIFESPAN": "waits"}
    ) as server:
        server.said("second waits")
        server.signal(signal.SIGSTOP)
        server.errors.wait_until(lambda: _state(server.pid) == "T")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        assert server.exit_code() == 0
        server.said("first left in order")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_clock_that_is_set_neither_ends_a_call_nor_holds_a_drain(tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (
        ServerProcess("--plugin", PROBES, *ANY, directory=tmp_path, environment=environment) as server,
        Connection(server.url) as connection,
    ):
        connection.send(call("hold_until_told", 1, name="call", fifo=str(fifo)))
        server.said("call started")
        for step in ("+400d", "-400d"):
            clock.write_text(step)
            assert text(ask(server.url, call("echo", text=step))) == step
        server.signal()
        stopping, listening = server.event("stopping"), server.event("listening")
        assert stopping["timestamp"][:4] != listening["timestamp"][:4]  # The step was one.
        fifo.write_text("in time")
        assert text(connection.answer()) == "in time"
        assert server.exit_code() == 0


def test_a_working_directory_that_goes_while_it_serves_is_not_missed(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with ServerProcess("--plugin", PROBES, *ANY, directory=gone) as server:
        url = server.url
        while gone.exists():  # The server may write what it keeps between two looks.
            shutil.rmtree(gone, ignore_errors=True)
        assert text(ask(url, call("echo", text="still here"))) == "still here"
        server.signal()
        assert server.exit_code() == 0


def _fails(line: str, directory: Path, code: int, *says: str) -> None:
    """Run a line of shell in which `$M` is the command: it ends with `code` and one sentence with all of `says`."""
    environment = {**clean_environment(directory), "M": COMMAND, "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", "-c", line], cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [one for one in ("mcp-runtime: ", *says) if one not in done.stderr] == []


@pytest.mark.parametrize("command", ["serve", "serve --stdio", "legacy features"])
def test_a_start_in_a_directory_that_is_gone_says_so(command: str, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    _fails(f'cd gone && rmdir ../gone && "$M" {command}', tmp_path, HOST, "the working directory cannot be found")


@pytest.mark.parametrize("limit", [8, 32])
def test_a_start_without_descriptors_says_how_many_it_takes(limit: int, tmp_path: Path) -> None:
    _fails(f'ulimit -n {limit}; "$M" serve', tmp_path, HOST, "Too many open files", "ulimit -n")


def _as_nobody_known(*arguments: str) -> str:
    """A line of shell: the command, run by a user without a home directory."""
    if os.getuid() != 0:
        pytest.skip("only root can be somebody that no password database knows")
    script = (
        "import os, sys; os.setresuid(54321, 0, 0); "  # to files it is root still: the interpreter may be root's alone
        f"from mcp_runtime.cli.main import main; sys.argv[1:] = {list(arguments)}; sys.exit(main())"
    )
    return f'cd / && env -u HOME -u XDG_STATE_HOME "$PYTHON" -c "{script}"'


def test_a_user_without_a_home_is_told_what_to_set(tmp_path: Path) -> None:
    line = _as_nobody_known("serve", "--config", "/dev/null")
    _fails(line, tmp_path, CONFIGURATION, "state.directory: there is no home directory", "XDG_STATE_HOME")


def test_a_user_without_a_home_is_told_that_the_sample_database_needs_one(tmp_path: Path) -> None:
    line = f"export MCP_RUNTIME_STATE_DIRECTORY={tmp_path}; " + _as_nobody_known(
        "check", "--plugin", "mcp_plugins.sqlite"
    )
    _fails(line, tmp_path, CONFIGURATION, "plugin.sqlite: database is not set", "no home directory")


@pytest.mark.parametrize(
    "setting", ["MCP_RUNTIME_CONFIG=~nobody-there/x.toml", "MCP_RUNTIME_PLUGINS=~nobody-there/x.py"]
)
def test_a_tilde_without_a_home_is_the_operators_error(setting: str, tmp_path: Path) -> None:
    name, _, value = setting.partition("=")
    _fails(f"{name}='{value}' \"$M\" check", tmp_path, CONFIGURATION, name, "no home directory for the ~")


@pytest.mark.parametrize("kind", ["a directory", "none"])
def test_a_configuration_that_cannot_be_read_is_the_operators_error(kind: str, tmp_path: Path) -> None:
    _fails(f'"$M" serve --config {"." if kind == "a directory" else "x.toml"}', tmp_path, CONFIGURATION, "file: ")


def test_a_configuration_may_be_a_pipe(tmp_path: Path) -> None:
    """As `--config <(...)` in a shell."""
    config = tmp_path / "pipe"
    os.mkfifo(config)
    with ServerProcess("--config", str(config), directory=tmp_path) as server:
        config.write_text('[http]\nbind = ["127.0.0.1:0"]\n')
        server.event("listening")


@pytest.mark.parametrize("variable", ["TZ=Nowhere/Land", "LC_ALL=xx_YY", "LANG=C"])
def test_a_setting_of_the_host_that_means_nothing_does_no_harm(variable: str, tmp_path: Path) -> None:
    name, _, value = variable.partition("=")
    with ServerProcess("--plugin", PROBES, *ANY, directory=tmp_path, environment={name: value}) as server:
        assert text(ask(server.url, call("echo", text="\u00e9"))) == "\u00e9"

"""The page about containers: what it tells readers to write is taken, and does there what it says.

No engine runs here. A process in namespaces of its own stands in for a container: it is process 1, has a number for a
user, and may write to one folder.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from mcp_runtime.config import CONFIG_KEYS
from tests.process import container_page
from tests.support.blocking_http import Connection, ask
from tests.support.messages import call, text
from tests.support.server_process import COMMAND, PATIENCE_S, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

USER: Final = "10001"
_INSIDE: Final = """\
set -eu
mount -o remount,bind,ro /
mount -t tmpfs none "$STATE"
exec unshare --user --map-user=10001 --map-group=10001 "$@"
"""
_OUTSIDE: Final = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def _contained(words: Sequence[str]) -> list[str]:
    return [*_OUTSIDE, "sh", "-c", _INSIDE, "sh", *words]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder with what the page has in its image: the configuration, a plugin, and an empty volume."""
    for name in ("etc", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc" / "config.toml").write_text(container_page.configuration(tmp_path))
    shutil.copy(PROBES, tmp_path / "etc" / "tools.py")
    return tmp_path


@pytest.fixture
def contained(directory: Path) -> Path:
    """The same, where namespaces are to be had."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here")
    environment = {**os.environ, "STATE": str(directory / "state")}
    tried = subprocess.run(_contained(["true"]), env=environment, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"namespaces are not to be had here: {tried.stderr.strip()}")
    return directory


def _variables(directory: Path, **more: str) -> dict[str, str]:
    own = {"MCP_RUNTIME_CONFIG": str(directory / "etc" / "config.toml"), "STATE": str(directory / "state")}
    return {**own, "MCP_RUNTIME_HTTP_BIND": "127.0.0.1:0", "MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0", **more}


def _serve(directory: Path, **more: str) -> ServerProcess:
    """The command of the image, in a container as it were."""
    program, *arguments = container_page.command()
    assert program == Path(COMMAND).name
    # Nothing but a number: no name in /etc/passwd, and no HOME.
    words = _contained(["env", "-u", "HOME", "-u", "XDG_STATE_HOME", COMMAND, *arguments])
    return ServerProcess(directory=directory, environment=_variables(directory, **more), command=words)


def _process_1(server: ServerProcess) -> int:
    """The server itself, seen from outside: the child of `unshare`."""
    return int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[0])


def test_the_configuration_passes_the_check(directory: Path) -> None:
    environment = clean_environment(directory, _variables(directory))
    done = subprocess.run([COMMAND, "check"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "probes" in done.stdout


def test_the_variables_of_the_image_exist() -> None:
    assert set(container_page.environment()) <= {"MCP_RUNTIME_CONFIG", *(key.environment for key in CONFIG_KEYS)}
    assert container_page.instruction("USER") == f"{USER}:{USER}"
    assert container_page.instruction("STOPSIGNAL") == "SIGTERM"


def test_the_time_to_stop_is_longer_than_the_grace(directory: Path) -> None:
    (stop_timeout_s,) = re.findall(r"--stop-timeout (\d+)", container_page.PAGE.read_text())
    (grace_s,) = re.findall(r"drain_grace_s = ([\d.]+)", container_page.configuration(directory))
    assert float(stop_timeout_s) >= float(grace_s) + 2


def test_the_health_check_knows_a_server_from_none(directory: Path) -> None:
    with ServerProcess(directory=directory, environment=_variables(directory)) as server:
        (admin,) = server.event("listening")["admin_urls"]
        program, *arguments = (word.replace("http://127.0.0.1:9000", admin) for word in container_page.health_check())
        assert program == "python"
        check = [sys.executable, *arguments]
        assert subprocess.run(check, check=False, capture_output=True).returncode == 0
        server.signal()
        server.exit_code()
        assert subprocess.run(check, check=False, capture_output=True).returncode != 0


def test_as_process_1_it_serves_drains_and_ends_with_0(contained: Path) -> None:
    """As a number without a name or a home, on a root that cannot be written to."""
    fifo = contained / "etc" / "fifo"
    os.mkfifo(fifo)
    with _serve(contained) as server:
        assert text(ask(server.url, call("echo", text="inside"))) == "inside"
        status = Path(f"/proc/{_process_1(server)}/status").read_text()
        pids = re.search(r"^NSpid:\s+(.*)$", status, re.MULTILINE)
        assert pids is not None
        assert pids[1].split()[-1] == "1"
        assert (Path(f"/proc/{_process_1(server)}/root{contained}/state") / "seal.key").exists()
        with Connection(server.url) as connection:
            connection.send(call("hold_until_told", name="last", fifo=str(fifo)))
            server.said("last started")
            os.kill(_process_1(server), signal.SIGTERM)
            server.event("stopping")
            fifo.write_text("in time")
            assert text(connection.answer()) == "in time"
        assert server.process.wait(PATIENCE_S) == 0
    logged = [line for line in server.errors.text.splitlines() if not line.startswith(("probe: ", "noise: "))]
    assert logged
    assert all(isinstance(json.loads(line), dict) for line in logged)


_ORPHANS: Final = """\
import subprocess
from mcp_runtime import Plugin
plugin = Plugin("orphans")

@plugin.tool
def leave_one() -> int:
    return int(subprocess.run(["sh", "-c", "sleep 0 >/dev/null & echo $!"], capture_output=True, check=True).stdout)
"""


def test_as_process_1_it_waits_for_its_own_children_and_for_no_orphan(contained: Path) -> None:
    """Hence the page's `--init`: to wait for all would take the exit codes of those that plugins wait for."""
    (contained / "etc" / "tools.py").write_text(_ORPHANS)
    with _serve(contained) as server:
        assert int(text(ask(server.url, call("leave_one")))) > 1
        process = _process_1(server)
        server.errors.wait_until(lambda: _states_of_children(process) == ["Z"])
        os.kill(process, signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0


def _states_of_children(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children]


def test_without_a_home_or_a_place_for_state_it_says_what_to_set(contained: Path) -> None:
    config = contained / "etc" / "config.toml"
    config.write_text(re.sub(r"\[state\]\ndirectory = .*\n", "", config.read_text()))
    with _serve(contained) as server:
        assert server.exit_code() == 3
    assert "set state.directory" in server.errors.text
    assert "Traceback" not in server.errors.text

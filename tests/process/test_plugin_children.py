"""Child processes of a plugin that is a file: they import it by its name, serve nothing, and write to nobody's stdout."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.process.asgi_server import AsgiServer
from tests.support.blocking_http import ask
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, call, text
from tests.support.server_process import COMMAND, ServerProcess

pytestmark = pytest.mark.process

FOLDER: Final = Path(__file__).with_name("plugins")
METHODS: Final = ("spawn", "forkserver", "fork")
CALLS: Final[tuple[tuple[str, Message, str], ...]] = (
    *((f"pool {method}", {"tool": "in_pool", "method": method, "number": 4}, "8") for method in METHODS),
    *((f"error {method}", {"tool": "in_pool", "method": method, "number": 3}, "odd: 3") for method in METHODS),
    *((f"process {method}", {"tool": "in_process", "method": method, "number": 4}, "8") for method in METHODS),
    ("anyio", {"tool": "in_anyio", "number": 4}, "8"),
)


def _copy(directory: Path, name: str) -> Path:
    """The plugin and the file beside it, in a folder of their own, under another name."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(FOLDER / "beside.py", directory)
    return Path(shutil.copy(FOLDER / "children.py", directory / name))


def _asked(arguments: Message, request_id: int = 1) -> Message:
    rest: dict[str, Any] = {name: value for name, value in arguments.items() if name != "tool"}
    return call(arguments["tool"], request_id, **rest)


@pytest.mark.parametrize("name", ["children.py", "json.py", "my-tools.py", "mes outils.v2.é.py", "multiprocessing.py"])
def test_on_stdio_every_way_to_start_a_child_works_and_the_protocol_stays_clean(name: str, tmp_path: Path) -> None:
    path = _copy(tmp_path / "a folder", name)
    with StdioServer("--plugin", str(path), directory=tmp_path) as server:
        for label, arguments, expected in CALLS:
            assert text(server.ask(_asked(arguments))) == expected, label
        server.close_stdin()
        assert server.read_to_end() == b""
        assert server.exit_code() == 0
    for method in ("Spawn", "ForkServer"):
        assert f"noise: imported in {method}Process-" in server.errors.text
        assert f"noise: fd 1, at work in {method}Process-" in server.errors.text
    assert "Traceback" not in server.errors.text


@pytest.mark.parametrize(
    "command",
    [(COMMAND, "serve", "--log-format", "json"), ("python", "-m", "mcp_runtime.cli", "serve", "--log-format", "json")],
    ids=["mcp-runtime", "python -m"],
)
def test_over_http_a_child_serves_nothing(command: tuple[str, ...], tmp_path: Path) -> None:
    path = _copy(tmp_path, "tools.py")
    program = str(Path(COMMAND).with_name(command[0])) if command[0] == "python" else command[0]
    with ServerProcess(
        "--plugin", path.name, "--bind", "127.0.0.1:0", directory=tmp_path, command=(program, *command[1:])
    ) as server:
        for _, arguments, expected in CALLS:
            assert text(ask(server.url, _asked(arguments))) == expected
        server.signal()
        assert server.exit_code() == 0
    assert [event["event"] for event in server.events()].count("listening") == 1


def test_under_uvicorn_children_find_the_file_as_well(tmp_path: Path) -> None:
    path = _copy(tmp_path, "tools.py")
    command = ("uvicorn", "mcp_runtime.asgi:app")
    with AsgiServer(command, tmp_path, {"MCP_RUNTIME_PLUGINS": str(path)}) as server:
        server.wait_until_up()
        for label, arguments, expected in CALLS:
            assert text(ask(server.address, _asked(arguments))) == expected, label


def test_two_files_of_one_name_are_two_modules_to_their_children(tmp_path: Path) -> None:
    paths = [_copy(tmp_path / name, "tools.py") for name in ("one", "two")]
    other = paths[1].read_text()
    for old, new in (
        ('Plugin("children")', 'Plugin("other")'),
        ("async def in_", "async def other_in_"),
        ("def fork_one", "def other_fork_one"),
    ):
        other = other.replace(old, new)
    paths[1].write_text(other.replace("double(job", "10 * double(job"))
    with StdioServer(*(f"--plugin={path}" for path in paths), directory=tmp_path) as server:
        for method in METHODS:
            assert text(server.ask(call("in_pool", method=method, number=4))) == "8"
            assert text(server.ask(call("other_in_pool", method=method, number=4))) == "80"


def test_a_child_that_outlives_the_server_does_not_hold_on_to_the_clients_streams(tmp_path: Path) -> None:
    path = _copy(tmp_path, "tools.py")
    with StdioServer("--plugin", str(path), directory=tmp_path) as server:
        pid = int(text(server.ask(call("fork_one_that_stays", seconds=60))))
        try:
            server.process.send_signal(signal.SIGKILL)
            assert server.read_to_end(5) == b""
        finally:
            os.kill(pid, signal.SIGKILL)

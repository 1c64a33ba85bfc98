"""A lifespan that fails ends the server in order: calls at work are answered, and one line says whose it was and where."""

import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.process.asgi_server import AsgiServer
from tests.process.failing_wires import HttpWire, StdioWire, Wire
from tests.process.test_asgi_servers import COMMANDS
from tests.support.blocking_http import Connection
from tests.support.blocking_stdio import StdioServer
from tests.support.server_process import COMMAND, ServerProcess

pytestmark = pytest.mark.process

PLUGIN: Final = str(Path(__file__).with_name("plugins") / "failures.py")
RAISES: Final = next(
    number for number, line in enumerate(Path(PLUGIN).read_text().splitlines(), 1) if line.strip() == "raise error"
)
PLACE: Final = f"{PLUGIN}:{RAISES}"
GRACE: Final = {"MCP_RUNTIME_STDIO_EOF_GRACE_S": "600", "MCP_RUNTIME_HTTP_DRAIN_GRACE_S": "600"}
IN_THE_END: Final = (
    "ValueError",
    "KeyboardInterrupt",
    "trio.Cancelled",
    "StopIteration",
    "nested_group",
    "SpeechlessError",
)
PLUGIN_FAILED: Final = 4


def _stdio(directory: Path, **environment: str) -> StdioServer:
    return StdioServer("--plugin", PLUGIN, directory=directory, environment={**GRACE, **environment})


def _http(directory: Path, **environment: str) -> ServerProcess:
    return ServerProcess(
        *("--plugin", PLUGIN, "--bind", "127.0.0.1:0"), directory=directory, environment={**GRACE, **environment}
    )


def _wire(server: ServerProcess) -> Wire:
    if isinstance(server, StdioServer):
        return StdioWire(server, is_old=False)
    connect: Any = server.connect if isinstance(server, AsgiServer) else lambda: Connection(server.url)
    return HttpWire(connect=connect, is_old=False)


STARTS: Final[dict[str, Callable[..., ServerProcess]]] = {"stdio": _stdio, "HTTP": _http}


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> Callable[..., ServerProcess]:
    return STARTS[request.param]


def _tool(wire: Wire, request_id: str, name: str, **arguments: str) -> None:
    wire.start(request_id, "tools/call", name=name, arguments=arguments)


def _text(wire: Wire, request_id: str) -> Any:
    return wire.wait(request_id)["result"]["content"][0]["text"]


def _only_failure(server: ServerProcess) -> dict[str, Any]:
    """The one line that tells of it; nothing beside it is a traceback."""
    (event,) = [event for event in server.events() if event["event"] == "lifespan_failed"]
    assert event["level"] == "error"
    assert "Traceback" not in server.errors.text
    assert "Task exception" not in server.errors.text
    others = [line for line in server.errors.text.splitlines() if not line.startswith(("{", "probe: "))]
    assert [line for line in others if "failures" in line] == []
    return event


def test_a_background_task_that_fails_drains_the_server(start: Callable[..., ServerProcess], tmp_path: Path) -> None:
    with start(tmp_path) as server, closing(_wire(server)) as wire:
        _tool(wire, "linger", "linger")
        server.said("linger started")
        _tool(wire, "fails", "fail_in_background", kind="KeyboardInterrupt")
        assert _text(wire, "linger") == "done"
        assert server.exit_code() == PLUGIN_FAILED
        failure = _only_failure(server)
        assert failure["plugin"] == "failures"
        assert failure["cause"] == "failed while the server ran: KeyboardInterrupt"
        assert failure["place"] == PLACE
        assert [event["plugin"] for event in server.events() if event["event"] == "stopping"] == ["failures"]


@pytest.mark.parametrize("kind", IN_THE_END)
def test_one_that_fails_at_the_end_is_one_line(kind: str, tmp_path: Path) -> None:
    with _stdio(tmp_path, FAILURES_END=kind) as server:
        server.close_stdin()
        assert server.exit_code() == PLUGIN_FAILED
        failure = _only_failure(server)
        assert failure["cause"].startswith("failed at the end: ")
        assert failure["place"].startswith(PLUGIN)


def test_over_http_it_is_one_line_too(tmp_path: Path) -> None:
    with _http(tmp_path, FAILURES_END="PanicException") as server:
        assert server.url
        server.signal()
        assert server.exit_code() == PLUGIN_FAILED
        assert _only_failure(server)["cause"] == "failed at the end: PanicException: index out of bounds"


def test_in_a_log_for_persons_it_is_the_line_that_ends_every_command(tmp_path: Path) -> None:
    command = [COMMAND, "serve", "--stdio", "--plugin", PLUGIN, "--log-format", "console"]
    done = subprocess.run(
        command, input=b"", capture_output=True, check=False, cwd=tmp_path, env={"FAILURES_END": "GeneratorExit"}
    )
    assert done.returncode == PLUGIN_FAILED
    line = f"mcp-runtime: plugin 'failures': its lifespan failed at the end: GeneratorExit ({PLACE})"
    assert done.stderr.decode().splitlines() == ["probe: lifespan left", line]


@pytest.mark.parametrize("kind", ["ValueError", "GeneratorExit", "asyncio.CancelledError", "nested_group"])
def test_one_that_fails_at_the_start_is_named_whatever_it_raised(kind: str, tmp_path: Path) -> None:
    with _stdio(tmp_path, FAILURES_START=kind) as server:
        assert server.exit_code() == PLUGIN_FAILED
        (line,) = server.errors.text.splitlines()
        assert re.match(r"mcp-runtime: plugin 'failures' cannot be loaded: its lifespan failed: \w+", line)
        assert line.endswith(f"({PLACE})")


@pytest.mark.parametrize(("name", "kind"), [("uvicorn", "ValueError"), ("granian", "GeneratorExit")])
def test_elsewhere_a_background_task_that_fails_drains_the_server_and_is_one_event(
    name: str, kind: str, tmp_path: Path
) -> None:
    with AsgiServer(COMMANDS[name], tmp_path, {"MCP_RUNTIME_PLUGINS": PLUGIN}) as server:
        server.wait_until_up()
        with closing(_wire(server)) as wire:
            _tool(wire, "linger", "linger")
            server.said("linger started")
            _tool(wire, "fails", "fail_in_background", kind=kind)
            assert _text(wire, "linger") == "done"
        server.exit_code()
        assert _only_failure(server)["cause"].startswith("failed while the server ran: ")


def test_under_uvicorn_one_that_fails_at_the_end_is_one_event(tmp_path: Path) -> None:
    with AsgiServer(
        COMMANDS["uvicorn"], tmp_path, {"MCP_RUNTIME_PLUGINS": PLUGIN, "FAILURES_END": "BaseException"}
    ) as server:
        server.wait_until_up()
        server.signal()
        server.exit_code()
        assert _only_failure(server)["cause"] == "failed at the end: BaseException: bare"


def test_settings_whose_validator_raises_are_named_with_file_and_line(tmp_path: Path) -> None:
    plugin = tmp_path / "strict.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from mcp_runtime import Plugin\n"
        "@dataclass\n"
        "class Settings:\n"
        "    size: int = 1\n"
        "    def __post_init__(self) -> None:\n"
        "        raise GeneratorExit('no size')\n"
        "plugin = Plugin('strict', settings=Settings)\n"
    )
    with ServerProcess("--stdio", "--plugin", str(plugin), directory=tmp_path) as server:
        assert server.exit_code() == PLUGIN_FAILED
        line = f"mcp-runtime: plugin 'strict' cannot be loaded: GeneratorExit: no size ({plugin}:7)"
        assert server.errors.text.splitlines() == [line]

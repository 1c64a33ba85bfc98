"""Standard output carries the protocol and nothing else, whatever a plugin does."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, call, encode, request, text
from tests.support.server_process import COMMAND, PROBES, ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.spec("2026-07-28/basic/transports/stdio")]


def test_stdout_is_clean_although_a_plugin_its_c_library_and_its_children_write_there(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        response = server.ask(call("make_noise"))
        server.close_stdin()
        rest = server.read_to_end()
        assert server.exit_code() == 0

    assert text(response) == "the child read 0 bytes"
    assert rest == b""
    noise = [line for line in server.errors.text.splitlines() if line.startswith("noise: ")]
    assert sorted(noise) == [
        "noise: child",
        "noise: fd 1",
        "noise: print",
        "noise: printed on import",
        "noise: puts",
        "noise: sys.stdout",
        "noise: written to fd 1 on import",
    ]


def test_a_bad_line_gets_an_error_and_the_next_one_works(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.send_bytes(b'{"jsonrpc": "2.0", "id": 1, "meth\n\xff\xfe\n[]\n\n')
        errors = [server.receive()["error"]["code"] for _ in range(3)]
        assert text(server.ask(call("echo", text="still here"))) == "still here"
    assert errors == [-32700, -32700, -32600]


def test_a_line_past_the_limit_gets_an_error_and_the_next_one_works(tmp_path: Path) -> None:
    limit = {"MCP_RUNTIME_LIMITS_MAX_LINE_BYTES": "65536"}
    with StdioServer("--plugin", PROBES, directory=tmp_path, environment=limit) as server:
        server.send(call("echo", 1, text="x" * 10_000_000), call("echo", 2, text="after"))
        assert server.receive()["error"]["code"] == -32600
        assert text(server.receive()) == "after"


def test_requests_are_served_while_others_are_held(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.send(call("hold", 1, name="first"))
        server.said("first started")
        assert text(server.ask(call("echo", 2, text="meanwhile"))) == "meanwhile"
        server.send(call("release", 3, name="first"))
        answers = {message["id"]: text(message) for message in (server.receive(), server.receive())}
    assert answers == {1: "first was released", 3: "released"}


def test_a_cancelled_call_stops_and_is_not_answered(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.send(call("hold", 1, name="unwanted"))
        server.said("unwanted started")
        server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        server.said("unwanted cancelled")
        assert text(server.ask(call("echo", 2, text="next"))) == "next"
        server.close_stdin()
        assert server.read_to_end() == b""


def _three_calls() -> list[Message]:
    return [request("server/discover"), call("echo", 2, text="from a file"), call("block", 3, name="stuck")]


def test_stdin_may_be_a_file(tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_bytes(b"\n".join(encode(message) for message in _three_calls()))
    answers = tmp_path / "answers.jsonl"
    with (
        requests.open("rb") as stdin,
        answers.open("wb") as stdout,
        ServerProcess("--stdio", "--plugin", PROBES, directory=tmp_path, stdin=stdin, stdout=stdout) as server,
    ):
        assert server.exit_code() == 0
        log = server.errors.text
    got = {message["id"]: message for message in map(json.loads, answers.read_bytes().splitlines())}
    assert got.keys() == {1, 2}, log
    assert text(got[2]) == "from a file"


def test_stdin_may_be_a_file_and_stdout_a_pipe(tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_bytes(encode(call("echo", text="from a file")) + b"\n")
    with (
        requests.open("rb") as stdin,
        ServerProcess("--stdio", "--plugin", PROBES, directory=tmp_path, stdin=stdin, stdout=subprocess.PIPE) as server,
    ):
        out, _ = server.process.communicate(timeout=20)
        assert server.process.returncode == 0
    assert text(json.loads(out)) == "from a file"


def test_stdin_may_be_the_null_device(tmp_path: Path) -> None:
    with ServerProcess("--stdio", "--plugin", PROBES, directory=tmp_path) as server:
        assert server.exit_code() == 0


def test_a_closed_stdin_is_the_end_of_input(tmp_path: Path) -> None:
    script = 'exec "$0" serve --stdio --plugin "$1" <&-'
    with ServerProcess(COMMAND, PROBES, directory=tmp_path, command=("sh", "-c", script)) as server:
        assert server.exit_code() == 0, server.errors.text

"""The audit log of a running server: each call is in it, with what came of it and what the user allowed."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.messages import call, request
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.process

SECRET: Final = "correct-horse-battery-staple"
PLUGIN: Final = '''
from dataclasses import dataclass
from typing import Any
from mcp_runtime import Context, Plugin, ToolError

plugin: Plugin[Any] = Plugin("audited")

@dataclass
class Answer:
    word: str

@plugin.tool
async def add(a: int, password: str = "") -> int:
    """Add one."""
    return a + 1

@plugin.tool
async def takes(value: Any) -> str:
    """Take anything."""
    return "taken"

@plugin.tool
async def fails() -> str:
    """Fail in words of its own."""
    raise ToolError("no")

@plugin.tool
async def breaks() -> str:
    """Fail by a mistake."""
    raise RuntimeError("oh")

@plugin.tool
async def asks(ctx: Context) -> str:
    """Ask the user."""
    return (await ctx.elicit("A word?", Answer, key="word")).action

@plugin.resource("note://{name}")
async def note(name: str) -> str:
    """Read a note."""
    return name

@plugin.prompt
async def greeting(name: str) -> str:
    """Greet."""
    return f"Hello {name}"
'''


class Audited:
    """A server with an audit log."""

    def __init__(self, server: ServerProcess, file: Path) -> None:
        self.server = server
        self.file = file

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.lines()[-1]


def start(directory: Path, **environment: str) -> ServerProcess:
    (directory / "audited.py").write_text(PLUGIN)
    given = {"MCP_RUNTIME_AUDIT_FILE": str(directory / "audit.jsonl"), **environment}
    command = ("--plugin", str(directory / "audited.py"), "--bind", "127.0.0.1:0")
    return ServerProcess(*command, directory=directory, environment=given)


@pytest.fixture
def audited(tmp_path: Path) -> Generator[Audited]:
    with start(tmp_path) as server:
        server.event("listening")
        yield Audited(server, tmp_path / "audit.jsonl")


def test_each_call_is_a_line(audited: Audited) -> None:
    url = audited.server.url
    ask(url, call("add", a=1, password=SECRET))
    ask(url, call("fails"))
    ask(url, call("breaks"))
    ask(url, call("add", a="no number"))
    ask(url, call("nobody"))
    ask(url, request("resources/read", {"uri": "note://one"}))
    ask(url, request("prompts/get", {"name": "greeting", "arguments": {"name": "Ann"}}))
    ask(url, request("tools/list"))
    audited.server.signal()
    assert audited.server.exit_code() == 0
    lines = audited.lines()
    assert [line["n"] for line in lines] == list(range(9))
    assert [(line["event"], line.get("name"), line.get("outcome")) for line in lines] == [
        ("audit_started", None, None),
        ("tools/call", "add", "ok"),
        ("tools/call", "fails", "tool_error"),
        ("tools/call", "breaks", "tool_error"),
        ("tools/call", "add", "tool_error"),
        ("tools/call", "nobody", "error"),
        ("resources/read", "note://one", "ok"),
        ("prompts/get", "greeting", "ok"),
        ("audit_stopped", None, None),
    ]
    one = lines[1]
    assert (one["peer"], one["client"], one["transport"]) == ("127.0.0.1", "test-client/1.0", "streamable_http")
    assert one["principal"] is None
    assert one["duration_ms"] > 0
    assert SECRET not in audited.file.read_text()
    assert "arguments" not in one


def test_what_the_user_was_asked_and_allowed_is_in_it(audited: Audited) -> None:
    capable: dict[str, Any] = {"elicitation": {"form": {}}}
    params = {"name": "asks", "arguments": {}}
    asked = ask(audited.server.url, request("tools/call", params, capabilities=capable))["result"]
    assert (audited.last()["asked"], "answered" in audited.last()) == (["elicitation/create"], False)
    for action in ("accept", "decline"):
        answer = {"action": action, **({"content": {"word": SECRET}} if action == "accept" else {})}
        answered = {**params, "inputResponses": {"word": answer}, "requestState": asked["requestState"]}
        ask(audited.server.url, request("tools/call", answered, capabilities=capable))
        assert audited.last()["answered"] == [action]
    assert SECRET not in audited.file.read_text()


def test_the_call_of_an_old_client_is_in_it(audited: Audited) -> None:
    with Connection(audited.server.url) as connection:
        opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "old", "version": "9"}}
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        connection.send_body(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening}).encode(), fields
        )
        response = connection.response()
        response.read()
        fields["mcp-session-id"] = str(response.headers["mcp-session-id"])
        message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 1}}}
        connection.send_body(json.dumps(message).encode(), {**fields, "mcp-protocol-version": "2025-06-18"})
        connection.response().read()
    line = audited.last()
    assert (line["event"], line["name"], line["outcome"]) == ("tools/call", "add", "ok")
    assert (line["client"], line["revision"], line["request_id"]) == ("old/9", "2025-06-18", 2)


@pytest.mark.parametrize("kept", ["hashed", "full"])
def test_arguments_are_kept_where_that_is_asked_for(tmp_path: Path, kept: str) -> None:
    bound = len('{"a":1,"password":""}') + len(SECRET)
    environment = {"MCP_RUNTIME_AUDIT_ARGUMENTS": kept, "MCP_RUNTIME_AUDIT_MAX_ARGUMENTS_BYTES": str(bound)}
    with start(tmp_path, **environment) as server:
        server.event("listening")
        for message in (call("add", a=1, password=SECRET), call("add", password=SECRET, a=1), call("add", a=2)):
            ask(server.url, message)
        ask(server.url, call("add", a=10, password=SECRET))
    _, first, second, third, long = (json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines())
    assert "arguments" not in long
    assert (len(long["arguments_hash"]), long["arguments_bytes"]) == (32, bound + 1)
    if kept == "full":
        assert first["arguments"] == {"a": 1, "password": "***"}
    else:
        assert first["arguments_hash"] == second["arguments_hash"] != third["arguments_hash"]
        assert len(first["arguments_hash"]) == 32
    assert SECRET not in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    ("member", "value"),
    [("name", "harmless"), ("name", 5), ("arguments", 5), ("ref", 5), ("ref", {"name": "harmless"})],
)
def test_members_that_nobody_reads_neither_hide_nor_rename_what_was_served(
    audited: Audited, member: str, value: object
) -> None:
    ask(audited.server.url, request("resources/read", {"uri": "note://secret", member: value}))
    assert (audited.last()["name"], audited.last()["outcome"]) == ("note://secret", "ok")
    ask(audited.server.url, request("tools/call", {"name": "add", "arguments": {"a": 1}, "uri": 5, "ref": value}))
    assert (audited.last()["name"], audited.last()["outcome"]) == ("add", "ok")


def test_arguments_nested_however_deeply_do_not_keep_a_call_out_of_it(tmp_path: Path) -> None:
    with start(tmp_path, MCP_RUNTIME_AUDIT_ARGUMENTS="full") as server:
        server.event("listening")
        for depth in (100, 420, 600, 900):
            deep: object = SECRET
            for _ in range(depth):
                deep = {"a": deep}
            assert "result" in ask(server.url, call("takes", value=deep))
        ask(server.url, request("tools/call", {"name": "add", "arguments": [{"password": SECRET}]}))
        assert "Traceback" not in server.errors.text
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["n"], line.get("name")) for line in lines] == [
        (0, None),
        *((n, "takes") for n in range(1, 5)),
        (5, "add"),
    ]
    assert lines[5]["arguments"] == [{"password": "***"}]


def test_a_server_that_was_killed_leaves_a_run_without_an_end(tmp_path: Path) -> None:
    for _ in range(2):
        with start(tmp_path) as server:
            server.event("listening")
            ask(server.url, call("add", a=1))
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["n"], line["event"]) for line in lines] == [(0, "audit_started"), (1, "tools/call")] * 2
    assert len({line["run"] for line in lines}) == 2


@pytest.mark.parametrize("where", ["nowhere/audit.jsonl", "."])
def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path, where: str) -> None:
    with start(tmp_path, MCP_RUNTIME_AUDIT_FILE=str(tmp_path / where)) as server:
        assert server.exit_code() == 3
        assert "audit.file: cannot write" in server.errors.text

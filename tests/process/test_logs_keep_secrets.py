"""What clients send and what the operator keeps secret does not end in the log, however much is logged."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.messages import Message, call, request
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.process

SECRET: Final = "correct-horse-battery-staple-0123456789"
PLUGIN: Final = '''
from dataclasses import dataclass
from typing import Any
from mcp_runtime import Context, Plugin, ToolError

@dataclass(frozen=True)
class Settings:
    api_key: str

plugin: Plugin[Any] = Plugin("vault", settings=Settings)

@dataclass
class Answer:
    pin: str

@plugin.tool
async def fine(value: str) -> str:
    """Take a value and give it back."""
    return value

@plugin.tool
async def refused(value: str) -> str:
    """Fail in words of its own."""
    raise ToolError(f"no such thing: {value}")

@plugin.tool
async def asks(value: str, ctx: Context) -> str:
    """Ask, remembering something."""
    remembered = await ctx.memo("value", lambda: value)
    answer = await ctx.elicit("PIN?", Answer, key="pin")
    return answer.data.pin + remembered

@plugin.resource("vault://{name}")
async def read(name: str) -> str:
    """Read something."""
    return name

@plugin.tool
async def logs(value: str, ctx: Context) -> str:
    """Log fields whose names say what they are."""
    ctx.log.info("logged", password=value, nested={"authorization": value}, items=[{"api_key": value}])
    return "logged"
'''


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_logged_at_debug_level(log_format: str, tmp_path: Path) -> None:
    plugin = tmp_path / "vault.py"
    plugin.write_text(PLUGIN)
    environment = {
        "MCP_RUNTIME_LOGGING_LEVEL": "debug",
        "MCP_RUNTIME_SEAL_KEYS": f"env:SEAL,{SECRET}-literal",
        "SEAL": f"{SECRET}-sealing-key",
        "MCP_RUNTIME_PLUGIN_VAULT_API_KEY": SECRET,
    }
    # A Unix socket: its address is known although a log for people has no event to read it from.
    command = ("--plugin", str(plugin), "--bind", f"unix:{tmp_path}/mcp.sock", "--log-format", log_format)
    with ServerProcess(*command, directory=tmp_path, environment=environment) as server:
        server.errors.wait_for(lambda line: '"listening"' in line or "mcp-runtime is ready" in line)
        _say_secrets(f"unix:{tmp_path}/mcp.sock/mcp")
        server.signal()
        assert server.exit_code() == 0
        log = server.errors.text
    assert "logged" in log
    assert SECRET not in log


def _say_secrets(url: str) -> None:
    for message in (
        call("fine", value=SECRET),
        call("fine", value=[SECRET]),
        call("refused", value=SECRET),
        call("logs", value=SECRET),
        call(SECRET, value=1),
        request("resources/read", {"uri": f"vault://{SECRET}"}),
        request("resources/read", {"uri": f"nowhere://{SECRET}"}),
        request(
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": SECRET}, "argument": {"name": "x", "value": SECRET}},
        ),
    ):
        ask(url, message)
    asked = ask(url, call("asks", value=SECRET))["result"]
    answers: Message = {"pin": {"action": "accept", "content": {"pin": SECRET}}}
    retried: Message = {"inputResponses": answers, "requestState": asked["requestState"]}
    again = request("tools/call", {"name": "asks", "arguments": {"value": SECRET}, **retried})
    assert SECRET in json.dumps(ask(url, again)["result"])
    again["params"]["requestState"] = SECRET
    assert "error" in ask(url, again)
    with Connection(url) as connection:
        connection.path = f"/mcp?token={SECRET}"
        extra = {"authorization": f"Bearer {SECRET}", "cookie": SECRET, "x-api-key": SECRET}
        connection.send(call("fine", value="1"), extra)
        connection.answer()
    with Connection(url) as connection:
        connection.send_body(b"{" + SECRET.encode(), {"content-type": "application/json", "host": SECRET})
        assert connection.response().status >= 400

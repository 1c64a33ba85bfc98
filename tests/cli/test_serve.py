"""`mcp-runtime serve`: which transports, what it prints, how it ends."""

import http.client
import json
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import discover, events_in, lines_until, run_command, serving

pytestmark = pytest.mark.process

PLUGIN = """
from mcp_runtime import Plugin

print("noise")
plugin = Plugin("shop")

for name in ("buy", "sell", "lend", "rent", "swap", "gift", "hold"):
    plugin.add_tool(lambda: "", name=name)
"""

ANY_PORT = ("--http", "--bind", "127.0.0.1:0")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(PLUGIN)
    (tmp_path / "config.toml").write_text("[plugins]\nload = ['shop.py']\n")
    return tmp_path


def listening_url(process: subprocess.Popen[str]) -> str:
    [event] = events_in(lines_until(process, '"listening"'))[-1:]
    url: str = event["urls"][0]
    return url


def ask(url: str) -> int:
    """The HTTP status of a server/discover request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "server/discover",
    }
    connection.request("POST", parts.path, discover(), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_http_answers_where_the_event_says(shop: Path) -> None:
    with serving(*ANY_PORT, "--log-format", "json", cwd=shop) as process:
        url = listening_url(process)
        assert url.endswith("/mcp")
        assert ask(url) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait() == ExitCode.OK


def test_with_json_by_name_there_are_only_events(shop: Path) -> None:
    with serving(*ANY_PORT, "--log-format", "json", cwd=shop) as process:
        lines = lines_until(process, '"listening"')
        process.terminate()
        assert process.stderr is not None
        lines += process.stderr.read().splitlines()
    assert [line for line in lines if not line.startswith("{")] == ["noise"] * lines.count("noise")
    assert [event["event"] for event in events_in(lines)] == ["listening", "stopping"]


def test_the_banner_says_where_what_and_how_to_connect(shop: Path) -> None:
    with serving(*ANY_PORT, "--log-format", "console", cwd=shop) as process:
        text = "\n".join(lines_until(process, "Inspector"))
        process.terminate()
        assert process.stdout is not None
        assert process.stdout.read().replace("noise\n", "") == ""
    url = text.partition("listening   ")[2].partition("\n")[0]
    assert url.startswith("http://127.0.0.1:")
    assert "plugins     1: shop" in text
    assert "tools       7: buy, sell, lend, rent, swap and 2 more" in text
    assert f"claude mcp add --transport http shop {url}\n" in text
    assert f'{{"mcpServers": {{"shop": {{"url": "{url}"}}}}}}' in text
    assert f"npx @modelcontextprotocol/inspector --cli {url} --protocol-era auto --method tools/list" in text


def test_a_unix_socket_is_announced_without_lines_for_clients_that_take_urls(shop: Path) -> None:
    bind = f"unix:{shop / 'mcp.sock'}"
    variables = {"MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0"}
    with serving("--bind", bind, "--log-format", "console", cwd=shop, variables=variables) as process:
        lines = lines_until(process, "tools  ")
        process.terminate()
        assert process.stderr is not None
        text = "\n".join(lines) + process.stderr.read()
    assert f"  listening   {bind}/mcp\n" in text
    assert "/healthz, http://127.0.0.1:" in text
    assert "Add it to a client" not in text


def test_stdio_alone_serves_the_protocol_and_prints_nothing(shop: Path) -> None:
    done = run_command("serve", "--stdio", cwd=shop, stdin=discover())
    assert (done.returncode, done.stderr) == (ExitCode.OK, "noise\n")
    assert json.loads(done.stdout)["result"]["supportedVersions"] == ["2026-07-28"]


def test_stdio_and_http_serve_side_by_side(shop: Path) -> None:
    with serving("--stdio", *ANY_PORT, "--log-format", "json", cwd=shop) as process:
        assert ask(listening_url(process)) == 200
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(discover())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdin.close()
        assert process.wait() == ExitCode.OK


def test_without_options_the_configuration_decides(shop: Path) -> None:
    variables = {"MCP_RUNTIME_HTTP_ENABLED": "false", "MCP_RUNTIME_STDIO_ENABLED": "true"}
    done = run_command("serve", cwd=shop, variables=variables, stdin=discover())
    assert done.returncode == ExitCode.OK
    assert json.loads(done.stdout)["id"] == 1


def test_a_plugin_option_replaces_the_configured_ones(shop: Path) -> None:
    (shop / "other.py").write_text("from mcp_runtime import Plugin\nplugin = Plugin('other', instructions='Other.')\n")
    done = run_command("serve", "--stdio", "--plugin", "other.py", cwd=shop, stdin=discover())
    assert json.loads(done.stdout)["result"]["instructions"] == "Other."
    assert done.stderr == ""


def test_nothing_enabled_is_a_wrong_configuration(shop: Path) -> None:
    done = run_command("serve", cwd=shop, variables={"MCP_RUNTIME_HTTP_ENABLED": "false"})
    assert done.returncode == ExitCode.CONFIGURATION
    assert "http.enabled: neither HTTP nor stdio is enabled. Fix: enable one of them, or give --http" in done.stderr


def test_http_without_an_address_is_a_wrong_configuration(shop: Path) -> None:
    variables = {"MCP_RUNTIME_HTTP_ENABLED": "false", "MCP_RUNTIME_HTTP_BIND": ""}
    done = run_command("serve", "--http", cwd=shop, variables=variables)
    assert done.returncode == ExitCode.CONFIGURATION
    assert "http.bind: there is no address to listen on" in done.stderr


def test_an_address_that_is_taken_is_exit_code_5(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command("serve", "--bind", address, cwd=shop)
    assert done.returncode == ExitCode.CANNOT_BIND
    assert f"http.bind: cannot listen on {address}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_that_does_not_load_is_exit_code_4(shop: Path) -> None:
    done = run_command("serve", "--plugin", "no_such_module", cwd=shop)
    assert done.returncode == ExitCode.PLUGIN
    assert "no_such_module" in done.stderr

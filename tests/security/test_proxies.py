"""Whose address counts: that of the peer, or the one that a trusted proxy names, whatever a client writes itself."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.blocking_http import Connection
from tests.support.blocking_old_http import initialize
from tests.support.messages import Message, call, encode
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

ONE_A_MINUTE = {"MCP_RUNTIME_LIMITS_TOOL_CALLS_PER_MINUTE": "1"}
TRUSTING = {**ONE_A_MINUTE, "MCP_RUNTIME_HTTP_TRUSTED_PROXIES": "127.0.0.1, unix, 10.0.0.0/24"}


def serve(directory: Path, environment: Mapping[str, str], bind: str = "127.0.0.1:0") -> ServerProcess:
    return ServerProcess("--plugin", PROBES, "--bind", bind, directory=directory, environment=environment)


def is_served(url: str, **headers: str) -> bool:
    with Connection(url) as connection:
        connection.send(call("echo", text="x"), {name.replace("_", "-"): value for name, value in headers.items()})
        answer: Message = connection.answer()
        return "isError" not in answer["result"]


def test_a_client_is_limited_whatever_it_puts_before_what_the_proxy_adds(tmp_path: Path) -> None:
    with serve(tmp_path, TRUSTING) as server:
        assert is_served(server.url, x_forwarded_for="203.0.113.7")
        for number in range(3):
            assert not is_served(server.url, x_forwarded_for=f"198.51.100.{number}, 203.0.113.7, 10.0.0.{number}")
        assert not is_served(server.url, x_forwarded_for="203.0.113.7", forwarded="for=198.51.100.1")
        assert not is_served(server.url, x_forwarded_for="203.0.113.7", x_real_ip="198.51.100.2")
        assert is_served(server.url, x_forwarded_for="203.0.113.8:4711")
        assert not is_served(server.url, x_forwarded_for="203.0.113.8")
        for nobody in ("unknown", "_hidden", "", "1" * 20_000, "10.0.0.1," * 2000, '"', "203.0.113.7, x"):
            for _ in range(2):
                assert is_served(server.url, x_forwarded_for=nobody)


def test_without_trusted_proxies_no_header_says_where_a_client_is(tmp_path: Path) -> None:
    with serve(tmp_path, ONE_A_MINUTE) as server:
        for name in ("x_forwarded_for", "forwarded", "x_real_ip"):
            for _ in range(2):
                assert is_served(server.url, **{name: "for=203.0.113.7" if name == "forwarded" else "203.0.113.7"})


def test_a_proxy_on_a_unix_socket_names_the_client_in_the_header_of_the_operators_choice(tmp_path: Path) -> None:
    environment = {**TRUSTING, "MCP_RUNTIME_HTTP_FORWARDED_HEADER": "Forwarded"}
    with serve(tmp_path, environment, f"unix:{tmp_path}/socket") as server:
        assert is_served(server.url, forwarded='for="[2001:db8::1]:4711";host="a,b"') is True  # Cut in its host.
        assert is_served(server.url, forwarded='for="[2001:db8::1]:4711"')
        assert not is_served(server.url, forwarded='for=198.51.100.1, for="[2001:db8::2]";proto=https')
        assert not is_served(server.url, forwarded='for="198.51.100.1, for="[2001:db8::3]"')


def test_the_log_and_the_bridges_see_the_client_and_not_the_proxy(tmp_path: Path) -> None:
    with serve(tmp_path, TRUSTING) as server, Connection(server.url) as connection:
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        anonymous = initialize("2025-06-18")
        anonymous["params"]["clientInfo"] = {"name": "", "version": ""}
        connection.send_body(encode(anonymous), {**fields, "x-forwarded-for": "198.51.100.1, 203.0.113.7"})
        assert connection.response().status == 200
        assert server.event("legacy_feature_used")["network"] == "203.0.113.0/24"

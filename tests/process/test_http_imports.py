"""A server over HTTP loads what it needs when it needs it: what is idle is small, and there are many of them."""

from pathlib import Path

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.legacy_messages import opening
from tests.support.messages import call, encode
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def test_the_cipher_is_loaded_with_the_first_session(tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        assert "cryptography" not in loaded(server)
        with Connection(server.url) as connection:
            connection.send_body(encode(opening()), HEADERS)
            assert connection.response().getheader("mcp-session-id")
        assert "cryptography" in loaded(server)


def test_an_idle_server_has_not_loaded_what_nobody_came_for(tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        idle = loaded(server)
        assert {"hypercorn", "httptools"} <= idle
        assert idle & {"sse_starlette", "pydantic", "pydantic_core", "jsonschema_rs", "cryptography"} == set()
        counted = ask(server.url, call("count_up", times=1))
        assert counted["result"]["content"]
        assert "sse_starlette" not in loaded(server)  # Without a token nobody is told of progress, and nothing streams.


def loaded(server: ServerProcess) -> set[str]:
    """What the server has imported."""
    return set(ask(server.url, call("loaded_modules"))["result"]["structuredContent"])

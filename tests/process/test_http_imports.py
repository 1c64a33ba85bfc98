"""A server over HTTP loads a cipher when something is to be sealed, and not because something might be."""

from pathlib import Path

import pytest

from tests.process.http_client import Connection, ask
from tests.process.messages import call, encode
from tests.process.server_process import PROBES, ServerProcess
from tests.support.legacy_messages import opening

pytestmark = pytest.mark.process

HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def test_the_cipher_is_loaded_with_the_first_session(tmp_path: Path) -> None:
    with ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
        assert "cryptography" not in loaded(server)
        with Connection(server.url) as connection:
            connection.send_body(encode(opening()), HEADERS)
            assert connection.response().getheader("mcp-session-id")
        assert "cryptography" in loaded(server)


def loaded(server: ServerProcess) -> set[str]:
    """What the server has imported."""
    return set(ask(server.url, call("loaded_modules"))["result"]["structuredContent"])

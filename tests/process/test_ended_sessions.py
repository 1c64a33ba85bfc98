"""A session that its client has ended holds nothing of the process: a drain right after it is quick."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_old_http import SessionClient, old_call
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

GRACE_S: Final = "10"


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_what_waits_for_a_client_ends_when_it_ends_its_session(parser: str, tmp_path: Path) -> None:
    environment = {"MCP_RUNTIME_HTTP_DRAIN_GRACE_S": GRACE_S, "MCP_RUNTIME_HTTP_PARSER": parser}
    with (
        ServerProcess(
            "--plugin", PROBES, "--bind", "127.0.0.1:0", directory=tmp_path, environment=environment
        ) as server,
        SessionClient(server.url) as client,
    ):
        stream = client.listen()
        asked = client.open(old_call("ask", 1, name="asked")).messages()
        assert next(asked)["method"] == "elicitation/create"
        held = client.open(old_call("hold", 2, name="held"))
        streaming = client.open(old_call("hold_on", 3, token="t", name="streaming"))
        for name in ("held", "streaming"):
            server.said(f"{name} started")
        assert client.end() == 200
        for name in ("held", "streaming"):
            server.said(f"{name} cancelled")
        assert not [line for line in stream if line.startswith(b"data: {")]
        assert list(asked) == []
        assert list(held.messages()) == []
        assert [message.get("method") for message in streaming.messages()] == ["notifications/progress"]
        assert server.ended_after_s(server.signal()) < 3
        assert server.exit_code() == 0
        server.said("lifespan left")

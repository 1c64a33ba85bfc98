"""Behind a proxy that serves it below a path of its own, the server is found by clients of every transport."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.clients.legacy.clients import CLIENTS, LegacyClient
from tests.clients.legacy.programs import PLUGINS, Target, command_of, finish, start
from tests.clients.legacy.proxy import RoundRobin, nginx
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.clients

BEHIND_IT = [
    pytest.param(client, id=client.id)
    for client in CLIENTS
    if client.id in {"python-1.9-sse", "python-1.30-sse", "python-1.30-http", "node-1.0-sse", "node-1.32-sse"}
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    nginx()
    with (
        ServerProcess(*PLUGINS, "--bind", "127.0.0.1:0", directory=tmp_path_factory.mktemp("server")) as server,
        RoundRobin([server.url], tmp_path_factory.mktemp("nginx"), prefix="/tools/everything") as proxy,
    ):
        yield proxy.url


@pytest.mark.parametrize("client", BEHIND_IT)
def test_a_conversation_through_the_proxy_is_as_without_it(client: LegacyClient, url: str, tmp_path: Path) -> None:
    seen = finish(start(command_of(client, tmp_path), Target(url=url).of(client, tmp_path), tmp_path))
    assert seen["text"] == [False, "This is a simple text response for testing."]
    assert seen["sampled"] == "LLM response: sampled: Hello"
    assert seen["updated"] == ["watched"]
    assert seen["closed"]
    paths = {path for _, path, _ in seen["requests"]}
    assert paths
    assert all(path.startswith("/tools/everything/") for path in paths)

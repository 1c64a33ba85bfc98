"""The admin endpoints, to whoever should not see them: health is for all, clients' names are for the operator."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import Connection
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

TOKEN: Final = "tok-0123456789abcdefghijklmnopqrstuv"
PATHS: Final = ("/metrics", "/legacy")


def start(directory: Path, **environment: str) -> ServerProcess:
    given = {"MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0", **environment}
    return ServerProcess("--plugin", PROBES, "--bind", "127.0.0.1:0", directory=directory, environment=given)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of an admin bind with no token."""
    with start(tmp_path_factory.mktemp("open"), MCP_RUNTIME_ADMIN_ALLOWED_HOSTS="ops.example") as server:
        yield str(server.event("listening")["admin_urls"][0])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of one that has a token, in a file."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "token").write_text(TOKEN + "\n")
    with start(directory, MCP_RUNTIME_ADMIN_TOKEN=f"file:{directory}/token") as server:
        yield str(server.event("listening")["admin_urls"][0])
        assert TOKEN not in server.errors.text


def asked(url: str, path: str, fields: Mapping[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
    """Status and text of the answer."""
    with Connection(url) as connection:
        connection.path = path
        connection.send_body(b"", dict(fields or {}), method)
        response = connection.response()
        return response.status, response.read().decode()


@pytest.mark.parametrize("path", PATHS)
def test_this_machine_sees_everything(admin: str, path: str) -> None:
    assert asked(admin, path)[0] == 200


@pytest.mark.parametrize("path", [*PATHS, "/anything"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:9000", "127.0.0.1.evil.example", ""])
def test_a_page_that_has_made_its_name_point_here_sees_nothing(admin: str, path: str, host: str) -> None:
    status, text = asked(admin, path, {"host": host})
    assert status == 421
    assert "admin.allowed_hosts" in text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://"])
def test_a_page_from_elsewhere_sees_nothing(admin: str, path: str, origin: str) -> None:
    assert asked(admin, path, {"origin": origin})[0] == 403


def test_an_allowed_name_is_served(admin: str) -> None:
    assert asked(admin, "/metrics", {"host": "ops.example"})[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_told_under_any_name_and_without_a_token(admin: str, guarded: str, path: str) -> None:
    for url in (admin, guarded):
        assert asked(url, path, {"host": "10.1.2.3:9000"})[0] == 200


@pytest.mark.parametrize("path", [*PATHS, "/anything"])
@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xff"],
)
def test_without_the_token_there_is_nothing_to_see(guarded: str, path: str, value: str | None) -> None:
    status, text = asked(guarded, path, {} if value is None else {"authorization": value})
    assert status == 401
    assert TOKEN not in text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_there_is_everything(guarded: str, path: str, scheme: str) -> None:
    assert asked(guarded, path, {"authorization": f"{scheme} {TOKEN}"})[0] == 200


def test_the_token_does_not_open_the_door_to_another_name(guarded: str) -> None:
    assert asked(guarded, "/metrics", {"authorization": f"Bearer {TOKEN}", "host": "evil.example"})[0] == 421


def test_two_authorizations_are_refused(guarded: str) -> None:
    with Connection(guarded) as connection:
        connection.path = "/metrics"
        connection.socket.sendall(
            b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"authorization: Bearer " + TOKEN.encode() + b"\r\nauthorization: Bearer other\r\n\r\n"
        )
        assert connection.socket.recv(65_536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("token", ["hunter2", "k" * 40, "ab" * 20])
def test_a_token_that_is_guessed_is_refused_at_the_start(tmp_path: Path, token: str) -> None:
    with start(tmp_path, MCP_RUNTIME_ADMIN_TOKEN=token) as server:
        assert server.exit_code() == 3
        assert "MCP_RUNTIME_ADMIN_TOKEN" in server.errors.text
        assert token not in server.errors.text

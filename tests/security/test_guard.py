"""The guard of the endpoint, to requests that say two things at once, and the warning where anybody may come."""

import socket
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from tests.support.messages import call, encode, headers_for
from tests.support.server_process import COMMAND, PROBES, ServerProcess, clean_environment

pytestmark = pytest.mark.process

BODY: Final = encode(call("echo", text="here"))
FIELDS: Final = {
    "host": "127.0.0.1",
    **headers_for(call("echo", text="here")),
    "content-length": str(len(BODY)),
}


@pytest.fixture(scope="module", params=["httptools", "h11"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, int]]:
    directory = tmp_path_factory.mktemp("guard")
    environment = {"MCP_RUNTIME_HTTP_PARSER": str(request.param)}
    command = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
    with ServerProcess(*command, directory=directory, environment=environment) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        yield "127.0.0.1", port


def status(address: tuple[str, int], *more: tuple[str, str], leave_out: str = "") -> int:
    """The status of a call with these fields beside the usual ones."""
    fields = [(name, value) for name, value in FIELDS.items() if name != leave_out]
    head = "".join(f"{name}: {value}\r\n" for name, value in (*fields, *more))
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + BODY)
        return int(connection.recv(65_536).split(b" ", 2)[1])


def test_the_usual_fields_are_right(address: tuple[str, int]) -> None:
    assert status(address) == 200
    assert status(address, ("origin", "http://localhost")) == 200


@pytest.mark.parametrize(
    "fields",
    [
        (("origin", "http://localhost"), ("origin", "https://evil.example")),
        (("origin", "https://evil.example"), ("origin", "http://localhost")),
        (("origin", "http://localhost"), ("Origin", "http://localhost")),
        (("host", "evil.example"),),
        (("Host", "127.0.0.1"),),
        (("content-type", "text/plain"),),
        (("authorization", "Bearer a"), ("authorization", "Bearer b")),
    ],
)
def test_two_of_what_decides_are_refused(address: tuple[str, int], fields: tuple[tuple[str, str], ...]) -> None:
    assert status(address, *fields) == 400


def test_two_of_what_decides_nothing_are_no_matter(address: tuple[str, int]) -> None:
    assert status(address, ("x-more", "a"), ("x-more", "b")) == 200
    assert status(address, ("accept", "text/html")) == 200


def test_two_origins_by_a_comma_are_no_origin(address: tuple[str, int]) -> None:
    assert status(address, ("origin", "http://localhost, https://evil.example")) == 403


EXPOSED: Final = ("0.0.0.0:0", "[::]:0")  # what is warned of
LOCAL: Final = ("127.0.0.1:0", "localhost:0", "[::1]:0", "unix:mcp.sock")


def listening_on(directory: Path, *binds: str) -> ServerProcess:
    environment = {"MCP_RUNTIME_HTTP_BIND": ",".join(binds)}
    return ServerProcess("--plugin", PROBES, directory=directory, environment=environment)


def test_an_address_of_the_whole_machine_is_said_and_warned_of(tmp_path: Path) -> None:
    with listening_on(tmp_path, *EXPOSED, LOCAL[0]) as server:
        listening = server.event("listening")
        for bind, bound, url in zip(EXPOSED, listening["bound"], listening["urls"], strict=False):
            host = bind.rpartition(":")[0]
            assert bound.startswith(f"http://{host}:")
            assert url.startswith(("http://127.0.0.1:", "http://[::1]:"))
        assert server.event("exposed_without_authorization")["binds"] == list(EXPOSED)


def test_an_address_of_this_machine_alone_is_not_warned_of(tmp_path: Path) -> None:
    with listening_on(tmp_path, *LOCAL) as server:
        assert len(server.event("listening")["urls"]) >= len(LOCAL)
        server.signal()
        assert server.exit_code() == 0
        assert "exposed_without_authorization" not in server.errors.text


def test_people_are_shown_the_address_and_the_warning(tmp_path: Path) -> None:
    command = (COMMAND, "serve", "--log-format", "console", "--plugin", PROBES, "--bind", EXPOSED[0])
    with ServerProcess(directory=tmp_path, command=command) as server:
        server.errors.wait_for(lambda line: "listening   http://0.0.0.0:" in line)
        server.errors.wait_for(lambda line: "warning     0.0.0.0:0: whoever reaches it can call every tool" in line)


def test_check_warns_too(tmp_path: Path) -> None:
    environment = clean_environment(tmp_path, {"MCP_RUNTIME_HTTP_BIND": "0.0.0.0:8000"})
    done = subprocess.run(
        [COMMAND, "check", "--plugin", PROBES],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "warning     0.0.0.0:8000: whoever reaches it can call every tool" in done.stdout

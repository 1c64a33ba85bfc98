"""The application inside a host's middleware: clients that leave are nothing that anybody's log is alarmed by."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from tests.process.asgi_server import MOUNTED, AsgiServer
from tests.support.blocking_old_http import SessionClient, SseClient, old_call
from tests.support.messages import call, encode, headers_for, listen, text

pytestmark = pytest.mark.process

LAYERS: Final = (
    "BaseHTTPMiddleware",
    "two BaseHTTPMiddlewares",
    "GZipMiddleware",
    "BaseHTTPMiddleware around GZipMiddleware",
    "CORSMiddleware",
    "a function",
    "a host with middleware",
)


@pytest.fixture(params=LAYERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[AsgiServer]:
    command = ("uvicorn", "--app-dir", MOUNTED, "wrapped:app")
    with AsgiServer(command, tmp_path, {"WRAPPED_BY": request.param}) as server:
        server.wait_until_up()
        yield server


def test_clients_that_leave_alarm_nobody(server: AsgiServer) -> None:
    for number, tool in enumerate(("hold", "hold_on")):
        with server.connect() as connection:
            connection.send(call(tool, name=f"call {number}", meta={"progressToken": "t"}))
            server.said(f"call {number} started")
        server.said(f"call {number} cancelled")
    with server.connect() as connection:
        connection.send(listen())
        next(connection.messages())
    _leave_in_the_middle_of_a_body(server)
    with SessionClient(server.address) as client:
        client.listen()
        left = [
            client.open(old_call("hold", 1, name="old call")),
            client.open(old_call("hold_on", 2, token="t", name="old stream")),
        ]
        for name in ("old call", "old stream"):
            server.said(f"{name} started")
        for connection in left:
            connection.close()
        assert client.end() == 200
        for name in ("old call", "old stream"):
            server.said(f"{name} cancelled")
    with SseClient(server.address) as old:
        old.post(old_call("hold", 3, name="sse call"))
        server.said("sse call started")
    server.said("sse call cancelled")
    with server.connect() as connection:
        assert text(connection.ask(call("echo", text="still there"))) == "still there"
    server.signal()
    server.exit_code()
    assert "Traceback" not in server.errors.text
    assert "ERROR" not in server.errors.text


def _leave_in_the_middle_of_a_body(server: AsgiServer) -> None:
    message = call("echo", text="never said")
    body = encode(message)
    fields = {**headers_for(message), "host": "localhost", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with server.connect() as connection:
        connection.socket.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body[:10])


def test_what_middleware_adds_is_there(tmp_path: Path) -> None:
    command = ("uvicorn", "--app-dir", MOUNTED, "wrapped:app")
    with AsgiServer(command, tmp_path, {"WRAPPED_BY": "BaseHTTPMiddleware"}) as server:
        server.wait_until_up()
        with server.connect() as connection:
            connection.send(call("count_up", 2, times=3, meta={"progressToken": "t"}))
            assert connection.response().headers["x-wrapped"] == "yes"
            assert len(list(connection.messages())) == 4

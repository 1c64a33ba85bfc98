"""nginx before several server processes. Rule: every request goes to the next of them, whoever sent it."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import pytest

from tests.support.server_process import PATIENCE_S

SERVED_BY: Final = "x-served-by"
"""The response header that says which process answered, as HOST:PORT."""

_CONFIG: Final = """
daemon off;
{user}
pid {directory}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream processes {{ {servers} }}
    server {{
        listen {listen};
        location {prefix}/ {{
            proxy_pass http://processes/;
            # The rest is as nginx comes: HTTP/1.0 to the server, and responses buffered unless they say otherwise.
            proxy_set_header Host $http_host;
            proxy_next_upstream off;
            add_header X-Served-By $upstream_addr always;
        }}
    }}
}}
"""


class RoundRobin:
    """A proxy, from start to the end of the block; `url` is the MCP endpoint before those at `urls`, below `prefix`."""

    def __init__(self, urls: list[str], directory: Path, *, prefix: str = "") -> None:
        # nginx takes over a socket that is bound already, so that no other process can get its port in between.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        listen = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{listen}{prefix}/mcp"
        config = directory / "nginx.conf"
        servers = " ".join(f"server {urlsplit(url).netloc};" for url in urls)
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(_CONFIG.format(directory=directory, listen=listen, servers=servers, user=user, prefix=prefix))
        descriptor = self._socket.fileno()
        self._process = subprocess.Popen(
            [nginx(), "-e", "stderr", "-p", str(directory), "-c", str(config)],
            pass_fds=[descriptor],
            env={**os.environ, "NGINX": f"{descriptor};"},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.terminate()
        try:
            _, errors = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, errors = self._process.communicate()
        self._socket.close()
        if kind is not None:
            print(errors.decode(errors="replace"))  # pytest shows it where a test failed


def nginx() -> str:
    """The path of nginx; without it the test that asks is skipped."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(
            "no nginx: scripts/bootstrap installs it where it may (on Debian and Ubuntu: apt-get install nginx)"
        )
    return found

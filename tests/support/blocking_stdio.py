"""A client over stdio for a server that is a process: it starts it on pipes. Rule: every read has a deadline.

It blocks, as `blocking_http.py` does. The client of `stdio_client.py` has the transport in this process, on streams in
memory.
"""

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.support.messages import Message, encode
from tests.support.server_process import PATIENCE_S, PROBES, ServerProcess


class StdioServer(ServerProcess):
    """`mcp-runtime serve --stdio` with pipes to both streams. `unread` holds what was read beyond the last line."""

    def __init__(self, *arguments: str, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(
            "--stdio",
            *(arguments or ("--plugin", PROBES)),
            directory=directory,
            environment=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.unread = b""

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def send(self, *messages: Message) -> None:
        """Write messages, a line each."""
        self.send_bytes(b"".join(encode(message) + b"\n" for message in messages))

    def send_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.stdin.write(data)
        self.stdin.flush()

    def receive(self, timeout_s: float = PATIENCE_S) -> Message:
        """The next message. Raises AssertionError where stdout is quiet for so long, or ends."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self.unread:
            chunk = self._read(max(0.0, deadline - time.monotonic()))
            assert chunk is not None, f"nothing on standard output within {timeout_s:g} s; stderr: {self.errors.text}"
            assert chunk, f"standard output has ended; stderr: {self.errors.text}"
            self.unread += chunk
        line, _, self.unread = self.unread.partition(b"\n")
        return dict(json.loads(line))

    def ask(self, message: Message) -> Message:
        """Send a request and wait for the next message, which has to be its response."""
        self.send(message)
        response = self.receive()
        assert response.get("id") == message["id"], response
        return response

    def close_stdin(self) -> float:
        """End its input. Returns the time that was at, for `ended_after_s`."""
        closed = time.monotonic()
        self.stdin.close()
        return closed

    def read_to_end(self, timeout_s: float = PATIENCE_S) -> bytes:
        """Everything it still writes, until it closes its standard output."""
        deadline = time.monotonic() + timeout_s
        while True:
            chunk = self._read(max(0.0, deadline - time.monotonic()))
            assert chunk is not None, "standard output does not end"
            if not chunk:
                rest, self.unread = self.unread, b""
                return rest
            self.unread += chunk

    def _read(self, timeout_s: float) -> bytes | None:
        ready, _, _ = select.select([self.stdout], [], [], timeout_s)
        return os.read(self.stdout.fileno(), 65_536) if ready else None

"""What a client sends over HTTP, read off its HTTP library's log. Rule: method, path and status; no client is changed."""

import logging
from typing import Any
from urllib.parse import urlsplit

import anyio


class WireLog(logging.Handler):
    """Requests in the order in which they are answered, as (method, path, status)."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str, int]] = []
        self._stream_answered = anyio.Event()

    def install(self) -> None:
        """Listen to httpx, which `mcp` 1.x uses, and to httpx2, which 2.x uses."""
        for name in ("httpx", "httpx2"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.INFO)
            logger.propagate = False
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        arguments: Any = record.args
        method, url, _, status = arguments[:4]
        self.requests.append((method, urlsplit(str(url)).path, status))
        if method == "GET":
            self._stream_answered.set()

    async def stream_answered(self, within_s: float) -> None:
        """Wait until the server has answered the GET of the stream that notifications come by."""
        with anyio.move_on_after(within_s):
            await self._stream_answered.wait()

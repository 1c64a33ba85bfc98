"""What clients ask. Rule: the same request and the same check for everybody."""

import http.client
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from tests.benchmarks.lanes import Workload
from tests.benchmarks.server import HttpServer
from tests.benchmarks.wire import (
    HOST,
    INITIALIZE,
    INITIALIZED,
    PATH,
    PATIENCE_S,
    Message,
    legacy,
    legacy_headers,
    modern,
)
from tests.support.messages import encode

PROGRESS_STEPS: Final = 3
_LENGTHS: Final = 7
"""Of a text: coprime to the connections, so that each sends them all."""
_SESSIONS: Final = 16
_REQUESTS_A_SESSION: Final = 64
"""A session may have one request of an id at work at once: wrk must not come round to it too soon."""


def result_of(messages: list[Message]) -> Message:
    """The result among `messages`; empty where there is none."""
    found: Message = {}
    for message in messages:
        found = message.get("result", found)
    return found


def _text(messages: list[Message]) -> Any:
    return [block.get("text") for block in result_of(messages).get("content", [])]


def call(text: str = "hello", *, connections: int = 32) -> Workload:
    """`tools/call` of `echo`, of `text` and some that are longer: no two requests that follow each other are the same."""
    texts = [text + "!" * more for more in range(_LENGTHS)]
    sent = [
        modern("tools/call", {"name": "echo", "arguments": {"text": one}}, id=number)
        for number, one in enumerate(texts, 1)
    ]
    return Workload(
        name="tools/call",
        prepare=lambda _: sent,
        is_right=lambda messages: _text(messages)[:1] in [[one] for one in texts],
        connections=connections,
    )


def listing(least: int = 2) -> Workload:
    """`tools/list`, of at least so many tools on its first page."""
    return Workload(
        name="tools/list",
        prepare=lambda _: [modern("tools/list")],
        is_right=lambda messages: len(result_of(messages).get("tools", [])) >= least,
    )


def progress() -> Workload:
    """`tools/call` of `count`, which reports progress on an event stream and then answers."""
    sent = modern(
        "tools/call", {"name": "count", "arguments": {"times": PROGRESS_STEPS}}, extra_meta={"progressToken": "t"}
    )

    def is_right(messages: list[Message]) -> bool:
        told = [one for one in messages if one.get("method") == "notifications/progress"]
        return len(told) == PROGRESS_STEPS and _text(messages) == ["done"]

    return Workload(name="progress over SSE", prepare=lambda _: [sent], is_right=is_right)


class SessionOpener:
    """Opens sessions of 2025-11-25, all on one connection: what a connection costs is another matter."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def open(self) -> str:
        """A session, initialized; its id. Raises OSError, ValueError where there are none."""
        response, body = self._post(INITIALIZE, None)
        session = response.headers["mcp-session-id"]
        if response.status != 200 or b'"protocolVersion"' not in body:
            raise ValueError(f"initialize was refused: {body[:200]!r}")
        if session is None:
            raise ValueError("there are no sessions here")
        self._post(INITIALIZED, session)
        return str(session)

    def _post(self, message: Message, session: str | None) -> tuple[http.client.HTTPResponse, bytes]:
        self._http.request("POST", PATH, encode(message), {"host": HOST, **legacy_headers(session)})
        response = self._http.getresponse()
        return response, response.read()

    def close(self) -> None:
        """Hang up; the sessions stay."""
        self._http.close()


def legacy_call() -> Workload:
    """`tools/call` of `echo` in sessions of 2025-11-25."""

    def prepare(server: HttpServer) -> Sequence[bytes]:
        with closing(SessionOpener(server.port)) as opener:
            sessions = [opener.open() for _ in range(_SESSIONS)]
        return [
            legacy(
                {
                    "jsonrpc": "2.0",
                    "id": number,
                    "method": "tools/call",
                    "params": {"name": "echo", "arguments": {"text": "hello"}},
                },
                session,
            )
            for number in range(1, _REQUESTS_A_SESSION + 1)
            for session in sessions
        ]

    return Workload(
        name="tools/call in a session", prepare=prepare, is_right=lambda messages: _text(messages) == ["hello"]
    )

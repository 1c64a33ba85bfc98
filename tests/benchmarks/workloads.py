"""What clients ask. Rule: the same request and the same check for everybody."""

from collections.abc import Sequence
from typing import Any, Final

from tests.benchmarks.lanes import Workload
from tests.benchmarks.server import HttpServer
from tests.benchmarks.wire import INITIALIZE, INITIALIZED, Exchange, Message, ask, legacy, modern

PROGRESS_STEPS: Final = 3
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
    """`tools/call` of `echo`."""
    sent = modern("tools/call", {"name": "echo", "arguments": {"text": text}})
    return Workload(
        name="tools/call",
        prepare=lambda _: [sent],
        is_right=lambda messages: _text(messages) == [text],
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


def open_session(port: int) -> str:
    """A session of 2025-11-25, initialized; its id. Raises OSError, ValueError, KeyError."""
    exchange = Exchange(port, legacy(INITIALIZE))
    try:
        if "protocolVersion" not in result_of(list(exchange.messages())):
            raise ValueError("initialize was refused")
        session = exchange.response.headers["mcp-session-id"]
    finally:
        exchange.close()
    if session is None:
        raise ValueError("there are no sessions here")
    ask(port, legacy(INITIALIZED, session))
    return str(session)


def legacy_call() -> Workload:
    """`tools/call` of `echo` in sessions of 2025-11-25."""

    def prepare(server: HttpServer) -> Sequence[bytes]:
        sessions = [open_session(server.port) for _ in range(_SESSIONS)]
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

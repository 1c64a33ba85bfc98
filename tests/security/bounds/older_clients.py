"""Cases of what a client of an older revision may send, hold and leave behind, over any server of HTTP."""

import time
from contextlib import ExitStack
from typing import Final

from tests.security.bounds.peer import SOMEBODY, Answer, Case, Peer, edge
from tests.support.blocking_old_http import SessionClient, initialize, old, old_call
from tests.support.messages import Message


def _session(peer: Peer, revision: str) -> SessionClient:
    return peer.stack.enter_context(SessionClient(peer.url, revision=revision))


def max_calls_per_session(peer: Peer) -> str:
    with SessionClient(peer.url) as busy, SessionClient(peer.url) as other:
        for name in ("one of two", "two of two"):
            busy.open(old_call("hold", name, name=name))
            peer.process.said(f"{name} started")
        answer = Answer(busy.open(old_call("echo", 3, text="x")))
        assert other.status(old_call("echo", 1, text="x")) == 200
    for name in ("one of two", "two of two"):
        peer.process.said(f"{name} cancelled")
    return str(answer.status)


def max_batch_messages(peer: Peer) -> str:
    client = _session(peer, "2025-03-26")
    assert len(Answer(client.open([old("ping", number) for number in range(3)])).message) == 3
    answer = Answer(client.open([old("ping", number) for number in range(4)]))
    return f"{answer.status} with error `{answer.code}`"


def max_batch_answer_bytes(peer: Peer) -> str:
    client = _session(peer, "2025-03-26")
    lengths: list[int] = []

    def is_held(text_bytes: int) -> bool:
        connection = client.open([old_call("echo", 1, text="x" * text_bytes), old("ping", 2)])
        response = connection.response()
        body = response.read()
        held = response.headers.get_content_type() == "application/json"
        if held:
            lengths.append(body.rindex(b',{"jsonrpc"') - len(b"["))
        return held

    edge(is_held, 100, 2000)
    assert max(lengths) in {1023, 1024}
    return "The answers come as events"


def replay_max_events(peer: Peer) -> str:
    client = _session(peer, "2025-11-25")

    def kept(times: int) -> list[object]:
        whole = client.open(old_call("count_up", times, token="t", times=times)).response()
        first_id = next(line for line in whole if line.startswith(b"id:")).decode().removeprefix("id:").strip()
        assert whole.read()
        rest = client.listen(first_id).read().decode()
        return [part for part in ('"progress":1', '"progress":2', '"result"') if part in rest]

    assert kept(1) == ['"progress":1', '"result"']
    assert kept(2) == ['"progress":2', '"result"']
    return "The oldest of the stream goes"


def max_streams(peer: Peer) -> str:
    with ExitStack() as own:

        def opened(address: str | None) -> Answer:
            connection = own.enter_context(peer.connect())
            connection.path = "/sse"
            forwarded = {} if address is None else {"x-forwarded-for": address}
            connection.send_body(b"", {"accept": "text/event-stream", **forwarded}, "GET")
            return Answer(connection)

        assert opened(SOMEBODY).status == 200
        share = opened(SOMEBODY)
        assert opened(None).status == 200
        total = opened(None)
    assert share.fields["retry-after"] == total.fields["retry-after"] == "5"
    return f"{total.status} with `Retry-After`; past a client's share {share.status}"


def answer_timeout_s(peer: Peer) -> str:
    client = _session(peer, "2025-06-18")
    began = time.monotonic()
    *_, last = _messages(client, old_call("ask", 1, name="never answered"))
    assert time.monotonic() - began >= 0.3
    [said] = last["result"]["content"]
    return f"The call fails: `{said['text'][11:25]}`" if last["result"]["isError"] else ""


def _messages(client: SessionClient, message: Message) -> list[Message]:
    return list(client.open(message).messages())


def max_ended_sessions(peer: Peer) -> str:
    first, second, third = (SessionClient(peer.url) for _ in range(3))
    for client in (first, second, third):
        peer.stack.enter_context(client)
    assert [first.end(), second.end()] == [200, 200]
    assert third.status(old("ping", 1)) == 200
    refused = Answer(third.open(initialize("2025-06-18")))
    assert refused.fields["retry-after"] == "60"
    assert third.end() == refused.status
    return f"{refused.status} with `Retry-After` to who would begin or end a session"


SMALL: Final[dict[str, Case]] = {
    "bridges.http_sessions.max_calls_per_session": max_calls_per_session,
    "bridges.http_sessions.max_batch_messages": max_batch_messages,
    "bridges.http_sessions.max_batch_answer_bytes": max_batch_answer_bytes,
    "bridges.http_sessions.replay_max_events": replay_max_events,
    "bridges.http_sse.max_streams": max_streams,
}
"""For a server with small limits."""

SHORT: Final[dict[str, Case]] = {"bridges.clients.answer_timeout_s": answer_timeout_s}
"""For a server with short times."""

LAST: Final[dict[str, Case]] = {"limits.max_ended_sessions": max_ended_sessions}
"""For a server where no other case begins a session: none can be begun afterwards."""

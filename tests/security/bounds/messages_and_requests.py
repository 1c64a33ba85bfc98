"""Cases of what a client may send and have under way, over any server of HTTP."""

import os
import time
from contextlib import ExitStack
from typing import Any, Final

from tests.security.bounds.peer import (
    POST_HEAD,
    SOMEBODY,
    Answer,
    Case,
    Peer,
    edge,
    padded,
    rest_of,
    status_of,
    with_something_to_read,
)
from tests.support.messages import Message, accepted, call, listen, request

ECHO: Final = call("echo", text="one")


def max_body_bytes(peer: Peer) -> str:
    assert peer.post(padded(ECHO, 4096), ECHO).words == "one"
    answer = peer.post(padded(ECHO, 4097), ECHO)
    assert "4096 bytes" in answer.words
    return f"{answer.status}, and the connection is {answer.fields['connection']}"


def max_body_bytes_in_flight(peer: Peer) -> str:
    sent = POST_HEAD + b"content-length: 4096\r\n\r\n{"
    with ExitStack() as own:
        bodies = [own.enter_context(peer.raw(sent)) for _ in range(3)]
        [refused] = with_something_to_read(bodies)
        head = refused.socket.recv(65_536)
        assert b"retry-after: 1\r\n" in head.lower()
        assert with_something_to_read([body for body in bodies if body is not refused], 0) == []
    peer.wait_until(lambda: peer.post(padded(ECHO, 4096), ECHO).status == 200)
    return f"{status_of(head)} with `Retry-After`"


def body_timeout_s(peer: Peer) -> str:
    began = time.monotonic()
    answer = rest_of(peer.raw(POST_HEAD + b"content-length: 100\r\n\r\n{"))
    assert time.monotonic() - began >= 0.3
    return f"{status_of(answer)}, and the connection is closed"


def max_json_values(peer: Peer) -> str:
    def of(values: int) -> Message:
        message = request("prompts/list", extra_meta={"x": [0]})
        return request("prompts/list", extra_meta={"x": [0] * (1 + values - _values(message))})

    assert "result" in peer.ask(of(1000)).message
    answer = peer.ask(of(1001))
    return f"{answer.status} with error `{answer.code}`"


def _values(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = list(value.values()) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType,reportUnknownArgumentType]  # JSON
        return 1 + (sum(map(_values, inner)) or 1)  # pyright: ignore[reportUnknownArgumentType]  # JSON
    return 1


def max_uri_chars(peer: Peer) -> str:
    assert "result" in peer.ask(request("resources/read", {"uri": "note://".ljust(64, "x")})).message
    answer = peer.ask(request("resources/read", {"uri": "note://".ljust(65, "x")}))
    assert "longer than 64 characters" in answer.words
    return f"Error `{answer.code}`"


def forwarded_entries(peer: Peer) -> str:
    def calls(address: str, proxies: int) -> list[str]:
        chain = ", ".join([address, *["10.0.0.1"] * proxies])
        return [peer.ask(ECHO, chain).words for _ in range(4)]

    assert calls("203.0.113.20", 31)[-1].startswith("Too many tool calls")
    assert calls("203.0.113.21", 32) == ["one"] * 4
    return "The client has no address"


def problems_of_a_refusal(peer: Peer) -> str:
    def told(count: int) -> list[str]:
        words = peer.ask(call("total", numbers=["x"] * count)).words
        return [f"numbers.{at}" for at in range(count) if f"numbers.{at}" in words or f"numbers[{at}]" in words]

    assert (len(told(5)), len(told(6))) == (5, 5)
    return "The others are not named"


def max_concurrent_requests(peer: Peer) -> str:
    with ExitStack() as own:

        def held(name: str, address: str | None) -> None:
            own.enter_context(peer.sent(call("hold", name=name), address))
            peer.process.said(f"{name} started")

        held("a", SOMEBODY)
        held("b", SOMEBODY)
        share = peer.ask(ECHO, SOMEBODY)
        held("c", None)
        held("d", None)
        total = peer.ask(ECHO)
        assert total.fields["retry-after"] == "1"
    for name in "abcd":
        peer.process.said(f"{name} cancelled")
    return f"{total.status} with `Retry-After`; past a client's share {share.status}"


def max_threads(peer: Peer) -> str:
    """A thread is held until its function ends, though the time of its call is over before."""
    written, waited_for = peer.directory / "written", [peer.directory / name for name in "xy"]
    written.write_text("told")
    for number, fifo in enumerate(waited_for):
        os.mkfifo(fifo)
        calling = peer.sent(call("hold_until_told", name=f"thread {number}", fifo=str(fifo)))
        peer.process.said(f"thread {number} started")
        assert "Timed out" in str(calling.answer())
    late = peer.ask(call("hold_until_told", name="one too many", fifo=str(written))).words
    assert "one too many started" not in peer.process.errors.text
    for fifo in waited_for:
        fifo.write_text("go on")
    peer.wait_until(lambda: peer.ask(call("hold_until_told", name="next", fifo=str(written))).words == "told")
    assert "Timed out" in late
    return "The call waits for one, within its time"


def handler_timeout_s(peer: Peer) -> str:
    assert peer.ask(call("linger", seconds=0.0)).words == "done"
    began = time.monotonic()
    answer = peer.ask(call("hold", name="for long"))
    assert time.monotonic() - began >= 0.5
    assert answer.message["result"]["isError"]
    return f"The call ends: `{answer.words[:9]}`"


def tool_calls_per_minute(peer: Peer) -> str:
    assert [peer.ask(ECHO, "203.0.113.30").words for _ in range(3)] == ["one"] * 3
    answer = peer.ask(ECHO, "203.0.113.30")
    assert peer.ask(ECHO, "203.0.113.31").words == "one"
    return f"A result with `isError`: `{answer.words.partition(';')[0]}`" if answer.message["result"]["isError"] else ""


def completions_per_minute(peer: Peer) -> str:
    topic = {"ref": {"type": "ref/prompt", "name": "first"}, "argument": {"name": "topic", "value": "x"}}
    answers = [peer.ask(request("completion/complete", topic), "203.0.113.32") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3].fields["retry-after"]) >= 1
    return f"{answers[3].status} with `Retry-After`"


def max_notifications_per_second(peer: Peer) -> str:
    def told(times: int) -> list[int]:
        messages = peer.sent(call("count_up", times=times, meta={"progressToken": "t"})).messages()
        return [message["params"]["progress"] for message in messages if "params" in message]

    assert told(3) == [1, 2, 3]
    first, second, third, next_told, *_ = more = told(1000)
    assert (first, second, third, more[-1]) == (1, 2, 3, 1000)
    assert next_told > 4
    return "Of progress the latest is held back"


def page_size(peer: Peer) -> str:
    exact = peer.ask(request("prompts/list")).message["result"]
    assert len(exact["prompts"]) == 3
    assert "nextCursor" not in exact
    more = peer.ask(request("tools/list")).message["result"]
    assert len(more["tools"]) == 3
    return f"The rest is behind `{next(key for key in more if key == 'nextCursor')}`"


def max_subscriptions(peer: Peer) -> str:
    with ExitStack() as own:

        def opened(address: str | None) -> Answer:
            return Answer(own.enter_context(peer.sent(listen(), address)))

        peer.wait_until(lambda: opened(SOMEBODY).status == 200)  # What other cases had open is closed.
        share = opened(SOMEBODY)
        peer.wait_until(lambda: opened(None).status == 200)
        total = opened(None)
    assert share.fields["retry-after"] == total.fields["retry-after"] == "5"
    return f"{total.status} with `Retry-After`; past a client's share {share.status}"


def _listening(peer: Peer, uris: list[str]) -> int | None:
    """The code of the refusal to listen for these."""
    answers: list[int | None] = []

    def is_told() -> bool:
        with peer.sent(listen(resourceSubscriptions=uris)) as connection:
            if connection.response().status == 503:
                return False  # What other cases had open is not closed yet.
            first = next(connection.messages())
            answers.append(first["error"]["code"] if "error" in first else None)
            return True

    peer.wait_until(is_told)
    return answers[0]


def max_subscription_uris(peer: Peer) -> str:
    assert _listening(peer, ["note://a", "note://b", "note://c"]) is None
    return f"Error `{_listening(peer, ['note://a', 'note://b', 'note://c', 'note://d'])}`"


def max_subscription_chars(peer: Peer) -> str:
    assert _listening(peer, ["note://a".ljust(50, "x"), "note://b".ljust(50, "x")]) is None
    return f"Error `{_listening(peer, ['note://a'.ljust(50, 'x'), 'note://b'.ljust(51, 'x')])}`"


def _answered(peer: Peer, message: Message) -> str:
    """What the call says after its questions were answered, as often as it asks."""
    answer = peer.ask(message)
    while answer.message["result"].get("resultType") == "input_required":
        asked = answer.message["result"]
        again = {key: value for key, value in message["params"].items() if key != "_meta"}
        again["inputResponses"] = {key: accepted(word="x") for key in asked["inputRequests"]}
        again["requestState"] = asked["requestState"]
        answer = peer.ask(request("tools/call", again))
    return answer.words


def max_input_rounds(peer: Peer) -> str:
    assert _answered(peer, call("ask_again", times=2)) == "asked"
    said = _answered(peer, call("ask_again", times=3))
    return f"The call fails: `{said[said.index('asked for') :].partition(' 2 times')[0]}`"


def max_input_requests(peer: Peer) -> str:
    assert _answered(peer, call("ask_at_once", count=3)) == "asked"
    said = _answered(peer, call("ask_at_once", count=4))
    return f"The call fails: `{said[said.index('questions') :].partition(';')[0]}`"


def max_request_state_bytes(peer: Peer) -> str:
    def state_bytes(size_bytes: int) -> int:
        result = peer.ask(call("remember", size_bytes=size_bytes)).message["result"]
        return len(result.get("requestState", ""))

    most = edge(lambda size: state_bytes(size) > 0, 0, 1024)
    assert 1024 - 4 < state_bytes(most) <= 1024
    said = peer.ask(call("remember", size_bytes=most + 1)).words
    return f"The call fails: `{said[said.index('the request state') :].partition(' take ')[0]} take`"


SMALL: Final[dict[str, Case]] = {
    "limits.max_body_bytes": max_body_bytes,
    "limits.max_body_bytes_in_flight": max_body_bytes_in_flight,
    "limits.max_json_values": max_json_values,
    "limits.max_uri_chars": max_uri_chars,
    "entries of `http.forwarded_header`": forwarded_entries,
    "problems of a refusal": problems_of_a_refusal,
    "limits.max_concurrent_requests": max_concurrent_requests,
    "limits.tool_calls_per_minute": tool_calls_per_minute,
    "limits.completions_per_minute": completions_per_minute,
    "limits.max_notifications_per_second": max_notifications_per_second,
    "limits.page_size": page_size,
    "limits.max_subscriptions": max_subscriptions,
    "limits.max_subscription_uris": max_subscription_uris,
    "limits.max_subscription_chars": max_subscription_chars,
    "limits.max_input_rounds": max_input_rounds,
    "limits.max_input_requests": max_input_requests,
    "limits.max_request_state_bytes": max_request_state_bytes,
}
"""For a server with small limits."""

SHORT: Final[dict[str, Case]] = {
    "limits.body_timeout_s": body_timeout_s,
    "limits.max_threads": max_threads,
    "limits.handler_timeout_s": handler_timeout_s,
}
"""For a server with short times."""

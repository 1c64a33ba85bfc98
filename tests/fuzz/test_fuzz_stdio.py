"""Hostile clients on stdin: every line written is a message, every request gets one answer, the next line works.

MCP_FUZZ_EXAMPLES=5000 makes a long run with new examples; without it the run is short and the same every time.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import Verdict, changed, cuts, fuzz, judge, noise, pieces
from tests.support.clocks import run
from tests.support.messages import Message, encode, notification, request
from tests.support.settings import settings
from tests.support.stdio_client import StdioClient
from tests.support.wires import connect

SMALL = settings(limits={"max_line_bytes": 5000}, stdio={"eof_grace_s": 0.5})


def converse(write: Callable[[StdioClient], Any]) -> list[Message]:
    """Everything that came back, to the end of a conversation; in the middle of it the server still works."""
    heard: list[Message] = []

    async def talk() -> None:
        async with connect("stdio", SMALL) as client:
            assert isinstance(client, StdioClient)
            await write(client)
            await trio.sleep(1000)  # calls that take a while have ended
            assert not client.ended.is_set()
            before = len(client.lines)
            await client.write(b"\n" + encode(request("server/discover", id="still here?")) + b"\n")
            await client.settle()
            answers = [line for line in client.lines[before:] if line.get("id") == "still here?"]
            assert len(answers) == 1
            assert "result" in answers[0]
            await client.end_input()
            await client.ended.wait()
            await client.settle()
            heard.extend(line for line in client.lines if line.get("id") != "still here?")

    run("trio", talk)
    return heard


def tally(lines: list[bytes]) -> tuple[Counter[tuple[type, Any]], list[Verdict]]:
    """The ids of the requests in `lines`, how often each; and what every line is."""
    verdicts = [judge(line) for line in lines if line.strip()]
    return Counter((type(verdict.id), verdict.id) for verdict in verdicts if verdict.kind == "request"), verdicts


def check(lines: list[bytes], heard: list[Message]) -> None:
    """Every request is answered, once; what is no message gets an error; notifications get nothing."""
    long = [line for line in lines if len(line) > 5000]
    lines = [line for line in lines if len(line) <= 5000]
    requests, verdicts = tally(lines)
    responses = [message for message in heard if "method" not in message]
    answered = Counter((type(message["id"]), message["id"]) for message in responses if "id" in message)
    assert all(answered[id_] >= count for id_, count in requests.items())
    kinds = Counter(verdict.kind for verdict in verdicts)
    least = kinds["request"] + kinds["refused"] + len(long)
    assert least <= len(responses) <= least + kinds["unsure"]


def one_line(data: bytes) -> bytes:
    """`data` without line breaks."""
    return data.replace(b"\n", b" ").replace(b"\r", b" ")


@given(data=st.lists(noise.map(one_line), min_size=1, max_size=8), where=cuts)
@fuzz
def test_noise_is_refused_line_by_line(data: list[bytes], where: list[int]) -> None:
    # A whole line first: noise may be all blanks, which is no message.
    lines = [line for line in data if not _cancels(line)]

    async def write(client: StdioClient) -> None:
        for piece in pieces(b"".join(line + b"\n" for line in lines), where):
            await client.write(piece)
            await client.settle()

    check(lines, converse(write))


@given(messages=st.lists(changed(), min_size=1, max_size=10), where=cuts)
@fuzz
def test_changed_messages_are_answered_under_their_ids(messages: list[Any], where: list[int]) -> None:
    lines = [encode(message) for message in messages]
    lines = [line for line in lines if not _cancels(line)]

    async def write(client: StdioClient) -> None:
        for piece in pieces(b"".join(line + b"\n" for line in lines), where):
            await client.write(piece)
            await client.settle()

    check(lines, converse(write))


@given(data=st.binary(max_size=3000))
@fuzz
def test_any_bytes_at_all_leave_a_server_that_works(data: bytes) -> None:
    async def write(client: StdioClient) -> None:
        await client.write(data)
        await client.settle()

    converse(write)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["call", "cancel", "listen", "wait"]),
            st.integers(0, 4),
            st.sampled_from(["nap", "tidy", "stubborn", "count", "greet"]),
        ),
        max_size=25,
    )
)
@fuzz
def test_calls_and_cancellations_in_any_order_are_answered_at_most_once(steps: list[tuple[str, int, str]]) -> None:
    async def write(client: StdioClient) -> None:
        for action, id_, tool in steps:
            match action:
                case "call":
                    params = {"name": tool, "arguments": {"seconds": id_} if tool == "nap" else {}}
                    await client.write(
                        encode(request("tools/call", params, id=id_, extra_meta={"progressToken": id_})) + b"\n"
                    )
                case "cancel":
                    await client.write(encode(notification("notifications/cancelled", {"requestId": id_})) + b"\n")
                case "listen":
                    await client.write(encode(request("subscriptions/listen", {"notifications": {}}, id=id_)) + b"\n")
                case _:
                    await trio.sleep(id_)

    heard = converse(write)
    asked = Counter(id_ for action, id_, _ in steps if action in {"call", "listen"})
    answered = Counter(message["id"] for message in heard if "method" not in message)
    assert all(answered[id_] <= count for id_, count in asked.items())
    assert set(answered) <= set(asked)


def _cancels(line: bytes) -> bool:
    """Whether a line may cancel another one's request: then nobody owes that an answer."""
    return b"notifications/cancelled" in line and b'"none"' not in line

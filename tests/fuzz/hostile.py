"""What a hostile or broken client may send: noise, valid messages with parts changed, and what must come back for it."""

import copy
import itertools
import json
import os
from dataclasses import dataclass
from typing import Any, Final, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.support.messages import LOG_LEVEL, Message, accepted, encode, notification, request

EXAMPLES: Final = int(os.environ.get("MCP_FUZZ_EXAMPLES", "0"))
"""How many examples a test makes; 0, unless set, for a short run that is the same every time."""

fuzz: Final = settings(
    max_examples=EXAMPLES or 40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

VALID: Final[list[Message]] = [
    request("server/discover", id=1),
    request("tools/list", {"cursor": None}, id="list"),
    request("tools/call", {"name": "echo", "arguments": {"text": "hello"}}, id=2),
    request("tools/call", {"name": "weather", "arguments": {"city": "Ulm", "days": 2}}, id=3),
    request(
        "tools/call", {"name": "regional", "arguments": {"query": "q", "region": "eu", "count": 7, "dry": True}}, id=4
    ),
    request("tools/call", {"name": "count", "arguments": {"steps": 2}}, id=5, extra_meta={"progressToken": "t"}),
    request("tools/call", {"name": "chat", "arguments": {}}, id=6, extra_meta={LOG_LEVEL: "debug"}),
    request("tools/call", {"name": "greet", "inputResponses": {"user_name": accepted(name="Ada")}}, id=7),
    request("tools/call", {"name": "interview", "requestState": "v1.AAAA"}, id=8),
    request("tools/call", {"name": "nap", "arguments": {"seconds": 1}}, id=9),
    request("resources/list", id=10),
    request("resources/templates/list", id=11),
    request("resources/read", {"uri": "users://7/profile"}, id=12),
    request("resources/read", {"uri": "file:///srv/a/b"}, id=13),
    request("prompts/list", id=14),
    request("prompts/get", {"name": "review", "arguments": {"code": "x", "language": "rust"}}, id=15),
    request(
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "review"},
            "argument": {"name": "language", "value": "p"},
            "context": {"arguments": {}},
        },
        id=16,
    ),
    request(
        "subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a:b"]}}, id=17
    ),
    notification("notifications/cancelled", {"requestId": "none", "reason": "enough"}),
    {
        "jsonrpc": "2.0",
        "id": 18,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}},
    },
    {"jsonrpc": "2.0", "id": 19, "result": {}},
    {"jsonrpc": "2.0", "id": 20, "error": {"code": -1, "message": "no"}},
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**53, max_value=2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "2.0",
            "2026-07-28",
            "2025-11-25",
            "tools/call",
            "echo",
            "note://text",
            "..",
            "\0",
            "\u2028",
            "__proto__",
            "$ref",
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]  # JSON
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A valid message with some of its parts replaced, removed, wrapped or moved."""
    message: Any = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from(_places(message)[1:] or [("x",)]))
        parent = message
        for key in path:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "wrap", "rename"])):
            case "replace":
                parent[last] = draw(values)
            case "remove":
                del parent[last]
            case "wrap":
                parent[last] = [parent[last]]
            case "rename" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = parent.pop(last)
            case _:
                parent[last] = None
        if not isinstance(message, dict):
            break
    return message


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The bytes of a message with some of them flipped, dropped, doubled or cut off."""
    data = bytearray(encode(draw(changed())))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        start = draw(st.integers(0, len(data) - 1))
        end = min(len(data), start + draw(st.integers(1, 8)))
        match draw(st.sampled_from(["flip", "drop", "double", "insert", "cut", "twice"])):
            case "flip":
                data[start] ^= draw(st.integers(1, 255))
            case "drop":
                del data[start:end]
            case "double":
                data[start:start] = data[start:end]
            case "insert":
                data[start:start] = draw(st.binary(max_size=6))
            case "cut":
                del data[start:]
            case _:
                data[:1] = b'{"id":99,"id":98,'
    return bytes(data)


deep = st.builds(
    lambda version, depth, tail: (
        b'{"jsonrpc":"%s","id":1,"method":"x","params":{"a":%s}}%s' % (version, b"[" * depth + b"]" * depth, tail)
    ),
    st.sampled_from([b"1.0", b"2.0"]),
    st.integers(1, 3000),
    st.sampled_from([b"", b"]"]),
)
noise = st.one_of(
    st.binary(max_size=200),
    deep,
    st.text(max_size=100).map(str.encode),
    values.map(lambda value: json.dumps(value).encode()),
    damaged(),
)

Kind = Literal["request", "notification", "refused", "unsure"]


@dataclass(frozen=True)
class Verdict:
    """What bytes are by the book: a request under `id`, a notification, or neither; "unsure" where parsers differ."""

    kind: Kind
    id: Any = None


def judge(data: bytes) -> Verdict:
    """What must come back for `data`: an answer under its id, nothing, or an error."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Verdict("refused")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (OverflowError, RecursionError):
        return Verdict("unsure")
    except ValueError:
        # Python's parser takes some blanks and refuses some escapes that others do not.
        return Verdict("unsure" if "\\u" in text else "refused")
    if "\\ud" in text.lower() or not isinstance(value, dict):
        return Verdict("unsure" if isinstance(value, dict) else "refused")
    return _judge_message(value)  # pyright: ignore[reportUnknownArgumentType]  # JSON


def _judge_message(value: Message) -> Verdict:
    method, id_, params = value.get("method"), value.get("id"), value.get("params", {})
    if value.get("jsonrpc") != "2.0" or not isinstance(method, str):
        return Verdict("refused")
    if "id" not in value:
        return Verdict("notification")
    named = isinstance(id_, int | str) and not isinstance(id_, bool)
    return Verdict("request", id_) if named and isinstance(params, dict) else Verdict("refused")


def _no_constant(_: str) -> None:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise OverflowError
    return number


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data`, cut at these places."""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


cuts = st.lists(st.integers(0, 2000), max_size=4)

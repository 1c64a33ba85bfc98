"""What one client sends to be read costs the others no more than its bytes, whether it fits or not."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, call, encode, headers_for, request, text
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.process

KINDS: Final = str(Path(__file__).parent / "plugins" / "argument_kinds.py")
MIB: Final = 1024 * 1024
MANY: Final[dict[str, Any]] = {"numbers": [], **{f"a{number}": 0 for number in range(100_000)}}
LONG_URI: Final = "parts://" + "-" * 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    directory = tmp_path_factory.mktemp("arguments")
    with ServerProcess("--plugin", KINDS, "--bind", "127.0.0.1:0", directory=directory) as server:
        ask(server.url, call("total", numbers=["x"]))  # Imports what explains.
        yield server
        assert text(ask(server.url, call("total", numbers=[1, 2]))) == "3"
        assert "Traceback" not in server.errors.text


def nested(depth: int, leaf: object, **more: object) -> Any:
    value = leaf
    for _ in range(depth):
        value = {"child": value, **more}
    return value


def peak_bytes(server: ServerProcess) -> int:
    (line,) = [line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def cpu_s(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def refused(server: ServerProcess, message: Message) -> str:
    answer = ask(server.url, message)
    if "error" in answer:
        return str(answer["error"]["message"])
    assert answer["result"]["isError"] is True
    return text(answer)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(call("total", numbers=[""] * 200_000), id="plain items"),
        pytest.param(call("closed", models=[{}] * 60_000), id="models"),
        pytest.param(call("closed", models=[{f"a{i}": 0 for i in range(100_000)}]), id="members of a model"),
        pytest.param(call("identified", ids=["x"] * 200_000), id="texts that no schema judges"),
        pytest.param(call("total", **MANY), id="unknown arguments"),
        pytest.param(call("raw_tree", node=[""] * 200_000), id="a raw schema"),
        pytest.param(
            request("prompts/get", {"name": "counted", "arguments": {f"a{i}": "" for i in range(100_000)}}), id="texts"
        ),
    ],
)
def test_a_refusal_takes_a_small_multiple_of_the_bytes_that_are_refused(
    server: ServerProcess, message: Message
) -> None:
    sent = len(encode(message))
    before = peak_bytes(server)
    assert len(refused(server, message)) < 4000
    assert peak_bytes(server) - before < 4 * MIB + 40 * sent


@pytest.mark.parametrize("depth", [15, 100])
@pytest.mark.parametrize(
    ("tool", "more"), [("tree", {}), ("raw_tree", {"kind": "a"}), ("raw_tree", {"kind": "c"}), ("tree", {"label": ""})]
)
def test_a_tree_of_two_readings_is_refused_at_once_at_any_depth(
    server: ServerProcess, tool: str, more: dict[str, Any], depth: int
) -> None:
    before_bytes, before_s = peak_bytes(server), cpu_s(server)
    assert refused(server, call(tool, node=nested(depth, "no number", **more))).startswith("Invalid arguments: `node")
    assert peak_bytes(server) - before_bytes < 16 * MIB
    assert cpu_s(server) - before_s < 2


def test_a_tree_that_fits_is_read_as_far_as_reading_stays_in_proportion(server: ServerProcess) -> None:
    assert text(ask(server.url, call("tree", node=nested(8, 1)))) == "Left"
    assert "nested too deeply" in refused(server, call("tree", node=nested(30, 1)))


def test_a_schema_that_decides_alone_takes_a_tree_of_any_depth(server: ServerProcess) -> None:
    assert text(ask(server.url, call("raw_tree", node=nested(200, 1, kind="a")))) == "read"


def crowd(values: str, times: int) -> bytes:
    """A call with `values` so many times in a list."""
    return encode(call("total", 7, numbers=["HERE"])).replace(b'"HERE"', ",".join([values] * times).encode())


@pytest.mark.parametrize(
    ("values", "times"),
    [("[]", 300_000), ("{}", 300_000), ('{"a":{}}', 200_000), ("0", 501_000), ('"\\",[",[]', 200_000)],
)
def test_a_message_of_too_many_values_is_413_with_its_id(server: ServerProcess, values: str, times: int) -> None:
    body = crowd(values, times)
    before = peak_bytes(server)
    with Connection(server.url) as connection:
        connection.send_body(body, headers_for(call("total")))
        response = connection.response()
        assert response.status == 413
        error = json.loads(response.read())
    assert (error["error"]["code"], error["id"]) == (-32600, 7)
    assert "500000 JSON values" in error["error"]["message"]
    assert peak_bytes(server) - before < 6 * len(body)


def test_an_honest_message_of_four_megabytes_is_read(server: ServerProcess) -> None:
    numbers = [123_456_789] * 400_000
    message = call("total", numbers=numbers)
    assert len(encode(message)) > 3.8 * MIB
    assert text(ask(server.url, message)) == str(sum(numbers))


def test_what_looks_like_values_in_a_text_is_none(server: ServerProcess) -> None:
    assert "numbers" in refused(server, call("total", numbers='[{,"' * 600_000))


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Generator[StdioServer]:
    with StdioServer("--plugin", KINDS, directory=tmp_path_factory.mktemp("console")) as server:
        yield server


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": LONG_URI}),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": LONG_URI}, "argument": {"name": "a", "value": ""}},
        ),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": [LONG_URI]}}),
    ],
)
def test_a_uri_of_a_megabyte_is_refused_before_it_is_matched(
    console: StdioServer, method: str, params: dict[str, Any]
) -> None:
    error = console.ask(request(method, params))["error"]
    assert (error["code"], error["message"]) == (-32602, "Invalid params: a URI is longer than 8192 characters")


def test_over_stdio_a_line_of_too_many_values_is_refused_with_its_id(console: StdioServer) -> None:
    console.send_bytes(crowd("[]", 300_000) + b"\n")
    answer = console.receive()
    assert (answer["error"]["code"], answer["id"]) == (-32600, 7)
    assert "500000 JSON values" in answer["error"]["message"]


def test_a_batch_of_too_many_values_is_refused_whole(console: StdioServer) -> None:
    console.send_bytes(b"[" + b"[]," * 300_000 + b"[]]\n")
    answer = console.receive()
    assert "500000 JSON values" in answer["error"]["message"]
    assert console.ask(request("resources/read", {"uri": "parts://1-2-3-4/5"}, id=3))["result"]

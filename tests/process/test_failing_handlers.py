"""Whatever a function of a plugin raises ends its own call, with an incident, and nothing else.

Kinds of failures, times places, times wires. Beside each of them another call is at work, and is answered.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pytest

from tests.process.asgi_server import AsgiServer
from tests.process.failing_wires import HttpWire, SseWire, StdioWire, Wire
from tests.process.plugins.failures import CALM, KINDS
from tests.process.test_asgi_servers import COMMANDS
from tests.support.blocking_http import Connection
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.process

PLUGIN: Final = str(Path(__file__).with_name("plugins") / "failures.py")
INCIDENT: Final = re.compile(r"Internal error \(incident [0-9a-f]{8}; the server's log has the details\)")
TOOLS: Final = (
    "tool_async",
    "tool_sync",
    "tool_in_a_nursery",
    "tool_with_context",
    "memo",
    "memo_in_a_thread",
    "on_the_asyncio_thread",
    "in_a_task_of_the_asyncio_thread",
    "while_it_ends",
    "value_of_a_result",
    "value_of_a_log_event",
    "generator_as_a_result",
    "validator_of_an_argument",
)


class Place(NamedTuple):
    """A request that has a function of the plugin fail: its method, and its params for a kind of failure."""

    method: str
    params: Callable[[str], Message]


def _tool(name: str, kind: str) -> Message:
    return {"name": name, "arguments": {"kind": kind}}


def _resource(how: str, kind: str) -> Message:
    return {"uri": f"failures://{how}/{quote(kind)}"}


def _prompt(name: str, kind: str) -> Message:
    return {"name": name, "arguments": {"kind": kind}}


def _completion(ref: Message, kind: str) -> Message:
    return {"ref": ref, "argument": {"name": "kind", "value": kind}}


PLACES: Final[Mapping[str, Place]] = {
    **{name: Place("tools/call", partial(_tool, name)) for name in TOOLS},
    **{f"resource_{how}": Place("resources/read", partial(_resource, how)) for how in ("async", "sync")},
    **{name: Place("prompts/get", partial(_prompt, name)) for name in ("prompt_async", "prompt_sync")},
    "completion": Place("completion/complete", partial(_completion, {"type": "ref/prompt", "name": "prompt_async"})),
    "completion_in_a_thread": Place(
        "completion/complete", partial(_completion, {"type": "ref/resource", "uri": "failures://async/{kind}"})
    ),
}

CALMED: Final = {
    # An event is written without what cannot be.
    *(("value_of_a_log_event", kind) for kind in KINDS),
    # What Python, and what nurseries, take for an ordinary end.
    ("while_it_ends", "GeneratorExit"),
    ("tool_in_a_nursery", "trio.Cancelled"),
}
"""Where nothing fails after all."""

REFUSED: Final = ("validator_of_an_argument", "ValueError")
"""What is the client's failure: a validator's way to refuse an argument."""

BEYOND_US: Final = {
    # trio stops with an error of its own where it cannot show what a task in a nursery raised.
    ("tool_in_a_nursery", "deep_group"),
    ("tool_in_a_nursery", "SpeechlessError"),
    ("tool_in_a_nursery", "SpeechlessToolError"),
}
BEYOND_ASYNCIO: Final = {
    # asyncio leaves its loop where a task of an author's raises one of these, and takes the third for no failure.
    ("tool_in_a_nursery", "SystemExit"),
    ("tool_in_a_nursery", "KeyboardInterrupt"),
    ("tool_in_a_nursery", "asyncio.CancelledError"),
}

Connect = Callable[[], Wire]
Servers = dict[str, Connect]
WIRES: Final = ("stdio", "stdio handshake", "HTTP", "session", "HTTP+SSE", "uvicorn")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    """One process for all wires of stdio, one for those of HTTP, one with asyncio."""
    with ExitStack() as stack:
        stdio, old_stdio = (
            stack.enter_context(StdioServer("--plugin", PLUGIN, directory=tmp_path_factory.mktemp("stdio")))
            for _ in range(2)
        )
        here = tmp_path_factory.mktemp("http")
        http = stack.enter_context(ServerProcess("--plugin", PLUGIN, "--bind", "127.0.0.1:0", directory=here))
        asgi = stack.enter_context(
            AsgiServer(COMMANDS["uvicorn"], tmp_path_factory.mktemp("asgi"), {"MCP_RUNTIME_PLUGINS": PLUGIN})
        )
        asgi.wait_until_up()
        wires: dict[str, Wire] = {
            "stdio": StdioWire(stdio, is_old=False),
            "stdio handshake": StdioWire(old_stdio, is_old=True),
        }
        yield {
            **{name: partial(wires.__getitem__, name) for name in wires},
            "HTTP": partial(HttpWire, connect=partial(Connection, http.url), is_old=False),
            "session": partial(HttpWire, connect=partial(Connection, http.url), is_old=True),
            "HTTP+SSE": partial(SseWire, http.url),
            "uvicorn": partial(HttpWire, connect=asgi.connect, is_old=False),
        }
        for server in (stdio, old_stdio, http, asgi):
            assert server.process.poll() is None


@pytest.fixture(params=WIRES)
def wire_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def wire(wire_name: str, servers: Servers) -> Generator[Wire]:
    with closing(servers[wire_name]()) as wire:
        yield wire


def _ask(wire: Wire, request_id: str, method: str, params: Message) -> Message:
    wire.start(request_id, method, **params)
    return wire.wait(request_id)


def _text(answer: Message) -> Any:
    return answer["result"]["content"][0]["text"]


def _is_incident(place: Place, answer: Message) -> bool:
    if place.method == "tools/call":
        return bool(answer["result"].get("isError")) and INCIDENT.fullmatch(_text(answer)) is not None
    return answer["error"]["code"] == -32603 and INCIDENT.fullmatch(answer["error"]["message"]) is not None


@pytest.mark.parametrize("name", PLACES)
def test_whatever_is_raised_fails_its_own_call_alone(name: str, wire_name: str, wire: Wire) -> None:
    place = PLACES[name]
    wire.start("held", "tools/call", name="hold", arguments={"name": f"{wire_name} {name}"})
    calm = _ask(wire, CALM, place.method, place.params(CALM))
    assert CALM in str(calm["result"]), calm
    assert calm["result"].get("isError") is not True
    beyond = BEYOND_US | (BEYOND_ASYNCIO if wire_name == "uvicorn" else set())
    calmed = CALMED - ({("tool_in_a_nursery", "trio.Cancelled")} if wire_name == "uvicorn" else set())
    for kind in KINDS:
        if (name, kind) in beyond or (name, kind) == REFUSED:
            continue
        answer = _ask(wire, kind, place.method, place.params(kind))
        if (name, kind) in calmed:
            assert CALM in str(answer["result"]), (kind, answer)
        else:
            assert _is_incident(place, answer), (kind, answer)
    _ask(wire, "release", "tools/call", {"name": "release", "arguments": {"name": f"{wire_name} {name}"}})
    assert _text(wire.wait("held")) == f"{wire_name} {name} was released"


@pytest.mark.parametrize("wire_name", [name for name in WIRES if name != "uvicorn"])  # which sees to it itself
@pytest.mark.parametrize("tool", ["open_scope", "generator_left_early"])
def test_a_scope_that_is_left_open_ends_no_call_but_its_own(tool: str, wire_name: str, servers: Servers) -> None:
    with closing(servers[wire_name]()) as other:
        other.start("held", "tools/call", name="hold", arguments={"name": f"{wire_name} {tool}"})
        for attempt in range(3):
            with closing(servers[wire_name]()) as wire:
                answer = _ask(wire, f"leaves {attempt}", "tools/call", _tool(tool, CALM))
                assert _text(answer) == CALM or _is_incident(PLACES["tool_async"], answer)
        _ask(other, "release", "tools/call", {"name": "release", "arguments": {"name": f"{wire_name} {tool}"}})
        assert _text(other.wait("held")) == f"{wire_name} {tool} was released"

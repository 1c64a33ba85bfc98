"""Raw clients of the older revisions on the wires that are a conversation: stdio, and a stream of HTTP+SSE.

Rule: they check nothing. Whatever the server says lies in `RawWireClient.inbox` until a test takes it out; a client that
holds each message to its revision is in `old_client.py`. ADR 0027.

    @over_old_wires()
    async def test_something_holds(old: RawWireClient) -> None: ...

becomes three tests: stdio, HTTP+SSE on trio, HTTP+SSE on asyncio.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any, Final, Literal
from urllib.parse import urljoin, urlsplit

import anyio
import trio
import trio.testing

from mcp_bridges.attach import AttachedBridges
from mcp_bridges.gate.port import Gate, HeaderFields, Refusal, Sighting, Verdict
from mcp_runtime.assembly.compose import build_core, build_runtime
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import Config
from mcp_runtime.state.engines import State
from mcp_runtime.transports.stdio.transport import Stdio
from tests.support.asgi import Exchange, Response
from tests.support.clocks import Backend, run
from tests.support.fixture_plugin import make_plugin
from tests.support.http_client import HttpClient, http_client
from tests.support.legacy_messages import INITIALIZED, is_response_to, old, opening
from tests.support.messages import Message, encode
from tests.support.old_events import Event, OldEventReader
from tests.support.quick_build import quick_build
from tests.support.settings import settings
from tests.support.wires import Journal, MakePlugin, spread

Wire = Literal["stdio", "sse-trio", "sse-asyncio"]
SSE: Final[tuple[Wire, ...]] = ("sse-trio", "sse-asyncio")
WIRES: Final[tuple[Wire, ...]] = ("stdio", *SSE)


class RawWireClient(ABC):
    """A raw client on one wire. `journal` is what the fixture plugin wrote down."""

    def __init__(self, runtime: Runtime, journal: list[str]) -> None:
        self.runtime = runtime
        self.journal = journal
        self.inbox: list[Any] = []
        self.ids = count(1001)  # out of the way of ids that tests choose
        self.reading = anyio.Event()
        """Cleared by `stall`: then what the server says stays where it is."""
        self.reading.set()
        self._changed = anyio.Event()

    @abstractmethod
    async def say(self, *messages: object) -> None:
        """Send messages, each for itself: JSON values, or bytes as they are."""

    @abstractmethod
    async def leave(self) -> None:
        """Go, without a word."""

    def stall(self) -> None:
        """Stop reading."""
        self.reading = anyio.Event()

    def resume(self) -> None:
        """Read on."""
        self.reading.set()

    def receive(self, message: Any) -> None:
        """Something came."""
        self.inbox.append(message)
        self._changed.set()
        self._changed = anyio.Event()

    async def take(self, fits: Callable[[Any], bool]) -> Any:
        """The first message that fits, waiting for it."""
        while True:
            for place, message in enumerate(self.inbox):
                if fits(message):
                    return self.inbox.pop(place)
            await self._changed.wait()

    async def response(self, id: Any) -> Message:
        """The response to the request with this id."""
        return dict(await self.take(lambda message: is_response_to(message, id)))

    async def question(self, method: str | None = None) -> Message:
        """The next request of the server's."""
        return dict(
            await self.take(
                lambda message: "method" in message and "id" in message and method in {None, message["method"]}
            )
        )

    async def notified(self, method: str) -> Message:
        """The params of the next notification with this method."""
        found = await self.take(lambda message: "id" not in message and message.get("method") == method)
        return dict(found["params"])

    async def start(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> Any:
        """Send a request; its id."""
        chosen = next(self.ids) if id is None else id
        await self.say(old(method, params, id=chosen))
        return chosen

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Message:
        """Send a request and wait for its response."""
        return await self.response(await self.start(method, params))

    async def start_tool(self, name: str, /, *, id: Any = None, **arguments: Any) -> Any:
        """Call a tool; the id of the request."""
        return await self.start("tools/call", {"name": name, "arguments": arguments}, id=id)

    async def tool(self, name: str, /, **arguments: Any) -> Message:
        """Call a tool and wait for its response."""
        return await self.response(await self.start_tool(name, **arguments))

    async def open(self, revision: str = "2025-11-25", **changes: Any) -> Message:
        """Initialize, as a well-behaved client does; the result."""
        await self.say(opening(revision, **changes))
        answer = await self.response("init")
        await self.say(INITIALIZED)
        await self.settle()
        return dict(answer["result"])

    async def settle(self) -> None:
        """Wait until everybody waits."""
        await anyio.wait_all_tasks_blocked()

    async def arrived(self) -> list[Any]:
        """All that comes by itself, taken out."""
        await self.settle()
        found, self.inbox[:] = list(self.inbox), []
        return found


class RawStdioClient(RawWireClient):
    """Talks to one Stdio. `ended` is set when its `serve` has returned."""

    def __init__(self, runtime: Runtime, journal: list[str]) -> None:
        super().__init__(runtime, journal)
        config = runtime.config
        assert runtime.bridges is not None
        self._input, theirs = trio.testing.memory_stream_one_way_pair()
        # In lockstep: what the client does not read, the server has not written.
        self._out, self._output = trio.testing.lockstep_stream_one_way_pair()
        self.server = Stdio(
            runtime.dispatcher,
            theirs,
            self._out,
            limits=config.limits,
            eof_grace_s=config.stdio.eof_grace_s,
            bridge=runtime.bridges.stdio,
        )
        self.ended = trio.Event()

    async def serve(self) -> None:
        """Run the server to its end."""
        await self.server.serve()
        self.ended.set()
        await self._out.aclose()

    async def read(self) -> None:
        """Read what it says, line by line."""
        rest = b""
        while True:
            await self.reading.wait()
            chunk = await self._output.receive_some()
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.receive(json.loads(line))
        assert not rest, f"a torn line: {rest!r}"

    async def say(self, *messages: object) -> None:
        lines = [message if isinstance(message, bytes) else encode(message) for message in messages]
        await self._input.send_all(b"".join(line + b"\n" for line in lines))

    async def leave(self) -> None:
        await self._input.aclose()


class RawSseClient(RawWireClient):
    """One stream of HTTP+SSE. `endpoint` is what it was told, `messages_path` and `query` where that leads."""

    def __init__(self, http: HttpClient, stream: Exchange, path: str) -> None:
        super().__init__(http.runtime, http.journal)
        self.http = http
        self.stream = stream
        self.endpoint = ""
        self.messages_path = ""
        self.query = ""
        self.root_path = ""
        self.comments = 0
        self.statuses: list[int] = []
        self.pumped = anyio.Event()
        self._path = path

    async def pump(self) -> None:
        """Read the stream to its end."""
        reader = OldEventReader()
        try:
            while True:
                await self.reading.wait()
                chunk = await self.stream.read()
                if chunk is None:
                    break
                for event in reader.feed(chunk):
                    self._event(event)
                self.comments = reader.comments
        finally:
            self.pumped.set()

    def _event(self, event: Event) -> None:
        if not self.endpoint:
            assert event.name == "endpoint", event
            assert event.data is not None
            self.endpoint = event.data
            found = urlsplit(urljoin(f"http://127.0.0.1:8000{self._path}", self.endpoint))
            self.messages_path, self.query = found.path, found.query
            self.receive({"endpoint": self.endpoint})
            return
        assert event.name == "message", event
        self.receive(event.message)

    async def post(self, body: object, *, query: str | None = None, **options: Any) -> Response:
        """POST a body; the HTTP response to it."""
        chosen = {
            "path": self.messages_path,
            "root_path": self.root_path,
            "raw_headers": {"content-type": "application/json"},
            **options,
        }
        asked = self.query if query is None else query
        async with self.http.exchange(body, query=asked, **chosen) as exchange:
            return await exchange.read_all()

    async def say(self, *messages: object) -> None:
        for message in messages:
            response = await self.post(message)
            self.statuses.append(response.status)
            if response.status != 202 and response.body:
                self.receive(json.loads(response.body))

    async def leave(self) -> None:
        self.stream.disconnect()


@asynccontextmanager
async def old_stdio(runtime: Runtime, journal: list[str]) -> AsyncGenerator[RawStdioClient, None]:
    """A client on stdio of a runtime that serves for as long as the block runs. At its end the server must end too."""
    client = RawStdioClient(runtime, journal)
    async with runtime.running(), trio.open_nursery() as nursery:
        nursery.start_soon(client.serve)
        nursery.start_soon(client.read)
        yield client
        client.resume()
        await client.leave()
        with trio.fail_after(runtime.config.stdio.eof_grace_s + 1):
            await client.ended.wait()


@asynccontextmanager
async def old_sse(http: HttpClient, path: str = "/sse", **options: Any) -> AsyncGenerator[RawSseClient, None]:
    """A stream at `path`, its endpoint read. It is left at the end of the block, where it must be let go."""
    headers = {"accept": "text/event-stream", "user-agent": "old-sse/1", **options.pop("headers", {})}
    public = options.pop("public", path)
    async with (
        http.exchange(
            method="GET", path=path, raw_headers=headers, window=options.pop("window", 0), **options
        ) as stream,
        anyio.create_task_group() as tasks,
    ):
        stream.upload(b"")
        client = RawSseClient(http, stream, public)
        client.root_path = options.get("root_path", "")
        tasks.start_soon(client.pump)
        await client.take(lambda message: "endpoint" in message)
        try:
            yield client
        finally:
            client.resume()
            stream.disconnect()
            with anyio.fail_after(1, shield=True):
                await client.pumped.wait()


class Doorkeeper:
    """A gate that notes whom it saw, and lets in all but those that `refuses` has an answer for."""

    def __init__(
        self, refuses: Callable[[Sighting], Refusal | None] = lambda _: None, *, headers: HeaderFields = ()
    ) -> None:
        self.refuses = refuses
        self.headers = headers
        self.seen: list[Sighting] = []

    def admit(self, sighting: Sighting) -> Verdict:
        """As the port says."""
        self.seen.append(sighting)
        return Verdict(refusal=self.refuses(sighting), headers=self.headers)


def made(
    config: Config,
    journal: Journal,
    make: MakePlugin = make_plugin,
    *,
    gate: Gate | None = None,
    state: State | None = None,
) -> Runtime:
    """A runtime that serves the fixture plugin, its bridges attached: with `gate` and `state` where they are given."""
    with quick_build():
        if gate is None and state is None:
            return build_runtime(config, (make(journal),))
        core = build_core(config, (make(journal),))
    return Runtime(core, AttachedBridges(core, gate=gate, state=state))


@asynccontextmanager
async def old_http(
    config: Config | None = None, make: MakePlugin = make_plugin, *, gate: Gate | None = None
) -> AsyncGenerator[HttpClient, None]:
    """The application of such a runtime."""
    journal: Journal = []
    async with http_client(made(config or settings(), journal, make, gate=gate), journal) as http:
        yield http


@asynccontextmanager
async def connected(
    wire: Wire,
    config: Config | None = None,
    make: MakePlugin = make_plugin,
    *,
    gate: Gate | None = None,
) -> AsyncGenerator[RawWireClient, None]:
    """An old client of a runtime of its own."""
    if wire == "stdio":
        journal: Journal = []
        async with old_stdio(made(config or settings(), journal, make, gate=gate), journal) as client:
            yield client
    else:
        async with old_http(config, make, gate=gate) as http, old_sse(http) as stream:
            yield stream


def on_wire(wire: Wire, test: Callable[[], Awaitable[None]]) -> None:
    """Run `test` on the event loop that the wire is for."""
    backend: Backend = "asyncio" if wire == "sse-asyncio" else "trio"
    run(backend, test)


def over_old_wires(
    *wires: Wire, config: Config | None = None, plugin: MakePlugin = make_plugin
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a test once over each of `wires` (none: over all); its first parameter is the client."""

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def conversation(wire: Wire, fixtures: dict[str, Any]) -> None:
            async with connected(wire, config, plugin) as client:
                await test(client, **fixtures)

        def run_test(wire: Wire, **fixtures: Any) -> None:
            on_wire(wire, partial(conversation, wire, fixtures))

        return spread(test, run_test, wires or WIRES)

    return decorate

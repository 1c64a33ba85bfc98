"""Raw clients of sessions over HTTP (2025-03-26, 2025-06-18 and 2025-11-25), in process: each request by itself.

Rule: they check nothing and remember nothing but the session's id: a test sees statuses, headers and events as they
come. A client that holds each message to its revision is in `old_client.py`. ADR 0027.
"""

import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from mcp_bridges.attach import AttachedBridges
from mcp_bridges.gate.port import Gate
from mcp_runtime.assembly.compose import build_core
from mcp_runtime.assembly.http_app import HttpApp
from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.config import BridgesConfig, Config
from mcp_runtime.config.sections import HttpSessionsConfig, HttpSseConfig, LegacyClientsConfig
from mcp_runtime.state.engines import State
from tests.support.asgi import Exchange, Response
from tests.support.clocks import Backend, Clock, run
from tests.support.fixture_plugin import make_plugin
from tests.support.mailbox import Mailbox
from tests.support.messages import Message, encode
from tests.support.old_events import Event, OldEventReader
from tests.support.quick_build import quick_build
from tests.support.settings import settings
from tests.support.wires import Journal, MakePlugin, spread

LOOPS: Final[tuple[Backend, ...]] = ("trio", "asyncio")
SESSION_REVISIONS: Final = ("2025-03-26", "2025-06-18", "2025-11-25")
NEWEST: Final = "2025-11-25"
SESSION_ID: Final = "mcp-session-id"
ABLE: Final[Message] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": True}}
"""What an old client of any age may declare."""
_LEAVING_S: Final = 1.0
"""How long a reader may take to notice that the client has gone. The application may go on: an old call does."""


def bridge_settings(
    *,
    sessions: dict[str, Any] | None = None,
    sse: dict[str, Any] | None = None,
    clients: dict[str, Any] | None = None,
    **more: Any,
) -> Config:
    """The settings of tests with some of the bridges' values changed; `more` is for `settings`."""
    bridges = BridgesConfig(
        http_sessions=HttpSessionsConfig(**(sessions or {})),
        http_sse=HttpSseConfig(**(sse or {})),
        clients=LegacyClientsConfig(**(clients or {})),
    )
    return settings(bridges=bridges, **more)


class Ticking:
    """A clock that a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Opened:
    """A request whose response is read as it comes."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.reader = OldEventReader()
        self.events: list[Event] = []
        """Everything that came, in order."""
        self.pumped = anyio.Event()
        """Set when the response is there to its end, or the client left."""
        self._inbox: Mailbox[Event] = Mailbox()

    @property
    def response(self) -> Response:
        return self.exchange.response

    @property
    def is_stream(self) -> bool:
        return (self.response.header("content-type") or "").startswith("text/event-stream")

    async def pump(self) -> None:
        """Read the response to its end."""
        try:
            while (chunk := await self.exchange.read()) is not None:
                for event in self.reader.feed(chunk) if self.is_stream else ():
                    self.events.append(event)
                    self._inbox.put(event)
            if self.exchange.complete.is_set() and self.is_stream:
                self.reader.end()
        finally:
            self._inbox.end()
            self.pumped.set()

    async def event(self) -> Event:
        """The next event. Raises EndOfMail."""
        return await self._inbox.get()

    async def next(self) -> Message:
        """The next message; priming events are passed over."""
        while not (event := await self.event()).data:
            pass
        return event.message

    async def done(self) -> "Reply":
        """The whole response; the application may be at work on the rest."""
        await self.pumped.wait()
        assert self.exchange.complete.is_set(), "the client left before the end"
        return Reply(self.response, self.events)

    async def settle(self) -> None:
        """Wait until everybody waits: whatever can arrive has arrived."""
        await anyio.wait_all_tasks_blocked()

    @property
    def messages(self) -> list[Message]:
        """The messages of the events so far."""
        return [event.message for event in self.events if event.data]

    def leave(self) -> None:
        """Lose the connection."""
        self.exchange.disconnect()


@dataclass
class Reply:
    """A whole response."""

    response: Response
    events: list[Event]

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def is_stream(self) -> bool:
        return (self.response.header("content-type") or "").startswith("text/event-stream")

    @property
    def messages(self) -> list[Message]:
        """Every message in it."""
        if self.is_stream:
            return [event.message for event in self.events if event.data]
        return [json.loads(self.response.body)] if self.response.body else []

    @property
    def last(self) -> Message:
        """Its last message: the response, where it answers one request."""
        return self.messages[-1]

    @property
    def result(self) -> Any:
        assert "result" in self.last, self.last
        return self.last["result"]

    @property
    def error(self) -> Message:
        assert "error" in self.last, self.last
        assert self.last["jsonrpc"] == "2.0"
        error: Message = self.last["error"]
        return error

    @property
    def text(self) -> str:
        """The text of a tool's result."""
        return "".join(block["text"] for block in self.result["content"] if block["type"] == "text")

    def header(self, name: str) -> str | None:
        return self.response.header(name)

    def refused(self, status: int, *, id_: Any = None, code: int = -32600) -> str:
        """The message of the error, which has this status, id and code."""
        assert (self.status, self.header("content-type")) == (status, "application/json"), self
        assert (self.last.get("id"), self.error["code"]) == (id_, code), self.last
        return str(self.error["message"])


class RawSessionClient:
    """A client in one session, or before it. What it sends over HTTP is its own affair: `headers` go with everything."""

    def __init__(self, server: "OldServer", headers: Mapping[str, str] | None = None) -> None:
        self.server = server
        self.headers = dict(headers or {})
        self.revision = ""
        self.session_id = ""
        self._ids = count(1)

    def also(self, server: "OldServer") -> "RawSessionClient":
        """The same client, in the same session, at another process."""
        other = RawSessionClient(server, self.headers)
        other.revision, other.session_id, other._ids = self.revision, self.session_id, self._ids
        return other

    def own_headers(self) -> dict[str, str]:
        """What a correct client sends along."""
        own = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        if self.session_id:
            own[SESSION_ID] = self.session_id
        if self.revision >= "2025-06-18":
            own["mcp-protocol-version"] = self.revision
        return {**own, **self.headers}

    def request(self, method: str, params: Mapping[str, Any] | None = None, *, id_: Any = None) -> Message:
        """A request with an id of its own."""
        message = {"jsonrpc": "2.0", "id": next(self._ids) if id_ is None else id_, "method": method}
        return message if params is None else {**message, "params": dict(params)}

    def call(self, tool: str, *, id_: Any = None, token: Any = None, **arguments: Any) -> Message:
        """A tools/call; with `token` it asks for progress."""
        params: Message = {"name": tool, "arguments": arguments}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        return self.request("tools/call", params, id_=id_)

    @asynccontextmanager
    async def open(
        self,
        message: object = None,
        *,
        method: str = "POST",
        path: str = "/mcp",
        headers: Mapping[str, str | None] | None = None,
        raw: Sequence[tuple[bytes, bytes]] | None = None,
        **options: Any,
    ) -> AsyncGenerator[Opened, None]:
        """Send something and look on; leaving the block loses the connection.

        `headers` replace the client's own, or leave them out with None; `raw` are all that there are.
        """
        both: dict[str, str | None] = {**self.own_headers(), **(headers or {})}
        chosen = {name: value for name, value in both.items() if value is not None}
        exchange = Exchange(headers=chosen if raw is None else raw, method=method, path=path, **options)
        opened = Opened(exchange)
        self.server.tasks.start_soon(exchange.run, self.server.app)
        self.server.tasks.start_soon(opened.pump)
        if message is None:
            exchange.upload(b"")
        else:
            exchange.upload(message if isinstance(message, bytes) else encode(message))
        try:
            yield opened
        finally:
            exchange.disconnect()
            with anyio.fail_after(_LEAVING_S, shield=True):
                await opened.pumped.wait()

    async def send(self, message: object = None, **options: Any) -> Reply:
        """Send something and wait for the whole response."""
        async with self.open(message, **options) as opened:
            return await opened.done()

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, **options: Any) -> Reply:
        """Send a request and wait for the whole response."""
        return await self.send(self.request(method, params), **options)

    async def use(self, tool: str, **arguments: Any) -> Reply:
        """Call a tool and wait for the whole response."""
        return await self.send(self.call(tool, **arguments))

    async def tell(self, method: str, params: Mapping[str, Any] | None = None, **options: Any) -> Reply:
        """Send a notification."""
        message: Message = {"jsonrpc": "2.0", "method": method}
        return await self.send(message if params is None else {**message, "params": dict(params)}, **options)

    async def answer(self, question: Message, result: Message) -> Reply:
        """Answer a question of the server's."""
        return await self.send({"jsonrpc": "2.0", "id": question["id"], "result": result})

    async def begin(
        self,
        revision: str = NEWEST,
        *,
        capabilities: Message | None = None,
        name: str = "old-client",
        version: str = "1.0",
    ) -> Reply:
        """Initialize, as a client does it."""
        reply = await self.begin_only(revision, capabilities=capabilities, name=name, version=version)
        if "result" in reply.last:
            assert (await self.tell("notifications/initialized")).status == 202
        return reply

    async def begin_only(
        self,
        revision: str = NEWEST,
        *,
        capabilities: Message | None = None,
        name: str = "old-client",
        version: str = "1.0",
    ) -> Reply:
        """Initialize, and say no more; the session is kept from here on."""
        params = {
            "protocolVersion": revision,
            "capabilities": ABLE if capabilities is None else capabilities,
            "clientInfo": {"name": name, "version": version},
        }
        reply = await self.ask("initialize", params)
        if "result" in reply.last:
            self.revision = reply.result["protocolVersion"]
            self.session_id = reply.header(SESSION_ID) or ""
        return reply

    def listen(self, last_event_id: str | None = None, **options: Any) -> Any:
        """Open the GET stream, or take one up."""
        headers = {"accept": "text/event-stream", "content-type": None, "last-event-id": last_event_id}
        return self.open(method="GET", headers={**headers, **options.pop("headers", {})}, **options)

    async def rest(self, last_event_id: str, **options: Any) -> Reply:
        """What came after this event, to the end of the stream."""
        async with self.listen(last_event_id, **options) as opened:
            reply: Reply = await opened.done()
            return reply

    async def end(self, **options: Any) -> Reply:
        """DELETE the session."""
        return await self.send(method="DELETE", **options)


class OldServer:
    """One process, as it were: a runtime with its bridges, serving."""

    def __init__(self, app: HttpApp, runtime: Runtime, journal: Journal, tasks: TaskGroup) -> None:
        self.app = app
        self.runtime = runtime
        self.journal = journal
        self.tasks = tasks

    def visitor(self, **headers: str) -> RawSessionClient:
        """A client that has not said anything yet; `headers` with _ for -."""
        return RawSessionClient(self, {name.replace("_", "-"): value for name, value in headers.items()})

    async def client(self, revision: str = NEWEST, **options: Any) -> RawSessionClient:
        """A client in a new session."""
        client = self.visitor()
        await client.begin(revision, **options)
        assert client.revision == revision
        return client


@asynccontextmanager
async def serving(
    config: Config | None = None,
    *,
    plugin: MakePlugin = make_plugin,
    gate: Gate | None = None,
    state: State | None = None,
    now: Callable[[], float] = time.time,
) -> AsyncGenerator[OldServer, None]:
    """A process, for as long as the block runs. `state` may be shared with another one's."""
    config = config or settings()
    journal: Journal = []
    with quick_build() if plugin is make_plugin else nullcontext():
        core = build_core(config, (plugin(journal),))
    runtime = Runtime(core, AttachedBridges(core, gate=gate, now=now, state=state))
    app = HttpApp(runtime)
    async with app.lifespan(), anyio.create_task_group() as tasks:
        yield OldServer(app, runtime, journal, tasks)


def on_both_loops(clock: Clock = "virtual") -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a test, which makes its own servers, once on trio and once on asyncio."""
    return _over(None, clock)


def served(
    config: Config | None = None, *, plugin: MakePlugin = make_plugin
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a test on both loops; its first parameter is the server, one of its own."""

    @asynccontextmanager
    async def server() -> AsyncGenerator[OldServer, None]:
        async with serving(config, plugin=plugin) as one:
            yield one

    return _over(server, "virtual")


def _over(server: Any, clock: Clock) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def conversation(fixtures: dict[str, Any]) -> None:
            if server is None:
                await test(**fixtures)
                return
            async with server() as one:
                await test(one, **fixtures)

        def run_test(loop: Backend, **fixtures: Any) -> None:
            run(loop, partial(conversation, fixtures), clock=clock)

        return spread(test, run_test, LOOPS, over="loop", given=0 if server is None else 1)

    return decorate

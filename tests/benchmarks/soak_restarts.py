"""The keeper: a client of 2025-11-25 that writes down what the server acknowledged. Rule: what was answered is there after the
process has ended, however it ended.

It looks at what a session changes (its log level, its subscriptions, its end) and at the ledger. The ledger is written
every few seconds: SIGTERM loses none of it, and of what a report has shown SIGKILL loses none.
"""

import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from itertools import count, cycle
from typing import Final

import trio

from tests.benchmarks.server import HttpServer
from tests.benchmarks.soak_clients import answer_to, open_session
from tests.benchmarks.soak_wire import Connection, LostError, Message, connected
from tests.benchmarks.wire import PATH, legacy_headers

_CLIENT: Final = "keeper"
_PAGE: Final = "soak://page"
_REPORT: Final = ("{python}", "-m", "mcp_runtime.cli", "legacy", "report", "--format", "json")
_COUNTED: Final = "logging.set_level"
"""The feature of the ledger that an acknowledged change of a log level is one call of."""
_LOOKED_AT: Final = 100
"""So many of what was acknowledged last: what is lost is lost at the end."""
_ENOUGH: Final = 3
"""So many that are lost are as good as all: each may take its time to be missed."""
_PAUSE_S: Final = 0.02
_HEARS_S: Final = 5.0


def is_kept(number: signal.Signals) -> bool:
    """Whether a process that is sent this ends by itself, and can write down what it has not written yet."""
    return number is signal.SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A change to a session that the server has answered."""

    kind: str
    session: str


class Keeper:
    """Has sessions changed, and looks afterwards whether they are; `kept` and `lost` are what it found."""

    def __init__(self, server: HttpServer) -> None:
        self.kept = 0
        self.lost: list[str] = []
        self.server = server
        self._acknowledged: list[Acknowledged] = []
        self._ids = count(1)
        self._levels_set = 0
        self._reported = 0

    async def keep_acknowledging(self) -> None:
        """One session after the other, each changed in one way, until the server is gone or this is cancelled."""
        with suppress(LostError, OSError, trio.BrokenResourceError):
            async with connected(self.server.port) as connection:
                for kind, (change, _) in cycle(_KINDS.items()):
                    session = await open_session(connection, _CLIENT)
                    await change(self, connection, session)
                    self._acknowledged.append(Acknowledged(kind=kind, session=session))
                    self._levels_set += kind == "log level"
                    await trio.sleep(_PAUSE_S)

    async def look(self, number: signal.Signals) -> None:
        """Look whether everything is there, and forget it."""
        looked_at, self._acknowledged = self._acknowledged[-_LOOKED_AT:], []
        if not looked_at:
            self.lost.append(f"{number.name}: nothing was acknowledged before it")
        before = len(self.lost)
        for one in looked_at:
            if len(self.lost) >= before + _ENOUGH:
                break
            try:
                async with connected(self.server.port) as connection:
                    await _KINDS[one.kind][1](self, connection, one.session)
            except LostError as error:
                self.lost.append(f"{number.name}: {one.kind}: {error}")
            else:
                self.kept += 1
        await self._look_at_ledger(number)

    async def _look_at_ledger(self, number: signal.Signals) -> None:
        written = await trio.to_thread.run_sync(self.server.beside, *_REPORT)
        found = calls_of(_CLIENT, _COUNTED, json.loads(written))
        # Killed in between two writes: what the last report showed is what has to be there.
        wanted = self._levels_set if is_kept(number) else self._reported
        if found < wanted:
            self.lost.append(f"{number.name}: the ledger knows {found} changes of a log level of {wanted}")
        else:
            self.kept += found
        self._levels_set = self._reported = found

    def request(self, method: str, params: Message) -> Message:
        """A message with an id of its own."""
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}

    async def call(self, connection: Connection, session: str, tool: str) -> list[Message]:
        """The messages that a call of `tool` in the session is answered with. Raises LostError."""
        sent = self.request("tools/call", {"name": tool, "arguments": {}})
        messages = await connection.ask(sent, session, modern=False)
        answer_to(sent["id"], messages)
        return messages

    async def accepted(self, connection: Connection, session: str, method: str, params: Message) -> None:
        """Send a request that has to be answered with a result. Raises LostError."""
        answers = await connection.ask(self.request(method, params), session, modern=False)
        if not answers or "result" not in answers[-1]:
            raise LostError(f"{method} was answered with {str(answers)[:200]}")


def calls_of(client: str, feature: str, report: Message) -> int:
    """How often the report on older clients has seen `client` with `feature`."""
    rows = [row["clients"] for row in report["features"] if row["feature"] == feature]
    return sum(int(one["calls"]) for clients in rows for one in clients if one["name"] == client)


async def _set_level(keeper: Keeper, connection: Connection, session: str) -> None:
    await keeper.accepted(connection, session, "logging/setLevel", {"level": "error"})


async def _has_level(keeper: Keeper, connection: Connection, session: str) -> None:
    messages = await keeper.call(connection, session, "speak")
    heard = [one["params"]["level"] for one in messages if one.get("method") == "notifications/message"]
    if heard != ["error"]:
        raise LostError(f"the session hears messages of {heard}")


async def _subscribe(keeper: Keeper, connection: Connection, session: str) -> None:
    await keeper.accepted(connection, session, "resources/subscribe", {"uri": _PAGE})


async def _is_subscribed(keeper: Keeper, connection: Connection, session: str) -> None:
    async with connected(keeper.server.port) as stream:
        await stream.send("GET", PATH, {**legacy_headers(session), "accept": "text/event-stream"}, b"")
        if await stream.head() != 200:
            raise LostError(f"the session's stream was answered {stream.status}")
        await keeper.call(connection, session, "touch")
        async with aclosing(stream.messages()) as messages:
            with trio.move_on_after(_HEARS_S):
                async for message in messages:
                    if message.get("method") == "notifications/resources/updated":
                        return
    raise LostError("the session hears nothing of the page")


async def _end(_keeper: Keeper, connection: Connection, session: str) -> None:
    await connection.send("DELETE", PATH, legacy_headers(session), b"")
    if await connection.head() >= 300:
        raise LostError(f"the end of a session was answered {connection.status}")
    await connection.whole_body()


async def _is_ended(keeper: Keeper, connection: Connection, session: str) -> None:
    await connection.post(keeper.request("ping", {}), session, modern=False)
    if await connection.head() != 404:
        raise LostError(f"a session that was ended is there: {connection.status}")


Step = Callable[[Keeper, Connection, str], Awaitable[None]]
_KINDS: Final[Mapping[str, tuple[Step, Step]]] = {
    "log level": (_set_level, _has_level),
    "subscription": (_subscribe, _is_subscribed),
    "end": (_end, _is_ended),
}
"""What changes a session, and what shows that it is changed."""

"""Instructions a call, counted by callgrind. Rule: the difference of two counts in one process, so that neither its start
nor the counting is in it.

    warm up; mark; SHORT calls; mark; LONG calls; mark        (LONG - SHORT calls are the difference)

One client asks on one connection, the same bytes in the same order, and each time waits until the server sleeps: a server
that finds the next request there already has less to do. The hash seed is fixed, and what the clock sets off is put off.
What is left is how far the collector had come.
"""

import json
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from http.client import HTTPResponse
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from tests.benchmarks import wire, workloads
from tests.benchmarks.measurement import Measurement, Series
from tests.benchmarks.peers import Peer
from tests.benchmarks.server import HttpServer, PeerError, StdioServer, installed
from tests.benchmarks.turns import in_turns, say
from tests.support.messages import encode, request

_MARK: Final = "getloadavg"
_WARM_UP: Final = 140
_SHORT: Final = 140
_LONG: Final = 1540
"""Multiples of seven: so many requests differ before they come again."""
_START_S: Final = 300.0
"""Callgrind is fifty times as slow, on a machine that may be busy."""
_VALGRIND: Final = ("valgrind", "--tool=callgrind", f"--dump-before={_MARK}", "--callgrind-out-file=counts")
_VARIABLES: Final = {
    "MCP_RUNTIME_PLUGINS": "{servers}/counted_plugin.py",
    "PYTHONHASHSEED": "0",
    # Nothing that the clock sets off falls into a count: calls take so long here that there would be more of it than of them.
    "MCP_RUNTIME_LEDGER_FLUSH_INTERVAL_S": "3600",
    "MCP_RUNTIME_HTTP_WATCH_AFTER_S": "3600",
}

Ask = Callable[[bytes], str]
"""Sends a request and waits for the answer: its text."""


class CountError(PeerError):
    """Callgrind is not there, or did not write what it was asked for."""


def over_http(peer: Peer) -> float:
    """Instructions of a tools/call over HTTP."""
    requests = [_modern("echo", {"text": "hello" + "!" * more}) for more in range(7)]
    with HttpServer(_counted(peer)) as server:
        server.wait_until_listening(_START_S)
        with closing(_Keeper(server.port)) as client:
            return _count(server, client.ask, requests, _modern("mark", {}))


def in_a_session(peer: Peer) -> float:
    """Instructions of a tools/call in a session of 2025-11-25."""
    with HttpServer(_counted(peer)) as server:
        server.wait_until_listening(_START_S)
        with closing(workloads.SessionOpener(server.port)) as opener:
            session = opener.open()
        requests = [_legacy("echo", {"text": "hello"}, 1001 + more, session) for more in range(7)]
        with closing(_Keeper(server.port)) as client:
            return _count(server, client.ask, requests, _legacy("mark", {}, 1000, session))


def on_stdio(peer: Peer) -> float:
    """Instructions of a tools/call on stdio."""
    with StdioServer(_counted(peer)) as server:

        def ask(sent: bytes) -> str:
            server.stdin.write(sent)
            server.stdin.flush()
            return _text([json.loads(server.stdout.readline() or b"{}")])

        requests = [_line("echo", {"text": "hello"}, 1001 + more) for more in range(7)]
        return _count(server, ask, requests, _line("mark", {}, 1000))


COUNTS: Final[Mapping[str, Callable[[Peer], float]]] = {
    "http/call": over_http,
    "legacy/call": in_a_session,
    "stdio/call": on_stdio,
}


def measure(key: str, peers: tuple[str, ...], rounds: int) -> Measurement:
    """What a call of the row `key` takes, of each of `peers`. Raises CountError, PeerError."""
    if shutil.which("valgrind") is None:
        raise CountError("needs valgrind (on Debian and Ubuntu: apt-get install valgrind)")
    samplers = {peer: _sampler(key, installed(peer)) for peer in peers}
    samples = in_turns(samplers, rounds, say=lambda text: say(f"{key}: {text}"))
    return Measurement(
        key=key,
        title=f"instructions, {key}",
        unit="instructions",
        better="less",
        series=tuple(Series(peer=peer, samples=tuple(values)) for peer, values in samples.items()),
        against="now",
    )


def read_counts(directory: Path) -> list[int]:
    """What callgrind counted between the marks, in their order. Raises CountError where there are not three."""
    files = [directory / f"counts.{number}" for number in (1, 2, 3)]
    try:
        found = [line for file in files for line in file.read_text().splitlines() if line.startswith("totals:")]
        return [int(line.partition(":")[2]) for line in found]
    except (OSError, ValueError) as error:
        raise CountError(f"callgrind wrote no counts: {error}") from None


class _Keeper:
    """A client that keeps its connection."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=wire.PATIENCE_S)

    def ask(self, sent: bytes) -> str:
        """Send a request and read the answer: its text."""
        self._connection.sendall(sent)
        response = HTTPResponse(self._connection)
        response.begin()
        return _text(list(wire.messages_of(response)))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _count(server: HttpServer | StdioServer, ask: Ask, requests: Sequence[bytes], mark: bytes) -> float:
    for number in (_WARM_UP, _SHORT, _LONG):
        for sent in islice(cycle(requests), number):
            text = ask(sent)
            server.wait_until_asleep()
            if not text.startswith("hello"):
                raise CountError(f"a call was answered {text!r}")
        if ask(mark) != "marked":
            raise CountError("there is no mark")
        server.wait_until_asleep()
    _, short, long = read_counts(server.directory)
    return (long - short) / (_LONG - _SHORT)


def _sampler(key: str, peer: Peer) -> Callable[[], float]:
    def sample() -> float:
        found = COUNTS[key](peer)
        say(f"{key}: {found:,.0f} instructions, {peer.label}")
        return found

    return sample


def _counted(peer: Peer) -> Peer:
    return replace(
        peer,
        http=(*_VALGRIND, *peer.http),
        stdio=(*_VALGRIND, *peer.stdio),
        variables={**peer.variables, **_VARIABLES},
    )


def _text(messages: list[wire.Message]) -> str:
    content = workloads.result_of(messages).get("content") or [{}]
    return str(content[0].get("text"))


def _params(name: str, arguments: wire.Message) -> wire.Message:
    return {"name": name, "arguments": arguments}


def _modern(name: str, arguments: wire.Message) -> bytes:
    return wire.modern("tools/call", _params(name, arguments), id=1001)


def _legacy(name: str, arguments: wire.Message, number: int, session: str) -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": _params(name, arguments)}
    return wire.legacy(message, session)


def _line(name: str, arguments: wire.Message, number: int) -> bytes:
    return encode(request("tools/call", _params(name, arguments), id=number, capabilities={})) + b"\n"

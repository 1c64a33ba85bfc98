"""A worker from inside: a loop that reads a statement, runs it, and answers. Rule: it ends when the server does.

The kernel ends it, too, when a statement takes too long: SQLite looks at the clock between two loops of its program,
and a signal that nobody handles needs no such place.
"""

import os
import resource
import signal
import socket
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from mcp_plugins.sqlite.access.database import Database
from mcp_plugins.sqlite.access.refusals import DatabaseUnavailable, StatementRefused, TableUnknown
from mcp_plugins.sqlite.sample import ensure_sample
from mcp_plugins.sqlite.settings import SqliteSettings

from .frames import HEADER, packed, unpacked

# Less of the processor than the server, which has all other calls to serve.
NICENESS: Final = 10

# How much longer than its limit a statement runs before the kernel ends it: within it, SQLite can end it with advice.
GRACE_S: Final = 0.5

# What Python takes of memory, beside SQLite and the values of a row.
PYTHON_BYTES: Final = 67_108_864
VALUES_IN_MEMORY: Final = 8

# A result holds `max_result_bytes` of values; its form between processes, and the text of a schema, take more.
LARGEST_ANSWER: Final = 8
LARGEST_ANSWER_BYTES: Final = 1_048_576

_METHODS: Final[Mapping[str, Callable[..., object]]] = MappingProxyType(
    {
        "tables": Database.tables,
        "describe": Database.describe,
        "preview": Database.preview,
        "schema_sql": Database.schema_sql,
        "query": Database.query,
        "plan": Database.plan,
        "execute": Database.execute,
    }
)


def main() -> None:
    """Serve on standard input, a socket: first the settings come, then requests, each a method and its arguments."""
    channel = socket.socket(fileno=0)
    first = cast("tuple[Path, SqliteSettings] | None", _receive(channel))
    if first is None:
        return
    path, settings = first
    _bound(settings)
    database = Database(path=path, settings=settings, hard_limit=killed_after)
    while (request := _receive(channel)) is not None:
        if settings.database is None:
            ensure_sample(path)
        channel.sendall(_frame(_answer(database, request), settings))


def largest_answer_bytes(settings: SqliteSettings) -> int:
    """The length of an answer that a worker sends at most."""
    return LARGEST_ANSWER * settings.max_result_bytes + LARGEST_ANSWER_BYTES


@contextmanager
def killed_after(limit_s: float) -> Generator[None]:
    """Have the kernel end this process, unless this block ends in time."""
    signal.setitimer(signal.ITIMER_REAL, limit_s + GRACE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _bound(settings: SqliteSettings) -> None:
    os.nice(NICENESS)
    _lower(resource.RLIMIT_CORE, 0)
    values_bytes = VALUES_IN_MEMORY * settings.max_value_bytes + LARGEST_ANSWER * settings.max_result_bytes
    _lower(resource.RLIMIT_DATA, settings.max_memory_bytes + values_bytes + PYTHON_BYTES)


def _lower(limit: int, to: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (to if hard == resource.RLIM_INFINITY else min(to, hard), hard))


def _answer(database: Database, request: Any) -> tuple[str, object]:
    method, arguments = request
    try:
        return "result", _METHODS[method](database, *arguments)
    except TableUnknown as unknown:
        return "table_unknown", str(unknown)
    except StatementRefused as refused:
        return "refused", str(refused)
    except DatabaseUnavailable as unavailable:
        return "unavailable", str(unavailable)
    except MemoryError:
        return "refused", "The statement needs more memory than the server allows (max_memory_bytes)."
    except Exception:  # noqa: BLE001 - the process's own boundary: what nobody foresaw is told to the server's log
        return "fault", traceback.format_exc()


def _frame(answer: tuple[str, object], settings: SqliteSettings) -> bytes:
    frame = packed(answer)
    if len(frame) > largest_answer_bytes(settings):
        return packed(("refused", "The answer is larger than the server allows (max_result_bytes)."))
    return frame


def _receive(channel: socket.socket) -> object:
    """The next value; None at the end."""
    header = _read(channel, HEADER.size)
    body = header and _read(channel, HEADER.unpack(header)[0])
    return unpacked(body) if body else None


def _read(channel: socket.socket, size: int) -> bytes | None:
    held = bytearray()
    while len(held) < size:
        part = channel.recv(size - len(held))
        if not part:
            return None
        held += part
    return bytes(held)

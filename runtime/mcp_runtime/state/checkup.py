"""The checkup of a kept SQLite file, and its reset, for a command. Rule: to look changes nothing, whoever has it open.

For a process of its own, with no connections: the system would drop their locks.
"""

import fcntl
import os
import sqlite3
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from mcp_runtime.state import siblings
from mcp_runtime.state.port import StateError
from mcp_runtime.state.siblings import LOCKS_AT, LOCKS_BYTES
from mcp_runtime.state.sqlite_problems import DAMAGED, FORBIDDEN, blaming

_PATIENCE_S: Final = 5.0
"""For a server that is just opening the file."""
_STOP: Final = "stop the server first"
_FLOCK: Final = "hhqqi4x"
"""`struct flock` of Linux on 64 bits."""


class Measure(Struct, frozen=True, kw_only=True):
    """Something that a file has a bound of: a query for how much of it there is, and what is counted, in the plural."""

    query: str
    counted: str
    bound: int


class KeptFile(Struct, frozen=True, kw_only=True):
    """A file that the server keeps, and what there is to know of it without its code."""

    path: Path
    schema_version: int
    application_id: int | None
    """None is not looked at."""
    counted: str
    """The things in it, in the plural."""
    counting: str
    """A query for how many of them there are."""
    lost: str
    """What goes with the file."""
    reset_command: str
    """The command that moves it aside."""
    measures: Sequence[Measure] = ()
    """The bounds that it keeps to, which files of an older schema do not count."""


class Checkup(Struct, frozen=True, kw_only=True):
    """Findings of a checkup: nothing but `siblings` where there is no file. `holder` is a process that has it open."""

    bytes: int | None = None
    siblings: Sequence[tuple[str, int]] = ()
    holder: int | None = None
    is_open: bool = False
    application_id: int = 0
    schema_version: int = 0
    count: int = 0
    measured: Sequence[int] = ()
    """The value of each measure, none where the file is of an older schema."""


def look_at(kept: KeptFile) -> Checkup:
    """Look at the file, also while servers have it open. Raises StateError for what keeps a server from using it."""
    with blaming(kept.path):
        beside = [(one.name, one.stat().st_size) for one in siblings.present(kept.path)]
        if not _is_there(kept):
            return Checkup(siblings=beside)
        with siblings.turn(kept.path, until_s=time.monotonic() + _PATIENCE_S):
            holder = _holder(kept.path)
            is_open = holder is not None
            application_id, version, count, measured = _contents(kept, is_open=is_open)
        _refuse_strangers(kept, application_id, version)
        return Checkup(
            bytes=kept.path.stat().st_size,
            siblings=beside,
            holder=holder,
            is_open=is_open,
            application_id=application_id,
            schema_version=version,
            count=count,
            measured=measured,
        )


def reset(kept: KeptFile) -> Sequence[Path]:
    """Move the file and its siblings to dated names: where they are. Raises StateError where a server has it open."""
    with blaming(kept.path):
        if not siblings.real(kept.path).parent.is_dir():
            return ()
        with siblings.turn(kept.path, until_s=time.monotonic() + _PATIENCE_S):
            if kept.path.is_dir():
                return siblings.put_aside(kept.path, with_file=True)
            is_there = kept.path.exists()
            with siblings.taken(kept.path) as use:
                if is_there and use != "free":
                    raise _refusal(kept.path, use)
                if siblings.are_anothers(kept.path):
                    raise StateError(kept.path, "a server works with one that was here before it", _STOP)
                return siblings.put_aside(kept.path, with_file=is_there)


def _refusal(path: Path, use: siblings.Use) -> StateError:
    if use == "unknown":
        return StateError(path, *FORBIDDEN)
    return StateError(path, f"process {_holder(path) or 'unknown'} has it open", _STOP)


def _is_there(kept: KeptFile) -> bool:
    try:
        found = kept.path.stat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise StateError(kept.path, "it is a directory", f"move it away, as `{kept.reset_command}` does")
    if found.st_nlink > 1:
        raise StateError(kept.path, "it is a hard link", "copy it, and move the copy to its place")
    return True


def _holder(path: Path) -> int | None:
    """The process that has the file open, 0 where the system does not say which, None where there is none."""
    if sys.platform != "linux":
        with siblings.taken(path) as use:
            return None if use == "free" else 0
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, LOCKS_AT, LOCKS_BYTES, 0)
        kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else max(process, 0)  # it may be out of sight, in another container


_Contents = tuple[int, int, int, Sequence[int]]


def _contents(kept: KeptFile, *, is_open: bool) -> _Contents:
    """Application id, schema version, count and measures of an intact file. Raises StateError."""
    path = kept.path
    if is_open:
        return _read(kept, path, "mode=ro")
    if not siblings.leftovers(path):
        return _read(kept, path, "immutable=1")
    within = Path(tempfile.gettempdir())  # This may be somebody who may not write beside the file.
    with siblings.copied(path, siblings=True, within=within) as whole:
        try:
            return _read(kept, whole, "mode=rw")
        except StateError as error:
            problem = error
    with siblings.copied(path, siblings=False, within=within) as alone:
        _read(kept, alone, "mode=rw")
    names = ", ".join(one.name for one in siblings.leftovers(path))
    raise StateError(
        path,
        f"it is intact, and {names} beside it is not: it is another file's, or damaged",
        "start the server, which puts that aside and goes on with the file alone",
    ) from problem


def _read(kept: KeptFile, path: Path, how: str) -> _Contents:
    with _opened(kept, path, how) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise StateError(kept.path, f"it is damaged: {' '.join(str(found).split())}", _fix(kept))
        application_id, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if not version or kept.application_id not in {None, application_id}:
            return application_id, version, 0, ()
        count = connection.execute(kept.counting).fetchone()[0]
        measures = kept.measures if version == kept.schema_version else ()
        return application_id, version, count, [connection.execute(one.query).fetchone()[0] for one in measures]


@contextmanager
def _opened(kept: KeptFile, path: Path, how: str) -> Generator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?{how}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S, isolation_level=None)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        raise StateError(kept.path, DAMAGED[0], _fix(kept)) from None


def _fix(kept: KeptFile) -> str:
    return f"stop the server, move it aside with `{kept.reset_command}`, and restore a copy of it or start without"


def _refuse_strangers(kept: KeptFile, application_id: int, version: int) -> None:
    if kept.application_id not in {None, application_id}:
        raise StateError(kept.path, "it is not a file that mcp-runtime made", "move it away, or set another place")
    if version > kept.schema_version:
        known = f"this one knows {kept.schema_version}"
        raise StateError(
            kept.path, f"its schema has version {version} and was made by a newer mcp-runtime; {known}", "run that one"
        )

"""The files that SQLite keeps beside a database (-wal, -shm, -journal). Rule: a database meets no sibling but its own.

SQLite finds siblings by name alone. After a crash they hold what the database lacks; beside a file that somebody has
removed, restored or replaced they belong to another one, and SQLite would write their pages into it.

Who makes, opens or moves one of these files has the `turn` of its directory: so no two of our processes do at once.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

SUFFIXES: Final = ("-wal", "-journal", "-shm")
_WITH_CONTENT: Final = ("-wal", "-journal")
"""What pages of a database may be in. A -shm is an index, which SQLite makes anew."""
_POLL_S: Final = 0.01

# Where every SQLite on POSIX systems puts its locks: https://www.sqlite.org/src/file/src/os.h, PENDING_BYTE, and
# https://www.sqlite.org/walformat.html for the -shm.
LOCKS_AT: Final = 0x40000000
LOCKS_BYTES: Final = 512
_INDEX_LOCKS_AT: Final = 120
_INDEX_LOCKS_BYTES: Final = 9

Use = Literal["free", "open", "unknown"]
"""Whether a process has the file open; "unknown" where this one may not write to it, and so cannot ask."""


class Unsound(Exception):
    """The file is damaged, with its siblings and without them."""


def real(path: Path) -> Path:
    """The file itself: SQLite follows symbolic links before it names siblings."""
    return Path(os.path.realpath(path))


def wal(path: Path) -> Path:
    """The -wal of a file."""
    return _siblings(path)[SUFFIXES.index("-wal")]


def present(path: Path) -> list[Path]:
    """The siblings that are there."""
    return [one for one in _siblings(path) if one.exists()]


def leftovers(path: Path) -> list[Path]:
    """The siblings that have something to say: of a process that is at work, or of one that was killed."""
    return [one for one in _siblings(path) if one.name.endswith(_WITH_CONTENT) and _size(one) > 0]


def _siblings(path: Path) -> list[Path]:
    base = real(path)
    return [base.with_name(base.name + suffix) for suffix in SUFFIXES]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def turn(path: Path, *, until_s: float) -> Generator[None]:
    """Have the turn of the directory of `path`, among processes and threads.

    Raises TimeoutError at `until_s` of time.monotonic, OSError where the directory cannot be opened.
    """
    # On the directory itself: it leaves no file behind, and the system lets go for a process that is killed.
    descriptor = os.open(real(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while not _locked(descriptor):
            if time.monotonic() >= until_s:
                raise TimeoutError
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def taken(path: Path) -> Generator[Use]:
    """Whether another process has `path` open; if none has, SQLite lets none open it for as long as the block runs.

    For a process that has no connection to it: a system's locks of a file go with the first of its descriptors.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield "unknown"
        return
    try:
        yield "free" if _lock(descriptor, LOCKS_AT, LOCKS_BYTES) else "open"
    finally:
        os.close(descriptor)


def _lock(descriptor: int, start: int, length: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError:  # EACCES or EAGAIN, as the system likes
        return False
    return True


def are_anothers(path: Path) -> bool:
    """Whether a process works with the siblings, though none has the file open: it has one that was there before."""
    base = real(path)
    try:
        descriptor = os.open(base.with_name(base.name + "-shm"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(descriptor, _INDEX_LOCKS_AT, _INDEX_LOCKS_BYTES)
    finally:
        os.close(descriptor)


def settle(path: Path, is_sound: Callable[[Path], bool]) -> Sequence[Path]:
    """Before an existing file is opened: its siblings are its own afterwards. What was put aside, if anything was.

    What a killed process left is tried out on a copy, and stays if `is_sound` of that. For the holder of the turn, in a
    process that has no connection to the file. Raises Unsound where nothing is sound, OSError, sqlite3.Error.
    """
    if not leftovers(path):
        return ()
    with taken(path) as use:
        if use != "free":
            return ()
        if are_anothers(path):
            return put_aside(path)
        with copied(path, siblings=True) as whole:
            if is_sound(whole):
                return ()
        with copied(path, siblings=False) as alone:
            if not is_sound(alone):
                raise Unsound
        return put_aside(path)


@contextmanager
def copied(path: Path, *, siblings: bool, within: Path | None = None) -> Generator[Path]:
    """A copy to look at, beside the file or `within` a directory, which is gone after the block. As `taken`, for a
    process that has no connection.
    """
    import shutil  # for what is rare
    import tempfile

    base = real(path)
    # Beside it, not in a common directory for temporary files: as private, and on a disk that has room for such files.
    with tempfile.TemporaryDirectory(prefix=f".{base.name}.", dir=within or base.parent) as folder:
        copy = Path(folder) / base.name
        shutil.copyfile(base, copy)
        if siblings:
            for one in leftovers(base):
                shutil.copyfile(one, copy.with_name(one.name))
        yield copy


def is_whole(path: Path, also: Callable[[sqlite3.Connection], bool] = lambda _: True) -> bool:
    """Whether the copy at `path` is an intact database that `also` holds of. Raises sqlite3.Error for other trouble."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
            return connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",) and also(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}:
            return False
        raise


def put_aside(path: Path, *, with_file: bool = False) -> Sequence[Path]:
    """Move the siblings to dated names, and `with_file` the file, under which SQLite finds them together again.

    A process that has them open keeps them. For the holder of the turn. Says where they are.
    """
    base = real(path)
    aside = _free_name(base)
    moved: list[Path] = []
    if with_file:  # First: siblings without a file are put aside by the next one who makes it.
        moved.append(base.rename(aside))
    for one in present(base):
        if one.name.endswith(_WITH_CONTENT) and _size(one) > 0:
            moved.append(one.rename(aside.with_name(aside.name + one.name.removeprefix(base.name))))
        else:
            one.unlink()
    return moved


def _free_name(base: Path) -> Path:
    stamp = f"{base.name}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while any(base.with_name(f"{stamp}-{number}{suffix}").exists() for suffix in ("", *SUFFIXES)):
        number += 1
    return base.with_name(f"{stamp}-{number}")

"""The place of a SQLite file: which file is there, and whether anybody works with it.

Rule: what SQLite has open here is touched by SQLite alone, or the system drops its locks.
"""

import os
import stat
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mcp_runtime.state import siblings
from mcp_runtime.state.port import StateError

Identity = tuple[int, int]
"""The device and inode of a file: what it is, whatever its name is meanwhile."""

_open_here: Final[Counter[Identity]] = Counter()
_open_here_lock: Final = threading.Lock()
"""Files that this process has connections to."""


def note_opened(identity: Identity) -> None:
    """This process has a connection more to the file."""
    with _open_here_lock:
        _open_here[identity] += 1


def note_closed(identity: Identity) -> None:
    """Undo `note_opened`."""
    with _open_here_lock:
        _open_here[identity] -= 1
        if not _open_here[identity]:
            del _open_here[identity]


def _has_it_open_here(identity: Identity) -> bool:
    with _open_here_lock:
        return identity in _open_here


def identity_of(found: os.stat_result) -> Identity:
    """The identity of what was found."""
    return found.st_dev, found.st_ino


def wal_of(path: Path) -> Identity | None:
    """The identity of the -wal beside it, None where there is none."""
    try:
        return identity_of(siblings.wal(path).stat())
    except FileNotFoundError:
        return None


def is_open(path: Path) -> bool:
    """Whether anybody works with the file that is there now, which then has siblings of its own."""
    try:
        identity = identity_of(path.stat())
    except FileNotFoundError:
        return False
    if _has_it_open_here(identity):
        return True
    with siblings.taken(path) as use:
        return use != "free"


def only_name_of(path: Path) -> tuple[Identity, int]:
    """The identity and size of a file that has no name but this one. Raises StateError, OSError."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise StateError(path, "it is a directory", "move it away, or set state.directory")
    if found.st_nlink > 1:
        _remove_unfinished(path, found)
        found = path.stat()
    if found.st_nlink > 1:
        raise StateError(
            path,
            f"it is a hard link, and the file has {found.st_nlink} names: under each, SQLite would keep other siblings",
            "copy it, and move the copy to its place",
        )
    return identity_of(found), found.st_size


def _remove_unfinished(path: Path, found: os.stat_result) -> None:
    """A process that was killed while it made the file has left it its first name, too."""
    for other in siblings.real(path).parent.glob(f".{path.name}.*"):
        if os.path.samestat(other.lstat(), found):
            other.unlink()


def settled(path: Path, identity: Identity, is_sound: Callable[[Path], bool]) -> Sequence[Path]:
    """As `siblings.settle`, unless this process has the file open: then somebody has done so before."""
    return () if _has_it_open_here(identity) else siblings.settle(path, is_sound)

"""Private files: the check of who may read and write them. Rule: what others can write is no secret of ours."""

import os
import stat
from pathlib import Path
from typing import Final

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH


def why_not_ours(path: Path) -> str | None:
    """The reason why others decide what is in the file, as `PATH ...`; None where only its owner does, we or root.

    A link is followed: what it leads to is what counts, and the directory in which the link is. Raises OSError.
    """
    found = path.stat()
    if found.st_uid not in {os.geteuid(), 0}:
        return f"{path} belongs to another user"
    if found.st_mode & _OTHERS_WRITE:
        return f"{path} can be written by others"
    directory = path.absolute().parent
    place = directory.stat()
    # In a sticky directory, such as /tmp, others cannot put another file in its place.
    if place.st_mode & stat.S_IWOTH and not place.st_mode & stat.S_ISVTX:
        return f"{path} can be replaced by others, who may write to {directory}"
    return None


def why_not_private(path: Path) -> str | None:
    """As `why_not_ours`, of a file that we made and that nobody else has to read: no link, either."""
    if path.is_symlink():
        return f"{path} is a link"
    if path.stat().st_mode & _OTHERS_READ:
        return f"{path} can be read by others"
    return why_not_ours(path)

"""The host of a process: what a command needs of it before anything else. Rule: what is missing there is one sentence.

Nothing here reads the configuration, or imports what could fail for the same want.
"""

import errno
import os
from typing import Final

FREE_DESCRIPTORS: Final = 48
"""The file descriptors of a start: modules as they load, the event loop, a few addresses, the files of the state."""
_OF_THE_HOST: Final = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO),
        *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EFBIG, errno.EBADF, errno.ELOOP),
    }
)


class HostError(Exception):
    """The system lacks, or refuses, what the command needs. The text is a sentence without a full stop."""


def check_descriptors() -> None:
    """Raises HostError where a start would run out of file descriptors.

    An import that runs out of them says that there is no such module.
    """
    taken: list[int] = []
    try:
        taken.extend(os.dup(0) for _ in range(FREE_DESCRIPTORS))
    except OSError as error:
        raise HostError(
            f"{error.strerror}: a start takes {FREE_DESCRIPTORS} file descriptors, and {len(taken)} are left; "
            "raise the limit (ulimit -n, LimitNOFILE=)"
        ) from None
    finally:
        for fd in taken:
            os.close(fd)


def check_working_directory() -> None:
    """Raises HostError where there is none: relative paths would mean nothing, and libraries fail for it."""
    try:
        os.getcwd()  # noqa: PTH109  # to import pathlib is not needed yet
    except OSError as error:
        raise HostError(
            f"the working directory cannot be found ({error.strerror}); start it in one that is there"
        ) from None


def as_host_error(error: OSError) -> HostError | None:
    """The HostError that says what the system refused; None where that may be a defect of ours."""
    if error.errno not in _OF_THE_HOST:
        return None
    return HostError(f"{error.strerror}: {error.filename}" if error.filename is not None else str(error.strerror))

"""The standard streams of a process, open whatever it was started with. Rule: nothing else ever gets fd 0, 1 or 2.

A descriptor that is closed at the start (`2>&-` in a shell) is the next one the kernel hands out: a socket or a
database would take its place, and the first traceback would be written into it.
"""

import codecs
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2


_missing: Final[set[int]] = set()


def open_missing() -> None:
    """Open /dev/null where whoever started this process left nothing."""
    _missing.update(fd for fd in (STDIN, STDOUT, STDERR) if _opened(fd))


def is_missing(fd: int) -> bool:
    """Whether `fd` was closed when this process started."""
    return fd in _missing


def _opened(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        # The lowest free descriptor is the one that is missing: the ones below it are there by now.
        os.open(os.devnull, os.O_RDWR)
        os.set_inheritable(fd, True)  # as standard streams are; the parameter has no name
        return True
    return False


class _Forgiving(io.FileIO):
    """A standard stream that nobody has to have room for: what cannot be written is lost, as what nobody reads is.

    A full disk under the log is no reason for a plugin's `print` to fail, nor for an exit code.
    """

    def write(self, data: "ReadableBuffer", /) -> int | None:  # type: ignore[override]  # None: it would block
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def take_error() -> None:
    """`open_missing`, and have what is printed to standard error written as far as it can be. Once, first of all."""
    open_missing()
    sys.stderr = _text(_Forgiving(STDERR, "w", closefd=False), sys.stderr, errors="backslashreplace", by_line=True)


def _text(raw: io.FileIO, old: TextIO | None, *, errors: str, by_line: bool) -> io.TextIOWrapper:
    """A stream on `raw` in the place of `old`, in an encoding that has every character."""
    named = "utf-8" if old is None else old.encoding
    encoding = "utf-8" if codecs.lookup(named).name == "ascii" else named
    at_once = by_line or getattr(old, "write_through", False)  # the latter by PYTHONUNBUFFERED
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=at_once)


class _Written(io.FileIO):
    """Standard output that remembers why it could not be written, and takes the rest in silence."""

    failure: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        if self.failure is not None:
            return memoryview(data).nbytes
        try:
            return _write_unless_missing(super().write, data)
        except OSError as error:
            self.failure = error
            raise


def _write_unless_missing(write: "Callable[[ReadableBuffer], int]", data: "ReadableBuffer") -> int:
    if is_missing(STDOUT):
        raise OSError(errno.EBADF, "it is closed")  # What is there is /dev/null, which would take it.
    return write(data)


class Output:
    """The standard output of a command. Whether it arrived is said once a process, at the end, by `unwritten`."""

    def __init__(self) -> None:
        self._raw: _Written | None = None

    def take(self) -> None:
        """Have what is printed from now on written through `_Written`."""
        self._raw = _Written(STDOUT, "w", closefd=False)
        self._replace(self._raw)

    def let_go(self) -> None:
        """From now on what is printed is not what the command was asked for, and need not arrive."""
        if self._raw is not None:
            self._raw = None
            self._replace(_Forgiving(STDOUT, "w", closefd=False))

    def _replace(self, raw: io.FileIO) -> None:
        sys.stdout = _text(raw, sys.stdout, errors="replace", by_line=raw.isatty())

    def unwritten(self) -> OSError | None:
        """Write out what was printed. Returns why not all of it could be."""
        try:
            sys.stdout.flush()
        except OSError as error:
            return error
        except ValueError:
            pass  # Something has closed it, after it was written.
        return None if self._raw is None else self._raw.failure


OUTPUT: Final = Output()
"""That of this process."""


def say(text: str) -> None:
    """Print to standard error. Where that cannot be written, nobody is left to tell."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return

"""The audit file: one JSON object a line, each with a running number. Rule: a line that is missing shows.

`run` names one start of one process, and `n` counts its lines from 0: where a number is missing, a line is. The first
line of a run is `audit_started`, its last one, after an orderly end, `audit_stopped`. Rotation is the system's: a file
that was moved away is left where it is, and another one is begun.
"""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from mcp_runtime.telemetry.log.log import get_logger

_SAY_AGAIN_S: Final = 60.0
"""Time between two complaints about lines that cannot be written."""


class AuditFile:
    """The file at `path`, for its owner alone. `now` gives Unix seconds, for the field `time` (ISO 8601, UTC)."""

    def __init__(self, path: Path, *, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._run = secrets.token_hex(8)
        self._number = 0
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._lost = 0
        self._torn = False
        self._complain_at = 0.0

    def open(self) -> None:
        """Open the file and note the start. Raises OSError."""
        self._reopen()
        self.write({"event": "audit_started"})

    def write(self, fields: dict[str, Any]) -> None:
        """Add a line. One that cannot be written is lost; its number is, too, and the log says so once a while."""
        line = {"time": _iso(self._now()), "run": self._run, "n": self._number, **fields}
        self._number += 1
        try:
            self._follow_rotation()
            self._append(msgspec.json.encode(line, enc_hook=str) + b"\n")
        except (OSError, ValueError, RecursionError) as error:  # the last two for what JSON cannot say
            self._lost += 1
            if self._now() >= self._complain_at:
                self._complain_at = self._now() + _SAY_AGAIN_S
                get_logger().error("audit_lost", file=str(self._path), lines=self._lost, error=str(error))

    def close(self) -> None:
        """Note the end, and close the file."""
        self.write({"event": "audit_stopped", "lost": self._lost})
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, line: bytes) -> None:
        if self._descriptor is None:
            raise OSError("the file is not open")
        # One write a line: several processes may append to one file. What a full disk left of one gets no other.
        whole = b"\n" + line if self._torn else line
        written = os.write(self._descriptor, whole)
        self._torn = written < len(whole)
        if self._torn:
            raise OSError("the disk is full")

    def _follow_rotation(self) -> None:
        try:
            found = os.stat(self._path)  # noqa: PTH116  # on each line
        except FileNotFoundError:
            self._reopen()
            return
        if (found.st_dev, found.st_ino) != self._identity:
            self._reopen()

    def _reopen(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):  # A pipe that nobody reads would stop the server.
            os.close(descriptor)
            raise OSError(f"{self._path} is no file")
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._identity = descriptor, (found.st_dev, found.st_ino)


def _iso(time_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")

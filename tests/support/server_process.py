"""One `mcp-runtime serve` as a process of its own. Rule: however a test ends, its process is gone afterwards."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

COMMAND: Final = str(Path(sys.executable).with_name("mcp-runtime"))
PROBES: Final = str(Path(__file__).parents[1] / "process" / "plugins" / "probes.py")
PATIENCE_S: Final = 20.0
"""How long something may take that takes a fraction of a second on an idle machine."""


def clean_environment(directory: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without the runtime's variables, its state and home in `directory`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MCP_RUNTIME_")}
    return {**own, "XDG_STATE_HOME": str(directory / "state"), "HOME": str(directory), **(extra or {})}


class ErrorLines:
    """Collects the lines that a process writes to stderr, and lets a test wait for one."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._lines: list[str] = []
        self._arrived = threading.Condition()  # its lock is re-entrant
        self._ended = False
        self._pipe = pipe
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        for line in self._pipe:
            with self._arrived:
                self._lines.append(line.decode(errors="replace").rstrip("\n"))
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    @property
    def text(self) -> str:
        """Everything so far."""
        with self._arrived:
            return "\n".join(self._lines)

    def wait_for(self, wanted: Callable[[str], bool], timeout_s: float = PATIENCE_S) -> str:
        """The first line that is `wanted`. Raises AssertionError where the stream ends, or time does, before it."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._ended or any(map(wanted, self._lines)), timeout_s)
            found = next(filter(wanted, self._lines), None)
            ending = "ended" if self._ended else f"was quiet for {timeout_s:g} s"
        assert found is not None, f"standard error {ending} without the line; it has:\n{self.text}"
        return found

    def wait_until(self, holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait for what nobody announces. Raises AssertionError where the process ends, or time does, before it."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            with self._arrived:
                assert not self._ended, f"the process has ended:\n{self.text}"
                self._arrived.wait(0.01)
            assert time.monotonic() < deadline, f"not so after {timeout_s:g} s; standard error has:\n{self.text}"

    def finish(self) -> None:
        """Collect what is left. Call once the process has ended."""
        self._thread.join(PATIENCE_S)
        self._pipe.close()


class ServerProcess:
    """A server, from start to the end of the block. `arguments` follow `mcp-runtime serve`, unless `command` is given.

    Nothing is piped but stderr, unless `stdin` and `stdout` say so (as `subprocess.Popen` takes them).
    """

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (COMMAND, "serve", "--log-format", "json"),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
    ) -> None:
        self.process = subprocess.Popen(
            [*command, *arguments],
            env=clean_environment(directory, environment),
            cwd=directory,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            # A group of its own, so that the workers of an ASGI server can be ended with it.
            start_new_session=True,
        )
        assert self.process.stderr is not None
        self.errors = ErrorLines(self.process.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                with suppress(BrokenPipeError):
                    pipe.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.errors.finish()
        if kind is not None:
            print(self.errors.text)  # pytest shows it where a test failed

    @property
    def pid(self) -> int:
        return self.process.pid

    def event(self, name: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The first log event `name`, waiting for it."""
        found = self.errors.wait_for(lambda line: _is_event(line, name), timeout_s)
        return dict(json.loads(found))

    def events(self) -> list[dict[str, Any]]:
        """All log events so far."""
        return [json.loads(line) for line in self.errors.text.splitlines() if line.startswith("{")]

    def said(self, line: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a tool of `plugins/probes.py` has said `line`."""
        self.errors.wait_for(lambda one: one == f"probe: {line}", timeout_s)

    @property
    def urls(self) -> list[str]:
        """Its MCP endpoints, once it listens."""
        return list(self.event("listening")["urls"])

    @property
    def url(self) -> str:
        """Its first MCP endpoint, once it listens."""
        return self.urls[0]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal. Returns the time it was sent at, for `ended_after_s`."""
        sent = time.monotonic()
        self.process.send_signal(number)
        return sent

    def exit_code(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end; everything it said is in `errors` then. Raises subprocess.TimeoutExpired."""
        code = self.process.wait(timeout_s)
        self.errors.finish()
        return code

    def ended_after_s(self, since: float) -> float:
        """Wait for its end, and say how long after `since` (of time.monotonic) that was."""
        # Not process.wait: with a timeout it looks now and then, as much as 50 ms late.
        pidfd = os.pidfd_open(self.process.pid)
        try:
            ended, _, _ = select.select([pidfd], [], [], PATIENCE_S)
            taken_s = time.monotonic() - since
        finally:
            os.close(pidfd)
        assert ended, f"it runs on, {taken_s:.1f} s later; standard error has:\n{self.errors.text}"
        return taken_s

    def descriptors(self) -> int:
        """How many it has open, as /proc has it."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def resident_bytes(self) -> int:
        """Its memory, as /proc has it."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process has no VmRSS: it has ended")


def _is_event(line: str, name: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return bool(json.loads(line).get("event") == name)
    except ValueError:
        return False

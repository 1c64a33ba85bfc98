"""One peer as a process of its own, on the server's core. Rule: however a measurement ends, its processes are gone."""

import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Final, Self

from tests.benchmarks.peers import PEERS, Peer
from tests.benchmarks.pinning import SERVER_CORE, pinned_to

PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.002
_LOOKS: Final = 2
"""One thread may be about to wake the other when both are seen asleep."""
_LOOK_S: Final = 0.0002


class PeerError(Exception):
    """A peer that did not start, ended, or answered something else than it should."""


def installed(key: str) -> Peer:
    """The row `key` of the table. Raises PeerError where its environment is not there."""
    peer = PEERS[key]
    if not peer.is_installed:
        raise PeerError("not installed")
    return peer


def allow_descriptors() -> None:
    """Let this process, and those it starts, have as many connections as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def no_longer_than(limit_s: int) -> Generator[None]:
    """Let the block take so long. Raises PeerError in it then: a server that hangs must not keep the machine for ever."""

    def out_of_time(_number: int, _frame: FrameType | None) -> None:
        raise PeerError(f"it took longer than {limit_s} s")

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(limit_s)
    try:
        yield
    finally:
        signal.alarm(0)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class _Process:
    """A process group, the directory that it works in, and what it wrote to standard error."""

    def __init__(
        self, peer: Peer, command: tuple[str, ...], port: int, extra: Mapping[str, str], *, piped: bool
    ) -> None:
        self.peer = peer
        self._directory = tempfile.TemporaryDirectory(prefix="bench-")
        self.directory = directory = Path(self._directory.name)
        self._errors = (directory / "stderr").open("w+b")
        self._command = peer.command(command, port)
        self._environ = peer.environ(directory, extra)
        self._piped = piped
        self._start()

    def _start(self) -> None:
        with pinned_to(SERVER_CORE):
            self.started_at_s = time.perf_counter()
            self.process = subprocess.Popen(
                self._command,
                env=self._environ,
                cwd=self.directory,
                stdin=subprocess.PIPE if self._piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._piped else self._errors,
                stderr=self._errors,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self.process.wait()
        self._errors.close()
        self._directory.cleanup()

    def failure(self, problem: str) -> PeerError:
        """`problem`, with the end of what the process said."""
        self._errors.flush()
        said = Path(self._errors.name).read_text(errors="replace").strip().splitlines()[-12:]
        return PeerError("\n    ".join([f"{self.peer.label}: {problem}", *said]))

    def beside(self, *command: str) -> bytes:
        """What `command`, a template as in the table, writes where the process runs. Raises PeerError."""
        ran = subprocess.run(
            self.peer.command(command), env=self._environ, cwd=self.directory, capture_output=True, check=False
        )
        if ran.returncode:
            raise self.failure(f"{' '.join(command)} ended with {ran.returncode}: {ran.stderr.decode()[-300:]}")
        return ran.stdout

    def resident_bytes(self) -> int:
        """The memory of the process and of those it started, as /proc has it."""
        return sum(_resident_bytes(pid) for pid in _with_children(self.process.pid))

    def cpu_s(self) -> float:
        """Seconds of processor that the process and those it started have used so far."""
        return sum(_cpu_s(pid) for pid in _with_children(self.process.pid))

    def wait_until_asleep(self) -> None:
        """Wait until all threads of the process wait for something, at two looks in a row. Raises PeerError."""
        deadline, looks = time.monotonic() + PATIENCE_S, 0
        while looks < _LOOKS:
            if time.monotonic() > deadline:
                raise self.failure(f"was busy for {PATIENCE_S:g} s")
            looks = looks + 1 if _is_asleep(self.process.pid) else 0
            time.sleep(_LOOK_S)

    def open_descriptors(self) -> int:
        """Files, pipes and sockets that the process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


class HttpServer(_Process):
    """A peer that listens on `port`, from start to the end of the block. `transport` names its command in the table."""

    def __init__(self, peer: Peer, *, extra: Mapping[str, str] | None = None, transport: str = "http") -> None:
        self.port = free_port()
        command = peer.sse if transport == "sse" else peer.http
        super().__init__(peer, command, self.port, extra or {}, piped=False)

    def end(self, number: signal.Signals) -> int | None:
        """End it with a signal: how it ended, None where it does not."""
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return None

    def start_again(self) -> None:
        """Start what has ended, in the same directory and on the same port. Raises PeerError."""
        self._start()
        self.wait_until_listening()

    def wait_until(self, ready: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait until `ready`, which may raise OSError while nobody listens. Raises PeerError."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise self.failure(f"ended with {self.process.returncode}")
            with suppress(OSError):
                if ready():
                    return
            time.sleep(_POLL_S)
        raise self.failure(f"did not answer within {patience_s:g} s")

    def wait_until_listening(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until it answers HTTP, whatever it answers: some listen before they are ready, and then fail."""

        def answers() -> bool:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
                connection.sendall(b"GET /ready HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n\r\n")
                return connection.recv(9) == b"HTTP/1.1 "

        self.wait_until(answers, patience_s)


class StdioServer(_Process):
    """A peer that speaks on `stdin` and `stdout`."""

    def __init__(self, peer: Peer, *, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(peer, peer.stdio, 0, extra or {}, piped=True)

    @property
    def stdin(self) -> IO[bytes]:
        """Where it reads messages, a line each."""
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Where it writes messages."""
        assert self.process.stdout is not None
        return self.process.stdout


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _with_children(int(child))
    return found


def _cpu_s(pid: int) -> float:
    """In nanoseconds from the scheduler, a thread at a time: /proc/PID/stat counts ticks of 10 ms."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _is_asleep(pid: int) -> bool:
    """Whether no thread of the process runs, or could: the letter behind the name, which may have spaces in it."""
    files = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(path.read_text().rpartition(")")[2].split()[0] == "S" for path in files)


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0

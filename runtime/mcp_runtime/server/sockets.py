"""Where to listen. Rule: an address that cannot be had is the operator's error, said before anything is served."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from mcp_runtime.config import Config, ConfigError

_BACKLOG: Final = 1024
"""Connections the kernel holds while the process is busy; Linux caps it at net.core.somaxconn."""
_WILDCARDS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to
_UNIX: Final = "unix:"


class BindError(ConfigError):
    """An address that cannot be listened on."""


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A listening socket.

    `url` is where a client on this machine reaches it, `host` its own name ("" for wildcards).
    """

    sock: socket.socket
    url: str
    host: str
    unix_path: str | None = None
    unix_file: tuple[int, int] | None = None

    def close(self) -> None:
        """Stop listening; a Unix socket's file goes too, unless another process has put its own there meanwhile."""
        self.sock.close()
        if self.unix_path is not None and _identity(self.unix_path) == self.unix_file:
            Path(self.unix_path).unlink(missing_ok=True)


def open_listeners(config: Config, key: str, binds: Sequence[str], *, scheme: str) -> list[Listener]:
    """Listen on all of `binds` (values of the configuration key `key`). Raises BindError, with nothing left open."""
    opened: list[Listener] = []
    try:
        for bind in binds:
            opened.append(_open(bind, scheme))  # noqa: PERF401  # what was opened has to be known when the next one fails
    except OSError as error:
        for listener in opened:
            listener.close()
        raise BindError(
            config.origin.file or "defaults",
            key,
            f"cannot listen on {binds[len(opened)]}: {error.strerror or error}",
            "choose another address with --bind or in the configuration, or stop what listens there",
        ) from None
    return opened


def _open(bind: str, scheme: str) -> Listener:
    if bind.startswith(_UNIX):
        return _open_unix(bind.removeprefix(_UNIX))
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    sock = socket.create_server(address, family=family, backlog=_BACKLOG)
    actual = sock.getsockname()[1]
    shown = "127.0.0.1" if host in _WILDCARDS else host
    shown = f"[{shown}]" if ":" in shown else shown
    return Listener(sock=sock, url=f"{scheme}://{shown}:{actual}", host="" if host in _WILDCARDS else host)


def _open_unix(path: str) -> Listener:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        Path(path).chmod(0o600)  # Whoever may open the file may call the tools.
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return Listener(sock=sock, url=f"{_UNIX}{path}", host="", unix_path=path, unix_file=_identity(path))


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode of what is at `path`, None where there is nothing."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_stale(path: str) -> None:
    """Remove the socket file that a killed process left; leave alone one that answers, and anything else."""
    file = Path(path)
    if not file.exists():
        return
    if not file.is_socket():
        raise OSError(f"{path} is there already and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            file.unlink()
            return
    raise OSError(f"another process listens on {path}")

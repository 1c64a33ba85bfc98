"""The listeners: sockets with the addresses of the configuration.

Rule: an address that cannot be had is the operator's error, said before anything is served.

An address is taken early and listened on late: until `listen`, connections to it are refused, rather than accepted by a
process that cannot answer yet.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from mcp_runtime.config import Config, ConfigError

_BACKLOG: Final = 1024
"""Connections the kernel holds while the process is busy; Linux caps it at net.core.somaxconn."""
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # looked up, not bound to
"""An address of this machine alone that is among all its addresses."""
_UNIX: Final = "unix:"


class BindError(ConfigError):
    """An address that cannot be listened on."""


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A socket that has an address, and listens there from `listen` on."""

    sock: socket.socket
    bind: str
    """The address, as the configuration writes it."""
    url: str
    """Where a client on this machine reaches it."""
    bound: str
    """The address that was bound, as a URL: 0.0.0.0 where it is every address of the machine."""
    host: str
    """The name in the address; "" for wildcards."""
    unix_path: str | None = None
    unix_file: tuple[int, int] | None = None
    """Which file was made there, as device and inode."""

    def listen(self) -> None:
        """Take connections from now on. Raises OSError where another process was faster."""
        if self.unix_path is not None and _identity(self.unix_path) != self.unix_file:
            raise OSError("another process has put a file of its own there meanwhile")
        self.sock.listen(_BACKLOG)

    def close(self) -> None:
        """Stop listening; a Unix socket's file goes too, unless another process has put its own there meanwhile."""
        self.sock.close()
        if self.unix_path is not None and _identity(self.unix_path) == self.unix_file:
            Path(self.unix_path).unlink(missing_ok=True)


def open_listeners(config: Config, key: str, binds: Sequence[str], *, scheme: str) -> list[Listener]:
    """Listen on all of `binds` (values of the configuration key `key`). Raises BindError, with nothing left open."""
    listeners = bind_listeners(config, key, binds, scheme=scheme)
    try:
        listen_on(config, key, listeners)
    except BindError:
        _close(listeners)
        raise
    return listeners


def bind_listeners(config: Config, key: str, binds: Sequence[str], *, scheme: str) -> list[Listener]:
    """Take the addresses `binds`, and refuse connections there still. Raises BindError, with nothing left open."""
    opened: list[Listener] = []
    for bind in binds:
        try:
            opened.append(_open(bind, scheme))
        except OSError as error:
            _close(opened)
            raise _bind_error(config, key, bind, error) from None
    return opened


def listen_on(config: Config, key: str, listeners: Sequence[Listener]) -> None:
    """Take connections on all of `listeners`. Raises BindError."""
    for listener in listeners:
        try:
            listener.listen()
        except OSError as error:
            raise _bind_error(config, key, listener.bind, error) from None


def _close(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        listener.close()


def _bind_error(config: Config, key: str, bind: str, error: OSError) -> BindError:
    return BindError(
        config.origin.file or "defaults",
        key,
        f"cannot listen on {bind}: {error.strerror or error}",
        "choose another address with --bind or in the configuration, or stop what listens there",
    )


def _open(bind: str, scheme: str) -> Listener:
    if bind.startswith(_UNIX):
        return _open_unix(bind.removeprefix(_UNIX))
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    sock = _bound(family, address)
    actual_host, actual_port = sock.getsockname()[:2]
    is_wildcard = actual_host in _LOOPBACK
    return Listener(
        sock=sock,
        bind=bind,
        url=_url(scheme, _LOOPBACK[actual_host] if is_wildcard else host, actual_port),
        bound=_url(scheme, actual_host if is_wildcard else host, actual_port),
        host="" if is_wildcard else host,
    )


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    """A socket with an address of its own. As `socket.create_server`, which would listen at once."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # After a restart, connections of the process before still linger on the address.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _open_unix(path: str) -> Listener:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        Path(path).chmod(0o600)  # Whoever may open the file may call the tools.
    except OSError:
        sock.close()
        raise
    bind = url = f"{_UNIX}{path}"
    return Listener(sock=sock, bind=bind, url=url, bound=url, host="", unix_path=path, unix_file=_identity(path))


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

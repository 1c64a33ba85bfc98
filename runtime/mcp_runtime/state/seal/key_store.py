"""The key store of the seal: keys of the configuration, else of a file of our own.

Rule: a restarted server opens what it sealed.
"""

import os
import secrets
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Final

from mcp_runtime.config import Config, ConfigError, default_state_directory
from mcp_runtime.platform.private_files import why_not_private
from mcp_runtime.state.seal.sealer import KeyRing
from mcp_runtime.state.seal.token_format import KEY_BYTES

FILE_NAME: Final = "seal.key"
_MIN_DIFFERENT_BYTES: Final = 16
"""Of 32 random ones, 30 are different in the middle; fewer than 16 are not seen once in the age of the world."""


def load_keys(config: Config) -> KeyRing:
    """The configured keys, or the one in the state directory, made at first start. Raises ConfigError."""
    secrets_ = config.seal.keys
    for index, secret in enumerate(secrets_):
        weak = secret.why_weak()
        if weak is not None:
            raise ConfigError(
                config.origin.file or "environment",
                f"seal.keys[{index}]",
                f"the secret {weak}",
                "make one with: openssl rand -base64 32",
            )
    if secrets_:
        # Hashed, so that any text will do whatever its alphabet.
        return KeyRing([sha256(secret.reveal().encode()).digest() for secret in secrets_], place="seal.keys")
    directory = Path(config.state.directory) if config.state.directory else default_state_directory(os.environ)
    return _own_key(directory)


def first_key(config: Config) -> bytes:
    """The key that seals, for hashes that nobody is to find by trying; another one once it is rotated.

    Raises ConfigError, as `load_keys`.
    """
    return load_keys(config).sealing()[1]


def _own_key(directory: Path) -> KeyRing:
    path = directory / FILE_NAME
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = _read(path) if os.path.lexists(path) else _create(path)
        made_s = path.stat().st_mtime
        exposed = why_not_private(path)
    except OSError as error:
        raise ConfigError(
            "defaults",
            "state.directory",
            f"cannot keep a seal key in {path}: {error.strerror or error}",
            "make the directory writable, set state.directory, or set seal.keys",
        ) from None
    if len(key) != KEY_BYTES:
        raise ConfigError("defaults", "state.directory", f"{path} is no seal key", f"remove {path}, or set seal.keys")
    if exposed is not None or len(set(key)) < _MIN_DIFFERENT_BYTES:
        raise ConfigError(
            "defaults",
            "state.directory",
            f"the seal key is not safe to use: {exposed or f'{path} is not random'}",
            f"remove {path} for a new one, which ends sessions and open questions, or set seal.keys",
        )
    return KeyRing([key], place=str(path), made_s=made_s)


def _create(path: Path) -> bytes:
    """A new key in `path`. Of two processes that start at once, both get the one that was there first."""
    descriptor, name = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=path.parent)  # readable by its owner alone
    temporary = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(temporary, path)  # Unlike a rename, a link fails where the other process was first.
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    return path.read_bytes()

"""Keys that others may know are refused, and why is said."""

import os
from pathlib import Path
from typing import Final

import pytest

from mcp_runtime.config import Config, ConfigError, StateConfig
from mcp_runtime.config.loading import load_config
from mcp_runtime.state.seal.key_store import FILE_NAME, load_keys

KEY: Final = bytes(range(100, 132))


def own_key(directory: Path, content: bytes = KEY, mode: int = 0o600) -> Path:
    """A seal key as the server keeps one."""
    state = directory / "state"
    state.mkdir(mode=0o700)
    path = state / FILE_NAME
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refused(directory: Path) -> str:
    """What is said of the key in a state directory."""
    with pytest.raises(ConfigError) as caught:
        load_keys(Config(state=StateConfig(directory=str(directory))))
    return str(caught.value)


def configured(key: str) -> str:
    """What is said of a configured key."""
    with pytest.raises(ConfigError) as caught:
        load_config(environ={"MCP_RUNTIME_SEAL_KEYS": key, "HOME": "/home/ann"})
    return str(caught.value)


def test_a_key_that_is_ours_alone_is_used(tmp_path: Path) -> None:
    path = own_key(tmp_path)
    assert load_keys(Config(state=StateConfig(directory=str(path.parent)))).sealing()[1] == KEY


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (0o620, "can be written by others"),
        (0o602, "can be written by others"),
        (0o640, "can be read by others"),
        (0o604, "can be read by others"),
    ],
)
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int, reason: str) -> None:
    path = own_key(tmp_path, mode=mode)
    assert f"{path} {reason}" in refused(path.parent)


def test_a_key_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    path = own_key(tmp_path)
    path.parent.chmod(0o777)
    assert f"{path} can be replaced by others" in refused(path.parent)


def test_a_link_to_a_key_is_refused(tmp_path: Path) -> None:
    path = own_key(tmp_path)
    path.rename(tmp_path / "elsewhere.key")
    path.symlink_to(tmp_path / "elsewhere.key")
    assert f"{path} is a link" in refused(path.parent)


def test_a_link_to_nothing_is_no_reason_to_write_there(tmp_path: Path) -> None:
    path = own_key(tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.key")
    refused(path.parent)
    assert not (tmp_path / "elsewhere.key").exists()


@pytest.mark.parametrize("content", [b"\0" * 32, b"k" * 32, b"ab" * 16, b"01234567" * 4])
def test_a_key_of_few_bytes_is_refused(tmp_path: Path, content: bytes) -> None:
    path = own_key(tmp_path, content)
    assert "is not random" in refused(path.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    path = own_key(tmp_path)
    os.chown(path, 65_534, 65_534)
    assert "belongs to another user" in refused(path.parent)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_configured_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text("0123456789abcdefghijklmnopqrstuvwxyz")
    path.chmod(mode)
    said = configured(f"file:{path}")
    assert f"{path} can be written by others" in said
    assert "0123456789" not in said


@pytest.mark.parametrize("key", ["k" * 40, "ab" * 20, "0" * 32 + "1"])
def test_a_configured_key_of_few_characters_is_refused(tmp_path: Path, key: str) -> None:
    said = configured(key)
    assert "is not random" in said
    assert key not in said

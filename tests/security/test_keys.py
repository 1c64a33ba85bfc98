"""Keys that others may know: the server says why, and does not start with one."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_http import accepts_connections
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

KEY: Final = bytes(range(100, 132))


def refused(directory: Path, **environment: str) -> str:
    """What the server says that does not start."""
    bind = f"unix:{directory}/mcp.sock"
    with ServerProcess("--plugin", PROBES, "--bind", bind, directory=directory, environment=environment) as server:
        assert server.exit_code() == 3
        assert not accepts_connections(f"{bind}/mcp")
        return server.errors.text


def own_key(directory: Path, content: bytes = KEY, mode: int = 0o600) -> Path:
    """A seal key as the server keeps one."""
    state = directory / "state"
    state.mkdir(mode=0o700)
    path = state / "seal.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_key_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = own_key(tmp_path, mode=0o620)
    assert f"{path} can be written by others" in refused(tmp_path, MCP_RUNTIME_STATE_DIRECTORY=str(path.parent))


def test_a_configured_key_of_few_characters_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, MCP_RUNTIME_SEAL_KEYS="k" * 40)
    assert "is not random" in said
    assert "kkk" not in said


def test_a_configured_link_that_only_its_owner_can_change_is_followed(tmp_path: Path) -> None:
    # So do Kubernetes and systemd hand out secrets, and all may read them there.
    path, link = tmp_path / "data", tmp_path / "link"
    path.write_text("0123456789abcdefghijklmnopqrstuvwxyz")
    path.chmod(0o644)
    link.symlink_to(path)
    environment = {"MCP_RUNTIME_SEAL_KEYS": f"file:{link}"}
    command = ("--plugin", PROBES, "--bind", "127.0.0.1:0")
    with ServerProcess(*command, directory=tmp_path, environment=environment) as server:
        server.event("listening")

"""Fixtures of the client tests. Rule: a conversation is held once, and looked at by many tests."""

import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from tests.clients.node_programs import node_programs
from tests.clients.transcripts import PYTHON, Transcript, conversation

__all__ = ["transcript"]

HERE: Final = Path(__file__).parent


@pytest.fixture(scope="module")
def transcript(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Transcript]:
    """What a client saw; the parameter is (client, transport, mode)."""
    client, transport, mode = request.param
    directory = tmp_path_factory.mktemp(f"{client}-{transport}")
    script = _node_script(directory) if client == "js" else (*PYTHON, str(HERE / "python_client.py"))
    with conversation(script, transport=transport, mode=mode, directory=directory) as seen:
        yield seen


def _node_script(directory: Path) -> tuple[str, ...]:
    """The script where Node.js finds its packages: it looks from the script's own folder upwards."""
    programs = node_programs()
    (directory / "node_modules").symlink_to(programs.modules)
    script = directory / "client.mjs"
    shutil.copy(HERE / "js_client.mjs", script)
    return (programs.node, str(script))

"""Programs from npm. Rule: installed by scripts/test into one folder; a test without them skips, but never in CI."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(os.environ.get("MCP_RUNTIME_TEST_NODE") or Path(__file__).parents[2] / ".cache" / "node")
"""Holds node_modules, as package.json beside this file pins it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePrograms:
    """Paths of what is installed. `modules` is the node_modules folder."""

    node: str
    modules: Path

    @property
    def path(self) -> str:
        """PATH with this Node.js first: programs start others by name."""
        return f"{Path(self.node).parent}{os.pathsep}{os.environ['PATH']}"

    def script(self, package: str, file: str) -> str:
        """The path of a file in a package."""
        return str(self.modules / package / file)


def node_programs() -> NodePrograms:
    """What is installed; without it the test that asks is skipped, or fails in CI."""
    modules = FOLDER / "node_modules"
    node = modules / "node" / "bin" / "node"
    if node.exists():
        return NodePrograms(node=str(node), modules=modules)
    reason = f"no Node.js programs in {FOLDER}: scripts/test installs them, where npm is"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

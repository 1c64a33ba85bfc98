"""What goes wrong with kept state. Rule: only what an operator can put right, with the file and a fix."""

from pathlib import Path

from mcp_runtime.config import ConfigError


class StateError(ConfigError):
    """The state in `path` cannot be used: a full disk, a file that is damaged, locked or not ours.

    As with every ConfigError, `problem` and `fix` are clauses without a full stop.
    """

    def __init__(self, path: Path, problem: str, fix: str) -> None:
        super().__init__(str(path), "state.directory", problem, fix)


class WouldWait(Exception):
    """Reading now would hold up the event loop; a thread may wait instead."""

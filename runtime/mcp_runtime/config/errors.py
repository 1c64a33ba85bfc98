"""The error of an operator who configures. Rule: it names the file, the key, what is wrong, and what would be right."""

from collections.abc import Iterable
from typing import Final

ENVIRONMENT: Final = "environment"
COMMAND_LINE: Final = "command line"
"""The words that stand for the file where a value came from neither a file nor a default."""


class ConfigError(Exception):
    """A configuration that cannot be used. `str()` is `FILE: KEY: problem. Fix: what would be right.`

    `file` is a path, "environment", "command line" or "defaults"; `key` is dotted (`http.bind`), the name of an
    environment variable, or a place in the file (`line 3`). `problem` and `fix` are clauses without a full stop.
    """

    def __init__(self, file: str, key: str, problem: str, fix: str) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.fix = fix
        super().__init__(f"{file}: {key}: {problem}. Fix: {fix}" + ("" if fix.endswith("?") else "."))


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` is most likely a slip of, or None if nothing is near."""
    import difflib

    # 0.6, difflib's own cutoff: it finds a wrong letter in a short name and a wrong word in a long one.
    return next(iter(difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)), None)

"""The home directory of the user that the process runs as. Rule: there may be none, and that is a ValueError.

A container often runs under a user id that no password database knows.
"""

from collections.abc import Mapping
from pathlib import Path


def home_directory(environ: Mapping[str, str]) -> Path:
    """What HOME says, else what the password database does. Raises ValueError where neither says anything."""
    if environ.get("HOME"):
        return Path(environ["HOME"])
    try:
        return Path.home()
    except RuntimeError:
        raise ValueError("HOME is not set, and the password database does not know this user") from None


def expanded(path: str) -> Path:
    """`path` with a leading ~ or ~USER replaced. Raises ValueError where there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home directory for the ~ of {path}; write the path in full") from None

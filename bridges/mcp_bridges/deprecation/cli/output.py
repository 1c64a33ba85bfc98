"""The standard output of the subcommands. Rule: only what was asked for, and it ends with a line end."""

import sys


def write(text: str) -> None:
    """Write `text` as the command's answer."""
    sys.stdout.write(f"{text}\n")

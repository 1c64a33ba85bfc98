"""Standard output while plugins are imported. Rule: what a plugin prints is not what the command was asked for."""

import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def plugins_print_to_stderr() -> Generator[None]:
    """Inside, `print` writes to standard error, so that `mcp-runtime tools --json | jq` gets JSON alone."""
    with redirect_stdout(sys.stderr):
        yield

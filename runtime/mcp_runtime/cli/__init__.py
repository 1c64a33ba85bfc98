"""The command `mcp-runtime`. Rule: stdout is for what a command was asked for; everything else goes to stderr."""

import os
import sys
from collections.abc import Sequence

from mcp_runtime.cli.exit_codes import ExitCode


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own). Returns the exit code; exits by itself for --help."""
    from mcp_runtime.cli.parser import build_parser

    words = sys.argv[1:] if argv is None else argv
    args = build_parser(words).parse_args(words)
    try:
        return int(args.run(args))
    except BrokenPipeError:
        # The reader of standard output has seen enough, as `| head` does. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except _expected() as error:
        from mcp_runtime.cli.failures import explain

        return explain(error)


def _expected() -> tuple[type[Exception], ...]:
    """What somebody can put right. Asked only once something was raised: these imports are for that case."""
    from mcp_runtime.cli.failures import EXPECTED

    return EXPECTED

"""The command `mcp-runtime`. Rule: stdout is for what a command was asked for; everything else goes to stderr."""

import sys
from collections.abc import Sequence

from mcp_runtime.cli.exit_codes import ExitCode
from mcp_runtime.cli.host import HostError, check_descriptors
from mcp_runtime.platform.signals import SIGNALS, AskedToEnd
from mcp_runtime.platform.standard_streams import OUTPUT, say, take_error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own). Returns the exit code; exits by itself for --help.

    For the process's own it takes charge of the process too: of its signals and its standard streams.
    """
    if argv is not None:
        return _run(argv)
    take_error()
    SIGNALS.install()
    OUTPUT.take()
    try:
        return _written_out(_run(sys.argv[1:]))
    except SystemExit as error:
        if error.code:
            raise
        sys.exit(_written_out(ExitCode.OK))  # --help and --version end like this
    finally:
        SIGNALS.leave()


def _run(words: Sequence[str]) -> int:
    try:
        check_descriptors()
        from mcp_runtime.cli.parser import build_parser

        args = build_parser(words).parse_args(words)
        return int(args.run(args))
    except SystemExit:
        raise  # --help, --version or a wrong command line: what explains failures is not imported for that.
    except (BrokenPipeError, KeyboardInterrupt, HostError) as error:
        return _told_at_once(error)
    except _expected() as error:
        if error is OUTPUT.unwritten():
            return ExitCode.HOST  # `main` says it.
        from mcp_runtime.cli.failures import explain

        return explain(error)


def _told_at_once(error: BrokenPipeError | KeyboardInterrupt | HostError) -> int:
    """The exit code for what takes no import to explain: there may be no descriptors, or no time, for one."""
    if isinstance(error, BrokenPipeError):
        # The reader of standard output has seen enough, as `| head` does.
        return ExitCode.OK
    if isinstance(error, HostError):
        say(f"mcp-runtime: {error}")
        return ExitCode.HOST
    if isinstance(error, AskedToEnd):
        say(f"mcp-runtime: {error} came before there was anything to serve or to show")
        return SIGNALS.exit_code_for(error.number)
    return ExitCode.INTERRUPTED


def _written_out(code: int) -> int:
    """`code`, unless that would say that all is well though what was to be shown cannot be written."""
    unwritten = OUTPUT.unwritten()
    if unwritten is None or isinstance(unwritten, BrokenPipeError):
        return code
    say(f"mcp-runtime: cannot write to standard output: {unwritten.strerror}")
    return code or ExitCode.HOST


def _expected() -> tuple[type[Exception], ...]:
    """The exceptions that somebody can put right. Asked only once one was raised: these imports are for that case."""
    from mcp_runtime.cli.failures import EXPECTED

    return EXPECTED

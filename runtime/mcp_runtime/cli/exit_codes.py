"""The exit codes of the command. Rule: a code says who has to act; the message on standard error says what to do."""

from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ExitCode(IntEnum):
    """An exit code, of any command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIGURATION = 3
    PLUGIN = 4
    CANNOT_BIND = 5
    HOST = 6
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Final = MappingProxyType(
    {
        ExitCode.OK: "Done; for `serve`: ended because it was asked to (end of input, SIGTERM, SIGHUP, SIGINT), "
        "also by SIGTERM or SIGHUP before there was anything to serve.",
        ExitCode.UNEXPECTED: "A defect: the traceback says where. Or a file that `init` will not overwrite. "
        "Or `legacy ready` cannot say that nobody would miss a feature. "
        "Or `state check` found a file that a server cannot use, or `state reset` one that is in use.",
        ExitCode.USAGE: "The command line is wrong.",
        ExitCode.CONFIGURATION: "The configuration is wrong: file, key, problem and fix are printed.",
        ExitCode.PLUGIN: "A plugin cannot be loaded, or its lifespan failed: file, line and cause are printed.",
        ExitCode.CANNOT_BIND: "An address cannot be listened on.",
        ExitCode.HOST: "The system lacks or refuses what the command needs: file descriptors, a working directory, "
        "room for what is written to standard output. What, is printed.",
        ExitCode.HUNG_UP: "SIGHUP before a command other than `serve` was done.",
        ExitCode.INTERRUPTED: "Ctrl-C (SIGINT) before there was anything to serve, or before another command was done.",
        ExitCode.TERMINATED: "SIGTERM before a command other than `serve` was done.",
    }
)

"""How the process ends. Rule: a code says who has to act; the message on standard error says what to do."""

from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ExitCode(IntEnum):
    """Exit codes of every command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIGURATION = 3
    PLUGIN = 4
    CANNOT_BIND = 5
    INTERRUPTED = 130


MEANINGS: Final = MappingProxyType(
    {
        ExitCode.OK: "Done; for `serve`: ended because it was asked to (end of input, SIGTERM, SIGINT).",
        ExitCode.UNEXPECTED: "A defect: the traceback says where. Or a file that `init` will not overwrite. "
        "Or `legacy ready` cannot say that nobody would miss a feature. "
        "Or `state check` found a file that a server cannot use, or `state reset` one that is in use.",
        ExitCode.USAGE: "The command line is wrong.",
        ExitCode.CONFIGURATION: "The configuration is wrong: file, key, problem and fix are printed.",
        ExitCode.PLUGIN: "A plugin cannot be loaded, or its lifespan failed: file, line and cause are printed.",
        ExitCode.CANNOT_BIND: "An address cannot be listened on.",
        ExitCode.INTERRUPTED: "Ctrl-C before there was anything to serve.",
    }
)

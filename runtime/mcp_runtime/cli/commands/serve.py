"""The command `mcp-runtime serve`. Rule: stdio alone imports nothing of HTTP, and prints nothing."""

import argparse
import signal
from typing import TYPE_CHECKING, Final, get_args

from mcp_runtime.cli.arguments import add_config_arguments, load_from
from mcp_runtime.cli.exit_codes import ExitCode
from mcp_runtime.cli.host import HostError
from mcp_runtime.platform.garbage import put_off_collections
from mcp_runtime.platform.signals import SIGNALS
from mcp_runtime.platform.standard_streams import OUTPUT, STDOUT, is_missing

if TYPE_CHECKING:
    from mcp_runtime.config import Config

DESCRIPTION: Final = """\
Serve plugins over MCP until SIGTERM, SIGHUP, SIGINT or, with --stdio, the end of standard input.

Without --stdio and --http the configuration decides (http.enabled, stdio.enabled);
--stdio alone means no HTTP.

  mcp-runtime serve                             what config.toml says
  mcp-runtime serve --plugin my_tools.py        one file of tools on http://127.0.0.1:8000/mcp
  mcp-runtime serve --stdio --plugin my_tools   as a client's child process
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`."""
    from mcp_runtime.config.sections import LogFormat, LogLevel

    add_config_arguments(parser)
    parser.add_argument("--stdio", action="store_true", help="serve the client on standard input and output")
    parser.add_argument("--http", action="store_true", help="serve Streamable HTTP")
    parser.add_argument(
        "--bind",
        metavar="HOST:PORT",
        action="append",
        help="listen here in place of http.bind; may be given several times; implies --http",
    )
    parser.add_argument("--log-level", choices=get_args(LogLevel), help="in place of logging.level")
    parser.add_argument("--log-format", choices=get_args(LogFormat), help="in place of logging.format")


def run(args: argparse.Namespace) -> ExitCode:
    """Serve. Raises ConfigError, PluginLoadError, HostError; other errors are defects."""
    SIGNALS.exit_code_for = _code_before_serving
    OUTPUT.let_go()
    config = load_from(args)
    http, stdio = _transports(args, config)
    if not http:  # A client waits for it to start. A server over HTTP rather starts with no more than it needs.
        put_off_collections()
    # Before a plugin is imported, and before anything else could print.
    from mcp_runtime.transports.stdio.claimed_streams import claim

    if stdio and is_missing(STDOUT):
        raise HostError("standard output is closed, and the client on stdio would get its answers there")
    streams = claim() if stdio else None
    from mcp_runtime.telemetry.log.log import adopt_structlog, configure_logging

    configure_logging(config.logging)
    from mcp_runtime.assembly.compose import build_runtime

    runtime = build_runtime(config)
    adopt_structlog()
    if http:
        from mcp_runtime.assembly.tls_files import check_tls_files

        check_tls_files(config)
    from functools import partial

    import trio

    from mcp_runtime.cli.banner import announce
    from mcp_runtime.server.process import serve

    # trio must not be interrupted anywhere: what comes from here on is kept, for `serve` to hear.
    SIGNALS.keep(patience_s=config.http.drain_grace_s if http else config.stdio.eof_grace_s)
    called_off_by = trio.run(
        partial(serve, runtime, stdio=streams, http=http, on_ready=partial(announce, runtime), signals=SIGNALS)
    )
    return ExitCode.OK if called_off_by is None else _code_before_serving(called_off_by)


def _code_before_serving(number: int) -> ExitCode:
    """The exit code for a signal during the start: who presses Ctrl-C wanted something served, others want an end."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.OK


def _transports(args: argparse.Namespace, config: "Config") -> tuple[bool, bool]:
    """The transports to serve: whether HTTP, and whether stdio. Raises ConfigError where there is none."""
    from mcp_runtime.config import ConfigError

    file = config.origin.file or "defaults"
    asked_http = bool(args.http or args.bind)
    http, stdio = (asked_http, args.stdio) if asked_http or args.stdio else (config.http.enabled, config.stdio.enabled)
    if not http and not stdio:
        raise ConfigError(
            file, "http.enabled", "neither HTTP nor stdio is enabled", "enable one of them, or give --http or --stdio"
        )
    if http and not config.http.bind:
        raise ConfigError(file, "http.bind", "there is no address to listen on", "write one, or give --bind HOST:PORT")
    return http, stdio

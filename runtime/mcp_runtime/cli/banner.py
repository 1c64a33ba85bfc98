"""The banner, which `serve` prints when it is ready. Rule: for a person, on standard error; for a log, as one event."""

import re
from typing import Final

import msgspec

from mcp_runtime.assembly.runtime import Runtime
from mcp_runtime.platform.standard_streams import say
from mcp_runtime.server.process import Listening
from mcp_runtime.telemetry.log.log import get_logger, writes_json

_NAMES_SHOWN: Final = 5
_DEFAULT_NAME: Final = "mcp-runtime"


def announce(runtime: Runtime, listening: Listening) -> None:
    """Say where the server listens: nothing for stdio alone, an event in a JSON log, a page of text for people.

    The text comes unless the configuration asks for JSON by name. It has the lines that add the server to Claude Code,
    Cursor and the MCP Inspector.
    """
    if not listening.urls:
        return
    from mcp_runtime.config.exposure import exposed_binds  # nobody can come to stdio from elsewhere

    if writes_json():
        get_logger().info(
            "listening",
            urls=list(listening.urls),
            bound=list(listening.bound),
            admin_urls=list(listening.admin_urls),
        )
        exposed = exposed_binds(runtime.config)
        if exposed:
            get_logger().warning("exposed_without_authorization", binds=list(exposed))
    if runtime.config.logging.format != "json":
        say(render(runtime, listening))


def render(runtime: Runtime, listening: Listening) -> str:
    """The text of the banner."""
    from mcp_runtime.config.exposure import exposure_lines

    blocks = [_where(listening), what_is_served(runtime)]
    blocks += exposure_lines(runtime.config)
    url = next((one for one in listening.urls if not one.startswith("unix:")), None)
    if url is not None:
        blocks.append(_clients(client_name(runtime), url))
    return "\n" + "\n\n".join(blocks) + "\n"


def client_name(runtime: Runtime) -> str:
    """A name that clients may give this server: its own, else its only plugin's, in letters that every client takes."""
    name = runtime.config.server.name
    if name == _DEFAULT_NAME and len(runtime.plugins) == 1:
        name = runtime.plugins[0].name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or _DEFAULT_NAME


def what_is_served(runtime: Runtime) -> str:
    """The list of what is served: plugins, counts, and the first names of each kind, a line each."""
    catalog = runtime.catalog
    rows = [("plugins", [plugin.name for plugin in runtime.plugins])]
    rows += [
        ("tools", list(catalog.tools)),
        ("resources", list(catalog.resources)),
        ("templates", list(catalog.resource_templates)),
        ("prompts", list(catalog.prompts)),
    ]
    if not runtime.plugins:
        return "  serves      nothing yet: load a plugin with --plugin, or run mcp-runtime init"
    return "\n".join(f"  {kind:<11} {_names(names)}" for kind, names in rows if names)


def _names(names: list[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return f"{len(names)}: {', '.join(names[:_NAMES_SHOWN])}" + (f" and {rest} more" if rest > 0 else "")


def _where(listening: Listening) -> str:
    lines = [f"  listening   {url}" for url in listening.bound]
    lines += ["  listening   standard input and output"] if listening.stdio else []
    lines += [f"  admin       {url}/healthz, {url}/readyz" for url in listening.admin_urls]
    return "\n".join(["mcp-runtime is ready (MCP 2026-07-28).", *lines])


def _clients(name: str, url: str) -> str:
    cursor = msgspec.json.format(msgspec.json.encode({"mcpServers": {name: {"url": url}}}), indent=0).decode()
    return "\n".join(
        [
            "Add it to a client:",
            f"  Claude Code  claude mcp add --transport http {name} {url}",
            f"  Cursor       {cursor}",
            "               in .cursor/mcp.json",
            f"  Inspector    npx @modelcontextprotocol/inspector --cli {url} --protocol-era auto --method tools/list",
        ]
    )

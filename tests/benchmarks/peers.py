"""Who is measured. Rule: one row a way to serve the same tools; nothing elsewhere names a peer's command.

A row is written as its project's documentation says, without the log line a message that some of them write by default.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "bench"
SERVERS: Final = Path(__file__).with_name("servers")
PROJECT: Final = "project"
NODE: Final = "typescript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way to serve the tools.

    `environment` is where its packages are: the project's own, or a folder of .cache/bench. In commands {python} is
    that environment's, {servers} the folder of programs, {port} where to listen on 127.0.0.1. A command that is empty
    means that it does not do that. `sse` is its command for HTTP+SSE, whose endpoint is /sse.
    """

    key: str
    label: str
    environment: str
    http: tuple[str, ...] = ()
    stdio: tuple[str, ...] = ()
    sse: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_installed(self) -> bool:
        """Whether its environment is there."""
        if self.environment == NODE and shutil.which("node") is None:
            return False
        return self.environment == PROJECT or (CACHE / self.environment / ".installed").exists()

    def command(self, template: tuple[str, ...], port: int = 0) -> list[str]:
        """`template`, one of its commands, ready to be run."""
        folder = CACHE / self.environment
        python = sys.executable if self.environment == PROJECT else str(folder / "bin" / "python")
        places = {"python": python, "servers": str(SERVERS), "folder": str(folder), "port": str(port)}
        return [part.format_map(places) for part in template]

    def environ(self, directory: Path, extra: Mapping[str, str]) -> dict[str, str]:
        """The variables it runs with: this process's, without what would configure the runtime; home in `directory`."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("MCP_RUNTIME_")}
        settled = {name: value.format(servers=SERVERS) for name, value in self.variables.items()}
        return {**own, "XDG_STATE_HOME": str(directory), "HOME": str(directory), **settled, **extra}


def _uvicorn(application: str, *options: str) -> tuple[str, ...]:
    where = ("--app-dir", "{servers}", "--host", "127.0.0.1", "--port", "{port}")
    return ("{python}", "-m", "uvicorn", *where, "--log-level", "warning", "--no-access-log", *options, application)


_SERVE: Final = ("{python}", "-m", "mcp_runtime.cli", "serve", "--log-level", "warning")
_SERVE_HTTP: Final = (*_SERVE, "--bind", "127.0.0.1:{port}")
_OURS: Final = {
    "MCP_RUNTIME_PLUGINS": "{servers}/runtime_plugin.py",
    # What is measured is what one costs, not when there are enough.
    "MCP_RUNTIME_LIMITS_MAX_CONCURRENT_REQUESTS": "20000",
    "MCP_RUNTIME_LIMITS_MAX_SUBSCRIPTIONS": "20000",
    "MCP_RUNTIME_LIMITS_MAX_BODY_BYTES": str(16 * 1024 * 1024),
    "MCP_RUNTIME_LIMITS_MAX_LINE_BYTES": str(16 * 1024 * 1024),
}
_GRANIAN: Final = ("{python}", "-m", "granian", "--interface", "asgi", "--workers", "1", "--no-ws", "--no-log")

PEERS: Final[Mapping[str, Peer]] = {
    peer.key: peer
    for peer in (
        Peer(
            key="ours",
            label="mcp-runtime",
            environment=PROJECT,
            http=_SERVE_HTTP,
            sse=_SERVE_HTTP,
            stdio=(*_SERVE, "--stdio"),
            variables=_OURS,
        ),
        Peer(
            key="now",
            label="this tree",
            environment="compare/now",
            http=_SERVE_HTTP,
            stdio=(*_SERVE, "--stdio"),
            variables=_OURS,
        ),
        Peer(
            key="before",
            label="the other revision",
            environment="compare/before",
            http=_SERVE_HTTP,
            stdio=(*_SERVE, "--stdio"),
            variables=_OURS,
        ),
        Peer(
            key="ours_uvicorn",
            label="mcp-runtime on uvicorn[standard]",
            environment="runtime-uvicorn",
            http=_uvicorn("mcp_runtime.asgi:app"),
            sse=_uvicorn("mcp_runtime.asgi:app"),
            variables=_OURS,
        ),
        Peer(
            key="ours_granian",
            label="mcp-runtime on granian",
            environment="runtime-uvicorn",
            http=(*_GRANIAN, "--host", "127.0.0.1", "--port", "{port}", "mcp_runtime.asgi:app"),
            variables=_OURS,
        ),
        Peer(
            key="ours_watched",
            label="mcp-runtime, with ledger and signals",
            environment=PROJECT,
            http=_SERVE_HTTP,
            # Five times as often as by default, so that every round has its share of the writes.
            variables={**_OURS, "MCP_RUNTIME_LEDGER_FLUSH_INTERVAL_S": "1"},
        ),
        Peer(
            key="ours_unwatched",
            label="mcp-runtime, without ledger and signals",
            environment=PROJECT,
            http=_SERVE_HTTP,
            variables={
                **_OURS,
                "MCP_RUNTIME_LEDGER_ENABLED": "false",
                "MCP_RUNTIME_DEPRECATION_STAGE": "observe",
            },
        ),
        Peer(
            key="official",
            label="official SDK on uvicorn",
            environment="official",
            http=_uvicorn("official_sdk:app"),
            sse=_uvicorn("official_sdk:sse_app"),
            stdio=("{python}", "{servers}/official_sdk.py"),
        ),
        Peer(
            key="official_standard",
            label="official SDK on uvicorn[standard]",
            environment="official-standard",
            http=_uvicorn("official_sdk:app"),
            sse=_uvicorn("official_sdk:sse_app"),
        ),
        Peer(
            key="fastmcp",
            label="FastMCP on uvicorn[standard]",
            environment="fastmcp",
            http=_uvicorn("fast_mcp:app"),
            stdio=("{python}", "{servers}/fast_mcp.py"),
        ),
        Peer(
            key="typescript",
            label="TypeScript SDK on Node",
            environment=NODE,
            http=("node", "{folder}/server.mjs", "{port}"),
            stdio=("node", "{folder}/server.mjs"),
        ),
        Peer(
            key="bare_ours",
            label="bare ASGI app on our server",
            environment=PROJECT,
            http=("{python}", "{servers}/bare_on_runtime.py", "{port}"),
        ),
        Peer(
            key="bare_hypercorn",
            label="bare ASGI app on Hypercorn and trio",
            environment=PROJECT,
            http=("{python}", "{servers}/bare_on_hypercorn.py", "{port}", "bare"),
        ),
        Peer(
            key="bare_uvicorn",
            label="bare ASGI app on uvicorn[standard]",
            environment="runtime-uvicorn",
            http=_uvicorn("bare:app"),
        ),
        Peer(
            key="bare_granian",
            label="bare ASGI app on granian",
            environment="runtime-uvicorn",
            http=(*_GRANIAN, "--host", "127.0.0.1", "--port", "{port}", "--working-dir", "{servers}", "bare:app"),
        ),
        Peer(
            key="streams_hypercorn",
            label="sse-starlette on Hypercorn and trio",
            environment=PROJECT,
            http=("{python}", "{servers}/bare_on_hypercorn.py", "{port}", "bare_streams"),
        ),
        Peer(
            key="streams_uvicorn",
            label="sse-starlette on uvicorn[standard]",
            environment="runtime-uvicorn",
            http=_uvicorn("bare_streams:app"),
        ),
        Peer(
            key="soak",
            label="mcp-runtime, soaked",
            environment=PROJECT,
            http=_SERVE_HTTP,
            variables={
                "MCP_RUNTIME_PLUGINS": "{servers}/soak_plugin.py",
                # What is idle is to be gone while the soak waits for it, half requests and Hypercorn's own too.
                "MCP_RUNTIME_HTTP_IDLE_TIMEOUT_S": "5",
                "MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S": "5",
                "MCP_RUNTIME_LIMITS_HEADER_TIMEOUT_S": "5",
                # So that what is resident is what is held: by default glibc keeps large blocks once it has had them.
                "MALLOC_MMAP_THRESHOLD_": "65536",
                "MALLOC_TRIM_THRESHOLD_": "65536",
                "MALLOC_ARENA_MAX": "1",
            },
        ),
        Peer(
            key="hostile",
            label="mcp-runtime, amid hostile clients",
            environment=PROJECT,
            http=_SERVE_HTTP,
            variables={
                "MCP_RUNTIME_PLUGINS": "{servers}/hostile_plugin.py, {servers}/../../security/plugins/argument_kinds.py, "
                "mcp_plugins.sqlite",
                "MCP_RUNTIME_HTTP_TRUSTED_PROXIES": "127.0.0.0/8",
                # Totals that a few seconds reach, so that the memory for them is small beside that of the process.
                "MCP_RUNTIME_HTTP_MAX_CONNECTIONS": "500",
                "MCP_RUNTIME_LIMITS_MAX_UNREAD_BYTES": str(16 * 1024 * 1024),
                "MCP_RUNTIME_LIMITS_MAX_BODY_BYTES_IN_FLIGHT": str(8 * 1024 * 1024),
                "MCP_RUNTIME_LIMITS_MAX_JSON_VALUES": "150000",
                "MCP_RUNTIME_LIMITS_MAX_REPLAY_BYTES": str(4 * 1024 * 1024),
                # The honest client calls as often as it can.
                "MCP_RUNTIME_LIMITS_TOOL_CALLS_PER_MINUTE": "0",
            },
        ),
    )
}
"""Every row, in the order in which results list them."""

SDKS: Final = ("ours", "ours_uvicorn", "official", "official_standard", "fastmcp", "typescript")
FLOOR: Final = ("bare_ours", "bare_hypercorn", "bare_uvicorn", "bare_granian")
COMPARED: Final = ("now", "before")
"""Two trees of the runtime itself, in environments that `scripts/bench compare` makes: in no suite."""
STDIO: Final = tuple(key for key, peer in PEERS.items() if peer.stdio and key not in COMPARED)
SSE: Final = tuple(key for key, peer in PEERS.items() if peer.sse)

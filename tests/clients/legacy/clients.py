"""The old clients that the server is tried with. Rule: one table; tests run its rows, and the documentation lists them."""

from dataclasses import dataclass
from typing import Final, Literal

Transport = Literal["http", "sse", "stdio"]
"""Streamable HTTP, HTTP+SSE of 2024-11-05, standard input and output."""

ALL: Final[tuple[Transport, ...]] = ("http", "sse", "stdio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One version of one library.

    `program` is the file here that uses it. A Python program runs in the environment `environment` (of `environments/`;
    None is the project's own), a Node program gets the package's name in node_modules as `environment`. `revision` is
    the newest that it speaks. `elicits` is whether it knows elicitation. `proxy` is what stands between it and the
    server: it is spoken to on stdio, and `transports` are what it speaks to the server.
    """

    name: str
    package: str
    version: str
    program: str
    environment: str | None
    revision: str
    transports: tuple[Transport, ...] = ALL
    elicits: bool = True
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyClient:
    """A family on a transport."""

    family: Family
    transport: Transport

    @property
    def id(self) -> str:
        return f"{self.family.name}-{self.transport}"

    @property
    def spoken_on(self) -> Transport:
        """The transport that the program itself uses."""
        return "stdio" if self.family.proxy else self.transport

    @property
    def is_node(self) -> bool:
        return self.family.program.endswith(".mjs")


FAMILIES: Final = (
    Family(
        name="python-1.9",
        package="PyPI `mcp`",
        version="1.9.4",
        program="python_sdk_1",
        environment="mcp-1.9",
        revision="2025-03-26",
        elicits=False,
    ),
    Family(
        name="python-1.30",
        package="PyPI `mcp`",
        version="1.30.0",
        program="python_sdk_1",
        environment="mcp-1.30",
        revision="2025-11-25",
    ),
    Family(
        name="python-2-legacy",
        package='PyPI `mcp`, `mode="legacy"`',
        version="2",
        program="python_sdk_2",
        environment=None,
        revision="2025-11-25",
    ),
    Family(
        name="langchain",
        package="PyPI `langchain-mcp-adapters`",
        version="0.3.2",
        program="python_langchain",
        environment="langchain",
        revision="2025-11-25",
    ),
    Family(
        name="fastmcp-2",
        package="PyPI `fastmcp`",
        version="2.14.7",
        program="python_fastmcp",
        environment="fastmcp-2",
        revision="2025-11-25",
    ),
    Family(
        name="node-1.0",
        package="npm `@modelcontextprotocol/sdk`",
        version="1.0.4",
        program="sdk_1.mjs",
        environment="sdk-1-0",
        revision="2024-11-05",
        transports=("sse", "stdio"),
        elicits=False,
    ),
    Family(
        name="node-1.12",
        package="npm `@modelcontextprotocol/sdk`",
        version="1.12.3",
        program="sdk_1.mjs",
        environment="sdk-1-12",
        revision="2025-03-26",
        elicits=False,
    ),
    Family(
        name="node-1.32",
        package="npm `@modelcontextprotocol/sdk`",
        version="1.32.2",
        program="sdk_1.mjs",
        environment="sdk-1-32",
        revision="2025-11-25",
    ),
    Family(
        name="node-2-legacy",
        package="npm `@modelcontextprotocol/client`, mode `legacy`",
        version="2.4.0",
        program="sdk_2.mjs",
        environment="@modelcontextprotocol/client",
        revision="2025-11-25",
    ),
    Family(
        name="mcp-remote",
        package="npm `mcp-remote`, before `@modelcontextprotocol/sdk` 1.32.2 on stdio",
        version="0.15.1",
        program="sdk_1.mjs",
        environment="sdk-1-32",
        revision="2025-11-25",
        transports=("http", "sse"),
        proxy="mcp-remote",
    ),
)

CLIENTS: Final = tuple(
    LegacyClient(family=family, transport=transport) for family in FAMILIES for transport in family.transports
)

INSPECTOR_VERSION: Final = "2.12.0"
"""The MCP Inspector has no conversation of its own: each run of its command line is one call."""

INSPECTOR_ERAS: Final[tuple[tuple[str, Transport], ...]] = (
    ("legacy", "http"),
    ("legacy", "sse"),
    ("legacy", "stdio"),
    ("modern", "http"),
    ("modern", "stdio"),
)
"""Era and transport of its runs."""

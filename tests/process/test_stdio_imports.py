"""A client waits for its first answer, so stdio alone imports nothing that only HTTP, the seal or the log need."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.blocking_stdio import StdioServer
from tests.support.messages import call, request

pytestmark = pytest.mark.process

HEAVY: Final = frozenset(
    {
        *("hypercorn", "starlette", "sse_starlette", "uvicorn", "granian", "h2", "h11", "httptools", "wsproto"),
        *("asyncio", "cryptography", "structlog", "jsonschema", "httpx", "rich", "mcp", "mcp_types"),
        *("pydantic", "pydantic_core", "docstring_parser", "jsonschema_rs"),
    }
)


def test_stdio_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path) as server:
        server.ask(request("server/discover"))
        server.ask(request("tools/list", id=2))
        loaded = set(server.ask(call("loaded_modules", 3))["result"]["structuredContent"])
    assert {"mcp_runtime", "trio", "msgspec"} <= loaded
    assert loaded & HEAVY == set()
    # Of what serves the past, and of what is kept of it, nothing before an old client comes.
    assert {name for name in loaded if name.startswith("mcp_bridges.")} == {"mcp_bridges.attach"}

"""Configurations for tests. Rule: nothing is read from the machine, and nothing is written to it."""

from typing import Any, Final

from mcp_runtime.config import (
    BridgesConfig,
    Config,
    HttpConfig,
    LedgerConfig,
    Limits,
    SealConfig,
    ServerConfig,
    StateConfig,
    StdioConfig,
)
from mcp_runtime.config.secret import Secret
from mcp_runtime.config.sections import HttpSessionsConfig, HttpSseConfig, StdioHandshakeConfig

SEAL_KEY: Final = "a key for tests, as long as a key has to be"

NO_BRIDGES: Final = BridgesConfig(
    http_sessions=HttpSessionsConfig(posture="off"),
    http_sse=HttpSseConfig(posture="off"),
    stdio_handshake=StdioHandshakeConfig(posture="off"),
)
"""For tests of what a server of 2026-07-28 alone says to the rest: `settings(bridges=NO_BRIDGES)`."""


def settings(
    *,
    limits: dict[str, Any] | None = None,
    http: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    stdio: dict[str, Any] | None = None,
    seal_keys: tuple[str, ...] = (SEAL_KEY,),
    **sections: Any,
) -> Config:
    """The defaults with some values changed: `settings(limits={"page_size": 2})`; `sections` are given whole."""
    return Config(
        limits=Limits(**(limits or {})),
        http=HttpConfig(**(http or {})),
        server=ServerConfig(name="test-server", version="1.2.3", **(server or {})),
        stdio=StdioConfig(**(stdio or {})),
        state=sections.pop("state", StateConfig(engine="memory")),
        ledger=sections.pop("ledger", LedgerConfig(enabled=False)),
        seal=SealConfig(keys=tuple(Secret(key) for key in seal_keys)),
        **sections,
    )

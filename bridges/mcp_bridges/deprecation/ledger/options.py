"""From `[ledger]` to a ledger. Rule: where the file is, and what may be in it, is the same for server and command."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_bridges.deprecation.ledger.ledger import FILE_NAME, Ledger
from mcp_bridges.gate.identity import AddressPrivacy
from mcp_runtime.config import Config, default_state_directory
from mcp_runtime.state.seal.key_store import load_keys
from mcp_runtime.telemetry.log.log import get_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def ledger_path(config: Config) -> Path:
    """The ledger's file."""
    if config.ledger.database:
        return Path(config.ledger.database)
    directory = Path(config.state.directory) if config.state.directory else default_state_directory(os.environ)
    return directory / FILE_NAME


def build_ledger(
    config: Config,
    *,
    now: Callable[[], float] = time.time,
    log: "Callable[[], FilteringBoundLogger]" = get_logger,
) -> Ledger:
    """The ledger that `config` asks for; its file is made at the first write.

    Hashed addresses take the first seal key: they change when it is rotated. Raises ConfigError where it cannot be had.
    """
    section = config.ledger
    key = load_keys(config).sealing()[1] if section.addresses == "hashed" else b""
    return Ledger(
        ledger_path(config),
        flush_interval_s=section.flush_interval_s,
        retention_days=section.retention_days,
        max_bytes=section.max_bytes,
        privacy=AddressPrivacy(section.addresses, key=key),
        now=now,
        log=log,
    )

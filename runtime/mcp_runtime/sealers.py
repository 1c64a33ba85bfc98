"""The sealer of request states, made when first needed.

Rule: a server that never asks for input never loads a cipher.
"""

from typing import TYPE_CHECKING

from mcp_runtime.config import Config
from mcp_runtime.input_required import PURPOSE

if TYPE_CHECKING:
    from mcp_runtime.seal import Sealer


class LazySealer:
    """Gives the sealer of `config`; call it for that. Raises ConfigError where its keys cannot be had."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._sealer: Sealer | None = None

    def __call__(self) -> "Sealer":
        """The sealer, always the same one."""
        if self._sealer is None:
            from mcp_runtime.key_store import load_keys  # the import is what is put off
            from mcp_runtime.seal import Sealer

            self._sealer = Sealer(load_keys(self._config), purpose=PURPOSE)
        return self._sealer

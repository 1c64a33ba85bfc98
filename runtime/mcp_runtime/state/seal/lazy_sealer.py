"""The sealers of what clients carry, made when first needed.

Rule: a server that never asks for input never loads a cipher.
"""

from typing import TYPE_CHECKING

from mcp_runtime.config import Config

if TYPE_CHECKING:
    from mcp_runtime.state.seal.sealer import Sealer


class LazySealer:
    """Gives the sealer of `config` for one purpose; call it for that. Raises ConfigError where its keys cannot be had.

    What one purpose sealed opens for no other.
    """

    def __init__(self, config: Config, *, purpose: str) -> None:
        self._config = config
        self._purpose = purpose
        self._sealer: Sealer | None = None

    def __call__(self) -> "Sealer":
        """The sealer, always the same one."""
        if self._sealer is None:
            from mcp_runtime.state.seal.key_store import load_keys  # the import is what is put off
            from mcp_runtime.state.seal.sealer import Sealer
            from mcp_runtime.state.seal.strange_seals import StrangeSeals

            ring = load_keys(self._config)
            strange = StrangeSeals(ring, purpose=self._purpose)
            self._sealer = Sealer(ring, purpose=self._purpose, strange=strange.note)
        return self._sealer

"""The exposure of a configuration: which of its addresses others than this machine can reach, and what that means."""

from typing import Final

from mcp_runtime.config.sections import Config
from mcp_runtime.platform.addresses import address_of

_WARNING: Final = "whoever reaches it can call every tool: there is no authorization; put something in front that has"


def exposed_binds(config: Config) -> tuple[str, ...]:
    """The addresses of `http.bind` that are not of this machine alone, as they are configured."""
    return tuple(bind for bind in config.http.bind if _is_exposed(bind))


def exposure_lines(config: Config) -> list[str]:
    """The warnings of these addresses, a line each, for people."""
    return [f"  warning     {bind}: {_WARNING}" for bind in exposed_binds(config)]


def _is_exposed(bind: str) -> bool:
    if bind.startswith("unix:"):
        return False
    host = bind.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return False
    found = address_of(host)
    return found is None or not found.is_loopback  # A name: where it leads is for others to say.

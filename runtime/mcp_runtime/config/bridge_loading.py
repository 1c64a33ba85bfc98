"""The loading of bridges. Rule: by name, when asked, and only here: without them everything modern works."""

from importlib import import_module
from typing import Any, Final

_PACKAGE: Final = "mcp_bridges"


class BridgesMissing(Exception):
    """This installation came without bridges to older revisions, and something needs them."""


def from_bridges(module: str, name: str) -> Any:
    """`name` of the bridges' `module`, such as ("gate.client_rules", "parse_rule"). Raises BridgesMissing."""
    try:
        found = import_module(f"{_PACKAGE}.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != _PACKAGE:
            raise
        raise BridgesMissing("this installation has no bridges to older revisions") from None
    return getattr(found, name)

"""The length of a URI that a client names. Rule: told before anything is done with it."""

from mcp_runtime.config.limits import Limits
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError


def check_uri(uri: str, limits: Limits) -> None:
    """Raises PeerError -32602 for a URI past `limits.max_uri_chars`."""
    if len(uri) > limits.max_uri_chars:
        raise PeerError(INVALID_PARAMS, f"Invalid params: a URI is longer than {limits.max_uri_chars} characters")

"""The label values of counted requests: era, transport and outcome, as metrics, traces and handlers see them.

Rule: each is written once, here; whoever counts, traces or decides by one imports it.
"""

from typing import Literal

EraName = Literal["modern", "legacy"]
"""Which of the protocol's two shapes a message is written in."""

TransportName = Literal["stdio", "streamable_http", "http_sse"]
"""What a message came over."""

OutcomeName = Literal["ok", "tool_error", "error", "refused", "abandoned"]
"""How a request ended: with a result, with a result that says a tool failed, with a JSON-RPC error, refused before its
method ran, or given up by its client."""

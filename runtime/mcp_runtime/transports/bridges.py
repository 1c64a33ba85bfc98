"""The port of all bridges of a server. Rule: a transport asks for its bridge here, and a server without any has none.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # stdio reads this file too, and has no use for starlette
    from starlette.routing import BaseRoute

    from mcp_runtime.core.calls.observers import Observer
    from mcp_runtime.transports.http.body_budget import BodyBudget
    from mcp_runtime.transports.http.bridge_port import HttpBridge
    from mcp_runtime.transports.http.patience import Patience
    from mcp_runtime.transports.stdio.bridge_port import StdioBridge, StdioWire


class Bridges(Protocol):
    """All bridges of a server. A server without them serves 2026-07-28 alone."""

    def http(self, patience: "Patience", bodies: "BodyBudget") -> "HttpBridge":
        """The bridge for HTTP; `patience` looks after its calls, `bodies` has room for what it reads."""
        ...

    def stdio(self, wire: "StdioWire") -> "StdioBridge | None":
        """A bridge for the client on stdio, None where it is off."""
        ...

    def observer(self) -> "Observer | None":
        """Who wants to know of requests of modern revisions, None for nobody: they show who could leave the past."""
        ...

    def admin_routes(self) -> "Sequence[BaseRoute]":
        """Pages for the operator."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """What has to run around all of them."""
        ...

    def close(self) -> None:
        """The server is stopping: streams end once what is at work on them is done."""
        ...

"""The bridge for stdio. Rule: one process, one conversation; yet each message says for itself which era it is of.

Spec: 2025-11-25/basic/transports#stdio
"""

from mcp_bridges.calls.services import LegacyServices
from mcp_bridges.gate.port import LegacyClient, Sighting
from mcp_bridges.gate.refusals import RefusedError, raise_refusal
from mcp_bridges.wires.conversation import Conversation
from mcp_runtime.protocol.jsonrpc import Message
from mcp_runtime.transports.stdio.bridge_port import StdioWire


class HandshakeStdio:
    """The bridge for clients that begin with `initialize` on stdin."""

    def __init__(self, services: LegacyServices, wire: StdioWire) -> None:
        self._services = services
        self._conversation = Conversation(
            services, client=LegacyClient(transport="stdio"), send=wire.send, start=wire.start
        )

    async def serve(self, message: Message) -> None:
        """As the port says."""
        try:
            self._admit(self._conversation.sighting(message))
        except RefusedError as error:
            self._conversation.answer_refused(message, error)
            raise
        await self._conversation.take(message)

    async def serve_batch(self, line: bytes) -> None:
        """As the port says."""
        self._admit(self._conversation.sighting(None))
        await self._conversation.take_batch(line)

    def close(self) -> None:
        """As the port says."""
        self._conversation.close()

    def _admit(self, sighting: Sighting) -> None:
        raise_refusal(self._services.admit(sighting))

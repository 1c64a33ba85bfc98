"""One exchange over HTTP/1.1: a request and its answer, as ASGI and the Direct beside it have them.

Rule: one task may wait in `receive` while others send, and is told when the answer is over.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final

import trio
from msgspec import Struct
from starlette.types import Message

from mcp_runtime.platform.lent_scope import LentScope
from mcp_runtime.server.http1.answer import AnswerState, Http1Answer
from mcp_runtime.server.http1.request_body import BodyState, RequestBody
from mcp_runtime.server.http1.request_head import RequestLine, RequestRefusedError
from mcp_runtime.server.http1.wire import READ_BYTES, Wire
from mcp_runtime.transports.http.direct import Fields

_GIVEN: Final = BodyState.GIVEN  # As in `request_body`.
_COMPLETE: Final = AnswerState.COMPLETE


class Http1Exchange(Struct, eq=False):
    """One request and its answer. It is the Direct of its request, too."""

    headers: Mapping[bytes, bytes] | None
    lent: LentScope
    _wire: Wire
    body: RequestBody
    reply: Http1Answer

    async def receive(self) -> Message:
        """A piece of the body; after its end, the news that the client has left or the answer is over."""
        if self.reply.watcher is not None:
            raise trio.BusyResourceError("another task waits in receive() already")
        body = self.body
        if body.state is not _GIVEN:
            if (whole := body.take_whole()) is not None:
                return {"type": "http.request", "body": whole, "more_body": False}
            piece = await self._piece()
            if piece or body.is_whole:
                if body.is_whole:
                    body.state = _GIVEN
                return {"type": "http.request", "body": piece, "more_body": not body.is_whole}
        while await self._more():
            pass  # It sent the beginning of its next request.
        await trio.lowlevel.checkpoint()
        return {"type": "http.disconnect"}

    async def _piece(self) -> bytes:
        """Some of the body; nothing where it is at its end, or the client or the answer is."""
        status, body = 400, self.body  # For a client that sends its last in the middle of its request.
        try:
            piece = body.take()
            while not piece and not body.is_whole and await self._more():
                piece = body.take()
        except RequestRefusedError as error:
            piece, status = b"", error.status
        if not piece and not body.is_whole and not self.reply.is_over:
            await self.reply.give_up(status)
        return piece

    async def _more(self) -> bool:
        """Wait for the client to send something. False where it will not, or the answer is over meanwhile."""
        body, reply = self.body, self.reply
        if reply.is_over:
            return False
        if body.state is BodyState.HELD_BACK and reply.state is AnswerState.AWAITED:
            body.state = BodyState.ARRIVING
            if rest := self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n"):
                await rest
        reply.watcher = trio.CancelScope()
        try:
            with reply.watcher:
                if len(self._wire.unread) < READ_BYTES:
                    return await self._wire.fill(body.worth_reading)
                await trio.sleep_forever()  # Its leaving cannot be seen behind so many requests.
        finally:
            reply.watcher = None
        return False

    def take_body(self) -> bytes | None:
        """As `Direct` says."""
        return self.body.take_whole()

    def answer(self, status: int, headers: Fields, body: bytes) -> Awaitable[None] | None:
        """As `Direct` says."""
        return self.reply.send_whole(status, headers, body)

    @property
    def is_settled(self) -> bool:
        """Whether all is over, nobody waits for it, and the connection can take another request."""
        reply, body_state = self.reply, self.body.state
        return (
            reply.state is _COMPLETE
            and not reply.closes
            and (body_state is _GIVEN or body_state is BodyState.ARRIVED)
            and reply.watcher is None
            and not self._wire.is_gone
        )

    async def finish(self) -> bool:
        """Once the application has returned: whether the connection can take another request."""
        reply = self.reply
        reply.end()
        while reply.watcher is not None:  # In a task that is still to be told.
            await trio.lowlevel.checkpoint()
        if reply.state is not _COMPLETE or reply.closes or self._wire.is_gone:
            return False
        try:
            return self.body.discard()
        except RequestRefusedError:
            return False


def scope_of(line: RequestLine, scheme: str, root_path: str, client: Any, server: Any) -> dict[str, Any]:
    """What ASGI says of a request that begins with `line`; its headers, state and extensions are still to be put in."""
    return {
        "type": "http",
        "scheme": scheme,
        "root_path": root_path,
        "client": client,
        "server": server,
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "http_version": line.version,
        "method": line.method,
        "path": line.path,
        "raw_path": line.raw_path,
        "query_string": line.query,
        "headers": None,
        "state": None,
        "extensions": None,
    }

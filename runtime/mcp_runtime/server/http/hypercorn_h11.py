"""HTTP/1.1 on h11: Hypercorn's protocol class for `http.parser = "h11"`, without the protocols that it leads to.

Rule: what is not served is not parsed. A request to upgrade is the plain request it is. RFC 9110 7.8
"""

from typing import Any

import h11
from hypercorn.events import Closed
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from mcp_runtime.server.http1.request_head import EMPTY_LINE, HTTP2_PREFACE


class PlainH11Protocol(H11Protocol):
    """HTTP/1.1 on one connection, or HTTP/2 if that is what it begins with and `speaks_http2`."""

    speaks_http2 = False

    @property
    def expects_more(self) -> bool:
        """Whether the client is in the middle of what it sends."""
        return self.connection.their_state in {h11.SEND_BODY, h11.ERROR}

    async def _check_protocol(self, event: h11.Request) -> None:
        if _is_preface(event) and self.speaks_http2 and self.keep_alive_requests == 0:
            raise H2ProtocolAssumedError(HTTP2_PREFACE + EMPTY_LINE + self.connection.trailing_data[0])

    async def _create_stream(self, request: h11.Request) -> None:
        if _is_preface(request):
            await self._send_error_response(400)
            await self.send(Closed())
            return
        stream: Any = HTTPStream(  # typed as one of two
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        self.stream = stream
        await stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()


def _is_preface(request: h11.Request) -> bool:
    return (request.method, request.target, request.http_version) == (b"PRI", b"*", b"2.0")

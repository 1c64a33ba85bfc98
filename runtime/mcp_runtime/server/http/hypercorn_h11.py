"""HTTP/1.1 on h11: Hypercorn's protocol class for `http.parser = "h11"`, without the protocols that it leads to.

Rule: what is not served is not parsed. A request to upgrade is the plain request it is. RFC 9110 7.8
"""

from typing import Any, Final, cast

import h11
from hypercorn.events import Closed
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http1.connection import Http1Config
from mcp_runtime.server.http1.request_head import EMPTY_LINE, HTTP2_PREFACE

_VERSIONS: Final = frozenset((b"1.0", b"1.1"))
_LINE_EXTRA: Final = len(b"  HTTP/1.1")
_FIELD_EXTRA: Final = len(b": \r\n")


class PlainH11Protocol(H11Protocol):
    """HTTP/1.1 on one connection, or HTTP/2 if that is what it begins with and `speaks_http2`."""

    speaks_http2 = False
    _requests = 0

    @property
    def expects_more(self) -> bool:
        """Whether the client is in the middle of what it sends."""
        return self.connection.their_state in {h11.SEND_BODY, h11.ERROR}

    @property
    def unfinished(self) -> int | None:
        """The number of the request whose head has begun and is not complete; None where there is none."""
        is_head = self.connection.their_state is h11.IDLE and self.connection.trailing_data[0]
        return self._requests if is_head else None

    async def be_late(self) -> None:
        """Answer a client that does not finish its head."""
        await self._send_error_response(408)

    async def _check_protocol(self, event: h11.Request) -> None:
        if _is_preface(event) and self.speaks_http2 and self.keep_alive_requests == 0:
            raise H2ProtocolAssumedError(HTTP2_PREFACE + EMPTY_LINE + self.connection.trailing_data[0])

    async def _create_stream(self, request: h11.Request) -> None:
        refusal = 400 if _is_preface(request) else _refusal(request, cast("Http1Config", self.config).limits)
        if refusal is not None:
            await self._send_error_response(refusal)
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
        self._requests += 1
        self.keep_alive_requests += 1
        await self.context.mark_request()


def _is_preface(request: h11.Request) -> bool:
    return (request.method, request.target, request.http_version) == (b"PRI", b"*", b"2.0")


def _refusal(request: h11.Request, limits: Limits) -> int | None:
    """The answer to a head that is not served. h11 takes any version, and any length that comes at once."""
    if request.http_version not in _VERSIONS:
        return 400  # as on httptools
    line_bytes = len(request.method) + len(request.target) + _LINE_EXTRA
    if line_bytes > limits.max_request_line_bytes:
        return 414
    fields = list(request.headers)
    size = line_bytes + sum(len(name) + len(value) + _FIELD_EXTRA for name, value in fields) + len(EMPTY_LINE)
    return 431 if size > limits.max_header_bytes or len(fields) > limits.max_headers else None

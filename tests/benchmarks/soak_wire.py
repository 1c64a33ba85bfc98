"""A client's connection on trio. Rule: what arrives is parsed strictly, and bytes that nobody asked for are an error."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

import h11
import trio

from tests.benchmarks.wire import HOST, PATH, legacy_headers
from tests.support.messages import encode, headers_for

Message = dict[str, Any]

_PIECE_BYTES: Final = 65536
PATIENCE_S: Final = 60.0
"""A call that takes longer is lost."""


class LostError(Exception):
    """A request that was not answered, or not the way it has to be."""


class Connection:
    """One connection to 127.0.0.1:`port`, for one request after the other."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._state = h11.Connection(h11.CLIENT)
        self.status = 0
        self.headers: dict[str, str] = {}

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect. Raises OSError."""
        with trio.fail_after(PATIENCE_S):
            return cls(await trio.open_tcp_stream("127.0.0.1", port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        with suppress(trio.BrokenResourceError):
            await trio.aclose_forcefully(self.stream)

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        """Send a request. Raises LostError where the last answer said that there will be no more."""
        fields = [("host", HOST), *headers.items(), ("content-length", str(len(body)))]
        state = self._state
        if state.our_state is h11.MUST_CLOSE:
            raise LostError("the connection is closed after its last answer")
        parts = [
            state.send(h11.Request(method=method, target=path, headers=fields)),
            state.send(h11.Data(data=body)),
            state.send(h11.EndOfMessage()),
        ]
        await self.stream.send_all(b"".join(part for part in parts if part))

    async def head(self) -> int:
        """Wait for the head of the response; its status. Raises LostError."""
        event = await self._event()
        if not isinstance(event, h11.Response):
            raise LostError(f"expected a response, got {event!r}")
        self.status = event.status_code
        self.headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        return self.status

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The pieces of the body; at its end the connection is ready for the next request, or closed."""
        while True:
            event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                break
            if not isinstance(event, h11.Data):
                raise LostError(f"expected data, got {event!r}")
            yield bytes(event.data)
        if self._state.trailing_data[0]:
            raise LostError(f"bytes that nobody asked for: {self._state.trailing_data[0][:100]!r}")
        if self._state.our_state is h11.DONE and self._state.their_state is h11.DONE:
            self._state.start_next_cycle()

    async def messages(self) -> AsyncGenerator[Message, None]:
        """The messages of the response, as they arrive: one of JSON, or those of an event stream."""
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            whole = await self.whole_body()
            if whole:
                yield json.loads(whole)
            return
        async with aclosing(self.events()) as events:
            async for data in events:
                yield json.loads(data)

    async def whole_body(self) -> bytes:
        """The body, read to its end."""
        async with aclosing(self.body()) as pieces:
            return b"".join([piece async for piece in pieces])

    async def all_messages(self) -> list[Message]:
        """The messages of the response, read to its end."""
        async with aclosing(self.messages()) as messages:
            return [one async for one in messages]

    async def events(self) -> AsyncGenerator[str, None]:
        """The data of server-sent events, what has none left out."""
        held = b""
        async with aclosing(self.body()) as pieces:
            async for piece in pieces:
                held = (held + piece).replace(b"\r\n", b"\n")
                while b"\n\n" in held:
                    event, _, held = held.partition(b"\n\n")
                    data = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
                    if any(data):
                        yield b"\n".join(data).decode()

    async def _event(self) -> object:
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                raise LostError(f"the answer is no HTTP: {error}") from None
            if event is not h11.NEED_DATA:
                return event
            try:
                with trio.fail_after(PATIENCE_S):
                    received = await self.stream.receive_some(_PIECE_BYTES)
            except trio.BrokenResourceError as error:
                raise LostError(f"the connection broke: {error}") from None
            except trio.TooSlowError:
                raise LostError(f"nothing came for {PATIENCE_S:g} s") from None
            if not received:
                raise LostError("the connection was closed")
            self._state.receive_data(received)

    async def ask(self, message: Message, session: str | None = None, *, modern: bool = True) -> list[Message]:
        """Send `message` and read the whole answer. Raises LostError, OSError."""
        await self.post(message, session, modern=modern)
        await self.head()
        return await self.all_messages()

    async def post(self, message: Message, session: str | None = None, *, modern: bool = True) -> None:
        """Send `message` to the endpoint, as a client of its revision does."""
        headers = headers_for(message) if modern else legacy_headers(session)
        await self.send("POST", PATH, headers, encode(message))


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Connection, None]:
    """A connection, until the end of the block."""
    async with await Connection.open(port) as connection:
        yield connection

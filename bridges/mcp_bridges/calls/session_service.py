"""The session service: answers the requests of an old session. Rule: what a request means is decided here alone.

Where the session is kept, with its wire or in a store under its id, is its backend's business.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from anyio.lowlevel import checkpoint
from msgspec import Raw

from mcp_bridges.calls.services import LegacyServices
from mcp_bridges.gate.port import LegacyClient
from mcp_bridges.sessions.batches import BatchAnswers
from mcp_bridges.sessions.session import Change, Forward, Pong, Session, plan
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.protocol.errors import PeerError
from mcp_runtime.protocol.jsonrpc import (
    MalformedMessageError,
    Message,
    Notification,
    Request,
    Response,
    encode_error,
    encode_result,
)

_EMPTY: Final = Raw(b"{}")


class SessionBackend(Protocol):
    """A session where it is kept, and the way to its client."""

    @property
    def client(self) -> LegacyClient:
        """The client at the other end."""
        ...

    async def check(self, session: Session, /) -> None:
        """Raises PeerError where the session has ended."""
        ...

    async def forward(self, session: Session, request: Request, /) -> Reply | None:
        """Serve the request as a call: its answer, None where the client gave up. Raises PeerError."""
        ...

    async def change(self, session: Session, change: Change, /) -> None:
        """Keep a change, and act on it. Raises PeerError."""
        ...

    async def tell(self, session: Session, message: Notification | Response, /) -> None:
        """Take a message that needs no answer. Raises PeerError where it comes to nothing."""
        ...


async def respond(
    services: LegacyServices, backend: SessionBackend, session: Session, request: Request
) -> Reply | None:
    """The answer to a request, None where the client gave up. Raises PeerError for one that is not counted yet."""
    step = plan(request)
    if isinstance(step, Forward):
        return await backend.forward(session, request)
    return await settle(services, backend, session, request, step)


async def settle(
    services: LegacyServices, backend: SessionBackend, session: Session, request: Request, step: Pong | Change
) -> Reply:
    """The answer to a request that is no call. Raises as `respond` does."""
    if not isinstance(step, Pong):
        await backend.change(session, step)
    services.answered(session.revision, backend.client.transport, request.method)
    return Reply(body=encode_result(request.id, _EMPTY))


async def respond_to_batch(
    services: LegacyServices,
    backend: SessionBackend,
    session: Session,
    messages: Sequence[Message | MalformedMessageError],
    *,
    answers: BatchAnswers,
    send_ahead: Callable[[BatchAnswers], Awaitable[None]] | None = None,
) -> None:
    """Put the answers to a batch into `answers`, one message after the other; what fails is counted.

    `send_ahead` may send those that are held before the next one is begun. Where they are too many all the same, what
    is left of the batch is not begun.
    """
    for message in messages:
        await checkpoint()  # Others are served between two messages, however many of them wait for nothing.
        if send_ahead is not None:
            await send_ahead(answers)
        if answers.is_full and isinstance(message, Request):
            error = answers.too_much()
            services.failed(session.revision, backend.client.transport, message.method, error)
            answers.add(Reply(body=encode_error(message.id, error)))
            continue
        answer = await _one_of_batch(services, backend, session, message)
        if answer is not None:
            answers.add(answer)


async def _one_of_batch(
    services: LegacyServices, backend: SessionBackend, session: Session, message: Message | MalformedMessageError
) -> Reply | None:
    if isinstance(message, MalformedMessageError):
        return Reply(body=encode_error(message.id, message))
    if isinstance(message, Request):
        return await _request_of_batch(services, backend, session, message)
    try:
        await backend.tell(session, message)
    except PeerError as error:
        return Reply(body=encode_error(None, error))
    return None


async def _request_of_batch(
    services: LegacyServices, backend: SessionBackend, session: Session, request: Request
) -> Reply | None:
    try:
        services.check_method(backend.client, session.revision, request.method)
        await backend.check(session)  # It may have ended while what came before was at work.
        return await respond(services, backend, session, request)
    except PeerError as error:
        services.failed(session.revision, backend.client.transport, request.method, error)
        return Reply(body=encode_error(request.id, error))

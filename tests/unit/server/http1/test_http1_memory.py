"""What is sent and received is held once: counted in bytes that Python allocates."""

import ssl
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import trio
import trio.testing
from starlette.types import Receive, Scope, Send

from mcp_runtime.config.limits import Limits
from mcp_runtime.transports.http.body_budget import BodyBudget
from mcp_runtime.transports.http.direct import direct_of
from mcp_runtime.transports.http.request import read_body
from tests.support.certificates import Certificates, make_certificates
from tests.unit.server.http1.http1_server import PATIENCE_S, reply, serving

BODY: Final = bytes(4_000_000)
POST: Final = b"POST / HTTP/1.1\r\nHost: a\r\n"
GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@contextmanager
def most_allocated() -> Generator[Callable[[], int]]:
    """The most bytes that were allocated at once within the block, so far."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def chunked(body: bytes, size: int) -> bytes:
    """`body` in chunks of this size."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"%bContent-Length: %d\r\n\r\n%b" % (POST, len(BODY), BODY),
        b"%bTransfer-Encoding: chunked\r\n\r\n%b" % (POST, chunked(BODY, 100_000)),
        b"%bTransfer-Encoding: chunked\r\n\r\n%b" % (POST, chunked(BODY[:200_000], 2)),
        b"%bTransfer-Encoding: chunked\r\n\r\n%b" % (POST, chunked(b"\r\n\r\n" * 20_000, 4)),
    ],
    ids=["length", "chunks", "tiny chunks", "chunks of line ends"],
)
async def test_a_body_takes_no_more_than_twice_what_was_sent(sent: bytes) -> None:
    sizes: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sizes.append(len(await read_body({}, receive, scope, BodyBudget(Limits()))))
        await reply(send)

    async with serving(app) as server, server.peer() as peer:
        with most_allocated() as most:
            await peer.send(sent)
            assert (await peer.answer()).status == 200
            allocated = most()
    assert sizes[0] > 0
    assert allocated < 2 * max(len(sent), 1_000_000)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


async def in_one(scope: Scope, send: Send) -> None:
    await reply(send, BODY)


async def in_chunks(scope: Scope, send: Send) -> None:
    await reply(send, BODY, headers=[])


async def directly(scope: Scope, send: Send) -> None:
    direct = direct_of(scope)
    assert direct is not None
    if rest := direct.answer(200, (), BODY):
        await rest


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("answer", [in_one, in_chunks, directly])
async def test_an_answer_is_not_copied_for_a_client_that_reads_slowly(
    answer: Callable[[Scope, Send], object], certificates: Certificates, *, secured: bool
) -> None:
    begun = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await answer(scope, send)  # type: ignore[misc]  # one of three above

    files = certificates.environment
    pair = (
        Path(files["MCP_RUNTIME_HTTP_TLS_CERTIFICATE_FILE"]),
        Path(files["MCP_RUNTIME_HTTP_TLS_KEY_FILE"]),
        certificates.client,
    )
    tls: tuple[Path, Path, ssl.SSLContext] | None = pair if secured else None
    async with serving(app, tls=tls) as server, server.peer(receive_buffer_bytes=65_536) as peer:
        with most_allocated() as most, trio.fail_after(PATIENCE_S):
            await peer.send(GET)
            await begun.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert most() < len(BODY) // 4
            head = await peer.head()
            assert head.status == 200

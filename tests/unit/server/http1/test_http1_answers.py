"""What becomes of what an application sends, and of one that errs. Scope, framing and the error log are Hypercorn's."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import pytest
import trio
from hypercorn.trio import serve  # pyright: ignore[reportUnknownVariableType]  # its WSGI half is not typed
from starlette.types import Message, Receive, Scope, Send

from mcp_runtime.config import Config
from mcp_runtime.config.limits import Limits
from mcp_runtime.server.http.accepting import serve_listeners
from mcp_runtime.server.http.connections import Connections
from mcp_runtime.server.http.places import Places
from mcp_runtime.server.http.sockets import open_listeners
from mcp_runtime.server.http1 import connection
from mcp_runtime.transports.http.direct import DIRECT, Direct
from tests.unit.server.http1.http1_server import PARSERS, Answer, Parser, Served, reply, serving

App = Callable[[Scope, Receive, Send], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET_1_0 = b"GET / HTTP/1.0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OK: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b""}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Parser:
    found: Parser = request.param
    return found


def piece(body: bytes | bytearray | memoryview, *, more_body: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more_body}


def sending(*messages: Message) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


class TestScope:
    @pytest.mark.parametrize(
        "request_bytes",
        [
            GET,
            GET_1_0,
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a%20b/%C3%A9%2F?x=%20&y HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET http://a/b?c HTTP/1.1\r\nHOST:\ta \r\nX-Two: 1\r\nx-two:  2\t \r\nX-Latin: \xe9\r\nX-None:\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nCookie: a=b\r\n\r\nabc",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    )
    async def test_an_application_sees_what_hypercorn_shows_it(self, request_bytes: bytes) -> None:
        seen: list[dict[str, Any]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append({**scope})
            await reply(send)

        for parser in PARSERS:
            async with serving(app, parser=parser) as server, server.peer() as peer:
                await peer.send(request_bytes)
                while (await peer.answer()).status == 100:
                    pass
                assert seen[-1].pop("client") == peer.address
                assert seen[-1].pop("server") == ("127.0.0.1", server.port)
        ours, stock = seen
        direct: Direct = ours["extensions"].pop(DIRECT)  # what ours has beyond
        assert direct.headers in (dict(ours["headers"]), None)
        assert ours == stock
        assert {key: type(value) for key, value in ours.items()} == {key: type(value) for key, value in stock.items()}

    async def test_state_is_the_requests_own(self) -> None:
        states: list[dict[str, Any]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            states.append({**scope["state"]})
            scope["state"]["mine"] = True
            await reply(send)

        async with serving(app) as server, server.peer() as peer:
            for _ in range(2):
                await peer.send(GET)
                await peer.answer()
        assert states == [{}, {}]

    async def test_what_an_application_does_to_it_is_not_there_for_the_next(self) -> None:
        seen: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append((scope["headers"].copy(), scope["path"], scope["client"]))
            scope["headers"].append((b"x-own", b"1"))
            scope["path"] = scope["client"] = "other"
            await reply(send)

        async with serving(app) as server, server.peer() as peer:
            for _ in range(4):
                await peer.send(GET)
                await peer.answer()
        assert seen == [([(b"host", b"a")], "/", peer.address)] * 4


def _undated(answer: Answer) -> list[tuple[str, str]]:
    """The headers that do not depend on the second in which it was made."""
    return [field for field in answer.headers if field[0] != "date"]


class TestFraming:
    @pytest.mark.parametrize("request_bytes", [GET, GET_1_0, HEAD], ids=["1.1", "1.0", "HEAD"])
    @pytest.mark.parametrize(
        "app",
        [
            sending(
                {**OK, "headers": [(b"content-length", b"3"), (b"x", b"y")]}, piece(b"ab"), piece(b"c", more_body=False)
            ),
            sending(OK, piece(b"abc", more_body=False)),
            sending(OK, piece(b"ab"), piece(b""), piece(b"c"), END),
            sending({**OK, "headers": [(b"Transfer-Encoding", b"chunked")]}, piece(b"abc"), END),
            sending({**OK, "headers": [(b"Connection", b"close"), (b"content-length", b"0")]}, END),
            sending({**OK, "status": 204}, END),
            sending({**OK, "status": 304, "headers": [(b"content-length", b"3")]}, END),
            sending({**OK, "status": 404, "headers": [(b"content-length", b"0")]}, END),
        ],
        ids=["length", "no length", "pieces", "chunked", "close", "204", "304", "404"],
    )
    async def test_an_answer_is_what_hypercorn_makes_of_it(self, app: App, request_bytes: bytes) -> None:
        got: list[tuple[int, list[tuple[str, str]], bytes]] = []
        for parser in PARSERS:
            async with serving(app, parser=parser) as server, server.peer() as peer:
                await peer.send(request_bytes)
                answer = await peer.answer(head_only=request_bytes is HEAD)
                got.append((answer.status, sorted(_undated(answer)), answer.body))
                if answer.header("connection") != "close":  # It can take another one, and nothing is left of this one.
                    await peer.send(request_bytes)
                    assert _undated(await peer.answer(head_only=request_bytes is HEAD)) == _undated(answer)
        assert got[0] == got[1]

    async def test_head_and_body_of_known_length_go_out_in_one_write(self) -> None:
        app = sending({**OK, "headers": [(b"content-length", b"3")]}, piece(b"abc", more_body=False))
        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.more()
            assert peer.received.endswith(b"\r\n\r\nabc")

    async def test_a_stream_shows_that_it_has_begun(self, parser: Parser) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(OK)
            await receive()
            await trio.sleep_forever()

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.head()).status == 200

    async def test_the_body_of_a_long_answer_arrives_whole(self, parser: Parser) -> None:
        body = bytes(range(256)) * 20_000

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await reply(send, body)

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).body == body

    async def test_other_kinds_of_bytes_are_bytes(self) -> None:
        app = sending(
            {**OK, "headers": [(b"content-length", b"6")]},
            piece(bytearray(b"abc")),
            piece(memoryview(b"def"), more_body=False),
        )
        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).body == b"abcdef"


class TestErrors:
    @pytest.mark.parametrize("what", ["raise", "group", "silence", "a head and no more", "no message at all"])
    async def test_nothing_sent_is_500_and_logged_as_hypercorn_logs_it(
        self, what: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if what == "raise":
                raise LookupError("the handler's own")
            if what == "group":
                raise ExceptionGroup("several", [LookupError("one"), KeyError("two")])
            if what == "a head and no more":
                await send({**OK, "headers": [(b"content-length", b"3")]})
            elif what == "no message at all":
                await send({"type": "http.nonsense"})

        logged: list[list[tuple[str, int, str, bool]]] = []
        for parser in PARSERS:
            if what == "a head and no more" and parser == "h11":
                logged.append([])
                continue  # It has sent the head by then.
            caplog.clear()
            async with serving(app, parser=parser) as server, server.peer() as peer:
                await peer.send(GET)
                answer = await peer.answer()
                assert (answer.status, answer.header("connection"), answer.body) == (500, "close", b"")
                assert await peer.is_closed()
            logged.append([(one.name, one.levelno, one.message, bool(one.exc_info)) for one in caplog.records])
        assert logged[0] == logged[1]
        assert bool(logged[0]) is (what in {"raise", "group", "no message at all"})

    async def test_an_application_that_is_none_after_all_is_500(self, parser: Parser) -> None:
        def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            raise LookupError("called, and not awaited")

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).status == 500

    async def test_fields_may_be_lists(self) -> None:
        fields = ([b"content-length", b"1"], [b"x-one", b"two"])
        app = sending({**OK, "headers": fields}, piece(b"a", more_body=False))
        async with serving(app) as server, server.peer() as peer:
            await peer.send(GET)
            answer = await peer.answer()
            assert (answer.header("x-one"), answer.body) == ("two", b"a")

    async def test_an_error_in_the_middle_cuts_the_answer(
        self, parser: Parser, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(OK)
            await send(piece(b"abc"))
            raise LookupError("the handler's own")

        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            received = await peer.to_the_end()
        assert received.endswith(b"3\r\nabc\r\n")
        assert [record.message for record in caplog.records] == ["Error in ASGI Framework"]

    @pytest.mark.parametrize(
        "fields",
        [
            [(b"x", b"a\r\nset-cookie: b")],
            [(b"x", b"a\nb")],
            [(b"x", b"a\rb")],
            [(b"x", b"a\0b")],
            [(b"x\r\ny", b"a")],
            [(b"x y", b"a")],
            [(b"", b"a")],
            [(b":status", b"200")],
            [(b"x:", b"a")],
            [(b"content-length", b"three")],
        ],
    )
    async def test_a_field_cannot_become_another(
        self, fields: list[tuple[bytes, bytes]], parser: Parser, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(sending({**OK, "headers": fields}, END), parser=parser) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).status == 500
        assert [record.message for record in caplog.records] == ["Error in ASGI Framework"]

    @pytest.mark.parametrize("body", [b"ab", b"abcd"], ids=["shorter", "longer"])
    async def test_a_body_is_as_long_as_it_was_said_to_be(
        self, body: bytes, parser: Parser, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = sending({**OK, "headers": [(b"content-length", b"3")]}, piece(body, more_body=False))
        async with serving(app, parser=parser) as server, server.peer() as peer:
            await peer.send(GET + GET)
            received = await peer.to_the_end()
        assert received.count(b"HTTP/1.1") == 1
        assert [record.message for record in caplog.records] == ["Error in ASGI Framework"]

    @pytest.mark.parametrize(
        "messages",
        [[END], [OK, OK], [OK, END, END], [OK, END, OK], [{**OK, "status": 101}], [{**OK, "status": 1000}]],
        ids=["body first", "two heads", "two ends", "a head after the end", "101", "1000"],
    )
    async def test_messages_out_of_place_are_the_applications_error(
        self, messages: list[Message], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(sending(*messages)) as server, server.peer() as peer:
            await peer.send(GET)
            await peer.answer() if messages[:2] != [OK, OK] else await peer.to_the_end()
        assert [record.message for record in caplog.records] == ["Error in ASGI Framework"]

    async def test_a_status_without_a_name_is_a_status(self) -> None:
        async with serving(sending({**OK, "status": 299}, END)) as server, server.peer() as peer:
            await peer.send(GET)
            assert (await peer.answer()).status == 299


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "Hypercorn's"])
async def test_the_access_log_has_what_hypercorn_writes(is_ours: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tests.access")
    app = sending({**OK, "headers": [(b"content-length", b"3")]}, piece(b"abc", more_body=False))
    config = connection.Http1Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog, config.errorlog = logging.getLogger("tests.access"), None
    [listener] = open_listeners(Config(), "http.bind", ["127.0.0.1:0"], scheme="http")
    async with trio.open_nursery() as nursery:
        if is_ours:
            config.http1 = connection.Http1Server(app, config, Limits())
            listening = partial(serve_listeners, Connections(app, config, Places(100)), [(listener, None)], grace_s=1)
            [url] = await nursery.start(partial(listening, drain=trio.sleep_forever))
        else:
            listener.close()
            [url] = await nursery.start(partial(serve, cast("Any", app), config, mode="asgi"))
        async with Served(port=int(url.rpartition(":")[2])).peer() as peer:
            for _ in range(2):  # The line of the first is written when the second is answered.
                await peer.send(GET)
                await peer.answer()
        nursery.cancel_scope.cancel()
    [first, *_] = [record.getMessage().partition("] ")[2] for record in caplog.records if record.name == "tests.access"]
    assert first == '"GET / 1.1" 200 3 "-" "-"'

"""What becomes of a connection that fails, and of all others."""

from typing import Any, cast

import pytest
import trio
import trio.testing
from hyperframe.frame import SettingsFrame, WindowUpdateFrame
from starlette.types import Receive, Scope, Send

from mcp_runtime.server.failures import ConnectionFailures, split
from tests.support.captured_log import captured_log
from tests.support.raw_http2 import PREFACE, get, headers
from tests.unit.server.http1.http1_server import PARSERS, PATIENCE_S, Parser, reply, serving, whole_body


class PanicError(BaseException):
    """What an extension module may raise that is no Exception."""


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Parser:
    found: Parser = request.param
    return found


async def test_one_that_fails_is_closed_and_logged_once_and_no_other_notices(parser: Parser) -> None:
    release = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await whole_body(receive)
        if scope["path"] == "/fails":
            raise PanicError("at the disco" * 100)
        await release.wait()
        await reply(send, b"served")

    with captured_log() as events:
        async with serving(app, parser=parser) as server, server.peer() as honest:
            await honest.send(GET)
            async with server.peer() as failing:
                await failing.send(GET.replace(b"/ ", b"/fails "))
                with trio.fail_after(PATIENCE_S):
                    await failing.to_the_end()
            release.set()
            assert (await honest.answer()).body == b"served"
    [event] = [event for event in events() if event["event"] == "connection_failed"]
    assert (event["level"], event["error"]) == ("error", "PanicError")
    assert 1 <= len(event["detail"]) <= 200
    assert event["at"].startswith("server/test_connection_failures.py:")


async def test_an_application_that_lets_through_that_its_client_has_left_did_nothing_wrong() -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await whole_body(receive)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        finally:
            ended.set()

    with captured_log() as events:
        async with serving(app, parser="httptools") as server:
            async with server.peer() as peer:
                await peer.send(GET)
                assert await peer.more()
            with trio.fail_after(PATIENCE_S):
                await ended.wait()
            await trio.testing.wait_all_tasks_blocked()
    assert events() == []


async def test_it_is_not_held_by_a_task_that_waits_for_its_client_to_read(parser: Parser) -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await whole_body(receive)
        if scope["path"] == "/fails":
            raise PanicError
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        finally:
            ended.set()

    widest = 2**31 - 1
    begin = PREFACE + SettingsFrame(0, {4: widest}).serialize() + WindowUpdateFrame(0, widest - 65_535).serialize()
    with captured_log() as events:
        async with serving(app, parser=parser) as server, server.peer(receive_buffer_bytes=65_536) as peer:
            await peer.send(begin + headers(1, get(b"/floods"), "END_STREAM"))
            await trio.testing.wait_all_tasks_blocked(0.1)
            await peer.send(headers(3, get(b"/fails"), "END_STREAM"))
            with trio.fail_after(PATIENCE_S):
                await ended.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert [event["event"] for event in events()] == ["connection_failed"]  # when all its tasks have ended


def test_what_is_the_connections_own_and_what_is_not() -> None:
    own, gone = ValueError("own"), BrokenPipeError()
    stop = KeyboardInterrupt()
    assert split(own) == (own, None)
    assert split(gone) == (None, None)
    assert split(stop) == (None, stop)
    failure, passes = split(BaseExceptionGroup("all", [own, gone, ExceptionGroup("in", [gone]), stop]))
    assert _leaves(failure) == [own]
    assert _leaves(passes) == [stop]


async def test_cancellation_goes_on_to_its_scope_from_beside_a_failure() -> None:
    async def fail() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError

    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                nursery.start_soon(trio.sleep_forever)
        except BaseException as error:  # noqa: BLE001  # as the seam does
            failure, passes = split(error)
            assert isinstance(_leaves(failure)[0], ValueError)
            assert passes is not None
            raise passes from None
    assert scope.cancelled_caught


def _leaves(error: BaseException | None) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [leaf for one in inner for leaf in _leaves(one)]
    return [] if error is None else [error]


async def test_many_that_fail_are_counted_and_the_count_is_told(autojump_clock: trio.testing.MockClock) -> None:
    with captured_log() as events:
        failures = ConnectionFailures()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(failures.watch)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(1000):
                failures.note(ValueError(number))
            assert [event["detail"] for event in events()] == ["0", "1", "2", "3", "4"]
            await trio.sleep(11)
            assert _last(events()) == ("connection_failures_unlogged", 995)
            failures.note(ValueError("later"))
            assert events()[-1]["detail"] == "later"
            nursery.cancel_scope.cancel()
        failures.tell_unlogged()
        assert events()[-1]["detail"] == "later"


async def test_of_several_that_came_together_the_first_is_told() -> None:
    inner = BaseExceptionGroup("one", [PanicError("x" * 5000)])
    with captured_log() as events:
        ConnectionFailures().note(BaseExceptionGroup("two", [inner, PanicError("y")]))
    [event] = events()
    assert (event["error"], event["detail"], event["at"]) == ("PanicError", "x" * 200, None)


async def test_a_failure_with_a_broken_message_ends_nothing() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    ConnectionFailures().note(BrokenError())


def _last(events: list[Any]) -> tuple[str, int]:
    return events[-1]["event"], events[-1]["count"]

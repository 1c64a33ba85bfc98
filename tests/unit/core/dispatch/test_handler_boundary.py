"""Whatever a handler raises, and whatever its values raise, ends its own call; only what stops it from outside passes."""

import asyncio
import json
import logging
import re
import signal
import threading
from collections.abc import Callable, Generator
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any, Final

import anyio
import pytest
import trio
import trio.testing
from pydantic import AfterValidator, BaseModel

from mcp_runtime import Context, PeerError, Plugin, ToolError, ToolResult
from mcp_runtime.core.calls.call import Reply
from mcp_runtime.platform.interruptions import is_ctrl_c, is_interruption, leaves_of
from tests.support.captured_log import Events, captured_log
from tests.support.dispatcher_client import Client, RpcError, meta, text_of

INCIDENT: Final = re.compile(r"Internal error \(incident [0-9a-f]{8}; the server's log has the details\)")


class PanicError(BaseException):
    """As native modules raise it."""


class SpeechlessError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise PanicError


class SpeechlessToolError(ToolError):
    """The model is to be told of it, and cannot."""

    def __str__(self) -> str:
        raise PanicError


class NotesError(Exception):
    """What is written beside its traceback cannot be had."""

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # the error is the point
        raise PanicError


def deep_group() -> BaseException:
    error: BaseException = PanicError()
    for _ in range(3000):
        inside: list[BaseException] = [error]
        error = BaseExceptionGroup("one more", inside)
    return error


def stray() -> BaseException:
    """A cancellation of trio's that was over before it is raised again."""
    found: list[BaseException] = []

    async def wait() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as cancelled:
                found.append(cancelled)
                raise

    trio.run(wait)
    return found[0]


STRAY: Final = stray()
OWN: Final[list[BaseException]] = [
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    STRAY,
    PanicError("index out of bounds"),
    BaseException("bare"),
    SpeechlessError(),
    SpeechlessToolError(),
    NotesError(),
    BaseExceptionGroup("two", [PanicError(), ValueError()]),
    BaseExceptionGroup("cancellations", [STRAY, BaseExceptionGroup("more", [asyncio.CancelledError()])]),
    BaseExceptionGroup("strays", [STRAY]),
    deep_group(),
]
NAMES: Final = [f"{number} {type(error).__name__}" for number, error in enumerate(OWN)]
each_kind: Final = pytest.mark.parametrize("error", OWN, ids=NAMES)


@pytest.fixture
def log() -> Generator[Events]:
    with captured_log() as events:
        yield events


@pytest.fixture
def ctrl_c_is_taken() -> Generator[None]:
    """As in a server, which stops in its own way."""
    before = signal.signal(signal.SIGINT, lambda _, __: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def serving(tool: Callable[..., Any]) -> Client:
    plugin = Plugin("p")
    plugin.add_tool(tool, name="tool")
    return Client(plugin)


def raising(error: BaseException) -> Callable[..., Any]:
    async def tool() -> None:
        raise error

    return tool


async def assert_incident(client: Client, **arguments: Any) -> None:
    found = await client.tool("tool", **arguments)
    assert found["isError"] is True
    assert INCIDENT.fullmatch(text_of(found))
    assert client.runtime.dispatcher.at_work == 0


@each_kind
async def test_whatever_a_tool_raises_is_an_incident_of_its_call(error: BaseException, log: Events) -> None:
    await assert_incident(serving(raising(error)))
    (event,) = log()
    assert event["event"] == "handler_failed"
    assert event["exception"]


@each_kind
async def test_and_so_it_is_in_a_thread(error: BaseException) -> None:
    def tool() -> None:
        raise error

    await assert_incident(serving(tool))


@each_kind
@pytest.mark.parametrize("place", ["resource", "template", "prompt", "completion"])
async def test_and_elsewhere_a_json_rpc_error(place: str, error: BaseException) -> None:
    plugin = Plugin("p")

    async def fail(value: str) -> str:
        raise error

    @plugin.resource("note://one")
    async def one() -> str:
        raise error

    plugin.add_resource("note://of/{value}", fail)
    plugin.add_prompt(fail, name="prompt")
    plugin.completion(prompt="prompt", argument="value")(fail)
    requests: dict[str, tuple[str, dict[str, Any]]] = {
        "resource": ("resources/read", {"uri": "note://one"}),
        "template": ("resources/read", {"uri": "note://of/x"}),
        "prompt": ("prompts/get", {"name": "prompt", "arguments": {"value": "x"}}),
        "completion": (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "prompt"}, "argument": {"name": "value", "value": "x"}},
        ),
    }
    with pytest.raises(RpcError) as refused:
        await Client(plugin).request(*requests[place])
    assert refused.value.code == -32603
    assert INCIDENT.fullmatch(refused.value.message)


@each_kind
def test_and_on_asyncio(error: BaseException) -> None:
    async def talk() -> None:
        await assert_incident(serving(raising(error)))

        def in_thread() -> None:
            raise error

        await assert_incident(serving(in_thread))

    anyio.run(talk, backend="asyncio")


@pytest.mark.usefixtures("ctrl_c_is_taken")
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), BaseExceptionGroup("g", [KeyboardInterrupt(), ValueError()])], ids=repr
)
async def test_a_keyboard_interrupt_is_the_handlers_where_the_server_takes_the_signal(error: BaseException) -> None:
    await assert_incident(serving(raising(error)))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("g", [KeyboardInterrupt()])], ids=repr)
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_where_nobody_takes_it_it_may_be_ctrl_c_and_passes(backend: Any, error: BaseException) -> None:
    async def talk() -> None:
        await serving(raising(error)).tool("tool")

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
        anyio.run(talk, backend=backend)


def test_in_another_thread_than_the_main_one_it_is_never_ctrl_c() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(is_ctrl_c(KeyboardInterrupt())))
    thread.start()
    thread.join()
    assert found == [False]
    assert is_ctrl_c(KeyboardInterrupt())


# What passes


def test_the_cancellation_of_a_task_of_asyncio_passes() -> None:
    async def talk() -> None:
        started = asyncio.Event()

        async def tool() -> None:
            started.set()
            await asyncio.sleep(3600)

        client = serving(tool)
        task = asyncio.ensure_future(client.tool("tool"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.runtime.dispatcher.at_work == 0

    asyncio.run(talk())


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_cancellation_of_a_scope_around_it_passes(backend: Any) -> None:
    async def talk() -> None:
        client = serving(anyio.sleep_forever)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.tool, "tool")
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught

    anyio.run(talk, backend=backend)


async def test_what_a_handler_raises_while_it_is_cancelled_is_its_own(autojump_clock: trio.testing.MockClock) -> None:
    async def tool() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise PanicError

    assert text_of(await serving(tool).tool("tool")).startswith("Timed out after")


class Pause:
    """Gives control back without any loop."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def test_the_end_of_a_coroutine_whose_loop_is_gone_passes() -> None:
    started: list[Any] = []

    async def tool() -> None:
        await Pause()

    async def begin() -> None:
        client = serving(tool)
        call = client.call("tools/call", {"name": "tool", "arguments": {}})
        serving_it = client.runtime.dispatcher.dispatch(call)
        serving_it.send(None)
        started.append((client, serving_it))

    trio.run(begin)
    ((client, serving_it),) = started
    serving_it.close()
    assert client.runtime.dispatcher.at_work == 0


async def test_what_is_no_cancellation_does_not_pass_in_a_cancelled_scope() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        assert not is_interruption(asyncio.CancelledError())
        assert not is_interruption(ValueError())
        assert is_interruption(STRAY)
        assert is_interruption(BaseExceptionGroup("g", [STRAY, BaseExceptionGroup("h", [STRAY])]))
        assert not is_interruption(BaseExceptionGroup("g", [STRAY, GeneratorExit()]))
        await trio.lowlevel.checkpoint()
    assert not is_interruption(STRAY)


def test_the_leaves_of_a_group_are_in_their_order() -> None:
    one, two, three = ValueError(1), PanicError(2), KeyError(3)
    assert leaves_of(BaseExceptionGroup("a", [one, BaseExceptionGroup("b", [two]), three])) == [one, two, three]
    assert leaves_of(one) == [one]


# What its values raise


class Zone(tzinfo):
    """A time zone that fails when it is asked."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def utcoffset(self, dt: datetime | None, /) -> timedelta:
        del dt
        raise self._error

    def dst(self, dt: datetime | None, /) -> None:
        del dt

    def tzname(self, dt: datetime | None, /) -> None:
        del dt


def noon(error: BaseException) -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=Zone(error))


NOON: Final = noon(PanicError())


@pytest.mark.parametrize("error", [PanicError(), GeneratorExit(), asyncio.CancelledError()], ids=repr)
async def test_a_result_that_panics_while_it_is_written_is_an_incident(error: BaseException) -> None:
    async def tool() -> ToolResult:
        return ToolResult(structured_content={"at": noon(error)})

    await assert_incident(serving(tool))


@pytest.mark.parametrize("error", [ValueError(), PanicError(), StopIteration(), GeneratorExit()], ids=repr)
async def test_a_result_that_fails_while_it_is_read_is_an_incident(error: BaseException) -> None:
    def numbers() -> Generator[int]:
        yield 1
        raise error

    async def tool() -> Any:
        return numbers()

    await assert_incident(serving(tool))


async def test_the_data_of_an_error_that_panics_is_an_incident_with_its_code() -> None:
    with pytest.raises(RpcError) as refused:
        await serving(raising(PeerError(42, "Not today", {"until": NOON}))).tool("tool")
    assert refused.value.code == 42
    assert INCIDENT.fullmatch(refused.value.message)


@pytest.mark.parametrize(
    "odd", [{"http_status": "late"}, {"retry_after_s": NOON}, {"http_status": True}], ids=["status", "seconds", "bool"]
)
async def test_an_error_whose_numbers_are_none_is_an_incident(odd: dict[str, Any]) -> None:
    with pytest.raises(RpcError) as refused:
        await serving(raising(PeerError(42, "Not today", **odd))).tool("tool")
    assert refused.value.code == 42
    assert INCIDENT.fullmatch(refused.value.message)


async def test_an_error_whose_code_is_no_number_is_an_internal_one() -> None:
    code: Any = "late"
    with pytest.raises(RpcError) as refused:
        await serving(raising(PeerError(code, "Not today"))).tool("tool")
    assert refused.value.code == -32603


def _panics(value: str) -> str:
    raise PanicError(value)


class Form(BaseModel):
    """A form whose field panics."""

    name: Annotated[str, AfterValidator(_panics)]


async def test_the_validator_of_an_answer_that_panics_is_an_incident() -> None:
    async def tool(ctx: Context) -> str:
        return (await ctx.elicit("Who?", Form)).data.name

    client = serving(tool)
    own = meta(clientCapabilities={"elicitation": {}})
    asked = await client.request("tools/call", {"name": "tool", "_meta": own})
    answers = {"input-1": {"action": "accept", "content": {"name": "x"}}}
    state = {"requestState": asked["requestState"], "inputResponses": answers}
    found = await client.request("tools/call", {"name": "tool", "_meta": own, **state})
    assert INCIDENT.fullmatch(text_of(found))


async def test_the_validator_of_an_argument_that_panics_is_an_incident() -> None:
    async def tool(name: Annotated[str, AfterValidator(_panics)]) -> str:
        return name

    await assert_incident(serving(tool), name="x")


async def test_a_form_that_is_no_json_is_an_incident() -> None:
    async def tool(ctx: Context) -> Any:
        default = {"type": "string", "default": NOON}
        return await ctx.elicit("When?", {"type": "object", "properties": {"at": default}})

    client = serving(tool)
    params = {"name": "tool", "_meta": meta(clientCapabilities={"elicitation": {}})}
    assert INCIDENT.fullmatch(text_of(await client.request("tools/call", params)))


# What is around a handler


class BrokenSpans:
    """Spans whose exporter panics."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def around(self, call: object, *more: object) -> None:
        del call, more
        raise self._error


@pytest.mark.parametrize("error", [PanicError(), SystemExit(1), GeneratorExit(), ValueError()], ids=repr)
async def test_a_tracer_that_fails_fails_the_call(error: BaseException) -> None:
    async def tool() -> str:
        return "x"

    client = serving(tool)
    spans: Any = BrokenSpans(error)
    client.runtime.dispatcher.trace(spans.around)
    answer = await client.dispatch(client.call("tools/call", {"name": "tool"}))
    assert isinstance(answer, Reply)
    assert INCIDENT.fullmatch(json.loads(answer.body)["error"]["message"])


def test_a_cancellation_passes_through_the_spans() -> None:
    async def talk() -> None:
        client = serving(anyio.sleep_forever)
        spans: Any = BrokenSpans(STRAY)
        client.runtime.dispatcher.trace(spans.around)
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.tool("tool")
        assert scope.cancelled_caught

    trio.run(talk)


async def test_ctrl_c_passes_while_an_error_is_written() -> None:
    with pytest.raises(KeyboardInterrupt):
        await serving(raising(PeerError(42, "x", noon(KeyboardInterrupt())))).tool("tool")


# What is logged of it


class Mute:
    """A value that cannot be written."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error

    __repr__ = __str__


def only_ours() -> None:
    """Take pytest's own handlers away, which write whatever they get. `captured_log` puts them back."""
    root = logging.getLogger()
    root.handlers[:] = [
        handler for handler in root.handlers if type(handler).__module__ == "mcp_runtime.telemetry.log.log"
    ]


@pytest.mark.parametrize("error", [ValueError(), PanicError(), GeneratorExit(), RecursionError()], ids=repr)
async def test_an_event_is_written_without_what_cannot_be(error: BaseException, log: Events) -> None:
    async def tool(ctx: Context) -> str:
        ctx.log.info("seen", size=3, password="hush", value=Mute(error), inner={Mute(error): 1})
        return "done"

    assert text_of(await serving(tool).tool("tool")) == "done"
    (event,) = log()
    assert (event["event"], event["size"], event["password"]) == ("seen", 3, "***")
    assert event["unsayable"] == type(error).__name__
    assert event["method"] == "tools/call"


async def test_an_exception_that_cannot_be_written_is_named(log: Events) -> None:
    async def tool(ctx: Context) -> str:
        for exc_info in (NotesError(), (NotesError, NotesError(), None)):
            ctx.log.error("failed", exc_info=exc_info)
        try:
            await raising(NotesError())()
        except NotesError:
            ctx.log.exception("failed")
        text: Any = Mute(PanicError())
        ctx.log.info(text)
        return "done"

    assert text_of(await serving(tool).tool("tool")) == "done"
    *three, last = log()
    assert [event["exception"].partition(":")[0] for event in three] == ["NotesError"] * 3
    assert last["event"] == "unsayable"


async def test_a_message_of_a_library_that_cannot_be_written_keeps_its_text(log: Events) -> None:
    only_ours()
    logging.getLogger("library").warning("value %s", Mute(PanicError()))
    logging.getLogger("library").warning(Mute(PanicError()))
    assert [event["event"] for event in log()] == ["value %s", "Mute"]


@pytest.mark.parametrize("where", ["field", "text"])
async def test_ctrl_c_passes_while_an_event_is_written(where: str, log: Events) -> None:
    only_ours()

    async def tool(ctx: Context) -> None:
        if where == "field":
            ctx.log.info("seen", value=Mute(KeyboardInterrupt()))
        else:
            logging.getLogger("library").warning("%s", Mute(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        await serving(tool).tool("tool")
    assert log() == []


# Scopes that a handler leaves open


async def leaves_a_scope_open() -> str:
    trio.CancelScope().__enter__()
    return "x"


async def test_a_scope_that_is_left_open_ends_the_call_of_its_tool() -> None:
    client = serving(leaves_a_scope_open)
    assert INCIDENT.fullmatch(text_of(await client.tool("tool")))


async def test_a_scope_that_is_left_open_ends_the_call_of_its_prompt() -> None:
    plugin = Plugin("demo")
    plugin.add_prompt(leaves_a_scope_open, name="prompt")
    with pytest.raises(RpcError, match="Internal error"):
        await Client(plugin).request("prompts/get", {"name": "prompt"})

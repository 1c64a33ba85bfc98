"""The operator's log: whoever logs, the events look alike, on one stream."""

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from mcp_runtime.config import LoggingConfig
from mcp_runtime.config.secret import Secret
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.telemetry.log.log import configure_logging, get_logger, writes_json

Events = Callable[[], list[dict[str, Any]]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, _: str, /) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    configure_logging(LoggingConfig())
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured(stream: io.StringIO, **settings: Any) -> Events:
    configure_logging(LoggingConfig(**settings), stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def events() -> Events:
    return configured(io.StringIO())


def test_an_event_is_one_line_of_json(events: Events) -> None:
    get_logger().info("request_completed", method="tools/list", duration_ms=1.5)
    [event] = events()
    assert event.pop("timestamp").endswith("Z")
    assert list(event.items()) == [
        ("level", "info"),
        ("logger", "mcp_runtime"),
        ("event", "request_completed"),
        ("method", "tools/list"),
        ("duration_ms", 1.5),
    ]


def test_stdlib_loggers_take_the_same_way(events: Events) -> None:
    logging.getLogger("some.library").warning("%d files", 3)
    [event] = events()
    assert (event["logger"], event["level"], event["event"]) == ("some.library", "warning", "3 files")


def test_a_level_of_a_librarys_own_becomes_the_next_lower_one(events: Events) -> None:
    logging.getLogger("some.library").log(25, "notice")
    assert events()[0]["level"] == "info"


def test_warnings_take_the_same_way(events: Events) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    [event] = events()
    assert event["logger"] == "py.warnings"
    assert "DeprecationWarning: old" in event["event"]


def test_what_a_plugin_logs_with_structlog_takes_the_same_way(events: Events) -> None:
    structlog.get_logger().info("from_a_plugin")
    structlog.get_logger("named").info("from_another")
    assert [(event["logger"], event["event"]) for event in events()] == [
        ("mcp_runtime", "from_a_plugin"),
        ("named", "from_another"),
    ]


@pytest.mark.parametrize("name", ["hypercorn.error", "uvicorn.error"])
def test_servers_are_quiet_but_for_warnings(events: Events, name: str) -> None:
    logging.getLogger(name).info("Running on ...")
    logging.getLogger(name).warning("odd")
    assert [event["event"] for event in events()] == ["odd"]


def test_an_exception_is_part_of_its_event(events: Events) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        get_logger().error("handler_failed", exc_info=error)
        logging.getLogger("lib").exception("failed")
    mine, theirs = events()
    assert "ZeroDivisionError: division by zero" in mine["exception"]
    assert "ZeroDivisionError: division by zero" in theirs["exception"]


def test_events_below_the_level_are_not_written() -> None:
    events = configured(io.StringIO(), level="warning")
    get_logger().info("quiet")
    logging.getLogger("lib").info("quiet")
    get_logger().warning("loud")
    assert [event["event"] for event in events()] == ["loud"]


def test_every_event_carries_the_fields_of_its_call(events: Events) -> None:
    token = call_fields.bind(lambda: {"method": "tools/call", "request_id": 7})
    get_logger().info("mine")
    logging.getLogger("lib").info("theirs")
    get_logger().info("own_value_wins", method="x")
    call_fields.unbind(token)
    get_logger().info("outside")
    found = [(event["event"], event.get("method"), event.get("request_id")) for event in events()]
    assert found == [
        ("mine", "tools/call", 7),
        ("theirs", "tools/call", 7),
        ("own_value_wins", "x", 7),
        ("outside", None, None),
    ]


def test_the_fields_of_a_call_that_logs_nothing_are_never_asked_for(events: Events) -> None:
    def fields() -> dict[str, object]:
        raise AssertionError

    token = call_fields.bind(fields)
    get_logger().debug("below_the_level")
    call_fields.unbind(token)
    assert events() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"key": Secret("hunter2")},
        {"password": "hunter2"},
        {"Authorization": "Bearer hunter2"},
        {"access_token": "hunter2"},
        {"api_key": "hunter2"},
        {"request_state": "hunter2"},
        {"headers": {"cookie": "hunter2"}},
        {"many": [{"client-secret": "hunter2"}, Secret("hunter2")]},
    ],
)
def test_secrets_are_not_written(fields: dict[str, object]) -> None:
    for json_format, stream in (("json", io.StringIO()), ("console", io.StringIO())):
        configured(stream, format=json_format)
        get_logger().info("event", **fields)
        assert "***" in stream.getvalue()
        assert "hunter2" not in stream.getvalue()


def test_what_is_only_named_like_a_secret_is_written(events: Events) -> None:
    get_logger().info("event", tokens=3, has_token=True, token_count=1, password=None)
    event = events()[0]
    assert (event["tokens"], event["has_token"], event["token_count"], event["password"]) == (3, True, 1, None)


def test_a_value_that_json_does_not_know_is_written_as_text(events: Events) -> None:
    get_logger().info("event", kind=complex(1, 2))
    assert events()[0]["kind"] == "(1+2j)"


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    configured(terminal)
    assert not writes_json()
    get_logger().info("event", page=1)
    configured(file)
    assert writes_json()
    get_logger().info("event", page=1)
    assert terminal.getvalue() != file.getvalue()
    assert json.loads(file.getvalue())["page"] == 1


def test_text_shows_an_exception_without_local_variables() -> None:
    stream = Terminal()
    configured(stream)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    secret = "hunter" + str(1 + 1)
    try:
        fail(secret)
    except ValueError:
        get_logger().exception("failed")
    assert "ValueError: 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_a_reader_that_went_away_does_not_stop_the_program() -> None:
    configured(Broken())
    get_logger().error("nobody_hears_this")
    closed = io.StringIO()
    configured(closed)
    closed.close()
    get_logger().error("nor_this")


def test_structlog_is_imported_with_the_first_event_that_is_written() -> None:
    program = """
import sys
from mcp_runtime.config import LoggingConfig
from mcp_runtime.telemetry.log.log import configure_logging, get_logger
configure_logging(LoggingConfig(level="warning"))
get_logger().info("quiet")
assert "structlog" not in sys.modules
get_logger().warning("loud")
assert "structlog" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "loud"


def test_without_configuration_a_hosts_logging_is_left_alone() -> None:
    program = """
import logging, structlog
from mcp_runtime.telemetry.log.log import get_logger
get_logger().info("embedded")
assert not structlog.is_configured()
assert logging.getLogger().handlers == []
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "embedded"

"""The renderer of the log: an event as a line. Rule: only this file imports structlog when something is logged."""

import json
import re
import threading
from collections.abc import Sequence
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from mcp_runtime.platform.interruptions import is_ctrl_c
from mcp_runtime.telemetry.log import call_fields
from mcp_runtime.telemetry.log.redaction import redact, without_secrets

_NUMBERS: Final = (int, float, bool, type(None))
_PLAIN: Final = (str, *_NUMBERS)
_FIRST: Final = ("timestamp", "level", "logger", "event")
_BLOCKS: Final = ("exception", "stack")
"""Fields of several lines."""
_MARGIN: Final = "  | "
"""At the beginning of each of those, so that none looks like an event."""
_UNPRINTABLE: Final = re.compile(r"[^ -~]+")


class Rendering:
    """One way to write events: to `stream`, of at least `level`; JSON, one event a line, or text for a terminal."""

    def __init__(self, stream: TextIO, *, level: int, json: bool) -> None:
        self._lines = _Lines(stream)
        self._processors: list[Processor] = [_Render(_processors(stream, json=json))]
        self._wrapper_class = structlog.make_filtering_bound_logger(level)

    def logger(self, name: str) -> FilteringBoundLogger:
        """A logger that writes this way, however structlog is configured."""
        wrapped = structlog.wrap_logger(
            self._lines(name), processors=self._processors, wrapper_class=self._wrapper_class
        )
        return cast("FilteringBoundLogger", wrapped.bind())

    def configure_structlog(self) -> None:
        """Let all other structlog loggers of the process write this way too."""
        structlog.configure(
            processors=self._processors,
            wrapper_class=self._wrapper_class,
            logger_factory=self._lines,
            # A logger that outlives the next call, as in tests, would go on writing to this stream.
            cache_logger_on_first_use=False,
        )


def _processors(stream: TextIO, *, json: bool) -> list[Processor]:
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_call_fields,
        _add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _redact,
        # Not rich's tracebacks: they would show local variables, and those hold secrets.
        structlog.processors.format_exc_info,
        _redact_exception,
    ]
    if json:
        return [*common, _to_json]
    return [*common, _for_a_terminal, structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)]


class _Render:
    """All processors in one. It takes any event: values are a plugin's, and may fail at whatever is asked of them."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = tuple(processors)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        given = dict(event)
        try:
            return self._rendered(logger, method, event)
        except BaseException as error:  # a log line must not fail, nor whoever wrote it, for what is in it
            if is_ctrl_c(error):
                raise
            return self._rendered(logger, method, _sayable(given, error))

    def _rendered(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered: Any = event
        for process in self._processors:
            rendered = process(logger, method, rendered)
        return cast("str", rendered)


def _sayable(event: EventDict, error: BaseException) -> EventDict:
    """What can be said of `event` without any code but our own, and why it is no more."""
    plain: EventDict = {name: value for name, value in event.items() if type(value) in _PLAIN}
    plain.setdefault("event", "unsayable")
    raised: Any = event.get("exc_info")
    if raised:
        failure: object = error.__context__ if raised is True else raised
        failure = cast("tuple[object, ...]", raised)[1] if isinstance(raised, tuple) else failure
        plain["exception"] = f"{type(failure).__name__}: its traceback cannot be written"
        plain.pop("exc_info", None)
    return {**plain, "unsayable": type(error).__name__}


class _Lines:
    """Makes the loggers that write to one stream, a whole line at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, name: str = "mcp_runtime", *_: object) -> "_LineLogger":
        return _LineLogger(self, name)

    def write(self, line: str) -> None:
        try:
            with self._lock:
                self._stream.write(f"{line}\n")
                self._stream.flush()
        except (OSError, ValueError):
            # Whoever read standard error is gone. That is no reason to stop serving, and there is nobody left to tell.
            return


class _LineLogger:
    """The innermost logger: structlog calls it with the rendered line, by the name of the level."""

    def __init__(self, lines: _Lines, name: str) -> None:
        self._lines = lines
        self.name = name

    def msg(self, line: str) -> None:
        self._lines.write(line)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


def _add_call_fields(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in call_fields.current_fields().items():
        event.setdefault(name, value)
    return event


def _add_logger_name(logger: WrappedLogger, _: str, event: EventDict) -> EventDict:
    event["logger"] = logger.name
    return event


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return redact(event)


def _redact_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = without_secrets(str(event["exception"]))
    return event


def _for_a_terminal(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """An event that can neither command a terminal nor look like two: whatever a client has put into its texts."""
    shown: EventDict = {
        _escaped(name): value if type(value) in _NUMBERS else _escaped(value if isinstance(value, str) else repr(value))
        for name, value in event.items()
    }
    for name in _BLOCKS:
        if name in event:
            lines = str(event[name]).splitlines()
            shown[name] = "\n".join(_MARGIN + _escaped(line) for line in lines)
    return shown


def _escaped(text: str) -> str:
    """`text` with what is not printed as itself (newlines, escapes, turns of direction) as a Python literal has it."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(mark: str) -> str:
    return mark if mark.isprintable() else mark.encode("unicode_escape").decode()


def _to_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    ordered: dict[str, Any] = {name: event[name] for name in _FIRST if name in event}
    try:
        line = msgspec.json.encode({**ordered, **event}, enc_hook=str).decode()
    except ValueError:  # A lone surrogate, which UTF-8 does not have; a log line must not fail for it.
        return json.dumps({**ordered, **event}, default=str)
    # JSON lets them stand: DEL, the controls from U+0080 on, those that turn the direction of writing.
    return line if line.isprintable() else _UNPRINTABLE.sub(_as_json, line)


def _as_json(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")

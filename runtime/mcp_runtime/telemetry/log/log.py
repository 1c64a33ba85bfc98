"""The operator's log: one renderer for structlog and stdlib loggers. Rule: nothing goes to stdout.

structlog takes as long to import as half the rest of the program, and `serve --stdio` must answer at once: so it
is imported with the first event that is written. Get loggers from `get_logger`.
"""

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from mcp_runtime.config.sections import LoggingConfig

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from mcp_runtime.telemetry.log.rendering import Rendering

# Their "Running on ..." says less than our own `listening`; their warnings and errors are welcome.
_QUIET: Final = ("hypercorn.error", "hypercorn.access", "uvicorn.error", "uvicorn.access")


def configure_logging(settings: LoggingConfig, *, stream: TextIO | None = None) -> None:
    """Write events of at least `settings.level` to `stream` (stderr, if None) from now on, in `settings.format`.

    Takes in what stdlib loggers and `warnings` say. Once a process; a later call replaces the earlier one.
    """
    _log.configure(settings, sys.stderr if stream is None else stream)


def get_logger(name: str = "mcp_runtime") -> "FilteringBoundLogger":
    """A structlog logger whose events carry `logger=name` and the current call's fields."""
    return _log.bound(name) if _log.is_ready else cast("FilteringBoundLogger", _LoggerToBe(name))


def writes_json() -> bool:
    """Whether the log is JSON, for a program, and not text, for a person."""
    return _log.is_json


def adopt_structlog() -> None:
    """Send through this log what a plugin logs with structlog on its own, if it has imported it. Call after loading."""
    if "structlog" in sys.modules:
        _log.prepare()


class _Log:
    """The one log of the process. Until it is configured, it leaves stdlib loggers and structlog to the host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handler = _StdlibHandler()
        self._loggers: dict[str, FilteringBoundLogger] = {}
        self._rendering: Rendering | None = None
        self._settings: LoggingConfig | None = None
        self._stream: TextIO | None = None

    @property
    def level(self) -> int:
        level = self._settings.level if self._settings else "info"
        return logging.getLevelNamesMapping()[level.upper()]

    @property
    def is_json(self) -> bool:
        chosen = self._settings.format if self._settings else "auto"
        return chosen == "json" or (chosen == "auto" and not self._output.isatty())

    @property
    def _output(self) -> TextIO:
        return self._stream or sys.stderr

    def configure(self, settings: LoggingConfig, stream: TextIO) -> None:
        with self._lock:
            self._settings, self._stream, self._rendering, self._loggers = settings, stream, None, {}
        root = logging.getLogger()
        if self._handler not in root.handlers:
            root.addHandler(self._handler)
        root.setLevel(self.level)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.DEBUG if self.level <= logging.DEBUG else logging.WARNING)
        logging.captureWarnings(capture=True)
        adopt_structlog()

    def prepare(self) -> "Rendering":
        """Import and configure structlog, unless that was done. Threads may come here at the same time."""
        with self._lock:
            if self._rendering is None:
                from mcp_runtime.telemetry.log.rendering import Rendering

                self._rendering = Rendering(self._output, level=self.level, json=self.is_json)
                if self._settings is not None:
                    self._rendering.configure_structlog()
            return self._rendering

    def bound(self, name: str) -> "FilteringBoundLogger":
        logger = self._loggers.get(name)
        if logger is None:
            logger = self._loggers[name] = self.prepare().logger(name)
        return logger

    @property
    def is_ready(self) -> bool:
        return self._rendering is not None


class _LoggerToBe:
    """A stand-in for a structlog logger until there is something to write."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        level = logging.getLevelNamesMapping().get(attribute.upper())
        if level is not None and level < _log.level:
            return _ignore
        return getattr(_log.bound(self._name), attribute)


def _ignore(event: object = None, /, *args: object, **fields: object) -> None:
    """A log method below the level."""


class _StdlibHandler(logging.Handler):
    """Takes the records of stdlib loggers into the log."""

    def emit(self, record: logging.LogRecord) -> None:
        # structlog knows the five standard levels only.
        level = max(10, min(50, record.levelno // 10 * 10))
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        _log.bound(record.name).log(level, _message_of(record), **fields)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except BaseException as error:  # what is put into the text is a plugin's; as in rendering.py
        from mcp_runtime.platform.interruptions import is_ctrl_c

        if is_ctrl_c(error):
            raise
        return record.msg if type(record.msg) is str else type(record.msg).__name__


_log: Final = _Log()

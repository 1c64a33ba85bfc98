"""The operator's log, for tests to read. Rule: whatever logging was before, it is again afterwards."""

import json
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from mcp_runtime.config import LoggingConfig
from mcp_runtime.telemetry.log.log import configure_logging

Events = Callable[[], list[dict[str, Any]]]
"""What the log says so far, an object an event."""


@contextmanager
def captured_log() -> Generator[Events]:
    """The events that are logged within the block."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = StringIO()
    configure_logging(LoggingConfig(format="json"), stream=stream)
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        configure_logging(LoggingConfig())
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)

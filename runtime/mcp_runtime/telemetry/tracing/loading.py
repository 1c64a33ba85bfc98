"""The tracer of this process, where OpenTelemetry's SDK is in use. Rule: nothing is imported for being installed."""

import sys
from typing import Final

from mcp_runtime.telemetry.tracing.port import Tracer

_SDK: Final = "opentelemetry.sdk.trace"


def load_tracer() -> Tracer | None:
    """OpenTelemetry's tracer, None where nobody in this process has imported its SDK: then spans could go nowhere.

    Where they go is the SDK's own configuration, by the host application, a plugin or `opentelemetry-instrument`. It
    is not imported here for its being installed: that would cost every start what few have a use for.
    """
    if _SDK not in sys.modules:
        return None
    from mcp_runtime.telemetry.tracing.opentelemetry import OpenTelemetryTracer

    return OpenTelemetryTracer()

"""The page of errors, read off protocol/errors.py. Rule: a code, its name and its status come from the table there."""

from types import MappingProxyType
from typing import Final

from docs.generate import markdown
from docs.generate.markdown import code, spec_link, table
from mcp_runtime.protocol.errors import (
    APPLICATION_ERROR_STATUS,
    ERRORS,
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
)

CAUSES: Final = MappingProxyType(
    {
        PARSE_ERROR: "The bytes are no JSON, no UTF-8, or nested too deeply.",
        INVALID_REQUEST: "JSON, but no JSON-RPC request: no method, `params` that is no object, a batch, a client's "
        "response, a line that is too long; on stdio also an id that is still being served.",
        METHOD_NOT_FOUND: "This revision has no such method, or the server offers no completions. `initialize`, `ping` "
        "and the like belong to older revisions.",
        INVALID_PARAMS: "`_meta` lacks the version or the capabilities; an unknown tool, prompt or resource "
        "(`data.uri`); arguments of a prompt that do not fit; a cursor or a `requestState` that is not valid.",
        INTERNAL_ERROR: "A resource, a prompt or a completion failed, or took too long. With status 503 and "
        "`Retry-After`: the server is at `limits.max_concurrent_requests` or `limits.max_subscriptions`, or stops. "
        "With status 429 and `Retry-After`: this client holds its share of one of them, half of what others leave, or "
        "asks for more than `limits.completions_per_minute`.",
        HEADER_MISMATCH: "A header of HTTP is missing, comes twice, or says something else than the body.",
        MISSING_REQUIRED_CLIENT_CAPABILITY: "The call needs what the client did not declare: "
        "`data.requiredCapabilities`.",
        UNSUPPORTED_PROTOCOL_VERSION: "The server does not speak the version that was asked for: `data.supported` and "
        "`data.requested`.",
    }
)
"""When each code is sent."""

REFUSALS: Final = MappingProxyType(
    {
        400: "`Host`, `Origin`, `Content-Type` or `Authorization` comes twice.",
        401: "On `admin.bind`: not the token of `admin.token`.",
        403: "`Origin` is not allowed. The operator can add it to `http.allowed_origins`. On `admin.bind`: what names "
        "clients is for this machine alone, unless there is an `admin.token`.",
        404: "The path is not the MCP endpoint (`http.path`). An unknown *method* is a 404 too, with code `-32601`.",
        405: "Not a POST. `Allow: POST` is set.",
        406: "`Accept` does not list both `application/json` and `text/event-stream`.",
        408: "The body took longer than `limits.body_timeout_s`. The connection is closed.",
        413: "The body is longer than `limits.max_body_bytes`. The connection is closed.",
        415: "`Content-Type` is not `application/json` in UTF-8, or there is a `Content-Encoding`.",
        421: "`Host` is not served here. The operator can add it to `http.allowed_hosts`.",
        503: "Bodies on their way have taken `limits.max_body_bytes_in_flight`. `Retry-After` is set. The connection "
        "is closed.",
    }
)
"""HTTP requests that are refused before the message in them is read, by status."""

_INTRODUCTION: Final = """
A call can fail in three ways, and each tells somebody else.

- **A result with `isError`** tells the model: a tool ran and could not do it. Raise `ToolError`.
- **A JSON-RPC error** tells the client: this request cannot be served. Raise `PeerError`.
- **An HTTP status alone** tells whoever sent the bytes: this is no MCP request to this server.
"""

_TOOLS: Final = """
## Results with `isError`

| What happened in the tool | Text that the model gets |
| --- | --- |
| It raised `ToolError("...")` | that text |
| The arguments do not fit the schema | `Invalid arguments:` and a part for each parameter, naming it |
| It took longer than its time limit | `Timed out after N s` |
| The client calls more often than `limits.tool_calls_per_minute` | `Too many tool calls; try again in N s` |
| It raised anything else at all, `sys.exit()` and the panic of a native module too, or returned what its output \
schema forbids | `Internal error (incident ID; the server's log has the details)` |

The incident ID is in the log event `handler_failed`, with the traceback. Neither the traceback nor the message of the
exception reaches the client. From a resource, a prompt or a completion the same texts travel as error `-32603`.
"""

_HTTP: Final = """
## HTTP statuses without a message

These requests are refused before their message is read. The body is a JSON-RPC error `-32600` without an `id`, and its
text says what is wrong.
"""


def page() -> str:
    """The text of the page."""
    rows = [
        (code(number), row.name, str(row.http_status), CAUSES[number], spec_link(f"2026-07-28/{row.spec}"))
        for number, row in ERRORS.items()
    ]
    refusals = [(str(status), cause) for status, cause in sorted(REFUSALS.items())]
    return markdown.page(
        "Errors",
        _INTRODUCTION,
        _TOOLS,
        "## JSON-RPC errors",
        table(["Code", "Name", "HTTP status", "When", "Specification"], rows),
        "A plugin may raise `PeerError` with one of these codes, or with a code of its own outside -32768 to -32000. "
        f"That travels with HTTP status {APPLICATION_ERROR_STATUS}: the exchange succeeded, the application said no. "
        "Any other code raises `ValueError`.",
        "On stdio there are no statuses; the same errors come without them.",
        _HTTP,
        table(["Status", "When"], refusals),
        "A notification is answered with 202 and no body.",
    )

"""The page of bounds: all that a client can send, hold, or make the server do. Rule: a bound is a row here, and has a
case in `tests/security/test_bounds.py`, which tries it at its edge.

Defaults and meanings are read off the configuration; what happens at a bound, and where it holds, is said here.
"""

import dataclasses
import re
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from docs.generate import markdown
from docs.generate.markdown import code, plain, table
from docs.generate.sqlite_plugin import meanings
from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_runtime.config.keys import CONFIG_KEYS
from mcp_runtime.config.template import toml_value

Where = Literal["all", "own", "stdio", "start"]
"""Where a bound holds: with every server of HTTP (and on stdio, where it means something there), with our own alone, on
stdio alone, or at the start."""

_WHERE: Final = MappingProxyType({"all": "yes", "own": "no", "stdio": "stdio only", "start": "at start"})
_PLUGIN: Final = "plugin.sqlite."


class Bound(Struct, frozen=True):
    """One bound. Without a default it is a key of the configuration; `bounds` replaces what the key's description says.

    `at_bound` is Markdown.
    """

    name: str
    at_bound: str
    where: Where = "all"
    bounds: str = ""
    default: str = ""


BOUNDS: Final[MappingProxyType[str, tuple[Bound, ...]]] = MappingProxyType(
    {
        "Connections and heads": (
            Bound(
                "http.max_connections",
                "The one that waits longest for its client is closed, the client's own first. Where all are at work: "
                "503 with `Retry-After`; over TLS, closed.",
                "own",
            ),
            Bound(
                "connections to `admin.bind`",
                "The one that waits longest for its client is closed; where all are at work, 503.",
                "own",
                "Connections to the admin endpoints at the same time.",
                "16",
            ),
            Bound("http.max_streams", "The connection ends: `GOAWAY`.", "own"),
            Bound("http.idle_timeout_s", "The connection is closed.", "own"),
            Bound("limits.header_timeout_s", "408, or the connection is closed.", "own"),
            Bound("limits.max_request_line_bytes", "414", "own"),
            Bound("limits.max_header_bytes", "431. Over HTTP/2, past twice as many: `GOAWAY`.", "own"),
            Bound("limits.max_headers", "431", "own"),
            Bound("limits.max_control_frames_per_minute", "The connection ends: `GOAWAY`, `ENHANCE_YOUR_CALM`.", "own"),
            Bound(
                "frame of HTTP/2",
                "The connection ends, before the frame is read: `GOAWAY`, `FRAME_SIZE_ERROR`.",
                "own",
                "Bytes of one frame.",
                "16384",
            ),
            Bound(
                "table of HPACK",
                "A client that wants a larger one gets this one.",
                "own",
                "Bytes of header fields that a connection remembers, each way.",
                "4096",
            ),
            Bound("http.write_timeout_s", "The connection is reset; over HTTP/2 the stream: `CANCEL`.", "own"),
            Bound("limits.max_unread_bytes", "The client that holds most has a connection reset.", "own"),
        ),
        "Messages": (
            Bound("limits.max_body_bytes", "413, and the connection is closed."),
            Bound(
                "limits.max_body_bytes_in_flight",
                "503 with `Retry-After`, and the connection is closed.",
            ),
            Bound("limits.body_timeout_s", "408, and the connection is closed."),
            Bound("limits.max_line_bytes", "The line is skipped: error `-32600`.", "stdio"),
            Bound("limits.max_json_values", "413 with error `-32600`; on stdio the error."),
            Bound("limits.max_uri_chars", "Error `-32602`."),
            Bound(
                "entries of `http.forwarded_header`",
                "The client has no address: the totals alone hold for it.",
                bounds="Entries of the header that are looked at for a client behind trusted proxies.",
                default="32",
            ),
            Bound(
                "problems of a refusal",
                "The others are not named.",
                bounds="Problems with its arguments that a refused call is told.",
                default="5",
            ),
            Bound(
                "looks of an explanation",
                "The problem is said of the whole that was looked at.",
                bounds="Parts of arguments that are looked at to explain why they do not fit.",
                default="5000",
            ),
        ),
        "Requests": (
            Bound(
                "limits.max_concurrent_requests",
                "503 with `Retry-After`; past a client's share 429. On stdio the error `-32603`.",
            ),
            Bound("limits.max_threads", "The call waits for one, within its time."),
            Bound("limits.handler_timeout_s", "The call ends: `Timed out`."),
            Bound("limits.tool_calls_per_minute", "A result with `isError`: `Too many tool calls`."),
            Bound("limits.completions_per_minute", "429 with `Retry-After`."),
            Bound(
                "clients that are counted",
                "The next ones share one rate, until one of these could call as often as it likes.",
                bounds="Clients that have a rate of tool calls, or of completions, each for itself.",
                default="10000",
            ),
            Bound(
                "limits.max_notifications_per_second",
                "Of progress the latest is held back, log messages are left out and counted.",
            ),
            Bound("limits.page_size", "The rest is behind `nextCursor`."),
            Bound("limits.max_subscriptions", "503 with `Retry-After`; past a client's share 429."),
            Bound("limits.max_subscription_uris", "Error `-32602`."),
            Bound(
                "limits.max_subscription_chars",
                "Error `-32602`.",
                bounds="Characters of all URIs that one `subscriptions/listen` names, or one session subscribes to.",
            ),
        ),
        "Questions to the client": (
            Bound("limits.max_input_rounds", "The call fails: `asked for input`."),
            Bound("limits.max_input_requests", "The call fails: `questions at once`."),
            Bound("limits.max_request_state_bytes", "The call fails: `the request state would take`."),
            Bound("limits.request_state_ttl_s", "Error `-32602`."),
        ),
        "Older clients": (
            Bound("bridges.http_sessions.session_ttl_s", "404; the client begins a new session."),
            Bound("bridges.http_sessions.max_calls_per_session", "429; on an HTTP+SSE stream the error `-32603`."),
            Bound("bridges.http_sessions.max_batch_messages", "400 with error `-32600`."),
            Bound(
                "bridges.http_sessions.max_batch_answer_bytes",
                "The answers come as events, each when it is there; on a wire the rest of the batch is errors.",
            ),
            Bound("bridges.http_sessions.replay_max_events", "The oldest of the stream goes."),
            Bound(
                "bridges.http_sessions.replay_max_age_s",
                "They go, and a call that nobody came back to is cancelled.",
                bounds="How long events are kept for a client that lost its connection.",
            ),
            Bound("limits.max_replay_bytes", "The oldest goes."),
            Bound("bridges.http_sse.max_streams", "503 with `Retry-After`; past a client's share 429."),
            Bound(
                "bodies for an HTTP+SSE stream",
                "503",
                bounds="Bodies that wait for the conversation of one stream, together of `limits.max_body_bytes`.",
                default="16",
            ),
            Bound("bridges.clients.answer_timeout_s", "The call fails: `did not answer`."),
        ),
        "What is kept": (
            Bound(
                "limits.max_state_entries",
                "The oldest of the same client goes.",
                bounds="Values kept between requests in one store; of those that others leave, one client may have "
                "half.",
            ),
            Bound(
                "limits.max_ended_sessions",
                "503 with `Retry-After` to who would begin or end a session.",
            ),
            Bound("state.max_bytes", "The oldest of the same client goes; where that makes no room: 503."),
            Bound("state.busy_timeout_s", "503 with error `-32603`."),
            Bound(
                "ledger.max_bytes",
                "The oldest days go; where that makes no room, calls are not counted.",
                bounds="Size of the file of who still uses older revisions.",
            ),
            Bound(
                "ledger.retention_days",
                "The day goes.",
                bounds="How long a day is kept of who still uses older revisions.",
            ),
            Bound("deprecation.max_log_streams", "The others share one line an hour."),
            Bound("audit.max_arguments_bytes", "Their hash and `arguments_bytes` are kept in their place."),
        ),
        "Schemas of plugins": (
            Bound("limits.max_schema_depth", "The server does not start: `limits.max_schema_depth`.", "start"),
            Bound("limits.max_subschemas", "The server does not start: `limits.max_subschemas`.", "start"),
        ),
        "The SQLite plugin": (
            Bound("plugin.sqlite.max_queries", "The statement waits."),
            Bound("plugin.sqlite.max_waiting_queries", "The call fails: `The database is busy`."),
            Bound(
                "plugin.sqlite.query_time_limit_s",
                "`The statement was stopped`; where SQLite does not stop it in 0.5 s more, its process is killed.",
                bounds="How long a statement may run.",
            ),
            Bound("plugin.sqlite.max_memory_bytes", "The call fails: `max_memory_bytes`."),
            Bound(
                "length of a statement",
                "The call fails: `query string is too large`.",
                bounds="Bytes of the SQL of one statement.",
                default="100000",
            ),
            Bound("plugin.sqlite.max_parameters", "The call fails: `max_parameters`."),
            Bound("plugin.sqlite.max_rows", "The rest is cut: `truncated`."),
            Bound("plugin.sqlite.max_result_bytes", "The rest is cut: `truncated`."),
            Bound("plugin.sqlite.max_value_bytes", "The call fails: `max_value_bytes`."),
            Bound("plugin.sqlite.max_question_characters", "The call fails: `max_question_characters`."),
            Bound("plugin.sqlite.max_question_lines", "The call fails: `max_question_lines`."),
            Bound("plugin.sqlite.busy_timeout_s", "The call fails: `The database is locked`."),
        ),
    }
)
"""All bounds, by what they are bounds of."""

_INTRODUCTION: Final = """
All that a client can send, hold, or make the server do has a bound. A name with a dot is a key of the
[configuration](configuration.md); what has none is fixed. Each is tried at its edge by a test.

Of what is counted over all clients, one client may have half of what the others leave: see
[Shares](../explanation/security-model.md#shares).

The last column says whether a bound holds where the application runs [under uvicorn or
granian](../how-to/run-under-uvicorn-or-granian.md), too: where not, it is for that server to say.
"""


def page() -> str:
    """The text of the page."""
    blocks = [block for title, bounds in BOUNDS.items() for block in (f"## {title}", _table(bounds))]
    return markdown.page("Bounds", _INTRODUCTION, *blocks)


def _table(bounds: tuple[Bound, ...]) -> str:
    keys = {key.path: (toml_value(key.default), key.description) for key in CONFIG_KEYS}
    says = meanings()
    for field in dataclasses.fields(SqliteSettings):
        keys[_PLUGIN + field.name] = ("" if field.default is None else toml_value(field.default), says[field.name])
    rows: list[tuple[str, str, str, str, str]] = []
    for bound in bounds:
        if bound.default:
            name, default, bounded = f"{bound.name} (fixed)", bound.default, bound.bounds
        else:
            default, description = keys[bound.name]
            name, bounded = code(bound.name), bound.bounds or plain(_what(description))
        rows.append((name, code(default), bounded, bound.at_bound, _WHERE[bound.where]))
    return table(["Bound", "Default", "What it bounds", "At the bound", "uvicorn, granian"], rows)


def _what(description: str) -> str:
    """The part of a key's description that says what is counted, and not what comes of it."""
    return re.split(r"[.;:](?:\s|$)", description, maxsplit=1)[0] + "."

"""The limits on what one client may cost. Rule: every bound that the runtime enforces is a key of `[limits]`."""

from typing import Annotated

from msgspec import Meta, Struct


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on size, time and number. What is past a bound gets a clear error; the connection stays usable."""

    max_body_bytes: Annotated[
        int, Meta(ge=1024, description="Longest HTTP request body; a longer one is answered 413.")
    ] = 4_194_304
    max_body_bytes_in_flight: Annotated[
        int,
        Meta(
            ge=1024,
            description="Bytes of HTTP request bodies on their way at the same time, over all clients, and never less "
            "than two of max_body_bytes; one client address gets half of what the others leave. More: 503 with "
            "Retry-After.",
        ),
    ] = 134_217_728
    max_line_bytes: Annotated[
        int, Meta(ge=1024, description="Longest line on stdin; a longer one is skipped and answered with an error.")
    ] = 4_194_304
    max_json_values: Annotated[
        int,
        Meta(
            ge=1000,
            description="Values in one message, empty lists and objects twice; one with more is answered 413. Decoded, "
            "each takes up to 150 bytes.",
        ),
    ] = 500_000
    max_uri_chars: Annotated[
        int, Meta(ge=64, description="Longest URI that a client may name; a longer one is refused with -32602.")
    ] = 8192
    body_timeout_s: Annotated[
        float, Meta(gt=0, description="How long a client may take to send a request body before it gets 408.")
    ] = 30.0
    max_request_line_bytes: Annotated[
        int, Meta(ge=256, description="Longest HTTP request line, over HTTP/2 its path; a longer one is answered 414.")
    ] = 8192
    max_header_bytes: Annotated[
        int, Meta(ge=1024, description="Longest head of an HTTP request; a longer one is answered 431.")
    ] = 32_768
    max_headers: Annotated[int, Meta(ge=16, description="Header fields of an HTTP request; more are answered 431.")] = (
        128
    )
    max_unread_bytes: Annotated[
        int,
        Meta(
            ge=1,
            description="Answers that HTTP clients have not read yet, all together; past it the client that holds most "
            "has a connection reset.",
        ),
    ] = 268_435_456
    header_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="How long a client may take for a TLS handshake, and to send the head of an HTTP request once "
            "it has begun: 408, or the end of the connection.",
        ),
    ] = 10.0
    max_control_frames_per_minute: Annotated[
        int,
        Meta(
            ge=100,
            description="HTTP/2 frames that a connection may send beside heads, bodies and the credit that answers "
            "need: pings, settings, resets and the like. More end it.",
        ),
    ] = 6000
    max_concurrent_requests: Annotated[
        int,
        Meta(
            ge=1,
            description="Requests at work at the same time; more are answered 503 with Retry-After. Of those that "
            "others leave, one client may have half; more are answered 429. As many again may "
            "wait for what older clients answer; more fail.",
        ),
    ] = 1000
    max_subscriptions: Annotated[
        int,
        Meta(ge=0, description="Open subscriptions/listen streams at the same time, shared as requests at work are."),
    ] = 1000
    max_subscription_uris: Annotated[
        int, Meta(ge=0, description="Resources that one subscriptions/listen may name.")
    ] = 1000
    max_subscription_chars: Annotated[
        int, Meta(ge=0, description="Length of all these URIs together; a session has as much for its own.")
    ] = 131_072
    handler_timeout_s: Annotated[
        float, Meta(gt=0, description="How long a tool, resource or prompt may run, unless it sets timeout_s.")
    ] = 300.0
    max_threads: Annotated[
        int,
        Meta(
            ge=1, description="Worker threads for plugin functions that are not async; a client past its share waits."
        ),
    ] = 40
    page_size: Annotated[int, Meta(ge=1, description="Entries on one page of a list.")] = 100
    max_request_state_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="Longest sealed requestState, which carries ctx.memo values and answers between rounds.",
        ),
    ] = 32_768
    request_state_ttl_s: Annotated[
        float, Meta(gt=0, description="How long a user may take to answer before a requestState expires.")
    ] = 600.0
    max_input_rounds: Annotated[int, Meta(ge=1, description="Times that one call may ask its client for input.")] = 16
    max_input_requests: Annotated[
        int, Meta(ge=1, description="Questions that one call may ask its client at once; a call with more fails.")
    ] = 64
    max_notifications_per_second: Annotated[
        int,
        Meta(
            ge=0,
            description="Progress notifications that one call sends in a second, and as many log messages. Past it the "
            "latest progress is held until there is room, and log messages are left out and counted; 0 is unlimited.",
        ),
    ] = 1000
    tool_calls_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            description="Tool calls a minute for each client (principal or address, of IPv6 the /64); 0 is unlimited. "
            "Not counted: stdio, loopback, Unix sockets.",
        ),
    ] = 6000
    completions_per_minute: Annotated[
        int, Meta(ge=0, description="Completions a minute for each client, counted as tool calls are; 0 is unlimited.")
    ] = 6000
    max_schema_depth: Annotated[
        int, Meta(ge=1, description="Nesting of a tool's JSON Schema; a deeper one is refused at start.")
    ] = 64
    max_subschemas: Annotated[
        int, Meta(ge=1, description="Subschemas in a tool's JSON Schema; one with more is refused at start.")
    ] = 2000
    max_state_entries: Annotated[
        int,
        Meta(
            ge=1,
            description="Values kept between requests in one store; past it, or past half of what other clients leave, "
            "a client's own oldest go.",
        ),
    ] = 100_000
    max_ended_sessions: Annotated[
        int,
        Meta(
            ge=1,
            description="Ended sessions to remember until their ids expire. A client with half of what others leave of "
            "them ends and begins no more: 503.",
        ),
    ] = 500_000
    max_replay_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="Memory for what a client may ask for again after it reconnects; past it the oldest goes.",
        ),
    ] = 67_108_864

"""The configuration as values. Rule: a key exists once, here, with its type, bounds, default and description.

`CONFIG_KEYS` (in `keys.py`) is read off these structs: the environment, the template, the docs and the tests follow.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mcp_runtime.config.cache import CachePolicies
from mcp_runtime.config.limits import Limits
from mcp_runtime.config.secret import Secret
from mcp_runtime.protocol.meta import LoggingLevel

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
HttpParser = Literal["httptools", "h11"]
LogFormat = Literal["auto", "json", "console"]
LedgerAddresses = Literal["full", "truncated", "hashed", "none"]
RetirementStage = Literal["observe", "signal", "brownout", "refuse_new", "gone"]


class ServerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this server says about itself."""

    name: Annotated[str, Meta(min_length=1, description="The name that clients show, and log.")] = "mcp-runtime"
    version: Annotated[str, Meta(description="Empty: the version of mcp-runtime.")] = ""
    title: Annotated[str, Meta(description="A name for people.")] = ""
    description: Annotated[str, Meta(description="One sentence for people.")] = ""
    website_url: Annotated[str, Meta(description="Where people read more.")] = ""
    instructions: Annotated[str, Meta(description="What the model should know before it uses these tools.")] = ""
    expose_server_info: Annotated[bool, Meta(description="Put name and version into every result's _meta.")] = True


class HttpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Streamable HTTP."""

    enabled: Annotated[bool, Meta(description="Whether `serve` without --stdio or --http serves HTTP.")] = True
    bind: Annotated[
        tuple[str, ...],
        Meta(description="Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH.", extra={"kind": "bind"}),
    ] = ("127.0.0.1:8000",)
    path: Annotated[str, Meta(description="The MCP endpoint.", extra={"kind": "url_path"})] = "/mcp"
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Host headers to accept beside loopback names and http.bind's own: HOST, HOST:PORT, "
            '"*.example.com" for subdomains, "*" for any.',
            extra={"kind": "host"},
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(
            description='Origins of web pages to accept beside those of these hosts: "https://a.example", "*" for any.',
            extra={"kind": "origin"},
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description='Proxies whose word for a client\'s address counts: addresses, networks, "unix" for Unix '
            "sockets. Empty: no header is asked.",
            extra={"kind": "proxy"},
        ),
    ] = ()
    forwarded_header: Annotated[
        str,
        Meta(
            description="The one header in which they name it: x-forwarded-for, forwarded, x-real-ip or their own.",
            min_length=1,
            extra={"kind": "header_name"},
        ),
    ] = "x-forwarded-for"
    cors: Annotated[bool, Meta(description="Answer preflight requests, so that allowed web pages can call.")] = False
    tls_certificate_file: Annotated[
        str, Meta(description="PEM certificate chain; with tls_key_file it turns on HTTPS.", extra={"kind": "file"})
    ] = ""
    tls_key_file: Annotated[str, Meta(description="PEM private key.", extra={"kind": "file"})] = ""
    http2: Annotated[bool, Meta(description="Serve HTTP/2: over TLS, and to clients that begin with it.")] = True
    parser: Annotated[
        HttpParser,
        Meta(description='What serves HTTP/1.1: "httptools" is fast and strict, "h11" is lenient, for old clients.'),
    ] = "httptools"
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Connections at the same time; fewer where the process may open fewer files. One client "
            "address gets half of what the others leave. Past it the one that waited longest for its client is "
            "closed; where all are at work, a new one is answered 503.",
        ),
    ] = 4096
    max_streams: Annotated[
        int, Meta(ge=1, description="HTTP/2 requests at the same time on one connection; more end it.")
    ] = 100
    keep_alive_interval_s: Annotated[
        float, Meta(gt=0, description="Time between the comments that keep a quiet stream open through proxies.")
    ] = 15.0
    idle_timeout_s: Annotated[float, Meta(gt=0, description="How long a connection may wait for its next request.")] = (
        75.0
    )
    write_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="How long a client may take nothing of what it is sent before its connection is reset, over "
            "HTTP/2 its stream.",
        ),
    ] = 60.0
    drain_grace_s: Annotated[
        float, Meta(ge=0, description="How long running calls may take to finish after SIGTERM.")
    ] = 10.0
    watch_after_s: Annotated[
        float, Meta(ge=0, description="How long a call runs before the runtime starts to watch for a disconnect.")
    ] = 0.25


class StdioConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client on standard input and output."""

    enabled: Annotated[bool, Meta(description="Whether `serve` without --stdio or --http serves stdio.")] = False
    eof_grace_s: Annotated[
        float, Meta(ge=0, description="How long running calls may take to finish after the end of standard input.")
    ] = 0.5


Posture = Literal["serve", "refuse", "off"]
_POSTURE: Final = (
    '"serve" them, "refuse" them with an error that says what is spoken here and where to go, or "off": '
    "as if there were no such bridge."
)


class HttpSessionsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clients of 2025-03-26, 2025-06-18 and 2025-11-25 over HTTP: sessions on http.path."""

    posture: Annotated[Posture, Meta(description=_POSTURE)] = "serve"
    session_ttl_s: Annotated[
        float, Meta(gt=0, description="How long a session id is good for; then its client has to initialize again.")
    ] = 2_592_000.0
    max_calls_per_session: Annotated[
        int, Meta(ge=1, description="Calls of one session or HTTP+SSE stream at work; more are answered 429.")
    ] = 64
    max_batch_messages: Annotated[
        int, Meta(ge=1, description="Messages in one body, which 2025-03-26 alone allows, on any transport.")
    ] = 100
    max_batch_answer_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            description="Answers to one batch that are held for the others. Past it they are sent as events over "
            "HTTP; on a wire the requests that are left of the batch are answered with an error.",
        ),
    ] = 16_777_216
    replay_max_events: Annotated[
        int, Meta(ge=0, description="Events of one stream to keep for a client that lost its connection; 0 keeps none.")
    ] = 1000
    replay_max_age_s: Annotated[float, Meta(gt=0, description="How long to keep them.")] = 300.0
    retry_ms: Annotated[
        int, Meta(ge=0, description="How long a client shall wait before it comes back to a stream that was let go.")
    ] = 1000
    close_stream_after_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Let go of a 2025-11-25 client's connection once its call took so long, to be asked for the "
            "rest; 0 is never.",
        ),
    ] = 0.0


class HttpSseConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clients of 2024-11-05 over HTTP: a stream at one path, messages posted to another."""

    posture: Annotated[Posture, Meta(description=_POSTURE)] = "serve"
    path: Annotated[str, Meta(description="Where the stream is.", extra={"kind": "url_path"})] = "/sse"
    messages_path: Annotated[str, Meta(description="Where messages go.", extra={"kind": "url_path"})] = "/messages"
    at_endpoint: Annotated[
        bool, Meta(description="Give the stream at http.path too, to a GET that belongs to no session.")
    ] = True
    max_streams: Annotated[
        int,
        Meta(ge=0, description="Streams open at the same time; of those that others leave, one client may hold half."),
    ] = 10_000


class StdioHandshakeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clients of 2024-11-05 to 2025-11-25 on stdio, which begin with `initialize`."""

    posture: Annotated[Posture, Meta(description=_POSTURE)] = "serve"


class LegacyClientsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for clients of all older revisions."""

    rules: Annotated[
        tuple[str, ...],
        Meta(
            description='Postures of single clients, the first that fits: "refuse name=cursor version=<1.5", "serve '
            'user_agent=python-httpx/*".'
        ),
    ] = ()
    replacement_url: Annotated[str, Meta(description="Where refused clients are sent. Empty: this server.")] = ""
    answer_timeout_s: Annotated[
        float, Meta(gt=0, description="How long a client may take to answer what a tool asks of its user or model.")
    ] = 300.0
    log_level: Annotated[
        LoggingLevel, Meta(description="What is sent of a tool's log messages until the client sets a level.")
    ] = "info"


class BridgesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bridges to older revisions."""

    http_sessions: HttpSessionsConfig = HttpSessionsConfig()
    http_sse: HttpSseConfig = HttpSseConfig()
    stdio_handshake: StdioHandshakeConfig = StdioHandshakeConfig()
    clients: LegacyClientsConfig = LegacyClientsConfig()


class AdminConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whoever runs the process: /healthz, /readyz, /metrics and /legacy, on a bind of their own."""

    bind: Annotated[
        tuple[str, ...], Meta(description="As http.bind. Empty: no admin endpoints.", extra={"kind": "bind"})
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="As http.allowed_hosts, for all but health; the address that was connected to is allowed too.",
            extra={"kind": "host"},
        ),
    ] = ()
    token: Annotated[
        Secret | None,
        Meta(
            description="file:PATH, env:NAME or the text itself, 32 random characters or more. With it, all but health "
            "asks for `Authorization: Bearer TOKEN`. Empty: what names clients is for this machine alone.",
            extra={"kind": "key"},
        ),
    ] = None


class PluginsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which plugins to load. Each has its settings in a table of its own, [plugin.NAME]."""

    load: Annotated[
        tuple[str, ...],
        Meta(
            description="Module names, files (FILE.py) or installed short names; MODULE:ATTRIBUTE names the object.",
            extra={"kind": "plugin"},
        ),
    ] = ()
    prefix_names: Annotated[
        bool, Meta(description="Call tools and prompts PLUGIN_NAME, so that two plugins may use the same name.")
    ] = False


class SealConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys that seal what clients carry between requests."""

    keys: Annotated[
        tuple[Secret, ...],
        Meta(
            description="Each file:PATH, env:NAME or the text itself, 32 random characters or more. The first one "
            "seals, all of them open. Empty: a key of this machine's own, kept in state.directory.",
            extra={"kind": "key"},
        ),
    ] = ()


class LoggingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's log, always on standard error."""

    level: Annotated[LogLevel, Meta(description="The least severe event to write.")] = "info"
    format: Annotated[LogFormat, Meta(description='"auto" is "console" on a terminal and "json" otherwise.')] = "auto"


class AuditConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The audit log: who called which tool, and what came of it. A file of its own, one JSON object a line."""

    file: Annotated[
        str,
        Meta(
            description="Where it is written. The system rotates it: a file that was moved away is made anew. Empty: "
            "there is no audit log.",
            extra={"kind": "path"},
        ),
    ] = ""
    arguments: Annotated[
        Literal["none", "hashed", "full"],
        Meta(
            description='What is kept of arguments: "hashed" is a hash under the first seal key, the same for the same '
            'arguments; "full" is all but what is named like a secret.'
        ),
    ] = "none"
    max_arguments_bytes: Annotated[
        int, Meta(ge=0, description='Of longer arguments their length and the hash are kept, also with "full".')
    ] = 16_384


class StateConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that the runtime writes."""

    directory: Annotated[
        str,
        Meta(
            description="Empty: $XDG_STATE_HOME/mcp-runtime, else ~/.local/state/mcp-runtime.", extra={"kind": "path"}
        ),
    ] = ""
    """Once loaded by `load_config`, an absolute path."""
    engine: Annotated[Literal["sqlite", "memory"], Meta(description="Where what must survive a restart is kept.")] = (
        "sqlite"
    )
    busy_timeout_s: Annotated[
        float, Meta(gt=0, description="How long a request may wait while another process has the state's file locked.")
    ] = 5.0
    """A write takes a millisecond: who cannot write for as long waits for a process that hangs."""
    max_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            description="What sessions keep, with what the engine adds; past it a client's own oldest goes. The file "
            "may be twice as long.",
        ),
    ] = 268_435_456


class DeprecationConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the past ends: when, in which steps, and for whom. `mcp-runtime legacy features` lists the features."""

    announced: Annotated[
        str, Meta(description="The day from which the window counts.", extra={"kind": "day"}, min_length=1)
    ] = "2026-07-28"
    window_months: Annotated[
        int, Meta(ge=1, le=1200, description="Months from there to the sunset, the first day without a feature.")
    ] = 12
    sunsets: Annotated[
        tuple[str, ...],
        Meta(
            description='Sunsets of features that have one of their own: "transport.http_sse = 2027-01-31".',
            extra={"kind": "sunset"},
        ),
    ] = ()
    stage: Annotated[
        RetirementStage,
        Meta(
            description='"observe" logs, "signal" adds headers, "brownout" refuses in scheduled windows, "refuse_new" '
            'refuses new sessions, "gone" refuses everything; each does what those before it do.'
        ),
    ] = "signal"
    stages: Annotated[
        tuple[str, ...],
        Meta(
            description='Stages of features that have one of their own: "transport.http_sse = gone".',
            extra={"kind": "stage"},
        ),
    ] = ()
    dry_run: Annotated[
        tuple[str, ...],
        Meta(
            description='Features whose refusals are only logged; "*" is every feature.',
            extra={"kind": "dry_run"},
        ),
    ] = ()
    brownouts: Annotated[
        tuple[str, ...],
        Meta(
            description='Windows of the stages brownout and refuse_new: "transport.http_sse = 2027-05-04T14:00Z for=2h '
            'every=7d until=2027-07-28 fraction=0.5 seed=7 status=503". All after for= may be left out.',
            extra={"kind": "brownout"},
        ),
    ] = ()
    brownout_notice_days: Annotated[
        int, Meta(ge=0, le=366, description="How long ahead a brownout is announced in headers.")
    ] = 14
    exempt: Annotated[
        tuple[str, ...],
        Meta(
            description='Clients that no stage refuses: "name=cursor version=<1.5", or for one feature '
            '"ping: principal=ops/*".',
            extra={"kind": "scoped_rule"},
        ),
    ] = ()
    deny: Annotated[
        tuple[str, ...],
        Meta(
            description="Clients that are refused at any stage, as exempt; this one counts for a client in both.",
            extra={"kind": "scoped_rule"},
        ),
    ] = ()
    message: Annotated[str, Meta(description="What a refused client's user should know, in your words.")] = ""
    documentation_url: Annotated[
        str,
        Meta(
            description="Your page on the retirement. Empty: the specification's page on each feature.",
            extra={"kind": "url"},
        ),
    ] = ""
    sunset_url: Annotated[
        str, Meta(description="Your retirement policy. Empty: the specification's.", extra={"kind": "url"})
    ] = ""
    replacement_url: Annotated[
        str, Meta(description="The endpoint to use instead. Empty: http.path.", extra={"kind": "url"})
    ] = ""
    log_cadences: Annotated[
        tuple[str, ...],
        Meta(
            description='Log level and least interval for each client and feature, by phase: "urgent = warning every '
            '1h". Not given: announced is info every 1d, reminded warning every 1d, urgent warning every 1h, final and '
            "past error every 1h.",
            extra={"kind": "cadence"},
        ),
    ] = ()
    max_log_streams: Annotated[
        int,
        Meta(ge=1, description="Clients, times features, that have log lines of their own; more share one an hour."),
    ] = 10_000


class LedgerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who still uses older revisions, kept as evidence."""

    enabled: Annotated[bool, Meta(description="Whether it is kept.")] = True
    database: Annotated[
        str, Meta(description="An SQLite file. Empty: ledger.db in state.directory.", extra={"kind": "path"})
    ] = ""
    flush_interval_s: Annotated[
        float, Meta(gt=0, description="Time between two writes; a process that is killed loses no more than that.")
    ] = 5.0
    retention_days: Annotated[int, Meta(ge=1, description="How long a day is kept.")] = 730
    max_bytes: Annotated[
        int, Meta(ge=1_048_576, description="Size of the file; past it, the oldest days make room.")
    ] = 268_435_456
    addresses: Annotated[
        LedgerAddresses,
        Meta(
            description='What is kept of client addresses: "truncated" is the network (/24, /48), "hashed" a hash '
            "under the first seal key."
        ),
    ] = "full"


class Origin(Struct, frozen=True, kw_only=True):
    """The origin of a configuration: not a section, but what its errors and relative paths need."""

    file: str | None = None
    """The configuration file; None without one."""
    directory: str = "."
    """What paths in plugin settings are relative to."""
    plugin_environment: dict[str, str] = field(default_factory=dict[str, str])
    """MCP_RUNTIME_PLUGIN_* variables; which plugin each is for is known only once the plugins are."""
    environ: dict[str, str] = field(default_factory=dict[str, str])
    """The environment that `env:` secrets in plugin settings are read from."""

    def __repr__(self) -> str:
        # An environment holds secrets, and reprs end in logs.
        return f"Origin(file={self.file!r}, directory={self.directory!r})"


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration: all that an operator can set. `Config()` is the defaults; `load_config` reads the rest."""

    server: ServerConfig = ServerConfig()
    http: HttpConfig = HttpConfig()
    stdio: StdioConfig = StdioConfig()
    bridges: BridgesConfig = BridgesConfig()
    admin: AdminConfig = AdminConfig()
    plugins: PluginsConfig = PluginsConfig()
    limits: Limits = Limits()
    cache: CachePolicies = CachePolicies()
    seal: SealConfig = SealConfig()
    logging: LoggingConfig = LoggingConfig()
    audit: AuditConfig = AuditConfig()
    state: StateConfig = StateConfig()
    deprecation: DeprecationConfig = DeprecationConfig()
    ledger: LedgerConfig = LedgerConfig()
    plugin: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    """The tables [plugin.NAME] as they stand in the file; `plugin_settings` converts one."""
    origin: Origin = Origin()

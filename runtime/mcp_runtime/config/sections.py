"""The configuration as values. Rule: a key exists once, here, with its type, bounds, default and description.

`CONFIG_KEYS` (in `keys.py`) is read off these structs: the environment, the template, the docs and the tests follow.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from mcp_runtime.cache import CachePolicies
from mcp_runtime.limits import Limits
from mcp_runtime.secret import Secret

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
HttpParser = Literal["httptools", "h11"]
LogFormat = Literal["auto", "json", "console"]


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
    cors: Annotated[bool, Meta(description="Answer preflight requests, so that allowed web pages can call.")] = False
    tls_certificate_file: Annotated[
        str, Meta(description="PEM certificate chain; with tls_key_file it turns on HTTPS.", extra={"kind": "file"})
    ] = ""
    tls_key_file: Annotated[str, Meta(description="PEM private key.", extra={"kind": "file"})] = ""
    http2: Annotated[bool, Meta(description="Offer HTTP/2.")] = True
    parser: Annotated[
        HttpParser,
        Meta(description='What serves HTTP/1.1: "httptools" is fast and strict, "h11" is Hypercorn as it comes.'),
    ] = "httptools"
    keep_alive_interval_s: Annotated[
        float, Meta(gt=0, description="Time between the comments that keep a quiet stream open through proxies.")
    ] = 15.0
    idle_timeout_s: Annotated[float, Meta(gt=0, description="How long a connection may wait for its next request.")] = (
        75.0
    )
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


class AdminConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Health endpoints /healthz and /readyz, on a bind of their own."""

    bind: Annotated[
        tuple[str, ...], Meta(description="As http.bind. Empty: no admin endpoints.", extra={"kind": "bind"})
    ] = ()


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
            description="Each file:PATH, env:NAME or the text itself, 32 characters or more. The first one seals, "
            "all of them open. Empty: a key of this machine's own, kept in state.directory.",
            extra={"kind": "seal_key"},
        ),
    ] = ()


class LoggingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's log, always on standard error."""

    level: Annotated[LogLevel, Meta(description="The least severe event to write.")] = "info"
    format: Annotated[LogFormat, Meta(description='"auto" is "console" on a terminal and "json" otherwise.')] = "auto"


class StateConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that the runtime writes."""

    directory: Annotated[
        str,
        Meta(
            description="Empty: $XDG_STATE_HOME/mcp-runtime, else ~/.local/state/mcp-runtime.", extra={"kind": "path"}
        ),
    ] = ""
    """Once loaded by `load_config`, an absolute path."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a configuration came from: not a section, but what its errors and relative paths need."""

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
    """Everything an operator can set. `Config()` is the defaults; `load_config` reads what was given."""

    server: ServerConfig = ServerConfig()
    http: HttpConfig = HttpConfig()
    stdio: StdioConfig = StdioConfig()
    admin: AdminConfig = AdminConfig()
    plugins: PluginsConfig = PluginsConfig()
    limits: Limits = Limits()
    cache: CachePolicies = CachePolicies()
    seal: SealConfig = SealConfig()
    logging: LoggingConfig = LoggingConfig()
    state: StateConfig = StateConfig()
    plugin: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    """The tables [plugin.NAME] as they stand in the file; `plugin_settings` converts one."""
    origin: Origin = Origin()

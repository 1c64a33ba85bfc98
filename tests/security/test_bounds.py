"""Every bound of `docs/reference/bounds.md`, tried at its edge: what is at it passes, what is one past it gets what the
page says. A bound that holds under other servers, too, is tried there as well."""

import ast
import dataclasses
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from docs.generate.bounds import BOUNDS, Bound
from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.authoring.plugin_loading import PluginLoadError
from mcp_runtime.config import Config
from mcp_runtime.config.keys import CONFIG_KEYS
from mcp_runtime.config.limits import Limits
from mcp_runtime.config.sections import StateConfig
from mcp_runtime.state.engines import open_state
from tests.process.asgi_server import AsgiServer
from tests.security.bounds import connections, messages_and_requests, older_clients, statements
from tests.security.bounds.peer import Case, Peer
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import encode, request
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

ROWS: Final[dict[str, Bound]] = {bound.name: bound for bounds in BOUNDS.values() for bound in bounds}
ROOT: Final = Path(__file__).parents[2]
OWN_PLUGIN: Final = str(Path(__file__).parent / "plugins" / "bounded.py")

PROXIES: Final = {"MCP_RUNTIME_HTTP_TRUSTED_PROXIES": "127.0.0.1, unix, 10.0.0.0/24"}
SMALL: Final = PROXIES | {
    "MCP_RUNTIME_ADMIN_BIND": "127.0.0.1:0",
    "MCP_RUNTIME_HTTP_MAX_STREAMS": "4",
    "MCP_RUNTIME_LIMITS_MAX_REQUEST_LINE_BYTES": "256",
    "MCP_RUNTIME_LIMITS_MAX_HEADER_BYTES": "2048",
    "MCP_RUNTIME_LIMITS_MAX_HEADERS": "16",
    "MCP_RUNTIME_LIMITS_MAX_CONTROL_FRAMES_PER_MINUTE": "100",
    "MCP_RUNTIME_LIMITS_MAX_BODY_BYTES": "4096",
    "MCP_RUNTIME_LIMITS_MAX_BODY_BYTES_IN_FLIGHT": "8192",
    "MCP_RUNTIME_LIMITS_MAX_JSON_VALUES": "1000",
    "MCP_RUNTIME_LIMITS_MAX_URI_CHARS": "64",
    "MCP_RUNTIME_LIMITS_MAX_CONCURRENT_REQUESTS": "4",
    "MCP_RUNTIME_LIMITS_TOOL_CALLS_PER_MINUTE": "3",
    "MCP_RUNTIME_LIMITS_COMPLETIONS_PER_MINUTE": "3",
    "MCP_RUNTIME_LIMITS_MAX_NOTIFICATIONS_PER_SECOND": "3",
    "MCP_RUNTIME_LIMITS_PAGE_SIZE": "3",
    "MCP_RUNTIME_LIMITS_MAX_SUBSCRIPTIONS": "2",
    "MCP_RUNTIME_LIMITS_MAX_SUBSCRIPTION_URIS": "3",
    "MCP_RUNTIME_LIMITS_MAX_SUBSCRIPTION_CHARS": "100",
    "MCP_RUNTIME_LIMITS_MAX_INPUT_ROUNDS": "2",
    "MCP_RUNTIME_LIMITS_MAX_INPUT_REQUESTS": "3",
    "MCP_RUNTIME_LIMITS_MAX_REQUEST_STATE_BYTES": "1024",
    "MCP_RUNTIME_BRIDGES_HTTP_SESSIONS_MAX_CALLS_PER_SESSION": "2",
    "MCP_RUNTIME_BRIDGES_HTTP_SESSIONS_MAX_BATCH_MESSAGES": "3",
    "MCP_RUNTIME_BRIDGES_HTTP_SESSIONS_MAX_BATCH_ANSWER_BYTES": "1024",
    "MCP_RUNTIME_BRIDGES_HTTP_SESSIONS_REPLAY_MAX_EVENTS": "2",
    "MCP_RUNTIME_BRIDGES_HTTP_SSE_MAX_STREAMS": "2",
}
SHORT: Final = PROXIES | {
    "MCP_RUNTIME_HTTP_MAX_CONNECTIONS": "3",
    "MCP_RUNTIME_HTTP_IDLE_TIMEOUT_S": "1",
    "MCP_RUNTIME_HTTP_WRITE_TIMEOUT_S": "0.3",
    "MCP_RUNTIME_LIMITS_HEADER_TIMEOUT_S": "0.3",
    "MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S": "0.3",
    "MCP_RUNTIME_LIMITS_HANDLER_TIMEOUT_S": "0.5",
    "MCP_RUNTIME_LIMITS_MAX_THREADS": "2",
    "MCP_RUNTIME_BRIDGES_CLIENTS_ANSWER_TIMEOUT_S": "0.3",
}
STATEMENTS: Final = {
    "MCP_RUNTIME_LIMITS_MAX_ENDED_SESSIONS": "2",
    "MCP_RUNTIME_PLUGIN_SQLITE_ALLOW_WRITES": "true",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_QUERIES": "1",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_WAITING_QUERIES": "1",
    "MCP_RUNTIME_PLUGIN_SQLITE_QUERY_TIME_LIMIT_S": f"{statements.TIME_LIMIT_S}",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_PARAMETERS": "3",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_ROWS": "3",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_RESULT_BYTES": "1500",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_VALUE_BYTES": "1000",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_QUESTION_CHARACTERS": "300",
    "MCP_RUNTIME_PLUGIN_SQLITE_MAX_QUESTION_LINES": "3",
    "MCP_RUNTIME_PLUGIN_SQLITE_BUSY_TIMEOUT_S": "0.05",
}

KINDS: Final[dict[str, tuple[dict[str, str], dict[str, Case]]]] = {
    "small": (SMALL, {**connections.SMALL, **messages_and_requests.SMALL, **older_clients.SMALL}),
    "short": (SHORT, {**connections.SHORT, **messages_and_requests.SHORT, **older_clients.SHORT}),
    "statements": (STATEMENTS, {**statements.CASES, **older_clients.LAST}),
}
"""The kinds of servers, each with its configuration and the cases that are tried there."""

ELSEWHERE: Final = ("small", "short")
"""Kinds whose bounds are tried under another server as well; the plugin is the same under any."""

POINTED_AT: Final = {
    "table of HPACK": "unit/server/test_http2_frames.py::test_a_client_that_wants_a_large_table_gets_the_usual_one",
    "limits.max_unread_bytes": "security/test_answers_nobody_reads.py"
    "::test_answers_that_nobody_reads_are_bounded_all_together",
    "looks of an explanation": "unit/core/schemas/test_explanation.py"
    "::test_what_is_wrong_past_the_last_look_is_said_of_the_whole",
    "clients that are counted": "unit/core/calls/test_call_rate.py"
    "::test_memory_is_bounded_and_no_crowd_makes_a_limited_client_forgotten",
    "limits.request_state_ttl_s": "unit/core/calls/test_input_required.py::test_a_state_expires_at_its_exact_edge",
    "bridges.http_sessions.session_ttl_s": "bridges/http_sessions/test_session_visits.py"
    "::test_an_expired_session_is_not_found_whatever_is_sent",
    "bridges.http_sessions.replay_max_age_s": "bridges/http_sessions/test_replay.py"
    "::test_what_is_too_old_is_gone_and_the_client_is_told",
    "bodies for an HTTP+SSE stream": "bridges/wires/test_http_sse.py"
    "::test_a_reader_that_stalls_is_given_no_more_to_wait_for_it_and_others_go_on",
    "state.max_bytes": "security/test_sessions.py"
    "::test_what_is_kept_of_sessions_is_bounded_in_bytes_and_the_operator_hears_of_it",
    "state.busy_timeout_s": "unit/state/test_state_engines.py"
    "::test_how_long_a_request_waits_for_a_locked_file_is_a_key_of_the_configuration",
    "ledger.max_bytes": "bridges/deprecation/ledger/test_ledger_trouble.py"
    "::test_a_file_at_its_bound_forgets_its_oldest_days",
    "ledger.retention_days": "bridges/deprecation/ledger/test_ledger.py"
    "::test_days_past_their_retention_are_forgotten_with_their_clients",
    "deprecation.max_log_streams": "bridges/deprecation/gatekeeping/test_logs.py"
    "::test_clients_beyond_the_limit_share_one_line_an_hour",
    "audit.max_arguments_bytes": "security/test_audit.py::test_arguments_are_kept_where_that_is_asked_for",
    "plugin.sqlite.max_memory_bytes": "security/test_sqlite.py"
    "::test_a_row_that_would_fill_the_memory_ends_with_its_statement",
}
"""Bounds whose edge takes a clock of its own, a full disk or much memory, with the tests that have these."""


class Servers:
    """The servers of all cases, each started for the first case that needs it."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._started: dict[str, tuple[ServerProcess, str, Path]] = {}

    def peer(self, kind: str, server: str, stack: ExitStack) -> Peer:
        name = f"{kind}-{server}"
        if name not in self._started:
            directory = self._directory / name
            directory.mkdir()
            self._started[name] = (*self._start(KINDS[kind][0], server, directory), directory)
        process, url, directory = self._started[name]
        return Peer(process, url, directory, stack)

    def _start(self, environment: dict[str, str], server: str, directory: Path) -> tuple[ServerProcess, str]:
        if server == "uvicorn":
            given = {"MCP_RUNTIME_PLUGINS": f"{PROBES},{OWN_PLUGIN}"}
            given |= {name: value for name, value in environment.items() if "ADMIN" not in name}
            other = self._stack.enter_context(AsgiServer(("uvicorn", "mcp_runtime.asgi:app"), directory, given))
            other.said("lifespan entered")
            other.wait_until_up()
            return other, other.address
        plugins = ["--plugin", PROBES, "--plugin", OWN_PLUGIN]
        if environment is STATEMENTS:
            plugins = ["--plugin", "mcp_plugins.sqlite"]
        own = self._stack.enter_context(
            ServerProcess(*plugins, "--bind", "127.0.0.1:0", directory=directory, environment=environment)
        )
        return own, own.url


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Servers]:
    with ExitStack() as stack:
        started = Servers(tmp_path_factory.mktemp("bounds"), stack)
        yield started
        for process, _, _ in started._started.values():
            assert "Traceback" not in process.errors.text


TRIED: Final = [
    pytest.param(kind, server, name, id=f"{name} {server}")
    for kind, (_, cases) in KINDS.items()
    for server in ("own", "uvicorn")
    for name in cases
    if server == "own" or (kind in ELSEWHERE and ROWS[name].where == "all")
]


@pytest.mark.parametrize(("kind", "server", "name"), TRIED)
def test_what_is_at_a_bound_passes_and_what_is_past_it_gets_what_the_page_says(
    kind: str, server: str, name: str, servers: Servers
) -> None:
    with ExitStack() as stack:
        became = KINDS[kind][1][name](servers.peer(kind, server, stack))
    assert became
    assert became in ROWS[name].at_bound


def test_a_line_on_stdin_is_bounded(tmp_path: Path) -> None:
    with StdioServer(directory=tmp_path, environment={"MCP_RUNTIME_LIMITS_MAX_LINE_BYTES": "1024"}) as server:
        line = encode(request("prompts/list"))
        server.send_bytes(line.ljust(1024) + b"\n")
        assert "result" in server.receive()
        server.send_bytes(line.ljust(1025) + b"\n")
        assert f"error `{server.receive()['error']['code']}`" in ROWS["limits.max_line_bytes"].at_bound
        assert "result" in server.ask(request("prompts/list"))


async def _nothing(arguments: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize("key", ["max_schema_depth", "max_subschemas"])
def test_a_schema_of_a_plugin_is_bounded(key: str) -> None:
    def start(bound: int) -> None:
        plugin = Plugin("nested")
        plugin.add_tool(_nothing, name="tool", input_schema={"type": "object", "properties": {"a": {"not": {}}}})
        limits: Any = {key: bound}
        build_runtime(Config(limits=Limits(**limits)), (plugin,))

    enough = next(bound for bound in range(1, 10) if _passes(start, bound))
    assert enough == {"max_schema_depth": 4, "max_subschemas": 4}[key]
    with pytest.raises(PluginLoadError) as refused:
        start(enough - 1)
    assert f"limits.{key} = {enough - 1}" in refused.value.cause
    assert f"does not start: `limits.{key}`" in ROWS[f"limits.{key}"].at_bound


def _passes(start: Any, bound: int) -> bool:
    try:
        start(bound)
    except PluginLoadError:
        return False
    return True


@pytest.mark.parametrize("key", ["max_state_entries", "max_replay_bytes"])
def test_what_is_kept_is_bounded_and_the_oldest_goes(key: str) -> None:
    limits, size = (
        (Limits(max_state_entries=3), 1) if key == "max_state_entries" else (Limits(max_replay_bytes=1200), 398)
    )

    async def kept(values: int) -> list[bytes | None]:
        store = open_state(Config(state=StateConfig(engine="memory"), limits=limits)).volatile
        for number in range(values):
            await store.put(f"k{number}", bytes(size), ttl_s=600)
        return [await store.get(f"k{number}") for number in range(values)]

    assert None not in trio.run(kept, 3)
    oldest, *others = trio.run(kept, 4)
    assert oldest is None
    assert None not in others
    assert "oldest" in ROWS[f"limits.{key}"].at_bound


IN_PROCESS: Final = {
    "limits.max_line_bytes",
    "limits.max_schema_depth",
    "limits.max_subschemas",
    "limits.max_state_entries",
    "limits.max_replay_bytes",
}
"""Those of the tests above."""


def test_every_row_of_the_page_has_a_case() -> None:
    tried = [name for _, cases in KINDS.values() for name in cases]
    assert sorted([*tried, *IN_PROCESS, *POINTED_AT]) == sorted(ROWS)


def test_every_limit_has_a_row() -> None:
    keys = {key.path for key in CONFIG_KEYS} | {
        f"plugin.sqlite.{one.name}" for one in dataclasses.fields(SqliteSettings)
    }
    bounds = {key for key in keys if key.startswith("limits.") or ".max_" in key or key.endswith("_timeout_s")}
    assert bounds - set(ROWS) == set()


@pytest.mark.parametrize("name", POINTED_AT)
def test_a_test_that_is_pointed_at_is_there(name: str) -> None:
    file, _, function = POINTED_AT[name].partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert function in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

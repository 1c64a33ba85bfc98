"""Postures by bridge and by client. Rule: who is refused hears what is spoken here, and where to go."""

import json
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from mcp_bridges.gate.port import SERVE, LegacyClient, Refusal, Sighting, Verdict
from mcp_bridges.gate.postures import PostureGate
from mcp_runtime.config import BridgesConfig, Config, ConfigError, load_config
from mcp_runtime.config.sections import (
    HttpSessionsConfig,
    HttpSseConfig,
    LegacyClientsConfig,
    StdioHandshakeConfig,
)
from mcp_runtime.telemetry.labels import TransportName
from tests.support.messages import headers_for, request
from tests.support.raw_sessions import NEWEST, OldServer, bridge_settings, on_both_loops, served, serving
from tests.support.settings import settings

TRANSPORTS: Final[tuple[TransportName, ...]] = ("stdio", "streamable_http", "http_sse")
Word = Literal["serve", "refuse", "off"]


def gate(
    *rules: str, stdio: Word = "serve", sessions: Word = "serve", sse: Word = "serve", url: str = ""
) -> PostureGate:
    bridges = BridgesConfig(
        stdio_handshake=StdioHandshakeConfig(posture=stdio),
        http_sessions=HttpSessionsConfig(posture=sessions),
        http_sse=HttpSseConfig(posture=sse),
        clients=LegacyClientsConfig(rules=rules, replacement_url=url),
    )
    return PostureGate(settings(bridges=bridges))


def verdict(of: PostureGate, transport: TransportName, **client: Any) -> Verdict:
    return of.admit(Sighting(client=LegacyClient(transport=transport, **client), revision=NEWEST, features=("ping",)))


def is_served(of: PostureGate, transport: TransportName = "streamable_http", **client: Any) -> bool:
    found = verdict(of, transport, **client)
    assert found.headers == ()
    return found.refusal is None


def test_by_default_everybody_is_served() -> None:
    assert [verdict(gate(), transport) for transport in TRANSPORTS] == [SERVE, SERVE, SERVE]


@pytest.mark.parametrize("refused", TRANSPORTS)
def test_each_bridge_has_its_own_posture(refused: TransportName) -> None:
    keys = {"stdio": "stdio", "streamable_http": "sessions", "http_sse": "sse"}
    words: dict[str, Any] = {keys[refused]: "refuse"}
    made = gate(**words)
    assert [transport for transport in TRANSPORTS if not is_served(made, transport)] == [refused]


@pytest.mark.parametrize(
    ("transport", "name"),
    [("stdio", "The initialize handshake"), ("streamable_http", "HTTP with sessions"), ("http_sse", "HTTP+SSE")],
)
def test_a_refusal_names_what_is_spoken_and_where(transport: TransportName, name: str) -> None:
    everybody = gate("refuse transport=*", url="https://new.example/mcp")
    text = f"{name} is not served here any more; use MCP 2026-07-28"
    assert verdict(everybody, transport).refusal == Refusal(
        status=400,
        code=-32022,
        message=f"{text} at https://new.example/mcp",
        data={"supported": ["2026-07-28"], "replacement": "https://new.example/mcp"},
    )
    here = verdict(gate("refuse transport=*"), transport).refusal
    assert here == Refusal(status=400, code=-32022, message=text, data={"supported": ["2026-07-28"]})


def test_the_first_rule_that_fits_decides() -> None:
    made = gate("serve name=cursor version=>=1.5", "refuse name=cursor", "serve user_agent=*", sessions="refuse")
    assert is_served(made, name="cursor", version="1.5")
    assert is_served(made, name="cursor", version="2", user_agent="x")
    assert not is_served(made, name="cursor", version="1.4", user_agent="x")
    assert not is_served(made, name="cursor")
    assert is_served(made, name="other", user_agent="x")
    assert not is_served(made, name="other")


def test_blanks_around_a_rule_do_not_matter() -> None:
    made = gate("  refuse   name=cursor  ")
    assert not is_served(made, name="cursor")
    assert is_served(made, name="other")


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("", '"" is no posture'),
        ("refuse", "a rule about clients is empty"),
        ("off name=cursor", '"off" is no posture'),
        ("Refuse name=cursor", '"Refuse" is no posture'),
        ("name=cursor", '"name=cursor" is no posture'),
        ("refuse cursor", '"cursor" in'),
        ("refuse nam=cursor", 'did you mean "name"'),
        ("refuse name=", "says nothing"),
        ("refuse version=<new", "no version"),
        ("refuse peer=10.0.0.1/99", "no network"),
        ("refuse transport=pigeon", "no transport"),
        ('refuse name="cursor', "a quote that does not end"),
    ],
)
def test_a_bad_rule_names_file_key_and_fix(rule: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[bridges.clients]\nrules = ["serve name=fine", {json.dumps(rule)}]\n')
    config = load_config(file, environ={})
    with pytest.raises(ConfigError) as raised:
        PostureGate(config)
    error = raised.value
    assert problem in error.problem
    for part in (str(file), "bridges.clients.rules", f'"{rule}"', "write serve or refuse and whom"):
        assert part in str(error)


def test_a_bad_rule_without_a_file_says_so_too() -> None:
    with pytest.raises(ConfigError, match=r"defaults.*bridges\.clients\.rules"):
        gate("nonsense")


# Over HTTP


def refused(reply: Any, id_: Any, status: int = 400) -> None:
    text = reply.refused(status, id_=id_, code=-32022)
    assert text == "HTTP with sessions is not served here any more; use MCP 2026-07-28 at https://new.example/mcp"
    assert reply.error["data"] == {"supported": ["2026-07-28"], "replacement": "https://new.example/mcp"}


REFUSING: Final = bridge_settings(
    sessions={"posture": "refuse"}, clients={"replacement_url": "https://new.example/mcp"}
)


@on_both_loops()
async def test_where_sessions_are_refused_each_kind_of_request_hears_why() -> None:
    async with serving() as server:
        valid = await server.client("2025-03-26")
    async with serving(REFUSING) as server:
        assert (await server.visitor().ask("initialize", {"protocolVersion": NEWEST})).header("mcp-session-id") is None
        refused(await server.visitor().begin(), 1)
        client = valid.also(server)
        refused(await client.send(client.request("tools/list", id_="t")), "t")
        refused(await client.tell("notifications/initialized"), None)
        refused(await client.send({"jsonrpc": "2.0", "id": "q", "result": {}}), None)
        refused(await client.send([client.request("ping")]), None)
        async with client.listen() as stream:
            reply = await stream.done()
            refused(reply, None, 405)
            assert reply.header("allow") == "POST"
        refused(await client.end(), None)
        assert await modern(server) == 200


async def modern(server: OldServer) -> int:
    """The status of a request of the present."""
    message = request("tools/list")
    return (await server.visitor().send(message, raw=raw(headers_for(message)))).status


def raw(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


@served(bridge_settings(sessions={"posture": "off"}))
async def test_where_sessions_are_off_the_past_is_unknown(server: OldServer) -> None:
    reply = await server.visitor().begin()
    assert (reply.status, reply.error["code"], reply.error["data"]["supported"]) == (400, -32022, ["2026-07-28"])
    client = server.visitor(mcp_protocol_version=NEWEST, mcp_session_id="x")
    for message in (client.request("tools/list"), [client.request("ping")]):
        assert (await client.send(message)).status == 400
    assert (await client.end()).status == 405
    async with client.listen() as stream:
        assert (await stream.done()).status == 405
    assert await modern(server) == 200


@served(bridge_settings(clients={"rules": ("refuse name=cursor version=<1.5", "refuse user_agent=curl/*")}))
async def test_one_client_is_refused_by_what_it_says_of_itself_and_others_are_not(server: OldServer) -> None:
    assert (await server.visitor().begin(name="cursor", version="1.4.9")).status == 400
    assert (await server.visitor().begin(name="cursor", version="1.5.0")).status == 200
    assert (await server.visitor(user_agent="curl/8.5").begin()).status == 400
    client = await server.client(name="cursor", version="2")
    assert (await client.ask("ping")).result == {}
    assert (await client.ask("ping", headers={"user-agent": "curl/8.5"})).status == 400


@on_both_loops()
async def test_a_session_is_known_by_its_name_at_every_process() -> None:
    async with serving() as tolerant, serving(bridge_settings(clients={"rules": ("refuse name=cursor",)})) as strict:
        cursor, other = await tolerant.client(name="cursor"), await tolerant.client(name="other")
        assert (await cursor.also(strict).ask("ping")).status == 400
        assert (await other.also(strict).ask("ping")).result == {}


@served(bridge_settings(clients={"rules": ("refuse peer=10.0.0.0/8",)}))
async def test_a_client_is_refused_by_where_it_is(server: OldServer) -> None:
    client = await server.client()
    assert (await client.ask("ping")).result == {}
    assert (await client.ask("ping", client=("10.1.2.3", 9))).status == 400
    assert (await client.ask("ping", client=None)).result == {}


class Recording:
    """A gate that serves, wants something said, and remembers; it refuses `no` with a status and a time."""

    def __init__(self, no: str = "") -> None:
        self.no = no
        self.seen: list[Sighting] = []

    def admit(self, sighting: Sighting) -> Verdict:
        self.seen.append(sighting)
        headers = ((b"deprecation", b"@1753660800"), (b"sunset", b"Wed, 28 Jul 2027 00:00:00 GMT"))
        if sighting.method == self.no:
            return Verdict(
                refusal=Refusal(status=503, code=-32603, message="Brownout", retry_after_s=60), headers=headers
            )
        return Verdict(headers=headers)


@on_both_loops()
async def test_the_gate_is_asked_for_each_request_and_message_and_what_it_wants_said_is_in_the_headers() -> None:
    watching = Recording()
    async with serving(gate=watching) as server:
        client = server.visitor(user_agent="agent/1")
        replies = [await client.begin("2025-03-26", name="n", version="v")]
        replies.append(await client.use("echo", text="hi"))
        replies.append(await client.send(client.call("count", token=1)))
        replies.append(await client.send([client.request("ping")]))
        replies.append(await client.ask("logging/setLevel", {"level": "error"}))
        replies.append(await client.send({"jsonrpc": "2.0", "id": "q", "result": {}}))
        replies.append(await client.rest("p.0123456789abcdef~MQ.3"))
        async with client.listen() as stream:
            await stream.exchange.started.wait()
        assert stream.response.header("deprecation") == "@1753660800"
        replies.append(await client.end())
    for reply in replies:
        assert (reply.header("deprecation"), reply.header("sunset")) == ("@1753660800", "Wed, 28 Jul 2027 00:00:00 GMT")
    common = ("transport.session_id", "revision.2025-03-26")
    found = [(one.method, one.opening, tuple(f for f in one.features if f not in common)) for one in watching.seen]
    assert found == [
        ("initialize", True, ("protocol.handshake",)),
        ("notifications/initialized", False, ()),
        ("tools/call", False, ()),
        ("tools/call", False, ()),
        (None, False, ("jsonrpc.batch",)),
        ("ping", False, ("ping",)),
        ("logging/setLevel", False, ("logging.set_level", "feature.logging")),
        (None, False, ()),
        (None, False, ("transport.get_stream", "transport.resumption")),
        (None, False, ("transport.get_stream",)),
        (None, False, ()),
    ]
    for one in watching.seen:
        assert one.client == LegacyClient(
            transport="streamable_http", name="n", version="v", user_agent="agent/1", peer="127.0.0.1"
        )
        assert one.revision == "2025-03-26"
        assert set(common) <= set(one.features) or one.method == "ping"  # It came with the batch, which was counted.


@on_both_loops()
async def test_a_refusal_for_a_while_says_for_how_long() -> None:
    async with serving(gate=Recording(no="tools/call")) as server:
        client = await server.client()
        reply = await client.send(client.call("echo", id_=4, text="hi"))
        assert reply.refused(503, id_=4, code=-32603) == "Brownout"
        assert (reply.header("retry-after"), reply.header("deprecation")) == ("60", "@1753660800")
        assert (await client.ask("ping")).result == {}


def test_configuration_may_be_without_rules() -> None:
    assert isinstance(settings(), Config)
    assert is_served(gate())

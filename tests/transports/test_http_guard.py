"""Who may talk to the endpoint, and which web pages may read its answers."""

import pytest

from tests.support.http_client import HttpClient
from tests.support.messages import request
from tests.support.settings import settings
from tests.support.wires import HTTP, over

DISCOVER = request("server/discover")
PAGE = "https://app.example"
CORS = settings(http={"cors": True, "allowed_origins": (PAGE,)})
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type, mcp-method, mcp-name, mcp-protocol-version, mcp-param-region, x-evil",
}


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:1234", True),
        ("[::1]:8000", True),
        ("127.0.0.1", True),
        ("evil.example.com", False),
        ("127.0.0.1.evil.example.com", False),
        ("localhost.evil.example.com", False),
        ("evil.example.com:8000", False),
        ("localhost@evil.example.com", False),
        ("", False),
        ("[::1", False),
        ("127.0.0.2", False),
        ("0.0.0.0", False),
    ],
)
@over(*HTTP)
async def test_only_names_of_this_machine_are_served_by_default(client: HttpClient, host: str, served: bool) -> None:
    for _ in range(2):  # what was decided once is remembered
        assert (await client.tell(DISCOVER, headers={"host": host})).status == (200 if served else 421)


@over(*HTTP, config=settings(http={"allowed_hosts": ("mcp.example", "*.wild.example", "port.example:8443")}))
async def test_the_operator_names_other_hosts(client: HttpClient) -> None:
    good = ("mcp.example", "MCP.example:99", "a.wild.example", "a.b.wild.example:1", "port.example:8443", "localhost")
    bad = ("other.example", "xmcp.example", "wild.example", "evilwild.example", "port.example", "port.example:80")
    assert [(await client.tell(DISCOVER, headers={"host": host})).status for host in good] == [200] * len(good)
    assert [(await client.tell(DISCOVER, headers={"host": host})).status for host in bad] == [421] * len(bad)


@over(*HTTP, config=settings(http={"allowed_hosts": ("*",)}))
async def test_any_host_says_nothing_about_origins(client: HttpClient) -> None:
    assert (await client.tell(DISCOVER, headers={"host": "anything.example"})).status == 200
    reply = await client.tell(DISCOVER, headers={"host": "anything.example", "origin": "http://anything.example"})
    assert reply.status == 403


@over(*HTTP)
async def test_hosts_that_clients_make_up_are_not_remembered(client: HttpClient) -> None:
    for number in range(300):
        await client.tell(DISCOVER, headers={"host": f"localhost:{number}"})
        await client.tell(DISCOVER, headers={"host": f"evil{number}.example"})
    from mcp_runtime.assembly.http_app import HttpApp

    assert isinstance(client.app, HttpApp)
    assert len(client.app._endpoint._guard._known_hosts) <= 64


@over(*HTTP)
async def test_without_cors_nothing_is_said_to_web_pages(client: HttpClient) -> None:
    reply = await client.tell(DISCOVER, headers={"origin": "http://localhost:3000"})
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("access-control-")]
    assert (await client.get("OPTIONS", headers=PREFLIGHT | {"origin": "http://localhost:3000"})).status == 405


@over(*HTTP, config=CORS)
async def test_a_preflight_is_answered_with_what_the_protocol_needs(client: HttpClient) -> None:
    response = await client.get("OPTIONS", headers=PREFLIGHT)
    assert (response.status, response.body) == (204, b"")
    assert response.header("access-control-allow-origin") == PAGE
    assert response.header("vary") == "origin"
    assert "POST" in (response.header("access-control-allow-methods") or "")
    allowed = {name.strip() for name in (response.header("access-control-allow-headers") or "").split(",")}
    needed = {
        "content-type",
        "accept",
        "authorization",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-param-region",
    }
    assert needed <= allowed
    assert "x-evil" not in allowed
    assert "*" not in allowed
    assert response.header("access-control-allow-credentials") is None


@over(*HTTP, config=CORS)
async def test_every_answer_to_an_allowed_page_can_be_read_by_it(client: HttpClient) -> None:
    origin = {"origin": PAGE}
    streamed = await client.call("count", extra_meta={"progressToken": 1}, headers=origin)
    replies = [
        (await client.tell(DISCOVER, headers=origin)).headers,
        (await client.tell({"jsonrpc": "2.0", "method": "x"}, headers=origin)).headers,
        (await client.raw(b"{", headers=origin)).headers,
        (await client.tell(DISCOVER, headers={**origin, "accept": None})).headers,
        (await client.ask("no/such", headers=origin)).headers,
        streamed.headers,
    ]
    assert all(headers["access-control-allow-origin"] == PAGE for headers in replies)
    assert all(headers["vary"] == "origin" for headers in replies)
    listen = request("subscriptions/listen", {"notifications": {}})
    async with client.exchange(listen, headers=origin) as exchange:
        await exchange.started.wait()
        assert exchange.response.header("access-control-allow-origin") == PAGE


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil.example"])
@over(*HTTP, config=CORS)
async def test_no_other_page_is_told_anything(client: HttpClient, origin: str) -> None:
    for response in (
        await client.get("OPTIONS", headers={**PREFLIGHT, "origin": origin}),
        await client.get("GET", headers={"origin": origin}),
    ):
        assert response.status == 403
        assert not [name for name, _ in response.headers if name.startswith(b"access-control-")]
    reply = await client.tell(DISCOVER, headers={"origin": origin})
    assert (reply.status, "access-control-allow-origin" in reply.headers) == (403, False)


@over(*HTTP, config=CORS)
async def test_a_page_cannot_slip_headers_into_the_answer_to_its_preflight(client: HttpClient) -> None:
    asked = "mcp-param-a, mcp-param-b\t, MCP-PARAM-C,mcp-param-,  ,,"
    response = await client.get("OPTIONS", headers={**PREFLIGHT, "access-control-request-headers": asked})
    assert response.status == 204
    allowed = response.header("access-control-allow-headers") or ""
    assert "mcp-param-a" in allowed
    assert "mcp-param-c" in allowed.lower()


@over(*HTTP, config=settings(http={"cors": True, "allowed_origins": ("*",)}))
async def test_any_origin_can_be_allowed(client: HttpClient) -> None:
    for origin in ("https://any.example", "null", "chrome-extension://abc"):
        reply = await client.tell(DISCOVER, headers={"origin": origin})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, origin)

"""A page that made its own name point here is turned away by its Host and Origin, whatever the trick."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.transports.http.guard import Guard, check_once
from mcp_runtime.transports.http.request import HttpRefusalError

SECURITY = pytest.mark.spec("basic/transports/streamable-http#security-endpoint")

# Values that no browser sends for these names, or only for another's.
TRICKS = [
    "localhost.evil.com",
    "evil.localhost.com",
    "localhostevil.com",
    "evil-localhost",
    "evil.com",
    "localhost@evil.com",
    "localhost:80@evil.com",
    "localhost:8000:evil.com",
    "127.0.0.1.evil.com",
    "127.0.0.1.nip.io",
    "evil.com#localhost",
    "evil.com?localhost",
    "evil.com/localhost",
    "evil.com\\localhost",
    "evil.com%00localhost",
    "localhost%00.evil.com",
    "localhost\x00.evil.com",
    "evil.com,localhost",
    "localhost,evil.com",
    "evil.com localhost",
    "localhost evil.com",
    "0.0.0.0",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0x7f000001",
    "[::2]",
    "[::ffff:7f00:2]",
    "[::1",
    "::1]",
    "[::1]evil.com",
    "[evil.com]",
    "loc\u00e0lhost",
    "xn--localhost",
    "",
    ":8000",
    ".",
    "..",
    "*",
]
# Not a host and a port, so no Host at all (RFC 9112 3.2), though a lenient parser finds a good name in them.
MALFORMED = [
    "evil.com@localhost",
    "user:password@localhost",
    "@localhost",
    "localhost/evil.com",
    "localhost?x",
    "localhost#x",
    "localhost:abc",
    "localhost:-1",
    "localhost:80:80",
    "localhost:99999999",
    "local\thost",
    "//localhost",
    "http://localhost",
    "[::1]x:80",
]


def guard(*allowed_hosts: str, origins: tuple[str, ...] = (), binds: tuple[str, ...] = (), cors: bool = False) -> Guard:
    return Guard(allowed_hosts=allowed_hosts, bind_hosts=binds, allowed_origins=origins, cors=cors)


def hosts(made: Guard, *values: str) -> list[bool]:
    return [made.allows_host(value.encode("latin-1")) for value in values]


def origins(made: Guard, *values: str) -> list[bool]:
    return [made.allows_origin(value.encode("latin-1")) for value in values]


# Host


@SECURITY
@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "LocalHost:8000", "localhost:1", "localhost:65535"),
        *("127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"),
    ],
)
def test_loopback_names_are_always_served(host: str) -> None:
    assert hosts(guard(), host) == [True]
    assert hosts(guard("example.com"), host) == [True]


@SECURITY
@pytest.mark.parametrize("host", TRICKS, ids=ascii)
def test_another_name_is_not_served(host: str) -> None:
    made = guard("example.com", "*.example.org")
    assert hosts(made, host) == [False]
    assert hosts(made, "localhost", host, host) == [True, False, False]


@SECURITY
@pytest.mark.parametrize("host", MALFORMED, ids=ascii)
def test_what_is_no_host_and_port_is_not_served(host: str) -> None:
    assert hosts(guard(), host) == [False]


def test_a_request_without_a_host_is_not_served() -> None:
    assert guard("example.com").allows_host(None) is False
    assert guard("*").allows_host(None) is True


@pytest.mark.parametrize(
    ("allowed", "served", "refused"),
    [
        (
            "example.com",
            ["example.com", "EXAMPLE.com:1", "example.com:443"],
            ["www.example.com", "example.com.", "example.org", "example.com.evil.org"],
        ),
        ("Example.COM", ["example.com"], ["example.co"]),
        (
            "example.com:8443",
            ["example.com:8443", "EXAMPLE.COM:8443"],
            ["example.com", "example.com:443", "example.com:84430", "example.com:8443:1"],
        ),
        (
            "*.example.com",
            ["a.example.com", "A.Example.com:80", "a.b.example.com"],
            ["example.com", "aexample.com", "a.example.com.evil.org", "evil.org/.example.com", "*.example.com.org"],
        ),
        ("[2001:db8::1]", ["[2001:db8::1]", "[2001:DB8::1]:8000"], ["[2001:db8::2]", "2001:db8::1:8000"]),
        ("*", ["anything", "evil.com:1"], []),
    ],
)
def test_an_allowed_name_is_served_at_any_port_unless_it_names_one(
    allowed: str, served: list[str], refused: list[str]
) -> None:
    made = guard(allowed)
    assert hosts(made, *served) == [True] * len(served)
    assert hosts(made, *refused) == [False] * len(refused)


def test_the_names_that_the_server_is_bound_to_are_served() -> None:
    made = guard(binds=("192.168.1.5", "MyHost", "2001:db8::1"))
    assert hosts(made, "192.168.1.5:8000", "myhost", "[2001:db8::1]:80") == [True] * 3
    assert hosts(made, "192.168.1.6:8000") == [False]


def test_names_that_clients_make_up_are_not_remembered_without_end() -> None:
    made = guard("*.example.com")
    assert all(hosts(made, *(f"a{number}.example.com" for number in range(1000))))
    assert hosts(made, *(f"b{number}.example.org" for number in range(1000))) == [False] * 1000
    assert len(made._known_hosts) <= 64


# Origin


@SECURITY
def test_without_an_origin_no_browser_is_involved() -> None:
    assert guard().allows_origin(None) is True


@SECURITY
@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "https://localhost:3000", "HTTP://LocalHost", "http://127.0.0.1:8000", "http://[::1]:8000"],
)
def test_pages_from_this_machine_are_answered(origin: str) -> None:
    assert origins(guard(), origin) == [True]


@SECURITY
@pytest.mark.parametrize("scheme", ["http://", "https://"])
@pytest.mark.parametrize("host", TRICKS, ids=ascii)
def test_pages_from_elsewhere_are_not_answered(scheme: str, host: str) -> None:
    assert origins(guard("example.com", origins=("https://app.example",)), scheme + host) == [False]


@SECURITY
@pytest.mark.parametrize("host", MALFORMED, ids=ascii)
def test_an_origin_that_is_more_than_scheme_host_and_port_is_invalid(host: str) -> None:
    assert origins(guard(), f"http://{host}") == [False]


@SECURITY
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "NULL",
        "",
        " ",
        "localhost",
        "//localhost",
        "localhost:3000",
        "file://",
        "file://localhost",
        "ftp://localhost",
        "ws://localhost",
        "chrome-extension://localhost",
        "javascript://localhost",
        "data:text/html,http://localhost",
        "http:localhost",
        "http:/localhost",
        "http:///localhost",
        "http://",
        "https://:3000",
        "xhttp://localhost",
        "http://localhost http://evil.com",
        "http://evil.com http://localhost",
        "http://localhost,http://evil.com",
    ],
    ids=ascii,
)
def test_an_origin_of_nowhere_is_not_answered(origin: str) -> None:
    assert origins(guard("example.com"), origin) == [False]


def test_an_allowed_origin_is_that_scheme_host_and_port() -> None:
    made = guard(origins=("https://app.example", "http://Other.Example:8080/"))
    assert origins(made, "https://app.example", "HTTPS://App.Example", "http://other.example:8080") == [True] * 3
    assert (
        origins(
            made,
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil.com",
            "https://x.app.example",
            "http://other.example",
            "http://other.example:8081",
            "https://app.example/",
            "https://evil.com/https://app.example",
        )
        == [False] * 8
    )


@pytest.mark.parametrize("written", ["https://app.example", "https://app.example/", "HTTPS://App.Example/"])
def test_an_origin_may_be_configured_with_a_slash_at_its_end_but_no_browser_sends_one(written: str) -> None:
    made = guard(origins=(written,))
    assert origins(made, "https://app.example", "https://app.example/", "http://app.example") == [True, False, False]
    assert origins(guard("app.example"), "https://app.example", "https://app.example/") == [True, False]


def test_null_is_answered_only_where_the_operator_says_so() -> None:
    assert origins(guard(origins=("null",)), "null", "http://evil.com") == [True, False]


def test_pages_of_an_allowed_host_are_answered() -> None:
    made = guard("example.com", "*.example.org", "port.example:8443", binds=("192.168.1.5",))
    assert (
        origins(
            made,
            "https://example.com",
            "http://example.com:3000",
            "https://a.example.org",
            "http://192.168.1.5:3000",
            "https://port.example:8443",
        )
        == [True] * 5
    )
    assert origins(made, "https://a.example.com", "https://example.org", "https://port.example:1") == [False] * 3


def test_any_origin_is_answered_where_the_operator_says_so() -> None:
    assert origins(guard(origins=("*",)), "https://evil.com", "null", "garbage") == [True] * 3


@SECURITY
def test_any_host_does_not_mean_any_origin() -> None:
    made = guard("*")
    assert hosts(made, "evil.com") == [True]
    assert origins(made, "https://evil.com", "*", "https://*", "http://localhost") == [False, False, False, True]


@given(st.binary())
def test_any_bytes_are_judged(value: bytes) -> None:
    made = guard("example.com")
    assert made.allows_host(value) in (True, False)
    assert made.allows_origin(value) in (True, False)


NAMES = st.from_regex(r"[a-z0-9.\-]{1,15}", fullmatch=True)


@SECURITY
@given(NAMES, st.integers(0, 65535))
def test_only_names_of_this_machine_are_served_by_default(name: str, port: int) -> None:
    expected = name in ("localhost", "127.0.0.1")
    made = guard()
    assert hosts(made, name, f"{name}:{port}") == [expected] * 2
    assert origins(made, f"http://{name}", f"https://{name}:{port}") == [expected] * 2


# CORS


def test_without_cors_no_page_may_read_the_answer() -> None:
    made = guard(origins=("https://app.example",))
    assert made.response_headers(b"https://app.example") == ()
    assert made.preflight_headers(b"https://app.example", b"content-type") is None


def test_with_cors_an_allowed_page_may_read_the_answer() -> None:
    made = guard(origins=("https://app.example",), cors=True)
    assert made.response_headers(b"https://app.example") == (
        (b"access-control-allow-origin", b"https://app.example"),
        (b"access-control-expose-headers", b"mcp-session-id"),
        (b"vary", b"origin"),
    )
    assert made.response_headers(None) == ()
    assert made.preflight_headers(None, b"") is None


@SECURITY
@pytest.mark.parametrize("origin", [b"https://evil.com", b"null"])
def test_with_cors_no_other_page_may_read_even_a_refusal(origin: bytes) -> None:
    assert guard(origins=("https://app.example",), cors=True).response_headers(origin) == ()


def test_a_preflight_allows_the_headers_of_the_protocol() -> None:
    made = guard(origins=("https://app.example",), cors=True)
    preflight = made.preflight_headers(b"https://app.example", b"content-type, Mcp-Param-Region,mcp-param-b , x-own")
    assert preflight is not None
    found: dict[bytes, Any] = dict(preflight)
    assert found[b"access-control-allow-origin"] == b"https://app.example"
    assert b"POST" in found[b"access-control-allow-methods"]
    assert found[b"access-control-max-age"].isdigit()
    names = {name.strip() for name in found[b"access-control-allow-headers"].split(b",")}
    assert {b"mcp-param-region", b"mcp-param-b"} <= names
    assert {b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"accept", b"content-type", b"authorization"} <= names
    assert b"x-own" not in names


@pytest.mark.parametrize("allowed", ["*", "*.example.com"])
def test_what_is_remembered_of_hosts_is_bounded(allowed: str) -> None:
    made = guard(allowed)
    assert hosts(made, *(f"a{number}.example.com" for number in range(200))) == [True] * 200
    assert len(made._known_hosts) <= 64


FIELDS: list[tuple[bytes, bytes]] = [(b"host", b"localhost"), (b"accept", b"a"), (b"accept", b"b")]


def test_what_decides_nothing_may_come_twice() -> None:
    check_once(FIELDS)


@pytest.mark.parametrize("name", [b"host", b"origin", b"content-type", b"authorization"])
def test_what_decides_may_come_once(name: bytes) -> None:
    with pytest.raises(HttpRefusalError) as refused:
        check_once([*FIELDS, (name, b"localhost"), (name, b"localhost")])
    assert (refused.value.status, refused.value.text) == (400, f"The header {name.decode()} may come only once")

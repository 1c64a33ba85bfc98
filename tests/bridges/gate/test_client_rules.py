import pytest

from mcp_bridges.gate.client_rules import parse_rule
from mcp_bridges.gate.port import LegacyClient

CURSOR = LegacyClient(
    transport="streamable_http",
    name="cursor",
    version="1.4.2",
    user_agent="python-httpx/0.28.1",
    principal="ACME\\ann",
    peer="10.1.2.3",
)
NOBODY = LegacyClient(transport="stdio")


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("name=cursor", True),
        ("name=Cursor", False),
        ("name=curs*", True),
        ("name=curso?", True),
        ("name=cursor?", False),
        ("name=*", True),
        ("name=[c]ursor", False),
        ("name=cursor version=<1.5", True),
        ("name=cursor version=<1.4", False),
        ("name=other version=<1.5", False),
        ("user_agent=python-httpx/*", True),
        ('user_agent="python-httpx/*"', True),
        ("user_agent='Acme Agent/*'", False),
        ("principal=ACME\\ann", True),
        ("principal=ACME\\*", True),
        ("principal=#1", False),
        ("peer=10.1.2.3", True),
        ("peer=10.1.*", True),
        ("peer=10.1.0.0/16", True),
        ("peer=10.2.0.0/16", False),
        ("peer=fd00::/8", False),
        ("transport=streamable_http", True),
        ("transport=*", True),
        ("transport=http_sse", False),
        ("  name=cursor   version=1.4.2  ", True),
    ],
)
def test_every_term_of_a_rule_must_hold(rule: str, matches: bool) -> None:
    assert parse_rule(rule).matches(CURSOR) is matches
    assert parse_rule(rule).text == rule


@pytest.mark.parametrize(
    "rule", ["name=*", "version=*", "version=>=0", "user_agent=*", "principal=*", "peer=*", "peer=0.0.0.0/0"]
)
def test_what_does_not_show_matches_nothing(rule: str) -> None:
    assert not parse_rule(rule).matches(NOBODY)


def test_every_client_has_a_transport() -> None:
    assert parse_rule("transport=*").matches(NOBODY)


@pytest.mark.parametrize(
    ("shown", "rule", "matches"),
    [
        ("1.5", "version=<1.5", False),
        ("1.5", "version=<=1.5", True),
        ("1.5", "version=>1.5", False),
        ("1.5", "version=>=1.5", True),
        ("1.5", "version==1.5", True),
        ("1.5", "version=1.5", True),
        ("1.5.0", "version=1.5", True),
        ("1.5.0", "version=>1.5", False),
        ("v1.5", "version=1.5", True),
        ("1.5.1", "version=>1.5", True),
        ("1.10", "version=>1.9", True),
        ("0", "version==0.0", True),
        ("1.5.0-beta.1", "version=<1.5", True),
        ("1.5.0-beta.1", "version=>=1.5.0-alpha", True),
        ("1.5.0-beta.2", "version=<1.5.0-beta.10", True),
        ("1.5.0-1", "version=<1.5.0-beta", True),
        ("1.5rc1", "version=<1.5", True),
        ("1.5.dev3", "version=<1.5", True),
        ("1.5+build.7", "version=1.5", True),
        ("1.5.post1", "version=>=1.5", False),
        ("dev", "version=>=0", False),
        ("9999999999.0", "version=>1", False),
        ("1" * 10_000, "version=>1", False),
        ("1.4.2", "version=1.4.*", True),
        ("1.4.2", "version=1.4", False),
        ("dev-7", "version=dev-?", True),
    ],
)
def test_versions_are_ordered_as_releases_are(shown: str, rule: str, matches: bool) -> None:
    assert parse_rule(rule).matches(LegacyClient(transport="stdio", version=shown)) is matches


def test_two_terms_make_a_range() -> None:
    rule = parse_rule("version=>=1.2 version=<2")
    shown = ["1.1", "1.2", "1.9.9", "2.0-rc1", "2.0"]
    assert [rule.matches(LegacyClient(transport="stdio", version=one)) for one in shown] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_peer_that_is_no_address_is_in_no_network() -> None:
    assert not parse_rule("peer=10.0.0.0/8").matches(LegacyClient(transport="streamable_http", peer="unix:"))


@pytest.mark.parametrize(("peer", "inside"), [("::ffff:10.1.2.3", True), ("::ffff:11.1.2.3", False), ("::1", False)])
def test_an_ipv4_address_that_ipv6_shows_is_in_its_network(peer: str, inside: bool) -> None:
    assert parse_rule("peer=10.0.0.0/8").matches(LegacyClient(transport="http_sse", peer=peer)) is inside


def test_many_stars_on_a_long_text_take_no_time() -> None:
    rule = parse_rule("user_agent=" + "*a" * 20 + "*b")
    assert not rule.matches(LegacyClient(transport="http_sse", user_agent="a" * 8_000))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'is empty; write one, such as "name=cursor"'),
        ("   ", "is empty"),
        ("cursor", "\"cursor\" in 'cursor' is no term; write FIELD=PATTERN"),
        ("nmae=cursor", 'have no "nmae", which \'nmae=cursor\' asks about; did you mean "name"?'),
        ("x=1", "write one of name, version, user_agent, principal, peer, transport"),
        ("name=", "\"name=\" in 'name=' says nothing; write name=PATTERN"),
        ('name="cursor', "has a quote that does not end; close it"),
        ("version=<new", '"new" is no version; write numbers with dots'),
        ("version=", "says nothing"),
        ("version=<", '"" is no version'),
        ("transport=websocket", '"websocket" is no transport; write one of stdio, streamable_http, http_sse'),
        ("peer=10.0.0.1/8", '"10.0.0.1/8" is no network; write one such as 10.0.0.0/8'),
    ],
)
def test_a_wrong_rule_says_what_is_wrong_and_what_would_be_right(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as raised:
        parse_rule(text)
    assert problem in str(raised.value)
    assert "; " in str(raised.value)

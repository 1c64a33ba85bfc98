"""Headers, read back by parsers that know nothing of how they were written."""

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from mcp_bridges.deprecation.decisions.policy import FEATURE_LIFECYCLE_URL, Links, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.gatekeeping.signals import SignalHeaders
from tests.bridges.deprecation.parts import client, sighting, station, unix

SSE = "transport.http_sse"
IMF_FIXDATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def structured_date(text: str) -> datetime:
    """A Date of RFC 9651, section 4.2.9: "@" and an Integer."""
    found = re.fullmatch(r"@(-?\d{1,15})", text)
    assert found is not None, text
    return datetime.fromtimestamp(int(found[1]), UTC)


def structured_list(text: str) -> list[tuple[str, dict[str, str]]]:
    """A List of RFC 9651 of Items with parameters; no text in it has a comma or a semicolon."""
    members = [member.split(";") for member in re.split(r"[ \t]*,[ \t]*", text)]
    return [(item, dict(one.strip(" ").split("=", 1) for one in parameters)) for item, *parameters in members]


def links(text: str) -> list[tuple[str, str]]:
    """The targets and relations of a Link header, RFC 8288, section 3."""
    value = re.compile(r'<([^>]*)>\s*;\s*rel="([a-z-]+)"\s*(?:,\s*|$)')
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = value.match(text, position)
        assert match is not None, text[position:]
        found.append((match[1], match[2]))
        position = match.end()
    return found


def made(features: tuple[str, ...], links_: Links | None = None, **policy: Any) -> dict[str, str]:
    signals = SignalHeaders(Policy(**policy), links_ or Links())
    return {name.decode(): value.decode("ascii") for name, value in signals.headers(features)}


def test_deprecation_is_the_release_of_the_revision_that_deprecated_it() -> None:
    assert structured_date(made((SSE,))["deprecation"]) == datetime(2025, 3, 26, tzinfo=UTC)
    assert made(("ping",))["deprecation"] == "@1785196800"


def test_sunset_is_the_start_of_the_operators_day() -> None:
    text = made((SSE,))["sunset"]
    assert IMF_FIXDATE.fullmatch(text)
    assert parsedate_to_datetime(text) == datetime(2027, 7, 28, tzinfo=UTC)
    assert made((SSE,), sunsets={SSE: date(2028, 2, 29)})["sunset"] == "Tue, 29 Feb 2028 00:00:00 GMT"


def test_of_several_features_the_first_dates_count() -> None:
    headers = made(("ping", "jsonrpc.batch"), sunsets={"ping": date(2027, 1, 1)})
    assert structured_date(headers["deprecation"]) == datetime(2025, 6, 18, tzinfo=UTC)
    assert parsedate_to_datetime(headers["sunset"]) == datetime(2027, 1, 1, tzinfo=UTC)


def test_links_lead_to_the_specification_and_to_the_endpoint() -> None:
    assert links(made((SSE,))["link"]) == [
        ("https://modelcontextprotocol.io/specification/2026-07-28/deprecated", "deprecation"),
        (FEATURE_LIFECYCLE_URL, "sunset"),
        ("/mcp", "successor-version"),
    ]


def test_each_page_is_linked_once() -> None:
    found = links(made(("feature.roots", "feature.sampling", "ping"))["link"])
    assert [relation for _, relation in found] == ["deprecation", "deprecation", "sunset", "successor-version"]


def test_the_operators_pages_come_instead() -> None:
    own = Links(
        documentation_url="https://a.example/old",
        sunset_url="https://a.example/policy",
        replacement_url="https://a.example/mcp?x=1,2",
    )
    assert links(made((SSE, "ping"), own)["link"]) == [
        ("https://a.example/old", "deprecation"),
        ("https://a.example/policy", "sunset"),
        ("https://a.example/mcp?x=1,2", "successor-version"),
    ]


def test_nothing_used_is_nothing_said() -> None:
    assert made(()) == {}


def test_headers_are_made_once_for_a_set_of_features() -> None:
    signals = SignalHeaders(Policy(), Links())
    assert signals.headers((SSE,)) is signals.headers((SSE,))


def test_headers_kept_are_bounded() -> None:
    signals = SignalHeaders(Policy(), Links())
    first = signals.headers((SSE,))
    sets = [one for size in range(2, 5) for one in combinations(FEATURES, size)]
    for one in sets[:1_023]:
        signals.headers(one)
    assert signals.headers((SSE,)) is first
    signals.headers(sets[1_023])
    assert signals.headers((SSE,)) is not first


def test_observing_says_nothing(tmp_path: Path) -> None:
    assert station(tmp_path, stage="observe").headers(sighting()) == {}


def test_only_features_that_are_signalled_count(tmp_path: Path) -> None:
    server = station(tmp_path, stages=[f"{SSE} = observe"])
    assert structured_date(server.headers(sighting(features=[SSE, "ping"]))["deprecation"]).year == 2026


def test_stdio_has_no_headers(tmp_path: Path) -> None:
    assert station(tmp_path).headers(sighting(client(transport="stdio"), ["protocol.handshake"])) == {}


def test_the_endpoint_is_the_one_that_is_configured(tmp_path: Path) -> None:
    server = station(tmp_path, replacement_url="https://a.example/v2")
    assert ("https://a.example/v2", "successor-version") in links(server.headers(sighting())["link"])


def test_a_brownout_is_announced_with_its_beginning_its_end_and_its_feature(tmp_path: Path) -> None:
    server = station(
        tmp_path,
        at="2027-05-01",
        stage="brownout",
        brownouts=[f"{SSE} = 2027-05-04T14:00Z for=2h every=7d", "ping = 2027-05-02T10:00Z for=30m"],
    )
    headers = server.headers(sighting(features=[SSE, "ping"]))
    [first, second] = structured_list(headers["legacy-brownout"])
    assert structured_date(first[0]).timestamp() == unix("2027-05-02T10:00")
    assert structured_date(first[1]["until"]).timestamp() == unix("2027-05-02T10:30")
    assert first[1]["feature"] == '"ping"'
    assert structured_date(second[0]).timestamp() == unix("2027-05-04T14:00")
    assert structured_date(second[1]["until"]).timestamp() == unix("2027-05-04T16:00")
    assert second[1]["feature"] == f'"{SSE}"'


@pytest.mark.parametrize("status", [410, 503])
def test_a_refusal_has_the_same_headers_and_is_not_to_be_kept(tmp_path: Path, status: int) -> None:
    server = station(
        tmp_path,
        at="2027-05-04T14:00",
        stage="brownout",
        brownouts=[f"{SSE} = 2027-05-04T14:00Z for=2h status={status}"],
    )
    assert server.status(sighting()) == status
    headers = server.headers(sighting())
    assert {"deprecation", "sunset", "link", "legacy-brownout"} < set(headers)
    assert headers["cache-control"] == "no-store"

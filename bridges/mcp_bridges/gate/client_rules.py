"""Rules about clients, as operators write them. Rule: no term matches what a client does not show.

A rule is terms with spaces between, and all of them must hold: `name=cursor version=>=1.2 version=<2`. What takes
patterns has `*` for any text and `?` for one character, and minds upper and lower case; quotes hold spaces together:
`user_agent="Acme Agent/*"`. A client chooses what it says of itself: only `principal` and `peer` are proven.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from fnmatch import translate
from ipaddress import ip_network
from operator import eq, ge, gt, le, lt
from types import MappingProxyType
from typing import Final, get_args

import msgspec

from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.config import nearest
from mcp_runtime.platform.addresses import address_of
from mcp_runtime.telemetry.labels import TransportName

_Test = Callable[[str], bool]
_Precedence = tuple[tuple[int, ...], bool, tuple[tuple[int, int, str], ...]]


class _Term(msgspec.Struct, frozen=True, kw_only=True):
    """A term of a rule: `field=...`."""

    field: str
    test: _Test

    def holds(self, client: LegacyClient) -> bool:
        shown: str | None = getattr(client, self.field)
        return shown is not None and self.test(shown)


class ClientRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule about clients; `text` is how it was written."""

    text: str
    terms: tuple[_Term, ...]

    def matches(self, client: LegacyClient) -> bool:
        """Whether every term holds for `client`. Takes time in proportion to what the client shows."""
        return all(term.holds(client) for term in self.terms)


def parse_rule(text: str) -> ClientRule:
    """The rule that `text` writes. Raises ValueError, "problem; fix"."""
    terms = tuple(_term(word, text) for word in _words(text))
    if not terms:
        # A rule without terms would match everyone: whoever wants that says so.
        raise ValueError('a rule about clients is empty; write one, such as "name=cursor" ("transport=*" is everyone)')
    return ClientRule(text=text, terms=terms)


def _words(text: str) -> list[str]:
    reader = shlex.shlex(text, posix=True)
    reader.whitespace_split = True
    reader.commenters = ""
    reader.escape = ""  # A principal may be DOMAIN\user.
    try:
        return list(reader)
    except ValueError:
        raise ValueError(f"{text!r} has a quote that does not end; close it") from None


def _term(word: str, rule: str) -> _Term:
    field, separator, value = word.partition("=")
    if not separator:
        raise ValueError(f'"{word}" in {rule!r} is no term; write FIELD=PATTERN, such as "name=cursor"')
    make = _FIELDS.get(field)
    if make is None:
        meant = nearest(field, _FIELDS)
        fix = f'did you mean "{meant}"?' if meant else f"write one of {', '.join(_FIELDS)}"
        raise ValueError(f'clients have no "{field}", which {rule!r} asks about; {fix}')
    if not value:
        raise ValueError(f'"{word}" in {rule!r} says nothing; write {field}=PATTERN ("*" is any that is shown)')
    return _Term(field=field, test=make(value))


def _pattern(value: str) -> _Test:
    # fnmatch's expression cannot be made to backtrack without end; its [sets] would trip texts that have brackets.
    matched = re.compile(translate(value.replace("[", "[[]"))).match
    return lambda shown: matched(shown) is not None


def _transport(value: str) -> _Test:
    test = _pattern(value)
    if not any(map(test, get_args(TransportName))):
        raise ValueError(f'"{value}" is no transport; write one of {", ".join(get_args(TransportName))}')
    return test


def _peer(value: str) -> _Test:
    if "/" not in value:
        return _pattern(value)
    try:
        network = ip_network(value)
    except ValueError:
        raise ValueError(f'"{value}" is no network; write one such as 10.0.0.0/8, or a pattern such as 10.*') from None

    def inside(shown: str) -> bool:
        address = address_of(shown)
        return address is not None and address in network

    return inside


_COMPARISONS: Final[Mapping[str, Callable[[_Precedence, _Precedence], bool]]] = MappingProxyType(
    {"<=": le, ">=": ge, "<": lt, ">": gt, "=": eq}
)
"""The signs that may stand before a version; the longer ones first."""


def _version(value: str) -> _Test:
    sign = next((one for one in _COMPARISONS if value.startswith(one)), "")
    bound = value.removeprefix(sign)
    if not sign and ("*" in bound or "?" in bound):
        return _pattern(bound)
    limit = _precedence(bound)
    if limit is None:
        raise ValueError(
            f'"{bound}" is no version; write numbers with dots, such as 1.5 or 2.0.0-beta.1, after <, <=, >, >= or ='
        )
    compare = _COMPARISONS[sign or "="]

    def within(shown: str) -> bool:
        found = _precedence(shown)
        return found is not None and compare(found, limit)

    return within


# Nine digits and eight parts are more than any release has: a client's text is not to become a huge number.
_VERSION: Final = re.compile(
    r"""v?(\d{1,9}(?:\.\d{1,9}){0,7})             # the release: 1.5.0
        (?:[-.]?((?!post)[a-z][\w.-]*           # what comes before it: 1.5.0-beta.1, 1.5rc1
           |(?<=-)\d[\w.-]*))?                  # or 1.5.0-1
        (?:\+.*)?                               # a build of it: 1.5.0+abc""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


def _precedence(version: str) -> _Precedence | None:
    """A key that orders versions as semver and PEP 440 do: 1.5 is 1.5.0, and comes after 1.5.0-beta.1 and 1.5rc1."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    release = [int(part) for part in found[1].split(".")]
    while release and release[-1] == 0:
        release.pop()
    before = re.findall(r"\d{1,9}|[a-z]+", (found[2] or "").lower())
    identifiers = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in before)
    return tuple(release), found[2] is None, identifiers


_FIELDS: Final[Mapping[str, Callable[[str], _Test]]] = MappingProxyType(
    {
        "name": _pattern,
        "version": _version,
        "user_agent": _pattern,
        "principal": _pattern,
        "peer": _peer,
        "transport": _transport,
    }
)
"""The fields of `LegacyClient` that a term may be about, and how its right side is read."""

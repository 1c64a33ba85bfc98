"""Session ids: what opens, for how long, for whom, and how long they are. Rule: an id that was touched opens nothing."""

import base64
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridges.revisions.translation import client_capabilities
from mcp_bridges.sessions import session_ids
from mcp_bridges.sessions.session import MAX_NAME_CHARS, Opening
from mcp_bridges.sessions.session_ids import MAX_ID_CHARS, SessionGoneError, SessionIds
from mcp_bridges.wires import http_sse
from mcp_runtime.core.calls.rounds import PURPOSE as REQUEST_STATE
from mcp_runtime.state.seal.sealer import KeyRing, Sealer
from tests.support.raw_sessions import Ticking

KEY: Final = b"k" * 32
OTHER_KEY: Final = b"o" * 32
START_S: Final = 1_800_000_000.0
TTL_S: Final = 60.0

CURSOR: Final = Opening(
    revision="2025-06-18", client_name="cursor-vscode", client_version="1.0.0", capabilities={"elicitation": {}}
)
"""A client in the field."""
INSPECTOR: Final = Opening(
    revision="2025-11-25",
    client_name="inspector-client",
    client_version="0.17.2",
    capabilities={"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}},
)
"""Another one, which can do everything."""


def sealer(clock: Ticking, keys: Sequence[bytes] = (KEY,), purpose: str = session_ids.PURPOSE) -> Sealer:
    return Sealer(KeyRing(keys), purpose=purpose, now=clock)


def process(clock: Ticking, keys: Sequence[bytes] = (KEY,), purpose: str = session_ids.PURPOSE) -> SessionIds:
    """The ids of one process: nothing is shared with another one's but the keys."""
    made = sealer(clock, keys, purpose)
    return SessionIds(lambda: made, ttl_s=TTL_S, now=clock, new_id=lambda: "0123456789abcdef")


def gone(ids: SessionIds, token: str, principal: str | None = None) -> str:
    """Why this id opens nothing."""
    with pytest.raises(SessionGoneError) as raised:
        ids.open(token, principal=principal)
    assert str(raised.value) == raised.value.reason
    return raised.value.reason


# Who opens them


def test_an_id_is_the_session() -> None:
    clock = Ticking(START_S)
    token, session = process(clock).issue(INSPECTOR, principal=None)
    assert process(clock).open(token, principal=None) == session
    assert (session.revision, session.client_name, session.client_version) == (
        "2025-11-25",
        "inspector-client",
        "0.17.2",
    )
    assert session.capabilities == INSPECTOR.capabilities
    assert (session.issued_s, session.expires_s) == (1_800_000_000, 1_800_000_060)


def test_whoever_has_the_key_opens_it_and_nobody_else() -> None:
    clock = Ticking(START_S)
    token, session = process(clock).issue(CURSOR, principal=None)
    assert process(clock, (OTHER_KEY, KEY)).open(token, principal=None) == session  # rotated out, and not yet gone
    assert gone(process(clock, (OTHER_KEY,)), token) == "unknown_key"


@pytest.mark.parametrize("purpose", [REQUEST_STATE, http_sse.PURPOSE, ""])
def test_what_was_sealed_for_something_else_is_no_session(purpose: str) -> None:
    clock = Ticking(START_S)
    token, _ = process(clock, purpose=purpose).issue(CURSOR, principal=None)
    assert gone(process(clock), token) == "forged"


@pytest.mark.parametrize(
    ("owner", "thief"), [("alice", "bob"), ("alice", None), (None, "alice"), (None, ""), ("", None)]
)
def test_the_id_of_one_principal_is_of_no_use_to_another(owner: str | None, thief: str | None) -> None:
    clock = Ticking(START_S)
    ids = process(clock)
    token, session = ids.issue(CURSOR, principal=owner)
    assert gone(ids, token, thief) == "forged"  # where it was opened already
    assert gone(process(clock), token, thief) == "forged"
    assert ids.open(token, principal=owner) == session


# What was touched


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("v1.", "malformed"),
        ("v2.AAAA", "malformed"),
        ("1868a90c-7b3f-4f1f-8a43-6a1f0f0e4b2a", "malformed"),  # an SDK server's
        ("v1.caf\xe9", "malformed"),
        ("v1." + "A" * 40, "malformed"),
        ("v1." + "A" * 80, "unknown_key"),
        ("v1." + "A" * 998, "malformed"),  # too long to be looked at
        ("../../etc/passwd", "malformed"),
        ("v1.\x00", "malformed"),
    ],
)
def test_what_is_no_id_opens_nothing(text: str, reason: str) -> None:
    assert gone(process(Ticking(START_S)), text) == reason


def test_no_character_of_an_id_can_be_changed() -> None:
    clock = Ticking(START_S)
    token, _ = process(clock).issue(CURSOR, principal=None)
    for position in range(len(token)):
        changed = "A" if token[position] != "A" else "B"
        reason = gone(process(clock), token[:position] + changed + token[position + 1 :])
        assert reason in {"malformed", "unknown_key", "forged"}, position


def test_no_part_of_an_id_is_one() -> None:
    clock = Ticking(START_S)
    token, _ = process(clock).issue(CURSOR, principal=None)
    for length in range(len(token)):
        assert gone(process(clock), token[:length]) in {"malformed", "forged"}, length
    assert gone(process(clock), token + "A") in {"malformed", "forged"}
    assert gone(process(clock), token + token) in {"malformed", "forged"}
    assert gone(process(clock), token + "=") == "malformed"


def test_a_sealed_value_of_another_release_is_no_session() -> None:
    clock = Ticking(START_S)
    for payload in (b"", b"\xc1", msgspec.msgpack.encode({"id": 1}), msgspec.msgpack.encode(["id"])):
        token = sealer(clock).seal(payload, principal=None, ttl_s=TTL_S)
        assert gone(process(clock), token) == "malformed"


# How long they are good for


@pytest.mark.parametrize("start_s", [START_S, START_S + 0.25, START_S + 0.75])
def test_an_id_expires_to_the_second(start_s: float) -> None:
    clock = Ticking(start_s)
    here, there = process(clock), process(clock)
    token, _ = here.issue(CURSOR, principal=None)
    clock.now = start_s + TTL_S - 1
    here.open(token, principal=None)
    there.open(token, principal=None)
    clock.now = start_s + TTL_S + 1
    for ids in (here, there, process(clock)):
        assert gone(ids, token) == "expired"


def test_an_id_expires_at_once_when_its_time_is_over() -> None:
    clock = Ticking(START_S)
    here = process(clock)
    token, session = here.issue(CURSOR, principal=None)
    clock.now = START_S + TTL_S - 0.001
    assert here.open(token, principal=None) == session
    assert process(clock).open(token, principal=None) == session
    clock.now = START_S + TTL_S
    assert gone(here, token) == "expired"
    assert gone(process(clock), token) == "expired"


def test_use_does_not_make_an_id_last_longer() -> None:
    clock = Ticking(START_S)
    ids = process(clock)
    token, _ = ids.issue(CURSOR, principal=None)
    for _ in range(4):
        clock.now += TTL_S / 4 - 0.001
        ids.open(token, principal=None)
    clock.now = START_S + TTL_S
    assert gone(ids, token) == "expired"


# What is remembered of them


def test_ids_opened_lately_are_not_opened_again_and_only_so_many_are_remembered() -> None:
    clock = Ticking(START_S)
    opened: list[str] = []
    real = sealer(clock)

    class Counting(Sealer):
        def open(self, token: str, *, principal: str | None) -> bytes:
            opened.append(token)
            return real.open(token, principal=principal)

    counting = Counting(KeyRing([KEY]), purpose=session_ids.PURPOSE, now=clock)
    ids = SessionIds(lambda: counting, ttl_s=TTL_S, now=clock, new_id=lambda: "0123456789abcdef")
    first, _ = ids.issue(CURSOR, principal=None)
    ids.open(first, principal=None)
    assert opened == []
    more = [ids.issue(CURSOR, principal=None)[0] for _ in range(1024)]
    ids.open(more[-1], principal=None)
    assert opened == []
    ids.open(first, principal=None)
    ids.open(first, principal=None)
    assert opened == [first]


# How long they are


@pytest.mark.parametrize("opening", [CURSOR, INSPECTOR])
def test_the_ids_of_clients_in_the_field_are_as_long_as_the_docs_say(opening: Opening) -> None:
    token, _ = process(Ticking(START_S)).issue(opening, principal=None)
    assert "170 to 300 characters" in (session_ids.__doc__ or "")
    assert 170 <= len(token) <= 300


def test_a_client_without_a_name_gets_a_short_id() -> None:
    nobody = Opening(revision="2025-03-26", client_name="", client_version="", capabilities={})
    token, _ = process(Ticking(START_S)).issue(nobody, principal=None)
    assert len(token) < 170


LONG_NAMES: Final = [
    "n" * MAX_NAME_CHARS,
    "\u00e9" * MAX_NAME_CHARS,
    "\u6f22" * MAX_NAME_CHARS,
    "\U0001f600" * MAX_NAME_CHARS,
]
ALL: Final[dict[str, Any]] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"context": {}, "tools": {}},
    "roots": {},
}
CAPABILITIES: Final[list[dict[str, Any]]] = [
    {},
    ALL,
    {**ALL, "experimental": {f"vendor.example/feature-{n}": {"on": True} for n in range(100)}},
    {"sampling": {"tools": {"x": "y" * 2000}, "own": {}}, "elicitation": {"form": {"x": ["y"] * 900}}},
    {"experimental": {"deep": msgspec.json.decode(b'{"a":' * 400 + b"1" + b"}" * 400)}},
    {"experimental": {"big": {"n": 10**30}}},
]


@pytest.mark.parametrize("name", LONG_NAMES, ids=["ascii", "two bytes", "three bytes", "four bytes"])
@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=["none", "all", "many", "long", "deep", "big number"])
@pytest.mark.parametrize("principal", [None, "p" * 5000])
def test_no_client_makes_an_id_too_long_for_proxies(
    name: str, capabilities: dict[str, Any], principal: str | None
) -> None:
    clock = Ticking(START_S)
    opening = Opening(revision="2025-11-25", client_name=name, client_version=name, capabilities=capabilities)
    token, session = process(clock).issue(opening, principal=principal)
    assert re.fullmatch(r"[\x21-\x7e]+", token)
    assert len(f"Mcp-Session-Id: {token}\r\n") <= 1024
    assert len(token) <= MAX_ID_CHARS
    assert process(clock).open(token, principal=principal) == session
    assert session.client_name
    assert name.startswith(session.client_name)
    assert set(session.capabilities) >= set(capabilities) - {"experimental"}


def test_what_is_known_of_a_capability_survives_the_cut() -> None:
    capabilities = {**ALL, "experimental": {"x": {"y": "z" * 2000}}}
    opening = Opening(revision="2025-11-25", client_name="c", client_version="1", capabilities=capabilities)
    _, session = process(Ticking(START_S)).issue(opening, principal=None)
    assert session.capabilities == ALL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    name=st.text(max_size=MAX_NAME_CHARS),
    declared=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("elicitation", "sampling", "roots", "experimental", "own"), JSON)
    ),
)
def test_whatever_a_client_declares_it_gets_an_id_that_opens(name: str, declared: dict[str, Any]) -> None:
    clock = Ticking(START_S)
    opening = Opening(
        revision="2025-11-25",
        client_name=name,
        client_version="1",
        capabilities=client_capabilities(declared, "2025-11-25"),
    )
    token, session = process(clock).issue(opening, principal=None)
    assert len(token) <= MAX_ID_CHARS
    assert process(clock).open(token, principal=None) == session


def test_nothing_of_a_session_can_be_read_off_its_id() -> None:
    token, _ = process(Ticking(START_S)).issue(CURSOR, principal="alice")
    raw = base64.urlsafe_b64decode(token.removeprefix("v1.") + "==")
    assert b"cursor" not in raw
    assert b"2025" not in raw
    assert b"alice" not in raw

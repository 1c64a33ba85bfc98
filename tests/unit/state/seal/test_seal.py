"""What opens was sealed here, unchanged, for this principal and purpose, and is not yet too old."""

import base64
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.state.seal.sealer import KeyRing, Sealer, SealError
from mcp_runtime.state.seal.token_format import KEY_BYTES

REQUIREMENTS = pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
OLD, NEW, FOREIGN = (bytes([number]) * KEY_BYTES for number in (1, 2, 3))
PAYLOAD = b'{"b":"binding","r":1}'


class Clock:
    """Unix seconds that stand still until told otherwise."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def sealer(*keys: bytes, purpose: str = "requestState", clock: Clock | None = None) -> Sealer:
    return Sealer(KeyRing(keys or (NEW,)), purpose=purpose, now=clock or Clock())


def reason(opener: Sealer, token: str, principal: str | None = "alice") -> str:
    with pytest.raises(SealError) as refused:
        opener.open(token, principal=principal)
    assert str(refused.value) == refused.value.reason
    return refused.value.reason


def fixed_bytes(size: int) -> bytes:
    return bytes(range(size))


TOKEN = Sealer(KeyRing([NEW]), purpose="requestState", now=Clock(), random_bytes=fixed_bytes).seal(
    PAYLOAD, principal="alice", ttl_s=600
)


def raw_of(token: str) -> bytes:
    body = token.removeprefix("v1.")
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def token_of(raw: bytes) -> str:
    return "v1." + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.binary(max_size=500), st.none() | st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_opens_to_its_payload_for_its_principal(payload: bytes, principal: str | None) -> None:
    token = sealer().seal(payload, principal=principal, ttl_s=1)
    assert sealer().open(token, principal=principal) == payload


def test_a_token_is_visible_ascii_that_needs_no_quoting() -> None:
    assert all("!" <= character <= "~" and character not in '"\\' for character in TOKEN)
    assert TOKEN.startswith("v1.")


def test_a_token_does_not_show_what_it_holds() -> None:
    assert PAYLOAD not in raw_of(TOKEN)
    assert b"alice" not in raw_of(TOKEN)


def test_the_same_payload_never_seals_to_the_same_token() -> None:
    one = sealer()
    assert len({one.seal(PAYLOAD, principal="alice", ttl_s=600) for _ in range(50)}) == 50


def test_tokens_repeat_where_clock_and_randomness_do() -> None:
    def bytes_from(numbers: "count[int]") -> Sealer:
        return Sealer(
            KeyRing([NEW]), purpose="p", now=Clock(), random_bytes=lambda size: bytes([next(numbers) % 256]) * size
        )

    first, second = (bytes_from(count()).seal(PAYLOAD, principal=None, ttl_s=1) for _ in range(2))
    assert first == second


@REQUIREMENTS
@pytest.mark.parametrize("place", range(len(raw_of(TOKEN))))
def test_a_token_with_any_byte_changed_does_not_open(place: int) -> None:
    for flipped in (0x01, 0x80, 0xFF):
        raw = bytearray(raw_of(TOKEN))
        raw[place] ^= flipped
        assert reason(sealer(), token_of(bytes(raw))) == ("unknown_key" if place < 4 else "forged")


@REQUIREMENTS
@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_token_with_any_character_changed_does_not_open(place: int) -> None:
    for other in "AZaz09-_.=+/ \n\0\u00e9\u212a":
        if other != TOKEN[place]:
            changed = TOKEN[:place] + other + TOKEN[place + 1 :]
            assert reason(sealer(), changed) in ("malformed", "unknown_key", "forged")


@REQUIREMENTS
@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_a_token_cut_off_anywhere_does_not_open(length: int) -> None:
    assert reason(sealer(), TOKEN[:length]) in ("malformed", "forged", "unknown_key")
    assert reason(sealer(), TOKEN[length + 1 :]) in ("malformed", "forged", "unknown_key")


@REQUIREMENTS
@pytest.mark.parametrize("suffix", ["-TAMPERED", "=", "==", "A", "AA", "AAAA", ".", " ", "\n", TOKEN])
def test_a_token_with_something_behind_it_does_not_open(suffix: str) -> None:
    assert reason(sealer(), TOKEN + suffix) in ("malformed", "forged")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "v1.",
        "v1",
        "v2." + TOKEN[3:],
        "V1." + TOKEN[3:],
        "v1." + TOKEN,
        TOKEN[3:],
        " " + TOKEN,
        "v1.====",
        "v1.\ud800",
        "v1." + "A" * 43,  # 32 bytes: all header, nothing sealed
        TOKEN.replace("-", "+").replace("_", "/") + "=",
    ],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    assert reason(sealer(), token) == "malformed"


def test_base64_with_the_other_alphabet_is_malformed() -> None:
    seals = sealer()
    tokens = (seals.seal(PAYLOAD, principal="alice", ttl_s=600) for _ in range(1000))
    token = next(token for token in tokens if "-" in token and "_" in token)
    assert reason(sealer(), token.replace("-", "+").replace("_", "/")) == "malformed"


@pytest.mark.parametrize("size", range(4))
def test_the_unused_bits_at_the_end_of_base64_give_a_token_no_second_spelling(size: int) -> None:
    token = sealer().seal(b"x" * size, principal="alice", ttl_s=600)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    opening = [last for last in alphabet if opens(token[:-1] + last)]
    assert opening == [token[-1]]


def opens(token: str) -> bool:
    try:
        sealer().open(token, principal="alice")
    except SealError:
        return False
    return True


@given(st.text() | st.text().map("v1.".__add__) | st.binary(min_size=30).map(token_of))
def test_any_text_is_refused_with_a_reason(token: str) -> None:
    assert reason(sealer(), token) in ("malformed", "unknown_key", "forged")


@REQUIREMENTS
@pytest.mark.parametrize(
    ("sealed_for", "opened_by"),
    [("alice", "bob"), ("alice", None), (None, "alice"), (None, ""), ("", None), ("alice", "Alice"), ("a", "a\0")],
)
def test_a_token_of_another_principal_is_forged(sealed_for: str | None, opened_by: str | None) -> None:
    token = sealer().seal(PAYLOAD, principal=sealed_for, ttl_s=600)
    assert reason(sealer(), token, opened_by) == "forged"


def test_a_token_for_another_purpose_is_forged() -> None:
    assert reason(sealer(purpose="session"), TOKEN) == "forged"


def test_a_token_of_a_foreign_key_is_of_an_unknown_key() -> None:
    token = sealer(FOREIGN).seal(PAYLOAD, principal="alice", ttl_s=600)
    assert reason(sealer(NEW), token) == "unknown_key"


def test_a_token_relabelled_with_a_known_key_is_forged() -> None:
    foreign = raw_of(sealer(FOREIGN).seal(PAYLOAD, principal="alice", ttl_s=600))
    assert reason(sealer(NEW), token_of(raw_of(TOKEN)[:4] + foreign[4:])) == "forged"


def test_parts_of_two_tokens_make_no_third() -> None:
    other = raw_of(sealer().seal(b"x" * len(PAYLOAD), principal="alice", ttl_s=600))
    mine = raw_of(TOKEN)
    for cut in (5, 20, 32, 40, len(mine) - 16):
        assert reason(sealer(), token_of(mine[:cut] + other[cut:])) == "forged"


def test_a_key_is_rotated_in_without_closing_a_token() -> None:
    before, during, after = sealer(OLD), sealer(NEW, OLD), sealer(NEW)
    old = before.seal(PAYLOAD, principal=None, ttl_s=600)
    new = during.seal(PAYLOAD, principal=None, ttl_s=600)
    assert during.open(old, principal=None) == PAYLOAD
    assert after.open(new, principal=None) == PAYLOAD
    assert reason(after, old, None) == "unknown_key"
    assert reason(before, new, None) == "unknown_key"


def test_a_second_process_with_the_same_keys_opens_the_token() -> None:
    assert sealer(NEW, OLD).open(TOKEN, principal="alice") == PAYLOAD


@REQUIREMENTS
@pytest.mark.parametrize("ttl_s", [1, 600, 86_400])
def test_a_token_expires_at_its_exact_edge(ttl_s: float) -> None:
    clock = Clock(1000.0)
    one = sealer(clock=clock)
    token = one.seal(PAYLOAD, principal="alice", ttl_s=ttl_s)
    clock.now_s = 1000.0 + ttl_s - 0.001
    assert one.open(token, principal="alice") == PAYLOAD
    clock.now_s = 1000.0 + ttl_s
    assert reason(one, token) == "expired"
    clock.now_s = 1e12
    assert reason(one, token) == "expired"


@pytest.mark.parametrize(("start_s", "ttl_s"), [(1000.9, 1.0), (1000.5, 600.0), (1000.0, 0.5), (1000.25, 0.25)])
def test_a_token_is_open_for_all_of_its_time_whatever_the_fraction_it_starts_at(start_s: float, ttl_s: float) -> None:
    clock = Clock(start_s)
    one = sealer(clock=clock)
    token = one.seal(PAYLOAD, principal="alice", ttl_s=ttl_s)
    clock.now_s = start_s + ttl_s - 0.01
    assert one.open(token, principal="alice") == PAYLOAD
    clock.now_s = start_s + ttl_s + 1
    assert reason(one, token) == "expired"


def test_an_expired_token_of_another_principal_is_forged_not_expired() -> None:
    clock = Clock()
    one = sealer(clock=clock)
    token = one.seal(PAYLOAD, principal="alice", ttl_s=1)
    clock.now_s += 100
    assert reason(one, token, "bob") == "forged"


@pytest.mark.parametrize(
    "keys", [[], [b""], [NEW[:-1]], [NEW + b"\0"], [NEW, b"short"], [NEW[:16]], [NEW.hex().encode()]]
)
def test_a_ring_needs_keys_of_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(keys)

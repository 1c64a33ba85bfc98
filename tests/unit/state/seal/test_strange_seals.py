"""Values that another key sealed are told to the operator: at once, with what may be wrong, and never one by one."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from mcp_runtime.config import Config, SealConfig, StateConfig
from mcp_runtime.config.secret import Secret
from mcp_runtime.state.seal.key_store import FILE_NAME, load_keys
from mcp_runtime.state.seal.lazy_sealer import LazySealer
from mcp_runtime.state.seal.sealer import KeyRing, Sealer, SealError
from mcp_runtime.state.seal.strange_seals import MAX_KEYS, SAY_AGAIN_AFTER_S, StrangeSeals
from mcp_runtime.state.seal.token_format import KEY_BYTES
from tests.bridges.deprecation.ledgers import Clock, Log
from tests.support.captured_log import captured_log


class Opener:
    """A sealer with its tally, on a clock that stands still."""

    def __init__(self, ring: KeyRing | None = None) -> None:
        self.clock, self.log = Clock(), Log()
        self.ring = ring or KeyRing([b"o" * KEY_BYTES], place="/srv/seal.key", made_s=self.clock() - 60)
        strange = StrangeSeals(self.ring, purpose="session", now=self.clock, log=self.log)
        self.sealer = Sealer(self.ring, purpose="session", now=self.clock, strange=strange.note)

    def refuse(self, token: str) -> str:
        with pytest.raises(SealError) as refused:
            self.sealer.open(token, principal=None)
        return refused.value.reason

    @property
    def told(self) -> list[dict[str, Any]]:
        assert {(level, event) for level, event, _ in self.log.told} <= {("warning", "sealed_with_another_key")}
        return [fields for _, _, fields in self.log.told]


def foreign(key: bytes = b"f" * KEY_BYTES, *, payload: bytes = b"{}") -> str:
    return Sealer(KeyRing([key]), purpose="session").seal(payload, principal=None, ttl_s=60)


def made_up(size: int) -> str:
    return "v1." + base64.urlsafe_b64encode(os.urandom(size)).rstrip(b"=").decode()


def test_the_first_is_told_at_once_with_the_key_that_does_not_open_it() -> None:
    opener = Opener()
    assert opener.refuse(foreign()) == "unknown_key"
    (told,) = opener.told
    assert "state directory lost or changed" in told.pop("advice")
    assert told == {
        "purpose": "session",
        "presented": 1,
        "other_keys": 1,
        "own_key": "/srv/seal.key",
        "own_key_made": "2026-08-01T11:59:00+00:00",
    }


def test_the_rest_are_counted_and_told_once_an_hour() -> None:
    opener = Opener()
    for _ in range(1001):
        opener.refuse(foreign())
    assert len(opener.told) == 1
    opener.clock.at_s += SAY_AGAIN_AFTER_S - 1
    opener.refuse(foreign(b"x" * KEY_BYTES))
    assert len(opener.told) == 1
    opener.clock.at_s += 1
    opener.refuse(foreign())
    assert (opener.told[1]["presented"], opener.told[1]["other_keys"]) == (1002, 2)
    opener.clock.at_s += SAY_AGAIN_AFTER_S
    opener.refuse(foreign())
    assert (opener.told[2]["presented"], opener.told[2]["other_keys"]) == (1, 1)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "v1.",
        "v1.!",
        "v2." + foreign()[3:],
        foreign() + "=",
        foreign()[:-1] + "\u00e9",
        made_up(33),
        made_up(55),
    ],
    ids=[
        "empty",
        "a letter",
        "a prefix",
        "no alphabet",
        "another version",
        "padded",
        "no ASCII",
        "of 33 bytes",
        "of 55 bytes",
    ],
)
def test_what_was_never_sealed_by_anybody_is_not_told(token: str) -> None:
    opener = Opener()
    assert opener.refuse(token) in {"malformed", "unknown_key"}
    assert opener.told == []


def test_what_our_own_key_refuses_is_not_told() -> None:
    opener = Opener()
    token = opener.sealer.seal(b"{}", principal="alice", ttl_s=60)
    assert opener.refuse(token) == "forged"
    late = opener.sealer.seal(b"{}", principal=None, ttl_s=0)
    assert opener.refuse(late) == "expired"
    assert opener.told == []


def test_a_flood_that_is_made_up_is_a_line_an_hour_and_takes_no_memory() -> None:
    opener = Opener()
    for _ in range(500):
        opener.refuse(made_up(100))
    opener.clock.at_s += SAY_AGAIN_AFTER_S
    opener.refuse(made_up(100))
    assert [one["other_keys"] for one in opener.told] == [1, MAX_KEYS]


def test_a_key_of_its_own_says_where_it_is_and_since_when(tmp_path: Path) -> None:
    ring = load_keys(Config(state=StateConfig(directory=str(tmp_path))))
    os.utime(tmp_path / FILE_NAME, (1_785_000_000, 1_785_000_000))
    again = load_keys(Config(state=StateConfig(directory=str(tmp_path))))
    assert ring.place == again.place == str(tmp_path / FILE_NAME)
    assert again.made_s == 1_785_000_000
    configured = load_keys(Config(seal=SealConfig(keys=(Secret("configured for these tests, long enough"),))))
    assert (configured.place, configured.made_s) == ("seal.keys", None)
    opener = Opener(configured)
    opener.refuse(foreign())
    assert (opener.told[0]["own_key"], opener.told[0]["own_key_made"]) == ("seal.keys", None)


def test_a_state_directory_that_was_lost_is_told_for_each_purpose(tmp_path: Path) -> None:
    config = Config(state=StateConfig(directory=str(tmp_path)))
    tokens = {
        purpose: LazySealer(config, purpose=purpose)().seal(b"{}", principal=None, ttl_s=60)
        for purpose in ("requestState", "session")
    }
    (tmp_path / FILE_NAME).unlink()
    with captured_log() as events:
        for purpose, token in tokens.items():
            sealer = LazySealer(config, purpose=purpose)
            for _ in range(3):
                with pytest.raises(SealError, match="unknown_key"):
                    sealer().open(token, principal=None)
        assert [(one["event"], one["purpose"]) for one in events()] == [
            ("sealed_with_another_key", "requestState"),
            ("sealed_with_another_key", "session"),
        ]
        assert all(token not in str(events()) for token in tokens.values())

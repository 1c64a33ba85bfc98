"""The values of a JSON text are counted before it is decoded: as many as there are, whatever its texts look like."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.protocol.errors import INVALID_REQUEST
from mcp_runtime.protocol.json_values import check_values, values_in
from mcp_runtime.protocol.jsonrpc import MalformedMessageError

TEXTS = st.text(alphabet='a,[{"\\:\n', max_size=6)
JSON_VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def counted(value: Any) -> int:
    if isinstance(value, list):
        return 1 + (sum(map(counted, value)) if value else 1)
    if isinstance(value, dict):
        return 1 + (sum(map(counted, value.values())) if value else 1)
    return 1


@given(JSON_VALUES)
def test_every_value_counts_once_and_an_empty_list_or_object_twice(value: object) -> None:
    assert values_in(json.dumps(value).encode(), 10_000) == counted(value)


@pytest.mark.parametrize("most", [3, 10])
def test_counting_ends_one_past_the_bound(most: int) -> None:
    assert values_in(b"[" + b"1," * 1000 + b"1]", most) == most + 1


@pytest.mark.parametrize("padding", [b"", b" " * 100])
@pytest.mark.parametrize("items", [97, 98, 99])
def test_a_message_is_refused_past_the_bound_and_not_at_it(items: int, padding: bytes) -> None:
    # The message, its id, its params: three; a list beside its items: one more.
    message = b'{"id":"x","p":[' + b",".join([b"1"] * items) + b"]}" + padding
    most = 100
    assert values_in(message, 1000) == items + 3
    if items + 3 <= most:
        check_values(message, most)
        return
    with pytest.raises(MalformedMessageError, match=re.escape("more than 100 JSON values")) as refused:
        check_values(message, most)
    assert (refused.value.code, refused.value.http_status, refused.value.id) == (INVALID_REQUEST, 413, "x")


def test_what_looks_like_values_in_a_text_is_none() -> None:
    check_values(b'{"id":1,"p":"' + b",[{" * 1000 + b'"}', 100)


@pytest.mark.parametrize("broken", [b'"' + b'\\"' * 200_000, b'["' * 100_000, b"\\" * 200_000, b'"\\', b'"'])
def test_a_text_that_is_no_json_is_counted_in_one_go(broken: bytes) -> None:
    assert values_in(broken, 1_000_000) <= len(broken)

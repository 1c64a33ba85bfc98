"""What is said of legacy messages by a server that knows no bridge."""

import pytest

from mcp_runtime.protocol.jsonrpc import encode_json
from mcp_runtime.protocol.legacy import refusal
from mcp_runtime.protocol.messages import read_message
from tests.support.dispatcher_client import META


def test_a_message_with_a_complete_meta_is_not_to_be_refused_as_a_legacy_one() -> None:
    modern = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
    with pytest.raises(AssertionError, match="is modern"):
        refusal(read_message(encode_json(modern)), versions=("2026-07-28",), header_version=None, has_headers=False)

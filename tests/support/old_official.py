"""What each older revision says of a message. Rule: everything a server sends to an old client passes through here.

The official models take what they do not know for nothing; each revision's own schema, where Node.js is there to read
it, is closed: a field that came later fails.
"""

import json
from functools import cache
from typing import Any, Final

import pytest
from mcp_types import methods

from mcp_runtime.protocol.json_types import is_object
from tests.bridges.revisions.revision_schemas import RevisionSchema, schema_of
from tests.support import official
from tests.support.messages import PROTOCOL_VERSION, Message
from tests.support.result_types import OLD_RESULT_TYPES

EMPTY: Final = frozenset({"ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
CODES: Final = frozenset({-32700, -32600, -32601, -32602, -32603, -32002, -32020, -32021, -32022})
"""What a server answers with: JSON-RPC's own codes, an unknown resource, and those of 2026-07-28 for what older revisions
have no code for: a message that shows no era, a capability that is missing, an old client that is sent on."""


def is_modern(request: Message) -> bool:
    """Whether a request is one of 2026-07-28."""
    return PROTOCOL_VERSION in meta_of(request)


def meta_of(message: Message) -> Message:
    """The `_meta` of a message, empty where it has none."""
    params = message.get("params")
    found = params.get("_meta") if is_object(params) else None
    return found if is_object(found) else {}


def check(message: Message, revision: str | None, request: Message | None) -> None:
    """A message of a server to a client that speaks `revision`, None before that is agreed on.

    `request` is the one that it answers, None where it answers none.
    """
    assert message.get("jsonrpc") == "2.0", message
    if request is not None and is_modern(request):
        official.check_message(message)
        if "result" in message:
            official.check_result(request["method"], message["result"])
    elif "method" in message:
        _check_said(message, revision)
    elif "error" in message:
        _check_error(message)
    else:
        assert set(message) == {"jsonrpc", "id", "result"}, message
        assert request is not None, f"nobody asked: {message}"
        _check_result(request["method"], message["result"], revision)


def _check_said(message: Message, revision: str | None) -> None:
    """A notification, or a request to the client."""
    assert revision is not None, f"before the handshake: {message}"
    method, params = message["method"], message.get("params")
    parse = methods.parse_server_request if "id" in message else methods.parse_server_notification
    assert set(message) <= {"jsonrpc", "id", "method", "params"}, message
    assert isinstance(message.get("id", ""), str | int), message
    parse(method, revision, params)
    closed = _closed(revision)
    if closed is not None:
        said = {"method": method} if params is None else {"method": method, "params": params}
        assert closed.problems_of_message(said) == [], message


def _check_error(message: Message) -> None:
    assert set(message) <= {"jsonrpc", "id", "error"}, message
    assert isinstance(message.get("id", ""), str | int), message
    error = message["error"]
    assert set(error) <= {"code", "message", "data"}, message
    assert error["code"] in CODES, message
    assert isinstance(error["message"], str), message
    assert error["message"], message


def _check_result(method: str, result: Message, revision: str | None) -> None:
    if method in EMPTY:
        assert result == {}, result
        return
    revision = result["protocolVersion"] if method == "initialize" else revision
    assert revision is not None, f"before the handshake: {result}"
    kept = methods.serialize_server_result(method, revision, result)
    closed = _closed(revision)
    if closed is None:
        # The official serializer drops what it does not know: nothing may be lost.
        assert json.loads(json.dumps(kept)) == result, (kept, result)
    else:
        assert closed.problems(OLD_RESULT_TYPES[method], result) == [], result


@cache
def _closed(revision: str) -> RevisionSchema | None:
    """The schema of `revision`, None without Node.js."""
    try:
        return schema_of(revision)
    except pytest.skip.Exception:
        return None


def able(revision: str) -> dict[str, Any]:
    """The capabilities of a client that can do all there is in `revision`."""
    everything: dict[str, Any] = {"roots": {"listChanged": True}, "sampling": {}}
    if revision >= "2025-06-18":
        everything["elicitation"] = {}
    if revision >= "2025-11-25":
        everything |= {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}, "context": {}}}
    return everything

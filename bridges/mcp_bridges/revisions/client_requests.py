"""Questions to a legacy client, and its answers. Rule: what its revision cannot ask is not asked some other way.

An entry of `inputRequests` goes out as a request of the client's revision; its result comes back as an entry of
`inputResponses`. Spec: 2026-07-28/basic/patterns/mrtr#inputrequiredresult
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from mcp_bridges.revisions.translation import at_least
from mcp_bridges.revisions.walk import translate
from mcp_runtime.protocol.content import CreateMessageResult, ElicitResult, ListRootsResult
from mcp_runtime.protocol.json_types import is_array, is_object

ElicitationId = Callable[[], str]
"""A function that makes an id for an elicitation in URL mode, unlike every other."""


class UnaskableError(Exception):
    """The client's revision has no way to put this question. `reason` says what it lacks, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnusableResultError(Exception):
    """The client's result answers no question; the message says in one line what is wrong with it."""


def question_for(request: dict[str, Any], revision: str, *, elicitation_id: ElicitationId) -> dict[str, Any]:
    """An entry of `inputRequests` as a request of `revision`: its `method` and `params`. Raises UnaskableError."""
    method, params = request.get("method"), request.get("params")
    ask = _QUESTIONS.get(method) if isinstance(method, str) else None
    if ask is None:
        raise UnaskableError(f"no revision before 2026-07-28 has a request {method!r} for clients")
    return {"method": method, "params": ask(params if is_object(params) else {}, revision, elicitation_id)}


def _roots(params: dict[str, Any], _revision: str, _elicitation_id: ElicitationId) -> dict[str, Any]:
    return params


def _elicitation(params: dict[str, Any], revision: str, elicitation_id: ElicitationId) -> dict[str, Any]:
    _require(revision, "2025-06-18", "elicitation")
    if params.get("mode") == "url":
        _require(revision, "2025-11-25", "elicitation in URL mode")
        return {**params, "elicitationId": elicitation_id()}
    if any(field.get("type") == "array" for field in _fields(params)):
        _require(revision, "2025-11-25", "a form field with several choices")
    return translate("ElicitRequestFormParams", params, revision)


def _fields(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a form."""
    schema = params.get("requestedSchema")
    properties = schema.get("properties") if is_object(schema) else None
    return [field for field in properties.values() if is_object(field)] if is_object(properties) else []


def _sampling(params: dict[str, Any], revision: str, _elicitation_id: ElicitationId) -> dict[str, Any]:
    messages = params.get("messages")
    if params.get("tools"):
        _require(revision, "2025-11-25", "sampling with tools")
    if is_array(messages) and not at_least(revision, "2025-11-25"):
        params = {**params, "messages": [single for message in messages for single in _singles(message, revision)]}
    return translate("CreateMessageRequestParams", params, revision)


_SAMPLED_SINCE: Final = {
    "text": "2024-11-05",
    "image": "2024-11-05",
    "audio": "2025-03-26",
    "tool_use": "2025-11-25",
    "tool_result": "2025-11-25",
}


def _singles(message: Any, revision: str) -> list[Any]:
    """A sampling message as messages of one content block each, which is what there was before 2025-11-25."""
    if not is_object(message):
        return [message]
    content = message.get("content")
    blocks: list[Any] = content if is_array(content) else [content]
    for kind in (block.get("type") for block in blocks if is_object(block)):
        since = _SAMPLED_SINCE.get(kind) if isinstance(kind, str) else None
        _require(revision, since or "2026-07-28", f"sampling with content of type {kind!r}")
    return [{**message, "content": block} for block in blocks]


def _require(revision: str, since: str, what: str) -> None:
    if not at_least(revision, since):
        raise UnaskableError(f"revision {revision}, which the client speaks, has no {what}: that came with {since}")


_QUESTIONS: Final[dict[str, Callable[[dict[str, Any], str, ElicitationId], dict[str, Any]]]] = {
    "elicitation/create": _elicitation,
    "sampling/createMessage": _sampling,
    "roots/list": _roots,
}

_ANSWERS: Final[dict[str, tuple[type[msgspec.Struct], tuple[str, ...]]]] = {
    "elicitation/create": (ElicitResult, ("action", "content")),
    "sampling/createMessage": (CreateMessageResult, ("role", "content", "model", "stopReason", "_meta")),
    "roots/list": (ListRootsResult, ("roots",)),
}
"""The type of each answer, and the fields it has in 2026-07-28: the others are left out."""


def answer_from(method: str, result: object, revision: str) -> dict[str, Any]:
    """The client's result for `method` as an entry of `inputResponses`.

    A field that is null is one that is not there: older clients write it so. What a user did not accept has no content.
    `method` is one that `question_for` returned. Raises UnusableResultError.
    """
    if not is_object(result):
        raise UnusableResultError(f"the client's answer to {method} is no object")
    kind, fields = _ANSWERS[method]
    answer = {name: result[name] for name in fields if result.get(name) is not None}
    if method == "elicitation/create" and answer.get("action") != "accept":
        answer.pop("content", None)
    try:
        msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise UnusableResultError(f"the client's answer to {method} is none of revision {revision}: {error}") from None
    return answer

"""Rounds: a handler asks, its call ends, and the retry replays it. Rule: no round leaves a trace here.

What earlier rounds answered, and what `memo` computed, travels in the sealed `requestState`.
Spec: 2026-07-28/basic/patterns/mrtr
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ToolError
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.jsonrpc import encode_json
from mcp_runtime.protocol.messages import InputRequiredResult
from mcp_runtime.state.seal.token_format import sealed_length

if TYPE_CHECKING:  # cryptography takes longer to import than a stdio server has to start
    from mcp_runtime.state.seal.sealer import Sealer

AnswerT = TypeVar("AnswerT")
PURPOSE: Final = "requestState"


class InputNeeded(BaseException):
    """Ends a handler whose question has no answer yet. A BaseException, so that `except Exception` lets it through."""

    def __init__(self, questions: "dict[str, Question[Any]]") -> None:
        super().__init__(", ".join(questions))
        self.questions = questions


class UnusableAnswerError(Exception):
    """An answer of the right shape whose contents do not fit the question; it is asked again."""


class Question(msgspec.Struct, Generic[AnswerT], frozen=True, kw_only=True):
    """One entry of `inputRequests`: its key, the request as JSON, and how its answer is read.

    `read` raises msgspec.ValidationError where the answer is no answer at all, UnusableAnswerError where it does not
    fit.
    """

    key: str
    request: dict[str, Any]
    read: Callable[[Raw], AnswerT]


class _State(Struct, rename={"binding": "b", "round": "r", "answers": "a", "memos": "m"}):
    """The state that is sealed: which request it belongs to, how many rounds it took, the answers and memos so far."""

    binding: bytes
    round: int
    answers: dict[str, Raw] = {}
    memos: dict[str, Raw] = {}


_state_decoder: Final = msgspec.json.Decoder(_State)


def bind(method: str, subject: object) -> bytes:
    """A digest of what a request asks for, so that its state serves no other.

    `subject` is JSON: the name and arguments, or the URI.
    """
    canonical = msgspec.json.encode((method, subject), order="deterministic")
    return hashlib.sha256(canonical).digest()


class Rounds(Struct, kw_only=True, eq=False):
    """The rounds of one call: what is known so far, and what to answer when that is not enough.

    `binding` gives the digest of what the request asks for; it is computed only for calls that take a round.
    """

    sealer: "Callable[[], Sealer]"
    limits: Limits
    principal: str | None
    binding: Callable[[], bytes]
    inputs: dict[str, Raw]
    round: int = 0
    answers: dict[str, Raw] = {}
    memos: dict[str, Raw] = {}

    def resume(self, token: str) -> None:
        """Take up where `token`, the client's `requestState`, left off. Raises PeerError -32602 where it is refused."""
        from mcp_runtime.state.seal.sealer import SealError  # see TYPE_CHECKING above

        try:
            state = _state_decoder.decode(self.sealer().open(token, principal=self.principal))
        except SealError as error:
            raise PeerError(INVALID_PARAMS, _REFUSALS[error.reason]) from None
        if state.binding != self.binding():
            raise PeerError(INVALID_PARAMS, "requestState belongs to another request")
        self.round, self.answers, self.memos = state.round, state.answers, state.memos

    def answer(self, question: Question[AnswerT]) -> AnswerT:
        """The client's answer. Raises InputNeeded where there is none that fits, PeerError where it is malformed."""
        return self.answer_all({question.key: question})[question.key]

    def answer_all(self, questions: "dict[str, Question[AnswerT]]") -> dict[str, AnswerT]:
        """The answers to several questions put at once. Raises InputNeeded with those that still have none."""
        found: dict[str, AnswerT] = {}
        missing: dict[str, Question[Any]] = {}
        for key, question in questions.items():
            raw = self.inputs.get(key, self.answers.get(key))
            if raw is None:
                missing[key] = question
                continue
            try:
                found[key] = question.read(raw)
            except UnusableAnswerError:
                self.answers.pop(key, None)
                missing[key] = question
            except msgspec.ValidationError as error:
                raise PeerError(INVALID_PARAMS, f"Invalid params: inputResponses.{key}: {error}") from None
            else:
                self.answers[key] = raw
        if missing:
            raise InputNeeded(missing)
        return found

    def recall(self, key: str) -> Raw | None:
        """What `memo` stored under `key` in this or an earlier round."""
        return self.memos.get(key)

    def store(self, key: str, value: object) -> Raw:
        """Keep `value`, any JSON, for the rounds to come. Raises ToolError past `limits.max_request_state_bytes`."""
        try:
            encoded = Raw(encode_json(value))
        except TypeError as error:
            raise TypeError(f"memo({key!r}) needs a JSON value: {error}") from None
        self.memos[key] = encoded
        try:
            self._encode()
        except ToolError as error:
            del self.memos[key]
            raise ToolError(f"memo({key!r}) does not fit: {error}") from None
        return encoded

    def _encode(self) -> bytes:
        state = encode_json(
            _State(binding=self.binding(), round=self.round + 1, answers=self.answers, memos=self.memos)
        )
        size, limit = sealed_length(len(state)), self.limits.max_request_state_bytes
        if size > limit:
            raise ToolError(f"the request state would take {size} bytes; the limit is {limit}")
        return state

    def require_input(self, questions: "dict[str, Question[Any]]") -> InputRequiredResult:
        """The result that puts `questions` to the client. Raises ToolError past a limit."""
        if self.round >= self.limits.max_input_rounds:
            raise ToolError(f"This call asked for input {self.round} times, which is the limit")
        state = self._encode()
        token = self.sealer().seal(state, principal=self.principal, ttl_s=self.limits.request_state_ttl_s)
        return InputRequiredResult(
            input_requests={key: question.request for key, question in questions.items()}, request_state=token
        )


_REFUSALS: Final = {
    "malformed": "requestState is malformed",
    "unknown_key": "requestState was not issued by this server, or its key was retired",
    "forged": "requestState failed verification",
    "expired": "requestState has expired; send the request again without it",
}

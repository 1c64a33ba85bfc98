"""Rounds: a handler asks, its call ends, and the retry replays it. Rule: an answer counts for the question asked alone.

What was asked, what earlier rounds answered, and what `memo` computed, travels in the sealed `requestState`: no round
leaves a trace here.
Spec: 2026-07-28/basic/patterns/mrtr
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from itertools import chain
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
DIGEST_BYTES: Final = 9
"""Length of the digest of a question: twelve characters in the state. A client does not choose what it is asked, so it
would have to find a second question with the digest of a first, among 2^72."""


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


class Given(Struct, array_like=True, frozen=True):
    """An answer that was taken, and the digest of the question that it was given to."""

    digest: bytes
    raw: Raw


_NAMES: Final = {"binding": "b", "round": "r", "asked": "q", "numbered": "n", "answers": "g", "memos": "m"}


class _State(Struct, rename=_NAMES):
    """The state that is sealed: whose it is, what was asked in which round, the answers and memos so far.

    `asked` are the digests of the questions of the last round, one after the other.
    """

    binding: bytes
    round: int
    asked: bytes = b""
    numbered: int = 0
    answers: dict[str, Given] = {}
    memos: dict[str, Raw] = {}


_state_decoder: Final = msgspec.json.Decoder(_State)


def bind(method: str, subject: object) -> bytes:
    """A digest of what a request asks for, so that its state serves no other.

    `subject` is JSON: the name and arguments, or the URI.
    """
    canonical = msgspec.json.encode((method, subject), order="deterministic")
    return hashlib.sha256(canonical).digest()


def _contents(request: dict[str, Any]) -> bytes:
    """All that a question says: its method, its text and its schema."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).digest()


def _digest(key: str, contents: bytes) -> bytes:
    return hashlib.sha256(contents + key.encode("utf-8", "surrogatepass")).digest()[:DIGEST_BYTES]


class Rounds(Struct, kw_only=True, eq=False):
    """The rounds of one call: what is known so far, and what to answer when that is not enough.

    `binding` gives the digest of what the request asks for; it is computed only for calls that take a round.
    `unasked_answers` lets the first round take answers to what was never asked.
    """

    sealer: "Callable[[], Sealer]"
    limits: Limits
    principal: str | None
    binding: Callable[[], bytes]
    inputs: dict[str, Raw]
    unasked_answers: bool = False
    round: int = 0
    asked: Collection[bytes] = ()
    numbered: int = 0
    """The highest number that a question without a key has got."""
    answers: dict[str, Given] = {}
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
        self.round, self.numbered, self.answers, self.memos = state.round, state.numbered, state.answers, state.memos
        starts = range(0, len(state.asked), DIGEST_BYTES)
        self.asked = frozenset(state.asked[start : start + DIGEST_BYTES] for start in starts)

    def key_of(self, request: dict[str, Any], taken: Collection[str]) -> str:
        """The key of a question that its author gave none: the one that the same question had before, or a new one.

        So it does not matter in which order questions are come to. `taken` are the keys of this round so far.
        """
        following = len(taken) + 1
        if self.round:
            contents = _contents(request)
            numbers: Iterable[int] = chain((following,), range(1, self.numbered + 1))  # Mostly the first one.
            for key in map(_numbered, numbers):
                if key not in taken and self._knows(key, _digest(key, contents)):
                    return key
        self.numbered = max(following, self.numbered + 1)
        return _numbered(self.numbered)

    def _knows(self, key: str, digest: bytes) -> bool:
        """Whether this very question was put to the client in an earlier round."""
        given = self.answers.get(key)
        return digest in self.asked or (given is not None and given.digest == digest)

    def answer(self, question: Question[AnswerT]) -> AnswerT:
        """The client's answer. Raises InputNeeded where there is none that fits, PeerError where it is malformed."""
        return self.answer_all({question.key: question})[question.key]

    def answer_all(self, questions: "dict[str, Question[AnswerT]]") -> dict[str, AnswerT]:
        """The answers to several questions put at once. Raises InputNeeded with those that still have none."""
        found: dict[str, AnswerT] = {}
        missing: dict[str, Question[Any]] = {}
        for key, question in questions.items():
            digest = _digest(key, _contents(question.request))
            raw = self._answer_to(key, digest)
            if raw is None:
                missing[key] = question
                continue
            try:
                answer = question.read(raw)
            except UnusableAnswerError:
                self.answers.pop(key, None)
                missing[key] = question
                continue
            except msgspec.ValidationError as error:
                raise PeerError(INVALID_PARAMS, f"Invalid params: inputResponses.{key}: {error}") from None
            if self._is_unasked(key, digest):  # It was read all the same: what is no answer at all is an error.
                missing[key] = question
            else:
                found[key] = answer
                self.answers[key] = Given(digest, raw)
        if missing:
            raise InputNeeded(missing)
        return found

    def _answer_to(self, key: str, digest: bytes) -> Raw | None:
        """What was said to the question under this key. What was taken once stays: a later round may rest on it."""
        given = self.answers.get(key)
        if given is not None and given.digest == digest:
            return given.raw
        return self.inputs.get(key) if self.round == 0 or digest in self.asked else None

    def _is_unasked(self, key: str, digest: bytes) -> bool:
        return not self.unasked_answers and not self._knows(key, digest)

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
            self._encode(bytes(DIGEST_BYTES))  # A state that is sealed has a question, at least one.
        except ToolError as error:
            del self.memos[key]
            raise ToolError(f"memo({key!r}) does not fit: {error}") from None
        return encoded

    def _encode(self, asked: bytes) -> bytes:
        state = encode_json(
            _State(
                binding=self.binding(),
                round=self.round + 1,
                asked=asked,
                numbered=self.numbered,
                answers=self.answers,
                memos=self.memos,
            )
        )
        size, limit = sealed_length(len(state)), self.limits.max_request_state_bytes
        if size > limit:
            raise ToolError(f"the request state would take {size} bytes; the limit is {limit}")
        return state

    def require_input(self, questions: "dict[str, Question[Any]]") -> InputRequiredResult:
        """The result that puts `questions` to the client. Raises ToolError past a limit."""
        if self.round >= self.limits.max_input_rounds:
            raise ToolError(f"This call asked for input {self.round} times, which is the limit")
        most = self.limits.max_input_requests
        if len(questions) > most:
            raise ToolError(f"This call has {len(questions)} questions at once; the limit is {most}")
        asked = (_digest(key, _contents(question.request)) for key, question in questions.items())
        state = self._encode(b"".join(asked))
        token = self.sealer().seal(state, principal=self.principal, ttl_s=self.limits.request_state_ttl_s)
        return InputRequiredResult(
            input_requests={key: question.request for key, question in questions.items()}, request_state=token
        )


def _numbered(number: int) -> str:
    return f"input-{number}"


_REFUSALS: Final = {
    "malformed": "requestState is malformed",
    "unknown_key": "requestState was not issued by this server, or its key was retired",
    "forged": "requestState failed verification",
    "expired": "requestState has expired; send the request again without it",
}

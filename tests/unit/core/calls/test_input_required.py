"""A call that needs input ends, and its retry, the same request of the same client, takes up where it left off."""

import json
from bisect import bisect_left
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ToolError
from mcp_runtime.core.calls.rounds import InputNeeded, Question, Rounds, UnusableAnswerError, bind
from mcp_runtime.protocol.content import CreateMessageResult, ElicitResult
from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.messages import InputRequiredResult
from mcp_runtime.state.seal.sealer import KeyRing, Sealer
from mcp_runtime.state.seal.token_format import KEY_BYTES

REQUIREMENTS = pytest.mark.spec("basic/patterns/mrtr#server-requirements-basic-workflow")
ERRORS = pytest.mark.spec("basic/patterns/mrtr#error-handling")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Server:
    """What stays the same between the requests of one exchange: keys, limits and a clock; and nothing else does."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = Limits(**limits)
        self.sealer = Sealer(KeyRing([b"k" * KEY_BYTES]), purpose="requestState", now=self.clock)

    def call(
        self,
        state: str | None = None,
        *,
        principal: str | None = "alice",
        method: str = "tools/call",
        subject: object = ("greet", {"loud": True}),
        **inputs: Any,
    ) -> Rounds:
        """One request, resumed where it brings a state."""
        rounds = Rounds(
            sealer=lambda: self.sealer,
            limits=self.limits,
            principal=principal,
            binding=lambda: bind(method, subject),
            inputs={key: Raw(json.dumps(value).encode()) for key, value in inputs.items()},
        )
        if state is not None:
            rounds.resume(state)
        return rounds


def read_name(raw: Raw) -> str:
    answer = msgspec.json.decode(raw, type=ElicitResult)
    if not isinstance(answer.content, dict) or "name" not in answer.content:
        raise UnusableAnswerError("name is missing")
    return str(answer.content["name"])


def question(key: str) -> Question[str]:
    request = {"method": "elicitation/create", "params": {"message": f"{key}?"}}
    return Question(key=key, request=request, read=read_name)


def accepted(name: object) -> dict[str, Any]:
    return {"action": "accept", "content": {"name": name}}


def asked(rounds: Rounds, *keys: str) -> InputRequiredResult:
    """What the server answers to a handler that asks these questions at once and gets no answer."""
    with pytest.raises(InputNeeded) as needed:
        rounds.answer_all({key: question(key) for key in keys})
    return rounds.require_input(needed.value.questions)


def state_of(result: InputRequiredResult) -> str:
    assert isinstance(result.request_state, str)
    return result.request_state


def keys_of(result: InputRequiredResult) -> list[str]:
    assert isinstance(result.input_requests, dict)
    return list(result.input_requests)


def refusal(server: Server, state: str, **changes: Any) -> PeerError:
    with pytest.raises(PeerError) as refused:
        server.call(state, **changes)
    assert (refused.value.code, refused.value.http_status) == (INVALID_PARAMS, 400)
    return refused.value


# Asking and answering


@REQUIREMENTS
def test_a_question_without_an_answer_is_put_to_the_client_with_a_state() -> None:
    result = asked(Server().call(), "name")
    assert result.result_type == "input_required"
    assert result.input_requests == {"name": {"method": "elicitation/create", "params": {"message": "name?"}}}
    assert state_of(result)


def test_the_retry_has_the_answer() -> None:
    server = Server()
    state = state_of(asked(server.call(), "name"))
    assert server.call(state, name=accepted("Ada")).answer(question("name")) == "Ada"


def test_an_answer_needs_no_state_when_none_was_asked_for() -> None:
    assert Server().call(name=accepted("Ada")).answer(question("name")) == "Ada"


@ERRORS
def test_only_questions_that_still_have_no_answer_are_put_again() -> None:
    server = Server()
    first = asked(server.call(), "a", "b", "c")
    assert keys_of(first) == ["a", "b", "c"]
    second = asked(server.call(state_of(first), b=accepted("B")), "a", "b", "c")
    assert keys_of(second) == ["a", "c"]
    third = server.call(state_of(second), a=accepted("A"), c=accepted("C"))
    assert third.answer_all({key: question(key) for key in "abc"}) == {"a": "A", "b": "B", "c": "C"}


def test_answers_of_all_rounds_are_remembered() -> None:
    server = Server()
    state: str | None = None
    answers: dict[str, Any] = {}
    for number in range(5):
        rounds = server.call(state, **answers)
        for earlier in range(number):
            assert rounds.answer(question(f"q{earlier}")) == f"A{earlier}"
        state = state_of(asked(rounds, f"q{number}"))
        answers = {f"q{number}": accepted(f"A{number}")}


def test_an_answer_sent_again_replaces_the_one_before() -> None:
    server = Server()
    first = server.call(a=accepted("old"))
    assert first.answer(question("a")) == "old"
    retry = server.call(state_of(asked(first, "b")), a=accepted("new"), b=accepted("B"))
    assert retry.answer(question("a")) == "new"
    third = server.call(state_of(asked(retry, "c")))
    assert third.answer(question("a")) == "new"


@ERRORS
def test_answers_nobody_asked_for_are_ignored() -> None:
    server = Server()
    state = state_of(asked(server.call(), "name"))
    rounds = server.call(state, name=accepted("Ada"), other={"what": "ever"}, more=[])
    assert rounds.answer(question("name")) == "Ada"


@ERRORS
@pytest.mark.parametrize("answer", [{"action": "accept"}, {"action": "accept", "content": {"nom": "Ada"}}])
def test_an_answer_that_does_not_fit_is_asked_for_again(answer: dict[str, Any]) -> None:
    server = Server()
    state = state_of(asked(server.call(), "name"))
    again = asked(server.call(state, name=answer), "name")
    assert keys_of(again) == ["name"]
    assert server.call(state_of(again), name=accepted("Ada")).answer(question("name")) == "Ada"


def test_an_answer_that_stopped_fitting_is_forgotten() -> None:
    server = Server()
    first = server.call(a=accepted("A"))
    first.answer(question("a"))
    again = asked(server.call(state_of(asked(first, "b")), a={"action": "accept"}), "a")
    with pytest.raises(InputNeeded):
        server.call(state_of(again)).answer(question("a"))


@ERRORS
@pytest.mark.parametrize(
    "raw",
    [
        b"null",
        b"[]",
        b'"Ada"',
        b"{}",
        b'{"action":"yes"}',
        b'{"action":"accept","content":{"name":{"first":"Ada"}}}',
        b'{"action":"accept","content":{"name":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
    ],
    ids=lambda raw: raw[:60].decode("latin-1"),
)
def test_an_answer_of_the_wrong_shape_is_the_clients_error(raw: bytes) -> None:
    rounds = Server().call()
    rounds.inputs["name"] = Raw(raw)
    with pytest.raises(PeerError) as refused:
        rounds.answer(question("name"))
    assert refused.value.code == INVALID_PARAMS
    assert "inputResponses.name" in refused.value.message


def test_the_answer_of_a_model_is_read_by_its_own_question() -> None:
    sampled = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}
    capital: Question[CreateMessageResult] = Question(
        key="capital", request={}, read=msgspec.json.Decoder(CreateMessageResult).decode
    )
    assert Server().call(capital=sampled).answer(capital).text == "Paris"


# Memos


def test_a_memo_is_kept_over_all_rounds() -> None:
    server = Server()
    first = server.call()
    assert first.recall("m") is None
    assert json.loads(bytes(first.store("m", {"a": [1, None]}))) == {"a": [1, None]}
    second = server.call(state_of(asked(first, "a")))
    assert second.recall("m") is not None
    second.store("n", 2)
    third = server.call(state_of(asked(second, "b")))
    memos = [third.recall(key) for key in "mn"]
    assert [json.loads(bytes(memo)) for memo in memos if memo is not None] == [{"a": [1, None]}, 2]


@given(JSON_VALUES)
def test_any_json_can_be_kept(value: object) -> None:
    server = Server()
    first = server.call()
    first.store("m", value)
    kept = server.call(state_of(asked(first, "a"))).recall("m")
    assert kept is not None
    assert json.loads(bytes(kept)) == value


def test_a_memo_of_no_json_is_a_type_error_that_names_it() -> None:
    with pytest.raises(TypeError, match=r"memo\('m'\) needs a JSON value"):
        Server().call().store("m", object())


# Limits


def fits(server: Server, size: int) -> bool:
    rounds = server.call()
    try:
        rounds.store("m", "x" * size)
    except ToolError:
        assert rounds.recall("m") is None
        return False
    return True


@pytest.mark.parametrize("limit", [1024, 2048, 32_768])
def test_a_memo_is_bounded_by_the_length_of_the_sealed_state(limit: int) -> None:
    # The limit is described as that of the "longest sealed requestState".
    server = Server(max_request_state_bytes=limit)
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(server, middle) else (low, middle)
    rounds = server.call()
    rounds.store("m", "x" * low)
    # Base64 grows in steps of four for each three bytes: nothing nearer to the limit can be reached.
    assert limit - 4 <= len(state_of(asked(rounds, "a"))) <= limit
    with pytest.raises(ToolError, match=rf"memo\('m'\) does not fit.*the limit is {limit}"):
        server.call().store("m", "x" * (low + 1))


# Tokens grow in steps of four characters for three bytes, so that some lengths do not exist; these do.
@pytest.mark.parametrize("limit", [1025, 1026, 1027, 32_769])
def test_a_state_of_exactly_the_limit_is_sealed_and_one_byte_more_is_not(limit: int) -> None:
    server = Server(max_request_state_bytes=limit)
    size = bisect_left(range(limit), True, key=lambda tried: not fits(server, tried)) - 1
    rounds = server.call()
    rounds.store("m", "x" * size)
    assert len(state_of(asked(rounds, "a"))) == limit
    longer = server.call()
    with pytest.raises(ToolError, match=rf"would take ({limit + 1}|{limit + 2}) bytes; the limit is {limit}"):
        longer.store("m", "x" * (size + 1))
    longer.memos["m"] = Raw(json.dumps("x" * (size + 1)).encode())
    with pytest.raises(InputNeeded) as needed:
        longer.answer(question("a"))
    with pytest.raises(ToolError, match=f"the limit is {limit}"):
        longer.require_input(needed.value.questions)


def test_a_memo_that_did_not_fit_is_forgotten() -> None:
    rounds = Server(max_request_state_bytes=1024).call()
    rounds.store("small", 1)
    with pytest.raises(ToolError):
        rounds.store("big", "x" * 2000)
    assert rounds.recall("big") is None
    assert rounds.recall("small") is not None
    asked(rounds, "a")


def test_answers_count_towards_the_limit_too() -> None:
    rounds = Server(max_request_state_bytes=1024).call(a=accepted("x" * 2000))
    rounds.answer(question("a"))
    with pytest.raises(InputNeeded) as needed:
        rounds.answer(question("b"))
    with pytest.raises(ToolError, match="the limit is 1024"):
        rounds.require_input(needed.value.questions)


@pytest.mark.parametrize("limit", [1, 2, 16])
def test_a_call_asks_no_more_often_than_the_limit(limit: int) -> None:
    server = Server(max_input_rounds=limit)
    state = None
    for _ in range(limit):
        state = state_of(asked(server.call(state), "name"))
    last = server.call(state)
    with pytest.raises(InputNeeded) as needed:
        last.answer(question("name"))
    with pytest.raises(ToolError, match=f"asked for input {limit} times"):
        last.require_input(needed.value.questions)
    assert server.call(state, name=accepted("Ada")).answer(question("name")) == "Ada"


@REQUIREMENTS
def test_a_state_expires_at_its_exact_edge() -> None:
    server = Server(request_state_ttl_s=600.0)
    state = state_of(asked(server.call(), "name"))
    server.clock.now_s += 599.9
    server.call(state)
    server.clock.now_s += 0.1
    assert "expired" in refusal(server, state).message


def test_each_round_starts_the_time_anew() -> None:
    server = Server(request_state_ttl_s=600.0)
    state = state_of(asked(server.call(), "a"))
    server.clock.now_s += 500
    state = state_of(asked(server.call(state), "b"))
    server.clock.now_s += 500
    server.call(state)


# Binding


@REQUIREMENTS
@pytest.mark.parametrize(
    "changes",
    [
        {"subject": ("greet", {"loud": False})},
        {"subject": ("greet", {})},
        {"subject": ("greet", {"loud": True, "more": None})},
        {"subject": ("greet", {"loud": 1})},
        {"subject": ("delete", {"loud": True})},
        {"subject": "greet"},
        {"method": "prompts/get"},
    ],
)
def test_a_state_serves_no_other_request(changes: dict[str, Any]) -> None:
    server = Server()
    state = state_of(asked(server.call(), "name"))
    assert refusal(server, state, **changes).message == "requestState belongs to another request"


def test_the_order_of_arguments_makes_no_other_request() -> None:
    server = Server()
    state = state_of(asked(server.call(subject=("t", {"a": 1, "b": {"c": 2, "d": 3}})), "name"))
    server.call(state, subject=("t", {"b": {"d": 3, "c": 2}, "a": 1}))


@REQUIREMENTS
@pytest.mark.parametrize("principal", ["bob", None, "", "Alice"])
def test_a_state_serves_no_other_principal(principal: str | None) -> None:
    server = Server()
    state = state_of(asked(server.call(), "name"))
    assert refusal(server, state, principal=principal).message == "requestState failed verification"


@REQUIREMENTS
@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda state: state + "-TAMPERED", "requestState"),
        (lambda state: state[:-1], "requestState"),
        (lambda state: "v1.AAAA" + state[7:], "requestState was not issued by this server, or its key was retired"),
        (lambda _: "", "requestState is malformed"),
        (lambda _: "eyJsb2NhdGlvbiI6Ik5ldyBZb3JrIn0", "requestState is malformed"),
    ],
)
def test_a_state_that_was_tampered_with_is_refused(tamper: Any, message: str) -> None:
    server = Server()
    state = state_of(asked(server.call(), "name"))
    assert refusal(server, tamper(state)).message.startswith(message)


def test_a_state_shows_the_client_nothing() -> None:
    server = Server()
    rounds = server.call()
    rounds.store("m", "a secret that the client shall not read")
    assert "secret" not in state_of(asked(rounds, "name"))


def test_a_server_that_shares_the_keys_takes_the_state_up() -> None:
    state = state_of(asked(Server().call(), "name"))
    assert Server().call(state, name=accepted("Ada")).answer(question("name")) == "Ada"


def test_what_needs_input_is_let_through_by_authors_that_catch_exceptions() -> None:
    assert not issubclass(InputNeeded, Exception)
    assert str(InputNeeded({"a": question("a"), "b": question("b")})) == "a, b"


@given(JSON_VALUES, JSON_VALUES)
def test_only_equal_requests_have_equal_bindings(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (bind("tools/call", one) == bind("tools/call", other)) is same
    assert bind("tools/call", one) == bind("tools/call", json.loads(json.dumps(one)))
    assert bind("tools/call", one) != bind("prompts/get", one)


@REQUIREMENTS
@pytest.mark.parametrize("ttl_s", [60, 3600])
def test_a_state_expires_when_the_operator_says(ttl_s: int) -> None:
    server = Server(request_state_ttl_s=ttl_s)
    state = state_of(asked(server.call(), "name"))
    server.clock.now_s += ttl_s - 1
    assert server.call(state, name=accepted("Ada")).answer(question("name")) == "Ada"
    server.clock.now_s += 2
    assert refusal(server, state).message.startswith("requestState has expired")

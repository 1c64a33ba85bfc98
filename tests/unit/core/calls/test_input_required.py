"""A call that needs input ends, and its retry, the same request of the same client, takes up where it left off."""

import json
from bisect import bisect_left
from collections.abc import Iterable
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


def answered(server: Server, state: str | None, answers: dict[str, Any]) -> Rounds:
    """As `Server.call`, for keys that are no names of Python."""
    rounds = server.call(state)
    rounds.inputs.update({key: Raw(json.dumps(value).encode()) for key, value in answers.items()})
    return rounds


def read_name(raw: Raw) -> str:
    answer = msgspec.json.decode(raw, type=ElicitResult)
    if not isinstance(answer.content, dict) or "name" not in answer.content:
        raise UnusableAnswerError("name is missing")
    return str(answer.content["name"])


def question(key: str, message: str | None = None, **more: Any) -> Question[str]:
    params = {"message": message or f"{key}?", **more}
    return Question(key=key, request={"method": "elicitation/create", "params": params}, read=read_name)


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


def test_an_answer_to_what_was_not_asked_yet_is_unused_and_the_question_is_put() -> None:
    server = Server()
    first = server.call(name=accepted("Mallory"))
    state = state_of(asked(first, "name"))
    assert keys_of(asked(server.call(state), "name")) == ["name"]
    assert server.call(state, name=accepted("Ada")).answer(question("name")) == "Ada"


def test_an_answer_to_what_another_round_asked_is_unused() -> None:
    server = Server()
    state = state_of(asked(server.call(), "first"))
    second = server.call(state, first=accepted("A"), second=accepted("Mallory"))
    assert second.answer(question("first")) == "A"
    assert keys_of(asked(second, "second")) == ["second"]


def test_where_its_author_says_so_an_answer_needs_no_state() -> None:
    server = Server()
    first = server.call(name=accepted("Ada"))
    first.unasked_answers = True
    assert first.answer(question("name")) == "Ada"
    again = server.call(state_of(asked(first, "other")), other=accepted("O"), third=accepted("Mallory"))
    again.unasked_answers = True
    assert [again.answer(question(key)) for key in ("name", "other")] == ["Ada", "O"]
    with pytest.raises(InputNeeded):  # A state says what was asked, and that holds.
        again.answer(question("third"))


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


def test_an_answer_that_was_taken_stays() -> None:
    # What came after may rest on it: a memo, or what the user was told when they agreed.
    server = Server()
    state = state_of(asked(server.call(), "a"))
    second = server.call(state, a=accepted("pen"))
    assert second.answer(question("a")) == "pen"
    retry = server.call(state_of(asked(second, "b")), a=accepted("gold"), b=accepted("B"))
    assert retry.answer_all({key: question(key) for key in "ab"}) == {"a": "pen", "b": "B"}
    third = server.call(state_of(asked(retry, "c")), a={"action": "accept"})
    assert third.answer(question("a")) == "pen"


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

    def picky(raw: Raw) -> str:
        raise UnusableAnswerError(f"{bytes(raw)!r} fits no longer")

    rounds = server.call(state_of(asked(server.call(), "a")), a=accepted("A"))
    rounds.answer(question("a"))
    later = server.call(state_of(asked(rounds, "b")))
    with pytest.raises(InputNeeded) as needed:
        later.answer(Question(key="a", request=question("a").request, read=picky))
    again = later.require_input(needed.value.questions)
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
    server = Server()
    state = state_of(server.call().require_input({"capital": capital}))
    assert server.call(state, capital=sampled).answer(capital).text == "Paris"


# Answers and their questions


@pytest.mark.parametrize(
    "changed",
    [
        question("pay", "Pay 1000?"),
        question("pay", requestedSchema={"type": "object"}),
        question("pay", "pay?", mode="url"),
        Question(key="pay", request={"method": "roots/list", "params": {"message": "pay?"}}, read=read_name),
    ],
    ids=["message", "schema", "mode", "method"],
)
def test_an_answer_counts_for_no_other_question_under_its_key(changed: Question[str]) -> None:
    server = Server()
    state = state_of(asked(server.call(), "pay"))
    for rounds in (server.call(state, pay=accepted("yes")), after_an_answer(server, "pay")):
        with pytest.raises(InputNeeded) as needed:
            rounds.answer(changed)
        again = server.call(state_of(rounds.require_input(needed.value.questions)), pay=accepted("fine"))
        assert again.answer(changed) == "fine"


def after_an_answer(server: Server, key: str) -> Rounds:
    """A round in which the state has the answer to `key`."""
    second = answered(server, state_of(asked(server.call(), key)), {key: accepted("yes")})
    second.answer(question(key))
    return server.call(state_of(asked(second, "more")))


def test_what_is_no_answer_to_the_new_question_is_unused_as_well() -> None:
    # The client answered what it was asked: the model, when now it is the user.
    server = Server()
    model: Question[CreateMessageResult] = Question(
        key="who", request={"method": "m"}, read=msgspec.json.Decoder(CreateMessageResult).decode
    )
    state = state_of(server.call().require_input({"who": model}))
    sampled = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Ada"}}
    assert keys_of(asked(server.call(state, who=sampled), "who")) == ["who"]


def unkeyed(rounds: Rounds, messages: Iterable[str]) -> dict[str, Question[str]]:
    """Questions without keys of their own, in the order in which a handler comes to them."""
    found: dict[str, Question[str]] = {}
    for message in messages:
        made = question("", message)
        key = rounds.key_of(made.request, found)
        found[key] = Question(key=key, request=made.request, read=read_name)
    return found


@given(st.permutations("ABC"), st.permutations("ABCD"))
def test_without_keys_answers_find_their_questions_in_any_order(first: list[str], second: list[str]) -> None:
    server = Server()
    begun = server.call()
    put = unkeyed(begun, first)
    assert list(put) == ["input-1", "input-2", "input-3"]
    state = state_of(begun.require_input(put))
    answers = {key: accepted(made.request["params"]["message"]) for key, made in put.items()}
    retry = answered(server, state, answers)
    questions = unkeyed(retry, second)
    with pytest.raises(InputNeeded) as needed:
        retry.answer_all(questions)
    assert [made.request["params"]["message"] for made in needed.value.questions.values()] == ["D"]
    third = answered(server, state_of(retry.require_input(needed.value.questions)), {"input-4": accepted("D")})
    found = third.answer_all(again := unkeyed(third, reversed(second)))
    assert {made.request["params"]["message"]: found[key] for key, made in again.items()} == {m: m for m in "ABCD"}


def test_a_changed_question_without_a_key_takes_no_other_ones_place() -> None:
    server = Server()
    begun = server.call()
    state = state_of(begun.require_input(unkeyed(begun, ["It is 12:00. Go?", "Where?"])))
    retry = answered(server, state, {"input-1": accepted("go"), "input-2": accepted("home")})
    questions = unkeyed(retry, ["It is 12:01. Go?", "Where?"])
    assert list(questions) == ["input-3", "input-2"]
    with pytest.raises(InputNeeded) as needed:
        retry.answer_all(questions)
    assert list(needed.value.questions) == ["input-3"]


def test_the_same_question_asked_again_has_an_answer_of_its_own() -> None:
    server = Server()
    state: str | None = None
    answers: dict[str, Any] = {}
    for number in range(4):
        rounds = answered(server, state, answers)
        questions = unkeyed(rounds, ["Next?"] * (number + 1))
        with pytest.raises(InputNeeded) as needed:
            rounds.answer_all(questions)
        assert list(needed.value.questions) == [f"input-{number + 1}"]
        state = state_of(rounds.require_input(needed.value.questions))
        answers = {f"input-{number + 1}": accepted(f"A{number}")}
    last = answered(server, state, answers)
    assert list(last.answer_all(unkeyed(last, ["Next?"] * 4)).values()) == ["A0", "A1", "A2", "A3"]


def test_a_state_that_an_earlier_version_sealed_has_the_questions_asked_again() -> None:
    server = Server()
    rounds = server.call()
    kept = {"b": rounds.binding(), "r": 1, "a": {"name": accepted("Ada")}, "m": {"m": 7}}
    state = server.sealer.seal(msgspec.json.encode(kept), principal="alice", ttl_s=60)
    retry = server.call(state, name=accepted("Ada"))
    kept_memo = retry.recall("m")
    assert kept_memo is not None
    assert bytes(kept_memo) == b"7"
    assert keys_of(asked(retry, "name")) == ["name"]


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
    rounds.unasked_answers = True
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


@pytest.mark.parametrize("limit", [1, 64])
def test_a_call_asks_no_more_at_once_than_the_limit(limit: int) -> None:
    server = Server(max_input_requests=limit)
    assert len(keys_of(asked(server.call(), *map(str, range(limit))))) == limit
    more = server.call()
    with pytest.raises(InputNeeded) as needed:
        more.answer_all({str(number): question(str(number)) for number in range(limit + 1)})
    with pytest.raises(ToolError, match=f"has {limit + 1} questions at once; the limit is {limit}"):
        more.require_input(needed.value.questions)


def test_questions_count_towards_the_limit_of_the_state_too() -> None:
    server = Server(max_request_state_bytes=1024)
    assert len(state_of(asked(server.call(), *map(str, range(30))))) <= 1024
    with pytest.raises(ToolError, match="the limit is 1024"):
        asked(server.call(), *map(str, range(60)))


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

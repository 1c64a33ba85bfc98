"""An answer belongs to its question: no client agrees to what its user was not asked; and asking floods nobody."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.blocking_old_http import SessionClient, initialize, old_call
from tests.support.blocking_stdio import StdioServer
from tests.support.messages import Message, accepted, call, encode, request, rooted, sampled, text
from tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.process, pytest.mark.spec("2026-07-28/basic/patterns/mrtr#error-handling")]

PLUGIN: Final = '''
import random
import sys
from dataclasses import dataclass
from typing import Any

import anyio
from mcp_runtime import Context, Plugin, SyncContext

plugin: Plugin[Any] = Plugin("bank")
price = {"now": 10}
shuffled = random.Random()

def say(what: str) -> None:
    print(f"probe: {what}", file=sys.stderr, flush=True)

@dataclass
class Consent:
    yes: bool

@dataclass
class Text:
    text: str

@plugin.tool
async def set_price(to: int) -> str:
    """Change the price."""
    price["now"] = to
    return "set"

@plugin.tool
async def pay(ctx: Context, *, keyed: bool = True) -> str:
    """Pay, once the user agrees."""
    now = price["now"]
    if (await ctx.elicit(f"Pay {now}?", Consent, key="pay" if keyed else None)).data.yes:
        say(f"paid {now}")
    await ctx.elicit("Another?", Consent, key="another")
    return f"paid {now}"

@plugin.tool
def pay_in_thread(ctx: SyncContext) -> str:
    """Pay, in a plain function."""
    return f"paid: {ctx.elicit('Pay?', Consent, key='pay').data.yes}"

@plugin.tool(unasked_answers=True)
async def hurry(ctx: Context) -> str:
    """Take an answer at once."""
    return f"yes: {(await ctx.elicit('Go?', Consent, key='go')).data.yes}"

@plugin.resource("vault://safe")
async def safe(ctx: Context) -> str:
    """Open the safe."""
    return f"open: {(await ctx.elicit('Open?', Consent, key='pay')).data.yes}"

@plugin.prompt
async def letter(ctx: Context) -> str:
    """Write a letter."""
    return f"sent: {(await ctx.elicit('Send?', Consent, key='pay')).data.yes}"

@plugin.tool
async def buy(ctx: Context) -> str:
    """Buy what the user names, at a price that is looked up once."""
    item = (await ctx.elicit("Which?", Text, key="item")).data.text
    cost = await ctx.memo("cost", lambda: 1000 if item == "gold" else 1)
    await ctx.elicit(f"For {cost}?", Consent, key="sure")
    return f"{item} for {cost}"

@plugin.tool
async def kind(of: str, ctx: Context) -> str:
    """Ask one thing, and another once the price has changed, under one key."""
    if of == "model":
        changed = ctx.sample(f"Say {price['now']}", max_tokens=9, key="q")
    elif of == "url":
        changed = ctx.elicit_url("Open", f"https://bank.example/{price['now']}", key="q")
    elif of == "schema":
        field = {"type": "boolean", "description": f"I pay {price['now']}"}
        changed = ctx.elicit("Pay?", {"type": "object", "properties": {"yes": field}}, key="q")
    elif price["now"] == 10:
        changed = ctx.roots(key="q")
    else:
        changed = ctx.elicit("Pay?", Consent, key="q")
    await changed
    return "done"

@plugin.tool
async def crowd(ctx: Context, number: int = 3) -> dict[str, str]:
    """Ask several questions from tasks that run in any order."""
    found: dict[str, str] = {}
    async def one(name: str) -> None:
        found[name] = (await ctx.elicit(f"{name}?", Text)).data.text
    names = [f"q{index}" for index in range(number)]
    async with anyio.create_task_group() as tasks:
        for name in shuffled.sample(names, number):
            tasks.start_soon(one, name)
    return found

@plugin.tool
async def count_up(times: int, ctx: Context) -> str:
    """Report at every step."""
    for step in range(1, times + 1):
        await ctx.progress(step, times)
        await ctx.message("info", step)
    return "counted"

@plugin.tool
async def give(size: int) -> str:
    """Answer at length."""
    say("gave")
    return "x" * size
'''
LIMITS: Final = {
    "MCP_RUNTIME_LIMITS_MAX_INPUT_REQUESTS": "8",
    "MCP_RUNTIME_LIMITS_MAX_NOTIFICATIONS_PER_SECOND": "50",
    "MCP_RUNTIME_BRIDGES_HTTP_SESSIONS_MAX_BATCH_ANSWER_BYTES": "100000",
}
YES: Final = accepted(yes=True)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("consent") / "bank.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture(scope="module")
def server(plugin: Path) -> Iterator[ServerProcess]:
    arguments = ("--plugin", str(plugin), "--bind", "127.0.0.1:0")
    with ServerProcess(*arguments, directory=plugin.parent, environment=LIMITS) as process:
        yield process
        process.signal()
        assert process.exit_code() == 0
        assert "handler_failed" not in process.errors.text


@pytest.fixture
def url(server: ServerProcess) -> str:
    ask(server.url, call("set_price", to=10))
    return server.url


def asked(answer: Message) -> dict[str, str]:
    """The messages of the questions in an answer."""
    requests = answer["result"]["inputRequests"]
    return {key: one["params"].get("message", "") for key, one in requests.items()}


def retry(url: str, message: Message, answer: Message, **responses: Message) -> Message:
    """Send the request again with answers to what it asked."""
    more = {"inputResponses": responses, "requestState": answer["result"]["requestState"]}
    return ask(url, {**message, "params": {**message["params"], **more}})


@pytest.mark.parametrize(
    "message",
    [
        call("pay"),
        call("pay_in_thread"),
        request("resources/read", {"uri": "vault://safe"}),
        request("prompts/get", {"name": "letter"}),
    ],
    ids=["tool", "plain function", "resource", "prompt"],
)
def test_an_answer_to_what_nobody_asked_is_unused(message: Message, url: str) -> None:
    forged = {**message, "params": {**message["params"], "inputResponses": {"pay": YES}}}
    answer = ask(url, forged)
    assert list(asked(answer)) == ["pay"]
    assert "requestState" in answer["result"]
    assert list(asked(retry(url, message, answer))) == ["pay"]  # Nor is it remembered.


def test_an_answer_to_a_question_that_is_to_come_is_unused(url: str) -> None:
    answer = ask(url, call("pay"))
    second = retry(url, call("pay"), answer, pay=YES, another=YES)
    assert asked(second) == {"another": "Another?"}


def test_an_author_may_let_answers_come_at_once(url: str) -> None:
    message = call("hurry")
    message["params"]["inputResponses"] = {"go": YES}
    assert text(ask(url, message)) == "yes: True"


@pytest.mark.parametrize("keyed", [True, False])
def test_who_agreed_to_one_price_has_not_agreed_to_another(keyed: bool, server: ServerProcess, url: str) -> None:
    message = call("pay", keyed=keyed)
    first = ask(url, message)
    (key,) = asked(first)
    ask(url, call("set_price", to=1000))
    second = retry(url, message, first, **{key: YES})
    assert list(asked(second).values()) == ["Pay 1000?"]
    ask(url, call("set_price", to=10))
    agreed = retry(url, message, first, **{key: YES})
    ask(url, call("set_price", to=2000))  # And what was taken is bound to its question as well.
    assert list(asked(retry(url, message, agreed, another=YES)).values()) == ["Pay 2000?"]
    assert "probe: paid 1000" not in server.errors.text
    assert "probe: paid 2000" not in server.errors.text


@pytest.mark.parametrize(
    ("of", "response"),
    [("model", sampled("10")), ("url", {"action": "accept"}), ("schema", YES), ("method", rooted("file:///a"))],
)
def test_whatever_has_changed_in_a_question_it_is_put_again(of: str, response: Message, url: str) -> None:
    message = call("kind", of=of)
    first = ask(url, message)
    ask(url, call("set_price", to=1000))
    second = retry(url, message, first, q=response)
    assert second["result"]["inputRequests"]["q"] != first["result"]["inputRequests"]["q"]
    ask(url, call("set_price", to=10))
    assert text(retry(url, message, first, q=response)) == "done"


def test_an_answer_that_others_rest_on_is_not_exchanged(url: str) -> None:
    message = call("buy")
    sure = retry(url, message, ask(url, message), item=accepted(text="pen"))
    assert asked(sure) == {"sure": "For 1?"}
    bought = retry(url, message, sure, item=accepted(text="gold"), sure=YES)
    assert text(bought) == "pen for 1"


def test_a_state_answers_no_other_call(url: str) -> None:
    answer = ask(url, call("kind", of="method"))
    for other in (call("kind", of="url"), call("pay"), request("prompts/get", {"name": "letter"})):
        assert retry(url, other, answer, q=YES)["error"]["code"] == -32602


def test_tasks_that_run_in_any_order_get_their_own_answers(url: str) -> None:
    # One connection: twenty conversations, of three questions each.
    with Connection(url) as connection:
        for _ in range(20):
            message = call("crowd")
            answer = connection.ask(message)
            while "inputRequests" in answer["result"]:
                # Half of what is asked is answered at a time, so that the rest has to find its place again.
                put = dict(random.sample(list(asked(answer).items()), k=(len(asked(answer)) + 1) // 2))
                responses = {key: accepted(text=f"to {question}") for key, question in put.items()}
                more = {"inputResponses": responses, "requestState": answer["result"]["requestState"]}
                answer = connection.ask({**message, "params": {**message["params"], **more}})
            assert answer["result"]["structuredContent"] == {f"q{index}": f"to q{index}?" for index in range(3)}


def test_a_call_asks_no_more_at_once_than_the_limit(url: str) -> None:
    assert len(asked(ask(url, call("crowd", number=8)))) == 8
    refused = ask(url, call("crowd", number=9))["result"]
    assert refused["isError"]
    assert "9 questions at once; the limit is 8" in refused["content"][0]["text"]


def test_an_older_client_is_asked_each_question_and_its_answers_are_its_own(url: str) -> None:
    with SessionClient(url) as client:
        forged: dict[str, Any] = {"inputResponses": {"pay": YES, "input-1": YES}}
        message = old_call("crowd", number=5)
        message["params"] |= forged
        *questions, answer = _answered(client, client.open(message), lambda put: accepted(text=f"to {put}"))
        assert sorted(questions) == [f"q{index}?" for index in range(5)]
        assert json.loads(text(answer)) == {f"q{index}": f"to q{index}?" for index in range(5)}
        message = old_call("pay")
        message["params"] |= forged
        *questions, answer = _answered(client, client.open(message), lambda _: YES)
        assert (questions, text(answer)) == (["Pay 10?", "Another?"], "paid 10")


def _answered(client: SessionClient, connection: Connection, answer: Any) -> Iterator[Any]:
    """The questions on a call's stream, each answered as it comes, and then the response."""
    for message in connection.messages():
        if message.get("method") != "elicitation/create":
            yield message
            return
        put = message["params"]["message"]
        yield put
        response: Message = {"jsonrpc": "2.0", "id": message["id"], "result": answer(put)}
        assert client.open(response).response().status == 202


@pytest.mark.spec("2026-07-28/basic/patterns/progress#implementation-notes")
def test_a_call_that_reports_without_measure_floods_no_client(url: str) -> None:
    steps = 5000
    meta = {"progressToken": "t", "io.modelcontextprotocol/logLevel": "debug"}
    with Connection(url) as connection:
        connection.send(call("count_up", times=steps, meta=meta))
        *heard, answer = connection.messages()
    assert text(answer) == "counted"
    progress = [one["params"]["progress"] for one in heard if one["method"] == "notifications/progress"]
    logged = [one["params"]["data"] for one in heard if one["method"] == "notifications/message"]
    assert (progress[:50], progress[-1]) == ([*range(1, 51)], steps)
    assert progress == sorted(progress)
    assert len(progress) < steps / 2
    assert len(logged) < steps / 2
    missing = sum(int(one.split()[0]) for one in logged if isinstance(one, str))
    assert len([one for one in logged if isinstance(one, int)]) + missing == steps


def _batch() -> list[Message]:
    """Ten kilobytes that ask for a hundred times 30 kB."""
    return [old_call("give", number, size=30_000) for number in range(100)]


def test_over_http_the_answers_to_a_batch_are_sent_as_they_come(url: str) -> None:
    with SessionClient(url, revision="2025-03-26") as client:
        answers = list(client.open(_batch()).messages())
    assert [one["id"] for one in answers] == list(range(100))
    assert {len(text(one)) for one in answers} == {30_000}


def test_on_stdio_a_batch_has_a_budget_for_its_answers(plugin: Path) -> None:
    with StdioServer("--plugin", str(plugin), directory=plugin.parent, environment=LIMITS) as stdio:
        stdio.ask(initialize("2025-03-26"))
        stdio.send_bytes(encode(_batch()) + b"\n")
        stdio.close_stdin()
        *_, line = stdio.read_to_end().splitlines()
        assert stdio.exit_code() == 0
        answers = json.loads(line)
        assert stdio.errors.text.count("probe: gave") == 4  # 30 kB each, to a budget of 100 kB
    assert [one["id"] for one in answers] == list(range(100))
    assert [one["id"] for one in answers if "error" in one] == list(range(4, 100))
    assert {one["error"]["code"] for one in answers[4:]} == {-32603}

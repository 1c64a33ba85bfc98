"""What the dispatcher answers: a result that says who sent it, or one error, whatever the handler does."""

import json
from collections.abc import Callable, Generator
from typing import Any

import pytest
import trio

from mcp_runtime import PeerError, Plugin, ToolError, ToolResult
from mcp_runtime.config import Limits, ServerConfig
from mcp_runtime.config.cache import CachePolicies, CachePolicy
from mcp_runtime.core.calls.call import Reply
from tests.support.captured_log import Events, captured_log
from tests.support.dispatcher_client import Client, text_of
from tests.support.dispatching import (
    INCIDENT,
    KINDS,
    NAMED,
    SECRET,
    SERVER_INFO,
    completion,
    error_of,
    fails,
    make_plugin,
    raising,
    serving,
    serving_elsewhere,
    slow,
)
from tests.support.messages import VERSION


@pytest.fixture
def client() -> Client:
    return Client(make_plugin())


@pytest.fixture
def log() -> Generator[Events]:
    with captured_log() as events:
        yield events


# What is served


@pytest.mark.spec("server/discover#response")
async def test_discover_says_what_the_server_is_and_can_do(client: Client) -> None:
    found = await client.request("server/discover", id="discover-1")
    server_info = found.pop("_meta")[SERVER_INFO]
    assert server_info["name"] == "mcp-runtime"
    assert server_info["version"]
    assert found == {
        "resultType": "complete",
        "supportedVersions": [VERSION],
        "capabilities": {
            "logging": {},
            "tools": {"listChanged": True},
            "resources": {"listChanged": True, "subscribe": True},
            "prompts": {"listChanged": True},
            "completions": {},
        },
        "ttlMs": 3_600_000,
        "cacheScope": "public",
    }


@pytest.mark.spec("server/utilities/completion#capabilities")
async def test_completions_are_declared_once_there_are_some(client: Client) -> None:
    plugin = Plugin("empty")
    empty = Client(plugin)
    assert "completions" not in (await empty.request("server/discover"))["capabilities"]
    plugin.completion(prompt="p", argument="a")(slow)
    assert (await empty.request("server/discover"))["capabilities"]["completions"] == {}


@pytest.mark.spec("server/utilities/caching#cacheable-results")
@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("server/discover", {}, "discover"),
        ("tools/list", {}, "tools"),
        ("resources/list", {}, "resources"),
        ("resources/templates/list", {}, "resource_templates"),
        ("prompts/list", {}, "prompts"),
        ("resources/read", {"uri": "note://one"}, "resource_contents"),
        ("resources/read", {"uri": "note://numbered/1"}, "resource_contents"),
    ],
)
async def test_every_cacheable_result_says_how_long_and_for_whom(
    method: str, params: dict[str, Any], field: str
) -> None:
    cache = CachePolicies(**{field: CachePolicy(ttl_ms=12_345, scope="private")})
    found = await Client(make_plugin(), cache=cache).request(method, params)
    assert (found["ttlMs"], found["cacheScope"]) == (12_345, "private")


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "completion/complete"])
async def test_other_results_carry_no_caching_hints(client: Client, method: str) -> None:
    completion = {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "lang", "value": "py"}}
    found = await client.request(method, NAMED[method][1] if method in NAMED else completion)
    assert not {"ttlMs", "cacheScope"} & set(found)


@pytest.mark.spec("server/resources#reading-resources")
@pytest.mark.parametrize(("uri", "text"), [("note://one", "one"), ("note://numbered/7", "7")])
async def test_a_resource_is_read_by_its_uri_or_template(client: Client, uri: str, text: str) -> None:
    found = await client.request("resources/read", {"uri": uri})
    assert found["contents"] == [{"uri": uri, "text": text, "mimeType": "text/plain"}]


@pytest.mark.spec("server/prompts#getting-a-prompt")
async def test_a_prompt_is_filled_in(client: Client) -> None:
    found = await client.request("prompts/get", {"name": "review", "arguments": {"code": "x", "lang": "rust"}})
    assert found["description"] == "Review code."
    assert found["messages"] == [{"role": "user", "content": {"type": "text", "text": "rust: x"}}]


@pytest.mark.spec("server/utilities/completion#requesting-completions")
async def test_an_argument_is_completed(client: Client) -> None:
    found = await client.request("completion/complete", completion("review", "py"))
    assert found["completion"] == {"values": ["python", "pyrex"], "hasMore": False}


async def test_an_argument_without_suggestions_has_none(client: Client) -> None:
    found = await client.request("completion/complete", completion("review", argument="code"))
    assert found["completion"] == {"values": [], "total": 0, "hasMore": False}


@pytest.mark.spec("server/utilities/pagination#operations-supporting-pagination")
@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ],
)
async def test_every_list_comes_in_pages(method: str, field: str) -> None:
    plugin = Plugin("many")

    async def item(value: str = "") -> str:
        return value

    for number in range(5):
        plugin.add_tool(item, name=f"t{number}")
        plugin.add_prompt(item, name=f"p{number}")
        plugin.add_resource(f"r://{number}", item)
        plugin.add_resource(f"r{number}://{{value}}", item)
    client = Client(plugin, limits=Limits(page_size=2))
    sizes, cursor = [], None
    while True:
        page = await client.request(method, {} if cursor is None else {"cursor": cursor})
        assert page["_meta"][SERVER_INFO]
        sizes.append(len(page[field]))
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert sizes == [2, 2, 1]
    assert (await error_of(client, method, {"cursor": "nope"})).code == -32602


# Who answers


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("server/discover", {}),
        ("tools/list", {}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("prompts/list", {}),
        *((method, params) for method, (_, params) in NAMED.items()),
        ("completion/complete", completion("review")),
    ],
)
async def test_every_result_says_who_sent_it_unless_told_not_to(method: str, params: dict[str, Any]) -> None:
    server = ServerConfig(name="n", version="v", title="t", description="d", website_url="https://w")
    found = await Client(make_plugin(), server=server).request(method, params)
    assert found["_meta"] == {
        SERVER_INFO: {"name": "n", "version": "v", "title": "t", "description": "d", "websiteUrl": "https://w"}
    }
    silent = ServerConfig(expose_server_info=False)
    assert "_meta" not in await Client(make_plugin(), server=silent).request(method, params)


async def test_a_results_own_meta_is_kept_beside_the_servers() -> None:
    async def tool() -> ToolResult:
        return ToolResult(meta={"com.example/a": 1, SERVER_INFO: "forged"})

    found = (await serving(tool, server=ServerConfig(name="n", version="v")).tool("tool"))["_meta"]
    assert found == {"com.example/a": 1, SERVER_INFO: {"name": "n", "version": "v"}}
    silent = await serving(tool, server=ServerConfig(expose_server_info=False)).tool("tool")
    assert silent["_meta"]["com.example/a"] == 1


async def no_json() -> ToolResult:
    return ToolResult(structured_content=object())


async def declines() -> None:
    raise ToolError("no")


@pytest.mark.spec("basic#meta")
@pytest.mark.parametrize("tool", [fails, no_json, declines], ids=lambda tool: tool.__name__)
async def test_a_result_that_is_an_error_says_who_sent_it_too(tool: Callable[..., Any]) -> None:
    found = await serving(tool).tool("tool")
    assert found["isError"] is True
    assert SERVER_INFO in found["_meta"]


# What a handler fails at


def in_a_group(*errors: BaseException) -> Callable[..., Any]:
    async def tool() -> None:
        async def fail(error: BaseException) -> None:
            raise error

        async with trio.open_nursery() as nursery:
            for error in errors:
                nursery.start_soon(fail, error)

    return tool


@pytest.mark.spec("server/tools#error-handling")
@pytest.mark.parametrize("wrap", [raising, in_a_group])
async def test_a_tool_error_is_a_result_that_the_model_can_read(wrap: Callable[..., Any]) -> None:
    found = await serving(wrap(ToolError("Try a city in Italy."))).tool("tool")
    assert (found["isError"], found["content"]) == (True, [{"type": "text", "text": "Try a city in Italy."}])
    assert found["resultType"] == "complete"


@pytest.mark.parametrize("wrap", [raising, in_a_group])
async def test_a_peer_error_is_the_error_it_says(wrap: Callable[..., Any]) -> None:
    error = PeerError(42, "Not today", {"until": "tomorrow"}, retry_after_s=7)
    refused = await error_of(serving(wrap(error)), "tools/call", {"name": "tool"})
    assert (refused.code, refused.message, refused.data) == (42, "Not today", {"until": "tomorrow"})
    assert (refused.status, refused.reply.retry_after_s) == (200, 7)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        RecursionError(SECRET),
        MemoryError(SECRET),
        StopIteration(SECRET),
        StopAsyncIteration(SECRET),
        TimeoutError(SECRET),
        AssertionError(SECRET),
        SystemExit(SECRET),
        ExceptionGroup("two", [ValueError(SECRET), ToolError(SECRET)]),
        ExceptionGroup("nested", [ExceptionGroup("inner", [ValueError(SECRET)]), KeyError(SECRET)]),
    ],
    ids=repr,
)
async def test_any_other_error_is_an_incident_that_only_the_log_explains(error: BaseException, log: Events) -> None:
    found = await serving(raising(error)).tool("tool")
    assert found["isError"] is True
    told = INCIDENT.fullmatch(text_of(found))
    assert told is not None
    assert SECRET not in json.dumps(found)
    assert "Traceback" not in json.dumps(found)
    (event,) = log()
    assert (event["event"], event["level"], event["incident"]) == ("handler_failed", "error", told.group(1))
    assert (event["method"], event["request_id"]) == ("tools/call", 1)
    assert SECRET in event["exception"]
    # Where it was raised, of a group too.
    assert "Traceback" in event["exception"]
    assert "raise error" in event["exception"]


class Broken(dict[bytes, bytes]):
    """Headers that stand for whatever of our own may fall over."""

    def get(self, *asked: Any) -> Any:
        raise LookupError(f"no {asked}")


async def test_what_falls_over_outside_of_a_handler_is_an_incident_of_that_call_alone(
    client: Client, log: Events
) -> None:
    answer = await client.dispatch(client.call("tools/list", headers=Broken()))
    assert isinstance(answer, Reply)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], answer.outcome) == (200, -32603, "error")
    told = INCIDENT.fullmatch(error["message"])
    assert told is not None
    (event,) = log()
    assert (event["event"], event["incident"]) == ("handler_failed", told.group(1))
    assert "LookupError" in event["exception"]
    assert "tools" in await client.request("tools/list")


async def test_each_incident_has_a_name_of_its_own() -> None:
    client = serving(fails)
    assert len({text_of(await client.tool("tool")) for _ in range(20)}) == 20


def circular() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    "result",
    [
        ToolResult(structured_content=object()),
        ToolResult(structured_content=circular()),
        ToolResult(content=["\ud800"]),
        ToolResult(meta={"a": object()}),
        ToolResult(content=[object()]),  # type: ignore[list-item]  # the error is the point
        "\ud800",
        object(),
        circular(),
    ],
    ids=["object", "circular", "surrogate", "meta", "content", "text", "plain", "plain circular"],
)
async def test_a_result_that_is_no_json_is_an_incident(result: Any) -> None:
    async def tool() -> Any:
        return result

    found = await serving(tool).tool("tool")
    assert found["isError"] is True
    assert INCIDENT.fullmatch(text_of(found))


@pytest.mark.parametrize(
    "error",
    [
        PeerError(42, "no", {"data": object()}),
        PeerError(42, "no", circular()),
        PeerError(42, "\ud800"),
        PeerError(42, "no", "\ud800"),
        PeerError(42, 5),  # type: ignore[arg-type]  # the error is the point
    ],
    ids=["object", "circular", "message", "data", "no text"],
)
async def test_an_error_that_is_no_json_is_answered_all_the_same(error: PeerError) -> None:
    reply = await serving(raising(error)).reply("tools/call", {"name": "tool"})
    message = json.loads(reply.body)
    assert message["id"] == 1
    assert message["error"]["code"] == 42


async def test_a_tool_error_that_is_no_text_is_answered_all_the_same() -> None:
    found = await serving(raising(ToolError("\ud800"))).tool("tool")
    assert found["isError"] is True


@KINDS
async def test_elsewhere_a_tool_error_is_an_internal_error_with_its_text(kind: str) -> None:
    error = await error_of(*serving_elsewhere(kind, raising(ToolError("Try again."))))
    assert (error.code, error.status, error.message) == (-32603, 200, "Try again.")


@pytest.mark.spec("server/resources#error-handling")
@KINDS
async def test_elsewhere_any_other_error_is_an_internal_error_and_an_incident(kind: str) -> None:
    error = await error_of(*serving_elsewhere(kind, raising(ValueError(SECRET))))
    assert (error.code, error.status) == (-32603, 200)
    assert INCIDENT.fullmatch(error.message)
    assert SECRET not in error.reply.body.decode()


@KINDS
async def test_elsewhere_a_peer_error_is_the_error_it_says(kind: str) -> None:
    error = await error_of(*serving_elsewhere(kind, raising(PeerError(-32602, "No such thing", {"a": 1}))))
    assert (error.code, error.status, error.data) == (-32602, 400, {"a": 1})


@KINDS
async def test_elsewhere_a_result_that_is_no_json_is_an_internal_error(kind: str) -> None:
    async def handler() -> Any:
        return ["\ud800"] if kind == "completion" else "\ud800"

    error = await error_of(*serving_elsewhere(kind, handler))
    assert (error.code, error.status) == (-32603, 200)


@pytest.mark.parametrize("value", [None, 5, {"a": 1}])
async def test_a_prompt_of_no_messages_is_an_internal_error(value: object) -> None:
    async def prompt() -> Any:
        return value

    assert (await error_of(*serving_elsewhere("prompt", prompt))).code == -32603

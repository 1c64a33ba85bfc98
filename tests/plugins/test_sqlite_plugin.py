"""The database as a client sees it: tools, resources, a prompt, completions, and consent before every change."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import trio

from mcp_plugins.sqlite import plugin
from mcp_plugins.sqlite.sample import write_sample
from mcp_runtime.config import ConfigError
from tests.support.dispatcher_client import RpcError, text_of
from tests.support.plugin_conversation import Conversation, conversation

from .conftest import ODDITIES

WEIRD_URI = "sqlite://tables/weird%20%22name%22%20--%20%27%3B%20DROP%20TABLE%20x"


def serve(tmp_path: Path, **settings: Any) -> Any:
    """Serve a copy of the sample shop."""
    path = tmp_path / "shop.db"
    write_sample(path)
    return conversation(plugin, tmp_path, {"database": "shop.db", **settings})


def serve_odd(tmp_path: Path, **settings: Any) -> Any:
    with closing(sqlite3.connect(tmp_path / "odd.db")) as connection:
        connection.executescript(ODDITIES)
    return conversation(plugin, tmp_path, {"database": "odd.db", **settings})


def consent(key: str = "consent", /, **content: Any) -> dict[str, Any]:
    return {key: {"action": "accept", "content": content}}


async def test_without_a_configured_database_the_sample_shop_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with conversation(plugin, tmp_path) as client:
        tables = (await client.call("list_tables"))["structuredContent"]["tables"]
    assert [table["name"] for table in tables] == ["customers", "order_items", "order_totals", "orders", "products"]
    assert (tmp_path / "state" / "mcp-runtime" / "sample.db").is_file()


@pytest.mark.parametrize(("name", "problem"), [("missing.db", "cannot be read"), ("letter.db", "no SQLite database")])
async def test_a_database_that_cannot_be_served_is_the_operators_error(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "letter.db").write_text("Dear reader, this is no database.")
    with pytest.raises(ConfigError) as error:
        async with conversation(plugin, tmp_path, {"database": name}):
            pass
    assert "plugin.sqlite.database" in str(error.value)
    assert f"{tmp_path / name}" in str(error.value)
    assert problem in str(error.value)


async def test_tools_that_read_say_so_and_are_described(tmp_path: Path) -> None:
    async with serve(tmp_path) as client:
        tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
    assert list(tools) == ["list_tables", "describe_table", "query"]
    for tool in tools.values():
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["annotations"]["destructiveHint"] is False
        assert len(tool["description"]) > 60
    fields = {name: tool["inputSchema"]["properties"] for name, tool in tools.items()}
    assert {name: list(found) for name, found in fields.items()} == {
        "list_tables": [],
        "describe_table": ["table"],
        "query": ["sql", "parameters"],
    }
    assert [field for found in fields.values() for field in found.values() if not field.get("description")] == []


async def test_results_are_structured_as_the_output_schemas_promise(tmp_path: Path) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_tables", {}),
        ("describe_table", {"table": "orders"}),
        ("query", {"sql": "SELECT 1, 1.5, 'x', x'00', NULL, 9007199254740993, 9e999"}),
    ]
    async with serve(tmp_path) as client:
        tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
        for name, arguments in calls:
            result = await client.call(name, **arguments)
            jsonschema_rs.validate(tools[name]["outputSchema"], result["structuredContent"])
            assert json.loads(text_of(result)) == result["structuredContent"]


async def test_a_query_joins_with_named_parameters(tmp_path: Path) -> None:
    sql = """
        SELECT c.name, count(*) AS orders FROM customers AS c JOIN orders AS o ON o.customer_id = c.id
        WHERE o.ordered_at >= :since GROUP BY c.id ORDER BY orders DESC, c.name LIMIT 3
    """
    async with serve(tmp_path) as client:
        result = await client.call("query", sql=sql, parameters={"since": "2025-06-01"})
    content = result["structuredContent"]
    assert content["columns"] == [{"name": "name", "type": "TEXT"}, {"name": "orders", "type": None}]
    assert len(content["rows"]) == 3
    assert content["truncated"] is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, 1),
        (None, None),
        (1, 1),
        (1.5, 1.5),
        ("x", "x"),
        ({"base64": "AP8="}, {"base64": "AP8="}),
        ({"integer": "9007199254740993"}, {"integer": "9007199254740993"}),
        ({"real": "-Infinity"}, {"real": "-Infinity"}),
    ],
)
async def test_parameters_of_every_kind_come_through_json(tmp_path: Path, given: Any, expected: Any) -> None:
    async with serve(tmp_path) as client:
        result = await client.call("query", sql="SELECT ?", parameters=[given])
    assert result["structuredContent"]["rows"] == [[expected]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"sql": "DELETE FROM orders"}, "Only reading is allowed here"),
        ({"sql": "SELECT * FROM nowhere"}, "no such table: nowhere"),
        ({"sql": "SELECT ?", "parameters": [[1]]}, "parameters"),
        ({"sql": "SELECT ?", "parameters": 7}, "parameters"),
        ({}, "sql"),
    ],
)
async def test_a_statement_at_fault_is_an_error_the_model_can_read(
    tmp_path: Path, arguments: dict[str, Any], complaint: str
) -> None:
    async with serve(tmp_path) as client:
        result = await client.call("query", **arguments)
    assert result["isError"] is True
    assert complaint in text_of(result)


async def test_a_table_that_is_not_there_is_an_error_naming_those_that_are(tmp_path: Path) -> None:
    async with serve(tmp_path) as client:
        result = await client.call("describe_table", table="order")
    assert result["isError"] is True
    assert "customers, order_items, order_totals, orders, products" in text_of(result)


async def test_a_sick_database_is_for_the_operators_log_and_not_for_the_model(tmp_path: Path) -> None:
    async with serve(tmp_path) as client:
        await trio.Path(tmp_path / "shop.db").write_bytes(b"no database " * 1000)
        result = await client.call("list_tables")
    assert result["isError"] is True
    assert "incident" in text_of(result)
    assert str(tmp_path) not in text_of(result)


async def test_queries_of_one_client_run_side_by_side(tmp_path: Path) -> None:
    results: list[Any] = []

    async def ask(client: Conversation) -> None:
        results.append((await client.call("query", sql="SELECT count(*) FROM orders"))["structuredContent"]["rows"])

    async with serve(tmp_path) as client, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask, client)
    assert results == [[[320]]] * 10


async def test_a_table_is_a_resource_with_its_schema_and_first_rows(tmp_path: Path) -> None:
    async with serve(tmp_path) as client:
        (contents,) = (await client.request("resources/read", uri="sqlite://tables/orders"))["contents"]
    assert contents["mimeType"] == "application/json"
    table = json.loads(contents["text"])
    assert table["table"]["row_count"] == 320
    assert table["first_rows"]["rows"][0][0] == 1


async def test_a_table_with_a_hostile_name_has_an_address(tmp_path: Path) -> None:
    async with serve_odd(tmp_path) as client:
        (contents,) = (await client.request("resources/read", uri=WEIRD_URI))["contents"]
    assert json.loads(contents["text"])["first_rows"]["rows"] == [[1, "one", 1.5]]


async def test_blobs_in_a_resource_are_base64(tmp_path: Path) -> None:
    async with serve_odd(tmp_path) as client:
        (contents,) = (await client.request("resources/read", uri="sqlite://tables/typed"))["contents"]
    assert json.loads(contents["text"])["first_rows"]["rows"][0][-1] == {"base64": "AP8="}


@pytest.mark.parametrize("table", ["nowhere", "%27", "orders%00", "orders%22%3B", "a%2Fb"])
async def test_an_unknown_table_is_an_unknown_resource(tmp_path: Path, table: str) -> None:
    async with serve(tmp_path) as client:
        with pytest.raises(RpcError) as refused:
            await client.request("resources/read", uri=f"sqlite://tables/{table}")
    assert (refused.value.code, refused.value.data["uri"]) == (-32602, f"sqlite://tables/{table}")


async def test_the_schema_is_a_resource(tmp_path: Path) -> None:
    async with serve(tmp_path) as client:
        (contents,) = (await client.request("resources/read", uri="sqlite://schema"))["contents"]
    assert contents["mimeType"] == "application/sql"
    assert contents["text"].startswith("CREATE TABLE customers")


async def test_the_prompt_brings_the_schema_the_question_and_the_table(tmp_path: Path) -> None:
    given = {"question": "Who buys most?", "table": "orders"}
    async with serve(tmp_path) as client:
        result = await client.request("prompts/get", name="explore_database", arguments=given)
    embedded, task = (message["content"] for message in result["messages"])
    assert "CREATE TABLE orders" in embedded["resource"]["text"]
    assert "Who buys most?" in task["text"]
    assert "'orders'" in task["text"]


@pytest.mark.parametrize(
    "reference",
    [{"type": "ref/prompt", "name": "explore_database"}, {"type": "ref/resource", "uri": "sqlite://tables/{table}"}],
)
@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("ord", ["order_items", "order_totals", "orders"]),
        ("ORDERS", ["orders"]),
        ("s", ["customers", "order_items", "order_totals", "orders", "products"]),
        ("items", ["order_items"]),
        ("x", []),
    ],
)
async def test_table_names_are_completed(
    tmp_path: Path, reference: dict[str, str], typed: str, suggested: list[str]
) -> None:
    async with serve(tmp_path) as client:
        argument = {"name": "table", "value": typed}
        result = await client.request("completion/complete", ref=reference, argument=argument)
    assert result["completion"]["values"] == suggested


async def test_the_tool_that_writes_is_there_only_where_the_operator_allows_it(tmp_path: Path) -> None:
    async with serve(tmp_path) as client:
        with pytest.raises(RpcError):
            await client.call("execute", sql="DELETE FROM order_items")
    async with serve_odd(tmp_path, allow_writes=True) as client:
        tools = {tool["name"]: tool for tool in (await client.request("tools/list"))["tools"]}
    assert tools["execute"]["annotations"]["destructiveHint"] is True
    assert tools["execute"]["annotations"]["readOnlyHint"] is False


async def test_a_change_is_shown_before_it_happens_and_told_of_afterwards(tmp_path: Path) -> None:
    statement: dict[str, Any] = {"sql": "DELETE FROM typed WHERE id = ?", "parameters": [1]}
    async with serve_odd(tmp_path, allow_writes=True) as client:
        asked = await client.call("execute", **statement)
        question = asked["inputRequests"]["consent"]["params"]
        assert "DELETE FROM typed WHERE id = ?" in question["message"]
        assert "Parameters: [1]" in question["message"]
        assert "audit, child, typed" in question["message"]
        assert question["requestedSchema"]["required"] == ["run"]
        rows = await client.call("query", sql="SELECT count(*) FROM typed")
        assert rows["structuredContent"]["rows"] == [[2]]

        uris = ["sqlite://tables/typed", "sqlite://tables/audit", "sqlite://schema"]
        async with client.listen(resourceSubscriptions=uris) as hear:
            result = await client.answer("execute", asked, consent(run=True), **statement)
            heard = [(await hear())["params"]["uri"] for _ in range(2)]
        assert heard == ["sqlite://tables/audit", "sqlite://tables/typed"]
        assert result["structuredContent"]["rows_affected"] == 1
        rows = await client.call("query", sql="SELECT id FROM typed")
        assert rows["structuredContent"]["rows"] == [[2]]


async def test_a_change_of_the_schema_updates_the_schema(tmp_path: Path) -> None:
    statement = {"sql": "CREATE TABLE fresh (x)"}
    async with serve_odd(tmp_path, allow_writes=True) as client:
        asked = await client.call("execute", **statement)
        async with client.listen(resourceSubscriptions=["sqlite://schema"]) as hear:
            await client.answer("execute", asked, consent(run=True), **statement)
            assert (await hear())["method"] == "notifications/resources/updated"


@pytest.mark.parametrize(
    "answers", [{"consent": {"action": "decline"}}, {"consent": {"action": "cancel"}}, consent(run=False)]
)
async def test_without_consent_nothing_happens(tmp_path: Path, answers: dict[str, Any]) -> None:
    statement = {"sql": "DELETE FROM typed"}
    async with serve_odd(tmp_path, allow_writes=True) as client:
        asked = await client.call("execute", **statement)
        result = await client.answer("execute", asked, answers, **statement)
        assert result["isError"] is True
        assert text_of(result).startswith("Not executed")
        rows = await client.call("query", sql="SELECT count(*) FROM typed")
        assert rows["structuredContent"]["rows"] == [[2]]


async def test_consent_to_one_statement_is_no_consent_to_another(tmp_path: Path) -> None:
    async with serve_odd(tmp_path, allow_writes=True) as client:
        asked = await client.call("execute", sql="DELETE FROM audit")
        with pytest.raises(RpcError, match="another request"):
            await client.answer("execute", asked, consent(run=True), sql="DELETE FROM typed")


async def test_a_form_that_was_not_filled_in_is_asked_again(tmp_path: Path) -> None:
    statement = {"sql": "DELETE FROM typed"}
    async with serve_odd(tmp_path, allow_writes=True) as client:
        asked = await client.call("execute", **statement)
        again = await client.answer("execute", asked, consent(), **statement)
    assert again["resultType"] == "input_required"


async def test_a_client_that_cannot_ask_its_user_cannot_write(tmp_path: Path) -> None:
    async with serve_odd(tmp_path, allow_writes=True) as client:
        client.capabilities = {}
        with pytest.raises(RpcError) as refused:
            await client.call("execute", sql="DELETE FROM typed")
    assert refused.value.code == -32021
    assert "elicitation" in refused.value.data["requiredCapabilities"]


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "DELETE FROM nowhere", "ATTACH '/tmp/x' AS x", "DELETE FROM a; DELETE FROM b"]
)
async def test_the_user_is_not_bothered_with_a_statement_that_cannot_run(tmp_path: Path, sql: str) -> None:
    async with serve_odd(tmp_path, allow_writes=True) as client:
        result = await client.call("execute", sql=sql)
    assert result["isError"] is True


async def test_a_constraint_that_fails_after_consent_changes_nothing(tmp_path: Path) -> None:
    statement = {"sql": "INSERT INTO child (a, b) VALUES (9, 9)"}
    async with serve_odd(tmp_path, allow_writes=True) as client:
        asked = await client.call("execute", **statement)
        result = await client.answer("execute", asked, consent(run=True), **statement)
    assert "FOREIGN KEY constraint failed" in text_of(result)

"""A person's session with a database, through the client of the PyPI package `mcp`. Rule: see `test_sqlite_session`."""

import json
import sys
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import ElicitRequestFormParams, ElicitResult, PromptReference, ResourceTemplateReference

UPDATE = "UPDATE customers SET name = ? WHERE id = 1"


async def main() -> None:
    target = json.loads(sys.argv[1])
    server: Any = target.get("url") or StdioServerParameters(
        command=target["command"], args=target["arguments"], env=target["environment"]
    )
    seen: dict[str, Any] = {"asked": []}
    consent = [False]

    async def on_elicit(context: Any, params: Any) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        seen["asked"].append(params.message)
        return (
            ElicitResult(action="accept", content={"run": consent[0]}) if consent[0] else ElicitResult(action="decline")
        )

    async with Client(server, elicitation_callback=on_elicit, read_timeout_seconds=20, cache=None) as client:

        async def call(tool: str, **arguments: Any) -> Any:
            result = await client.call_tool(tool, arguments)
            text: str = result.content[0].text  # type: ignore[union-attr]
            return text if result.is_error else result.structured_content

        async def name() -> Any:
            return (await call("query", sql="SELECT name FROM customers WHERE id = :id", parameters={"id": 1}))["rows"]

        seen["tables"] = [table["name"] for table in (await call("list_tables"))["tables"]]
        seen["columns"] = [column["name"] for column in (await call("describe_table", table="customers"))["columns"]]
        seen["before"] = await name()
        seen["forbidden"] = await call("query", sql="DELETE FROM customers")
        seen["declined"] = await call("execute", sql=UPDATE, parameters=["Zoe"])
        seen["after_declining"] = await name()
        consent[0] = True
        async with client.listen(resource_subscriptions=["sqlite://tables/customers"]) as subscription:
            seen["accepted"] = await call("execute", sql=UPDATE, parameters=["Zoe"])
            async for event in subscription:
                assert isinstance(event, ResourceUpdated)
                seen["updated"] = str(event.uri)
                break
        seen["after_accepting"] = await name()
        table = (await client.read_resource("sqlite://tables/customers")).contents[0]
        seen["resource"] = json.loads(table.text)["first_rows"]["rows"][0]  # type: ignore[union-attr]
        reference = ResourceTemplateReference(type="ref/resource", uri="sqlite://tables/{table}")
        completed = await client.complete(reference, {"name": "table", "value": "cust"})
        seen["completed"] = completed.completion.values
        for_prompt = PromptReference(type="ref/prompt", name="explore_database")
        completed = await client.complete(for_prompt, {"name": "table", "value": "cust"})
        seen["completed_for_prompt"] = completed.completion.values
        prompt = await client.get_prompt("explore_database", {"question": "Who buys most?"})
        seen["prompt"] = prompt.messages[-1].content.text  # type: ignore[union-attr]
    print(json.dumps(seen))


anyio.run(main)

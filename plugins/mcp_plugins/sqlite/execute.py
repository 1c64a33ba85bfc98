"""The tool `execute`: changes the database, if the user consents. Rule: nothing runs before they have seen the SQL.

The tool is served only where the operator sets `allow_writes`: a model does not try what it cannot see, and a client's
list of tools tells the truth about what can happen.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from mcp_runtime import Context, ToolAnnotations, ToolError

from .access.database import ExecuteResult
from .access.values import Parameters
from .plugin import database, plugin, refusals_told
from .question import question
from .resources import SCHEMA_URI, table_uri

WRITES: Final = ToolAnnotations(
    title="Change the database",
    read_only_hint=False,
    destructive_hint=True,
    idempotent_hint=False,
    open_world_hint=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the user is asked. There is no default: a client that fills in forms by itself consents to nothing."""

    run: Annotated[bool, Field(title="Run this statement", description="Yes to change the database as shown.")]


async def execute(sql: str, ctx: Context, parameters: Parameters | None = None) -> ExecuteResult:
    """Run one SQL statement that changes the database: INSERT, UPDATE, DELETE, CREATE, ALTER or DROP.

    The user is shown the statement and must agree before it runs. It runs in a transaction of its own: all of it
    happens, or nothing. Foreign keys are enforced. Add RETURNING to see the changed rows. To read, use query instead.

    Args:
        sql: One statement in SQLite's dialect, with ?, ?1 or :name where a value belongs.
        parameters: Values for the placeholders: a list for ? and ?1, an object for :name.
    """
    ctx.require(elicitation=True)
    with refusals_told():
        plan = await database().plan(sql, parameters)
        answer = await ctx.elicit(question(plan, sql, parameters, plugin.settings), Consent, key="consent")
        if not answer.accepted or not answer.data.run:
            raise ToolError("Not executed: the user did not agree. Do not try again unless the user asks for it.")
        result = await database().execute(sql, parameters)
    for table in result.tables:
        plugin.resource_updated(table_uri(table))
    if result.changed_schema:
        plugin.resource_updated(SCHEMA_URI)
    return result


@plugin.when_configured
def offer_execute() -> None:
    """Offer `execute` where the operator allows writes."""
    if plugin.settings.allow_writes:
        plugin.add_tool(execute, title="Change the database", annotations=WRITES)

"""The tool `execute`: changes the database, if the user consents. Rule: nothing runs before they have seen the SQL.

The tool is served only where the operator sets `allow_writes`: a model does not try what it cannot see, and a client's
list of tools tells the truth about what can happen.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, is_dataclass
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
from pydantic import Field

from mcp_runtime import SyncContext, ToolAnnotations, ToolError

from .access.database import ExecuteResult, WritePlan
from .access.values import Parameters
from .plugin import database, plugin, refusals_told
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


def execute(sql: str, ctx: SyncContext, parameters: Parameters | None = None) -> ExecuteResult:
    """Run one SQL statement that changes the database: INSERT, UPDATE, DELETE, CREATE, ALTER or DROP.

    The user is shown the statement and must agree before it runs. It runs in a transaction of its own: all of it
    happens, or nothing. Foreign keys are enforced. Add RETURNING to see the changed rows. To read, use query instead.

    Args:
        sql: One statement in SQLite's dialect, with ?, ?1 or :name where a value belongs.
        parameters: Values for the placeholders: a list for ? and ?1, an object for :name.
    """
    ctx.require(elicitation=True)
    with refusals_told():
        plan = database().plan(sql, parameters)
        answer = ctx.elicit(confirmation_text(plan, sql, parameters), Consent, key="consent")
        if not answer.accepted or not answer.data.run:
            raise ToolError("Not executed: the user did not agree. Do not try again unless the user asks for it.")
        result = database().execute(sql, parameters)
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


@plugin.lifespan
async def check_database() -> AsyncGenerator[None]:
    """Check the database before anyone asks for it."""
    await run_sync(lambda: database().check())
    yield


def confirmation_text(plan: WritePlan, sql: str, parameters: Parameters | None) -> str:
    """The text that the user reads. The statement comes last, so that no text inside it can pass for ours."""
    lines = [f"Change the database? {', '.join(plan.operations)}"]
    if plan.tables:
        lines.append(f"Tables whose rows change: {', '.join(map(_visible, plan.tables))}")
    if parameters:
        lines.append(f"Parameters: {_visible(json.dumps(parameters, default=_as_json, ensure_ascii=False))}")
    return "\n".join([*lines, "Statement:", _visible(sql)])


def _visible(text: str) -> str:
    """Show what would otherwise hide or reorder text on the user's screen: control and direction characters."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)


def _as_json(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no JSON")

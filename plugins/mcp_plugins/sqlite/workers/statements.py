"""The statements at work: a bounded number of workers, and a bounded queue for them. Rule: nothing here takes a thread
that functions of plugins wait for.

A statement waits in the event loop, for a place and then for its worker. So what statements take, of processors and of
memory, is bounded by their own settings, and what other plugins have is not touched by it.
"""

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import anyio

from mcp_plugins.sqlite.access.database import ExecuteResult, QueryResult, TablePreview, WritePlan
from mcp_plugins.sqlite.access.refusals import DatabaseUnavailable, StatementRefused, TableUnknown
from mcp_plugins.sqlite.access.schema import TableDescription, TableSummary
from mcp_plugins.sqlite.access.values import Parameters
from mcp_plugins.sqlite.settings import SqliteSettings

from .fixes import warn_of_missing_fixes

if TYPE_CHECKING:
    from .worker import Worker, WorkerDied

_ERRORS: Final = MappingProxyType(
    {
        "refused": StatementRefused,
        "table_unknown": TableUnknown,
        "unavailable": DatabaseUnavailable,
        "fault": RuntimeError,
    }
)

_AFTER_A_WRITE: Final = " It changed nothing, unless it ended at that very moment: look before you send it again."


class Statements:
    """The database from the event loop: what `Database` has, each method a statement for a worker.

    Every method raises what the one of `Database` does, and StatementRefused where too many statements wait already.
    A caller that is cancelled leaves the queue, and its statement is stopped. `close` it at the end.
    """

    def __init__(self, path: Path, settings: SqliteSettings) -> None:
        self._path = path
        self._settings = settings
        self._places = anyio.CapacityLimiter(settings.max_queries)
        self._threads = anyio.CapacityLimiter(settings.max_queries)  # for milliseconds: a start, or the end of a kill
        self._inside = 0
        self._idle: list[Worker] = []
        self._is_open = True

    async def close(self) -> None:
        """End the workers: those at work when their statements end."""
        self._is_open = False
        while self._idle:
            await self._idle.pop().end()

    async def tables(self) -> list[TableSummary]:
        """See `Database.tables`."""
        tables: list[TableSummary] = await self._run("tables")
        return tables

    async def describe(self, table: str) -> TableDescription:
        """See `Database.describe`."""
        description: TableDescription = await self._run("describe", table)
        return description

    async def preview(self, table: str) -> TablePreview:
        """See `Database.preview`."""
        preview: TablePreview = await self._run("preview", table)
        return preview

    async def schema_sql(self) -> str:
        """See `Database.schema_sql`."""
        script: str = await self._run("schema_sql")
        return script

    async def query(self, sql: str, parameters: Parameters | None) -> QueryResult:
        """See `Database.query`."""
        result: QueryResult = await self._run("query", sql, parameters)
        return result

    async def plan(self, sql: str, parameters: Parameters | None) -> WritePlan:
        """See `Database.plan`."""
        plan: WritePlan = await self._run("plan", sql, parameters)
        return plan

    async def execute(self, sql: str, parameters: Parameters | None) -> ExecuteResult:
        """See `Database.execute`. A statement whose caller is cancelled is undone, unless it has just ended."""
        result: ExecuteResult = await self._run("execute", sql, parameters)
        return result

    async def _run(self, method: str, *arguments: object) -> Any:
        if self._inside >= self._settings.max_queries + self._settings.max_waiting_queries:
            raise StatementRefused(
                f"The database is busy: {self._settings.max_queries} statements are at work, and "
                f"{self._settings.max_waiting_queries} wait already. Nothing was done; try again in some seconds."
            )
        self._inside += 1
        try:
            async with self._places:
                kind, answer = await self._ask(method, arguments)
        finally:
            self._inside -= 1
        if kind == "result":
            return answer
        raise _ERRORS[kind](answer)

    async def _ask(self, method: str, arguments: tuple[object, ...]) -> tuple[str, Any]:
        from .worker import WorkerDied  # with the first statement: a server that is asked nothing does not load it

        worker = await self._worker()
        try:
            return await worker.ask(method, arguments)
        except WorkerDied as died:
            return "refused", self._reason(died) + (_AFTER_A_WRITE if method == "execute" else "")
        finally:
            if worker.is_usable and self._is_open:
                self._idle.append(worker)
            else:
                await worker.end()

    async def _worker(self) -> "Worker":
        from .worker import Worker

        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            await worker.end()
        warn_of_missing_fixes()
        return await Worker.started(self._path, self._settings, self._threads)

    def _reason(self, died: "WorkerDied") -> str:
        if not died.in_time:
            return (
                f"The statement was stopped: it ran on past {self._settings.query_time_limit_s:g} s "
                "(query_time_limit_s). Narrow it down: less of the text, fewer rows, simpler functions."
            )
        died.log()
        return "The statement ended the process that ran it: it may need more memory than there is (max_memory_bytes)."

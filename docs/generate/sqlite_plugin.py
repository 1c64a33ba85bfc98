"""The page of the plugin that ships with the runtime. Rule: read off what it declares, never off what it should be."""

import dataclasses
from pathlib import Path
from typing import Any, Final, cast

from docs.generate import markdown
from docs.generate.markdown import code, plain, table
from mcp_plugins.sqlite.execute import execute
from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.config import load_config
from mcp_runtime.config.template import toml_value
from mcp_runtime.core.catalog.catalog import Catalog

MODULE: Final = "mcp_plugins.sqlite"

_INTRODUCTION: Final = """
`mcp_plugins.sqlite` lets a client work with a SQLite database. `scripts/serve` serves it over a sample shop. For how to
serve a database of your own, see [Serve your own SQLite database](../how-to/serve-a-sqlite-database.md).
"""

_FENCES: Final = """
## What it does not allow

The database is opened read-only for everything but `execute`. Statements that attach other files, load extensions or
change settings are refused. A statement that runs past `query_time_limit_s` is stopped, or its process is killed; one
whose client has left is stopped too. Where `max_queries` are at work and `max_waiting_queries` wait, the next is told
that the database is busy. Rows past `max_rows` or `max_result_bytes` are cut, and the result says so. `execute` is
listed only where `allow_writes` is set, and shows the user each statement before it runs: whole, or it is refused.
"""


def page() -> str:
    """The text of the page."""
    runtime = build_runtime(load_config(Path("/dev/null"), environ={}, overrides={"plugins.load": (MODULE,)}))
    return markdown.page(
        "SQLite plugin",
        _INTRODUCTION,
        "## Settings, `[plugin.sqlite]`",
        table(["Key", "Meaning", "Default"], _settings()),
        "## What it serves",
        *_lists(runtime.catalog),
        _FENCES,
    )


def _settings() -> list[tuple[str, str, str]]:
    says = meanings()
    return [
        (
            code(field.name),
            plain(says[field.name]),
            "none" if field.default is None else code(_shown(field.default)),
        )
        for field in dataclasses.fields(SqliteSettings)
    ]


def _shown(value: object) -> str:
    return toml_value(value)


def meanings() -> dict[str, str]:
    """What the docstring says of each setting: lines `name: text`, with further lines indented."""
    meanings: dict[str, str] = {}
    current = ""
    for line in (SqliteSettings.__doc__ or "").splitlines()[1:]:
        name, separator, text = line.strip().partition(": ")
        if separator and name.isidentifier():
            current = name
            meanings[name] = text[:1].upper() + text[1:]
        elif current:
            meanings[current] = f"{meanings[current]} {line.strip()}".strip()
    return meanings


def _lists(catalog: Catalog) -> list[str]:
    tools = [(code(name), _first(entry.definition.description)) for name, entry in catalog.tools.items()]
    tools.append((code("execute"), _first(execute.__doc__) + " Served where `allow_writes` is set."))
    resources = [(code(uri), _first(entry.definition.description)) for uri, entry in catalog.resources.items()]
    resources += [(code(uri), _first(one.definition.description)) for uri, one in catalog.resource_templates.items()]
    prompts = [(code(name), _first(entry.definition.description)) for name, entry in catalog.prompts.items()]
    return [
        table(["Tool", "What it does"], tools),
        table(["Resource", "What it holds"], resources),
        table(["Prompt", "What it is for"], prompts),
        "Names of tables are completed, in the prompt and in the resource template.",
    ]


def _first(description: object) -> str:
    """The first paragraph."""
    return plain(" ".join(cast("Any", description or "").strip().partition("\n\n")[0].split()))

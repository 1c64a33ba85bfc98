"""The command `mcp-runtime tools`. Rule: it shows what clients would see, and which plugin it comes from."""

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp_runtime.cli.arguments import add_config_arguments, load_from, runtime_to_show
from mcp_runtime.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from mcp_runtime.core.catalog.catalog import Catalog
    from mcp_runtime.core.catalog.entries import PromptEntry, ResourceEntry, TemplateEntry, ToolEntry

    Entry = ToolEntry | ResourceEntry | TemplateEntry | PromptEntry

DESCRIPTION: Final = "List every tool, resource, resource template and prompt, with its plugin and description."

_MAX_WIDTH: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tools`."""
    add_config_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print full definitions, with schemas, as JSON")


def run(args: argparse.Namespace) -> ExitCode:
    """Print the lists. Raises ConfigError, PluginLoadError."""
    catalog = runtime_to_show(load_from(args)).catalog
    print(_as_json(catalog) if args.json else _as_text(catalog))
    return ExitCode.OK


def _lists(catalog: "Catalog") -> Mapping[str, "Iterable[Entry]"]:
    """The lists of the catalog, by the names that the protocol gives them."""
    return {
        "tools": catalog.tools.values(),
        "resources": catalog.resources.values(),
        "resourceTemplates": catalog.resource_templates.values(),
        "prompts": catalog.prompts.values(),
    }


def _as_json(catalog: "Catalog") -> str:
    import msgspec

    lists = {
        name: [{"plugin": entry.plugin, **msgspec.to_builtins(entry.definition)} for entry in entries]
        for name, entries in _lists(catalog).items()
    }
    return msgspec.json.format(msgspec.json.encode(lists), indent=2).decode()


def _as_text(catalog: "Catalog") -> str:
    import shutil

    width = min(shutil.get_terminal_size().columns, _MAX_WIDTH)
    blocks: list[str] = []
    for name, entries in _lists(catalog).items():
        lines = [line for entry in entries for line in _entry(entry, width)]
        if lines:
            blocks.append("\n".join([_TITLES[name], *lines]))
    return "\n\n".join(blocks) or "Nothing is served: load a plugin with --plugin, or run mcp-runtime init."


_TITLES: Final = {
    "tools": "Tools",
    "resources": "Resources",
    "resourceTemplates": "Resource templates",
    "prompts": "Prompts",
}


def _entry(entry: "Entry", width: int) -> list[str]:
    import textwrap

    definition: Any = entry.definition
    name = getattr(definition, "uri", None) or getattr(definition, "uri_template", None) or definition.name
    # The first paragraph says what it is for; the rest is for the model.
    text = (definition.description or "").strip().partition("\n\n")[0]
    return [
        f"  {name}  ({entry.plugin})",
        *textwrap.wrap(text, width, initial_indent="      ", subsequent_indent="      "),
    ]

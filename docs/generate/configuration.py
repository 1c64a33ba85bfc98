"""The page of configuration keys, read off CONFIG_SECTIONS. Rule: prose here says only what no single key can say."""

from typing import Final

from docs.generate import markdown
from docs.generate.markdown import code, plain, table
from mcp_runtime.config import CONFIG_SECTIONS, ConfigKey, ConfigSection
from mcp_runtime.config.keys import PLUGIN_PREFIX, SPECIAL_VARIABLES
from mcp_runtime.config.template import toml_value

_INTRODUCTION: Final = """
The configuration is a TOML file. `mcp-runtime init` writes one with every key in it, commented out. Without a file the
defaults below apply.

**Which file.** `--config FILE`, else the file that `MCP_RUNTIME_CONFIG` names, else `config.toml` in the working
directory, else none.

**What overrides what.** The command line overrides the environment, the environment overrides the file, and the file
overrides the defaults.

**Environment variables.** Each key has one; it stands below the key. Write a list with commas:
`MCP_RUNTIME_HTTP_BIND=127.0.0.1:8000,unix:/run/mcp.sock`. Write true or false as `true`, `false`, `1`, `0`, `yes`,
`no`, `on` or `off`. A variable that begins with `MCP_RUNTIME_` and means nothing is an error.

**Units.** Names end in their unit: `_s` are seconds, `_ms` milliseconds, `_bytes` bytes.

**Paths.** A relative path in the file is relative to the file. A relative path in a variable or on the command line is
relative to the working directory. `~` is your home directory.

**Mistakes.** An unknown key, a value of the wrong type and a value out of bounds are errors. The message names the
file, the key, what is wrong and what would be right. `mcp-runtime check` finds them without serving.
"""

_PLUGIN_TABLES: Final = f"""
## `[plugin.NAME]`

The settings of the plugin `NAME`: the name in `Plugin("NAME")`, not the name of its file. The plugin says which keys
there are; see [Plugin settings](plugin-api.md#plugin-settings). The variable `{PLUGIN_PREFIX}<NAME>_<KEY>` overrides a
key. Paths follow the rule above. Settings of the type `Secret` take references, see [Secrets](#secrets). A key that the
plugin does not know is an error; a table for a plugin that is not loaded is a note in `mcp-runtime check`.

```toml
[plugin.sqlite]
database = "shop.db"
allow_writes = true
```
"""

_SECRETS: Final = """
## Secrets

Where a key takes a secret, write one of:

| Form | Meaning |
| --- | --- |
| `file:PATH` | The text of the file, without its last line end. |
| `env:NAME` | The value of the environment variable `NAME`. |
| anything else | The secret itself. Convenient for a try; do not commit it. |

Secrets never show in the log, in error messages or in a `repr`.
"""


def page_of_keys() -> list[str]:
    """A block for each section."""
    return [_section(section) for section in CONFIG_SECTIONS]


def _section(section: ConfigSection) -> str:
    rows = [_row(key) for key in section.keys]
    return "\n\n".join(
        [f"## `[{section.name}]`", plain(section.description), table(["Key", "Meaning", "Takes", "Default"], rows)]
    )


def _row(key: ConfigKey) -> tuple[str, str, str, str]:
    names = f"`{key.name}`<br>`{key.environment}`"
    return names, plain(key.description), plain(key.expected), code(toml_value(key.default))


def page() -> str:
    """The text of the page."""
    special = table(["Variable", "Meaning"], [(code(name), plain(text)) for name, text in SPECIAL_VARIABLES.items()])
    return markdown.page(
        "Configuration",
        _INTRODUCTION,
        "Two more variables have no key of their own:",
        special,
        *page_of_keys(),
        _PLUGIN_TABLES,
        _SECRETS,
    )

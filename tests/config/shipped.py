"""The config.toml that ships, as text. Rule: it is made from the tables it documents; nobody edits it by hand.

`python -m tests.config.shipped` at the top of the repository writes it anew.
"""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Final

from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_runtime.config.template import PluginSetting, render

CONFIG_FILE: Final = Path(__file__).parents[2] / "config.toml"
VALUES: Final = {
    "http.enabled": True,
    "http.bind": ("127.0.0.1:8000",),
    "plugins.load": ("mcp_plugins.sqlite",),
}
EXAMPLES: Final = {"database": "my.db"}


def shipped_text() -> str:
    meanings = sqlite_meanings()
    settings = [
        PluginSetting(name=one.name, value=EXAMPLES.get(one.name, one.default), meaning=meanings[one.name])
        for one in dataclasses.fields(SqliteSettings)
    ]
    return render(
        VALUES,
        {"sqlite": settings},
        introduction="What scripts/serve serves: the SQLite plugin over a sample shop.\n\n",
    )


def sqlite_meanings() -> dict[str, str]:
    """What each setting means, from the docstring, whose lines are `name: meaning`, continued with an indent."""
    paragraphs = re.split(r"\n(?=\w+: )", inspect.getdoc(SqliteSettings) or "")
    named = [re.match(r"(\w+): (.+?)(?:\n\n|\Z)", paragraph, re.DOTALL) for paragraph in paragraphs]
    sentences = {found[1]: " ".join(found[2].split()) for found in named if found}
    return {name: text[:1].upper() + text[1:] for name, text in sentences.items()}


if __name__ == "__main__":
    CONFIG_FILE.write_text(shipped_text(), encoding="utf-8")

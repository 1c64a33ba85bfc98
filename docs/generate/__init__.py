"""Reference pages that are read off the code. Rule: what a page lists exists once, in the code, and never by hand.

`python -m docs.generate` writes them; a test compares them with what is written.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from docs.generate import (
    bounds,
    clients_tested,
    command_line,
    configuration,
    deprecated_features,
    errors,
    exit_codes,
    plugin_api,
    sqlite_plugin,
)

DOCS: Final = Path(__file__).resolve().parent.parent

PAGES: Final[dict[str, Callable[[], str]]] = {
    "reference/configuration.md": configuration.page,
    "reference/bounds.md": bounds.page,
    "reference/command-line.md": command_line.page,
    "reference/plugin-api.md": plugin_api.page,
    "reference/errors.md": errors.page,
    "reference/deprecated-features.md": deprecated_features.page,
    "reference/exit-codes.md": exit_codes.page,
    "reference/sqlite-plugin.md": sqlite_plugin.page,
    "reference/clients-tested.md": clients_tested.page,
}
"""By their path below docs/, what makes their text."""


def write_all() -> list[Path]:
    """Write every page. Returns those whose text changed."""
    changed: list[Path] = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed

"""Finding plugins by module, file or entry point.

Rule: one that fails to load says in which file, on which line, and why.
"""

import importlib
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from mcp_runtime.authoring.plugin import Plugin
from mcp_runtime.authoring.plugin_files import module_name
from mcp_runtime.platform.interruptions import is_ctrl_c

ENTRY_POINTS: Final = "mcp_runtime.plugins"
DEFAULT_ATTRIBUTE: Final = "plugin"
_OWN_FOLDER: Final = str(Path(__file__).parents[1]) + os.sep
"""Lines of the runtime tell the author of a plugin nothing."""


class PluginLoadError(Exception):
    """A plugin that cannot be loaded. `reference` is how it was named; `place` is "file:line" where that is known."""

    def __init__(self, reference: str, cause: str, place: str | None = None) -> None:
        super().__init__(f"plugin {reference!r} cannot be loaded: {cause}" + (f" ({place})" if place else ""))
        self.reference = reference
        self.cause = cause
        self.place = place


def load_plugin(reference: str) -> Plugin[Any]:
    """The plugin that `reference` names: "FILE.py", an entry point, or "package.module", each with ":attribute" or not.

    Raises PluginLoadError.
    """
    target, attribute = _split(reference)
    if target.endswith(".py"):
        module = _import(reference, lambda: _import_file(reference, target))
    else:
        from importlib.metadata import entry_points  # reads what is installed: not for a plugin that is a file

        found = [item for item in entry_points(group=ENTRY_POINTS) if item.name == target]
        name = found[0].module if found else target
        if found and attribute is None:
            attribute = found[0].attr or None
        module = _import(reference, lambda: importlib.import_module(name))
    return _pick(reference, target, module, attribute or DEFAULT_ATTRIBUTE)


def _split(reference: str) -> tuple[str, str | None]:
    head, separator, tail = reference.rpartition(":")
    # A colon with anything but a name behind it belongs to the path.
    return (head, tail) if separator and head and tail.isidentifier() else (reference, None)


def _import(reference: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except PluginLoadError:
        raise
    except BaseException as error:  # an import runs any code at all, and may fail in any way
        if is_ctrl_c(error):
            raise
        raise PluginLoadError(reference, cause_of(error), place_of(error)) from error


def _import_file(reference: str, target: str) -> ModuleType:
    if not Path(target).is_file():
        raise PluginLoadError(reference, "there is no such file")
    return importlib.import_module(module_name(target))


def _pick(reference: str, target: str, module: ModuleType, attribute: str) -> Plugin[Any]:
    found = getattr(module, attribute, None)
    if isinstance(found, Plugin):
        return found  # pyright: ignore[reportUnknownVariableType]  # whatever its settings are
    where = module.__file__
    if found is None:
        others = sorted(name for name, value in vars(module).items() if isinstance(value, Plugin))
        hint = f"; write {target}:{others[0]}" if others else f"; it needs `{attribute} = Plugin(...)`"
        raise PluginLoadError(reference, f"it has no {attribute!r}{hint}", where)
    raise PluginLoadError(reference, f"{attribute!r} is a {type(found).__name__}, not a Plugin", where)


def cause_of(error: BaseException) -> str:
    """What went wrong, as one line."""
    try:
        text = str(error)
    except BaseException as second:  # the text is an author's too
        if is_ctrl_c(second):
            raise
        text = ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *(["; ".join(lines)] if lines else [])])


def place_of(error: BaseException) -> str | None:
    """Where it went wrong: the line of a syntax error, else the last line of the traceback that is not the import's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", _OWN_FOLDER)) and frame.filename != importlib.__file__
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None

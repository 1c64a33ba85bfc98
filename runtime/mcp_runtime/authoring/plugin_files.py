"""The package of plugin files: a plugin given as FILE.py is a module in it. Rule: a name says where its file is.

It is a package although itself a file. A process that knows nothing but the name imports the same file: a child of
`multiprocessing`, which gets functions and classes by name. The folder of a file is a package in here, so that files
beside it can be imported relatively; nothing in it hides a module of the same name elsewhere, or is hidden by one.
"""

import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

__path__: list[str] = []  # which makes it a package: what is in it is found by its names alone

_WORD: Final = re.compile(r"(?:[A-Za-z0-9]|_[0-9a-f]{2})+")
_SPECIAL: Final = re.compile(rb"[^A-Za-z0-9]")
_ESCAPED: Final = re.compile(rb"_([0-9a-f]{2})")


def module_name(path: str) -> str:
    """The name of the module that the file at `path` is: of its folder and its own, each as an identifier."""
    file = Path(path).absolute()
    return f"{__name__}.{_word(str(file.parent))}.{_word(file.name)}"


def _word(text: str) -> str:
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"_{byte:02x}" for byte in os.fsencode(text)
    )


def _text(word: str) -> str | None:
    """The text that `_word` made this of, None where it made no such thing."""
    if _WORD.fullmatch(word) is None:
        return None
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), word.encode("ascii")))


class PluginFiles:
    """The finder of this package: finds its modules by their names, where no other finder of Python has."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib asks it of everything in `sys.meta_path`."""
        del path, target
        package, _, name = fullname.partition(f"{__name__}.")
        if package or not name:
            return None
        word, _, file_word = name.partition(".")
        folder, file = _text(word), _text(file_word) if file_word else ""
        if folder is None or file is None:
            return None
        if file:
            return spec_from_file_location(fullname, Path(folder, file)) if file.endswith(".py") else None
        if not Path(folder).is_dir():
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [folder]
        return spec


# On import, because in a child process nobody but the import system asks for this package. The last to be asked, so
# that no other import waits for it.
sys.meta_path.append(PluginFiles)

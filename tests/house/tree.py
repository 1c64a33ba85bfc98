"""The source tree as the rules of the house see it: its modules, their imports, and what the import contracts list.

Rule: read as text, nothing is imported; every function takes the folder of one source root's package.
"""

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

MAX_MODULES: Final = 14
"""In one folder: as many as a reader can keep apart at a glance."""


def modules(package: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name; a folder's own is its `__init__`."""
    root = package.parent
    return {_name(path.relative_to(root)): path for path in sorted(package.rglob("*.py"))}


def folders(package: Path) -> list[Path]:
    """The package's own folder, and all below it that hold modules."""
    return sorted({path.parent for path in package.rglob("*.py")})


def loose(package: Path, doors: set[str]) -> set[str]:
    """The modules beside the package's rooms that are none of its `doors`."""
    return {path.stem for path in package.glob("*.py")} - doors - {"__init__"}


def crowded(package: Path) -> dict[str, int]:
    """The folders with more modules than `MAX_MODULES`, and how many those have."""
    counts = {_name(folder.relative_to(package.parent)): len(_children(folder)[0]) for folder in folders(package)}
    return {name: count for name, count in counts.items() if count > MAX_MODULES}


def talkative(package: Path) -> set[str]:
    """The folders whose `__init__` is missing, or has more in it than its sentence."""
    found: set[str] = set()
    for folder in folders(package):
        init = folder / "__init__.py"
        tree = ast.parse(init.read_text(encoding="utf-8")) if init.exists() else None
        if tree is None or len(tree.body) != 1 or ast.get_docstring(tree) is None:
            found.add(_name(folder.relative_to(package.parent)))
    return found


def circles(*packages: Path) -> list[list[str]]:
    """The modules that import each other, by whatever way round; imports for types alone count too."""
    known = {name: path for package in packages for name, path in modules(package).items()}
    graph = {name: set(_imports(path, known)) - {name} for name, path in known.items()}
    found: list[list[str]] = []
    while graph:
        leaves = {name for name, wanted in graph.items() if not wanted & graph.keys()}
        if not leaves:
            found.append(sorted(_needed_by_each_other(graph)))
            break
        graph = {name: wanted for name, wanted in graph.items() if name not in leaves}
    return found


def unlisted(package: Path, contracts: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """By folder that has folders: what is in it and in no exhaustive contract about it, or in a contract alone."""
    listed = {
        container: set(_words(contract["layers"]))
        for contract in contracts
        if contract["type"] == "layers" and contract.get("exhaustive")
        for container in contract["containers"]
    }
    wrong: dict[str, set[str]] = {}
    for folder in folders(package):
        own, below = _children(folder)
        name = _name(folder.relative_to(package.parent))
        if below and (differing := (own | below) ^ listed.get(name, set())):
            wrong[name] = differing
    return wrong


def contracts_of(pyproject: Path) -> list[Mapping[str, Any]]:
    """The import contracts that `pyproject` lists."""
    read = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    found: list[Mapping[str, Any]] = read["tool"]["importlinter"]["contracts"]
    return found


def _words(layers: list[str]) -> Iterator[str]:
    for layer in layers:
        yield from (word.strip(" ()") for word in layer.split("|"))


def _children(folder: Path) -> tuple[set[str], set[str]]:
    """The modules in a folder, and the folders of modules below it."""
    own = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    return own, {path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.py"))}


def _name(relative: Path) -> str:
    return ".".join(relative.with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level and node.module in known:
            inner = {f"{node.module}.{one.name}" for one in node.names} & known.keys()
            yield from inner or {node.module}


def _needed_by_each_other(graph: Mapping[str, set[str]]) -> set[str]:
    """Of modules each of which needs another of them, those that some other needs."""
    while True:
        needed = {name for wanted in graph.values() for name in wanted if name in graph}
        if needed == graph.keys():
            return needed
        graph = {name: wanted for name, wanted in graph.items() if name in needed}

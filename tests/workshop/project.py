"""The project as pyproject.toml describes it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PYPROJECT: Final[Mapping[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
_CLASSIFIER: Final = "Programming Language :: Python :: "
VERSIONS: Final[list[str]] = [
    name.removeprefix(_CLASSIFIER)
    for name in PYPROJECT["project"]["classifiers"]
    if name.startswith(f"{_CLASSIFIER}3.")
]
"""The versions of Python that are listed there, in that order."""

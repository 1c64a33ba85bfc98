"""Trees of the project, each in an environment of its own. Rule: two of them differ in our code, and in nothing else.

An environment has the packages that this tree's has, by links, and the tree itself as an editable installation: its
source roots, its version and its entry points. This tree gets one too, so that both are found the same way.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.peers import CACHE, ROOT

COMPARE: Final = CACHE / "compare"
_OWN: Final = "mcp_runtime_bridge"
"""How the names begin of what installs the project, its metadata's and its path file's."""
_BUILD: Final = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"


class TreeError(Exception):
    """A revision that there is not, or that cannot be installed."""


def commit(revision: str) -> str:
    """The full id of the commit that `revision` names. Raises TreeError."""
    return _run(["git", "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}"], ROOT).decode().strip()


def checkout(sha: str, folder: Path = COMPARE) -> Path:
    """The files of the commit `sha` in `folder`, written once. Raises TreeError."""
    target = folder / sha
    if not target.is_dir():
        archive = _run(["git", "archive", "--format=tar", sha], ROOT)
        folder.mkdir(parents=True, exist_ok=True)
        # Beside it and then renamed: a checkout that broke off is none.
        with tempfile.TemporaryDirectory(prefix="checkout-", dir=folder) as made:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(Path(made, sha), filter="data")
            Path(made, sha).rename(target)
    return target


def install(tree: Path, environment: Path) -> None:
    """Make `environment` anew, with the packages of the running one and with `tree`. Raises TreeError."""
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, symlinks=True)
    shared, own = _packages(Path(sys.prefix)), _packages(environment)
    for path in shared.iterdir():
        # A path file runs when Python starts. Those of development tools are nobody's business here.
        if path.suffix != ".pth" and not path.name.startswith(_OWN):
            (own / path.name).symlink_to(path)
    with tempfile.TemporaryDirectory(prefix="wheel-") as made:
        _run([sys.executable, "-c", _BUILD, made], tree)
        for wheel in Path(made).glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(own)
    roots = (own / f"_{_OWN}.pth").read_text().splitlines()
    # Where PYTHONDONTWRITEBYTECODE is set, a tree that nobody has run yet would be compiled at each start.
    _run([str(environment / "bin" / "python"), "-m", "compileall", "-q", *roots], environment)
    (environment / ".installed").write_text(f"{tree}\n")


def _packages(environment: Path) -> Path:
    return next(environment.glob("lib/python3*/site-packages"))


def _run(command: Sequence[str], directory: Path) -> bytes:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ran = subprocess.run(command, cwd=directory, env=own, capture_output=True, check=False)
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise TreeError("\n    ".join([f"{command[0]} ended with {ran.returncode}", *said]))
    return ran.stdout

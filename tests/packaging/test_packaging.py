"""What a user installs: the wheel that is built from the source distribution, and the editable install."""

import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from mcp_runtime.platform.version import VERSION
from tests.support.messages import call, encode
from tests.support.server_process import clean_environment

pytestmark = pytest.mark.process

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = {"mcp_runtime": "runtime", "mcp_bridges": "bridges", "mcp_plugins": "plugins"}
TIME_LIMIT_S: Final = 120.0
# Building in isolation downloads the build backend; where it is installed that is time saved, and the network.
NO_ISOLATION: Final = ("--no-isolation",) if find_spec("hatchling") else ()
NO_BUILD_ISOLATION: Final = ("--no-build-isolation",) if find_spec("hatchling") else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A virtual environment with nothing in it but the project; dependencies come from the one that runs the tests."""

    directory: Path

    def run(self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run a program of the environment, which has to succeed."""
        program, *rest = arguments
        done = subprocess.run(
            [str(self.directory / "bin" / program), *rest],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=TIME_LIMIT_S,
            cwd=cwd or self.directory,
            env=clean_environment(self.directory),
        )
        assert done.returncode == 0, done.stderr.decode()
        return done

    def location(self, package: str) -> Path:
        """Where `package` is imported from."""
        code = f"import {package}; print({package}.__path__[0])"
        return Path(self.run("python", "-c", code).stdout.decode().strip())


def _install(directory: Path, *what: str) -> Installation:
    venv.create(directory, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(directory), "platbase": str(directory)}))
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    target = str(directory / "bin" / "python")
    _run(sys.executable, "-m", "pip", "--python", target, "install", "--no-deps", "--disable-pip-version-check", *what)
    return Installation(directory=directory)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIME_LIMIT_S, cwd="/")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution, and the wheel that is built from it."""
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", *NO_ISOLATION, "--outdir", str(out), str(ROOT))
    (source,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def installed(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return _install(tmp_path_factory.mktemp("wheel"), "--no-index", str(distributions[1]))


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return _install(tmp_path_factory.mktemp("editable"), *NO_BUILD_ISOLATION, "--editable", str(ROOT))


@pytest.fixture(params=["installed", "editable"])
def installation(request: pytest.FixtureRequest) -> Installation:
    chosen: Installation = request.getfixturevalue(request.param)
    return chosen


def test_the_wheel_holds_the_packages_and_says_that_they_are_typed(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = set(wheel.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {"mcp_plugins/sqlite/plugin.py", "mcp_plugins/everything/__init__.py"} <= names
    info = f"mcp_runtime_bridge-{VERSION}.dist-info"
    assert {f"{info}/entry_points.txt", f"{info}/licenses/LICENSE"} <= names
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, info}
    assert not [name for name in names if name.endswith((".pyc", ".db", ".key"))]


def test_every_module_of_the_tree_is_in_the_wheel(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        packed = {name for name in wheel.namelist() if name.endswith(".py")}
    modules = {
        str(path.relative_to(ROOT / folder))
        for package, folder in PACKAGES.items()
        for path in _sources(folder, package)
    }
    assert packed == modules


def _sources(folder: str, package: str) -> Sequence[Path]:
    return list((ROOT / folder / package).rglob("*.py"))


def test_the_source_distribution_holds_what_it_takes_to_test_it(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "config.toml", "scripts/serve", "scripts/test"}
    assert wanted | {"tests/packaging/test_packaging.py", "tests/clients/package.json"} <= names
    assert {"requirements-dev.lock", "scripts/lock", "scripts/node-tools.json", ".ci/run"} <= names
    assert {".github/workflows/ci.yml", ".pre-commit-config.yaml"} <= names


def test_what_is_published_of_pyproject_is_for_users_only(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        metadata = wheel.read(f"mcp_runtime_bridge-{VERSION}.dist-info/METADATA").decode()
    extras = [line.split()[1] for line in metadata.splitlines() if line.startswith("Provides-Extra:")]
    assert sorted(extras) == ["granian", "uvicorn"]
    assert "pytest" not in metadata


def test_the_command_knows_its_version(installation: Installation) -> None:
    assert installation.run("mcp-runtime", "--version").stdout.decode().split() == ["mcp-runtime", VERSION]


def test_each_package_comes_from_where_it_was_installed(installed: Installation, editable: Installation) -> None:
    for package, folder in PACKAGES.items():
        assert installed.location(package).is_relative_to(installed.directory)
        assert editable.location(package) == ROOT / folder / package


def test_a_new_project_is_written_checked_and_served(installation: Installation, tmp_path: Path) -> None:
    installation.run("mcp-runtime", "init", cwd=tmp_path)
    assert (tmp_path / "config.toml").read_text().count("MCP_RUNTIME_") > 30
    installation.run("mcp-runtime", "check", cwd=tmp_path)
    message = call("count_words", text="one two")
    done = installation.run("mcp-runtime", "serve", "--stdio", cwd=tmp_path, stdin=encode(message) + b"\n")
    assert json.loads(done.stdout)["result"]["structuredContent"] == {"words": 2, "letters": 6}


def test_sqlite_is_found_by_its_short_name_and_answers(installation: Installation, tmp_path: Path) -> None:
    message = call("query", sql="SELECT count(*) > 0 FROM customers")
    done = installation.run(
        *("mcp-runtime", "serve", "--stdio", "--plugin", "sqlite"), cwd=tmp_path, stdin=encode(message) + b"\n"
    )
    assert json.loads(done.stdout)["result"]["structuredContent"]["rows"] == [[1]]

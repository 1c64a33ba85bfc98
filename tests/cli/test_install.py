"""The installed package, after `pip install .` and `pip install -e .`: the command, typed packages, plugins' short names."""

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import clean_environment, discover

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SOURCES = ("runtime", "bridges", "plugins")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is written into the work tree."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with the wheel in it; what it depends on comes from the environment of the tests."""
    prefix = tmp_path_factory.mktemp("prefix")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*pip, "--prefix", str(prefix), str(wheel)], check=True, capture_output=True)
    return prefix


def run(installed: Path, *command: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    [packages] = installed.glob("lib/python*/site-packages")
    path = os.pathsep.join([str(installed / "bin"), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(cwd, PYTHONPATH=str(packages), PATH=path),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_every_source_file_and_the_type_markers(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in SOURCES:
        for path in (ROOT / name).rglob("*.py"):
            assert str(path.relative_to(ROOT / name)) in names
    assert {"mcp_runtime/py.typed", "mcp_bridges/py.typed", "mcp_plugins/py.typed"} <= names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "mcp_runtime",
        "mcp_bridges",
        "mcp_plugins",
    }
    assert any(name.endswith("LICENSE") for name in names)


def test_it_names_the_command_and_the_plugins(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [name] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    entries = ConfigParser()
    entries.read_string(archive.read(name).decode())
    assert dict(entries["console_scripts"]) == {"mcp-runtime": "mcp_runtime.cli.main:main"}
    assert set(entries["mcp_runtime.plugins"]) == {"sqlite", "everything"}


def test_the_installed_command_serves_a_plugin_by_its_short_name(installed: Path, tmp_path: Path) -> None:
    where = run(installed, sys.executable, "-c", "import mcp_runtime; print(mcp_runtime.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(installed))
    served = run(installed, "mcp-runtime", "serve", "--stdio", "--plugin", "sqlite", cwd=tmp_path, stdin=discover())
    assert served.returncode == ExitCode.OK
    assert '"supportedVersions":["2026-07-28"]' in served.stdout


def test_an_editable_install_serves_the_work_tree(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("mcp-runtime")
    program = "import mcp_runtime as r, mcp_bridges as b, mcp_plugins as p; print(r.__file__, b.__file__, p.__file__)"
    env = clean_environment(tmp_path)
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert [path.startswith(str(ROOT)) for path in found.stdout.split()] == [True] * 3
    listed = subprocess.run(
        [command, "tools", "--plugin", "sqlite"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert "(sqlite)" in listed.stdout

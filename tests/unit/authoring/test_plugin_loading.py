"""A plugin is found by file, module or entry point, and one that fails to load says where and why."""

import importlib
import pickle
import sys
from collections.abc import Generator
from pathlib import Path
from textwrap import dedent

import pytest

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.authoring.plugin_files import module_name
from mcp_runtime.authoring.plugin_loading import PluginLoadError, load_plugin
from mcp_runtime.config import Config, PluginsConfig

GOOD = "from mcp_runtime import Plugin\nplugin = Plugin('good')\nother = Plugin('other')\n"


@pytest.fixture(autouse=True)
def forget_modules() -> Generator[None]:
    """Plugins of one test shall not be found imported by the next."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python imports modules from."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(source), encoding="utf-8")
    return path


def refusal(reference: str | Path) -> PluginLoadError:
    with pytest.raises(PluginLoadError) as refused:
        load_plugin(str(reference))
    assert refused.value.reference == str(reference)
    assert str(refused.value).startswith(f"plugin {str(reference)!r} cannot be loaded: {refused.value.cause}")
    return refused.value


# What is found


def test_a_file_is_loaded_for_its_plugin(tmp_path: Path) -> None:
    assert load_plugin(str(write(tmp_path / "my tools.py", GOOD))).name == "good"


def test_a_colon_names_the_attribute(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", GOOD)
    assert load_plugin(f"{path}:other").name == "other"
    assert load_plugin(f"{path}:plugin").name == "good"


def test_a_relative_file_is_looked_for_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tools.py", GOOD)
    monkeypatch.chdir(tmp_path)
    assert load_plugin("tools.py").name == "good"
    assert load_plugin("./tools.py:other").name == "other"


def test_a_path_may_have_colons(tmp_path: Path) -> None:
    assert load_plugin(str(write(tmp_path / "a:b" / "tools.py", GOOD))).name == "good"


def test_a_module_is_loaded_by_name(search_path: Path) -> None:
    write(search_path / "some_package" / "__init__.py", "")
    write(search_path / "some_package" / "tools.py", GOOD)
    assert load_plugin("some_package.tools").name == "good"
    assert load_plugin("some_package.tools:other").name == "other"


def test_an_installed_plugin_is_loaded_by_its_short_name(search_path: Path) -> None:
    write(search_path / "installed_tools.py", GOOD)
    write(
        search_path / "installed_tools-1.0.dist-info" / "entry_points.txt",
        """\
        [mcp_runtime.plugins]
        short = installed_tools
        pointed = installed_tools:other
        """,
    )
    write(search_path / "installed_tools-1.0.dist-info" / "METADATA", "Metadata-Version: 2.1\nName: installed-tools\n")
    assert load_plugin("short").name == "good"
    assert load_plugin("short:other").name == "other"
    assert load_plugin("pointed").name == "other"
    assert load_plugin("pointed:plugin").name == "good"


def test_the_configuration_names_what_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", GOOD)
    runtime = build_runtime(Config(plugins=PluginsConfig(load=(str(path), f"{path}:other"))))
    assert [plugin.name for plugin in runtime.plugins] == ["good", "other"]


def test_classes_of_a_file_can_be_looked_up(tmp_path: Path) -> None:
    path = write(
        tmp_path / "tools.py",
        """\
        from __future__ import annotations
        from dataclasses import dataclass
        from mcp_runtime import Plugin

        @dataclass
        class Inner:
            a: int

        @dataclass
        class Settings:
            inner: Inner | None = None

        plugin = Plugin("p", settings=Settings)

        @plugin.tool
        async def tool(value: Inner) -> Inner:
            return value
        """,
    )
    build_runtime(Config(plugins=PluginsConfig(load=(str(path),))))


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    source = """\
        from __future__ import annotations
        from dataclasses import dataclass
        from mcp_runtime import Plugin

        @dataclass
        class {name}:
            a: int = 1

        @dataclass
        class Settings:
            inner: {name} | None = None

        plugin = Plugin("{name}", settings=Settings)
        """
    first = write(tmp_path / "a" / "tools.py", dedent(source).format(name="First"))
    second = write(tmp_path / "b" / "tools.py", dedent(source).format(name="Second"))
    runtime = build_runtime(Config(plugins=PluginsConfig(load=(str(first), str(second)))))
    assert [plugin.name for plugin in runtime.plugins] == ["First", "Second"]
    assert len({plugin.settings_type.__module__ for plugin in runtime.plugins if plugin.settings_type}) == 2


@pytest.mark.parametrize("name", ["tools.py", "my-tools.py", "a.b.py", "json.py", "_20.py", "_.py", "été 2.py", ".py"])
def test_a_files_module_is_imported_by_its_name_and_by_no_other(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a_2 folder.d" / name, "class Thing:\n    pass\nfrom mcp_runtime import Plugin\n" + GOOD)
    load_plugin(str(path))
    (module,) = [one for one in sys.modules.values() if getattr(one, "__file__", None) == str(path)]
    assert all(part.isidentifier() for part in module.__name__.split("."))
    thing = pickle.dumps(module.Thing)
    del sys.modules[module.__name__]
    again = pickle.loads(thing)  # as another process has it
    assert (again.__module__, again.__name__) == (module.__name__, "Thing")
    assert again is not module.Thing
    assert module_name(str(path)) == module.__name__


def test_files_beside_a_file_can_be_imported_relatively(tmp_path: Path) -> None:
    write(tmp_path / "beside_it.py", "NAME = 'from beside'\n")
    write(tmp_path / "package" / "__init__.py", "from ..beside_it import NAME as NAME\n")
    path = write(
        tmp_path / "tools.py",
        "from mcp_runtime import Plugin\nfrom .package import NAME\nfrom . import beside_it\nplugin = Plugin(NAME)\n",
    )
    assert load_plugin(str(path)).name == "from beside"


def test_a_file_has_its_name_although_a_package_beside_it_has_the_same(tmp_path: Path) -> None:
    write(tmp_path / "tools" / "__init__.py", "raise RuntimeError\n")
    assert load_plugin(str(write(tmp_path / "tools.py", GOOD))).name == "good"


@pytest.mark.parametrize("name", ["x", "_2fnowhere", "_2f.x", "_2f.missing_2etxt", "_zz", "_2fnowhere.tools_2epy", "."])
def test_other_names_are_no_modules(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"mcp_runtime.authoring.plugin_files.{name}")


# What is not


@pytest.mark.parametrize("name", ["missing.py", "missing.py:plugin", ".py", "folder.py"])
def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.py").mkdir()
    assert refusal(tmp_path / name).cause == "there is no such file"


@pytest.mark.parametrize(
    "reference", ["no_such_module", "no.such.module", "no_such_module:plugin", "json.nothing", "", ":", ":plugin", "."]
)
def test_a_module_that_is_not_there_says_what_python_says(reference: str) -> None:
    error = refusal(reference)
    assert error.cause.split(":")[0] in ("ModuleNotFoundError", "ValueError", "TypeError")


def test_a_syntax_error_is_found_on_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "x = 1\n\ndef broken(:\n    pass\n")
    error = refusal(path)
    assert error.cause.startswith("SyntaxError: ")
    assert error.place == f"{path}:3"
    assert str(error).endswith(f"({path}:3)")


def test_an_error_while_importing_is_found_on_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "import json\n\n\ndef fail():\n    return 1 / 0\n\n\nfail()\n")
    error = refusal(path)
    assert (error.cause, error.place) == ("ZeroDivisionError: division by zero", f"{path}:5")


def test_a_missing_dependency_is_found_on_the_line_that_wants_it(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "import json\nimport no_such_dependency\n")
    error = refusal(path)
    assert error.cause == "ModuleNotFoundError: No module named 'no_such_dependency'"
    assert error.place == f"{path}:2"


def test_a_fault_in_a_module_that_a_plugin_imports_is_found_there(search_path: Path) -> None:
    inner = write(search_path / "inner_module.py", "\n\nraise RuntimeError('boom')\n")
    write(search_path / "outer_module.py", "import inner_module\n")
    error = refusal("outer_module")
    assert (error.cause, error.place) == ("RuntimeError: boom", f"{inner}:3")
    syntax = write(search_path / "inner_syntax.py", "\n)\n")
    outer = write(search_path / "outer_file.py", "import inner_syntax\n")
    assert refusal(outer).place == f"{syntax}:2"


def test_a_plugin_that_exits_is_an_error_and_the_server_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "import sys\nsys.exit(3)\n")
    error = refusal(path)
    assert (error.cause, error.place) == ("SystemExit: 3", f"{path}:2")


@pytest.mark.parametrize("content", [b"x = '\xff'\n", b"\x00\n", b"# coding: nonsense\n"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tools.py"
    path.write_bytes(content)
    assert refusal(path).cause


def test_a_declaration_that_fails_is_found_on_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "tools.py", "from mcp_runtime import Plugin\nplugin = Plugin('p')\nplugin.completion(argument='x')\n"
    )
    error = refusal(path)
    assert error.cause == "PluginError: completion: name either the prompt or the resource"
    # The last frame is the runtime's own, which tells the author nothing.
    assert error.place == f"{path}:3"


def test_a_module_without_a_plugin_says_what_it_needs(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "x = 1\n")
    error = refusal(path)
    assert error.cause == "it has no 'plugin'; it needs `plugin = Plugin(...)`"
    assert error.place == str(path)
    assert "`mine = Plugin(...)`" in refusal(f"{path}:mine").cause


def test_a_module_with_another_plugin_says_how_to_name_it(search_path: Path) -> None:
    write(search_path / "named_tools.py", "from mcp_runtime import Plugin\nzeta = Plugin('z')\nalpha = Plugin('a')\n")
    assert refusal("named_tools").cause == "it has no 'plugin'; write named_tools:alpha"


def test_what_a_file_without_the_plugin_suggests_can_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "from mcp_runtime import Plugin\nmine = Plugin('m')\n")
    assert refusal(path).cause == f"it has no 'plugin'; write {path}:mine"
    assert load_plugin(f"{path}:mine").name == "m"


@pytest.mark.parametrize(
    ("value", "kind"), [("5", "int"), ("Plugin", "type"), ("[Plugin('p')]", "list"), ("'p'", "str")]
)
def test_an_attribute_that_is_no_plugin_is_refused_by_its_type(tmp_path: Path, value: str, kind: str) -> None:
    path = write(tmp_path / "tools.py", f"from mcp_runtime import Plugin\nplugin = {value}\n")
    error = refusal(path)
    assert (error.cause, error.place) == (f"'plugin' is a {kind}, not a Plugin", str(path))


def test_a_file_that_failed_can_be_mended_and_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "tools.py", "raise RuntimeError\n")
    assert refusal(path).cause.startswith("RuntimeError")
    path.write_text(GOOD + "# longer, so that no cached bytecode fits\n")
    assert isinstance(load_plugin(str(path)), Plugin)

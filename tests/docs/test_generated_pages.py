"""Pages that are read off the code say what the code says."""

import ast
from pathlib import Path

import pytest

import mcp_runtime
from docs.generate import DOCS, PAGES
from docs.generate.errors import CAUSES, REFUSALS
from docs.generate.plugin_api import GROUPS
from mcp_runtime.cli.exit_codes import MEANINGS, ExitCode
from mcp_runtime.core.dispatch.methods import METHODS
from mcp_runtime.protocol.errors import ERRORS
from tests.docs.sources import SOURCES, tree_of


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "write it anew: python -m docs.generate"


def test_the_plugin_api_page_has_every_public_name_once() -> None:
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(mcp_runtime.__all__)


def test_what_type_checkers_read_of_the_door_is_what_it_gives() -> None:
    tree = ast.parse(Path(str(mcp_runtime.__file__)).read_text(encoding="utf-8"))
    typed = {
        one.name: (node.module, one.asname)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
    }
    assert typed == {name: (home, name) for name, home in mcp_runtime._HOME.items()}
    assert all(getattr(mcp_runtime, name).__name__ == name for name in mcp_runtime.__all__)


def test_every_error_code_has_a_cause() -> None:
    assert set(CAUSES) == set(ERRORS)


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_every_status_of_a_refusal_in_the_code_is_on_the_page() -> None:
    raised = {
        node.args[0].value
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "HttpRefusalError"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert raised == set(REFUSALS)


def test_spec_coverage_lists_every_method() -> None:
    text = (DOCS / "reference" / "spec-coverage.md").read_text(encoding="utf-8")
    table = text.partition("## Methods")[2].partition("\n## ")[0]
    listed = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert listed == {*METHODS, "notifications/cancelled"}

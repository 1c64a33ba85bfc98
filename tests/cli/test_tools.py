"""`mcp-runtime tools` lists what clients would see."""

import json
from pathlib import Path

import pytest

from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import run_command

pytestmark = pytest.mark.process

PLUGIN = '''
from mcp_runtime import Plugin

print("noise")
plugin = Plugin("shop")

@plugin.tool
def buy(thing: str) -> str:
    """Buy something.

    More for the model.
    """
    return thing

@plugin.resource("shop://hours")
def hours() -> str:
    """When it is open."""
    return "9 to 5"

@plugin.resource("shop://things/{name}")
def thing(name: str) -> str:
    return name

@plugin.prompt
def review(text: str) -> str:
    """Review a thing."""
    return text
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(PLUGIN)
    return tmp_path


def test_the_list_shows_plugin_and_description(shop: Path) -> None:
    done = run_command("tools", "--plugin", "shop.py", cwd=shop)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "noise\n")
    assert done.stdout == (
        "Tools\n  buy  (shop)\n      Buy something.\n\n"
        "Resources\n  shop://hours  (shop)\n      When it is open.\n\n"
        "Resource templates\n  shop://things/{name}  (shop)\n\n"
        "Prompts\n  review  (shop)\n      Review a thing.\n"
    )


def test_json_has_the_full_definitions_and_nothing_else_on_stdout(shop: Path) -> None:
    lists = json.loads(run_command("tools", "--json", "--plugin", "shop.py", cwd=shop).stdout)
    assert list(lists) == ["tools", "resources", "resourceTemplates", "prompts"]
    [tool] = lists["tools"]
    assert (tool["plugin"], tool["name"]) == ("shop", "buy")
    assert tool["inputSchema"]["required"] == ["thing"]
    assert lists["resourceTemplates"][0]["uriTemplate"] == "shop://things/{name}"


def test_with_no_plugin_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = run_command("tools", cwd=tmp_path)
    assert done.stdout == "Nothing is served: load a plugin with --plugin, or run mcp-runtime init.\n"


def test_a_wrong_configuration_is_exit_code_3(tmp_path: Path) -> None:
    assert run_command("tools", "--config", "none.toml", cwd=tmp_path).returncode == ExitCode.CONFIGURATION

"""`mcp-runtime check` says what was found, or what is wrong."""

from pathlib import Path

import pytest

from mcp_runtime.cli.exit_codes import ExitCode
from tests.cli.running import run_command

pytestmark = pytest.mark.process

PLUGIN = """
from dataclasses import dataclass
from mcp_runtime import Plugin

print("noise")

@dataclass
class Settings:
    rows: int = 1

plugin = Plugin("shop", settings=Settings)

@plugin.tool
def buy(thing: str) -> str:
    "Buy something."
    return thing
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(PLUGIN)
    return tmp_path


def configure(directory: Path, text: str) -> None:
    (directory / "config.toml").write_text(text)


def test_a_right_configuration_is_described(shop: Path) -> None:
    configure(shop, "[plugins]\nload = ['shop.py']\n[http]\nbind = ['127.0.0.1:9001']\n[stdio]\nenabled = true")
    done = run_command("check", cwd=shop)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "noise\n")
    assert str(shop / "config.toml") in done.stdout
    assert "127.0.0.1:9001, stdio" in done.stdout
    assert "plugins     1: shop" in done.stdout
    assert "tools       1: buy" in done.stdout
    assert done.stdout.endswith("The configuration is right, and every plugin loads.\n")


def test_without_a_configuration_the_defaults_are_checked(tmp_path: Path) -> None:
    done = run_command("check", cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    assert "none: defaults" in done.stdout
    assert "nothing yet" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[http]\nbinds = []", 'http.binds: there is no such key. Fix: did you mean "http.bind"?'),
        (
            "[limits]\npage_size = 0",
            "limits.page_size: 0 is not a whole number, 1 or more. Fix: write one, such as 100",
        ),
        (
            "[plugins]\nload = ['shop.py']\n[plugin.shop]\nrow = 1",
            'plugin.shop.row: plugin shop has no such setting. Fix: did you mean "rows"?',
        ),
    ],
)
def test_a_wrong_configuration_names_file_key_and_fix(shop: Path, text: str, message: str) -> None:
    configure(shop, text)
    done = run_command("check", cwd=shop)
    assert done.returncode == ExitCode.CONFIGURATION
    assert done.stderr.splitlines()[-1].startswith(f"mcp-runtime: {shop / 'config.toml'}: {message}")
    assert done.stdout == ""


def test_a_certificate_that_openssl_refuses_is_a_wrong_configuration(shop: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (shop / name).write_text("nonsense")
    configure(shop, "[http]\ntls_certificate_file = 'cert.pem'\ntls_key_file = 'key.pem'")
    done = run_command("check", cwd=shop)
    assert done.returncode == ExitCode.CONFIGURATION
    assert "http.tls_certificate_file" in done.stderr


def test_a_plugin_that_does_not_load_is_exit_code_4_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import os\n\n1 / 0\n")
    done = run_command("check", "--plugin", "broken.py", cwd=tmp_path)
    assert done.returncode == ExitCode.PLUGIN
    assert f"{tmp_path / 'broken.py'}:3" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_settings_for_a_plugin_that_is_not_loaded_are_noted(shop: Path) -> None:
    configure(shop, "[plugins]\nload = ['shop.py']\n[plugin.shp]\nrows = 2\n[plugin.weather]")
    done = run_command("check", cwd=shop, variables={"MCP_RUNTIME_PLUGIN_OTHER_KEY": "1"})
    assert done.returncode == ExitCode.OK
    assert "plugin.shp is for a plugin that is not loaded; did you mean plugin.shop?" in done.stdout
    assert "plugin.weather is for a plugin that is not loaded\n" in done.stdout
    assert "MCP_RUNTIME_PLUGIN_OTHER_KEY is for a plugin that is not loaded\n" in done.stdout


def test_the_shipped_configuration_is_right(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "config.toml"
    done = run_command("check", "--config", str(shipped), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "sqlite" in done.stdout
    assert "note" not in done.stdout

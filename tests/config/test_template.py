"""The file that `init` writes and the one that ships are complete, and right."""

import re
import tomllib
from pathlib import Path
from typing import cast

import pytest

from mcp_plugins.sqlite.settings import SqliteSettings
from mcp_runtime.authoring.settings.plugin_settings import plugin_settings
from mcp_runtime.config import CONFIG_KEYS, CONFIG_SECTIONS, Config, load_config
from mcp_runtime.config.template import render, toml_value
from tests.config.files import load_text
from tests.config.shipped import CONFIG_FILE, VALUES, shipped_text

UNITS = ("_s", "_ms", "_bytes")


def as_toml_reads(value: object) -> object:
    """Lists where we have tuples, an empty text where we have nothing."""
    if value is None:
        return ""
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def test_every_key_stands_in_the_template_with_its_default(tmp_path: Path) -> None:
    live = re.sub(r"^#(?=\w+ = )", "", render({}), flags=re.MULTILINE)
    document = tomllib.loads(live)
    for key in CONFIG_KEYS:
        table = document
        for name in key.section.split("."):
            table = table[name]
        assert table[key.name] == as_toml_reads(key.default), key.path
    config = load_text(tmp_path, live, environ={"HOME": "/home/ann"})
    assert (config.http, config.limits, config.cache) == (Config().http, Config().limits, Config().cache)


def test_every_key_stands_in_the_template_with_its_variable() -> None:
    lines = render({}).splitlines()
    for key in CONFIG_KEYS:
        assert lines.index(f"# {key.environment}") > 0


def test_every_key_and_section_says_what_it_means() -> None:
    assert [key.path for key in CONFIG_KEYS if not key.description.endswith(".")] == []
    assert [section.name for section in CONFIG_SECTIONS if not section.description.endswith(".")] == []


def test_durations_and_sizes_have_their_unit_in_their_name() -> None:
    floats = [key.path for key in CONFIG_KEYS if isinstance(key.default, float)]
    assert floats
    assert [path for path in floats if not path.endswith(UNITS)] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (4_194_304, "4_194_304"),
        (1000, "1000"),
        (0.25, "0.25"),
        ('a "b" \\ c\n', r'"a \"b\" \\ c\n"'),
        (("a", "b"), '["a", "b"]'),
        ((), "[]"),
    ],
)
def test_values_are_written_as_toml_reads_them(value: object, text: str) -> None:
    assert toml_value(value) == text
    read = tomllib.loads(f"x = {text}")["x"]
    assert read == as_toml_reads(value)


def test_the_shipped_file_is_what_the_tables_say() -> None:
    assert CONFIG_FILE.read_text(encoding="utf-8") == shipped_text(), "run: python -m tests.config.shipped"


def test_the_shipped_file_differs_from_the_defaults_only_in_what_it_serves() -> None:
    config = load_config(CONFIG_FILE, environ={})
    assert config.plugins.load == VALUES["plugins.load"]
    assert (config.http, config.limits, config.cache) == (Config().http, Config().limits, Config().cache)
    assert plugin_settings(config, "sqlite", SqliteSettings) == SqliteSettings()


def test_every_plugin_setting_stands_in_the_shipped_file_with_its_default(tmp_path: Path) -> None:
    text = shipped_text().partition("[plugin.sqlite]")[2]
    live = re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE).replace('database = "my.db"', "")
    config = load_text(tmp_path, f"[plugin.sqlite]\n{live}")
    assert plugin_settings(config, "sqlite", SqliteSettings) == SqliteSettings()
    assert set(config.plugin["sqlite"]) | {"database"} == set(SqliteSettings.__dataclass_fields__)

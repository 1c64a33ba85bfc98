"""A plugin's table becomes the plugin's own type."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import pydantic
import pytest

from mcp_runtime.authoring.settings.plugin_settings import plugin_settings, unclaimed_plugin_settings
from mcp_runtime.config import ConfigError
from mcp_runtime.config.secret import Secret
from tests.config.files import load_text


@dataclass(frozen=True, kw_only=True)
class AsDataclass:
    database: Path
    max_rows: int = 10
    tags: list[str] = field(default_factory=list[str])
    key: Secret | None = None
    extra: list[Path] = field(default_factory=list[Path])
    computed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.max_rows > 1000:
            raise ValueError("max_rows must be 1000 or less")


class AsStruct(msgspec.Struct, frozen=True, kw_only=True):
    database: Path
    max_rows: Annotated[int, msgspec.Meta(ge=1)] = 10
    tags: list[str] = []
    key: Secret | None = None
    extra: list[Path] = []


class AsModel(pydantic.BaseModel):
    database: Path
    max_rows: Annotated[int, pydantic.Field(ge=1)] = 10
    tags: list[str] = []
    key: Secret | None = None
    extra: list[Path] = []


EACH = pytest.mark.parametrize("kind", [AsDataclass, AsStruct, AsModel])
Kind = type[AsDataclass] | type[AsStruct] | type[AsModel]


def refused(directory: Path, kind: Kind, text: str, environ: dict[str, str] | None = None) -> ConfigError:
    config = load_text(directory, text, environ=environ)
    with pytest.raises(ConfigError) as caught:
        plugin_settings(config, "shop", kind)
    return caught.value


@EACH
def test_paths_are_relative_to_the_file_and_secrets_are_read(tmp_path: Path, kind: Kind) -> None:
    text = """
        [plugin.shop]
        database = "shop.db"
        tags = ["a"]
        key = "env:KEY"
        extra = ["b.db", "/c.db"]
        """
    settings = plugin_settings(load_text(tmp_path, text, environ={"KEY": "hunter2"}), "shop", kind)
    assert settings.database == tmp_path / "shop.db"
    assert settings.key == Secret("hunter2")
    assert settings.extra == [tmp_path / "b.db", Path("/c.db")]
    assert (settings.max_rows, settings.tags) == (10, ["a"])


@EACH
def test_the_environment_overrides_the_table(tmp_path: Path, kind: Kind) -> None:
    environ = {
        "MCP_RUNTIME_PLUGIN_SHOP_DATABASE": "/other.db",
        "MCP_RUNTIME_PLUGIN_SHOP_MAX_ROWS": "3",
        "MCP_RUNTIME_PLUGIN_SHOP_TAGS": "x, y",
    }
    settings = plugin_settings(load_text(tmp_path, "[plugin.shop]\nmax_rows = 1", environ=environ), "shop", kind)
    assert (settings.database, settings.max_rows, settings.tags) == (Path("/other.db"), 3, ["x", "y"])


@EACH
@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("[plugin.shop]\ndatabse = 'a'", "plugin.shop.databse", "plugin shop has no such setting"),
        ("", "plugin.shop.database", "is missing"),
        ("[plugin.shop]\ndatabase = 'a'\nmax_rows = 'x'", "plugin.shop.max_rows", ""),
        ("[plugin.shop]\ndatabase = 3", "plugin.shop.database", ""),
        ("[plugin.shop]\ndatabase = 'a'\nkey = 'env:NOWHERE'", "plugin.shop.key", "environment variable NOWHERE"),
    ],
)
def test_a_wrong_table_names_file_and_key(tmp_path: Path, kind: Kind, text: str, key: str, problem: str) -> None:
    error = refused(tmp_path, kind, text)
    assert (error.file, error.key) == (str(tmp_path / "config.toml"), key)
    assert problem in error.problem


def test_an_unknown_setting_suggests_the_nearest_one(tmp_path: Path) -> None:
    assert refused(tmp_path, AsStruct, "[plugin.shop]\ndatabse = 'a'").fix == 'did you mean "database"?'
    assert refused(tmp_path, AsStruct, "[plugin.shop]\nqqq = 'a'").fix == "remove it"


def test_a_check_of_the_types_own_names_the_key_it_begins_with(tmp_path: Path) -> None:
    error = refused(tmp_path, AsDataclass, "[plugin.shop]\ndatabase = 'a'\nmax_rows = 2000")
    assert (error.key, error.problem) == ("plugin.shop.max_rows", "max_rows must be 1000 or less")


@EACH
def test_a_wrong_variable_is_named(tmp_path: Path, kind: Kind) -> None:
    environ = {"MCP_RUNTIME_PLUGIN_SHOP_DATABASE": "a", "MCP_RUNTIME_PLUGIN_SHOP_MAX_ROWS": "many"}
    error = refused(tmp_path, kind, "", environ)
    assert (error.file, error.key) == ("environment", "MCP_RUNTIME_PLUGIN_SHOP_MAX_ROWS")


def test_an_unknown_variable_of_a_plugin_suggests_the_nearest_one(tmp_path: Path) -> None:
    error = refused(tmp_path, AsStruct, "", {"MCP_RUNTIME_PLUGIN_SHOP_MAX_ROW": "1"})
    assert (error.key, error.fix) == (
        "MCP_RUNTIME_PLUGIN_SHOP_MAX_ROW",
        "did you mean MCP_RUNTIME_PLUGIN_SHOP_MAX_ROWS?",
    )
    assert refused(tmp_path, AsStruct, "", {"MCP_RUNTIME_PLUGIN_SHOP_": "1"}).key == "MCP_RUNTIME_PLUGIN_SHOP_"


def test_a_variable_may_be_for_a_plugin_with_a_longer_name(tmp_path: Path) -> None:
    environ = {"MCP_RUNTIME_PLUGIN_SHOP_TWO_DATABASE": "two.db"}
    config = load_text(tmp_path, "[plugin.shop]\ndatabase = '/one.db'\n[plugin.shop-two]\n", environ=environ)
    assert plugin_settings(config, "shop", AsStruct).database == Path("/one.db")
    assert plugin_settings(config, "shop-two", AsStruct).database == Path.cwd() / "two.db"


def test_a_model_may_allow_settings_that_it_does_not_name(tmp_path: Path) -> None:
    class Open(pydantic.BaseModel, extra="allow"):
        name: str = "x"

    settings = plugin_settings(load_text(tmp_path, "[plugin.shop]\nother = 1"), "shop", Open)
    assert settings.model_extra == {"other": 1}


def test_a_models_own_check_over_several_keys_names_the_table(tmp_path: Path) -> None:
    class Checked(pydantic.BaseModel):
        low: int = 0
        high: int = 1

        @pydantic.model_validator(mode="after")
        def check(self) -> "Checked":
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    config = load_text(tmp_path, "[plugin.shop]\nlow = 2")
    with pytest.raises(ConfigError, match=r"plugin\.shop: value error, low is above high\."):
        plugin_settings(config, "shop", Checked)


def test_a_settings_type_of_another_kind_is_the_authors_mistake(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="int is no dataclass, msgspec Struct or pydantic model"):
        plugin_settings(load_text(tmp_path, ""), "shop", int)


def test_tables_and_variables_of_plugins_that_are_not_loaded_are_listed(tmp_path: Path) -> None:
    config = load_text(
        tmp_path,
        "[plugin.shop]\n[plugin.weather]\n",
        environ={"MCP_RUNTIME_PLUGIN_SHOP_A": "1", "MCP_RUNTIME_PLUGIN_OTHER_A": "1"},
    )
    assert unclaimed_plugin_settings(config, ["shop"]) == ["plugin.weather", "MCP_RUNTIME_PLUGIN_OTHER_A"]

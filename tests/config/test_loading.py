"""The sources of values, and which of several counts."""

from pathlib import Path

import pytest

from mcp_runtime.config import Config, ConfigError, load_config
from tests.config.files import load_text, refusal


def test_without_file_and_environment_everything_has_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(environ={})
    assert (config.http, config.limits, config.cache) == (Config().http, Config().limits, Config().cache)
    assert config.origin.file is None


def test_the_file_overrides_a_default(tmp_path: Path) -> None:
    assert load_text(tmp_path, "[limits]\npage_size = 7").limits.page_size == 7


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[limits]\npage_size = 7", environ={"MCP_RUNTIME_LIMITS_PAGE_SIZE": "8"})
    assert config.limits.page_size == 8


def test_the_command_line_overrides_the_environment(tmp_path: Path) -> None:
    environ = {"MCP_RUNTIME_LIMITS_PAGE_SIZE": "8"}
    assert load_text(tmp_path, "", environ=environ, limits_page_size=9).limits.page_size == 9


def test_one_key_of_a_nested_table_leaves_the_others_at_their_defaults(tmp_path: Path) -> None:
    cache = load_text(tmp_path, "[cache.tools]\nttl_ms = 5").cache
    assert (cache.tools.ttl_ms, cache.tools.scope) == (5, "public")
    assert cache.discover == Config().cache.discover


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text("[server]\nname = 'shop'")
    assert load_config(environ={"MCP_RUNTIME_CONFIG": str(named)}).server.name == "shop"


def test_a_given_path_counts_more_than_the_variable(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[server]\nname = 'given'", environ={"MCP_RUNTIME_CONFIG": "/nowhere.toml"})
    assert config.server.name == "given"


def test_config_toml_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("[server]\nname = 'here'")
    monkeypatch.chdir(tmp_path)
    assert load_config(environ={}).server.name == "here"


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: file: there is no such file\. Fix: .*mcp-runtime init"):
        load_config(tmp_path / "none.toml", environ={})


def test_a_file_that_is_no_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "config.toml", environ={})


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[http]\nbind = = 3\n")
    assert error.file == str(tmp_path / "config.toml")
    assert error.key.startswith("line 2")


def test_relative_paths_in_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    config = load_text(
        tmp_path,
        """
        [http]
        bind = ["unix:run/mcp.sock", "127.0.0.1:0"]
        tls_certificate_file = "cert.pem"
        tls_key_file = "key.pem"
        path = "/"
        allowed_hosts = ["mcp.example", "mcp.example:8443", "*.example.com", "*"]
        allowed_origins = ["https://app.example", "*"]
        [plugins]
        load = ["mine.py", "parts/other.py:tools", "package.module", "package.module:tools", "sqlite"]
        [state]
        directory = "state"
        """,
    )
    assert config.http.bind == (f"unix:{tmp_path}/run/mcp.sock", "127.0.0.1:0")
    assert config.http.tls_certificate_file == str(tmp_path / "cert.pem")
    assert (config.http.path, config.http.allowed_hosts) == (
        "/",
        ("mcp.example", "mcp.example:8443", "*.example.com", "*"),
    )
    assert config.http.allowed_origins == ("https://app.example", "*")
    assert config.plugins.load == (
        str(tmp_path / "mine.py"),
        f"{tmp_path}/parts/other.py:tools",
        "package.module",
        "package.module:tools",
        "sqlite",
    )
    assert config.state.directory == str(tmp_path / "state")


def test_relative_paths_from_elsewhere_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    environ = {"MCP_RUNTIME_STATE_DIRECTORY": "state"}
    config = load_text(tmp_path, "", environ=environ, plugins_load=["mine.py"])
    assert config.state.directory == str(work / "state")
    assert config.plugins.load == (str(work / "mine.py"),)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/var/state", "HOME": "/home/ann"}, "/var/state/mcp-runtime"),
        ({"HOME": "/home/ann"}, "/home/ann/.local/state/mcp-runtime"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/ann"}, "/home/ann/.local/state/mcp-runtime"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/ann"}, "/home/ann/.local/state/mcp-runtime"),
    ],
)
def test_runtime_files_live_in_the_xdg_state_directory(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    assert load_text(tmp_path, "", environ=environ).state.directory == expected


def test_without_a_home_variable_the_users_home_counts(tmp_path: Path) -> None:
    assert load_text(tmp_path, "").state.directory.startswith(str(Path.home()))


def test_plugin_tables_are_kept_as_they_are(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[plugin.sqlite]\ndatabase = 'a.db'\nmax_rows = 3")
    assert config.plugin == {"sqlite": {"database": "a.db", "max_rows": 3}}


def test_a_secret_environment_does_not_show_in_the_repr_of_the_configuration(tmp_path: Path) -> None:
    config = load_text(tmp_path, "", environ={"TOKEN": "hunter2", "MCP_RUNTIME_PLUGIN_A_TOKEN": "hunter2"})
    assert "hunter2" not in repr(config)

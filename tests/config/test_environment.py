"""Every key has a variable, and every MCP_RUNTIME_ variable means something."""

from pathlib import Path

import pytest

from mcp_runtime.config import CONFIG_KEYS, ConfigError, load_config
from tests.config.files import load_text


def refused(environ: dict[str, str]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_config(environ=environ)
    assert caught.value.file == "environment"
    return caught.value


@pytest.mark.parametrize(
    ("variable", "text", "path", "expected"),
    [
        ("MCP_RUNTIME_HTTP_BIND", "127.0.0.1:1, [::1]:2", "http.bind", ("127.0.0.1:1", "[::1]:2")),
        ("MCP_RUNTIME_HTTP_ALLOWED_HOSTS", "", "http.allowed_hosts", ()),
        ("MCP_RUNTIME_HTTP_HTTP2", "false", "http.http2", False),
        ("MCP_RUNTIME_HTTP_CORS", "On", "http.cors", True),
        ("MCP_RUNTIME_LIMITS_PAGE_SIZE", "5", "limits.page_size", 5),
        ("MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S", "2", "limits.body_timeout_s", 2.0),
        ("MCP_RUNTIME_CACHE_RESOURCE_TEMPLATES_TTL_MS", "0", "cache.resource_templates.ttl_ms", 0),
        ("MCP_RUNTIME_LOGGING_LEVEL", "debug", "logging.level", "debug"),
        ("MCP_RUNTIME_SERVER_NAME", "42", "server.name", "42"),
        ("MCP_RUNTIME_PLUGINS", "a.b,c", "plugins.load", ("a.b", "c")),
        ("MCP_RUNTIME_PLUGINS_LOAD", "a.b", "plugins.load", ("a.b",)),
    ],
)
def test_a_variable_is_read_as_its_keys_type(
    tmp_path: Path, variable: str, text: str, path: str, expected: object
) -> None:
    value: object = load_text(tmp_path, "", environ={variable: text})
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected


def test_a_list_of_plugins_replaces_the_one_in_the_file(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[plugins]\nload = ['a']", environ={"MCP_RUNTIME_PLUGINS": "b"})
    assert config.plugins.load == ("b",)


def test_every_key_has_a_variable_of_its_own() -> None:
    names = [key.environment for key in CONFIG_KEYS]
    assert len(set(names)) == len(names) > 50


@pytest.mark.parametrize(
    ("variable", "fix"),
    [
        ("MCP_RUNTIME_HTTP_BINDS", "did you mean MCP_RUNTIME_HTTP_BIND?"),
        ("MCP_RUNTIME_PLUGGINS", "did you mean MCP_RUNTIME_PLUGINS?"),
        ("MCP_RUNTIME_QQQQQQQQ", "unset it"),
    ],
)
def test_an_unknown_variable_suggests_the_nearest_one(variable: str, fix: str) -> None:
    error = refused({variable: "1"})
    assert (error.key, error.fix) == (variable, fix)


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("MCP_RUNTIME_LIMITS_PAGE_SIZE", "many", '"many" is not a whole number, 1 or more'),
        ("MCP_RUNTIME_HTTP_CORS", "perhaps", '"perhaps" is not true or false'),
        ("MCP_RUNTIME_LIMITS_BODY_TIMEOUT_S", "", '"" is not a number of seconds, more than 0'),
    ],
)
def test_a_wrong_value_names_its_variable(variable: str, text: str, problem: str) -> None:
    error = refused({variable: text})
    assert (error.key, error.problem) == (variable, problem)


def test_two_variables_for_one_key_are_an_error() -> None:
    error = refused({"MCP_RUNTIME_PLUGINS": "a", "MCP_RUNTIME_PLUGINS_LOAD": "b"})
    assert error.problem == "MCP_RUNTIME_PLUGINS sets the same key"


def test_other_programs_variables_are_none_of_ours(tmp_path: Path) -> None:
    load_text(tmp_path, "", environ={"MCP_OTHER": "1", "PATH": "/bin"})

"""What is wrong is said with file, key, problem and what would be right."""

from pathlib import Path

import pytest

from mcp_runtime.config import CONFIG_KEYS, ConfigError, load_config
from tests.config.files import load_text, refusal


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("[http]\nbinds = []", "http.binds", 'did you mean "http.bind"?'),
        ("[htpp]\nbind = []", "htpp", 'did you mean "http"?'),
        ("[http]\nmax_body_bytes = 1", "http.max_body_bytes", 'did you mean "limits.max_body_bytes"?'),
        ("page_size = 1", "page_size", 'did you mean "limits.page_size"?'),
        ("[cache.tools]\nttl = 1", "cache.tools.ttl", 'did you mean "cache.tools.ttl_ms"?'),
        ("[cache.tool]\nttl_ms = 1", "cache.tool", 'did you mean "cache.tools"?'),
        ("[http]\nqqq = 1", "http.qqq", "remove it"),
        ("[logging.stdout]\nx = 1", "logging.stdout", "remove it"),
    ],
)
def test_an_unknown_key_suggests_the_nearest_one(tmp_path: Path, text: str, key: str, fix: str) -> None:
    error = refusal(tmp_path, text)
    assert (error.file, error.key, error.fix) == (str(tmp_path / "config.toml"), key, fix)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[limits]\npage_size = 0",
            "limits.page_size: 0 is not a whole number, 1 or more. Fix: write one, such as 100 (the default).",
        ),
        ("[limits]\npage_size = true", "limits.page_size: true is not a whole number, 1 or more."),
        ("[limits]\npage_size = 1.5", "limits.page_size: 1.5 is not a whole number, 1 or more."),
        ("[limits]\nbody_timeout_s = 0", "limits.body_timeout_s: 0 is not a number of seconds, more than 0."),
        ("[limits]\nbody_timeout_s = inf", "limits.body_timeout_s: inf is not a number of seconds, more than 0."),
        ("[limits]\nbody_timeout_s = nan", "limits.body_timeout_s: nan is not a number of seconds, more than 0."),
        ("[http]\nhttp2 = 'yes'", 'http.http2: "yes" is not true or false. Fix: write one, such as true'),
        ("[http]\nbind = '127.0.0.1:1'", 'http.bind: "127.0.0.1:1" is not a list of texts. Fix: write bind = ["127'),
        ("[http]\nbind = [1]", "http.bind: [1] is not a list of texts."),
        ("[server]\nname = ''", 'server.name: "" is not a text, not empty. Fix: write one, such as "mcp-runtime"'),
        ("[server]\nname = {}", "server.name: a table is not a text"),
        (
            "[cache.tools]\nscope = 'pubic'",
            'cache.tools.scope: "pubic" is not "public" or "private". Fix: did you mean "public"?',
        ),
        (
            "[logging]\nlevel = 'loud'",
            '"loud" is not "debug", "info", "warning", "error" or "critical". Fix: write one',
        ),
        ("http = 3", "http: expected a table. Fix: write [http] and its keys below."),
        ("[plugin]\nmax_rows = 1", "plugin.max_rows: expected a table. Fix: write [plugin.NAME]"),
        ("plugin = 1", "plugin: expected a table."),
        ("[http]\ntrusted_proxies = ['nginx']", 'http.trusted_proxies: "nginx" is no proxy. Fix: write an address, a'),
        ("[http]\ntrusted_proxies = ['127.0.0.1:80']", '"127.0.0.1:80" is no proxy.'),
        ("[http]\ntrusted_proxies = ['0.0.0.0/0']", '"0.0.0.0/0" is everybody, who could then write any address.'),
        ("[http]\nforwarded_header = 'x forwarded'", '"x forwarded" is no name of a header. Fix: write one such as'),
        ("[http]\nforwarded_header = ''", "http.forwarded_header"),
        ("[http]\nbind = ['8000']", 'http.bind: "8000" is no address. Fix: write HOST:PORT'),
        ("[http]\nbind = ['::1:8000']", '"::1:8000" is no address'),
        ("[http]\nbind = ['localhost:http']", '"localhost:http" is no address'),
        ("[http]\nbind = ['localhost:65536']", "has no such port. Fix: write a port from 0 (any free one) to 65535."),
        (
            "[http]\npath = 'mcp'",
            'http.path: "mcp" is no path of a URL. Fix: write "/" and names with a "/" between them',
        ),
        *(
            (f"[http]\npath = '{path}'", f'http.path: "{path}" is no path of a URL.')
            for path in ("a", "/a b", "/a?b", "/a#b", "/a//b", "//a", "/a/../b", "/a/.", "/..", "/%zz")
        ),
        ("[bridges.http_sse]\nmessages_path = '/a/../b'", 'bridges.http_sse.messages_path: "/a/../b" is no path'),
        ("[http]\nallowed_hosts = ['https://a.example']", "is no Host header. Fix: write HOST or HOST:PORT"),
        ("[http]\nallowed_origins = ['a.example']", "is no origin. Fix: write scheme and host"),
        ("[http]\nallowed_origins = ['https://a.example/x']", "is no origin"),
        ("[http]\ntls_key_file = 'no.pem'", "http.tls_key_file: there is no file"),
        ("[http]\nbind = []", "http.bind: HTTP is enabled and has nowhere to listen"),
        ("[admin]\nbind = ['127.0.0.1:8000']", "admin.bind: 127.0.0.1:8000 is in http.bind too"),
        ("[seal]\nkeys = ['short']", "seal.keys: the key is shorter than 32 characters. Fix: write file:PATH"),
        ("[seal]\nkeys = ['env:NOWHERE']", "seal.keys: the environment variable NOWHERE is not set. Fix: write file:"),
        ("[seal]\nkeys = ['file:none']", "seal.keys: there is no file"),
        ("[seal]\nkeys = 'hunter2'", "seal.keys: *** is not a list of texts."),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(tmp_path: Path, text: str, message: str) -> None:
    assert message in str(refusal(tmp_path, text))


def test_a_certificate_needs_its_key_and_a_key_its_certificate(tmp_path: Path) -> None:
    (tmp_path / "a.pem").touch()
    assert "a certificate needs its key" in str(refusal(tmp_path, "[http]\ntls_certificate_file = 'a.pem'"))
    assert "a key needs its certificate" in str(refusal(tmp_path, "[http]\ntls_key_file = 'a.pem'"))


@pytest.mark.parametrize("bind", ["[::1]:8000", "localhost:0", "0.0.0.0:65535", "unix:/run/mcp.sock"])
def test_an_address_may_have_any_of_these_forms(tmp_path: Path, bind: str) -> None:
    assert load_text(tmp_path, f"[http]\nbind = ['{bind}']").http.bind == (bind,)


def test_a_long_enough_key_is_taken(tmp_path: Path) -> None:
    text = "0123456789abcdef" * 2
    (tmp_path / "key").write_text(text + "\n")
    [key] = load_text(tmp_path, "[seal]\nkeys = ['file:key']").seal.keys
    assert key.reveal() == text


def test_two_binds_to_any_free_port_are_no_clash(tmp_path: Path) -> None:
    load_text(tmp_path, "[http]\nbind = ['127.0.0.1:0']\n[admin]\nbind = ['127.0.0.1:0']")


def test_a_wrong_override_is_the_command_lines_error() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(environ={}, overrides={"http.bind": ("nonsense",)})
    assert (caught.value.file, caught.value.key) == ("command line", "http.bind")


@pytest.mark.parametrize("path", [key.path for key in CONFIG_KEYS])
def test_every_key_refuses_a_table(tmp_path: Path, path: str) -> None:
    section, _, name = path.rpartition(".")
    error = refusal(tmp_path, f"[{section}]\n{name} = {{a = 1}}")
    assert error.key == path
    assert "is not" in error.problem

"""The check of a given value, for its key. Rule: a refusal names where the value was given, and what would be right."""

import math
import re
import types
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast, get_args, get_origin

import msgspec

from mcp_runtime.config.bridge_loading import BridgesMissing, from_bridges
from mcp_runtime.config.errors import ConfigError, nearest
from mcp_runtime.config.keys import ConfigKey, bare_type
from mcp_runtime.config.secret import HIDDEN, Secret
from mcp_runtime.platform.home import expanded


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A value as it was given, and by whom: `file` and `name` are what an error will say.

    `directory` is what relative paths in it are relative to. `is_text` marks a value from the environment, which
    still has to be read as its key's type.
    """

    value: object
    file: str
    name: str
    directory: Path
    is_text: bool = False


_YES_NO: Final = types.MappingProxyType(
    {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
)


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 5.6.2"""
_URL_PATH: Final = re.compile(r"/(?:[^/?#%\s]+/)*[^/?#%\s]*")
"""Without escapes: requests are compared with it when theirs are undone."""


def checked(key: ConfigKey, given: Given, environ: Mapping[str, str]) -> Any:
    """The value for `key`: of its type, within its bounds, paths made absolute, secrets read. Raises ConfigError."""
    value = _of_type(key, given)
    check = _KINDS.get(key.kind or "")
    if check is None:
        return value
    place = _Place(given.directory, environ)
    try:
        if isinstance(value, tuple):
            return tuple(check(item, place) for item in cast("tuple[str, ...]", value))
        return check(value, place) if value else key.default if key.kind == "key" else value
    except ValueError as error:
        problem, _, fix = str(error).partition("; ")
        raise ConfigError(given.file, given.name, problem, fix or f"write {key.expected}") from None


def _of_type(key: ConfigKey, given: Given) -> Any:
    wanted = key.type
    if key.kind == "key":  # a text still, or several
        wanted = tuple[str, ...] if get_origin(bare_type(key.type)) is tuple else str
    raw = from_text(given.value, key.type) if given.is_text and isinstance(given.value, str) else given.value
    if key.kind == "day" and isinstance(raw, date):
        raw = raw.isoformat()  # TOML has dates of its own
    try:
        value = msgspec.convert(raw, wanted)
    except msgspec.ValidationError:
        raise ConfigError(given.file, given.name, *_refusal(key, given)) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(given.file, given.name, *_refusal(key, given))
    return value


def from_text(text: str, annotated: Any) -> object:
    """Read a text as a bool, number or comma-separated list if that is its type; what it is not stays text."""
    bare = bare_type(annotated)
    try:
        if bare is bool:
            return _YES_NO.get(text.strip().lower(), text)
        if bare is int or bare is float:
            return bare(text)
    except ValueError:
        return text
    return split_list(text) if get_origin(bare) in {tuple, list, set, frozenset} else text


def split_list(text: str) -> list[str]:
    """The items of a comma-separated list, without the spaces around them; an empty text has none."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _refusal(key: ConfigKey, given: Given) -> tuple[str, str]:
    shown = HIDDEN if key.kind == "key" else _shown(given.value)
    fix = f"write one, such as {_shown(key.default)} (the default)"
    bare = bare_type(key.type)
    if get_origin(bare) is Literal and isinstance(given.value, str):
        suggestion = nearest(given.value, get_args(bare))
        fix = f'did you mean "{suggestion}"?' if suggestion else fix
    elif get_origin(bare) is tuple and isinstance(given.value, str):
        fix = f"write {key.name} = [{shown}]"
    return f"{shown} is not {key.expected}", fix


def _shown(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case tuple() | list():
            return "[" + ", ".join(_shown(item) for item in cast("tuple[object, ...]", value)) + "]"
        case dict():
            return "a table"
        case _:
            return str(value)


class _Place(NamedTuple):
    """The place where a value was given: what relative paths and names of variables mean there."""

    directory: Path
    environ: Mapping[str, str]


def _bind(item: str, place: _Place) -> str:
    if item.startswith("unix:"):
        return f"unix:{place.directory / expanded(item.removeprefix('unix:'))}"
    host, _, port = item.rpartition(":")
    bare_host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare_host or (":" in bare_host and bare_host == host) or not port.isascii() or not port.isdigit():
        raise ValueError(f'"{item}" is no address; write HOST:PORT, [IPV6]:PORT or unix:PATH, such as "127.0.0.1:8000"')
    if int(port) > 65535:
        raise ValueError(f'"{item}" has no such port; write a port from 0 (any free one) to 65535')
    return item


def _url_path(item: str, _: _Place) -> str:
    # Clients resolve dots before they ask, and proxies make one slash of two.
    if _URL_PATH.fullmatch(item) is None or {".", ".."} & {*item.split("/")}:
        raise ValueError(f'"{item}" is no path of a URL; write "/" and names with a "/" between them, such as "/mcp"')
    return item


def _host(item: str, _: _Place) -> str:
    if "/" in item or " " in item or not item:
        raise ValueError(f'"{item}" is no Host header; write HOST or HOST:PORT, without a scheme or path')
    return item


def _origin(item: str, _: _Place) -> str:
    if item == "*":
        return item
    scheme, separator, rest = item.rstrip("/").partition("://")
    if not separator or not scheme or not rest or "/" in rest or " " in rest:
        raise ValueError(f'"{item}" is no origin; write scheme and host without a path, such as "https://app.example"')
    return item


def _proxy(item: str, _: _Place) -> str:
    import ipaddress

    if item == "unix":
        return item
    try:
        network = ipaddress.ip_network(item, strict=False)
    except ValueError:
        raise ValueError(
            f'"{item}" is no proxy; write an address, a network such as "10.0.0.0/24", or "unix" for Unix sockets'
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f'"{item}" is everybody, who could then write any address; write the addresses of the proxies')
    return item


def _header_name(item: str, _: _Place) -> str:
    if _TOKEN.fullmatch(item) is None:
        raise ValueError(f'"{item}" is no name of a header; write one such as "x-forwarded-for"')
    return item.lower()


def _path(item: str, place: _Place) -> str:
    return str(place.directory / expanded(item))


def _file(item: str, place: _Place) -> str:
    path = _path(item, place)
    if not Path(path).is_file():
        raise ValueError(
            f"there is no file {path}; write the path of a file, relative to this one's folder or absolute"
        )
    return path


def _plugin(item: str, place: _Place) -> str:
    name, separator, attribute = item.partition(".py:")
    path = name + ".py" if separator else item
    if not path.endswith(".py"):
        return item
    return str(place.directory / expanded(path)) + (f":{attribute}" if separator else "")


def _secret_key(item: str, place: _Place) -> Secret:
    fix = "write file:PATH or env:NAME of a key, as `openssl rand -base64 32` makes it"
    try:
        secret = Secret.parse(item, directory=place.directory, environ=place.environ)
    except ValueError as error:
        raise ValueError(f"{error}; {fix}") from None
    weak = secret.why_weak()
    if weak is not None:
        raise ValueError(f"the key {weak}; {fix}")
    return secret


def _url(item: str, _: _Place) -> str:
    from urllib.parse import urlsplit

    # It ends up in a header, between < and >: printable ASCII, and none of what would end it.
    parts = urlsplit(item) if item.isascii() and item.isprintable() and not set(item) & set(' <>"\\') else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f'"{item}" is no URL; write one such as "https://example.com/mcp", in ASCII')
    if parts.username is not None:
        raise ValueError("the URL has a user name in it, and everybody will read it; remove it")
    return item


def _of_bridges(module: str, parser: str) -> "_Check":
    """A check by those who know what the text means. The text stays text: without bridges nobody needs more."""

    def check(item: str, _: _Place) -> str:
        try:
            from_bridges(module, parser)(item)
        except BridgesMissing as error:
            raise ValueError(f"{error}; remove the key, or install them") from None
        return item

    return check


_Check = Callable[[str, _Place], object]
_OPTION_TEXTS: Final = "deprecation.decisions.option_texts"
_KINDS: Final[Mapping[str, _Check]] = types.MappingProxyType(
    {
        "bind": _bind,
        "brownout": _of_bridges(_OPTION_TEXTS, "parse_brownout"),
        "cadence": _of_bridges(_OPTION_TEXTS, "parse_cadence"),
        "client_rule": _of_bridges("gate.client_rules", "parse_rule"),
        "day": _of_bridges(_OPTION_TEXTS, "parse_day"),
        "dry_run": _of_bridges(_OPTION_TEXTS, "parse_dry_run"),
        "file": _file,
        "header_name": _header_name,
        "host": _host,
        "key": _secret_key,
        "origin": _origin,
        "path": _path,
        "plugin": _plugin,
        "proxy": _proxy,
        "scoped_rule": _of_bridges(_OPTION_TEXTS, "parse_scoped_rule"),
        "stage": _of_bridges(_OPTION_TEXTS, "parse_stage"),
        "sunset": _of_bridges(_OPTION_TEXTS, "parse_sunset"),
        "url": _url,
        "url_path": _url_path,
    }
)
"""The check of each kind of text. A ValueError says `problem; fix`."""

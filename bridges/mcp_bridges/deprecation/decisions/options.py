"""The decisions that `[deprecation]` holds. Rule: what a text means is in `option_texts`; here it is put together."""

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import TypeVar

import msgspec

from mcp_bridges.deprecation.decisions.enforcement import STAGES, Enforcement
from mcp_bridges.deprecation.decisions.option_texts import (
    parse_brownout,
    parse_day,
    parse_dry_run,
    parse_scoped_rule,
    parse_stage,
    parse_sunset,
)
from mcp_bridges.deprecation.decisions.policy import DAY_S, FEATURE_LIFECYCLE_URL, Links, Policy
from mcp_runtime.config import Config, ConfigError

K = TypeVar("K")
V = TypeVar("V")


class Deprecation(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of the operator."""

    policy: Policy
    enforcement: Enforcement
    links: Links


def read_deprecation(config: Config) -> Deprecation:
    """The decisions in `config`. Raises ConfigError where two of them are about the same thing."""
    section = config.deprecation
    return Deprecation(
        policy=Policy(
            announced=parse_day(section.announced),
            window_months=section.window_months,
            sunsets=MappingProxyType(each_once(config, "sunsets", section.sunsets, parse_sunset)),
        ),
        enforcement=Enforcement(
            stage=STAGES[section.stage],
            stages=MappingProxyType(each_once(config, "stages", section.stages, parse_stage)),
            dry_run=frozenset(map(parse_dry_run, section.dry_run)),
            brownouts=tuple(map(parse_brownout, section.brownouts)),
            notice_s=section.brownout_notice_days * DAY_S,
            exempt=tuple(map(parse_scoped_rule, section.exempt)),
            deny=tuple(map(parse_scoped_rule, section.deny)),
        ),
        links=Links(
            documentation_url=section.documentation_url,
            sunset_url=section.sunset_url or FEATURE_LIFECYCLE_URL,
            replacement_url=section.replacement_url or config.http.path,
        ),
    )


def advice(config: Config) -> list[str]:
    """The sentences that `mcp-runtime check` points out. Raises ConfigError as `read_deprecation` does.

    Nothing where the operator has set no date: whoever begins has no use for it, and `legacy plan` says it too.
    """
    policy = read_deprecation(config).policy
    return [] if policy == Policy() else policy.advice()


def each_once(config: Config, key: str, texts: Iterable[str], parse: Callable[[str], tuple[K, V]]) -> dict[K, V]:
    """The values of a list in the configuration, by what each is about. Raises ConfigError for two about the same."""
    found: dict[K, V] = {}
    for text in texts:
        name, value = parse(text)
        if name in found:
            where = config.origin.file or "environment"
            raise ConfigError(where, f"deprecation.{key}", f'"{text}" is about what another one is about', "remove one")
        found[name] = value
    return found

"""The gate of the operator's postures: serve or refuse. Rule: the first rule that fits, else the bridge's own posture.

Spec: 2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from mcp_bridges.gate.client_rules import ClientRule, parse_rule
from mcp_bridges.gate.port import SERVE, LegacyClient, Sighting, Verdict
from mcp_bridges.gate.refusals import not_served
from mcp_runtime.config import Config, ConfigError
from mcp_runtime.config.sections import Posture
from mcp_runtime.telemetry.labels import TransportName

_NAMES: Final[Mapping[TransportName, str]] = {
    "stdio": "The initialize handshake",
    "streamable_http": "HTTP with sessions",
    "http_sse": "HTTP+SSE",
}
_KEY: Final = "bridges.clients.rules"


class _ClientPosture(msgspec.Struct, frozen=True):
    """An entry of `bridges.clients.rules`: a posture, and the clients that it is for."""

    posture: Literal["serve", "refuse"]
    rule: ClientRule


class PostureGate:
    """A `Gate` that goes by transport and client, as the configuration says. Raises ConfigError for a bad rule."""

    def __init__(self, config: Config) -> None:
        bridges = config.bridges
        self._rules = tuple(_read(text, config) for text in bridges.clients.rules)
        postures: dict[TransportName, Posture] = {
            "stdio": bridges.stdio_handshake.posture,
            "streamable_http": bridges.http_sessions.posture,
            "http_sse": bridges.http_sse.posture,
        }
        self._serves = {transport: posture == "serve" for transport, posture in postures.items()}
        url = bridges.clients.replacement_url
        self._refusals = {transport: Verdict(refusal=not_served(name, url)) for transport, name in _NAMES.items()}

    def admit(self, sighting: Sighting) -> Verdict:
        """As the port says."""
        client = sighting.client
        return SERVE if self._is_served(client) else self._refusals[client.transport]

    def _is_served(self, client: LegacyClient) -> bool:
        for one in self._rules:
            if one.rule.matches(client):
                return one.posture == "serve"
        return self._serves[client.transport]


def _read(text: str, config: Config) -> _ClientPosture:
    posture, _, rule = text.strip().partition(" ")
    try:
        return _ClientPosture(_posture(posture), parse_rule(rule))
    except ValueError as error:
        raise ConfigError(
            config.origin.file or "defaults",
            _KEY,
            f'"{text}": {error}',
            'write serve or refuse and whom, such as "refuse name=cursor version=<1.5"',
        ) from None


def _posture(word: str) -> Literal["serve", "refuse"]:
    match word:
        case "serve" | "refuse":
            return word
        case _:
            raise ValueError(f'"{word}" is no posture')

"""The features of the past: their ids, and those that a method or a wire uses. Rule: an id is written here alone.

A feature is a part of the past that can be announced, counted and refused by itself. Each older revision is one, too.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from mcp_runtime.protocol.legacy import INITIALIZE
from mcp_runtime.telemetry.labels import TransportName


class FeatureId(StrEnum):
    """The id of a feature, as sightings, the configuration and the ledger name it."""

    HTTP_SSE = "transport.http_sse"
    HANDSHAKE = "protocol.handshake"
    SESSION_ID = "transport.session_id"
    GET_STREAM = "transport.get_stream"
    RESUMPTION = "transport.resumption"
    BATCH = "jsonrpc.batch"
    RESOURCE_SUBSCRIPTION = "resources.subscribe"
    SET_LEVEL = "logging.set_level"
    PING = "ping"
    ROOTS = "feature.roots"
    SAMPLING = "feature.sampling"
    LOGGING = "feature.logging"
    INCLUDE_CONTEXT = "sampling.include_context"
    DYNAMIC_CLIENT_REGISTRATION = "auth.dynamic_client_registration"
    EXPERIMENTAL_TASKS = "tasks.experimental_2025_11_25"


REVISION_PREFIX: Final = "revision."
"""The beginning of the ids of features that are whole revisions."""


def revision_feature(revision: str) -> str:
    """The id of the feature that `revision` is."""
    return REVISION_PREFIX + revision


OF_METHOD: Final[Mapping[str, tuple[FeatureId, ...]]] = MappingProxyType(
    {
        INITIALIZE: (FeatureId.HANDSHAKE,),
        "ping": (FeatureId.PING,),
        "logging/setLevel": (FeatureId.SET_LEVEL, FeatureId.LOGGING),
        "resources/subscribe": (FeatureId.RESOURCE_SUBSCRIPTION,),
        "resources/unsubscribe": (FeatureId.RESOURCE_SUBSCRIPTION,),
        "sampling/createMessage": (FeatureId.SAMPLING,),
        "roots/list": (FeatureId.ROOTS,),
    }
)
"""The features that a message of this method uses."""

OF_WIRE: Final[Mapping[TransportName, tuple[FeatureId, ...]]] = MappingProxyType(
    {"stdio": (), "http_sse": (FeatureId.HTTP_SSE,)}
)
"""The features that every message of a conversation on such a wire uses."""

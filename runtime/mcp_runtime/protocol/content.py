"""Content: the blocks, resources and messages that results are made of. Rule: the schema's names, Python's casing.

Attributes are snake_case and travel as camelCase; `bytes` travel as base64.
Spec: 2026-07-28/schema
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from mcp_runtime.protocol.meta import MetaObject

Role = Literal["user", "assistant"]


class Annotations(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Hints on use and display. `priority` is 0.0 (optional) to 1.0 (required), `last_modified` is ISO 8601.

    Spec: 2026-07-28/server/resources#annotations
    """

    audience: list[Role] | UnsetType = UNSET
    priority: float | UnsetType = UNSET
    last_modified: str | UnsetType = UNSET


class TextContent(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="text"):
    """Text. Spec: 2026-07-28/server/tools#text-content"""

    text: str
    annotations: Annotations | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class ImageContent(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="image"):
    """An image: its bytes and their MIME type. Spec: 2026-07-28/server/tools#image-content"""

    data: bytes
    mime_type: str
    annotations: Annotations | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class AudioContent(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="audio"):
    """Sound: its bytes and their MIME type. Spec: 2026-07-28/server/tools#audio-content"""

    data: bytes
    mime_type: str
    annotations: Annotations | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class TextResourceContents(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Contents of a resource that are text. Spec: 2026-07-28/server/resources#resource-contents"""

    uri: str
    text: str
    mime_type: str | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class BlobResourceContents(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Contents of a resource that are bytes. Spec: 2026-07-28/server/resources#resource-contents"""

    uri: str
    blob: bytes
    mime_type: str | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


ResourceContents = TextResourceContents | BlobResourceContents


class EmbeddedResource(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="resource"):
    """A resource's contents inside another result. Spec: 2026-07-28/server/tools#embedded-resources"""

    # Any on the way in: two untagged structs make no union that msgspec could tell apart. Nothing decodes one.
    resource: Any
    annotations: Annotations | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class ResourceLink(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="resource_link"):
    """A pointer to a resource; `size` in bytes. Spec: 2026-07-28/server/tools#resource-links"""

    uri: str
    name: str
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    annotations: Annotations | UnsetType = UNSET
    size: int | UnsetType = UNSET
    icons: list[Any] | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


ContentBlock = TextContent | ImageContent | AudioContent | EmbeddedResource | ResourceLink


class ToolUseContent(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="tool_use"):
    """A model's wish to call a tool. Spec: 2026-07-28/client/sampling#sampling-with-tools"""

    id: str
    name: str
    input: dict[str, Any]
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class ToolResultContent(Struct, frozen=True, omit_defaults=True, rename="camel", tag_field="type", tag="tool_result"):
    """A tool's result, told to a model. Spec: 2026-07-28/client/sampling#tool-result-messages"""

    tool_use_id: str
    content: list[ContentBlock]
    structured_content: Any = UNSET
    is_error: bool | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


SamplingContent = TextContent | ImageContent | AudioContent | ToolUseContent | ToolResultContent


class SamplingMessage(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One message of a sampling conversation. Spec: 2026-07-28/client/sampling#creating-messages"""

    role: Role
    content: SamplingContent | list[SamplingContent]
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class PromptMessage(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One message of a prompt. Spec: 2026-07-28/server/prompts#promptmessage"""

    role: Role
    content: ContentBlock


class Root(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A directory the client opened; `uri` is a file: URI. Spec: 2026-07-28/client/roots#root"""

    uri: str
    name: str | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)


class CreateMessageResult(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The answer of the client's model. Spec: 2026-07-28/client/sampling#creating-messages"""

    role: Role
    content: SamplingContent | list[SamplingContent]
    model: str
    stop_reason: str | UnsetType = UNSET
    meta: MetaObject | UnsetType = field(name="_meta", default=UNSET)

    @property
    def text(self) -> str:
        """The text of the answer: its text blocks joined, empty where there are none."""
        blocks = self.content if isinstance(self.content, list) else [self.content]
        return "".join(block.text for block in blocks if isinstance(block, TextContent))


class ElicitResult(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The user's answer to a question. Spec: 2026-07-28/client/elicitation#response-actions"""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, str | int | float | bool | list[str] | None] | UnsetType = UNSET


class ListRootsResult(Struct, frozen=True):
    """The client's roots. Spec: 2026-07-28/client/roots#listing-roots"""

    roots: list[Root]

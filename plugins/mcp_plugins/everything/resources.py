"""Resources: things to read, at an address. Rule: a fixed URI is a resource, one with variables a template.

Spec: 2026-07-28/server/resources
"""

from collections.abc import Iterable

from .plugin import plugin
from .samples import PNG


@plugin.resource("test://static-text", name="static-text", title="Static text", mime_type="text/plain")
async def static_text() -> str:
    """Read a text that never changes."""
    return "This is the content of the static text resource."


@plugin.resource("test://static-binary", name="static-binary", title="Static image", mime_type="image/png")
async def static_binary() -> bytes:
    """Read a PNG image that never changes."""
    return PNG


@plugin.resource("test://watched-resource", name="watched-resource", title="Watched text", mime_type="text/plain")
async def watched_resource() -> str:
    """Read a text that clients subscribe to."""
    return "Watched resource content"


@plugin.resource("test://template/{id}/data", name="template", title="Data by id")
async def template(id: str) -> dict[str, str | bool]:
    """Read the data that belong to an id."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


@plugin.completion(resource="test://template/{id}/data", argument="id")
async def complete_id(value: str) -> Iterable[str]:
    """Suggest ids that begin as typed."""
    return [known for known in ("1", "12", "123") if known.startswith(value)]

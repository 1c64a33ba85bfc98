"""JSON Schemas from pydantic, as a model wants to read them. Rule: no titles that only repeat a name.

This module imports pydantic: import it where a plugin's types are looked at, never at start.
"""

from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema


class _Lean(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's hook
        # "user_id" titled "User Id" tells a model nothing and costs it tokens on every list.
        return False


def schema_of(adapter: TypeAdapter[Any], *, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The JSON Schema 2020-12 of what `adapter` takes in ("validation") or gives out ("serialization")."""
    schema = adapter.json_schema(mode=mode, schema_generator=_Lean)
    schema.pop("title", None)
    for definition in schema.get("$defs", {}).values():
        definition.pop("title", None)
    return schema

"""Types that pydantic knows, and their JSON Schemas as a model wants to read them.

Rule: no titles that only repeat a name.

This module imports pydantic: import it where a plugin's types are looked at, never at start.
"""

from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError as CoreSchemaError

PYDANTIC_REFUSALS = (PydanticUserError, CoreSchemaError)
"""The errors that pydantic raises for a type that it cannot model."""


class TypeRefusedError(ValueError):
    """A type that has no JSON Schema; the text is one line that says why."""

    def __init__(self, error: Exception) -> None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # Errors of the core name their place line by line, and what is wrong last.
        super().__init__(lines[-1] if isinstance(error, CoreSchemaError) else lines[0])


class _Lean(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's hook
        # "user_id" titled "User Id" tells a model nothing and costs it tokens on every list.
        return False


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """The adapter that reads and writes values of the type `kind`. Raises TypeRefusedError."""
    try:
        return TypeAdapter(kind)
    except PYDANTIC_REFUSALS as error:
        raise TypeRefusedError(error) from None


def schema_of(adapter: TypeAdapter[Any], *, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The JSON Schema 2020-12 of what `adapter` takes in ("validation") or gives out. Raises TypeRefusedError."""
    try:
        schema = adapter.json_schema(mode=mode, schema_generator=_Lean)
    except PYDANTIC_REFUSALS as error:
        raise TypeRefusedError(error) from None
    schema.pop("title", None)
    for definition in schema.get("$defs", {}).values():
        definition.pop("title", None)
    return schema

"""Elicitation forms: flat objects of primitives, from a type or a schema. Rule: what no client can draw is refused.

Spec: 2026-07-28/client/elicitation#requested-schema
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import PluginError, ToolError
from mcp_runtime.core.calls.rounds import UnusableAnswerError
from mcp_runtime.core.schemas.validator import SchemaValidator
from mcp_runtime.protocol.content import ElicitResult
from mcp_runtime.protocol.json_types import is_array, is_object

FormT = TypeVar("FormT")

_PRIMITIVES: Final = ("string", "number", "integer", "boolean")
_FORMATS: Final = ("email", "uri", "date", "date-time")
_PROPERTY_KEYS: Final = frozenset(
    [
        "type",
        "title",
        "description",
        "default",
        "enum",
        "enumNames",
        "oneOf",
        "const",
        "format",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "items",
        "minItems",
        "maxItems",
    ]
)
_elicit_decoder: Final = msgspec.json.Decoder(ElicitResult)


class Elicitation(msgspec.Struct, Generic[FormT], frozen=True, kw_only=True):
    """The user's answer to a question. `content` is None unless they accepted a form."""

    action: str
    content: FormT | None = None

    @property
    def accepted(self) -> bool:
        """Whether the user agreed."""
        return self.action == "accept"

    @property
    def data(self) -> FormT:
        """The form as it was filled in. Raises ToolError where the user declined or dismissed it."""
        if not self.accepted:
            raise ToolError("The user declined to answer" if self.action == "decline" else "The user gave no answer")
        return cast("FormT", self.content)


class Form(msgspec.Struct, Generic[FormT], frozen=True, kw_only=True):
    """An elicitation form: the `requestedSchema` to send, and how what comes back is checked and converted."""

    schema: dict[str, Any]
    validator: SchemaValidator
    convert: Callable[[dict[str, Any]], FormT]

    def read(self, raw: Raw) -> Elicitation[FormT]:
        """The user's answer in `raw`, an ElicitResult. Raises as Question.read does."""
        result = _elicit_decoder.decode(raw)
        if result.action != "accept":
            return Elicitation(action=result.action)
        content = {} if result.content is UNSET else result.content
        if not self.validator.accepts(content):
            raise UnusableAnswerError(self.validator.problems(content))
        try:
            return Elicitation(action="accept", content=self.convert(dict(content)))
        except ValueError as error:  # pydantic's ValidationError is one: the author's own validators said no
            raise UnusableAnswerError(str(error)) from None


def read_url_answer(raw: Raw) -> Elicitation[None]:
    """The user's answer to an elicitation in URL mode, which carries no content."""
    return Elicitation(action=_elicit_decoder.decode(raw).action)


def form_of_schema(schema: dict[str, Any], limits: Limits) -> Form[dict[str, Any]]:
    """The form of a hand-written `requestedSchema`. Raises PluginError where it is no flat object of primitives."""
    _check(schema)
    return Form(schema=schema, validator=SchemaValidator(schema, limits), convert=lambda content: content)


@lru_cache(maxsize=256)
def form_of_type(kind: type[FormT], limits: Limits) -> Form[FormT]:
    """The form of a pydantic model, dataclass or TypedDict. Raises PluginError where its fields are no primitives."""
    from mcp_runtime.core.schemas.pydantic_types import TypeRefusedError, adapter_of, schema_of  # imports pydantic

    try:
        adapter = adapter_of(kind)
        full = schema_of(adapter, mode="validation")
    except TypeRefusedError as error:
        raise PluginError(f"an elicitation form cannot be made of {kind!r}: {error}") from None
    if "properties" not in full:
        raise PluginError(f"an elicitation form must be an object with properties, which {kind!r} is not")
    definitions = full.get("$defs", {})
    schema: dict[str, Any] = {
        "type": full.get("type"),
        "properties": {name: _flatten(inner, definitions) for name, inner in full["properties"].items()},
    }
    if full.get("required"):
        schema["required"] = full["required"]
    _check(schema)
    return Form(schema=schema, validator=SchemaValidator(schema, limits), convert=adapter.validate_python)


def _flatten(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Inline `$ref`, and turn `X | None` into X: an optional field is one the user may leave out."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = definitions[reference.rpartition("/")[2]]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _flatten({**target, **rest}, definitions)
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        if rest.get("default", UNSET) is None:
            del rest["default"]
        return _flatten({**options[0], **rest}, definitions)
    if "const" in schema and "enum" not in schema:
        rest = {key: value for key, value in schema.items() if key != "const"}
        return {**rest, "enum": [schema["const"]]}
    if isinstance(schema.get("items"), dict):
        return {**schema, "items": _flatten(schema["items"], definitions)}
    return schema


def _check(schema: dict[str, Any]) -> None:
    properties = schema.get("properties")
    if schema.get("type") != "object" or not is_object(properties):
        raise PluginError("an elicitation form must be an object with properties")
    for name, inner in properties.items():
        problem = _problem(inner)
        if problem is not None:
            raise PluginError(f"field {name!r} of an elicitation form {problem}")


def _problem(schema: object) -> str | None:
    """The reason why clients could not draw a field of this schema, None where they can."""
    if not is_object(schema):
        return "has no schema"
    unknown = sorted(set(schema) - _PROPERTY_KEYS)
    if unknown:
        return f"uses {unknown[0]!r}, which clients do not draw"
    if schema.get("type") == "array":
        return None if _is_choice(schema.get("items")) else "is a list of something other than choices"
    if schema.get("type") not in _PRIMITIVES:
        return "is not a string, number, boolean or choice"
    return _problem_of_primitive(schema)


def _problem_of_primitive(schema: dict[str, Any]) -> str | None:
    if ("enum" in schema or "oneOf" in schema) and not _is_choice(schema):
        return "is a choice between other things than texts"
    if schema.get("format", _FORMATS[0]) not in _FORMATS:
        return f"has format {schema['format']!r}; clients know {', '.join(_FORMATS)}"
    return None


def _is_choice(schema: object) -> bool:
    """Whether `schema` is one text of several, with titles or without."""
    if not is_object(schema):
        return False
    if "enum" in schema:
        return schema.get("type") == "string" and all(isinstance(item, str) for item in schema["enum"])
    titled = schema.get("oneOf", schema.get("anyOf"))
    return is_array(titled) and all(is_object(item) and isinstance(item.get("const"), str) for item in titled)

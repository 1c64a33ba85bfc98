"""A function's parameters as a pydantic model. Rule: strict first, and where Python is stricter the schema decides.

This module imports pydantic: it is imported when a parameter's type is not plain, or an argument does not fit its type.
"""

import inspect
from typing import Annotated, Any, cast

import msgspec
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from mcp_runtime.authoring.registration.signatures import Signature
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError, PluginError
from mcp_runtime.core.schemas.pydantic_types import PYDANTIC_REFUSALS, TypeRefusedError, adapter_of, schema_of
from mcp_runtime.core.schemas.validator import MAX_REPORTED_ERRORS, SchemaValidator


class ArgumentModel:
    """The parameters of a function as one model: their JSON Schema, and how JSON becomes keyword arguments."""

    def __init__(self, signature: Signature, limits: Limits) -> None:
        """Raises PluginError for a parameter whose type pydantic does not know."""
        self._name = signature.name
        self._names = list(signature.parameters)
        self._model = _build_model(signature)
        self.schema = _schema(signature.name, self._model)
        self._limits = limits
        self._validator: SchemaValidator | None = None

    def parse(self, arguments: Raw) -> dict[str, Any]:
        """Keyword arguments from the JSON object `arguments`.

        Raises ArgumentsError naming each parameter that is off.
        """
        try:
            model = self._model.__pydantic_validator__.validate_json(bytes(arguments), strict=True)
        except ValidationError as error:
            model = self._parse_again(arguments, error)
        return dict(zip(self._names, model.__dict__.values(), strict=True))

    def _parse_again(self, arguments: Raw, error: ValidationError) -> Any:
        """Strict Python refuses some JSON that the schema allows, 5.0 for an integer: there the schema decides."""
        if self._validator is None:
            self._validator = SchemaValidator(self.schema, self._limits)
        try:
            if self._validator.accepts(msgspec.json.decode(arguments)):
                return self._model.__pydantic_validator__.validate_json(bytes(arguments), strict=False)
        except ValidationError as second:
            raise ArgumentsError(_explain(second)) from None
        except (msgspec.DecodeError, ValueError, RecursionError) as broken:
            raise ArgumentsError([str(broken)]) from None
        raise ArgumentsError(_explain(error)) from None

    def parse_texts(self, arguments: dict[str, str]) -> dict[str, Any]:
        """Keyword arguments from texts, as prompts and templates have them. Raises ArgumentsError."""
        try:
            model = self._model.__pydantic_validator__.validate_strings(cast("dict[str, Any]", arguments))
        except ValidationError as error:
            raise ArgumentsError(_explain(error)) from None
        return dict(zip(self._names, model.__dict__.values(), strict=True))


def _build_model(signature: Signature) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for index, (name, parameter) in enumerate(signature.parameters.items()):
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        hint = signature.hints.get(name, Any)
        # Fields get names of their own and the parameter's as alias: so a parameter may be called `schema` or `copy`,
        # which a model's attributes may not.
        extra: dict[str, Any] = {"alias": name}
        if name in signature.parameter_docs and not _is_described(hint):
            extra["description"] = signature.parameter_docs[name]
        fields[f"parameter_{index}"] = (Annotated[hint, Field(**extra)], default)
    try:
        return create_model(signature.name, __config__=ConfigDict(extra="forbid"), **fields)
    except PYDANTIC_REFUSALS as error:
        raise PluginError(f"{signature.name}: {TypeRefusedError(error)}") from None


def _is_described(hint: Any) -> bool:
    return any(getattr(extra, "description", None) for extra in getattr(hint, "__metadata__", ()))


def _schema(name: str, model: type[BaseModel]) -> dict[str, Any]:
    try:
        schema = schema_of(adapter_of(model), mode="validation")
    except TypeRefusedError as error:
        raise PluginError(f"{name}: {error}") from None
    schema.pop("description", None)
    return schema


def _explain(error: ValidationError) -> list[str]:
    problems: list[str] = []
    for item in error.errors(include_url=False, include_context=False)[:MAX_REPORTED_ERRORS]:
        place = ".".join(str(part) for part in item["loc"])
        given = "" if item["type"] == "missing" else f" (given: {_clip(item['input'])})"
        problems.append(f"`{place}`: {item['msg']}{given}" if place else f"{item['msg']}")
    return problems


def _clip(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python does not write out integers of more than 4,300 digits.
        return "a very long number"
    return text if len(text) <= 80 else text[:80] + "..."

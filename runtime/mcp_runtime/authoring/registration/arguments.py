"""The arguments of a function, read from JSON. Rule: what the published schema allows is taken, nothing else."""

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import NODEFAULT, UNSET, Raw
from msgspec.structs import astuple

from mcp_runtime.authoring.registration.signatures import Signature
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.schemas.plain_types import plain_default, plain_schema
from mcp_runtime.protocol.messages import PromptArgument

if TYPE_CHECKING:
    from mcp_runtime.authoring.registration.argument_models import ArgumentModel

_EMPTY: Final = inspect.Parameter.empty


class Arguments:
    """The parameters of a function as clients see them, and how JSON becomes arguments, by name or in their order.

    Where all of them have plain types, msgspec reads them, and pydantic is asked only about what msgspec does not take:
    whether the schema allows it all the same, and otherwise what is wrong with it.
    """

    def __init__(self, signature: Signature, limits: Limits) -> None:
        """Raises PluginError for a parameter whose type pydantic does not know."""
        self._signature = signature
        self._limits = limits
        self._names = list(signature.parameters)
        plain = _plain_properties(signature)
        self._decoder = None if plain is None else _decoder(signature)
        self._are_texts = all(signature.hints.get(name) is str for name in self._names)
        self.schema: dict[str, Any] = self._model.schema if plain is None else _object(signature, plain)

    @cached_property
    def _model(self) -> "ArgumentModel":
        from mcp_runtime.authoring.registration.argument_models import ArgumentModel  # imports pydantic

        return ArgumentModel(self._signature, self._limits)

    def parse(self, arguments: Raw) -> dict[str, Any]:
        """Keyword arguments from the JSON object `arguments`.

        Raises ArgumentsError naming each parameter that is off.
        """
        return dict(zip(self._names, self.parse_values(arguments), strict=True))

    def parse_values(self, arguments: Raw) -> tuple[Any, ...]:
        """As `parse`, only the values, in the order of the parameters."""
        if self._decoder is not None:
            try:
                return astuple(self._decoder.decode(arguments))
            except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
                pass
        parsed = self._model.parse(arguments)
        return tuple(parsed[name] for name in self._names)

    def parse_texts(self, arguments: dict[str, str]) -> dict[str, Any]:
        """Keyword arguments from texts, as prompts and templates have them. Raises ArgumentsError."""
        if self._are_texts and arguments.keys() == self._signature.parameters.keys():
            return dict(arguments)
        return self._model.parse_texts(arguments)


def _plain_properties(signature: Signature) -> dict[str, Any] | None:
    """The schema of each parameter; None where one of them is not plain."""
    properties: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        hint = signature.hints.get(name)
        schema = plain_schema(hint)
        if schema is None:
            return None
        if parameter.default is not _EMPTY:
            if not plain_default(hint, parameter.default):
                return None
            schema["default"] = parameter.default
        if name in signature.parameter_docs:
            schema["description"] = signature.parameter_docs[name]
        properties[name] = dict(sorted(schema.items()))
    return properties


def _object(signature: Signature, properties: dict[str, Any]) -> dict[str, Any]:
    required = [name for name, parameter in signature.parameters.items() if parameter.default is _EMPTY]
    schema: dict[str, Any] = {"additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = required
    return {**schema, "type": "object"}


def _decoder(signature: Signature) -> "msgspec.json.Decoder[msgspec.Struct]":
    # Fields have names of their own, and the parameter's on the wire: a parameter may be called anything.
    names = {f"parameter_{index}": name for index, name in enumerate(signature.parameters)}
    fields = [
        (field, signature.hints[name], NODEFAULT if (one := signature.parameters[name].default) is _EMPTY else one)
        for field, name in names.items()
    ]
    kind = msgspec.defstruct("Arguments", fields, rename=names, kw_only=True, forbid_unknown_fields=True)
    return msgspec.json.Decoder(kind)


def prompt_arguments(signature: Signature, schema: dict[str, Any]) -> list[PromptArgument]:
    """The arguments of a prompt as clients see them; `schema` is that of the function's parameters.

    Spec: 2026-07-28/server/prompts#prompt
    """
    properties: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    return [
        PromptArgument(
            name=name,
            title=properties[name].get("title", UNSET),
            description=properties[name].get("description", UNSET),
            required=name in required,
        )
        for name in signature.parameters
    ]

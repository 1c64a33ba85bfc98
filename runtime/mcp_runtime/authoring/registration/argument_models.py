"""A function's parameters as a pydantic model. Rule: strict first, and where Python is stricter the schema decides.

This module imports pydantic: it is imported when a parameter's type is not plain, or an argument does not fit its type.
"""

import inspect
from collections.abc import Collection
from functools import cached_property
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import SchemaValidator as CoreValidator

from mcp_runtime.authoring.registration.signatures import Signature
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError, PluginError
from mcp_runtime.core.schemas.explanation import MAX_PROBLEM_CHARS, cut
from mcp_runtime.core.schemas.frugal_reader import branches, forbids_members, frugal_reader
from mcp_runtime.core.schemas.pydantic_types import PYDANTIC_REFUSALS, TypeRefusedError, adapter_of, schema_of
from mcp_runtime.core.schemas.validator import MAX_REPORTED_ERRORS, SchemaValidator

_SMALL_BYTES: Final = 1024
"""Of arguments: what is wrong with so few is collected whole. That takes hundreds of errors, and a few milliseconds."""

_LARGE_BYTES: Final = 65_536
"""Of arguments: where each member that a model forbids costs hundreds of bytes, more are judged by the schema first."""

_MAX_COLLECTED: Final = 500
"""Errors that are made readable at once, at some microseconds and a kilobyte each."""

_VISITS_PER_CHAR: Final = 10
"""Steps of a nested reading for each value and character of the arguments, before it is refused."""

_TOO_MUCH: Final = "these arguments are too many, or nested too deeply, for the alternatives they may be read as"


class ArgumentModel:
    """The parameters of a function as one model: their JSON Schema, and how JSON becomes keyword arguments."""

    def __init__(self, signature: Signature, limits: Limits) -> None:
        """Raises PluginError for a parameter whose type pydantic does not know."""
        self._name = signature.name
        self._names = list(signature.parameters)
        self._model = _build_model(signature)
        self.schema = _schema(signature.name, self._model)
        self._limits = limits
        self._reader = self._model.__pydantic_validator__
        self._branches = branches(self._model)
        self._forbids = forbids_members(self._model)

    def parse(self, arguments: Raw) -> dict[str, Any]:
        """Keyword arguments from the JSON object `arguments`.

        Raises ArgumentsError naming each parameter that is off, or some where there are many.
        """
        text = bytes(arguments)
        if self._branches:
            self._check_branches(text)
        if len(text) > _SMALL_BYTES:
            self._check_names(_members(text))
        if len(text) > _LARGE_BYTES and self._forbids:
            self._check_schema(text)
        reader = self._reader if len(text) <= _SMALL_BYTES else self._frugal
        try:
            model = reader.validate_json(text, strict=True)
        except ValidationError as error:
            model = self._parse_again(text, error)
        return dict(zip(self._names, model.__dict__.values(), strict=True))

    def _parse_again(self, text: bytes, error: ValidationError) -> Any:
        """Strict Python refuses some JSON that the schema allows, 5.0 for an integer: there the schema decides."""
        value = _decoded(text)
        if not self._validator.accepts(value):
            collected = len(text) <= _SMALL_BYTES and error.error_count() <= _MAX_COLLECTED
            raise (_refusal(error, with_given=True) if collected else self._validator.refusal(value)) from None
        try:
            return self._frugal.validate_json(text, strict=False)
        except ValidationError as second:
            raise _refusal(second, with_given=len(text) <= _SMALL_BYTES) from None

    def _check_names(self, given: Collection[str]) -> None:
        """Raises ArgumentsError for more unknown arguments than are named one by one: each would be an error."""
        if len(given) <= len(self._names) + MAX_REPORTED_ERRORS:
            return
        unknown = [name for name in given if name not in self._names]
        problems = [
            f"`{cut(name, MAX_PROBLEM_CHARS)}`: Extra inputs are not permitted"
            for name in unknown[:MAX_REPORTED_ERRORS]
        ]
        raise ArgumentsError([*problems, f"{len(unknown)} such arguments in all"])

    def _check_schema(self, text: bytes) -> None:
        value = _decoded(text)
        if not self._validator.accepts(value):
            raise self._validator.refusal(value)

    def _check_branches(self, text: bytes) -> None:
        """Raises ArgumentsError where to read `text` would take much longer than it is, or to say what is wrong would.

        pydantic tries each alternative of a union, and what is in it, each time anew.
        """
        value = _decoded(text)
        if len(text) > _LARGE_BYTES and not self._validator.accepts(value):  # Which is faster than to count.
            raise self._validator.refusal(value)
        if not self._validator.is_read_within(value, _VISITS_PER_CHAR):
            if self._validator.accepts(value):
                raise ArgumentsError([_TOO_MUCH])
            raise self._validator.refusal(value)

    @cached_property
    def _validator(self) -> SchemaValidator:
        return SchemaValidator(self.schema, self._limits)

    @cached_property
    def _frugal(self) -> CoreValidator:
        return frugal_reader(self._model)

    def parse_texts(self, arguments: dict[str, str]) -> dict[str, Any]:
        """Keyword arguments from texts, as prompts and templates have them. Raises ArgumentsError."""
        self._check_names(arguments)
        try:
            model = self._frugal.validate_strings(cast("dict[str, Any]", arguments))
        except ValidationError as error:
            size = sum(map(len, arguments.values()))
            raise _refusal(error, with_given=size <= _SMALL_BYTES) from None
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


def _members(text: bytes) -> Collection[str]:
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ()  # pydantic says what is wrong with it


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as broken:
        raise ArgumentsError([str(broken)]) from None


def _refusal(error: ValidationError, *, with_given: bool) -> ArgumentsError:
    """The first problems of `error`. To say what was given makes it anew for each error, however long it is."""
    count = error.error_count()
    if count > _MAX_COLLECTED:
        return ArgumentsError([f"{count} values are not what the parameters take"])
    problems: list[str] = []
    for item in error.errors(include_url=False, include_context=False, include_input=with_given)[:MAX_REPORTED_ERRORS]:
        place = cut(".".join(str(part) for part in item["loc"]), MAX_PROBLEM_CHARS)
        given = "" if item["type"] == "missing" or not with_given else f" (given: {_clip(item['input'])})"
        problems.append(f"`{place}`: {item['msg']}{given}" if place else f"{item['msg']}")
    return ArgumentsError(problems, may_be_more=count > len(problems))


def _clip(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python does not write out integers of more than 4,300 digits.
        return "a very long number"
    return cut(text, 80)

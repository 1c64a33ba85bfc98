"""Arguments of functions in tests: read, parsed, refused."""

import enum
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from msgspec import Raw
from pydantic import BaseModel, Field, field_validator

from mcp_runtime.authoring.registration.arguments import Arguments
from mcp_runtime.authoring.registration.signatures import read_signature
from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.errors import ArgumentsError, PluginError

LIMITS = Limits()
NESTED = b"[" * 20_000 + b"]" * 20_000


def arguments_of(fn: Callable[..., Any]) -> Arguments:
    return Arguments(read_signature(fn), LIMITS)


def schema_of(fn: Callable[..., Any]) -> dict[str, Any]:
    return arguments_of(fn).schema


def parse(fn: Callable[..., Any], **values: Any) -> dict[str, Any]:
    return arguments_of(fn).parse(Raw(json.dumps(values).encode()))


def refusal(fn: Callable[..., Any], **values: Any) -> ArgumentsError:
    with pytest.raises(ArgumentsError) as refused:
        parse(fn, **values)
    return refused.value


def unserved(fn: Callable[..., Any]) -> str:
    with pytest.raises(PluginError) as refused:
        arguments_of(fn)
    assert "\n" not in str(refused.value)
    return str(refused.value)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Person(BaseModel):
    name: str
    age: Annotated[int, Field(ge=0)] = 0

    @field_validator("name")
    @classmethod
    def _no_blanks(cls, name: str) -> str:
        if " " in name:
            raise ValueError("one word, please")
        return name


def with_parameter(hint: Any, name: str = "value", default: Any = ...) -> Callable[..., Any]:
    """A function of one parameter with this hint."""
    if default is ...:
        namespace: dict[str, Any] = {"hint": hint}
        exec(f"async def tool({name}: hint): ...", namespace)
    else:
        namespace = {"hint": hint, "default": default}
        exec(f"async def tool({name}: hint = default): ...", namespace)
    made: Callable[..., Any] = namespace["tool"]
    return made

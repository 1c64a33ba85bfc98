"""Tools, a prompt and a template whose arguments are read in every way there is."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from mcp_runtime import Plugin

plugin = Plugin("argument_kinds")


class Closed(BaseModel):
    """A model that forbids what it does not know."""

    model_config = ConfigDict(extra="forbid")

    a: int
    b: int


class Left(BaseModel):
    """One of two nodes of a tree that nothing but their members tells apart."""

    child: "Left | Right | int"


class Right(BaseModel):
    """The other one."""

    child: "Left | Right | int"
    label: str = ""


Left.model_rebuild()

_NODE: Final[dict[str, Any]] = {"$ref": "#/$defs/node"}
TREE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"node": _NODE},
    "$defs": {
        "node": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"child": _NODE, "kind": {"const": "a"}},
                    "required": ["child", "kind"],
                },
                {
                    "type": "object",
                    "properties": {"child": _NODE, "kind": {"const": "b"}},
                    "required": ["child", "kind"],
                },
                {"type": "integer"},
            ]
        }
    },
}


@plugin.tool
async def total(numbers: list[int]) -> int:
    return sum(numbers)


@plugin.tool
async def closed(models: list[Closed]) -> int:
    return len(models)


@plugin.tool
async def identified(ids: list[UUID]) -> int:
    return len(ids)


@plugin.tool
async def tree(node: Left) -> str:
    return type(node.child).__name__


@plugin.tool
async def forest(trees: list[Left]) -> int:
    return len(trees)


async def raw_tree(arguments: dict[str, Any]) -> str:
    return "read"


plugin.add_tool(raw_tree, input_schema=TREE)


@plugin.prompt
async def counted(number: int) -> str:
    return str(number)


@plugin.resource("parts://{a}-{b}-{c}-{+d}")
async def parts(a: str, b: str, c: str, d: str) -> str:
    return f"{a}|{b}|{c}|{d}"


@plugin.completion(argument="a", resource="parts://{a}-{b}-{c}-{+d}")
async def complete_a(value: str) -> list[str]:
    return [value]

"""Each revision's own JSON Schema, read from a package that carries them. Rule: closed, so that an unknown field fails.

The conformance suite's bundle has those from 2025-03-26 on. That of 2024-11-05 is the next one with what its changelog
says was added taken back.
"""

import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Final

import jsonschema_rs

from mcp_runtime.protocol.json_types import is_array, is_object
from tests.clients.node_programs import node_programs

_PRINT_SCHEMAS: Final = r"""
const bundle = require("fs").readFileSync(process.argv[1], "utf8");
const names = bundle.match(/\{"2025-03-26":([\w$]+),"2025-06-18":([\w$]+),"2025-11-25":([\w$]+),\[[\w$]+\]:([\w$]+)\}/);
const first = bundle.indexOf(`${names[1]}={$schema:`), end = bundle.lastIndexOf(";const ", bundle.indexOf(names[0]));
const schemas = `"2025-03-26":${names[1]},"2025-06-18":${names[2]},"2025-11-25":${names[3]},"2026-07-28":${names[4]}`;
console.log(require("vm").runInNewContext(`const ${bundle.slice(first, end)}; JSON.stringify({${schemas}})`));
"""
"""Finds the table of schemas in the minified bundle, and evaluates only the literals that it names."""

JSON_SCHEMA_FIELDS: Final = ("inputSchema", "outputSchema")
OPEN_FIELDS: Final = (*JSON_SCHEMA_FIELDS, "_meta")
"""Hold JSON Schemas, of which only `$schema` is looked at, and metadata: open by nature."""


class RevisionSchema:
    """One revision's types, by name."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._key = "$defs" if "$defs" in schema else "definitions"
        self._schema = schema
        self.types: dict[str, dict[str, Any]] = schema[self._key]
        self._by_method = {
            definition["properties"]["method"]["const"]: name
            for name, definition in self.types.items()
            if "const" in definition.get("properties", {}).get("method", {})
            and name.endswith(("Request", "Notification"))
        }

    def problems(self, kind: str, value: object) -> list[str]:
        """What keeps `value` from being of the type `kind`."""
        whole = {**self._schema, "$ref": f"#/{self._key}/{kind}"}
        validator = jsonschema_rs.validator_for(whole, validate_formats=True)
        return [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(value)]

    def problems_of_message(self, message: dict[str, Any]) -> list[str]:
        """What keeps a request or notification (`method` and `params`) from being one of this revision."""
        kind = self._by_method.get(message["method"])
        if kind is None:
            return [f"no such method: {message['method']}"]
        # The later revisions describe a message whole, the earlier ones without its envelope.
        envelope = {"jsonrpc": "2.0", "id": 1}
        own = {key: value for key, value in envelope.items() if key in self.types[kind]["properties"]}
        return self.problems(kind, {**own, **message})


@cache
def schema_of(revision: str) -> RevisionSchema:
    """The schema of `revision`: closed for the legacy ones, as published for 2026-07-28. Skips without Node.js."""
    if revision == "2026-07-28":
        return RevisionSchema(_published()[revision])
    if revision == "2024-11-05":
        return RevisionSchema(_closed(_before_2025_03_26(_published()["2025-03-26"])))
    return RevisionSchema(_closed(_published()[revision]))


@cache
def _published() -> dict[str, dict[str, Any]]:
    programs = node_programs()
    bundle = programs.script("@modelcontextprotocol/conformance", "dist/index.js")
    printed = subprocess.run([programs.node, "-e", _PRINT_SCHEMAS, bundle], capture_output=True, check=True)
    schemas: dict[str, dict[str, Any]] = json.loads(printed.stdout)
    for number in _number_schemas(schemas):
        # Their generator took `number` for `integer` here, as the changelog of 2026-07-28 says.
        for bound in ("minimum", "maximum", "default"):
            if bound in number:
                number[bound]["type"] = "number"
    return schemas


def _number_schemas(schemas: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for schema in schemas.values():
        types = schema.get("$defs") or schema["definitions"]
        if "NumberSchema" in types:
            yield types["NumberSchema"]["properties"]


def _before_2025_03_26(schema: dict[str, Any]) -> dict[str, Any]:
    """The types of 2024-11-05. Spec: 2025-03-26/changelog"""
    older = deepcopy(schema)
    types = older["definitions"]
    del types["AudioContent"], types["ToolAnnotations"], types["Tool"]["properties"]["annotations"]
    del types["ServerCapabilities"]["properties"]["completions"]
    del types["ProgressNotification"]["properties"]["params"]["properties"]["message"]
    for part in _parts(older):
        if "anyOf" in part:
            part["anyOf"] = [option for option in part["anyOf"] if option != {"$ref": "#/definitions/AudioContent"}]
    return older


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` where an object may have no field that it does not name."""
    closed = deepcopy(schema)
    types = closed.get("$defs") or closed["definitions"]
    for definition in types.values():
        _close(definition)
    return closed


def _close(part: dict[str, Any]) -> None:
    for field, inner in part.get("properties", {}).items():
        if field not in OPEN_FIELDS:
            _close(inner)
        elif field in JSON_SCHEMA_FIELDS and "$schema" not in inner["properties"]:
            inner["not"] = {"required": ["$schema"]}
    if part.get("properties"):
        part.setdefault("additionalProperties", False)
    for inner in (part.get("items"), part.get("additionalProperties"), *part.get("anyOf", ())):
        if is_object(inner):
            _close(inner)


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in `value`, itself included."""
    if is_object(value):
        yield value
    inner = value.values() if is_object(value) else value if is_array(value) else ()
    for item in inner:
        yield from _parts(item)

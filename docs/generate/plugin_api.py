"""The page of the author's API, read off the source. Rule: every public name, its signature and its docstring.

Read as source, not as objects: so that a signature looks the same under every Python. Options that a method takes as
`**options: Unpack[...]` are shown one by one.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

import mcp_runtime
from docs.generate import markdown
from docs.generate.markdown import code, plain, table, with_spec_links
from mcp_runtime.authoring import declarations
from mcp_runtime.core.handlers import request_facts, sampling

GROUPS: Final = MappingProxyType(
    {
        "Declaring": ("Plugin", "Secret", "ToolAnnotations", "Annotations", "Icon"),
        "Inside a handler": ("Context", "SyncContext", "Elicitation", "run_asyncio"),
        "Failing": ("ToolError", "PeerError", "PluginError"),
        "Results": ("ToolResult", "Completions"),
        "Content": (
            "TextContent",
            "ImageContent",
            "AudioContent",
            "EmbeddedResource",
            "ResourceLink",
            "TextResourceContents",
            "BlobResourceContents",
        ),
        "Messages": ("PromptMessage", "SamplingMessage", "CreateMessageResult", "Root"),
    }
)
"""The names of `mcp_runtime`, in the order of the page. A test sees to it that none is left out."""

_OPTIONS: Final = MappingProxyType(
    {
        "ToolOptions": (declarations, "ToolDeclaration"),
        "ResourceOptions": (declarations, "ResourceDeclaration"),
        "DisplayOptions": (declarations, "PromptDeclaration"),
        "SamplingOptions": (sampling, "CreateMessageRequestParams"),
    }
)
"""The options of methods, by the name of their type: its module, and the class beside it that has the defaults."""

_SETTINGS: Final = """
### Plugin settings

`settings` is a dataclass, a msgspec Struct or a pydantic model. The table `[plugin.NAME]` is converted into it when the
plugin is loaded, and `plugin.settings` gives it back, typed. A field of type `pathlib.Path` comes back absolute. A
field of type `mcp_runtime.Secret` is read from a [reference](configuration.md#secrets); `.reveal()` gives its
text.
"""

_ANNOTATIONS: Final = """
### What a function's annotations become

| Parameter | Becomes |
| --- | --- |
| `Context` (async function), `SyncContext` (plain function) | The context of the call; not part of the schema. |
| any type that pydantic knows, `Annotated[T, Field(...)]` | A property of the input schema. |
| with a default | An optional property. |
| `x: T` with `x: ...` under `Args:` in the docstring | The property's description. |
| `x: dict` with `input_schema=...` on the tool | All arguments, checked by that schema. |

| A tool returns | The client gets |
| --- | --- |
| `str` | One text block. |
| a content block, or a list with content blocks | These blocks. |
| `None` | A result without content. |
| `ToolResult` | Just that. |
| anything else, annotated | `structuredContent`, its JSON as a text block, and `outputSchema` in the list. |
| anything else, not annotated | `structuredContent` and its JSON as a text block, without a schema. |

| A resource returns | The client gets |
| --- | --- |
| `str` | Text, `text/plain` unless `mime_type` says otherwise. |
| `bytes` | A blob, `application/octet-stream` unless `mime_type` says otherwise. |
| `TextResourceContents`, `BlobResourceContents`, or a list of those | Just that. |
| any other JSON value | Text, `application/json`. |
| `None` | Error `-32602`: there is no such resource. |

A prompt returns `str`, `PromptMessage`, content, or a list of those. What is not a `PromptMessage` is said by the user.

An async function runs in the task of its request; a plain function runs in a worker thread, of which there are
`limits.max_threads`. A thread cannot be interrupted: after a time-out it runs on, and what it returns is dropped.
"""

HOSTING: Final = MappingProxyType(
    {
        "create_app": "mcp_runtime.asgi",
        "HttpApp": "mcp_runtime.asgi",
        "configure_logging": "mcp_runtime.asgi",
        "load_config": "mcp_runtime.config",
    }
)
"""What somebody needs who brings a server of their own, by name, with the module to import it from."""

_HOSTING: Final = """
For those who run the runtime inside a program of their own: see
[Run under uvicorn or granian](../how-to/run-under-uvicorn-or-granian.md) and
[Mount into FastAPI](../how-to/mount-into-fastapi.md). `mcp_runtime.asgi.app` is `create_app()`, made when it is first
asked for, with its logging configured.
"""


def page() -> str:
    """The text of the page."""
    blocks: list[str] = []
    for group, names in GROUPS.items():
        blocks.append(f"## {group}")
        for name in names:
            blocks += _entry(name, getattr(mcp_runtime, name).__module__)
            if name == "Plugin":
                blocks += [_SETTINGS, _ANNOTATIONS]
    blocks += ["## Hosting", _HOSTING]
    for name, module in HOSTING.items():
        blocks += _entry(name, getattr(import_module(module), name).__module__, shown=f"{module}.{name}")
    return markdown.page(
        "Plugin API",
        "`from mcp_runtime import Plugin, Context, ToolError`: what authors use are names of `mcp_runtime`. What those "
        "use who bring their own server stands [at the end](#hosting). A plugin file offers its plugin as `plugin`; "
        "name another attribute with `--plugin MODULE:ATTRIBUTE`.",
        "On the wire, attributes travel in camelCase, and `bytes` as base64. Fields that are `UNSET` are left out. "
        "`Spec` links lead to the specification.",
        *blocks,
    )


def _entry(name: str, module: str, *, shown: str | None = None) -> Iterator[str]:
    node = _definition(name, module)
    yield f"### `{shown or name}`"
    if isinstance(node, ast.ClassDef):
        yield from _class(name, node)
    else:
        yield _python([_signature(node)])
        yield _docstring(node)


def _definition(name: str, module: str) -> ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef:
    home = import_module(module)
    for node in _tree(str(home.__file__)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
    raise LookupError(f"{name} is not defined in {home.__name__}")


@cache
def _tree(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def _class(name: str, node: ast.ClassDef) -> Iterator[str]:
    made = list(_construction(name, node))
    if made:
        yield _python(made)
    yield _docstring(node)
    yield table(["Field", "Type", "Default"], _fields(node))
    for method, overloads in _methods(node):
        yield f"#### `{name}.{method.name}`"
        if "property" in _decorators(method):
            yield _python([f"{name}.{method.name}: {_unparsed(method.returns)}"])
        else:
            yield _python([_signature(one) for one in overloads or [method]])
        yield _docstring(method)


def _construction(name: str, node: ast.ClassDef) -> Iterator[str]:
    found = [one for one in _functions(node) if one.name == "__init__"]
    overloads = [one for one in found if "overload" in _decorators(one)]
    for one in overloads or found:
        yield _signature(one, shown=name).removesuffix(" -> None")


def _functions(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def _inherited(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a base that authors do not see by its name."""
    for base in node.bases:
        if ast.unparse(base) == request_facts.RequestFacts.__name__:
            for one in _tree(str(request_facts.__file__)).body:
                if isinstance(one, ast.ClassDef):
                    yield from _functions(one)


Method = tuple[ast.FunctionDef | ast.AsyncFunctionDef, list[ast.FunctionDef | ast.AsyncFunctionDef]]


def _methods(node: ast.ClassDef) -> Iterator[Method]:
    """Public methods an author may call, each with its overloads."""
    overloads: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for method in (*_inherited(node), *_functions(node)):
        if method.name.startswith("_"):
            continue
        if "overload" in _decorators(method):
            overloads.setdefault(method.name, []).append(method)
        elif "Called by the runtime" not in (ast.get_docstring(method) or ""):
            yield method, overloads.get(method.name, [])


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {ast.unparse(one) for one in node.decorator_list}


def _fields(node: ast.ClassDef) -> list[tuple[str, str, str]]:
    return [
        (code(one.target.id), code(_unparsed(one.annotation)), _default(one.value))
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    ]


def _default(value: ast.expr | None) -> str:
    if isinstance(value, ast.Call):
        given = {word.arg: word.value for word in value.keywords}
        if "default" in given:
            return code(ast.unparse(given["default"]))
        return "empty list" if "default_factory" in given else "required"
    return "required" if value is None else code(ast.unparse(value))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, shown: str | None = None) -> str:
    """The signature without `self`; a line a parameter where it would be long."""
    parameters = _parameters(node.args)
    start = "".join(f"@{one}\n" for one in sorted(_decorators(node) - {"overload"}))
    if shown is None:
        start += "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
    end = f" -> {_unparsed(node.returns)}" if node.returns is not None else ""
    line = f"{start}{shown or node.name}({', '.join(parameters)}){end}"
    if len(line.rpartition("\n")[2]) <= 100:
        return line
    inner = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"{start}{shown or node.name}(\n{inner}){end}"


def _parameters(arguments: ast.arguments) -> list[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    options = _options(arguments.kwarg)
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [_parameter(one, default) for one, default in zip(positional, defaults, strict=True)]
    if [one.arg for one in arguments.posonlyargs] not in ([], ["self"]):
        shown.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg is not None:
        shown.append("*" + _parameter(arguments.vararg, None))
    elif arguments.kwonlyargs or options:
        shown.append("*")
    shown += [_parameter(one, value) for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    shown += options
    if arguments.kwarg is not None and not options:
        shown.append("**" + _parameter(arguments.kwarg, None))
    return [one for one in shown if one not in {"self", "cls"} and not one.startswith("self: ")]


def _options(kwarg: ast.arg | None) -> list[str]:
    """The parameters that `**options: Unpack[...]` stands for, with their defaults."""
    if kwarg is None or not isinstance(kwarg.annotation, ast.Subscript):
        return []
    name = ast.unparse(kwarg.annotation.slice)
    module, declared_by = _OPTIONS[name]
    defaults = {one.arg: default for one, default in _annotated(declared_by, module)}
    return [_parameter(one, defaults[one.arg]) for one, _ in _annotated(name, module)]


def _annotated(name: str, module: ModuleType) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """The attributes of a class with their types and defaults, those of its bases in the same module first."""
    for node in _tree(str(module.__file__)).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for base in node.bases:
                yield from _annotated(ast.unparse(base), module)
            for one in node.body:
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                    yield ast.arg(one.target.id, one.annotation), one.value


def _parameter(one: ast.arg, default: ast.expr | None) -> str:
    text = one.arg if one.annotation is None else f"{one.arg}: {_unparsed(one.annotation)}"
    if default is None:
        return text
    return f"{text}{' = ' if one.annotation is not None else '='}{ast.unparse(default)}"


def _unparsed(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    # Quotes as the formatter wants them.
    return "None" if node is None else ast.unparse(node).replace("'", '"')


def _python(lines: list[str]) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"


def _docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return with_spec_links(plain(inspect.cleandoc(ast.get_docstring(node) or "")))

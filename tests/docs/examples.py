"""The marked blocks of a page, done one after the other as a reader would. Rule: a verb is a function, here.

| Marker | What is done with the block |
| --- | --- |
| `run: FILE.py` | saved, loaded as a plugin, and its lists are read by the official client |
| `save: FILE` | saved |
| `change: FILE START` | takes the place of the line in that file that begins with START |
| `output: COMMAND` | what that mcp-runtime command prints |
| `schema: TOOL` | the input schema of that tool of the last plugin |
| `call: TOOL ARGUMENTS` | the text that the tool answers |
| `stdout: FILE.py` | what that script prints, as a process |
| `test: FILE.py` | saved; at the end of the page it passes under pytest, as a process |
| `asgi: FILE.py [PATH]` | saved; its `app` answers the official client at that path, /mcp by default |
| `banner: PLUGIN` | how `serve` begins what it says, with that plugin |
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_runtime import Plugin
from mcp_runtime.asgi import create_app
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.authoring.plugin_loading import load_plugin
from mcp_runtime.cli.banner import render
from mcp_runtime.cli.main import main
from mcp_runtime.config import load_config
from mcp_runtime.server.process import Listening
from tests.docs.pages import Block

_URL: Final = "http://127.0.0.1:8000/mcp"
_INCIDENT: Final = re.compile(r"incident [0-9a-f]{8}")


@dataclass(kw_only=True)
class Reader:
    """Somebody who follows a page in `directory`, which is the working directory. `plugin` is the one last written."""

    directory: Path
    capsys: pytest.CaptureFixture[str]
    plugin: Plugin[Any] | None = None
    imported: int = 0
    tests: list[str] = field(default_factory=list[str])
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        # The command `mcp-runtime` of this environment, as if it was activated.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**os.environ, "PATH": path}

    def save(self, block: Block, name: str) -> Path:
        path = self.directory / name
        path.write_text(block.text, encoding="utf-8")
        return path

    def finish(self) -> None:
        """Run the tests that the page has, all at once."""
        if self.tests:
            self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *self.tests)

    def python(self, *arguments: str) -> str:
        """What a Python process prints. It has to succeed."""
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@asynccontextmanager
async def talking_to(app: Any, path: str = "/mcp", *, lifespan: Any = None) -> AsyncGenerator[Client]:
    """The official client, connected to an ASGI application in this process."""
    around = app.lifespan() if lifespan is None else lifespan
    async with around, httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
        transport = streamable_http_client(f"http://127.0.0.1{path}", http_client=http)
        async with Client(transport, cache=None) as client:
            yield client


async def run(reader: Reader, block: Block) -> None:
    reader.plugin = load_plugin(str(reader.save(block, block.argument)))
    async with talking_to(create_app(None, reader.plugin)) as client:
        offered = len((await client.list_tools()).tools)
        capabilities = client.server_capabilities
        if capabilities.resources is not None:
            offered += len((await client.list_resources()).resources)
            offered += len((await client.list_resource_templates()).resource_templates)
        if capabilities.prompts is not None:
            offered += len((await client.list_prompts()).prompts)
    assert offered, "the plugin offers nothing"


async def save(reader: Reader, block: Block) -> None:
    reader.save(block, block.argument)


async def change(reader: Reader, block: Block) -> None:
    name, _, start = block.argument.partition(" ")
    path = reader.directory / name
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (index,) = (number for number, line in enumerate(lines) if line.lstrip().startswith(start))
    lines[index] = block.text
    path.write_text("".join(lines), encoding="utf-8")


async def output(reader: Reader, block: Block) -> None:
    command, *arguments = shlex.split(block.argument)
    assert command == "mcp-runtime"
    reader.capsys.readouterr()
    assert main(arguments) == 0
    printed = reader.capsys.readouterr().out
    assert printed == block.text, printed


async def schema(reader: Reader, block: Block) -> None:
    assert reader.plugin is not None
    async with talking_to(create_app(None, reader.plugin)) as client:
        schemas = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert schemas[block.argument] == json.loads(block.text)


async def call(reader: Reader, block: Block) -> None:
    assert reader.plugin is not None
    tool, _, arguments = block.argument.partition(" ")
    async with talking_to(create_app(None, reader.plugin)) as client:
        result = await client.call_tool(tool, json.loads(arguments))
    assert "".join(content.text for content in result.content if content.type == "text") == block.text.strip()


async def stdout(reader: Reader, block: Block) -> None:
    printed = reader.python(block.argument)
    assert _INCIDENT.sub("incident ID", printed) == _INCIDENT.sub("incident ID", block.text), printed


async def test(reader: Reader, block: Block) -> None:
    reader.tests.append(reader.save(block, block.argument).name)


async def asgi(reader: Reader, block: Block) -> None:
    name, _, path = block.argument.partition(" ")
    reader.imported += 1
    spec = spec_from_file_location(f"documented_application_{reader.imported}", reader.save(block, name))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    app: Any = vars(module)["app"]
    lifespan = app.router.lifespan_context(app) if hasattr(app, "router") else None
    async with talking_to(app, path or "/mcp", lifespan=lifespan) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == 3


async def banner(_: Reader, block: Block) -> None:
    config = load_config(environ=os.environ, overrides={"plugins.load": (block.argument,)})
    page = render(build_runtime(config), Listening(urls=(_URL,), bound=(_URL,)))
    assert page.lstrip("\n").startswith(block.text)


VERBS: Final[Mapping[str, Callable[[Reader, Block], Awaitable[None]]]] = MappingProxyType(
    {one.__name__: one for one in (run, save, change, output, schema, call, stdout, test, asgi, banner)}
)
PROCESSES: Final = frozenset({"stdout", "test"})
"""Verbs that start a process."""

"""The clients that tests run against the server, for the reference. Rule: the tests' own tables say who they are."""

from collections.abc import Iterator
from typing import Final

from docs.generate.markdown import code, table
from docs.generate.markdown import page as page_of
from tests.clients.legacy.clients import FAMILIES, INSPECTOR_ERAS, INSPECTOR_VERSION, Family, Transport

TRANSPORTS: Final[dict[Transport, str]] = {"http": "Streamable HTTP", "sse": "HTTP+SSE", "stdio": "stdio"}
MODERN: Final = "2026-07-28"

INTRODUCTION: Final = """
The test suite starts every client in this table as a program of its own. Those that speak HTTP talk to one server
process at the same time, at one address, whatever the revision; those that speak stdio start a server each.
"""

CONVERSATION: Final = """
## What they do

"All of it" is one conversation:

- connect, and agree on the revision in the table;
- list tools, resources, resource templates and prompts;
- call a tool, one that fails, one with a bad argument and one that is not there;
- hear progress of a call, and log messages from the level on that was set;
- get the result of a call whose stream the server lets go of, by coming back for it where the revision has that;
- give up a call, which its tool notices (Node clients: `mcp` for Python cannot);
- answer a form (accept, decline and cancel), several forms in a row, a sampling request and a request for roots, all in
  the middle of calls. A client from before elicitation is told that the capability is missing;
- read resources and prompts, and complete an argument;
- subscribe to a resource, hear of its update once, unsubscribe, and hear of none;
- hear that the list of tools changed, and read it again;
- ping, and leave: over Streamable HTTP with a DELETE.

## What else is tried

- `mcp` 1.30 and `@modelcontextprotocol/sdk` 1.12 keep their session while the server is killed (SIGKILL) and started
  again; the latter comes back over HTTP+SSE, too.
- `mcp` 1.30 and `@modelcontextprotocol/sdk` 1.12 work through nginx that takes turns between two processes, which have
  nothing in common but `seal.keys`; and clients of both HTTP transports through nginx as it comes, below a path.
- The current clients speak 2026-07-28: `mcp` 2 and `@modelcontextprotocol/client` 2, told so or found out, over
  Streamable HTTP and stdio.
"""


def page() -> str:
    """The page."""
    head = ["Client", "Version", "Transport", "Revision", "What it does"]
    return page_of("Clients tested", INTRODUCTION, table(head, [*_conversations(), *_inspector()]), CONVERSATION)


def _conversations() -> Iterator[list[str]]:
    for family in FAMILIES:
        for transport in family.transports:
            yield [family.package, family.version, TRANSPORTS[transport], family.revision, _extent(family)]


def _extent(family: Family) -> str:
    return "all of it" if family.elicits else "all of it, without forms, which it does not know"


def _inspector() -> Iterator[list[str]]:
    for era, transport in INSPECTOR_ERAS:
        revision = MODERN if era == "modern" else "2025-11-25"
        package = f"npm {code('@modelcontextprotocol/inspector')}, {code(f'--cli --protocol-era {era}')}"
        yield [package, INSPECTOR_VERSION, TRANSPORTS[transport], revision, "lists, calls, reads; a run for each"]

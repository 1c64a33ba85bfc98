"""Caching hints. Rule: each test shows a demand of 2026-07-28/server/utilities/caching."""

from typing import Any

import pytest
from msgspec import ValidationError, convert

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from mcp_runtime.config.cache import CachePolicies, CachePolicy
from tests.support.clients import Client
from tests.support.messages import Message, accepted
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, over

OWN = CachePolicies(
    discover=CachePolicy(ttl_ms=1, scope="private"),
    tools=CachePolicy(ttl_ms=2, scope="private"),
    resources=CachePolicy(ttl_ms=3, scope="public"),
    resource_templates=CachePolicy(ttl_ms=4, scope="private"),
    prompts=CachePolicy(ttl_ms=5, scope="public"),
    resource_contents=CachePolicy(ttl_ms=6, scope="public"),
)
CACHEABLE: list[tuple[str, Message]] = [
    ("server/discover", {}),
    ("tools/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("prompts/list", {}),
    ("resources/read", {"uri": "note://text"}),
]


def hints(result: Message) -> tuple[int, str]:
    """The hints of a result."""
    return result["ttlMs"], result["cacheScope"]


@pytest.mark.spec("server/utilities/caching#cacheable-results", "hints")
@pytest.mark.spec("server/utilities/caching#time-to-live-ttl-field", "not-negative")
@over(*EVERY_WIRE)
async def test_every_cacheable_result_has_hints_by_default(client: Client) -> None:
    for method, params in CACHEABLE:
        ttl_ms, scope = hints((await client.ask(method, params)).result)
        assert ttl_ms >= 0
        assert scope == ("private" if method == "resources/read" else "public")


@pytest.mark.spec("server/utilities/caching#cacheable-results", "hints")
@over(*EVERY_WIRE, config=settings(cache=OWN))
async def test_the_operator_chooses_the_hints_of_each_list(client: Client) -> None:
    found = [hints((await client.ask(method, params)).result) for method, params in CACHEABLE]
    assert found == [(1, "private"), (2, "private"), (3, "public"), (4, "private"), (5, "public"), (6, "public")]
    own = (await client.ask("resources/read", {"uri": "note://bytes"})).result
    assert hints(own) == (60_000, "public")  # what the plugin says of a resource counts for it


@pytest.mark.spec("server/utilities/caching#cacheable-results", "hints")
@over(*EVERY_WIRE)
async def test_interim_results_and_other_results_have_no_hints(client: Client) -> None:
    asked = await client.ask("resources/read", {"uri": "vault://combination"})
    assert not {"ttlMs", "cacheScope"} & set(asked.result)
    opened = await client.retry(asked, {"who": accepted(name="Ada")})
    assert hints(opened.result) == (0, "private")
    for answer in (await client.call("nothing"), await client.ask("prompts/get", {"name": "plain"})):
        assert not {"ttlMs", "cacheScope"} & set(answer.result)


@pytest.mark.spec("server/utilities/caching#time-to-live-ttl-field", "not-negative")
@pytest.mark.parametrize("policy", [{"ttl_ms": -1}, {"ttl_ms": 1.5}, {"ttl_ms": "soon"}, {"scope": "shared"}])
def test_no_other_hints_can_be_configured(policy: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        convert({"tools": policy}, CachePolicies)


@pytest.mark.spec("server/utilities/caching#time-to-live-ttl-field", "not-negative")
def test_no_plugin_can_set_a_negative_ttl() -> None:
    plugin = Plugin("past")

    @plugin.resource("note://x", ttl_ms=-1)
    async def x() -> str:
        """A resource."""
        return ""

    with pytest.raises(Exception, match="ttl_ms"):
        build_runtime(settings(), (plugin,))


@pytest.mark.spec("server/utilities/caching#interaction-with-pagination", "one-scope")
@over(*EVERY_WIRE, config=settings(limits={"page_size": 2}, cache=OWN))
async def test_all_pages_of_a_list_have_one_scope(client: Client) -> None:
    for method in ("tools/list", "resources/list", "prompts/list"):
        result = (await client.ask(method)).result
        scopes = {result["cacheScope"]}
        pages = 1
        while "nextCursor" in result:
            result = (await client.ask(method, {"cursor": result["nextCursor"]})).result
            scopes.add(result["cacheScope"])
            pages += 1
        assert pages > 1
        assert len(scopes) == 1

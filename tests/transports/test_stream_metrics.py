"""Streams of this revision are counted while they are open, however they end."""

from typing import Any

from mcp_runtime.config import AdminConfig
from tests.support.http_client import HttpClient
from tests.support.settings import settings
from tests.support.wires import HTTP, over

WATCHED = settings(admin=AdminConfig(bind=("127.0.0.1:0",)))
ONE = {("modern", "streamable_http"): 1}
NONE = {("modern", "streamable_http"): 0}


def streams(client: HttpClient) -> dict[tuple[str, ...], float]:
    """How many are open, by era and transport."""
    assert client.runtime.metrics is not None
    found: Any = next(one for one in client.runtime.metrics.families() if one.name == "mcp_open_streams")
    return dict(found.read())


@over(*HTTP, config=WATCHED)
async def test_a_stream_counts_until_its_client_leaves(client: HttpClient) -> None:
    assert streams(client) == {}
    async with client.listen(toolsListChanged=True) as first:
        await first.next()
        assert streams(client) == ONE
        async with client.listen(id="second", toolsListChanged=True) as second:
            await second.next()
            assert streams(client) == {("modern", "streamable_http"): 2}
        assert streams(client) == ONE
    assert streams(client) == NONE


@over(*HTTP, config=WATCHED)
async def test_a_stream_counts_until_the_server_ends_it(client: HttpClient) -> None:
    async with client.listen(toolsListChanged=True) as stream:
        await stream.next()
        assert streams(client) == ONE
        client.runtime.subscriptions.close()
        assert (await stream.answer()).result["resultType"] == "complete"
        await client.settle()
        assert streams(client) == NONE


@over(*HTTP, config=WATCHED)
async def test_a_call_is_no_stream(client: HttpClient) -> None:
    await client.call("echo", {"text": "hi"})
    assert streams(client) == {}

"""Resources. Rule: each test shows a demand of 2026-07-28/server/resources."""

import base64
from typing import Any

import pytest

from mcp_runtime import Plugin
from mcp_runtime.assembly.compose import build_runtime
from tests.support.clients import Client
from tests.support.clocks import run
from tests.support.fixture_plugin import PIXEL, SECRET, bare_plugin, make_plugin
from tests.support.messages import Message
from tests.support.settings import settings
from tests.support.wires import EVERY_WIRE, Wire, connect, over


async def read(client: Client, uri: str) -> list[Message]:
    """The contents of a resource."""
    return list((await client.ask("resources/read", {"uri": uri})).result["contents"])


@pytest.mark.spec("server/resources#capabilities", "declared")
@pytest.mark.parametrize("make", [bare_plugin, make_plugin])
@pytest.mark.parametrize("wire", EVERY_WIRE)
def test_resources_are_served_exactly_where_they_are_declared(wire: Wire, make: Any) -> None:
    async def talk() -> None:
        async with connect(wire, settings(), make) as client:
            declared = "resources" in (await client.ask("server/discover")).result["capabilities"]
            for method in ("resources/list", "resources/templates/list"):
                assert declared == ("result" in (await client.ask(method)).response)

    run("asyncio" if wire == "http-asyncio" else "trio", talk)


@pytest.mark.spec("server/resources#capabilities", "listed")
@over(*EVERY_WIRE)
async def test_the_list_has_the_resources_there_are_now(client: Client) -> None:
    async def uris() -> list[str]:
        return [resource["uri"] for resource in (await client.ask("resources/list")).result["resources"]]

    before = await uris()
    await client.call("grow", {"kind": "resource", "name": "later"})
    assert await uris() == [*before, "note://later"]
    assert (await read(client, "note://later"))[0]["text"] == "extra"
    await client.call("shrink", {"kind": "resource", "name": "later"})
    assert await uris() == before
    (await client.ask("resources/read", {"uri": "note://later"})).refused(-32602)


@pytest.mark.spec("server/resources#capabilities", "listed")
@over(*EVERY_WIRE)
async def test_resources_and_templates_are_listed_with_everything_that_was_said_of_them(client: Client) -> None:
    text = (await client.ask("resources/list")).result["resources"][0]
    assert text == {
        "uri": "note://text",
        "name": "text",
        "title": "A note",
        "description": "Some text.",
        "mimeType": "text/plain",
        "size": 6,
        "annotations": {"audience": ["assistant"], "priority": 1.0, "lastModified": "2026-01-12T15:00:58Z"},
        "icons": [{"src": "data:image/png;base64,iVBORw0KGgo=", "theme": "dark"}],
    }
    templates = (await client.ask("resources/templates/list")).result["resourceTemplates"]
    assert [template["uriTemplate"] for template in templates] == ["users://{id}/profile", "file:///srv/{+path}"]
    assert templates[0]["mimeType"] == "application/json"


@pytest.mark.spec("server/resources#capabilities", "no-variation")
@over(*EVERY_WIRE)
async def test_reading_changes_nothing_in_the_list(client: Client) -> None:
    before = (await client.ask("resources/list")).result
    for uri in ("note://text", "note://gone", "note://crash", "users://7/profile", "vault://combination"):
        await client.ask("resources/read", {"uri": uri})
    assert (await client.ask("resources/list", capabilities={})).result == before


@pytest.mark.spec("server/resources#list-changed-notification", "list-changed")
@over(*EVERY_WIRE)
async def test_those_who_listen_hear_that_the_list_changed(client: Client) -> None:
    async with client.listen(resourcesListChanged=True) as stream:
        await stream.next()
        for change in ("grow", "shrink"):
            await client.call(change, {"kind": "resource", "name": "later"})
            assert (await stream.next())["method"] == "notifications/resources/list_changed"


@pytest.mark.spec("server/resources#subscriptions", "updated")
@over(*EVERY_WIRE)
async def test_those_who_subscribed_to_a_uri_hear_that_it_changed(client: Client) -> None:
    async with client.listen(resourceSubscriptions=["note://text", "users://7/profile"]) as stream:
        await stream.next()
        for uri in ("note://text", "users://7/profile"):
            await client.call("touch", {"uri": uri})
            message = await stream.next()
            assert (message["method"], message["params"]["uri"]) == ("notifications/resources/updated", uri)
        await client.call("touch", {"uri": "users://8/profile"})
        await client.settle()
        assert stream.arrived() == []


@pytest.mark.spec("server/resources#subscriptions", "updated")
@over(*EVERY_WIRE, clock="real")
async def test_a_change_may_be_told_from_a_worker_thread(client: Client) -> None:
    async with client.listen(resourceSubscriptions=["note://text"]) as stream:
        await stream.next()
        await client.call("touch_in_thread", {"uri": "note://text"})
        assert (await stream.next())["params"]["uri"] == "note://text"


@pytest.mark.spec("server/resources#custom-uri-schemes", "rfc3986")
@pytest.mark.parametrize(
    "uri", ["", "note", "/note", "no te://x", "1note://x", "note://a b", "://x", "note://a\n", "nöte://x"]
)
def test_a_resource_whose_uri_is_none_is_refused(uri: str) -> None:
    plugin = Plugin("odd")

    @plugin.resource(uri)
    async def odd() -> str:
        """Odd."""
        return ""

    with pytest.raises(Exception, match="URI"):
        build_runtime(settings(), (plugin,))


@pytest.mark.spec("server/resources#custom-uri-schemes", "rfc3986")
@pytest.mark.parametrize(
    "uri",
    [
        "note://a<b>",
        "note://a\u00e9",
        "note://%zz",
        'note://a"b',
        "note://a|b",
        "note://a^b",
        "note://a`b",
        "note://a\\b",
    ],
)
def test_a_resource_whose_uri_has_characters_that_no_uri_has_is_refused(uri: str) -> None:
    plugin = Plugin("odd")

    @plugin.resource(uri)
    async def odd() -> str:
        """Odd."""
        return ""

    with pytest.raises(Exception, match="URI"):
        build_runtime(settings(), (plugin,))


@pytest.mark.spec("server/resources#error-handling", "not-found", "not-empty")
@pytest.mark.parametrize(
    "uri",
    [
        "note://nowhere",
        "note://gone",
        "note://TEXT",
        "NOTE://text",
        "users://x/profile",
        "users:///profile",
        "x",
        "",
        "note://text/",
    ],
)
@over(*EVERY_WIRE)
async def test_a_resource_that_does_not_exist_is_an_error_that_names_it(client: Client, uri: str) -> None:
    error = (await client.ask("resources/read", {"uri": uri})).refused(-32602)
    assert error["data"] == {"uri": uri}


@pytest.mark.spec("server/resources#error-handling", "not-empty")
@over(*EVERY_WIRE)
async def test_a_resource_that_is_empty_is_there(client: Client) -> None:
    assert await read(client, "note://empty") == [{"uri": "note://empty", "text": "", "mimeType": "text/plain"}]


@pytest.mark.spec("server/resources#error-handling", "internal")
@over(*EVERY_WIRE, config=settings(limits={"handler_timeout_s": 10.0}))
async def test_a_resource_that_fails_is_an_internal_error_without_its_cause(client: Client) -> None:
    answer = await client.ask("resources/read", {"uri": "note://crash"})
    answer.refused(-32603, 200)
    assert SECRET not in str(answer.response)
    assert "incident" in answer.error["message"]


@pytest.mark.spec("server/resources#security-considerations", "validated-uris")
@pytest.mark.parametrize("uri", [None, 7, [], {}, True])
@over(*EVERY_WIRE)
async def test_a_uri_that_is_no_text_is_refused(client: Client, uri: Any) -> None:
    (await client.ask("resources/read", {"uri": uri}, headers={"mcp-name": "x"})).refused(-32602)
    (await client.ask("resources/read", {}, headers={"mcp-name": "x"})).refused(-32602)


@pytest.mark.spec("server/resources#security-considerations", "validated-uris")
@pytest.mark.parametrize(
    "uri",
    ["\0", "a\nb", "é" * 1000, "file://\u202e", "users://" + "9" * 5000 + "/profile", "{", "users://{id}/profile"],
)
@over(*EVERY_WIRE)
async def test_whatever_text_is_asked_for_is_simply_not_there(client: Client, uri: str) -> None:
    assert (await client.ask("resources/read", {"uri": uri})).error["code"] == -32602


@pytest.mark.spec("server/resources#security-considerations", "encoded-binary")
@over(*EVERY_WIRE)
async def test_bytes_travel_as_base64(client: Client) -> None:
    (contents,) = await read(client, "note://bytes")
    assert contents == {"uri": "note://bytes", "mimeType": "image/png", "blob": base64.b64encode(PIXEL).decode()}
    assert [item["uri"] for item in await read(client, "note://folder")] == ["note://folder/a", "note://folder/b"]


@pytest.mark.spec("server/resources#security-considerations", "no-traversal")
@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../etc/passwd",
        "a/../../etc/passwd",
        "a/..",
        "%2e%2e/etc/passwd",
        "%2E%2E%2Fetc%2Fpasswd",
        "a/%2e%2e/%2e%2e/etc",
        "..\\etc",
        "a\\..\\b",
        "a%5c..%5cb",
        "a\0b",
        "a%00b",
        "",
        "/etc/passwd",
        "%2fetc/passwd",
    ],
)
@over(*EVERY_WIRE)
async def test_a_path_never_climbs_out_of_its_folder(client: Client, path: str) -> None:
    (await client.ask("resources/read", {"uri": f"file:///srv/{path}"})).refused(-32602)


@pytest.mark.spec("server/resources#security-considerations", "no-traversal")
@pytest.mark.parametrize(
    ("path", "seen"),
    [("a/b.txt", "a/b.txt"), ("..a", "..a"), ("a..b/c", "a..b/c"), ("caf%C3%A9", "café"), ("a%20b", "a b")],
)
@over(*EVERY_WIRE)
async def test_a_path_below_the_folder_reaches_the_handler_decoded(client: Client, path: str, seen: str) -> None:
    assert (await read(client, f"file:///srv/{path}"))[0]["text"] == f"contents of {seen}"


@pytest.mark.spec("server/resources#security-considerations", "no-traversal")
@pytest.mark.parametrize("id_", ["1%2F2", "1/2", "..", "%2e%2e", "1%5C2", "1?x", "1#x"])
@over(*EVERY_WIRE)
async def test_a_variable_spans_one_segment_only(client: Client, id_: str) -> None:
    (await client.ask("resources/read", {"uri": f"users://{id_}/profile"})).refused(-32602)

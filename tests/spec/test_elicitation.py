"""Questions to the user. Rule: each test shows a demand of 2026-07-28/client/elicitation."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, Field, SecretStr

from mcp_runtime import Context, Plugin
from tests.support.clients import Client
from tests.support.messages import Message, accepted
from tests.support.wires import EVERY_WIRE, over


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Everything(BaseModel):
    """A form with every field a form can have."""

    name: str = Field(title="Name", description="Yours", min_length=1, max_length=50)
    mail: Annotated[str, Field(json_schema_extra={"format": "email"})]
    age: Annotated[int, Field(ge=18, le=120)] = 18
    score: float = 0.5
    sure: bool = False
    size: Size = Size.SMALL
    taste: Literal["sweet", "sour"] = "sweet"
    toppings: list[Literal["nuts", "cream"]] = Field(default=["nuts"], max_length=2)
    note: str | None = None


class Nested(BaseModel):
    inner: Everything


class Listed(BaseModel):
    items: list[Nested]


class Password(BaseModel):
    password: SecretStr


class Mapping(TypedDict):
    anything: dict[str, str]


@dataclass
class Plain:
    n: int


FORMS: dict[str, Any] = {
    "everything": Everything,
    "plain": Plain,
    "raw": {
        "type": "object",
        "properties": {
            "colour": {
                "type": "string",
                "oneOf": [{"const": "#f00", "title": "Red"}, {"const": "#00f", "title": "Blue"}],
            },
            "many": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}, "minItems": 1},
        },
        "required": ["colour"],
    },
    "nested": Nested,
    "listed": Listed,
    "password": Password,
    "mapping": Mapping,
    "raw nested": {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}},
    "raw free list": {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
    "raw password": {"type": "object", "properties": {"a": {"type": "string", "format": "password"}}},
    "raw reference": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string"}}},
    "no object": {"type": "string"},
}


def forms_plugin(_: list[str]) -> Plugin[Any]:
    """A tool that asks with any of the forms, and one that sends to any URL."""
    plugin = Plugin("forms")

    @plugin.tool
    async def ask(form: str, ctx: Context) -> str:
        """Ask with this form."""
        answer = await ctx.elicit("Please tell", FORMS[form], key="answer")
        return f"{answer.action}: {answer.content!r}"

    @plugin.tool
    async def insist(ctx: Context) -> str:
        """Use the answer as if it had to be there."""
        return str((await ctx.elicit("Please tell", Plain, key="answer")).data.n)

    @plugin.tool
    async def send_to(url: str, ctx: Context) -> str:
        """Ask the user to open a URL."""
        return (await ctx.elicit_url("Please open", url, key="answer")).action

    return plugin


@pytest.mark.spec("client/elicitation#capabilities", "supported-modes")
@pytest.mark.parametrize(
    ("declared", "forms", "urls"),
    [
        ({}, False, False),
        ({"elicitation": {}}, True, False),
        ({"elicitation": {"form": {}}}, True, False),
        ({"elicitation": {"url": {}}}, False, True),
        ({"elicitation": {"form": {}, "url": {}}}, True, True),
        ({"elicitation": {"form": {"x": 1}, "other": {}}}, True, False),
    ],
)
@over(*EVERY_WIRE)
async def test_only_modes_that_the_client_declared_are_used(
    client: Client, declared: Message, forms: bool, urls: bool
) -> None:
    for tool, may in (("greet", forms), ("sign_in", urls)):
        answer = await client.call(tool, capabilities=declared)
        if may:
            assert answer.asked
        else:
            assert "elicitation" in answer.refused(-32021)["data"]["requiredCapabilities"]


@pytest.mark.spec("client/elicitation#elicitation-requests", "message")
@pytest.mark.spec("client/elicitation#form-mode-elicitation-requests", "schema")
@pytest.mark.spec("client/elicitation#url-mode-elicitation-requests", "url")
@over(*EVERY_WIRE)
async def test_a_question_says_why_and_in_which_mode(client: Client) -> None:
    form = (await client.call("greet")).asked["user_name"]
    assert form == {
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": "What is your name?",
            "requestedSchema": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 1}},
                "required": ["name"],
            },
        },
    }
    url = (await client.call("sign_in")).asked["sign_in"]
    assert url["params"] == {"mode": "url", "message": "Please sign in", "url": "https://example.com/sign-in"}


@pytest.mark.spec("client/elicitation#requested-schema", "flat")
@pytest.mark.parametrize("form", ["everything", "plain", "raw"])
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_a_form_is_a_flat_object_of_primitives_and_choices(client: Client, form: str) -> None:
    schema = (await client.call("ask", {"form": form})).asked["answer"]["params"]["requestedSchema"]
    assert set(schema) <= {"type", "properties", "required", "$schema"}
    assert schema["type"] == "object"
    for field in schema["properties"].values():
        assert field["type"] in {"string", "number", "integer", "boolean", "array"}
        assert not {"$ref", "anyOf", "allOf", "properties", "const"} & set(field)
        assert field["type"] != "array" or {"enum", "anyOf"} & set(field["items"])


@pytest.mark.spec("client/elicitation#requested-schema", "flat")
@pytest.mark.parametrize(
    "form", ["nested", "listed", "mapping", "raw nested", "raw free list", "raw reference", "no object"]
)
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_a_form_that_is_not_flat_is_never_sent(client: Client, form: str) -> None:
    answer = await client.call("ask", {"form": form})
    assert answer.result["isError"]


@pytest.mark.spec("client/elicitation#user-interaction-model", "no-secrets-in-forms")
@pytest.mark.spec("client/elicitation#form-mode-security", "no-secrets")
@pytest.mark.parametrize("form", ["password", "raw password"])
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_a_form_with_a_secret_field_is_never_sent(client: Client, form: str) -> None:
    assert (await client.call("ask", {"form": form})).result["isError"]


@pytest.mark.spec("client/elicitation#url-mode-elicitation-requests", "valid-url")
@pytest.mark.parametrize(
    "url", ["not a url", "", "//example.com", "example.com/x", "https://", "https://exa mple.com", "/x"]
)
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_what_is_no_url_is_never_sent(client: Client, url: str) -> None:
    assert (await client.call("send_to", {"url": url})).result["isError"]


@pytest.mark.spec("client/elicitation#url-mode-elicitation-requests", "valid-url")
@pytest.mark.parametrize("url", ["https://example.com/a?b=c#d", "http://localhost:8080/", "https://xn--mnchen-3ya.de/"])
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_a_url_is_sent_as_it_is(client: Client, url: str) -> None:
    asked = await client.call("send_to", {"url": url})
    assert asked.asked["answer"]["params"]["url"] == url
    assert (await client.retry(asked, {"answer": {"action": "accept"}})).text == "accept"


@pytest.mark.spec("client/elicitation#error-handling", "declined")
@pytest.mark.parametrize("action", ["decline", "cancel"])
@over(*EVERY_WIRE)
async def test_declining_and_dismissing_reach_the_handler(client: Client, action: str) -> None:
    for tool, key, text in (("greet", "user_name", f"No name: {action}"), ("sign_in", "sign_in", f"sign-in: {action}")):
        answer = await client.call(tool)
        assert (await client.retry(answer, {key: {"action": action}})).text == text
        assert (await client.retry(answer, {key: {"action": action, "content": {}}})).text == text


@pytest.mark.spec("client/elicitation#error-handling", "declined")
@pytest.mark.parametrize("action", ["decline", "cancel"])
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_a_handler_that_insists_fails_kindly_when_the_user_declines(client: Client, action: str) -> None:
    answer = await client.retry(await client.call("insist"), {"answer": {"action": action}})
    assert answer.result["isError"]
    assert "user" in answer.text


@pytest.mark.spec("client/elicitation#identifying-the-user", "verified")
@over(*EVERY_WIRE)
async def test_what_a_client_says_of_itself_makes_it_nobody(client: Client) -> None:
    claims = {
        "io.modelcontextprotocol/clientInfo": {"name": "root", "version": "1"},
        "principal": "root",
        "sub": "root",
    }
    answer = await client.call("about_me", extra_meta=claims)
    assert answer.result["structuredContent"]["principal"] is None


@pytest.mark.spec("client/elicitation#form-mode-security", "validated")
@pytest.mark.parametrize(
    "content",
    [
        {"mail": "a@b.c"},
        {"name": "", "mail": "a@b.c"},
        {"name": "x" * 51, "mail": "a@b.c"},
        {"name": "Ada", "mail": "a@b.c", "age": 17},
        {"name": "Ada", "mail": "a@b.c", "age": "18"},
        {"name": "Ada", "mail": "a@b.c", "size": "xl"},
        {"name": "Ada", "mail": "a@b.c", "toppings": ["nuts", "tar"]},
        {"name": "Ada", "mail": "a@b.c", "sure": "yes"},
    ],
)
@over(*EVERY_WIRE, plugin=forms_plugin)
async def test_what_comes_back_is_validated_against_the_form(client: Client, content: Message) -> None:
    asked = await client.call("ask", {"form": "everything"})
    again = await client.retry(asked, {"answer": accepted(**content)})
    assert set(again.asked) == {"answer"}
    good = await client.retry(again, {"answer": accepted(name="Ada", mail="a@b.c", size="l", toppings=["cream"])})
    assert good.text.startswith("accept: ")
    assert "Size.LARGE" in good.text

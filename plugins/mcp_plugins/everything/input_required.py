"""Tools that ask the user, their model or their editor while they work. Rule: ask in a straight line.

An answer that is not there yet ends the call; the client's retry replays the function from the top, and the answer is
there. What the rounds have to remember travels in a requestState that only this server can read and nobody can change.
Spec: 2026-07-28/basic/patterns/mrtr
"""

from dataclasses import dataclass

from mcp_runtime import Context

from .plugin import plugin


@dataclass
class Name:
    """A form with one field."""

    name: str


@dataclass
class Color:
    """A form with one field."""

    color: str


@dataclass
class Confirmation:
    """A form with one box to tick."""

    ok: bool


# The conformance suite answers it at once, too: to see that what nobody wants to know is ignored.
@plugin.tool(unasked_answers=True)
async def test_input_required_result_elicitation(ctx: Context) -> str:
    """Ask the user for their name, and greet them."""
    answer = await ctx.elicit("What is your name?", Name, key="user_name")
    return f"Hello, {answer.data.name}!"


@plugin.tool
async def test_input_required_result_sampling(ctx: Context) -> str:
    """Ask the user's model a question, and pass its answer on."""
    reply = await ctx.sample("What is the capital of France?", max_tokens=100, key="capital_question")
    return reply.text


@plugin.tool
async def test_input_required_result_list_roots(ctx: Context) -> str:
    """Ask which directories the user works in, and name them."""
    roots = await ctx.roots(key="client_roots")
    return "Roots: " + ", ".join(root.uri for root in roots)


@plugin.tool
async def test_input_required_result_request_state(ctx: Context) -> str:
    """Remember something over a question, without keeping anything on the server."""
    begun_as = await ctx.memo("begun_as", lambda: str(ctx.request_id))
    answer = await ctx.elicit("Please confirm", Confirmation, key="confirm")
    return f"state-ok: begun as request {begun_as}, confirmed: {answer.data.ok}"


@plugin.tool
async def test_input_required_result_multiple_inputs(ctx: Context) -> str:
    """Put three questions of three kinds at once."""
    name, greeting, roots = await ctx.gather(
        ctx.elicit("What is your name?", Name, key="user_name"),
        ctx.sample("Generate a greeting", max_tokens=50, key="greeting"),
        ctx.roots(key="client_roots"),
    )
    return f"{greeting.text} {name.data.name} works in {len(roots)} root(s)."


@plugin.tool
async def test_input_required_result_multi_round(ctx: Context) -> str:
    """Ask one question after the other."""
    first = await ctx.elicit("Step 1: What is your name?", Name, key="step1")
    second = await ctx.elicit("Step 2: What is your favorite color?", Color, key="step2")
    return f"{first.data.name} likes {second.data.color}."


@plugin.tool
async def test_input_required_result_tampered_state(ctx: Context) -> str:
    """Ask for a confirmation. A client that changes the request state on the way back is refused by the runtime."""
    answer = await ctx.elicit("Please confirm", Confirmation, key="confirm")
    return f"Confirmed: {answer.data.ok}"


@plugin.tool
async def test_input_required_result_capabilities(ctx: Context) -> str:
    """Ask only in the ways that the client can answer."""
    declared = ctx.client_capabilities
    answers: list[str] = []
    if declared.sampling:
        reply = await ctx.sample("Say hello", max_tokens=50, key="hello")
        answers.append(reply.text)
    if declared.elicitation:
        answer = await ctx.elicit("What is your name?", Name, key="user_name")
        answers.append(answer.data.name)
    return f"Answers: {answers}"


@plugin.tool
async def test_missing_capability(ctx: Context) -> str:
    """Refuse to work for a client whose model cannot be asked."""
    ctx.require(sampling=True)
    return "The client can sample"


@plugin.tool
async def test_streaming_elicitation(ctx: Context) -> str:
    """Report progress and then ask the user: the question is part of the result, never a request of its own."""
    await ctx.progress(0, total=1, message="About to ask")
    answer = await ctx.elicit("Please confirm", Confirmation, key="confirm")
    return f"Confirmed: {answer.data.ok}"


@plugin.tool
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Ask the user's model.

    Args:
        prompt: What to ask it.
    """
    reply = await ctx.sample(prompt, max_tokens=100)
    return f"LLM response: {reply.text}"

"""The page of exit codes, read off cli/exit_codes.py. Rule: no code is described here."""

from docs.generate import markdown
from docs.generate.markdown import code, plain, table
from mcp_runtime.cli.exit_codes import MEANINGS


def page() -> str:
    """The text of the page."""
    rows = [(code(int(number)), plain(meaning)) for number, meaning in MEANINGS.items()]
    return markdown.page(
        "Exit codes",
        "What `mcp-runtime` gives back to the shell, whatever the command. The message on standard error says what to "
        "do.",
        table(["Code", "Meaning"], rows),
        "A second SIGTERM, SIGHUP or SIGINT ends `serve` at once, without the grace period. That still is code `0`.",
    )

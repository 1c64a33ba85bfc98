"""The log, written to by those who must not write in it: no forged line, no command to a terminal, no secret."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import ask
from tests.support.messages import call
from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.process

PLUGIN: Final = '''
import logging
from typing import Any
from mcp_runtime import Context, Plugin

plugin: Plugin[Any] = Plugin("writer")

@plugin.tool
async def says(text: str, ctx: Context) -> str:
    """Log the text in every place where a text can stand."""
    ctx.log.warning(text, field=text, nested={text: [text]}, **{text: 1})
    logging.getLogger("foreign").warning(text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("foreign").exception("failed")
    return "said"

@plugin.tool
async def raises(text: str) -> str:
    """Fail with the text."""
    raise RuntimeError(text)
'''
FORGED: Final = "2026-12-01T00:00:00Z [critical ] the disk is gone"
HOSTILE: Final = f"seen\n{FORGED}\r{FORGED}\x85{FORGED}\u2028{FORGED}\x1b[2J\x9b31m\x07\x7f\u202eevil\u2066"


SECRETS: Final[dict[str, str]] = {
    "postgresql://ann:{}@db.example/shop": "the password in a URL",
    "redis://:{}@cache": "without a user",
    "mysql+driver://ann:p@{}@db": "with an @ of its own",
    "https://api.example/x?access_token={}&page=2": "in a query",
    "https://api.example/x?page=2&apiKey={}": "in humps",
    "host=db password={} dbname=shop": "in a DSN",
    "host=db password='{} and more' dbname=shop": "in quotes",
    "Authorization: Bearer {}": "in a header",
    "authorization=Basic {}": "in another",
}
SECRET: Final = "Zm9vYmFyYmF6cXV4MDEyMzQ1"
PLAIN: Final = "max_tokens=100 author=ann https://h.example:8080/a@b?tokens=3 a basic fact"


def log_of(directory: Path, log_format: str, *texts: str) -> str:
    """All that was logged while both tools had each of `texts`."""
    (directory / "writer.py").write_text(PLUGIN)
    bind = f"unix:{directory}/mcp.sock"
    command = ("--plugin", str(directory / "writer.py"), "--bind", bind, "--log-format", log_format)
    with ServerProcess(*command, directory=directory) as server:
        server.errors.wait_for(lambda line: '"listening"' in line or "mcp-runtime is ready" in line)
        for text in texts:
            ask(f"{bind}/mcp", call("says", text=text))
            ask(f"{bind}/mcp", call("raises", text=text))
        server.signal()
        assert server.exit_code() == 0
        return server.errors.text


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By format, the log of a server that was given every text."""
    texts = (HOSTILE, *(template.format(SECRET) for template in SECRETS), PLAIN)
    return {name: log_of(tmp_path_factory.mktemp(name), name, *texts) for name in ("console", "json")}


def test_on_a_terminal_no_text_makes_a_line_of_its_own_or_commands(logs: dict[str, str]) -> None:
    log = logs["console"]
    assert "\\x1b[2J" in log
    assert "the disk is gone" in log
    lines = log.splitlines()
    assert [line for line in lines if line.lstrip().startswith(FORGED)] == []
    assert [mark for line in log.split("\n") for mark in line if not mark.isprintable()] == []


def test_as_json_an_event_is_one_line_and_commands_nothing(logs: dict[str, str]) -> None:
    log = logs["json"]
    events = [json.loads(line) for line in log.split("\n") if line]
    assert [event["field"] for event in events if event["event"] == HOSTILE and "field" in event] == [HOSTILE]
    assert [mark for line in log.split("\n") for mark in line if not mark.isprintable()] == []


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_secrets_inside_texts_are_hidden(log_format: str, logs: dict[str, str]) -> None:
    assert SECRET not in logs[log_format]
    assert "***" in logs[log_format]
    assert "db.example/shop" in logs[log_format]


def test_what_is_no_secret_is_shown(logs: dict[str, str]) -> None:
    events: list[Any] = [json.loads(line) for line in logs["json"].split("\n") if line]
    assert PLAIN in [event["event"] for event in events]

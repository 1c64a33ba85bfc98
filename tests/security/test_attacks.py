"""Small requests that would hold up everybody else, or fill what is written of them, at a real process: they do not."""

import select
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.blocking_old_http import SessionClient, old_call
from tests.support.messages import CLIENT_INFO, Message, call, text
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

ARGUMENT_KINDS: Final = str(Path(__file__).parent / "plugins" / "argument_kinds.py")


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    audit = {"MCP_RUNTIME_AUDIT_FILE": str(tmp_path / "audit.jsonl"), "MCP_RUNTIME_AUDIT_ARGUMENTS": "full"}
    plugins = ("--plugin", PROBES, "--plugin", ARGUMENT_KINDS)
    with ServerProcess(*plugins, "--bind", "127.0.0.1:0", directory=tmp_path, environment=audit) as server:
        yield server


def nested(depth: int, leaf: object) -> Any:
    value = leaf
    for _ in range(depth):
        value = {"child": value}
    return value


def test_others_are_served_between_the_messages_of_a_batch_that_wait_for_nothing(server: ServerProcess) -> None:
    url = server.url
    costly = [old_call("tree", number, node=nested(60, "no number")) for number in range(60)]
    with SessionClient(url, revision="2025-03-26") as client, Connection(url) as other:
        assert text(other.ask(call("echo", text="before"))) == "before"
        batch = client.open([old_call("linger", "first", seconds=0), *costly])
        server.said("linger started")
        assert text(other.ask(call("echo", text="in between"))) == "in between"
        answered, _, _ = select.select([batch.socket], [], [], 0)
        assert not answered


@pytest.mark.parametrize(("trees", "remark"), [(100, ""), (20_000, "too many, or nested too deeply")])
def test_trees_that_fit_are_read_as_long_as_that_takes_little_time(
    server: ServerProcess, trees: int, remark: str
) -> None:
    message: Message = call("forest", trees=[nested(3, 1)] * trees)
    answer = ask(server.url, message)
    assert answer["result"].get("isError", False) is bool(remark)
    assert (remark or str(trees)) in text(answer)


def test_what_a_client_states_of_itself_is_cut_in_each_line_that_repeats_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    long = "x" * 100_000
    message = call("release", long, meta={CLIENT_INFO: {"name": long, "version": "1"}}, name="nobody")
    assert ask(server.url, message)["result"]["isError"] is True
    failed = server.event("handler_failed")
    assert (len(failed["request_id"]), len(failed["client"])) == (512, 512)
    assert len((tmp_path / "audit.jsonl").read_bytes()) < 10_000


def test_an_argument_that_is_named_like_a_secret_is_in_no_audit_log(server: ServerProcess, tmp_path: Path) -> None:
    names = ("secretKey", "encryption_key", "passwords", "secrets", "apiKeys", "passcode")
    ask(server.url, call("raw_tree", node=1, inside=[dict.fromkeys(names, "never")], max_tokens=100))
    written = (tmp_path / "audit.jsonl").read_text()
    assert "never" not in written
    assert '"max_tokens":100' in written

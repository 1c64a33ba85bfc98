"""Small requests that would hold up everybody else, at a real process: the others are served in between."""

import select
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.blocking_http import Connection, ask
from tests.support.blocking_old_http import SessionClient, old_call
from tests.support.messages import Message, call, text
from tests.support.server_process import PROBES, ServerProcess

pytestmark = pytest.mark.process

ARGUMENT_KINDS: Final = str(Path(__file__).parent / "plugins" / "argument_kinds.py")


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    plugins = ("--plugin", PROBES, "--plugin", ARGUMENT_KINDS)
    with ServerProcess(*plugins, "--bind", "127.0.0.1:0", directory=tmp_path) as server:
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

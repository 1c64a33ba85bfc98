"""All conversations with one server. Rule: they are held once, side by side, and looked at by many tests."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.clients.legacy.clients import CLIENTS, LegacyClient
from tests.clients.legacy.programs import PLUGINS, STDIO_LOG, Target, command_of, finish, start
from tests.support.server_process import ServerProcess

AT_ONCE: Final = 4
"""More than the cores of a small machine: clients also wait, for pauses that tools make."""

CLIENT_LIMIT_S: Final = 25.0
"""A conversation takes about two seconds on an idle core."""

LIMIT_S: Final = 100.0
"""For all of them: where many hang, the rest says so before the test's own limit says less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of it: each client's transcript, or how it failed; and how the server ended, with its log events."""

    transcripts: Mapping[str, dict[str, Any] | str]
    stdio_events: Mapping[str, list[dict[str, Any]]]
    exit_code: int
    events: list[dict[str, Any]]

    def transcript(self, client: LegacyClient) -> dict[str, Any]:
        """What the client saw. Raises AssertionError where it failed."""
        seen = self.transcripts[client.id]
        assert isinstance(seen, dict), f"{client.id}: {seen}"
        return seen


def hold_all(directory: Path) -> Held:
    """Every old client talks to one server process over HTTP, or to one of its own over stdio."""
    commands = {client.id: command_of(client, _own(directory, client)) for client in CLIENTS}
    with ServerProcess(*PLUGINS, "--bind", "127.0.0.1:0", directory=directory) as server:
        target = Target(url=server.url)
        end = time.monotonic() + LIMIT_S

        def hold(client: LegacyClient) -> dict[str, Any] | str:
            own = _own(directory, client)
            try:
                left_s = max(0.1, min(CLIENT_LIMIT_S, end - time.monotonic()))
                return finish(start(commands[client.id], target.of(client, own), own), left_s)
            except AssertionError as error:
                return str(error)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            transcripts = dict(zip(commands, pool.map(hold, CLIENTS), strict=True))
        server.signal()
        code = server.exit_code()
        logs = {client.id: _own(directory, client) / STDIO_LOG for client in CLIENTS if client.transport == "stdio"}
        return Held(
            transcripts=transcripts,
            stdio_events={name: _events(log) for name, log in logs.items()},
            exit_code=code,
            events=server.events(),
        )


def _own(directory: Path, client: LegacyClient) -> Path:
    own = directory / client.id
    own.mkdir(exist_ok=True)
    return own


def _events(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{")]

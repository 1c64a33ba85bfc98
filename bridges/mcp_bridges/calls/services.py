"""The services of a bridge: what each old conversation works with. Rule: gate and counters are reached through it."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from mcp_bridges.gate.features import OF_METHOD
from mcp_bridges.gate.port import Gate, LegacyClient, Sighting, Verdict
from mcp_bridges.gate.refusals import RefusedError, raise_refusal
from mcp_bridges.sessions.session import initialize_result
from mcp_runtime.config import Config
from mcp_runtime.core.calls.observers import Observer
from mcp_runtime.core.calls.subscriptions import Subscriptions
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.platform.shares import Shares, share_key
from mcp_runtime.protocol.errors import INTERNAL_ERROR, PeerError
from mcp_runtime.telemetry.labels import OutcomeName, TransportName
from mcp_runtime.telemetry.metrics import Meter

_TOLD: Final = "notifications/"
"""The beginning of methods that are no requests."""


def client_key(client: LegacyClient) -> str | None:
    """The key of the client in shares of what all clients use; None for one that may stand for many."""
    return share_key(client.principal, client.peer)


class LegacyServices(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a runtime that conversations of old clients use, and the gate in front of them."""

    config: Config
    dispatcher: Dispatcher
    subscriptions: Subscriptions
    gate: Gate
    waiting: Shares
    """Places for calls that wait for a client's answer, in the whole process."""
    at_work: Shares
    """Places for calls over HTTP of clients that have a key, those that wait included, in the whole process."""
    discover: Callable[[], Awaitable[dict[str, Any]]]
    """Gives a DiscoverResult. Raises PeerError where it is to be asked for later."""
    server: dict[str, Any]
    """The Implementation to be where a DiscoverResult does not say."""
    new_id: Callable[[], str]
    """Makes short random ids, of questions and sessions."""
    observer: Observer | None = None
    """Told of each request that the dispatcher has served; None where nobody wants to be."""
    meter: Meter | None = None
    """Counts what a bridge answers by itself, and streams; None where nobody looks."""

    async def welcome(self, revision: str) -> dict[str, Any]:
        """The answer to an `initialize` in which `revision` was agreed on. Raises PeerError."""
        return initialize_result(await self.discover(), revision, self.server)

    def take_place(self, client: LegacyClient, *, in_session: int) -> None:
        """A call of a session that has so many at work begins; `leave_place` once it ends. Raises PeerError 429."""
        limit = self.config.bridges.http_sessions.max_calls_per_session
        if in_session >= limit:
            raise _busy(f"This session has its {limit} calls at work")
        key = client_key(client)
        if key is not None and not self.at_work.take(key):
            raise _busy("The server has as many calls of this client's at work as others leave it")

    def leave_place(self, client: LegacyClient) -> None:
        """A call that took a place has ended."""
        key = client_key(client)
        if key is not None:
            self.at_work.give_back(key)

    def admit(self, sighting: Sighting) -> Verdict:
        """Ask the gate; a request that it refuses is counted."""
        verdict = self.gate.admit(sighting)
        method = sighting.method
        if verdict.refusal is not None and method is not None and not method.startswith(_TOLD):
            self.answered(sighting.revision or "", sighting.client.transport, method, "refused")
        return verdict

    def check_method(self, client: LegacyClient, revision: str | None, method: str) -> None:
        """Ask the gate about what `method` stands for by itself, however it came. Raises RefusedError."""
        features = OF_METHOD.get(method, ())
        if features:
            seen = Sighting(client=client, revision=revision, features=features, method=method)
            raise_refusal(self.gate.admit(seen))

    def failed(self, revision: str, transport: TransportName, method: str, error: PeerError) -> None:
        """Count a request that came to nothing before it reached the dispatcher."""
        self.answered(revision, transport, method, "refused" if isinstance(error, RefusedError) else "error")

    def answered(self, revision: str, transport: TransportName, method: str, outcome: OutcomeName = "ok") -> None:
        """Count a request that a bridge answered by itself, which takes no time worth measuring."""
        if self.meter is not None:
            self.meter.request("legacy", revision, transport, method, outcome, 0.0)

    @contextmanager
    def open_stream(self, transport: TransportName) -> Generator[None]:
        """Count a stream as open for as long as the block runs."""
        if self.meter is None:
            yield
            return
        self.meter.stream_opened("legacy", transport)
        try:
            yield
        finally:
            self.meter.stream_closed("legacy", transport)


def _busy(what: str) -> PeerError:
    text = f"{what}; wait for one to end, or cancel one"
    return PeerError(INTERNAL_ERROR, text, http_status=429, retry_after_s=1)

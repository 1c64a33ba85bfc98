"""A listener: tells one old client what changes on the server. Rule: underneath it is a subscriptions/listen.

Old clients are told of every list, and of the resources they subscribed to one by one; so the filter changes while the
stream is open, and nothing that happens meanwhile is lost or told twice.
Spec: 2025-11-25/server/resources#subscriptions, 2026-07-28/basic/patterns/subscriptions
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from msgspec import Raw

from mcp_bridges.gate.port import LegacyClient
from mcp_runtime.core.calls.call import Call, Reply, Stream
from mcp_runtime.core.calls.subscriptions import (
    Change,
    ListName,
    Subscription,
    Subscriptions,
    list_changed,
    resource_updated,
)
from mcp_runtime.core.calls.time_limit import no_limit
from mcp_runtime.core.dispatch.dispatcher import Dispatcher
from mcp_runtime.protocol.jsonrpc import Request, encode_json, encode_notification
from mcp_runtime.protocol.meta import ClientCapabilities, MetaProbe, RequestMetaObject
from mcp_runtime.protocol.revisions import LATEST

_PROBE: Final = MetaProbe(
    RequestMetaObject(protocol_version=LATEST, client_capabilities=ClientCapabilities()), None, LATEST
)
_LISTS: Final[tuple[ListName, ...]] = ("tools", "prompts", "resources")
_EVERY_LIST: Final = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


class ListenRefusedError(Exception):
    """The dispatcher would not open another subscription; `reply` is what it said."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__("no further subscription")
        self.reply = reply


def encode_change(change: Change) -> bytes:
    """A change as the notification that old clients know."""
    method, uri = change
    return encode_notification(method, {} if uri is None else {"uri": uri})


class Listening:
    """The changes of interest to one old client. `uris` are the resources it subscribed to."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        subscriptions: Subscriptions,
        *,
        client: LegacyClient,
        uris: Iterable[str] = (),
    ) -> None:
        self._dispatcher = dispatcher
        self._subscriptions = subscriptions
        self._client = client
        self._uris = frozenset(uris)
        self._current: Subscription | None = None
        self._since = subscriptions.position
        self._rewired = False
        self._closed = False

    async def open(self) -> Subscription:
        """Begin to listen. Raises ListenRefusedError past the server's limits, or when it is stopping."""
        wanted = {**_EVERY_LIST, "resourceSubscriptions": sorted(self._uris)}
        call = Call(
            request=Request("listening", "subscriptions/listen", Raw(encode_json({"notifications": wanted})), _PROBE),
            transport=self._client.transport,
            notify=_drop,
            principal=self._client.principal,
            peer=self._client.peer,
            time=no_limit(),
        )
        answer = await self._dispatcher.serve(call)
        if not isinstance(answer, Stream):
            raise ListenRefusedError(answer)
        subscription = self._current = answer.subscription
        for change, position in self._missed().items():
            subscription.offer(change, position)
        if self._closed:
            subscription.close()
        return subscription

    def _missed(self) -> dict[Change, int]:
        """The changes while nobody listened, between the end of one subscription and the start of the next."""
        missed = self._subscriptions.missed(self._since)
        if missed is not None:
            return missed
        # Too much for the memory of changes: say of everything that it may have changed. Position 0 keeps the cursor
        # before everything: whoever is lost halfway through this is told all of it again.
        changes = [*map(list_changed, _LISTS), *map(resource_updated, sorted(self._uris))]
        return dict.fromkeys(changes, 0)

    def resume(self, since: int | None) -> None:
        """Before `open`: the client was here and heard of all until position `since`, None where that is not known."""
        self._since = -1 if since is None else since

    def want(self, uris: Iterable[str]) -> None:
        """From now on these resources are of interest."""
        wanted = frozenset(uris)
        if wanted == self._uris:
            return
        self._uris = wanted
        if self._current is not None and not self._rewired:
            self._rewired = True
            self._since = self._subscriptions.position
            self._current.close()

    def close(self) -> None:
        """End: `changes` returns once it has given what is pending."""
        self._closed = True
        if self._current is not None:
            self._rewired = False
            self._current.close()

    @property
    def cursor(self) -> int:
        """The position up to which everything was given out; -1 where that is not known."""
        first = None if self._current is None else self._current.first_pending
        return self._subscriptions.position if first is None else first - 1

    async def changes(self) -> AsyncGenerator[Change, None]:
        """The changes as they come, until `close` or the server stops. Opens what is not open yet."""
        try:
            while True:
                subscription = self._current or await self.open()
                async with aclosing(subscription.changes()) as changes:
                    async for change in changes:
                        yield change
                if not self._rewired:
                    return
                self._rewired = False
                subscription.leave()
                self._current = None
        finally:
            self.leave()

    def leave(self) -> None:
        """Stop listening at once. Harmless to repeat."""
        if self._current is not None:
            self._current.leave()


async def _drop(_: bytes) -> None:
    """Nothing is sent for a subscription that is being opened."""

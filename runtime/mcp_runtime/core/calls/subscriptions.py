"""Listen streams: who hears of which change. Rule: a stream takes memory by what it asked for, never by traffic.

A pending change is kept once, however often it happened: so a reader that stalls costs at most one entry for each thing
it subscribed to.
Spec: 2026-07-28/basic/patterns/subscriptions
"""

import threading
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import suppress
from typing import Final, Literal

import anyio
from anyio.lowlevel import EventLoopToken, current_token

from mcp_runtime.config.limits import Limits
from mcp_runtime.core.calls.uris import check_uri
from mcp_runtime.platform.shares import Shares
from mcp_runtime.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, PeerError
from mcp_runtime.protocol.jsonrpc import RequestId, encode_notification
from mcp_runtime.protocol.messages import SubscriptionFilter, SubscriptionsAcknowledgedNotificationParams
from mcp_runtime.protocol.meta import SUBSCRIPTION_ID_KEY

ListName = Literal["tools", "prompts", "resources"]
Change = tuple[str, str | None]
"""A notification's method and, for `notifications/resources/updated`, the URI."""

_REMEMBERED_CHANGES: Final = 1024
"""Different changes whose last time is kept, for streams that come back: about 100 KiB."""

RESOURCE_UPDATED: Final = "notifications/resources/updated"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


def list_changed(name: ListName) -> Change:
    """The change "this list is another one now"."""
    return (f"notifications/{name}/list_changed", None)


def resource_updated(uri: str) -> Change:
    """The change "this resource reads differently now"."""
    return (RESOURCE_UPDATED, uri)


class Subscription:
    """One open listen stream: iterate it for the encoded notifications, the acknowledgment first.

    The iteration ends when the server closes the subscription. Whoever opened it calls `leave` in the end.
    """

    def __init__(
        self, subscription_id: RequestId, wanted: SubscriptionFilter, leave: Callable[["Subscription"], None]
    ) -> None:
        self.id = subscription_id
        self._wanted = wanted
        self._leave = leave
        self._changes = _changes(wanted)
        self._pending: dict[Change, int] = {}
        self._wake = anyio.Event()
        self._closed = False

    @property
    def meta(self) -> dict[str, RequestId]:
        """The `_meta` that every message of this stream carries."""
        return {SUBSCRIPTION_ID_KEY: self.id}

    @property
    def first_pending(self) -> int | None:
        """The position of the oldest change that was not taken yet, None where all were."""
        return next(iter(self._pending.values()), None)

    def offer(self, change: Change, position: int) -> None:
        """Deliver `change` if it was asked for. Call on the event loop's thread."""
        if change in self._changes and not self._closed:
            self._pending.setdefault(change, position)
            self._wake.set()

    def leave(self) -> None:
        """Remove the subscription at once, as when its client is gone. Harmless to repeat."""
        self._leave(self)

    def close(self) -> None:
        """End the stream gracefully once what is pending was sent. Call on the event loop's thread."""
        self._closed = True
        self._wake.set()

    async def notifications(self) -> AsyncGenerator[bytes, None]:
        """The stream: acknowledgment, then changes as they come, until closed."""
        yield self.acknowledgment
        while (change := await self.next_change()) is not None:
            yield self.encode(change)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """The changes alone, as they come, until closed."""
        while (change := await self.next_change()) is not None:
            yield change

    async def next_change(self) -> Change | None:
        """Wait for a change; None once the stream is closed and all that was pending was taken."""
        while not self._pending:
            if self._closed:
                return None
            self._wake = anyio.Event()
            await self._wake.wait()
        change = next(iter(self._pending))
        del self._pending[change]
        return change

    @property
    def acknowledgment(self) -> bytes:
        """The notification that comes first."""
        params = SubscriptionsAcknowledgedNotificationParams(meta=self.meta, notifications=self._wanted)
        return encode_notification(ACKNOWLEDGED, params)

    def encode(self, change: Change) -> bytes:
        """The notification of `change`."""
        method, uri = change
        return encode_notification(method, {"_meta": self.meta} if uri is None else {"_meta": self.meta, "uri": uri})


def _changes(wanted: SubscriptionFilter) -> frozenset[Change]:
    lists: dict[ListName, bool] = {
        "tools": wanted.tools_list_changed,
        "prompts": wanted.prompts_list_changed,
        "resources": wanted.resources_list_changed,
    }
    changes = {list_changed(name) for name, on in lists.items() if on}
    return frozenset(changes | {resource_updated(uri) for uri in wanted.resource_subscriptions})


def too_much_of(uris: Collection[str], limits: Limits) -> str | None:
    """What there is more of in `uris` than one client may subscribe to, None where there is not."""
    if len(uris) > limits.max_subscription_uris:
        return f"{limits.max_subscription_uris} URIs"
    if sum(map(len, uris)) > limits.max_subscription_chars:
        return f"{limits.max_subscription_chars} characters of URIs"
    return None


class Subscriptions:
    """All open listen streams of this process. `publish` may be called from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[Subscription, str | None] = {}
        """Those that are open, each with the key of its client."""
        self._places = Shares(limits.max_subscriptions)
        self._last: dict[Change, int] = {}
        self._forgotten = 0
        self._position = 0
        self._home: tuple[EventLoopToken, int] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    def start(self) -> None:
        """Note the event loop that owns the streams. Call once, on it, before anything is published."""
        self._home = (current_token(), threading.get_ident())

    def listen(
        self, subscription_id: RequestId, wanted: SubscriptionFilter, *, client: str | None = None
    ) -> Subscription:
        """Open a stream for `client`, a key. Raises PeerError past the limits, or when the server is stopping."""
        limits = self._limits
        for uri in wanted.resource_subscriptions:
            check_uri(uri, limits)
        problem = too_much_of(wanted.resource_subscriptions, limits)
        if problem is not None:
            raise PeerError(
                INVALID_PARAMS, f"Invalid params: more than {problem} in notifications.resourceSubscriptions"
            )
        if self._closed:
            raise PeerError(INTERNAL_ERROR, "The server is stopping", http_status=503, retry_after_s=1)
        if not self._places.take(client):
            raise self._no_room(client)
        subscription = Subscription(subscription_id, wanted, self._forget)
        self._open[subscription] = client
        return subscription

    def _no_room(self, client: str | None) -> PeerError:
        places = self._places
        if places.is_full:
            text, status = f"The server has its {places.total} subscriptions open; try again later", 503
        else:  # 429: others may still open theirs.
            held = places.held_by(client)
            text, status = f"This client has its share of the server's subscriptions open, {held} now", 429
        return PeerError(INTERNAL_ERROR, text, http_status=status, retry_after_s=5)

    def _forget(self, subscription: Subscription) -> None:
        if subscription in self._open:
            self._places.give_back(self._open.pop(subscription))

    def publish(self, change: Change) -> None:
        """Tell every listener that asked for it."""
        if self._home is None:
            return
        token, thread = self._home
        if threading.get_ident() == thread:
            self._offer(change)
        else:
            with suppress(RuntimeError):  # The loop has ended, and its listeners with it.
                anyio.from_thread.run_sync(self._offer, change, token=token)

    def _offer(self, change: Change) -> None:
        self._position += 1
        self._last.pop(change, None)
        self._last[change] = self._position
        if len(self._last) > _REMEMBERED_CHANGES:
            self._forgotten = self._last.pop(next(iter(self._last)))
        for subscription in self._open:
            subscription.offer(change, self._position)

    @property
    def position(self) -> int:
        """How many changes were published since the start."""
        return self._position

    def missed(self, since: int) -> dict[Change, int] | None:
        """What changed after position `since`, each with its last position, in that order; None where not known."""
        if not self._forgotten <= since <= self._position:
            return None
        return {change: position for change, position in self._last.items() if position > since}

    def close(self) -> None:
        """End every stream gracefully and open no more: part of stopping."""
        self._closed = True
        for subscription in list(self._open):
            subscription.close()

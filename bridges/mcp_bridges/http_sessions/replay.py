"""Replay logs: what was sent on POSTs' streams, for clients that come back. Rule: bounded by events, bytes and age.

The log of one stream lives in the volatile store, an entry an event and one that says how far it goes; whoever follows
it is woken over the bus. An event id names its stream, and the stream names the request it answers: so a client that
comes back too late still gets an answer, if only that the real one is gone.
Spec: 2025-11-25/basic/transports#resumability-and-redelivery
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from mcp_bridges.sessions.session import Session
from mcp_runtime.protocol.jsonrpc import RequestId
from mcp_runtime.state.port import Bus, GroupStore

_EVENT_ID: Final = re.compile(r"p\.([\w\-]{8,24}~[\w\-]*)\.([0-9]{1,9})")
_MAX_NAMED_CHARS: Final = 256
"""Of a request id within an event id; a longer one is left out, and its client is told nothing when it is too late."""
_PAST_ITS_END: Final = 999_999_999
"""The number of an event after which there is nothing, whatever is kept."""
_ENDED_KNOWN: Final = 1024
"""Sessions that ended lately, whose calls may not have."""
_AT_WORK_S: Final = 86_400.0
"""The time for which a stream without an end is known, so that a client may come back to long, silent work."""


class _Extent(Struct, frozen=True, array_like=True):
    """The length of a stream in events, and whether there will be no more."""

    last: int
    ended: bool


_extent_decoder: Final = msgspec.json.Decoder(_Extent)
_id_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(RequestId | None)


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream: its id and its message."""

    event_id: str
    message: bytes


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a stream: the last event that a client has seen, and the request that the stream answers.

    `request_id` is None where the event id does not say.
    """

    stream: str
    seen: int
    request_id: RequestId | None


class EndLostError(Exception):
    """The end of a stream, and with it the answer to its request, is not kept any more; or nothing of the stream is."""


class ReplayLog:
    """The logs of all streams. `max_events` are kept of each, for `max_age_s` seconds from the last one on."""

    def __init__(
        self, store: GroupStore, bus: Bus, *, max_events: int, max_age_s: float, new_id: Callable[[], str]
    ) -> None:
        self._store = store
        self._bus = bus
        self._max_events = max_events
        self._max_age_s = max_age_s
        self._new_id = new_id
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, session: Session, request_id: RequestId | None, *, owner: str | None = None) -> "StreamLog | None":
        """The log of a new stream that answers this request (None for a batch); None where none is kept.

        `owner` is the key of the client in whose share it is kept.
        """
        if self._max_events == 0:
            return None
        return StreamLog(self, session, request_id, owner)

    async def end(self, session: Session) -> None:
        """The session is over, and nobody can come back to its streams: nothing of them is kept, and nothing more."""
        self._ended[session.id] = None
        if len(self._ended) > _ENDED_KNOWN:
            self._ended.popitem(last=False)
        await self._store.delete_group(_group(session))

    async def is_followed(self, key: str) -> bool:
        """Whether anybody follows the stream right now; who is just reading may not show. For StreamLog."""
        return await self._bus.publish(key, b"") > 0

    def name(self, request_id: RequestId | None) -> str:
        """The name of a new stream. For StreamLog."""
        named = base64.urlsafe_b64encode(msgspec.json.encode(request_id)).rstrip(b"=").decode()
        return f"{self._new_id()}~{named if len(named) <= _MAX_NAMED_CHARS else ''}"

    async def append(self, log: "StreamLog", number: int, message: bytes, *, ended: bool) -> None:
        """Keep event `number` of a stream, and forget the one that is too many. For StreamLog."""
        if log.session.id not in self._ended:
            await self._store.put(f"{log.key}/{number}", message, ttl_s=self._max_age_s, owner=log.owner)
            if number > self._max_events:
                await self._store.delete(f"{log.key}/{number - self._max_events}")
        await self.note(log, number, ended=ended)

    async def note(self, log: "StreamLog", number: int, *, ended: bool) -> None:
        """Keep how far a stream goes, and wake who follows it. For StreamLog."""
        if log.session.id not in self._ended:
            ttl_s = self._max_age_s if ended else max(self._max_age_s, _AT_WORK_S)
            await self._store.put(log.key, msgspec.json.encode(_Extent(number, ended)), ttl_s=ttl_s, owner=log.owner)
        await self._bus.publish(log.key, b"")

    async def has_more(self, session: Session, place: Place) -> bool:
        """Whether anything comes after `place`, if only the word that it is lost."""
        if place.seen >= _PAST_ITS_END:
            return False
        key = f"{_group(session)}/{place.stream}"
        raw = await self._store.get(key)
        if raw is None:
            return True
        extent = _extent_decoder.decode(raw)
        if not extent.ended or place.seen < extent.last - 1:
            return True
        # An empty last event only ends the stream: its call was cancelled.
        return place.seen < extent.last and await self._store.get(f"{key}/{extent.last}") != b""

    async def follow(self, session: Session, place: Place) -> AsyncGenerator[Replayed, None]:
        """The events after `place`, those to come too, until the stream's end.

        Those that are not kept any more are passed over; EndLostError where the last one is among them.
        """
        key = f"{_group(session)}/{place.stream}"
        seen = place.seen
        # One waiting wake-up is enough: the store is what is read, the bus only says when.
        async with self._bus.subscribe(key, max_pending=1) as wakes:
            while True:
                raw = await self._store.get(key)
                if raw is None:
                    if session.id in self._ended:
                        return
                    raise EndLostError
                extent = _extent_decoder.decode(raw)
                seen = max(seen, extent.last - self._max_events)
                while seen < extent.last:
                    seen += 1
                    message = await self._store.get(f"{key}/{seen}")
                    if message is None and extent.ended and seen == extent.last:
                        raise EndLostError
                    if message:
                        yield Replayed(event_id=_event_id(place.stream, seen), message=message)
                if extent.ended:
                    return
                with suppress(StopAsyncIteration):
                    await anext(wakes)


class StreamLog:
    """The log of one stream: `append` gives each event its id. Most are never used, and cost nothing until they are."""

    def __init__(self, log: ReplayLog, session: Session, request_id: RequestId | None, owner: str | None) -> None:
        self._log = log
        self.session = session
        self.owner = owner
        self._request_id = request_id
        self._made_name = ""
        self._number = 0

    @property
    def position(self) -> str:
        """The id of the last event; of the stream's beginning, while there is none."""
        return _event_id(self._name, self._number)

    async def begin(self) -> None:
        """Keep the stream before its first event, for a client that leaves before that."""
        await self._log.note(self, 0, ended=False)

    async def append(self, message: bytes, *, ended: bool = False) -> str:
        """Keep `message` as the next event; its id. An empty one only ends the stream."""
        self._number += 1
        await self._log.append(self, self._number, message, ended=ended)
        return self.position

    @property
    def has_events(self) -> bool:
        """Whether the client can have seen the id of one."""
        return self._number > 0

    async def is_followed(self) -> bool:
        """Whether anybody has taken up the stream."""
        return await self._log.is_followed(self.key)

    @property
    def _name(self) -> str:
        if not self._made_name:
            self._made_name = self._log.name(self._request_id)
        return self._made_name

    @property
    def key(self) -> str:
        """The stream's, in the store and on the bus."""
        return f"{_group(self.session)}/{self._name}"


def past_its_end(place: Place) -> str:
    """The id of a last event of this stream that is kept nowhere."""
    return _event_id(place.stream, _PAST_ITS_END)


def _group(session: Session) -> str:
    return f"replay/{session.id}"


def _event_id(stream: str, number: int) -> str:
    return f"p.{stream}.{number}"


def read_event_id(text: str) -> Place | None:
    """The place that an event id of a POST's stream names, None for any other text."""
    found = _EVENT_ID.fullmatch(text)
    if found is None:
        return None
    _, _, named = found[1].partition("~")
    return Place(stream=found[1], seen=int(found[2]), request_id=_named_request(named))


def _named_request(named: str) -> RequestId | None:
    try:
        decoded = _id_decoder.decode(base64.urlsafe_b64decode(named + "=" * (-len(named) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    return cast("RequestId | None", decoded)

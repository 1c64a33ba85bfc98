"""Server-sent events with all that older revisions put into them. Rule: read strictly; a comment is no event."""

import json
from dataclasses import dataclass, field

from tests.support.messages import Message


@dataclass(frozen=True)
class Event:
    """One server-sent event; a part that it does not have is None."""

    data: str | None = None
    id: str | None = None
    name: str | None = None
    retry_ms: int | None = None

    @property
    def message(self) -> Message:
        """The JSON-RPC message in it."""
        message: Message = json.loads(self.data or "")
        return message


@dataclass
class OldEventReader:
    """A reader that is fed pieces of a stream, and gives the events that are complete. `comments` are counted."""

    comments: int = 0
    _rest: str = field(default="", repr=False)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        *blocks, self._rest = (self._rest + chunk.decode()).replace("\r\n", "\n").split("\n\n")
        return [event for block in blocks if (event := self._event(block)) is not None]

    def _event(self, block: str) -> Event | None:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if not name:
                self.comments += 1
                continue
            assert name in {"id", "event", "data", "retry"}, block
            assert name not in fields, f"twice in one event: {block!r}"
            fields[name] = value.removeprefix(" ")
        if not fields:
            return None
        retry = fields.get("retry")
        return Event(fields.get("data"), fields.get("id"), fields.get("event"), None if retry is None else int(retry))

    def end(self) -> None:
        """The stream ended: nothing may be left half said."""
        assert not self._rest, f"a torn event: {self._rest!r}"

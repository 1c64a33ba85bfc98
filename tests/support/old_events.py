"""Server-sent events with all that older revisions put into them. Rule: read strictly; a comment is no event."""

from dataclasses import dataclass, field
from typing import Final

_FIELDS: Final = frozenset({"event", "data", "id", "retry"})


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event. `retry_ms` and `id` are None where it has none; `data` is empty where it only primes the client."""

    name: str = "message"
    data: str = ""
    id: str | None = None
    retry_ms: int | None = None


@dataclass
class OldEventReader:
    """Feed it pieces of a stream; it gives the events that are complete."""

    comments: int = 0
    _rest: str = field(default="", repr=False)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        *blocks, self._rest = (self._rest + chunk.decode()).replace("\r\n", "\n").split("\n\n")
        return [event for block in blocks if (event := self._event(block)) is not None]

    def _event(self, block: str) -> Event | None:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not lines:
            self.comments += 1
            return None
        parts = [line.partition(":") for line in lines]
        fields = {name: value.removeprefix(" ") for name, _, value in parts}
        assert len(fields) == len(lines), f"a field that comes twice: {block!r}"
        assert fields.keys() <= _FIELDS, block
        retry = fields.get("retry")
        return Event(
            name=fields.get("event", "message"),
            data=fields.get("data", ""),
            id=fields.get("id"),
            retry_ms=None if retry is None else int(retry),
        )

    def end(self) -> None:
        """The stream ended: nothing may be left half said."""
        assert not self._rest, f"a torn event: {self._rest!r}"

"""Server-sent events, read strictly. Rule: one event is one message on one `data:` line; comments are counted apart."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass
class EventReader:
    """Feed it pieces of a stream; it gives the messages that are complete."""

    comments: int = 0
    _rest: str = field(default="", repr=False)

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that `chunk` completes."""
        *events, self._rest = (self._rest + chunk.decode()).replace("\r\n", "\n").split("\n\n")
        return [message for event in events if (message := self._event(event)) is not None]

    def _event(self, event: str) -> Message | None:
        lines = event.split("\n")
        if all(line.startswith(":") for line in lines):
            self.comments += 1
            return None
        assert len(lines) == 1, f"an event of several lines: {event!r}"
        name, _, data = lines[0].partition(": ")
        assert name == "data", event
        message = json.loads(data)
        assert isinstance(message, dict), event
        return message  # pyright: ignore[reportUnknownVariableType]  # JSON

    def end(self) -> None:
        """The stream ended: nothing may be left half said."""
        assert not self._rest, f"a torn event: {self._rest!r}"


def messages_in(lines: Iterable[str]) -> Iterator[Message]:
    """The messages in the lines of a stream, each as soon as its line is there; anything else is left out."""
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))

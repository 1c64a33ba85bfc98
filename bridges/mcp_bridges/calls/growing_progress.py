"""Progress over all the rounds of a call. Rule: it grows for as long as the request lives, whoever begins anew.

A handler that asked is run again from its start with the answer, and says again how far it has come. A client of
2026-07-28 gets that as the progress of another request; an old one has only the one.
Spec: 2025-11-25/basic/utilities/progress#progress-flow
"""

import math
from typing import Final

import msgspec
from msgspec import Struct


class _Params(Struct):
    progress: float | None = None


class _Said(Struct):
    params: _Params


_decoder: Final = msgspec.json.Decoder(_Said)


class GrowingProgress:
    """The progress of one request, as its client knows it."""

    def __init__(self) -> None:
        self._known = -math.inf

    def is_news(self, notification: bytes) -> bool:
        """Whether the client shall hear of it: anything but progress that it has heard of."""
        progress = _decoder.decode(notification).params.progress
        if progress is None:
            return True
        grew = progress > self._known
        self._known = max(progress, self._known)
        return grew

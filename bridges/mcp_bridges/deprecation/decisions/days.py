"""Days of the calendar, as evidence and decisions count them. Rule: a day is one of UTC."""

from datetime import UTC, date, datetime
from typing import Final

DAY_S: Final = 86_400
HOUR_S: Final = 3_600


def day_of(at: float) -> date:
    """The day of a time in Unix seconds."""
    return datetime.fromtimestamp(at, UTC).date()

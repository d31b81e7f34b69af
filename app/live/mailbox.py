"""What waits for a subscriber: bounded, so that one who is slow costs nothing but what it misses itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.live.questions import Happened
from app.stats.event_rows import Datum, EventRow

MOST_WAITING: Final = 1000
MOST_AT_ONCE: Final = 50  # what takes the event loop 10 ms to send


@dataclass(frozen=True, slots=True)
class Push:
    """Events with their data, oldest first within what came together; `missed` were left out before them.

    None where nobody knows how many: they were not heard of.
    """

    events: Sequence[tuple[EventRow, Sequence[Datum]]]
    missed: int | None


class Latest:
    """The latest value alone: one that was not taken is replaced."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[Any] = []

    def put(self, value: Any) -> None:
        # Another list, so that a value which is being taken at this moment takes not this one with it.
        self._values = [value]

    def take(self) -> Any | None:
        """The value, None if there is none that was not taken already."""
        try:
            return self._values.pop()
        except IndexError:
            return None


class Feed:
    """Events in order, up to MOST_WAITING of them: beyond it the oldest are left out, and counted."""

    __slots__ = ("_events", "_lock", "_missed")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[tuple[EventRow, Sequence[Datum]]] = []
        self._missed: int | None = 0

    def put(self, happened: Happened | None) -> None:
        """Add events; None stands for an unknown number of them."""
        with self._lock:
            if happened is None:
                self._missed = None
                return
            self._events += ((row, happened.data.get(row.event_id, ())) for row in happened.events)
            left_out = max(0, len(self._events) - MOST_WAITING)
            del self._events[:left_out]
            if self._missed is not None:
                self._missed += left_out + happened.missed

    def take(self) -> Push | None:
        """Up to MOST_AT_ONCE events, None if nothing was put since."""
        with self._lock:
            if not self._events and self._missed == 0:
                return None
            push = Push(self._events[:MOST_AT_ONCE], self._missed)
            del self._events[:MOST_AT_ONCE]
            self._missed = 0
            return push


Mailbox = Latest | Feed

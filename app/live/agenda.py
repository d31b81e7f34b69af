"""What is to be done when: each thing once, at the earliest of the times it was put for."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, TypeVar

T = TypeVar("T")


class Agenda(Generic[T]):
    """Times are seconds of any clock. Things are told apart by identity or equality, as they hash."""

    def __init__(self) -> None:
        self._times: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()

    def put(self, thing: T, at: float) -> None:
        """Have it done at this time, unless it is to be done earlier anyway."""
        if at < self._times.get(thing, float("inf")):
            self._times[thing] = at
            heapq.heappush(self._heap, (at, next(self._numbers), thing))
            self._tidy()

    def drop(self, thing: T) -> None:
        """Forget it."""
        self._times.pop(thing, None)
        self._tidy()

    def __len__(self) -> int:
        """Entries kept, those included that no longer hold."""
        return len(self._heap)

    def _tidy(self) -> None:
        # What was put for a time that no longer holds is left behind, but not more of it than there is to do.
        if len(self._heap) > 64 + 2 * len(self._times):
            self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def next_at(self) -> float | None:
        """When the next thing is to be done."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> T | None:
        """What is to be done by now, the most overdue first; it is no longer on the agenda."""
        at = self.next_at()
        if at is None or at > now:
            return None
        _, _, thing = heapq.heappop(self._heap)
        del self._times[thing]
        return thing

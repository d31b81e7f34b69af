"""Token buckets: how much work each of many callers may still ask for."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil
from typing import Final

# At some 200 bytes each.
MOST_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Balance:
    """What a bucket holds after a request: `remaining` points, all of them again in `full_in` seconds.

    `retry_after` is 0 where the points were taken, else the whole seconds until they are there.
    """

    remaining: int
    full_in: float
    retry_after: int = 0


class Buckets:
    """A bucket of `size` points for each caller, `refill` points flow back each second.

    Of more than `most` callers the one that asked longest ago is forgotten: its bucket is full again, unless all of
    them came within the time that one takes to fill. Not for several threads: it belongs to the event loop.
    """

    def __init__(
        self,
        size: int,
        refill: float,
        most: int = MOST_BUCKETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.refill = refill
        self._most = most
        self._clock = clock
        # Caller → (points, at what time), the one who asked last at the end.
        self._held: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, caller: Hashable) -> bool:
        return caller in self._held

    def affords(self, caller: Hashable, points: int) -> bool:
        """Whether there are as many points. Nothing is taken."""
        return points <= self._now(caller)

    def take(self, caller: Hashable, points: int) -> Balance:
        """Take points, or none if there are too few: `retry_after` tells. There must be no more of them than `size`."""
        held = self._now(caller)
        if points > held:
            return Balance(int(held), self._full_in(held), max(1, ceil((points - held) / self.refill)))
        self._put(caller, held - points)
        return Balance(int(held - points), self._full_in(held - points))

    def give_back(self, caller: Hashable, points: int) -> None:
        """Return points that were taken and not needed."""
        if points and caller in self._held:
            self._put(caller, min(self.size, self._now(caller) + points))

    def _now(self, caller: Hashable) -> float:
        points, at = self._held.get(caller, (self.size, 0.0))
        return min(self.size, points + (self._clock() - at) * self.refill)

    def _put(self, caller: Hashable, points: float) -> None:
        self._held[caller] = (points, self._clock())
        self._held.move_to_end(caller)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def _full_in(self, points: float) -> float:
        return (self.size - points) / self.refill

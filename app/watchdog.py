"""Ends what takes too long: one thread watches every statement that has a limit."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger("dashi")


@dataclass(slots=True)
class Watch:
    """Something that may take until its limit. `ended` is whether it was told to end."""

    end: Callable[[], None]
    over: bool = False
    ended: bool = False


class Watchdog:
    """Calls `end` of what is still going on at its limit.

    It does so while it holds the lock under which a watch is declared over, so never after the block has been left: what
    runs next on the same connection is not hit. The thread starts with the first watch and lives as long as the process.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Watch]] = []
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float, end: Callable[[], None]) -> Iterator[Watch]:
        """Call `end` if the block has not been left after so many seconds. `end` must not wait for the block."""
        watch = Watch(end)
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._order), watch))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif self._waiting[0][2] is watch:
                self._changed.notify()
        try:
            yield watch
        finally:
            with self._changed:
                watch.over = True
                # Whatever the block holds on to is not to be kept until the limit; the place in line is dropped there.
                watch.end = _nothing

    def _run(self) -> None:
        with self._changed:
            while True:
                if not self._waiting:
                    self._changed.wait()
                    continue
                at, _, watch = self._waiting[0]
                left = at - time.monotonic()
                if watch.over or left <= 0:
                    heapq.heappop(self._waiting)
                    if not watch.over:
                        watch.ended = True
                        try:
                            watch.end()
                        except Exception:
                            # It guards all the others too.
                            log.exception("what takes too long could not be ended")
                else:
                    self._changed.wait(left)


def _nothing() -> None:
    pass


WATCHDOG = Watchdog()

"""What is remembered from hit to hit, so that collecting does not ask the accounts store each time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import Final, Generic, TypeVar

from app.errors import Unavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST: Final = 50_000
# Seconds after which it is asked again what could not be asked.
_RETRY: Final = 2.0


class Remembered(Generic[K, V]):
    """The answers to one question, asked in a worker and remembered for as long as `seconds` says of each.

    What is forgotten is seen at once; `seconds` bounds how late changes are seen of which nothing is heard. While nothing
    can be asked (Unavailable), an answer that `outlasts` that stands.
    """

    def __init__(
        self,
        ask: Callable[[K], V],
        seconds: Callable[[V], float],
        worker: Executor,
        outlasts: Callable[[V], bool] = lambda _: False,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._worker = worker
        self._outlasts = outlasts
        self._answers: dict[K, tuple[V, float]] = {}
        self._generation = 0  # counts what was forgotten
        self._changing = threading.Lock()

    async def get(self, key: K) -> V:
        """The answer. Raises whatever asking raises, which is not remembered, unless the last answer stands."""
        known = self._answers.get(key)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        generation = self._generation
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._worker, self._ask, key)
        except Unavailable:
            with self._changing:
                # It may have been forgotten meanwhile.
                if known is None or generation != self._generation or not self._outlasts(known[0]):
                    raise
                self._answers[key] = (known[0], time.monotonic() + _RETRY)
                return known[0]
        with self._changing:
            if generation == self._generation:
                if len(self._answers) >= _MOST:
                    self._answers.clear()
                self._answers[key] = (answer, time.monotonic() + self._seconds(answer))
                return answer
        # Something changed while it was asked: the answer may be the one from before.
        return await self.get(key)

    def holds(self, key: K, answer: V) -> bool:
        """Whether this is the answer that is remembered. Nothing is asked."""
        known = self._answers.get(key)
        return known is not None and time.monotonic() < known[1] and known[0] == answer

    def forget(self, key: K) -> None:
        """Ask anew next time. May be called from any thread."""
        with self._changing:
            self._generation += 1
            self._answers.pop(key, None)

    def doubt_all(self) -> None:
        """Ask everything anew next time; what `outlasts` an outage stands until it can be asked. From any thread."""
        with self._changing:
            self._generation += 1
            self._answers = {key: (answer, 0.0) for key, (answer, _) in self._answers.items()}

    def forget_all(self) -> None:
        """Ask everything anew next time. May be called from any thread."""
        with self._changing:
            self._generation += 1
            self._answers.clear()

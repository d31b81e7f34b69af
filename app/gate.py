"""The gate in front of an embedded store, which after a failed write of its own can only be opened anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.errors import Unavailable
from app.outage import invalidated, outage

# Seconds within which those inside are out: whatever they ask of a store that is invalidated fails at once.
_LONGEST_STAY: Final = 5.0


class Gate:
    """Lets everybody in until the store is found invalidated; then nobody, until it is opened anew.

    DuckDB keeps a database as long as any connection to it is open, and gives whoever connects the same one: it is
    opened anew only once the last connection is closed.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._inside = 0
        self.shut = False

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Use the store within the block. Raises Unavailable for an outage, other errors of the store as they are."""
        with self._changed:
            if self.shut:
                raise Unavailable(f"{self._store} has to be opened anew")
            self._inside += 1
        try:
            yield
        except Exception as error:
            if invalidated(error):
                self.shut = True
            if told := outage(error, self._store):
                raise told from error
            raise
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def wait_until_empty(self) -> None:
        """Raises Unavailable if somebody does not leave."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._inside, _LONGEST_STAY):
                raise Unavailable(f"{self._store} is in use and cannot be opened anew yet")

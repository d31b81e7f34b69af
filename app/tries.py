"""What is remembered of wrong passwords: by one process in its memory, or by all that share accounts in PostgreSQL.

A note is an amount and a time, under the kind of thing that it is about and what that is. Whoever reads and changes notes
has them for himself meanwhile, so that many at once count as many.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app.models import LoginTry
from app.security import Keys

# (kind, whom it is about)
Key = tuple[str, str]

# Notes of each kind that a process keeps in memory, at some 200 bytes; of more the one that was changed longest ago goes.
_MOST: Final = 50_000
# Any constant number but those of `app.db`, `app.peers` and the migrations.
_TRYING: Final = 7_244_317
# Milliseconds that others are waited for, each of which takes a few; as long one that hangs may keep them waiting.
_PATIENCE_MS: Final = 5_000
# Seconds between two times that what is over is removed.
_CLEARED: Final = 600.0


@dataclass(frozen=True, slots=True)
class Note:
    """`at` is in seconds of the clock that the memory goes by."""

    amount: float
    at: float


@dataclass(slots=True)
class Notes:
    """The notes of some keys, for the one whose turn it is."""

    now: float
    there: dict[Key, Note]
    changed: dict[Key, tuple[Note, float]] = field(default_factory=dict)

    def get(self, key: Key) -> Note | None:
        return self.there.get(key)

    def put(self, key: Key, amount: float, seconds: float) -> None:
        """Note an amount as of now. It may be forgotten after so many seconds."""
        note = self.there[key] = Note(amount, self.now)
        self.changed[key] = note, self.now + seconds


class Tries(Protocol):
    """Where notes are kept."""

    def turn(self, keys: Sequence[Key]) -> AbstractContextManager[Notes]:
        """The notes of these keys, which nobody else changes within the block. After an error in it all is as it was."""


class OwnTries:
    """In the memory of this process; a restart forgets."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, OrderedDict[Key, Note]] = {}
        self._turn = threading.Lock()

    @contextmanager
    def turn(self, keys: Sequence[Key]) -> Iterator[Notes]:
        with self._turn:
            there = {key: kind[key] for key in keys if (kind := self._kinds.get(key[0])) and key in kind}
            notes = Notes(self._clock(), there)
            yield notes
            for key, (note, _) in notes.changed.items():
                kind = self._kinds.setdefault(key[0], OrderedDict())
                kind[key] = note
                kind.move_to_end(key)
                if len(kind) > _MOST:
                    kind.popitem(last=False)


class SharedTries:
    """In PostgreSQL, for all processes together, by its clock. Accounts and addresses are hidden by the server's secret.

    Raises the driver's errors where it does not answer. What is noted need not outlive a crash of it.
    """

    def __init__(
        self, accounts: sessionmaker[Session], keys: Keys, clock: Callable[[], float] | None = None
    ) -> None:
        self._accounts = accounts
        self._keys = keys
        self._clock = clock
        self._clear_at = 0.0

    @contextmanager
    def turn(self, keys: Sequence[Key]) -> Iterator[Notes]:
        hidden = {self._keys.hidden(" ".join(key)): key for key in keys}
        with self._accounts.begin() as session:
            now = self._begin(session)
            found = session.scalars(sa.select(LoginTry).where(LoginTry.key.in_(hidden))).all()
            there = {hidden[row.key]: Note(row.amount, row.at) for row in found if row.until > now}
            notes = Notes(now, there)
            yield notes
            names = {key: name for name, key in hidden.items()}
            for key, (note, until) in notes.changed.items():
                session.merge(LoginTry(key=names[key], amount=note.amount, at=note.at, until=until))

    def _begin(self, session: Session) -> float:
        """Wait for the turn of this process; the time."""
        settings = {
            "lock_timeout": str(_PATIENCE_MS),
            "idle_in_transaction_session_timeout": str(_PATIENCE_MS),
            # A try that is forgotten when PostgreSQL crashes was one of very few: its disk is not waited for.
            "synchronous_commit": "off",
        }
        session.execute(sa.select(*(sa.func.set_config(*setting, True) for setting in settings.items())))
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_TRYING)))
        # Not now(), which is the time at which the turn was asked for.
        at: Any = session.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp())))
        now = self._clock() if self._clock else float(at)
        if time.monotonic() >= self._clear_at:
            session.execute(sa.delete(LoginTry).where(LoginTry.until <= now))
            self._clear_at = time.monotonic() + _CLEARED
        return now


def tries_of(accounts: sessionmaker[Session], keys: Keys) -> Tries:
    """Shared where processes can share them: accounts in a file belong to those of one machine."""
    bound: Any = accounts.kw["bind"]
    return SharedTries(accounts, keys) if bound.dialect.name == "postgresql" else OwnTries()

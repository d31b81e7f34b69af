"""Wrong passwords: how many may be tried (docs/decisions/0025-guessing-passwords.md, 0023-several-processes.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Final

from app.addresses import network_of
from app.errors import AppError, TooMany
from app.security import digest
from app.tries import Key, Notes, OwnTries, Tries

# Seconds between the tries at one account from one network, when there were very many.
LONGEST_WAIT: Final = 900
# Seconds of quiet after which tries of one network at one account are forgotten.
_FORGOTTEN: Final = 3600
_HOUR: Final = 3600
# Seconds that a network is known from which an account gave its right password.
_KNOWN: Final = 90 * 86_400


@dataclass(frozen=True, slots=True)
class _Hourly:
    """So many tries at once, and as many an hour; the note is how many were left."""

    key: Key
    most: int

    def left(self, notes: Notes) -> float:
        note = notes.get(self.key)
        if note is None:
            return self.most
        return min(self.most, note.amount + (notes.now - note.at) * self.most / _HOUR)

    def wait(self, notes: Notes) -> int:
        left = self.left(notes)
        return 0 if left >= 1 else max(1, ceil((1 - left) * _HOUR / self.most))

    def take(self, notes: Notes) -> None:
        notes.put(self.key, self.left(notes) - 1, _HOUR)

    def give_back(self, notes: Notes) -> None:
        notes.put(self.key, min(self.most, self.left(notes) + 1), _HOUR)


@dataclass(frozen=True, slots=True)
class _Doubling:
    """Some tries at once, then each waits twice as long as the one before; the note is how many there were."""

    key: Key
    at_once: int

    def count(self, notes: Notes) -> int:
        note = notes.get(self.key)
        return int(note.amount) if note and notes.now - note.at < _FORGOTTEN else 0

    def wait(self, notes: Notes) -> int:
        over, note = self.count(notes) - self.at_once, notes.get(self.key)
        if over < 0 or note is None:
            return 0
        pause = min(2.0 ** min(over, 20), LONGEST_WAIT)
        return max(0, ceil(note.at + pause - notes.now))

    def take(self, notes: Notes) -> None:
        notes.put(self.key, self.count(notes) + 1, _FORGOTTEN)

    def give_back(self, notes: Notes) -> None:
        notes.put(self.key, max(0, self.count(notes) - 1), _FORGOTTEN)

    def begin_anew(self, notes: Notes) -> None:
        notes.put(self.key, 0, _FORGOTTEN)


_Limit = _Doubling | _Hourly


class Throttle:
    """Three limits, each counting tries as wrong until they turn out right, so that many at once pass none of them.

    - One account from one network (an IPv4 address, an IPv6 /64): `tries` at once, then one after 1 s, 2 s, 4 s and so on
      to LONGEST_WAIT. A right password begins anew.
    - One network, whatever the account: `per_address` at once and an hour.
    - One account, from all networks: `per_account` at once and an hour.

    A network that gave the right password of an account before is held to the first alone for that account: whoever tries
    from elsewhere, or tries other accounts from there, does not lock its user out.

    Names that nobody has are counted as those of accounts. May be used by several threads, and by processes that share
    what is remembered.
    """

    def __init__(self, tries: int, per_address: int, per_account: int, memory: Tries | None = None) -> None:
        self._tries = tries
        self._per_address = per_address
        self._per_account = per_account
        self._memory = memory or OwnTries()

    @contextmanager
    def attempt(self, account: str, caller: str) -> Iterator[None]:
        """Around one try: an AppError inside says that the password was wrong, no error that it was right.

        Raises TooMany, and nothing is tried, when there were too many wrong ones; it says the same whether there is such
        an account or not.
        """
        who, network = digest(account), network_of(caller)
        pair = _Doubling(("pair", f"{who} {network}"), self._tries)
        known: Key = ("known", f"{who} {network}")
        wide: list[_Limit] = [
            _Hourly(("network", network), self._per_address),
            _Hourly(("account", who), self._per_account),
        ]
        keys = [pair.key, known, *(limit.key for limit in wide)]
        with self._memory.turn(keys) as notes:
            if notes.get(known):
                wide = []
            limits: list[_Limit] = [pair, *wide]
            if wait := max(limit.wait(notes) for limit in limits):
                raise TooMany("Too many wrong passwords: try again later", retry_after=wait)
            for limit in limits:
                limit.take(notes)
        try:
            yield
        except AppError:
            raise
        except BaseException:
            with self._memory.turn(keys) as notes:
                for limit in limits:
                    limit.give_back(notes)
            raise
        with self._memory.turn(keys) as notes:
            for limit in wide:
                limit.give_back(notes)
            pair.begin_anew(notes)
            notes.put(known, 1, _KNOWN)

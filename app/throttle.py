"""Wrong passwords: how many may be tried (docs/decisions/0025).

In each process for itself, and in memory alone: who tried what is kept nowhere.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Final, TypeVar

from app.addresses import network_of
from app.buckets import Buckets
from app.errors import AppError, TooMany
from app.security import digest

# Seconds between the tries at one account from one network, when there were very many.
LONGEST_WAIT: Final = 900
# Seconds of quiet after which tries of one network at one account are forgotten.
_FORGOTTEN: Final = 3600
_HOUR: Final = 3600
_MOST: Final = 50_000  # of each thing that is remembered, at some 200 bytes

# The account as its digest, and the network.
_Pair = tuple[str, str]
V = TypeVar("V")


class Throttle:
    """Three limits, each counting tries as wrong until they turn out right, so that many at once pass none of them.

    - One account from one network (an IPv4 address, an IPv6 /64): `tries` at once, then one after 1 s, 2 s, 4 s and so on
      to LONGEST_WAIT. A right password begins anew.
    - One network, whatever the account: `per_address` at once and an hour.
    - One account, from all networks: `per_account` at once and an hour.

    A network that gave the right password of an account before is held to the first alone for that account: whoever tries
    from elsewhere, or tries other accounts from there, does not lock its user out.

    Names that nobody has are counted as those of accounts. May be used by several threads.
    """

    def __init__(
        self, tries: int, per_address: int, per_account: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tries = tries
        self._clock = clock
        self._addresses = Buckets(per_address, per_address / _HOUR, _MOST, clock)
        self._accounts = Buckets(per_account, per_account / _HOUR, _MOST, clock)
        self._tried: OrderedDict[_Pair, tuple[int, float]] = OrderedDict()  # how often, and when last
        self._known: OrderedDict[_Pair, None] = OrderedDict()
        self._changing = threading.Lock()

    @contextmanager
    def attempt(self, account: str, caller: str) -> Iterator[None]:
        """Around one try: an AppError inside says that the password was wrong, no error that it was right.

        Raises TooMany, and nothing is tried, when there were too many wrong ones; it says the same whether there is such
        an account or not.
        """
        pair = digest(account), network_of(caller)
        known = self._begin(pair)
        try:
            yield
        except AppError:
            raise
        except BaseException:
            self._undo(pair, known)
            raise
        self._undo(pair, known)
        with self._changing:
            self._tried.pop(pair, None)
            _remember(self._known, pair, None)

    def _begin(self, pair: _Pair) -> bool:
        """Count a try as wrong. Whether the network is one that gave the right password before."""
        with self._changing:
            known = pair in self._known
            wide = [] if known else self._wide(pair)
            # What cannot be taken from a bucket is not taken: its balance tells how long it takes.
            waits = [
                buckets.take(whose, 1).retry_after for buckets, whose in wide if not buckets.affords(whose, 1)
            ]
            if wait := max([self._wait(pair), *waits]):
                raise TooMany("Too many wrong passwords: try again later", retry_after=wait)
            for buckets, whose in wide:
                buckets.take(whose, 1)
            _remember(self._tried, pair, (self._count(pair) + 1, self._clock()))
            return known

    def _undo(self, pair: _Pair, known: bool) -> None:
        with self._changing:
            for buckets, whose in [] if known else self._wide(pair):
                buckets.give_back(whose, 1)
            count, at = self._tried.get(pair, (0, 0.0))
            if count:
                self._tried[pair] = (count - 1, at)

    def _wide(self, pair: _Pair) -> list[tuple[Buckets, str]]:
        account, network = pair
        return [(self._addresses, network), (self._accounts, account)]

    def _count(self, pair: _Pair) -> int:
        count, at = self._tried.get(pair, (0, 0.0))
        return count if self._clock() - at < _FORGOTTEN else 0

    def _wait(self, pair: _Pair) -> int:
        """Whole seconds until the next try of the pair."""
        over = self._count(pair) - self._tries
        if over < 0:
            return 0
        pause = min(2.0 ** min(over, 20), LONGEST_WAIT)
        return max(0, ceil(self._tried[pair][1] + pause - self._clock()))


def _remember(where: OrderedDict[_Pair, V], pair: _Pair, value: V) -> None:
    where[pair] = value
    where.move_to_end(pair)
    if len(where) > _MOST:
        where.popitem(last=False)

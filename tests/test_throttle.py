"""How many wrong passwords may be tried, on a clock of the test's own: at one process, and at two that share accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import cycle
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import migrations
from app.engines import accounts_engine, accounts_sessions
from app.errors import TooMany, Unauthenticated
from app.models import LoginTry
from app.security import Keys
from app.settings import Settings
from app.throttle import LONGEST_WAIT, Throttle
from app.tries import OwnTries, SharedTries
from tests.server import SECRET


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


HOME, AWAY = "8.8.8.8", "8.8.4.4"


class Several:
    """Whoever guesses tries one process after the other."""

    def __init__(self, throttles: list[Throttle]) -> None:
        self._turns = cycle(throttles)

    def attempt(self, account: str, caller: str) -> AbstractContextManager[None]:
        return next(self._turns).attempt(account, caller)


Make = Callable[[int, int, int, Clock], Several]


@pytest.fixture(scope="module")
def accounts(make_settings: Callable[..., Settings]) -> Iterator[sessionmaker[Session]]:
    engine = accounts_engine(make_settings("postgresql"))
    migrations.upgrade(engine, "accounts")
    yield accounts_sessions(engine)
    engine.dispose()


@pytest.fixture(params=["one process", "two processes"])
def make(request: pytest.FixtureRequest) -> Make:
    """`make(tries, per_address, per_account, clock)` by nobody tried so far."""
    if request.param == "one process":
        return lambda *limits: Several([Throttle(*limits[:3], OwnTries(limits[3]))])
    shared: sessionmaker[Session] = request.getfixturevalue("accounts")
    with shared.begin() as session:
        session.execute(sa.delete(LoginTry))
    keys = Keys(SECRET)
    return lambda *limits: Several(
        [Throttle(*limits[:3], SharedTries(shared, keys, limits[3])) for _ in range(2)]
    )


def attempt(throttle: Several, right: bool = False, account: str = "a", caller: str = HOME) -> int | None:
    """Try a password: seconds to wait if that is refused, None if it was looked at."""
    try:
        with throttle.attempt(account, caller):
            if not right:
                raise Unauthenticated
    except Unauthenticated:
        pass
    except TooMany as error:
        return error.retry_after
    return None


def test_after_some_tries_each_waits_twice_as_long(make: Make) -> None:
    clock = Clock()
    throttle = make(3, 1000, 1000, clock)
    assert [attempt(throttle) for _ in range(3)] == [None] * 3
    waits = []
    for _ in range(14):
        waits.append(wait := attempt(throttle))
        assert wait is not None
        clock.now += wait - 0.5
        assert attempt(throttle) == 1  # what is refused makes it no longer
        clock.now += 0.5
        assert attempt(throttle) is None
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[LONGEST_WAIT] * 4]
    clock.now += 3600
    assert [attempt(throttle) for _ in range(4)] == [None, None, None, 1]  # forgotten


def test_a_right_password_begins_anew(make: Make) -> None:
    throttle = make(3, 1000, 1000, Clock())
    for _ in range(10):
        assert [attempt(throttle), attempt(throttle), attempt(throttle, right=True)] == [None] * 3
    assert [attempt(throttle) for _ in range(4)] == [None, None, None, 1]
    # For that account there, and for none else.
    assert attempt(throttle, account="b") is None
    assert attempt(throttle, caller=AWAY) is None


def test_right_passwords_are_held_back_as_wrong_ones_are(make: Make) -> None:
    clock = Clock()
    throttle = make(1, 1000, 1000, clock)
    assert [attempt(throttle), attempt(throttle, right=True)] == [None, 1]
    clock.now += 1
    assert attempt(throttle, right=True) is None


def test_one_address_tries_no_list_of_names(make: Make) -> None:
    clock = Clock()
    throttle = make(3, 5, 1000, clock)
    assert [attempt(throttle, account=f"a{i}") for i in range(6)] == [None] * 5 + [720]
    # An own account, whose password is known, gives nothing back of what the others took.
    clock.now += 720
    assert attempt(throttle, right=True, account="mine") is None
    assert [attempt(throttle, account="b"), attempt(throttle, account="c")] == [None, 720]
    assert attempt(throttle, account="c", caller=AWAY) is None
    # Who was there before is not kept out by it, and tries no more than before.
    assert attempt(throttle, right=True, account="mine") is None
    assert [attempt(throttle, account="mine") for _ in range(4)] == [None, None, None, 1]


def test_the_addresses_of_one_ipv6_network_are_one(make: Make) -> None:
    throttle = make(2, 1000, 1000, Clock())
    callers = [f"2001:db8:1:2::{i}" for i in range(3)]
    assert [attempt(throttle, caller=caller) for caller in callers] == [None, None, 1]
    assert attempt(throttle, caller="2001:db8:1:3::1") is None


def test_who_tries_from_elsewhere_locks_nobody_out(make: Make) -> None:
    clock = Clock()
    throttle = make(3, 1000, 10, clock)
    assert attempt(throttle, right=True) is None  # at home, once
    attacks = [attempt(throttle, caller=f"203.0.113.{i}") for i in range(200)]
    assert attacks == [None] * 10 + [360] * 190
    assert attempt(throttle, right=True) is None
    assert [attempt(throttle), attempt(throttle, right=True)] == [None, None]
    # Where the user never was it takes a place of those that come back.
    assert attempt(throttle, right=True, caller=AWAY) == 360
    clock.now += 360
    assert attempt(throttle, right=True, caller=AWAY) is None
    assert attempt(throttle, right=True, caller=AWAY) is None
    assert attempt(throttle, caller="203.0.113.201") is None  # the place that the right one gave back
    assert attempt(throttle, caller="203.0.113.202") == 360


def test_many_at_once_are_as_many_as_one_after_the_other(make: Make) -> None:
    throttle = make(3, 1000, 1000, Clock())
    together = Barrier(8)

    def one(_: int) -> int | None:
        together.wait()
        return attempt(throttle)

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(one, range(8)))
    assert sorted(waits, key=str) == [1] * 5 + [None] * 3


def test_what_fails_for_another_reason_is_no_wrong_password(make: Make) -> None:
    throttle = make(1, 1, 1, Clock())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), throttle.attempt("a", HOME):
            _ = 1 / 0
    assert [attempt(throttle), attempt(throttle)] == [None, 3600]


def test_what_is_shared_names_nobody_and_is_cleared_when_it_is_over(accounts: sessionmaker[Session]) -> None:
    clock = Clock()

    def process(secret: str = SECRET) -> Several:
        return Several([Throttle(3, 1000, 1000, SharedTries(accounts, Keys(secret), clock))])

    def names() -> set[str]:
        with accounts() as session:
            return {key for (key,) in session.execute(sa.select(LoginTry.key))}

    with accounts.begin() as session:
        session.execute(sa.delete(LoginTry))
    attempt(process(), account="user a", right=True)
    # The pair, that it is known, the network and the account.
    mine = names()
    assert len(mine) == 4
    assert {len(name) for name in mine} == {32}
    assert not any(set(name) - set("0123456789abcdef") for name in mine)
    attempt(process("another"), account="user a", right=True)
    assert len(names()) == 8  # whoever has not the secret can compare none of them
    clock.now += 3601
    attempt(process(), account="user b")
    assert len(names()) == 2 + 3  # where the right password came from is known for longer
    clock.now += 90 * 86_400
    attempt(process(), account="user b")
    assert len(names()) == 3


def test_of_many_in_memory_the_one_that_was_changed_longest_ago_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tries._MOST", 2)
    throttle = Several([Throttle(1, 1000, 1000, OwnTries(Clock()))])
    assert [attempt(throttle, account=name) for name in "abab"] == [None, None, 1, 1]
    assert attempt(throttle, account="c") is None
    assert attempt(throttle, account="b") == 1
    assert attempt(throttle, account="a") is None

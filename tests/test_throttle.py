"""How many wrong passwords may be tried, on a clock of the test's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from app.errors import TooMany, Unauthenticated
from app.throttle import LONGEST_WAIT, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


HOME, AWAY = "8.8.8.8", "8.8.4.4"


def attempt(throttle: Throttle, right: bool = False, account: str = "a", caller: str = HOME) -> int | None:
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


def test_after_some_tries_each_waits_twice_as_long() -> None:
    clock = Clock()
    throttle = Throttle(3, 1000, 1000, clock)
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


def test_a_right_password_begins_anew() -> None:
    throttle = Throttle(3, 1000, 1000, Clock())
    for _ in range(10):
        assert [attempt(throttle), attempt(throttle), attempt(throttle, right=True)] == [None] * 3
    assert [attempt(throttle) for _ in range(4)] == [None, None, None, 1]
    # For that account there, and for none else.
    assert attempt(throttle, account="b") is None
    assert attempt(throttle, caller=AWAY) is None


def test_right_passwords_are_held_back_as_wrong_ones_are() -> None:
    clock = Clock()
    throttle = Throttle(1, 1000, 1000, clock)
    assert [attempt(throttle), attempt(throttle, right=True)] == [None, 1]
    clock.now += 1
    assert attempt(throttle, right=True) is None


def test_one_address_tries_no_list_of_names() -> None:
    clock = Clock()
    throttle = Throttle(3, 5, 1000, clock)
    assert [attempt(throttle, account=f"a{i}") for i in range(6)] == [None] * 5 + [720]
    # An own account, whose password is known, gives nothing back of what the others took.
    clock.now += 720
    assert attempt(throttle, right=True, account="mine") is None
    assert [attempt(throttle, account="b"), attempt(throttle, account="c")] == [None, 720]
    assert attempt(throttle, account="c", caller=AWAY) is None
    # Who was there before is not kept out by it, and tries no more than before.
    assert attempt(throttle, right=True, account="mine") is None
    assert [attempt(throttle, account="mine") for _ in range(4)] == [None, None, None, 1]


def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    throttle = Throttle(2, 1000, 1000, Clock())
    callers = [f"2001:db8:1:2::{i}" for i in range(3)]
    assert [attempt(throttle, caller=caller) for caller in callers] == [None, None, 1]
    assert attempt(throttle, caller="2001:db8:1:3::1") is None


def test_who_tries_from_elsewhere_locks_nobody_out() -> None:
    clock = Clock()
    throttle = Throttle(3, 1000, 10, clock)
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


def test_many_at_once_are_as_many_as_one_after_the_other() -> None:
    throttle = Throttle(3, 1000, 1000, Clock())
    together = Barrier(8)

    def one(_: int) -> int | None:
        together.wait()
        return attempt(throttle)

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(one, range(8)))
    assert sorted(waits, key=str) == [1] * 5 + [None] * 3


def test_what_fails_for_another_reason_is_no_wrong_password() -> None:
    throttle = Throttle(1, 1, 1, Clock())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), throttle.attempt("a", HOME):
            _ = 1 / 0
    assert [attempt(throttle), attempt(throttle)] == [None, 3600]

"""Token buckets, on a clock of the test's own."""

from __future__ import annotations

from app.buckets import Balance, Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_points_are_taken_given_back_and_flow_back() -> None:
    clock = Clock()
    buckets = Buckets(100, 10, clock=clock)
    assert buckets.take("a", 70) == Balance(30, 7.0)
    assert buckets.take("b", 1) == Balance(99, 0.1)
    buckets.give_back("a", 20)
    assert buckets.take("a", 0) == Balance(50, 5.0)
    clock.now += 2
    assert buckets.take("a", 0) == Balance(70, 3.0)
    clock.now += 3600
    assert buckets.take("a", 100) == Balance(0, 10.0)


def test_too_few_points_are_left_alone_and_it_is_told_when_there_are_enough() -> None:
    clock = Clock()
    buckets = Buckets(100, 10, clock=clock)
    buckets.take("a", 95)
    assert buckets.take("a", 26) == Balance(5, 9.5, retry_after=3)  # 21 are missing, 10 come each second
    clock.now += 3
    assert buckets.take("a", 26) == Balance(9, 9.1)


def test_no_more_is_given_back_than_a_bucket_holds() -> None:
    buckets = Buckets(100, 10, clock=Clock())
    buckets.take("a", 5)
    buckets.give_back("a", 50)
    assert buckets.take("a", 0) == Balance(100, 0.0)
    buckets.give_back("nobody", 50)
    assert "nobody" not in buckets


def test_the_one_who_asked_longest_ago_is_forgotten() -> None:
    clock = Clock()
    buckets = Buckets(100, 10, most=3, clock=clock)
    for caller in ("a", "b", "c", "a", "d"):
        buckets.take(caller, 10)
    assert len(buckets) == 3
    assert [caller in buckets for caller in "abcd"] == [True, False, True, True]
    assert buckets.take("b", 0) == Balance(100, 0.0)
    assert buckets.take("a", 0) == Balance(80, 2.0)

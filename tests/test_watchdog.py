"""What takes too long is ended, nothing else, and both event stores have a limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from app import stores
from app.db import EventStore
from app.errors import Unavailable
from app.settings import Settings
from app.watchdog import Watchdog
from tests.stores import event_store

# Some hours of work on either store.
ENDLESS = {
    "clickhouse": "SELECT sum(sipHash64(number)) FROM numbers(1000000000000000)",
    "duckdb": "SELECT sum(a.range * b.range % 7) FROM range(10000000) a, range(10000000) b",
    "postgresql": "SELECT sum(a * b % 7) FROM generate_series(1, 1000000) a, generate_series(1, 10000000) b",
}


def test_what_is_over_in_time_is_not_ended() -> None:
    watchdog, ended, later = Watchdog(), threading.Event(), threading.Event()
    with watchdog.limit(0.01, later.set):
        # A longer limit that was declared over does not keep the dog from the shorter one.
        with watchdog.limit(60, ended.set) as watch:
            pass
        assert later.wait(10)
    assert not watch.ended
    assert not ended.is_set()


def test_the_shorter_limit_comes_first_whichever_began_first() -> None:
    watchdog, long, short = Watchdog(), threading.Event(), threading.Event()
    with watchdog.limit(60, long.set) as first, watchdog.limit(0.01, short.set) as second:
        assert short.wait(10)
        assert (first.ended, second.ended) == (False, True)
    assert not long.is_set()


def test_one_that_cannot_be_ended_does_not_keep_the_others_from_it() -> None:
    def fail() -> None:
        raise ValueError

    watchdog, ended = Watchdog(), threading.Event()
    with watchdog.limit(0.01, fail), watchdog.limit(0.02, ended.set):
        assert ended.wait(10)


def test_many_watches_of_many_threads_are_ended_never_after_their_block() -> None:
    """Each block has a flag of its own that is up while it runs; the end of a block must find it up."""
    watchdog, wrong = Watchdog(), []

    def work() -> None:
        for _ in range(300):
            running = [True]
            with watchdog.limit(0.0002, lambda running=running: running[0] or wrong.append(1)):
                threading.Event().wait(0.0002)
            running[0] = False

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.fixture
def hasty(store: str, make_settings: Callable[..., Settings]) -> Iterator[EventStore]:
    """A store whose questions may take a second and a half."""
    with event_store(make_settings(store, statement_timeout=1.5)) as opened:
        yield opened


def test_a_question_without_end_is_ended(store: str, hasty: EventStore) -> None:
    for _ in range(2):  # the connection of the first is used again
        with pytest.raises(Unavailable) as raised:
            hasty.rows(sa.text(ENDLESS[store]))
        assert raised.value.message == (
            "The question takes longer than 1.5 s: ask for less, a shorter period for example"
        )
        assert hasty.rows(sa.text("SELECT 42")) == [(42,)]


def test_a_question_beside_it_goes_on(store: str, hasty: EventStore) -> None:
    ended = threading.Event()

    def endless() -> None:
        with pytest.raises(Unavailable):
            hasty.rows(sa.text(ENDLESS[store]))
        ended.set()

    thread = threading.Thread(target=endless)
    thread.start()
    answered = 0
    while not ended.is_set():
        assert hasty.rows(sa.text("SELECT 42")) == [(42,)]
        answered += 1
    thread.join()
    assert answered > 0


def test_a_store_that_is_gone_is_told_from_one_that_is_slow() -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    store = stores.event_store(Settings(events_url=url))
    with pytest.raises(Unavailable, match="The event store does not answer"):
        store.rows(sa.select(1))

"""The core of subscriptions: what is told, to whom, how often, and what waits for those who are slow."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from app.context import Ctx
from app.errors import Unavailable
from app.live.agenda import Agenda
from app.live.hub import Live
from app.live.mailbox import MOST_AT_ONCE, MOST_WAITING, Feed, Latest, Push
from app.live.questions import (
    Happened,
    Question,
    follow_active_visitors,
    follow_events,
    follow_totals,
)
from app.live.subscriptions import Stopping, Subscription
from app.settings import Settings
from app.stats.filters import Property
from app.stats.measures import Summary
from app.stats.period import Period
from app.stats.zones import UTC
from app.stored import MOST, Stored, stored
from tests.following import eventually
from tests.populate import CHROME
from tests.server import ADMIN, Server, running

EVER = Period.all_time(UTC)


class Follower:
    """A subscriber of the core."""

    def __init__(self, live: Live, runtime: Any, verb: Callable[..., Question], *arguments: Any) -> None:
        def opening(ctx: Ctx) -> Question:
            return verb(ctx, *arguments)

        self.woken = threading.Event()
        question = runtime.call(ADMIN, opening)
        mailbox = Feed() if question.streams else Latest()
        self.subscription: Subscription = live.subscribe(ADMIN, opening, question, mailbox, self.woken.set)

    def next(self) -> Any:
        """The next value, waited for."""
        while (value := self.subscription.take()) is None:
            assert self.woken.wait(20), "nothing came"
            self.woken.clear()
        return value


@pytest.fixture
def live(server: Server) -> Iterator[Live]:
    """What the server itself follows with: it is left as it was."""
    found: Live = server.app.state.live
    yield found
    assert found.count == 0
    assert found.questions() == []


@pytest.fixture
def follow(server: Server, live: Live) -> Iterator[Callable[..., Follower]]:
    """`follow(verb, website id, …)`: a subscriber that is followed for by now."""
    made: list[Follower] = []

    def make(verb: Callable[..., Question], *arguments: Any) -> Follower:
        made.append(Follower(live, server.runtime, verb, *arguments))
        eventually(lambda: live.following, "nothing is followed")
        return made[-1]

    yield make
    for follower in made:
        follower.subscription.close()


def names(push: Push) -> list[str | None]:
    return [row.event_name for row, _ in push.events]


def send(url: str, website_id: str, *names: str, at: str | None = None) -> None:
    """Custom events of these names in one batch, in time a second apart if the first has a time."""
    start = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC).timestamp() if at else None
    hits = []
    for number, name in enumerate(names):
        payload: dict[str, Any] = {"website": website_id, "url": "/", "name": name}
        if start is not None:
            payload["timestamp"] = int(start) + number
        hits.append({"type": "event", "payload": payload})
    answer = httpx.post(f"{url}/api/batch", json=hits, headers={"user-agent": CHROME}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["errors"] == 0, answer.text


# What is told


MOMENTS = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2900, 1, 1)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([UUID(int=1), UUID(int=2)]), st.uuids(), MOMENTS), max_size=500))
def test_what_is_told_of_rows_survives_a_notification(rows: list[tuple[UUID, UUID, dt.datetime]]) -> None:
    text = orjson.dumps(
        [
            {
                "website_id": str(site),
                "event_id": str(one),
                "created_at": at.isoformat(timespec="milliseconds"),
            }
            for site, one, at in rows
        ]
    ).decode()
    told = [Stored.read(one.written()) for one in stored(text)]
    assert all(len(one) <= MOST and len(one.written()) < 8000 for one in told)
    for site in (UUID(int=1), UUID(int=2)):
        expected = [(one, at.replace(tzinfo=dt.UTC)) for of, one, at in rows if of == site]
        assert [event for one in told if one.website_id == site for event in one.events()] == expected


def test_nothing_is_told_of_nothing() -> None:
    assert stored(None) == stored("") == stored("[]") == []
    emptied = Stored(uuid4())
    assert (Stored.read(emptied.written()), len(emptied), list(emptied.events())) == (emptied, 0, [])


# When it is asked


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.booleans()), max_size=60))
def test_an_agenda_has_each_thing_once_at_its_earliest(steps: list[tuple[str, int, bool]]) -> None:
    agenda: Agenda[str] = Agenda()
    expected: dict[str, int] = {}
    for thing, at, drop in steps:
        if drop:
            agenda.drop(thing)
            expected.pop(thing, None)
        else:
            agenda.put(thing, at)
            expected[thing] = min(at, expected.get(thing, at))
        assert agenda.next_at() == min(expected.values(), default=None)
    for now in range(21):
        while (thing_due := agenda.take(now)) is not None:
            assert expected.pop(thing_due) == now
    assert expected == {}
    assert agenda.next_at() is None


def test_an_agenda_keeps_little_of_what_no_longer_holds() -> None:
    agenda: Agenda[int] = Agenda()
    for turn in range(10_000):
        agenda.put(turn % 10, 1_000_000 + turn)
        agenda.put(turn % 10, turn)
        assert agenda.take(turn) == turn % 10
    assert len(agenda) < 100


# What waits


def test_of_values_only_the_latest_waits() -> None:
    box = Latest()
    assert box.take() is None
    for value in (1, 2, 0):
        box.put(value)
    assert (box.take(), box.take()) == (0, None)


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), max_size=12), st.lists(st.integers(0, 12), max_size=6))
def test_of_events_so_many_wait_and_the_others_are_counted(counts: list[int], takes: list[int]) -> None:
    """Every event is either had, in order, or counted as missed."""
    feed = Feed()
    numbers = iter(range(100_000))
    had: list[int] = []
    missed = sent = 0
    for turn, count in enumerate(counts):
        rows: Any = [_Row(next(numbers)) for _ in range(count)]
        feed.put(Happened(rows))
        sent += count
        for _ in range(takes[turn % len(takes)] if takes else 0):
            if push := feed.take():
                missed += push.missed or 0
                had += [row.event_id for row, _ in push.events]  # type: ignore[misc]
    while push := feed.take():
        assert len(push.events) <= MOST_AT_ONCE
        missed += push.missed or 0
        had += [row.event_id for row, _ in push.events]  # type: ignore[misc]
    assert had == sorted(had)
    assert len(had) + missed == sent
    assert len(had) >= min(sent, MOST_WAITING)


class _Row:
    def __init__(self, number: int) -> None:
        self.event_id = number


def test_what_nobody_counted_is_told_as_unknown() -> None:
    feed = Feed()
    feed.put(None)
    assert feed.take() == Push([], None)
    assert feed.take() is None


def test_who_is_slow_misses_the_oldest_and_is_told_how_many(
    server: Server, website: str, follow: Callable[..., Follower]
) -> None:
    slow = follow(follow_events, UUID(website), None, False)
    quick = follow(follow_events, UUID(website), None, False)
    wanted = [f"e{number:04}" for number in range(MOST_WAITING + 150)]
    found: list[str | None] = []
    for start in range(0, len(wanted), 50):
        send(server.url, website, *wanted[start : start + 50], at="2026-11-10 09:00:00")
        while len(found) < start + 50:
            push = quick.next()
            assert push.missed == 0
            found += names(push)
    assert found == wanted
    # Who asks for something else is answered after the last of them is in everybody's mailbox.
    assert follow(follow_active_visitors, UUID(website)).next() == 0
    pushes = [slow.next()]
    while sum(len(push.events) for push in pushes) < MOST_WAITING:
        pushes.append(slow.next())
    assert [push.missed for push in pushes] == [150] + [0] * (len(pushes) - 1)
    assert [name for push in pushes for name in names(push)] == wanted[150:]


def test_figures_that_nobody_takes_are_replaced(
    server: Server, website: str, follow: Callable[..., Follower]
) -> None:
    slow = follow(follow_totals, UUID(website), EVER, None, ("events",))
    quick = follow(follow_totals, UUID(website), EVER, None, ("events",))
    assert quick.next().totals == Summary()
    for number in (1, 2, 3):
        send(server.url, website, "e")
        assert quick.next().totals == Summary(events=number)
    assert slow.next().totals == Summary(events=3)
    assert slow.subscription.take() is None


def test_all_who_ask_the_same_are_answered_by_one_question(
    server: Server, website: str, live: Live, follow: Callable[..., Follower]
) -> None:
    several = [follow(follow_active_visitors, UUID(website)) for _ in range(5)]
    assert [one.next() for one in several] == [0] * 5
    assert len(live.questions()) == 1
    # To Python these two are equal, and they ask for different events.
    for value in (1, True):
        follow(follow_events, UUID(website), Property(None, "n", "eq", value), False)
    assert len(live.questions()) == 3


# Exactly once


def test_while_many_send_every_event_is_told_once(
    server: Server, website: str, follow: Callable[..., Follower]
) -> None:
    """Half of them dated back; some who follow come later and have all from some moment on."""
    first = follow(follow_events, UUID(website), None, False)
    senders, rounds = 4, 12
    begun = threading.Barrier(senders + 1)

    def work(sender: int) -> None:
        begun.wait()
        for turn in range(rounds):
            batch = [f"{sender}-{turn}-{number}" for number in range(1 + (sender + turn) % 9)]
            send(server.url, website, *batch, at="2020-02-29 23:59:55" if turn % 2 else None)

    total = sum(1 + (sender + turn) % 9 for sender in range(senders) for turn in range(rounds))
    with ThreadPoolExecutor(senders) as pool:
        done = [pool.submit(work, sender) for sender in range(senders)]
        begun.wait()
        found: list[str | None] = []
        late = None
        while len(found) < total:
            push = first.next()
            assert push.missed == 0
            found += names(push)
            if late is None:
                late = follow(follow_events, UUID(website), None, False)
        for one in done:
            one.result()
    assert len(set(found)) == len(found) == total
    assert {row["event_name"] for row in server.events(website)} == set(found)
    assert late is not None
    later: list[str | None] = []
    send(server.url, website, "the last")
    while "the last" not in later:
        later += names(late.next())
    assert len(set(later)) == len(later)
    assert set(later) <= {*found, "the last"}
    assert names(first.next()) == ["the last"]


# Stores that come and go


def listeners(server: Server) -> list[int]:
    """Process ids of the connections that listen, at PostgreSQL."""
    query = sa.text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dashi stored'"
    )
    with server.runtime.events.engine.connect() as connection:
        return [pid for (pid,) in connection.execute(query)]


def test_after_a_broken_line_everybody_is_told_anew(
    server: Server, website: str, follow: Callable[..., Follower]
) -> None:
    if server.runtime.events.name != "postgresql":
        pytest.skip("there is no line to break within one process")
    events = follow(follow_events, UUID(website), None, False)
    totals = follow(follow_totals, UUID(website), EVER, None, ("events",))
    assert totals.next().totals == Summary()
    [pid] = listeners(server)
    with server.runtime.events.engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_terminate_backend(pid)))
        # In the same moment, so that nobody listens yet.
        send(server.url, website, "unheard")
    assert totals.next().totals == Summary(events=1)
    found = events.next()
    if found.missed == 0:
        # The new line was there before the event was stored.
        assert names(found) == ["unheard"]
        found = events.next()
    assert found.missed is None
    send(server.url, website, "heard")
    while "heard" not in names(found):
        found = events.next()
        assert found.missed == 0


def test_a_stop_ends_all_and_takes_no_more(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb")) as stopped:
        site, live = UUID(stopped.create_website()), stopped.app.state.live
        follower = Follower(live, stopped.runtime, follow_active_visitors, site)
        assert follower.next() == 0
        live.stop()
        with pytest.raises(Stopping):
            follower.subscription.take()
        assert (live.count, live.questions()) == (0, [])
        with pytest.raises(Unavailable):
            Follower(live, stopped.runtime, follow_active_visitors, site)
        follower.subscription.close()

"""Pages hold still: whatever streams in between them, together they are the list that the first page began."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.settings import Settings
from tests.graphql_schema.lists import LISTS, MIDNIGHT, PERIODS, Json, nth, send, walk
from tests.process import environment, serving
from tests.server import Server

WHERES = [
    None,
    {"path": {"ne": "/p2"}},
    {"property": {"key": "plan", "isSet": True}},
    {"cohort": "…"},
    {"not": {"cohort": "…"}},
]


# Of the day in the periods, of now, and of times behind and ahead of now.
_times = st.one_of(
    st.builds(lambda n: {"ago": None, "timestamp": MIDNIGHT + 600 * n}, st.integers(0, 143)),
    st.just({"ago": None}),
    st.sampled_from([{"ago": seconds} for seconds in (-5000, 30, 1700, 80_000, 2_000_000)]),
)
_what = st.one_of(
    st.builds(lambda n: {"url": f"/p{n}"}, st.integers(0, 12)),
    st.builds(
        lambda n, plan: {
            "url": "/",
            "name": f"event {n}",
            "tag": f"t{n % 3}",
            "data": {"plan": plan, f"p{n}": n},
        },
        st.integers(0, 5),
        st.sampled_from("abcd"),
    ),
    st.builds(
        lambda n, plan: {"type": "identify", "data": {"plan": plan, f"k{n}": n}},
        st.integers(0, 5),
        st.sampled_from("abcd"),
    ),
    st.builds(
        lambda n: {
            "url": f"/p{n}",
            "referrer": ("https://google.com/", "https://t.co/", "https://x.org/")[n % 3],
        },
        st.integers(0, 12),
    ),
)
_hits = st.builds(
    lambda visitor, at, what: {"visitor": visitor, **at, **what}, st.integers(0, 9), _times, _what
)


def cohort(server: Server, website: str) -> str:
    """The id of the website's cohort of those who saw a page that not everybody sees."""
    query = """mutation($w: ID!) { createSegment(websiteId: $w, input: {type: COHORT, name: "c", filters: [
      {field: PATH, operator: CONTAINS, value: "p1"}]}) { id } }"""
    made: str = server.graphql(query, {"w": website})["data"]["createSegment"]["id"]
    return made


def test_every_list_is_walked(live: Server) -> None:
    """By introspection: what can be continued with a cursor below `analytics`."""
    query = """{ __schema { types { name fields { name args { name } type { name ofType { name } } } } } }"""
    types = {one["name"]: one["fields"] or [] for one in live.graphql(query)["data"]["__schema"]["types"]}
    found, waiting, known = set(), ["Analytics"], set()
    while waiting:
        name = waiting.pop()
        known.add(name)
        for field in types[name]:
            if "after" in {argument["name"] for argument in field["args"]}:
                found.add(field["name"])
            below = field["type"]["name"] or field["type"]["ofType"]["name"]
            if below in types and below not in known:
                waiting.append(below)
    assert found == {name for name, _ in LISTS}


@given(
    which=st.sampled_from(sorted(LISTS)),
    period=st.sampled_from(PERIODS),
    where=st.sampled_from(WHERES),
    size=st.one_of(st.integers(1, 4), st.integers(1, 100)),
    before=st.lists(_hits, min_size=1, max_size=40),
    later=st.lists(st.lists(_hits, min_size=1, max_size=8), max_size=12),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)
def test_pages_are_of_one_moment(
    server: Server,
    which: tuple[str, str],
    period: Json,
    where: Json | None,
    size: int,
    before: list[Json],
    later: list[list[Json]],
) -> None:
    """Sessions that come or come back, values that overtake others, hits of any time, behind, within or ahead."""
    website = server.create_website()
    send(server.client, website, [{"visitor": 0, "ago": None, "url": "/p1"}, *before])
    if where and "cohort" in json.dumps(where):
        where = json.loads(json.dumps(where).replace(json.dumps("…"), json.dumps(cohort(server, website))))
    asked = walk(server, website, which, period, where)
    coming = iter(later)
    asked.check(size, lambda: send(server.client, website, next(coming, [])) if later else None)


@pytest.mark.parametrize(("name", "arguments"), sorted(LISTS))
@pytest.mark.parametrize("size", [1, 7])
def test_every_list_holds_still_while_it_changes(
    server: Server, website: str, name: str, arguments: str, size: int
) -> None:
    """What comes between the pages changes the list itself, so holding still is no accident."""
    visitors = range(8)
    plans = [{"plan": plan} for plan in "abcdefgh"]
    send(
        server.client,
        website,
        [
            hit
            for n in visitors
            for hit in (
                {"visitor": n, "ago": 900 - n, "url": f"/p1{n}"},
                {"visitor": n, "ago": 800 - n, "url": f"/{n}", "referrer": "https://google.com/"},
                {
                    "visitor": n,
                    "ago": 700 - n,
                    "url": "/1",
                    "name": f"e1{n}",
                    "data": {f"p{n}": n, **plans[n]},
                },
                {"visitor": n, "ago": 600, "type": "identify", "data": {f"k{n}": n, **plans[n]}},
            )
        ],
    )
    asked = walk(server, website, (name, arguments), {"last": "HOUR"})
    turn = iter(range(1000))

    def stream() -> None:
        n = next(turn) % 8
        who = {"visitor": 7 - n, "ago": None if n % 2 else 500}
        # The walked session is the one with the latest event; the others become later.
        send(
            server.client,
            website,
            [
                {**who, "url": f"/p1{7 - n}"},
                {**who, "url": f"/new1{n}", "referrer": "https://t.co/"},
                {
                    **who,
                    "url": "/1",
                    "name": f"e1{7 - n}",
                    "data": {f"p{7 - n}": 1, f"pp{n}": 1, **plans[7 - n]},
                },
                {**who, "type": "identify", "data": {"plan": "h", f"kk{n}": 1}},
                {"visitor": 0, "ago": 500, "url": f"/1{n}"},
                {"visitor": 0, "ago": 500, "url": f"/1{n}", "name": f"x1{n}"},
                {"visitor": 100 + n, "ago": None, "url": "/1"},
            ],
        )

    before = asked.check(size, stream)
    stream()
    assert asked.whole() != before
    assert len(before) >= (1 if "CHANNEL" in arguments else 3)


@contextmanager
def streaming(hit: Callable[[int], None]) -> Iterator[list[int]]:
    """Hits come without a pause, from two threads. How many have been acknowledged is the length of the list."""
    stop, done, failed = threading.Event(), list[int](), list[BaseException]()

    def run(thread: int) -> None:
        number = thread
        try:
            while not stop.is_set():
                hit(number)
                done.append(number)
                number += 2
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []


STRESSED = [
    ("sessions", ""),
    ("breakdown", "by: [PATH]"),
    ("breakdown", "by: [LANGUAGE, PATH], orderBy: VISITORS"),
    ("propertyValues", ""),
]


def _another(done: list[int]) -> None:
    """Wait until another hit has been acknowledged."""
    sent = len(done)
    limit = time.monotonic() + 60
    while len(done) == sent:
        assert time.monotonic() < limit, "no hits are acknowledged any more"
        time.sleep(0.001)


@pytest.mark.parametrize("which", STRESSED)
def test_pages_hold_still_while_hits_come_at_the_same_time(
    server: Server, website: str, which: tuple[str, str]
) -> None:
    send(server.client, website, [nth(number) for number in range(1000, 1200)])
    asked = walk(server, website, which, {"last": "HOURS_24"})
    with streaming(lambda number: send(server.client, website, [nth(number)])) as done:
        for size in (5, 30):
            assert len(asked.check(size, partial(_another, done))) > 10


def test_pages_hold_still_with_several_processes(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Whichever process answers a page or takes a hit, on PostgreSQL."""
    url: str = request.getfixturevalue("postgres")()
    with serving(environment(tmp_path / "data", url, WORKERS="2"), tmp_path / "log") as process:
        server = Server(process.url, Settings(data_dir=tmp_path), None)
        website = server.create_website()
        send(server.client, website, [nth(number) for number in range(1000, 1200)])

        def come_again() -> None:
            _another(done)
            # By another connection, so that another process may answer.
            server.client.close()
            del server.client

        def hit(number: int) -> None:
            with httpx.Client(base_url=process.url) as client:
                send(client, website, [nth(number)])

        with streaming(hit) as done:
            for which in STRESSED:
                asked = walk(server, website, which, {"last": "HOURS_24"})
                assert len(asked.check(5, come_again)) > 10
        server.client.close()
        assert len(list((tmp_path / "data" / "journal").glob("journal-*.sqlite"))) == 2
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_was_acknowledged_is_on_the_first_page(server: Server, website: str) -> None:
    asked = walk(server, website, ("sessions", ""), {"last": "HOURS_24"})
    for number in range(20):
        send(server.client, website, [{"visitor": number, "ago": None, "url": "/"}])
        [page] = asked.ask((1, None))
        assert (page["totalCount"], page["nodes"][0]["views"]) == (number + 1, 1)

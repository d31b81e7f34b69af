"""Pages hold still: whatever streams in between them, together they are the list that the first page began."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.settings import Settings
from graphql_schema.types import from_cursor, to_cursor
from tests.populate import CHROME, IPHONE, VECTORS, A, Hit, view
from tests.process import environment, serving
from tests.server import Server

Populate = Callable[[str, Iterable[Hit]], list[dict[str, Any]]]
Json = dict[str, Any]

_BREAKDOWN = "values pageviews visitors visits bounces totaltime events share"
_EVENT = "id at type name path sessionId data { key value }"
# Field of `analytics` and arguments beside `first` and `after` → what is asked of a node.
LISTS = {
    ("events", ""): _EVENT,
    ("events", 'search: "1"'): _EVENT,
    ("sessions", ""): "id firstAt lastAt visits views events totaltime browser",
    ("sessions", 'search: "chrome"'): "id lastAt views events",
    ("breakdown", "by: [PATH]"): _BREAKDOWN,
    ("breakdown", 'by: [PATH], search: "1", orderBy: PAGEVIEWS'): _BREAKDOWN,
    ("breakdown", "by: [BROWSER, PATH, LANGUAGE], orderBy: VISITS"): _BREAKDOWN,
    ("breakdown", "by: [LANGUAGE, PATH], orderBy: VISITORS"): _BREAKDOWN,
    ("breakdown", "by: [EVENT, TAG], orderBy: EVENTS"): _BREAKDOWN,
    ("breakdown", "by: [DISTINCT_ID], orderBy: TOTALTIME"): _BREAKDOWN,
    ("breakdown", "by: [ENTRY], orderBy: BOUNCES"): _BREAKDOWN,
    ("breakdown", "by: [EXIT]"): _BREAKDOWN,
    ("breakdown", "by: [CHANNEL]"): _BREAKDOWN,
    ("eventProperties", ""): "event key type count",
    ("eventProperties", 'key: {startsWith: "p"}'): "event key type count",
    ("propertyValues", ""): "key type value count",
    ("propertyValues", 'key: "plan"'): "key type value count",
    ("sessionProperties", ""): "key sessions",
    ("sessionPropertyValues", 'key: "plan"'): "value sessions",
    ("activity", ""): _EVENT,
}
LIST = st.sampled_from(sorted(LISTS))
DAY = {"start": "2026-11-10", "end": "2026-11-10"}
_MIDNIGHT = int(dt.datetime(2026, 11, 10, tzinfo=dt.UTC).timestamp())
PERIODS = [DAY, {"start": "2026-11-10", "end": "2126-11-10"}, {"all": True}] + [
    {"last": name, "timezone": "Asia/Kathmandu"} for name in ("HOUR", "HOURS_24", "DAYS_30", "THIS_YEAR")
]
WHERES = [
    None,
    {"path": {"ne": "/p2"}},
    {"property": {"key": "plan", "isSet": True}},
    {"cohort": "…"},
    {"not": {"cohort": "…"}},
]


@dataclass(frozen=True)
class Walk:
    """One list, asked for page by page."""

    server: Server
    website: str
    name: str
    arguments: str
    period: Json
    where: Json | None = None
    session: str = ""

    def call(self, first: int, after: str | None) -> str:
        arguments = f"first: {first}, after: {json.dumps(after)}, {self.arguments}"
        return f"{self.name}({arguments}) {{ {self.page} }}"

    @property
    def page(self) -> str:
        node = LISTS[self.name, self.arguments]
        count = "" if self.name == "breakdown" else "totalCount"
        return f"nodes {{ {node} }} edges {{ cursor node {{ __typename }} }} {count} pageInfo {{ hasNextPage endCursor }}"

    def ask(self, *calls: tuple[int, str | None]) -> list[Json]:
        """Pages (first, after) of the list, all in one request."""
        fields = " ".join(f"page{number}: {self.call(*call)}" for number, call in enumerate(calls))
        if self.session:
            fields = f'session(id: "{self.session}") {{ {fields} }}'
        query = f"""query($id: ID!, $period: PeriodInput!, $where: EventFilter) {{
          website(id: $id) {{ analytics(period: $period, where: $where) {{ {fields} }} }}
        }}"""
        answer = self.server.graphql(query, {"id": self.website, "period": self.period, "where": self.where})
        assert "errors" not in answer, answer
        found = answer["data"]["website"]["analytics"]
        found = found["session"] if self.session else found
        return [found[f"page{number}"] for number in range(len(calls))]

    def whole(self) -> list[Json]:
        """The list of this moment, the first hundred rows."""
        [page] = self.ask((100, None))
        nodes: list[Json] = page["nodes"]
        return nodes

    def check(self, size: int, between: Callable[[], Any]) -> list[Json]:
        """Fetch all pages with something happening between them; they are the list of the first page. Answers it."""
        whole, page = self.ask((100, None), (size, None))
        assert not whole["pageInfo"]["hasNextPage"]
        rows: list[Json] = whole["nodes"]
        assert len({json.dumps(row) for row in rows}) == len(rows)
        seen: list[Json] = []
        while True:
            assert len(page["edges"]) == len(page["nodes"]) == min(size, len(rows) - len(seen))
            seen += page["nodes"]
            assert seen == rows[: len(seen)]
            assert page.get("totalCount", len(rows)) == len(rows)
            assert page["pageInfo"] == {
                "hasNextPage": len(seen) < len(rows),
                "endCursor": page["edges"][-1]["cursor"] if rows else None,
            }
            if not page["pageInfo"]["hasNextPage"]:
                break
            between()
            [page] = self.ask((size, page["pageInfo"]["endCursor"]))
        assert seen == rows
        if rows:
            # A cursor amid a page is as good as its last.
            between()
            middle = len(rows) // 2
            [page] = self.ask((100, whole["edges"][middle]["cursor"]))
            assert page["nodes"] == rows[middle + 1 :]
        return rows


def send(client: httpx.Client, website: str, hits: Iterable[Json]) -> None:
    """Send hits at once, in order: payloads with `visitor`, a number, and `ago`, how many seconds, None for now."""
    bodies = []
    for hit in hits:
        given = dict(hit)
        visitor, ago, kind = given.pop("visitor"), given.pop("ago"), given.pop("type", "event")
        who = {
            "ip": "8.8.8.8",
            "id": f"v{visitor}",
            "userAgent": (CHROME, IPHONE)[visitor % 2],
            "language": ("de", "en", "fr")[visitor % 3],
        }
        when = {} if ago is None else {"timestamp": int(time.time()) - ago}
        bodies.append({"type": kind, "payload": {"website": website, **who, **when, **given}})
    answer = client.post("/api/batch", json=bodies)
    assert answer.status_code == 200, answer.text
    assert answer.json()["errors"] == 0, answer.text


# Of the day in the periods, of now, and of times behind and ahead of now.
_times = st.one_of(
    st.builds(lambda n: {"ago": None, "timestamp": _MIDNIGHT + 600 * n}, st.integers(0, 143)),
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


def session_of(server: Server, website: str) -> str:
    """The id of some session of the website."""
    query = f'{{ website(id: "{website}") {{ analytics(period: {{all: true}}) {{ sessions(first: 1) {{ nodes {{ id }} }} }} }} }}'
    [node] = server.graphql(query)["data"]["website"]["analytics"]["sessions"]["nodes"]
    found: str = node["id"]
    return found


def walk(
    server: Server, website: str, which: tuple[str, str], period: Json, where: Json | None = None
) -> Walk:
    session = session_of(server, website) if which[0] == "activity" else ""
    return Walk(server, website, *which, period, where, session)


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
    which=LIST,
    period=st.sampled_from(PERIODS),
    where=st.sampled_from(WHERES),
    size=st.one_of(st.integers(1, 4), st.integers(1, 100)),
    before=st.lists(_hits, min_size=1, max_size=40),
    later=st.lists(st.lists(_hits, min_size=1, max_size=8), max_size=12),
)
@settings(
    max_examples=80,
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
    streaming = iter(later)
    asked.check(size, lambda: send(server.client, website, next(streaming, [])) if later else None)


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


def _nth(number: int) -> Json:
    """A visitor who is new or comes back, and a page that is new or overtakes another."""
    hit = {
        "visitor": number * number % 61,
        "ago": (None, None, 40, 90)[number % 4],
        "url": f"/p{number * number % 53}",
    }
    return {**hit, "name": "bought", "data": {"plan": f"{number % 17}"}} if number % 5 == 0 else hit


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
    send(server.client, website, [_nth(number) for number in range(1000, 1200)])
    asked = walk(server, website, which, {"last": "HOURS_24"})
    with streaming(lambda number: send(server.client, website, [_nth(number)])) as done:
        for size in (2, 9, 30):
            assert len(asked.check(size, partial(_another, done))) > 10


def test_pages_hold_still_with_several_processes(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Whichever process answers a page or takes a hit, on PostgreSQL."""
    url: str = request.getfixturevalue("postgres")()
    with serving(environment(tmp_path / "data", url, WORKERS="3"), tmp_path / "log") as process:
        server = Server(process.url, Settings(data_dir=tmp_path), None)
        website = server.create_website()
        send(server.client, website, [_nth(number) for number in range(1000, 1200)])

        def come_again() -> None:
            _another(done)
            # By another connection, so that another process may answer.
            server.client.close()
            del server.client

        def hit(number: int) -> None:
            with httpx.Client(base_url=process.url) as client:
                send(client, website, [_nth(number)])

        with streaming(hit) as done:
            for which in STRESSED:
                asked = walk(server, website, which, {"last": "HOURS_24"})
                assert len(asked.check(5, come_again)) > 10
        server.client.close()
        assert len(list((tmp_path / "data" / "journal").glob("journal-*.sqlite"))) == 3
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_was_acknowledged_is_on_the_first_page(server: Server, website: str) -> None:
    asked = walk(server, website, ("sessions", ""), {"last": "HOURS_24"})
    for number in range(20):
        send(server.client, website, [{"visitor": number, "ago": None, "url": "/"}])
        [page] = asked.ask((1, None))
        assert (page["totalCount"], page["nodes"][0]["views"]) == (number + 1, 1)


def test_an_empty_list(server: Server, website: str) -> None:
    asked = Walk(server, website, "sessions", "", DAY)
    empty = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}}
    assert asked.ask((1, None), (100, None)) == [empty, empty]


@pytest.mark.parametrize(
    ("size", "pages"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (4, [3]), (100, [3])], ids=str
)
@pytest.mark.parametrize("name", ["sessions", "events"])
def test_sizes_of_pages(
    server: Server, website: str, populate: Populate, name: str, size: int, pages: list[int]
) -> None:
    populate(website, [view(A, f"2026-11-10 1{n}:00:00", id=f"v{n}") for n in range(3)])
    asked = Walk(server, website, name, "", DAY)
    found, after, more = [], None, True
    while more:
        [page] = asked.ask((size, after))
        found.append(len(page["nodes"]))
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert found == pages
    [behind] = asked.ask((size, after))
    assert behind["nodes"] == behind["edges"] == []
    assert behind["totalCount"] == 3
    assert behind["pageInfo"] == {"hasNextPage": False, "endCursor": None}


def test_a_relative_period_is_that_of_the_first_page(server: Server, website: str) -> None:
    """Who comes back to a page an hour later goes on in the hour it was, down to its first instant."""
    send(server.client, website, [{"visitor": n, "ago": 3590 + n, "url": "/"} for n in range(20)])
    asked = walk(server, website, ("sessions", ""), {"last": "HOUR"})
    now = asked.whole()
    [whole] = walk(server, website, ("sessions", ""), {"last": "HOURS_24"}).ask((100, None))
    name, at, write, *_ = from_cursor(whole["edges"][0]["cursor"], (str, int, int, str, str))
    first = (whole["nodes"][0]["lastAt"], whole["nodes"][0]["id"])
    [then] = asked.ask((100, to_cursor(name, at - 60_000, write, *first)))
    assert len(now) < 11
    assert then["totalCount"] == 20
    assert then["nodes"] == whole["nodes"][1:]
    [before] = asked.ask((100, to_cursor(name, at - 4_000_000, write, *first)))
    assert (before["nodes"], before["totalCount"]) == ([], 0)


def test_a_cursor_outlives_a_reset(server: Server, website: str) -> None:
    """Of the list that it is of nothing is left, and what came since was never in it."""
    send(server.client, website, [{"visitor": n, "ago": 10, "url": f"/{n}"} for n in range(5)])
    lists = [walk(server, website, (name, ""), {"last": "HOURS_24"}) for name in ("sessions", "events")]
    cursors = [asked.ask((2, None))[0]["pageInfo"]["endCursor"] for asked in lists]
    reset = server.graphql("mutation($id: ID!) { resetWebsite(id: $id) { resetAt } }", {"id": website})
    assert "errors" not in reset
    send(server.client, website, [{"visitor": n, "ago": None, "url": f"/{n}"} for n in range(5)])
    empty = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}}
    for asked, cursor in zip(lists, cursors, strict=True):
        assert asked.ask((2, cursor)) == [empty]
        assert len(asked.whole()) == 5


def test_lists_of_one_question_are_of_one_moment(server: Server, website: str, populate: Populate) -> None:
    """Which is asked for once, where any of them begins, and stands in the cursors then."""
    populate(website, VECTORS)
    assert len(Walk(server, website, "events", "", {"all": True}).whole()) == 9  # the writer is done
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT coalesce(max(applied_batch"):
            seen.append(statement)

    moments = []
    fields = """sessions(first: 1, after: $a) { edges { cursor } } events(first: 1) { edges { cursor } }
      breakdown(by: [PATH], first: 1) { edges { cursor } }"""
    query = "query($id: ID!, $a: String) { website(id: $id) { analytics(period: {all: true}) { %s } } }"
    engine = server.runtime.events.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        answer = server.graphql(query % fields, {"id": website})
        for found in answer["data"]["website"]["analytics"].values():
            cursor = found["edges"][0]["cursor"]
            moments.append(json.loads(base64.urlsafe_b64decode(cursor + "==="))[1:3])
        assert len(seen) == 1
        assert moments == [moments[0]] * 3
        after = answer["data"]["website"]["analytics"]["sessions"]["edges"][0]["cursor"]
        only = "sessions(first: 1, after: $a) { nodes { id } totalCount }"
        assert server.graphql(query % only, {"id": website, "a": after})["data"]
        assert len(seen) == 1
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("which", sorted(LISTS))
def test_cursors_of_other_lists_are_refused(
    server: Server, website: str, populate: Populate, which: tuple[str, str]
) -> None:
    populate(website, VECTORS)
    cursors = {}
    for other in LISTS:
        [page] = walk(server, website, other, {"all": True}).ask((1, None))
        cursors[other] = page["pageInfo"]["endCursor"]
    asked = walk(server, website, which, {"all": True})
    for other, cursor in cursors.items():
        same = other[0] == which[0] and (which[0] != "breakdown" or _order(other[1]) == _order(which[1]))
        if cursor is not None and not same:
            assert refusal(asked, cursor) == ["invalid"]


def _order(arguments: str) -> tuple[str, ...]:
    """What the cursors of a breakdown are bound to."""
    by = arguments.partition("]")[0]
    return by, arguments.rpartition("orderBy: ")[2] if "orderBy" in arguments else "VISITORS"


def refusal(asked: Walk, cursor: str) -> list[str]:
    """The codes of the errors that a cursor meets: none, or one that names it and says no more."""
    query = """query($id: ID!, $period: PeriodInput!, $after: String) { website(id: $id) { analytics(period: $period) {
      sessionTotals { hits } %s
    } } }"""
    call = f"{asked.name}(first: 3, after: $after, {asked.arguments}) {{ {asked.page} }}"
    fields = f'session(id: "{asked.session}") {{ {call} }}' if asked.session else call
    answer = asked.server.client.post(
        "/graphql",
        content=json.dumps(
            {
                "query": query % fields,
                "variables": {"id": asked.website, "period": asked.period, "after": cursor},
            }
        ),
        headers={**asked.server.admin, "content-type": "application/json"},
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["data"]["website"]["analytics"]["sessionTotals"] is not None
    for error in body.get("errors", []):
        assert error["message"] == "This cursor does not belong to this connection"
        assert error["extensions"] == {"code": "invalid", "status": 400, "field": "after"}
    return [error["extensions"]["code"] for error in body.get("errors", [])]


_parts = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 3000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00", "2026-11-10", "2026-W46-2", "\ud800"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)


@given(
    which=LIST,
    changes=st.lists(st.tuples(st.integers(0, 8), _parts), min_size=1, max_size=3),
    period=st.sampled_from(PERIODS),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_forged_cursors(
    server: Server, vectors: str, which: tuple[str, str], changes: list[tuple[int, Any]], period: Json
) -> None:
    """A cursor with other parts is refused, or taken for one if it could be."""
    [page] = walk(server, vectors, which, {"all": True}).ask((1, None))
    if page["pageInfo"]["endCursor"] is None:
        return
    parts = json.loads(base64.urlsafe_b64decode(page["pageInfo"]["endCursor"] + "==="))
    for place, part in changes:
        parts[place : place + 1] = [part]
    forged = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
    asked = walk(server, vectors, which, period)
    assert refusal(asked, forged) in ([], ["invalid"])


@given(which=LIST, place=st.integers(0, 60), char=st.characters(codec="utf-8"), cut=st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_cursors(
    server: Server, vectors: str, which: tuple[str, str], place: int, char: str, cut: bool
) -> None:
    asked = walk(server, vectors, which, {"all": True})
    [page] = asked.ask((1, None))
    cursor = page["pageInfo"]["endCursor"] or ""
    broken = cursor[:place] if cut else cursor[:place] + char + cursor[place + 1 :]
    assert refusal(asked, broken) in ([], ["invalid"])


@pytest.fixture(scope="module")
def vectors(server: Server) -> str:
    """A website with a few events of now, of which nothing changes."""
    website = server.create_website()
    send(server.client, website, [_nth(number) for number in range(1000, 1010)])
    send(server.client, website, [{"visitor": 1, "ago": None, "type": "identify", "data": {"plan": "a"}}])
    return website

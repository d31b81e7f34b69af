"""Sessions, their properties and the live view through GraphQL, on every store."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from graphql_schema.types import to_cursor
from tests.graphql_schema.test_events import statements
from tests.populate import VECTORS, A, B, C, Hit, Visitor, happening, identification, view
from tests.server import Server

Populate = Callable[[str, Iterable[Hit]], list[dict[str, Any]]]
PERIOD = {"start": "2026-11-10T00:00:00Z", "end": "2026-11-11T23:59:59Z"}
NOBODY = "00000000-0000-4000-8000-000000000000"


class Site:
    """A website with some hits, and the ids of its visitors' sessions."""

    def __init__(self, server: Server, website: str, populate: Populate, hits: Iterable[Hit]) -> None:
        self.server = server
        self.id = website
        hits = list(hits)
        answers = populate(website, hits)
        self.sessions: dict[Visitor, str] = {
            hit.visitor: answer["sessionId"] for hit, answer in zip(hits, answers, strict=True)
        }

    def answer(self, fields: str, where: Any = None, period: Any = PERIOD) -> dict[str, Any]:
        query = f"""query($id: ID!, $period: PeriodInput!, $where: EventFilter) {{
          website(id: $id) {{ analytics(period: $period, where: $where) {{ {fields} }} }}
        }}"""
        return self.server.graphql(query, {"id": self.id, "period": period, "where": where})

    def ask(self, fields: str, where: Any = None, period: Any = PERIOD) -> Any:
        answer = self.answer(fields, where, period)
        assert "errors" not in answer, answer
        return answer["data"]["website"]["analytics"]

    def refused(self, fields: str) -> tuple[str, str | None]:
        """(code, field) of the one error; the field that failed is null and its sibling is not."""
        answer = self.answer(f"{fields} totals {{ pageviews {{ value }} }}")
        [error] = answer["errors"]
        found = answer["data"]["website"]["analytics"]
        assert found.pop("totals") is not None
        return error["extensions"]["code"], error["extensions"].get("field")


@pytest.fixture
def site(server: Server, website: str, populate: Populate) -> Site:
    return Site(server, website, populate, VECTORS)


SESSION = """
  id firstAt lastAt visits views events totaltime
  distinctId browser os device screen language country region city hostname
"""


def told(site: Site, visitor: Visitor, first: str, last: str, *figures: int) -> dict[str, Any]:
    """All fields of a session; `figures` are visits, views, events and seconds."""
    known = {A: ("chrome", "Windows 10", "desktop"), B: ("ios", "iOS", "mobile")}
    browser, os, device = known.get(visitor, ("chrome", "Android OS", "mobile"))
    return {
        "id": site.sessions[visitor],
        "firstAt": f"2026-11-{first}.000Z",
        "lastAt": f"2026-11-{last}.000Z",
        **dict(zip(("visits", "views", "events", "totaltime"), figures, strict=True)),
        "distinctId": None,
        "browser": browser,
        "os": os,
        "device": device,
        "screen": visitor.screen,
        "language": visitor.language,
        "country": visitor.country,
        "region": f"{visitor.country}-{visitor.region}",
        "city": visitor.city,
        "hostname": "example.com",
    }


def test_the_list(site: Site) -> None:
    found = site.ask(f"sessions {{ nodes {{ {SESSION} }} totalCount pageInfo {{ hasNextPage }} }}")
    assert found["sessions"] == {
        "nodes": [
            told(site, C, "10T11:00:00", "11T09:00:30", 2, 3, 1, 90),
            told(site, B, "10T10:30:00", "10T10:30:00", 1, 1, 0, 0),
            told(site, A, "10T10:00:00", "10T10:10:00", 1, 2, 2, 600),
        ],
        "totalCount": 3,
        "pageInfo": {"hasNextPage": False},
    }


@pytest.mark.parametrize(
    ("arguments", "where", "expected"),
    [
        ('(search: "BERL")', None, [B]),
        ('(search: "mobile")', None, [C, B]),
        ('(search: "%")', None, []),
        ('(search: "")', None, [C, B, A]),
        ("", {"country": {"eq": "US"}}, [C, A]),
        ("", {"path": {"eq": "/pricing"}}, [C, A]),
        ("", {"event": {"eq": "signup"}}, [A]),
        ('(search: "windows")', {"event": {"eq": "purchase"}}, [A]),
        ("", {"property": {"key": "plan", "eq": "pro"}}, [A]),
    ],
)
def test_searches_and_filters(site: Site, arguments: str, where: Any, expected: list[Visitor]) -> None:
    found = site.ask(f"sessions{arguments} {{ nodes {{ id }} totalCount }}", where)["sessions"]
    assert [node["id"] for node in found["nodes"]] == [site.sessions[visitor] for visitor in expected]
    assert found["totalCount"] == len(expected)


def test_figures_are_of_the_events_that_match(site: Site) -> None:
    [found] = site.ask(
        f"sessions {{ nodes {{ {SESSION} }} }}", {"event": {"eq": "purchase"}, "os": {"eq": "Windows 10"}}
    )["sessions"]["nodes"]
    assert found == told(site, A, "10T10:10:00", "10T10:10:00", 1, 0, 1, 0)
    [found] = site.ask(
        f"sessions {{ nodes {{ {SESSION} }} }}", period={"start": "2026-11-11", "end": "2026-11-11"}
    )["sessions"]["nodes"]
    assert found == told(site, C, "11T09:00:00", "11T09:00:30", 1, 1, 1, 30)


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_join_to_the_whole(site: Site, page: int) -> None:
    seen: list[str] = []
    more, cursor = True, "null"
    while more:
        found = site.ask(
            f"sessions(first: {page}, after: {cursor}) "
            "{ nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } }"
        )["sessions"]
        assert [edge["node"] for edge in found["edges"]] == found["nodes"]
        assert found["pageInfo"]["endCursor"] == found["edges"][-1]["cursor"]
        seen += [node["id"] for node in found["nodes"]]
        more, cursor = found["pageInfo"]["hasNextPage"], f'"{found["pageInfo"]["endCursor"]}"'
    assert seen == [site.sessions[visitor] for visitor in (C, B, A)]


def test_a_page_holds_still_while_sessions_come(server: Server, website: str, populate: Populate) -> None:
    site = Site(server, website, populate, VECTORS)
    first = site.ask("sessions(first: 1) { nodes { id } pageInfo { endCursor } }")["sessions"]
    # A comes back and is the latest now; who follows C is who followed it.
    populate(website, [view(A, "2026-11-11 12:00:00")])
    after = f'sessions(first: 1, after: "{first["pageInfo"]["endCursor"]}") {{ nodes {{ id }} }}'
    assert first["nodes"] == [{"id": site.sessions[C]}]
    assert site.ask(after)["sessions"]["nodes"] == [{"id": site.sessions[B]}]


AT = "2026-11-10T10:00:00+00:00"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("sessions(first: 0) { totalCount }", ("invalid", "first")),
        ("sessions(first: 101) { totalCount }", ("invalid", "first")),
        ('sessions(search: "\\u0000") { totalCount }', ("invalid", "search")),
        ('sessions(after: "nonsense") { nodes { id } }', ("invalid", "after")),
        (f'sessions(after: "{to_cursor("sessions", 0, 9, AT)}") {{ nodes {{ id }} }}', ("invalid", "after")),
        (
            f'sessions(after: "{to_cursor("sessions", 0, 9, AT, "x")}") {{ nodes {{ id }} }}',
            ("invalid", "after"),
        ),
        (
            f'sessions(after: "{to_cursor("sessions", 0, 9, "x", NOBODY)}") {{ nodes {{ id }} }}',
            ("invalid", "after"),
        ),
        (
            f'sessions(after: "{to_cursor("sessions", 0, 9, 1, NOBODY)}") {{ nodes {{ id }} }}',
            ("invalid", "after"),
        ),
        ('session(id: "nonsense") { id }', ("not-found", None)),
        ('session(id: "") { id }', ("not-found", None)),
        (f'session(id: "{NOBODY}") {{ summary {{ id }} }}', ("not-found", None)),
        (f'session(id: "{NOBODY}") {{ activity(first: 0) {{ totalCount }} }}', ("invalid", "first")),
        (
            f'session(id: "{NOBODY}") {{ activity(after: "{to_cursor(f"activity {NOBODY}", 0, 9, AT, "x")}") {{ totalCount }} }}',
            ("invalid", "after"),
        ),
        (
            f'sessionProperties(after: "{to_cursor("sessionProperties", 0, 9, "x", 1)}") {{ nodes {{ key }} }}',
            ("invalid", "after"),
        ),
        ('sessionPropertyValues(key: "\\u0000") { totalCount }', ("invalid", "key")),
        ('sessionPropertyValues(key: "a", first: 500) { totalCount }', ("invalid", "first")),
    ],
)
def test_what_is_refused(site: Site, fields: str, expected: tuple[str, str | None]) -> None:
    assert site.refused(fields) == expected


def test_one_session(site: Site) -> None:
    fields = f"""session(id: "{site.sessions[A]}") {{
      id summary {{ {SESSION} }}
      activity(first: 3) {{
        nodes {{ at type name path referrer {{ domain }} data {{ key value }} }} totalCount pageInfo {{ hasNextPage }}
      }}
      properties {{ key type value number date setAt }}
    }}"""
    found = site.ask(fields)["session"]
    assert found["id"] == site.sessions[A]
    assert found["summary"] == told(site, A, "10T10:00:00", "10T10:10:00", 1, 2, 2, 600)
    purchase, signup, pricing = found["activity"].pop("nodes")
    assert found["activity"] == {"totalCount": 4, "pageInfo": {"hasNextPage": True}}
    assert purchase == {
        "at": "2026-11-10T10:10:00.000Z",
        "type": "CUSTOM",
        "name": "purchase",
        "path": "/pricing",
        "referrer": None,
        "data": [{"key": "currency", "value": "USD"}, {"key": "revenue", "value": "19.9900"}],
    }
    assert (signup["name"], len(signup["data"])) == ("signup", 11)
    assert (pricing["type"], pricing["referrer"], pricing["data"]) == (
        "PAGEVIEW",
        {"domain": "example.com"},
        [],
    )
    first, second = (f"2026-11-10T10:{minute}:00.000Z" for minute in (20, 21))
    since = "2024-01-02T03:04:05.000Z"
    names = ("key", "type", "value", "number", "date", "setAt")
    assert [tuple(one[name] for name in names) for one in found["properties"]] == [
        ("age", "NUMBER", "34.0000", 34.0, None, second),
        ("email", "STRING", "a@b.c", None, None, first),
        ("since", "DATE", since, None, since, first),
        ("vip", "BOOLEAN", "true", None, None, first),
    ]


def test_a_session_within_a_period_and_filter(site: Site) -> None:
    fields = f"""session(id: "{site.sessions[C].upper()}") {{
      summary {{ visits views events totaltime }} activity {{ nodes {{ at }} totalCount }}
    }}"""
    day = {"start": "2026-11-10", "end": "2026-11-10"}
    found = site.ask(fields, {"path": {"eq": "/"}}, day)["session"]
    assert found == {
        "summary": {"visits": 1, "views": 1, "events": 0, "totaltime": 0},
        "activity": {"nodes": [{"at": "2026-11-10T11:00:00.000Z"}], "totalCount": 1},
    }
    everything = site.ask(fields, None, {"all": True})["session"]
    assert everything["summary"] == {"visits": 2, "views": 3, "events": 1, "totaltime": 90}
    assert everything["activity"]["totalCount"] == 4


@pytest.mark.parametrize("page", [1, 2, 5])
def test_pages_of_an_activity_join_to_the_whole(site: Site, page: int) -> None:
    seen: list[str] = []
    more, cursor = True, "null"
    while more:
        found = site.ask(
            f'session(id: "{site.sessions[A]}") {{ activity(first: {page}, after: {cursor}) '
            "{ nodes { at } pageInfo { hasNextPage endCursor } } }"
        )["session"]["activity"]
        seen += [node["at"] for node in found["nodes"]]
        more, cursor = found["pageInfo"]["hasNextPage"], f'"{found["pageInfo"]["endCursor"]}"'
    assert seen == [f"2026-11-10T10:{minute}:00.000Z" for minute in ("10", "05", "02", "00")]


def test_a_session_that_only_identified_itself(server: Server, website: str, populate: Populate) -> None:
    site = Site(server, website, populate, [identification(A, "2026-11-10 10:00:00", {"plan": "pro"})])
    answer = site.answer(f'session(id: "{site.sessions[A]}") {{ summary {{ id }} properties {{ key }} }}')
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["not-found"]
    assert answer["data"]["website"]["analytics"]["session"] == {
        "summary": None,
        "properties": [{"key": "plan"}],
    }


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, (9, 3, 4, 2, 3)),
        ({"country": {"eq": "US"}}, (8, 2, 3, 1, 3)),
        ({"event": {"eq": "purchase"}}, (2, 2, 2, 1, 2)),
        ({"city": {"eq": "Nowhere"}}, (0, 0, 0, 0, 0)),
    ],
)
def test_totals(site: Site, where: Any, expected: tuple[int, ...]) -> None:
    names = ("hits", "visitors", "visits", "countries", "events")
    found = site.ask(f"sessionTotals {{ {' '.join(names)} }}", where)["sessionTotals"]
    assert found == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [
        ("UTC", {(2, 10): 2, (2, 11): 1, (3, 9): 1}),
        ("Asia/Kathmandu", {(2, 15): 1, (2, 16): 2, (3, 14): 1}),
    ],
)
def test_hours_of_the_week(site: Site, timezone: str, expected: dict[tuple[int, int], int]) -> None:
    week = site.ask("weekdayHours", period={**PERIOD, "timezone": timezone})["weekdayHours"]
    assert [len(day) for day in week] == [24] * 7
    assert {(d, h): n for d, day in enumerate(week) for h, n in enumerate(day) if n} == expected


def test_properties_of_many_sessions(server: Server, website: str, populate: Populate) -> None:
    when = "2026-11-10 10:00:00"
    site = Site(
        server,
        website,
        populate,
        [
            *(view(visitor, when) for visitor in (A, B, C)),
            identification(A, when, {"plan": "pro", "n": 3, "a": 1}),
            identification(B, when, {"plan": "free", "n": "3", "a": 1}),
            identification(C, when, {"plan": "free", "a": 2}),
        ],
    )
    rows = [("a", 3), ("plan", 3), ("n", 2)]
    found = site.ask("sessionProperties { nodes { key sessions } totalCount }")["sessionProperties"]
    assert [(node["key"], node["sessions"]) for node in found["nodes"]] == rows
    assert found["totalCount"] == 3
    page = site.ask("sessionProperties(first: 1) { pageInfo { hasNextPage endCursor } }")["sessionProperties"]
    after = f'sessionProperties(after: "{page["pageInfo"]["endCursor"]}") {{ nodes {{ key }} }}'
    assert page["pageInfo"]["hasNextPage"]
    assert site.ask(after)["sessionProperties"]["nodes"] == [{"key": "plan"}, {"key": "n"}]

    def values(key: str, where: Any = None, first: int = 10) -> list[tuple[str, int]]:
        fields = (
            f'sessionPropertyValues(key: "{key}", first: {first}) {{ nodes {{ value sessions }} totalCount }}'
        )
        found = site.ask(fields, where)["sessionPropertyValues"]
        assert found["totalCount"] >= len(found["nodes"])
        return [(node["value"], node["sessions"]) for node in found["nodes"]]

    assert values("plan") == [("free", 2), ("pro", 1)]
    assert values("plan", first=1) == [("free", 2)]
    assert values("n") == [("3", 2)]
    # A filter chooses sessions by what they did.
    assert values("plan", {"country": {"eq": "DE"}}) == [("free", 1)]
    assert values("none") == []


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ("sessions { totalCount }", 1),
        ("sessions { __typename }", 0),
        # The page, and its sessions as a whole.
        ("sessions { nodes { id } }", 2),
        ("sessions { nodes { id } totalCount }", 3),
        ('sessions(search: "nobody") { nodes { id } }', 1),
        ('session(id: "SESSION") { id }', 0),
        ('session(id: "SESSION") { summary { id } }', 1),
        ('session(id: "SESSION") { activity { totalCount } }', 1),
        ('session(id: "SESSION") { activity { nodes { at } } }', 1),
        ('session(id: "SESSION") { activity { edges { node { data { key } } } } }', 2),
        ('session(id: "SESSION") { properties { key } }', 1),
        ("sessionProperties { totalCount }", 1),
        ("sessionProperties { nodes { key } }", 1),
        ('sessionPropertyValues(key: "age") { nodes { value } totalCount }', 2),
        ("sessionTotals { hits }", 2),
        ("weekdayHours", 1),
    ],
)
def test_only_what_is_selected_is_computed(site: Site, fields: str, count: int) -> None:
    site.ask("totals { pageviews { value } }")
    with statements(site.server) as seen:
        site.ask(fields.replace("SESSION", site.sessions[A]))
    assert len(seen) == count


REALTIME = """
  start end countries { value count } paths { value count } referrers { value count }
  entries { kind event { name path sessionId data { key value } } }
  series { at pageviews visitors } totals { pageviews visitors events countries }
"""


def live(server: Server, website: str, fields: str, arguments: str = "") -> Any:
    answer = server.graphql(f'{{ website(id: "{website}") {{ realtime{arguments} {{ {fields} }} }} }}')
    assert "errors" not in answer, answer
    return answer["data"]["website"]["realtime"]


def ago(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(time.time() - seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"


def test_realtime(server: Server, website: str, populate: Populate) -> None:
    site = Site(
        server,
        website,
        populate,
        [
            view(A, ago(2000), "/old"),
            view(A, ago(300), "/", referrer="https://t.co/x"),
            happening(A, ago(200), "/b", "click", {"n": 1}),
            view(B, ago(100), "/b"),
        ],
    )
    found = live(server, website, REALTIME)
    assert [(one["kind"], one["event"]["path"], one["event"]["name"]) for one in found["entries"]] == [
        ("PAGEVIEW", "/b", None),
        ("SESSION", "/b", None),
        ("EVENT", "/b", "click"),
        ("PAGEVIEW", "/", None),
        ("SESSION", "/", None),
    ]
    sessions = [one["event"]["sessionId"] for one in found["entries"]]
    assert sessions == [site.sessions[visitor] for visitor in (B, B, A, A, A)]
    assert [one["event"]["data"] for one in found["entries"]] == [
        [],
        [],
        [{"key": "n", "value": "1.0000"}],
        [],
        [],
    ]
    assert found["countries"] == [{"value": "US", "count": 1}, {"value": "DE", "count": 1}]
    assert found["paths"] == [{"value": "/", "count": 1}, {"value": "/b", "count": 2}]
    assert found["referrers"] == [{"value": "t.co", "count": 1}]
    assert found["totals"] == {"pageviews": 2, "visitors": 2, "events": 1, "countries": 2}
    start, end = (dt.datetime.fromisoformat(found[name]) for name in ("start", "end"))
    assert start == end.replace(second=0, microsecond=0) - dt.timedelta(minutes=30)
    series = found["series"]
    minutes = [start + dt.timedelta(minutes=n) for n in range(31)]
    assert series["at"] == [f"{minute:%Y-%m-%dT%H:%M:00}" for minute in minutes]
    assert sum(series["pageviews"]) == sum(series["visitors"]) == 2


def test_minutes_of_a_time_zone(server: Server, website: str) -> None:
    found = live(server, website, "start series { at }", '(timezone: "asia/kolkata")')
    local = dt.datetime.fromisoformat(found["start"]) + dt.timedelta(hours=5, minutes=30)
    assert found["series"]["at"][0] == f"{local:%Y-%m-%dT%H:%M:00}"
    query = f'{{ website(id: "{website}") {{ name realtime(timezone: "Nowhere") {{ start }} }} }}'
    answer = server.graphql(query)
    assert answer["data"]["website"] == {"name": "Example", "realtime": None}
    [error] = answer["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("invalid", "timezone")


def test_data_of_the_live_view_is_looked_up_only_if_asked_for(
    server: Server, website: str, populate: Populate
) -> None:
    populate(website, [happening(A, ago(10), "/", "click", {"n": 1})])
    live(server, website, "start")
    for fields, count in (("entries { event { name } }", 2), ("entries { event { data { key } } }", 3)):
        with statements(server) as seen:
            live(server, website, fields)
        assert (fields, len(seen)) == (fields, count)


def test_a_share_link_reads_sessions(server: Server, website: str, populate: Populate) -> None:
    site = Site(server, website, populate, VECTORS)
    slug = website.replace("-", "")[:16]
    changed = server.client.post(f"/api/websites/{website}", json={"shareId": slug}, headers=server.admin)
    assert changed.status_code == 200
    query = f"""query($period: PeriodInput!) {{ share(slug: "{slug}") {{ website {{
      realtime {{ totals {{ pageviews }} }}
      analytics(period: $period) {{
        sessions {{ totalCount }} session(id: "{site.sessions[A]}") {{ summary {{ city }} properties {{ key }} }}
      }}
    }} }} }}"""
    found = server.graphql(query, {"period": PERIOD}, headers={})
    assert "errors" not in found, found
    shared = found["data"]["share"]["website"]
    assert shared["realtime"] == {"totals": {"pageviews": 0}}
    assert shared["analytics"]["sessions"] == {"totalCount": 3}
    assert shared["analytics"]["session"]["summary"] == {"city": "San Jose"}
    assert len(shared["analytics"]["session"]["properties"]) == 4

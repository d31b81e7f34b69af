"""Sessions and session data over REST, on both stores (Umami v2 REST behaviour §3.8, and the data set of §6.3)."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from tests.populate import (
    IPHONE,
    VECTORS,
    A,
    B,
    C,
    Visitor,
    happening,
    identification,
    populate,
    view,
)
from tests.rest_compat.people import Headers
from tests.server import Server


def ms(at: str) -> int:
    """A UTC instant (`YYYY-MM-DD HH:MM:SS`) in ms since 1970."""
    return int(dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC).timestamp() * 1000)


RANGE = {"startAt": ms("2026-11-10 00:00:00"), "endAt": ms("2026-11-11 23:59:59")}
SECOND_DAY = {"startAt": ms("2026-11-11 00:00:00"), "endAt": RANGE["endAt"]}
NOBODY = "00000000-0000-4000-8000-000000000000"


class Site:
    """A website with the conformance data, and the ids of its visitors' sessions."""

    def __init__(self, server: Server, hits: Any = VECTORS) -> None:
        self.server = server
        self.id = server.create_website("Sessions")
        answers = populate(server, self.id, hits)
        self.sessions = {hit.visitor: answer["sessionId"] for hit, answer in zip(hits, answers, strict=True)}

    def get(self, route: str, **params: Any) -> Any:
        return self.server.get(f"/api/websites/{self.id}/{route}", **params)

    def status(self, route: str, headers: Headers | None = None, **params: Any) -> tuple[int, Any]:
        chosen = self.server.admin if headers is None else headers
        answer = self.server.client.get(f"/api/websites/{self.id}/{route}", params=params, headers=chosen)
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def vectors(server: Server) -> Site:
    return Site(server)


def row(site: Site, visitor: Visitor, **more: Any) -> dict[str, Any]:
    known = {A: ("chrome", "Windows 10", "desktop"), B: ("ios", "iOS", "mobile")}
    browser, os, device = known.get(visitor, ("chrome", "Android OS", "mobile"))
    return {
        "id": site.sessions[visitor],
        "websiteId": site.id,
        "hostname": "example.com",
        "browser": browser,
        "os": os,
        "device": device,
        "screen": visitor.screen,
        "language": visitor.language,
        "country": visitor.country,
        "region": f"{visitor.country}-{visitor.region}",
        "city": visitor.city,
        **more,
    }


def times(first: str, last: str) -> dict[str, str]:
    """`firstAt`, `lastAt` and what is the same, `createdAt`."""
    first, last = (f"2026-11-{text.replace(' ', 'T')}.000Z" for text in (first, last))
    return {"firstAt": first, "lastAt": last, "createdAt": last}


def test_the_list(vectors: Site) -> None:
    assert vectors.get("sessions", **RANGE) == {
        "data": [
            row(vectors, C, **times("10 11:00:00", "11 09:00:30"), visits=2, views=3),
            row(vectors, B, **times("10 10:30:00", "10 10:30:00"), visits=1, views=1),
            row(vectors, A, **times("10 10:00:00", "10 10:10:00"), visits=1, views=2),
        ],
        "count": 3,
        "page": 1,
        "pageSize": 10,
    }


def test_figures_of_the_list_cover_the_range_only(vectors: Site) -> None:
    found = vectors.get("sessions", **SECOND_DAY)
    assert found["data"] == [row(vectors, C, **times("11 09:00:00", "11 09:00:30"), visits=1, views=1)]
    assert found["count"] == 1
    everything = vectors.get("sessions", startAt=0, endAt=1)
    assert everything == vectors.get("sessions", **RANGE)
    assert vectors.get("sessions", startAt=RANGE["endAt"], endAt=RANGE["startAt"]) == {
        "data": [],
        "count": 0,
        "page": 1,
        "pageSize": 10,
    }


@pytest.mark.parametrize(
    ("params", "expected", "envelope"),
    [
        ({"pageSize": 2}, [C, B], {"count": 3, "page": 1, "pageSize": 2}),
        ({"pageSize": "2", "page": "2"}, [A], {"count": 3, "page": 2, "pageSize": 2}),
        ({"page": 3}, [], {"count": 3, "page": 3, "pageSize": 10}),
        ({"page": 2**31 - 1, "pageSize": 2**31 - 1}, [], {"count": 3}),
        ({"pageSize": 2**31 - 1}, [C, B, A], {"count": 3}),
        ({"search": "BERL"}, [B], {"count": 1}),
        ({"query": "berl"}, [B], {"count": 1}),
        ({"search": "win"}, [A], {"count": 1}),
        ({"search": "mobile"}, [C, B], {"count": 2}),
        ({"search": "mobile", "pageSize": 1, "page": 2}, [B], {"count": 2}),
        ({"search": "ios"}, [B], {"count": 1}),
        ({"search": ""}, [C, B, A], {"count": 3}),
        # Country, language and the path are not searched, and a wildcard is a letter like any other.
        ({"search": "pricing"}, [], {"count": 0}),
        ({"search": "en-GB"}, [], {"count": 0}),
        ({"search": "%"}, [], {"count": 0}),
        ({"search": "'; DROP TABLE event; --"}, [], {"count": 0}),
        ({"search": "\0Berlin"}, [B], {"count": 1}),
        ({"orderBy": "firstAt"}, [A, B, C], {"count": 3, "orderBy": "firstAt"}),
        ({"orderBy": "lastAt"}, [A, B, C], {"orderBy": "lastAt"}),
        ({"orderBy": "createdAt"}, [A, B, C], {"orderBy": "createdAt"}),
        ({"orderBy": "city"}, [B, C, A], {"orderBy": "city"}),
        ({"orderBy": "views"}, [B, A, C], {"orderBy": "views"}),
        ({"orderBy": "os"}, [C, A, B], {"orderBy": "os"}),
        ({"orderBy": "city", "pageSize": 1, "page": 2}, [C], {"orderBy": "city"}),
        # Names that there are not, those of the store among them.
        ({"orderBy": "nonsense"}, [C, B, A], {"count": 3, "page": 1, "pageSize": 10}),
        ({"orderBy": "last_at"}, [C, B, A], {"count": 3, "page": 1, "pageSize": 10}),
        ({"orderBy": "websiteId"}, [C, B, A], {"count": 3, "page": 1, "pageSize": 10}),
        # No filters here.
        ({"country": "DE"}, [C, B, A], {"count": 3}),
    ],
    ids=str,
)
def test_pages_searches_and_orders(
    vectors: Site, params: dict[str, Any], expected: list[Visitor], envelope: dict[str, Any]
) -> None:
    found = vectors.get("sessions", **RANGE, **params)
    assert [one["id"] for one in found.pop("data")] == [vectors.sessions[visitor] for visitor in expected]
    assert {name: found[name] for name in envelope} == envelope
    assert ("orderBy" in found) == ("orderBy" in envelope)


def test_orders_by_visits_and_then_by_id(vectors: Site) -> None:
    found = vectors.get("sessions", **RANGE, orderBy="visits")
    alike = sorted((vectors.sessions[A], vectors.sessions[B]))
    assert [one["id"] for one in found["data"]] == [*alike, vectors.sessions[C]]
    by_id = vectors.get("sessions", **RANGE, orderBy="id")
    assert [one["id"] for one in by_id["data"]] == sorted(vectors.sessions.values())


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        # Page views and custom events together.
        ({}, (9, 3, 4, 2, 3)),
        ({"country": "US"}, (8, 2, 3, 1, 3)),
        ({"event": "purchase"}, (2, 2, 2, 1, 2)),
        ({"url": "~pric"}, (4, 2, 2, 1, 2)),
        ({"browser": "!chrome"}, (1, 1, 1, 1, 0)),
        ({"city": "Nowhere"}, (0, 0, 0, 0, 0)),
    ],
    ids=str,
)
def test_stats(vectors: Site, filters: dict[str, str], expected: tuple[int, ...]) -> None:
    names = ("pageviews", "visitors", "visits", "countries", "events")
    assert vectors.get("sessions/stats", **RANGE, **filters) == {
        name: {"value": value} for name, value in zip(names, expected, strict=True)
    }


def test_visitors_of_custom_events_alone_are_in_the_stats_of_sessions(server: Server) -> None:
    site = Site(server, [happening(A, "2026-11-10 10:00:00", "/", "click")])
    found = site.get("sessions/stats", **RANGE)
    assert {name: figure["value"] for name, figure in found.items()} == {
        "pageviews": 1,
        "visitors": 1,
        "visits": 1,
        "countries": 1,
        "events": 1,
    }
    [listed] = site.get("sessions", **RANGE)["data"]
    assert (listed["visits"], listed["views"]) == (1, 0)


def busy(week: list[list[int]]) -> dict[tuple[int, int], int]:
    """(weekday from Sunday, hour) → sessions."""
    assert [len(day) for day in week] == [24] * 7
    return {(d, h): count for d, day in enumerate(week) for h, count in enumerate(day) if count}


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [
        ("UTC", {(2, 10): 2, (2, 11): 1, (3, 9): 1}),
        ("utc", {(2, 10): 2, (2, 11): 1, (3, 9): 1}),
        ("Europe/Berlin", {(2, 11): 2, (2, 12): 1, (3, 10): 1}),
        # 09:00 and 10:00 UTC are 22:00 and 23:00 there, 11:00 is midnight.
        ("Pacific/Auckland", {(2, 23): 2, (3, 0): 1, (3, 22): 1}),
        # 10:30 UTC is 16:15 there.
        ("Asia/Kathmandu", {(2, 15): 1, (2, 16): 2, (3, 14): 1}),
    ],
)
def test_weekly(vectors: Site, timezone: str, expected: dict[tuple[int, int], int]) -> None:
    assert busy(vectors.get("sessions/weekly", **RANGE, timezone=timezone)) == expected


@pytest.mark.parametrize(
    ("route", "params", "error"),
    [
        ("sessions/weekly", RANGE, ["timezone: Required"]),
        ("sessions/weekly", {**RANGE, "timezone": "Nowhere/None"}, ["timezone: Invalid timezone"]),
        (
            "sessions",
            {"page": "0", "pageSize": "x"},
            [
                "startAt: Expected number, received nan",
                "endAt: Expected number, received nan",
                "page: Number must be greater than 0",
                "pageSize: Expected number, received nan",
            ],
        ),
        (
            "session-data/values",
            {"propertyName": "a"},
            ["startAt: Expected number, received nan", "endAt: Expected number, received nan"],
        ),
        (
            f"sessions/{NOBODY}/activity",
            {"startAt": "1.5", "endAt": 2},
            ["startAt: Expected integer, received float"],
        ),
    ],
)
def test_bad_parameters(vectors: Site, route: str, params: dict[str, Any], error: list[str]) -> None:
    assert vectors.status(route, **params) == (400, {"error": error})
    # Before anybody is asked who he is.
    assert vectors.status(route, headers={}, **params) == (400, {"error": error})


def test_one_session(vectors: Site) -> None:
    details = row(vectors, A, **times("10 10:00:00", "10 10:10:00"), visits=1, views=2)
    del details["createdAt"]
    assert vectors.get(f"sessions/{vectors.sessions[A]}") == {
        **details,
        "distinctId": None,
        "subdivision1": "US-CA",
        "events": 2,
        "totaltime": 600,
    }
    # 60 s and 30 s; the second visit is that of the day after.
    found = vectors.get(f"sessions/{vectors.sessions[C].upper()}")
    assert (found["visits"], found["views"], found["events"], found["totaltime"]) == (2, 3, 1, 90)


def test_a_visitor_with_an_id(server: Server) -> None:
    site = Site(
        server,
        [
            view(A, "2026-11-10 10:00:00", "/", id="user-1"),
            # The same one on a telephone, in another month.
            view(B, "2026-12-24 10:00:00", "/", id="user-1"),
        ],
    )
    assert site.sessions[A] == site.sessions[B]
    found = site.get(f"sessions/{site.sessions[A]}")
    assert (found["distinctId"], found["browser"], found["city"]) == ("user-1", "chrome", "San Jose")
    assert (found["visits"], found["lastAt"]) == (2, "2026-12-24T10:00:00.000Z")
    december = {"startAt": ms("2026-12-01 00:00:00"), "endAt": ms("2026-12-31 00:00:00")}
    for search in ("USER-1", "berlin"):
        [listed] = site.get("sessions", **december, search=search)["data"]
        assert (listed["browser"], listed["visits"]) == ("ios", 1)


ABSENT = [
    *("utmSource", "utmMedium", "utmCampaign", "utmContent", "utmTerm"),
    *("gclid", "fbclid", "msclkid", "ttclid", "lifatid", "twclid", "tag"),
]


def test_activity(vectors: Site) -> None:
    rows = vectors.get(f"sessions/{vectors.sessions[A]}/activity", **RANGE)
    ids = [one.pop("id") for one in rows]
    assert len({UUID(one) for one in ids}) == 4
    assert [one.pop("eventId") for one in rows] == ids
    assert len({one.pop("visitId") for one in rows}) == 1
    same = {
        "websiteId": vectors.id,
        "sessionId": vectors.sessions[A],
        "urlQuery": "",
        "hostname": "example.com",
        "referrerPath": None,
        "referrerQuery": None,
        "referrerDomain": None,
        **dict.fromkeys(ABSENT),
    }
    from_start = {"referrerPath": "/", "referrerQuery": "", "referrerDomain": "example.com"}
    pricing = {**same, "urlPath": "/pricing", "pageTitle": "T /pricing"}
    assert rows == [
        {**pricing, "createdAt": "2026-11-10T10:10:00.000Z", "eventType": 2, "eventName": "purchase"},
        {**pricing, "createdAt": "2026-11-10T10:05:00.000Z", "eventType": 2, "eventName": "signup"},
        {**pricing, **from_start, "createdAt": "2026-11-10T10:02:00.000Z", "eventType": 1, "eventName": None},
        {
            **same,
            "urlPath": "/",
            "pageTitle": "T /",
            "createdAt": "2026-11-10T10:00:00.000Z",
            "eventType": 1,
            "eventName": None,
        },
    ]


def test_activity_within_a_range_and_with_every_column(server: Server) -> None:
    clicks = "gclid=1&fbclid=2&msclkid=3&ttclid=4&li_fat_id=5&twclid=6"
    utm = "utm_source=s&utm_medium=m&utm_campaign=c&utm_content=n&utm_term=t"
    site = Site(
        server,
        [
            view(A, "2026-11-09 23:59:59", "/before"),
            view(A, "2026-11-10 10:00:00", f"/?{utm}&{clicks}", tag="red", referrer="https://t.co/x?y=1"),
        ],
    )
    [found] = site.get(f"sessions/{site.sessions[A]}/activity", **RANGE)
    expected = {
        **dict(zip(ABSENT, [*"smcnt", *"123456", "red"], strict=True)),
        "urlPath": "/",
        "urlQuery": f"{utm}&{clicks}",
        "referrerDomain": "t.co",
        "referrerPath": "/x",
        "referrerQuery": "y=1",
    }
    assert {name: found[name] for name in expected} == expected
    assert site.get(f"sessions/{NOBODY}/activity", **RANGE) == []


def test_activity_is_the_latest_five_hundred(server: Server) -> None:
    hits = [view(A, f"2026-11-10 10:{n // 60:02}:{n % 60:02}", f"/{n}") for n in range(501)]
    site = Site(server, hits)
    rows = site.get(f"sessions/{site.sessions[A]}/activity", **RANGE)
    assert [one["urlPath"] for one in rows] == [f"/{n}" for n in range(500, 0, -1)]


def test_properties(vectors: Site) -> None:
    common = {"websiteId": vectors.id, "sessionId": vectors.sessions[A]}
    nothing = {"numberValue": None, "dateValue": None}
    first, second = ({"createdAt": f"2026-11-10T10:{minute}:00.000Z"} for minute in (20, 21))
    since = "2024-01-02T03:04:05.000Z"
    assert vectors.get(f"sessions/{vectors.sessions[A]}/properties") == [
        {
            **common,
            "dataKey": "age",
            "dataType": 2,
            "stringValue": "34",
            "numberValue": 34,
            "dateValue": None,
            **second,
        },
        {**common, "dataKey": "email", "dataType": 1, "stringValue": "a@b.c", **nothing, **first},
        {
            **common,
            "dataKey": "since",
            "dataType": 4,
            "stringValue": since,
            "numberValue": None,
            "dateValue": since,
            **first,
        },
        {**common, "dataKey": "vip", "dataType": 3, "stringValue": "true", **nothing, **first},
    ]
    assert vectors.get(f"sessions/{vectors.sessions[B]}/properties") == []
    assert vectors.get(f"sessions/{NOBODY}/properties") == []


def test_numbers_of_properties(server: Server) -> None:
    given = {"half": 1.5, "round": 20000, "long": 1.23456, "huge": 1e15, "text": "3.0000"}
    site = Site(server, [identification(A, "2026-11-10 10:00:00", given)])
    found = site.get(f"sessions/{site.sessions[A]}/properties")
    assert [(one["dataKey"], one["stringValue"], one["numberValue"]) for one in found] == [
        ("half", "1.5000", 1.5),
        # Too large for the store's number: its text is all there is.
        ("huge", "1000000000000000", None),
        ("long", "1.2346", 1.2346),
        ("round", "20000", 20000),
        ("text", "3.0000", None),
    ]


def test_a_session_that_only_identified_itself(server: Server) -> None:
    site = Site(server, [identification(A, "2026-11-10 10:00:00", {"plan": "pro"})])
    route = f"sessions/{site.sessions[A]}"
    assert site.status(route) == (404, {"error": "Session not found"})
    assert [one["dataKey"] for one in site.get(f"{route}/properties")] == ["plan"]
    assert site.get(f"{route}/activity", **RANGE) == []
    assert site.get("sessions", **RANGE)["data"] == []
    # Without an event in the range it is not counted.
    assert site.get("session-data/properties", **RANGE) == []
    assert site.get("session-data/values", **RANGE, propertyName="plan") == []


def test_session_data(server: Server) -> None:
    day = "2026-11-10 1"
    site = Site(
        server,
        [
            view(A, f"{day}0:00:00"),
            view(B, f"{day}0:00:00"),
            view(C, "2026-11-11 10:00:00"),
            # Properties have no part in the range.
            identification(A, "2026-11-30 10:00:00", {"plan": "pro", "n": 3, "since": "2024-01-02T03:04:05"}),
            identification(B, f"{day}0:00:00", {"plan": "free", "n": 3.5}),
            identification(B, f"{day}0:01:00", {"plan": "pro"}),
            identification(C, f"{day}0:00:00", {"plan": "pro", "n": "3"}),
        ],
    )
    both = [("n", 3), ("plan", 3), ("since", 1)]
    for params, expected in (
        (RANGE, both),
        ({"startAt": 0, "endAt": 1}, both),
        (SECOND_DAY, [("n", 1), ("plan", 1)]),
    ):
        found = site.get("session-data/properties", **params)
        assert [(one.pop("propertyName"), one.pop("total")) for one in found] == expected
        assert found == [{}] * len(expected)

    def values(name: str, **params: int) -> list[tuple[str, int]]:
        found = site.get("session-data/values", **(params or RANGE), propertyName=name)
        return [(one["value"], one["total"]) for one in found]

    assert values("plan") == [("pro", 3)]
    # The number and the text are shown alike, and one number keeps its decimals.
    assert values("n") == [("3", 2), ("3.5000", 1)]
    assert values("n", **SECOND_DAY) == [("3", 1)]
    assert values("since") == [("2024-01-02 03:00:00", 1)]
    assert values("PLAN") == values("") == values("pl\0an%") == []
    assert site.get("session-data/values", **RANGE) == []


def test_session_data_is_limited(server: Server) -> None:
    phones = [Visitor(f"9.9.9.{n}", IPHONE, "1x1", "en") for n in range(101)]
    hits = [view(phone, "2026-11-10 10:00:00") for phone in phones]
    hits += [identification(phone, "2026-11-10 10:00:00", {"n": n}) for n, phone in enumerate(phones)]
    keys = {f"key {n:03}": n for n in range(500)}
    site = Site(server, [*hits, identification(phones[0], "2026-11-10 10:00:00", keys)])
    found = site.get("session-data/properties", **RANGE)
    assert [(one["propertyName"], one["total"]) for one in found] == [
        ("n", 101),
        *((f"key {n:03}", 1) for n in range(499)),
    ]
    values = [one["value"] for one in site.get("session-data/values", **RANGE, propertyName="n")]
    assert values == sorted(map(str, range(101)))[:100]


@pytest.mark.parametrize("session", ["nonsense", "0", "%00", "a%20b", "..;", "%F0%9F%98%80", "x" * 3000])
@pytest.mark.parametrize("route", ["", "/activity", "/properties"])
def test_what_is_no_session_id(
    live: Server, shared: tuple[str, Headers], bob: Headers, session: str, route: str
) -> None:
    website, share = shared
    url = f"/api/websites/{website}/sessions/{session}{route}"
    params = {"startAt": 0, "endAt": 2}
    for headers in (live.admin, share):
        answer = live.client.get(url, params=params, headers=headers)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
    # Who may not see the website is not told.
    for headers in (bob, {}):
        answer = live.client.get(url, params=params, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


def test_another_websites_session(live: Server) -> None:
    site, other = Site(live), Site(live, VECTORS[:1])
    foreign = other.sessions[A]
    assert site.status(f"sessions/{foreign}") == (404, {"error": "Session not found"})
    assert site.get(f"sessions/{foreign}/activity", **RANGE) == []


def test_a_share_reads_sessions(live: Server, shared: tuple[str, Headers]) -> None:
    website, share = shared
    [answer] = populate(live, website, [view(A, "2026-11-10 10:00:00")])
    one = f"sessions/{answer['sessionId']}"
    routes = ("sessions", "sessions/stats", "sessions/weekly", one, f"{one}/activity", f"{one}/properties")
    for route in (*routes, "session-data/properties", "session-data/values"):
        found = live.client.get(
            f"/api/websites/{website}/{route}", params={**RANGE, "timezone": "UTC"}, headers=share
        )
        assert (route, found.status_code) == (route, 200)


def test_what_is_absent_is_null(server: Server) -> None:
    website = server.create_website()
    bare = {"website": website, "url": "/", "timestamp": RANGE["startAt"] // 1000}
    unknown = {"user-agent": "", "x-forwarded-for": "10.0.0.1"}
    sent = server.client.post("/api/send", json={"type": "event", "payload": bare}, headers=unknown)
    found = server.get(f"/api/websites/{website}/sessions/{sent.json()['sessionId']}")
    names = [
        *("browser", "os", "device", "screen", "language"),
        *("country", "region", "subdivision1", "city", "distinctId"),
    ]
    assert {name: found[name] for name in names} == dict.fromkeys(names)
    # What a page without a host is taken for.
    assert found["hostname"] == "localhost"

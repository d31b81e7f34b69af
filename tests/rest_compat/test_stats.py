"""Statistics over REST, on both stores (Umami v2 REST behaviour §1.6-§1.8, §3.6, and the data set of §6.3)."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from tests.populate import VECTORS, A, B, C, Visitor, happening, identification, populate, view
from tests.rest_compat.people import Headers
from tests.server import Server


def ms(at: str) -> int:
    """A UTC instant (`YYYY-MM-DD HH:MM:SS`) in ms since 1970."""
    return int(dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC).timestamp() * 1000)


RANGE = {"startAt": ms("2026-11-10 00:00:00"), "endAt": ms("2026-11-11 23:59:59")}
HOURS = {**RANGE, "unit": "hour", "timezone": "UTC"}
CHANNELS = [
    "direct",
    "referral",
    "affiliate",
    "email",
    "sms",
    "organicSearch",
    "organicSocial",
    "organicShopping",
    "organicVideo",
    "paidAds",
    "paidSearch",
    "paidSocial",
    "paidShopping",
    "paidVideo",
]


@pytest.fixture(scope="module")
def vectors(server: Server) -> str:
    """A website with the conformance data."""
    website = server.create_website("Vectors")
    populate(server, website, VECTORS)
    return website


def figures(*values: int, prev: tuple[int, ...] = (0, 0, 0, 0, 0)) -> dict[str, dict[str, int]]:
    names = ("pageviews", "visitors", "visits", "bounces", "totaltime")
    return {
        name: {"value": now, "prev": before} for name, now, before in zip(names, values, prev, strict=True)
    }


def xy(*rows: tuple[str | None, int]) -> list[dict[str, Any]]:
    return [{"x": x, "y": y} for x, y in rows]


# (filters, figures of the conformance data). The figures of rows without a comment follow from the table by hand.
FILTERED: list[tuple[dict[str, str], tuple[int, int, int, int, int]]] = [
    ({}, (6, 3, 4, 2, 180)),
    ({"country": "DE"}, (1, 1, 1, 1, 0)),
    ({"url": "~pric"}, (2, 2, 2, 2, 0)),
    ({"url": "!~pric"}, (4, 3, 4, 4, 0)),
    ({"event": "signup"}, (0, 0, 0, 0, 0)),
    ({"url": "/pricing"}, (2, 2, 2, 2, 0)),
    ({"url": "!/pricing"}, (4, 3, 4, 4, 0)),
    ({"url": "~PRIC"}, (2, 2, 2, 2, 0)),
    ({"url": "/PRICING"}, (0, 0, 0, 0, 0)),
    ({"url": ""}, (0, 0, 0, 0, 0)),
    ({"query": ""}, (5, 3, 4, 3, 120)),
    ({"query": "~utm_source=news"}, (1, 1, 1, 1, 0)),
    ({"referrer": "google.com"}, (1, 1, 1, 1, 0)),
    # Rows without a referrer and those referred by the site itself match neither way.
    ({"referrer": "!google.com"}, (1, 1, 1, 1, 0)),
    ({"referrer": "example.com"}, (0, 0, 0, 0, 0)),
    ({"referrer": ""}, (0, 0, 0, 0, 0)),
    ({"tag": "!x"}, (0, 0, 0, 0, 0)),
    ({"tag": "!~x"}, (0, 0, 0, 0, 0)),
    ({"title": "T /pricing"}, (2, 2, 2, 2, 0)),
    ({"host": "example.com"}, (6, 3, 4, 2, 180)),
    ({"os": "Windows 10"}, (2, 1, 1, 0, 120)),
    ({"browser": "chrome"}, (5, 2, 3, 1, 180)),
    ({"browser": "!chrome"}, (1, 1, 1, 1, 0)),
    ({"device": "mobile"}, (4, 2, 3, 2, 60)),
    ({"region": "US-CA"}, (2, 1, 1, 0, 120)),
    ({"city": "~new"}, (3, 1, 2, 1, 60)),
    ({"language": "en-GB"}, (3, 1, 2, 1, 60)),
    ({"country": "US", "device": "mobile", "url": "/"}, (2, 1, 2, 2, 0)),
    # Neither is a filter; both are dropped.
    ({"screen": "1x1", "entry": "/nothing"}, (6, 3, 4, 2, 180)),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERED, ids=lambda value: str(value))
def test_stats(server: Server, vectors: str, filters: dict[str, str], expected: tuple[int, ...]) -> None:
    answer = server.get(f"/api/websites/{vectors}/stats", **RANGE, **filters)
    assert answer == figures(*expected)


def test_stats_with_the_period_before(server: Server, vectors: str) -> None:
    url = f"/api/websites/{vectors}/stats"
    second_day = {"startAt": ms("2026-11-11 00:00:00"), "endAt": RANGE["endAt"]}
    expected = figures(1, 1, 1, 1, 0, prev=(5, 3, 3, 1, 180))
    assert server.get(url, **second_day) == expected
    assert server.get(url, **second_day, compare="prev") == expected
    assert server.get(url, **second_day, compare="anything") == expected
    assert server.get(url, **second_day, compare="yoy") == figures(1, 1, 1, 1, 0)
    year_later = {"startAt": ms("2027-11-10 00:00:00"), "endAt": ms("2027-11-11 23:59:59")}
    assert server.get(url, **year_later, compare="yoy") == figures(0, 0, 0, 0, 0, prev=(6, 3, 4, 2, 180))


def test_all_time(server: Server, vectors: str, website: str) -> None:
    everything = {"startAt": 0, "endAt": 1}
    assert server.get(f"/api/websites/{vectors}/stats", **everything)["pageviews"]["value"] == 6
    assert server.get(f"/api/websites/{vectors}/metrics", **everything, type="url") == xy(
        ("/", 3), ("/pricing", 2)
    )
    by_day = server.get(f"/api/websites/{vectors}/pageviews", **everything, unit="day", timezone="UTC")
    assert by_day["pageviews"] == xy(("2026-11-10 00:00:00", 5), ("2026-11-11 00:00:00", 1))
    assert server.get(f"/api/websites/{website}/stats", **everything) == figures(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (RANGE["endAt"], RANGE["startAt"]),
        (0, 0),
        (-3_600_000, 253_402_300_799_999),
        (-62_135_596_800_000, -62_135_596_800_000),
        (253_402_300_799_999, -62_135_596_800_000),
    ],
)
@pytest.mark.parametrize("timezone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_odd_ranges(server: Server, vectors: str, start: int, end: int, timezone: str) -> None:
    views = 6 if start < RANGE["startAt"] < RANGE["endAt"] < end else 0
    base = {"startAt": start, "endAt": end}
    url = f"/api/websites/{vectors}"
    # The same range a year earlier still holds everything.
    for compare, before in (("prev", 0), ("yoy", views)):
        answer = server.get(f"{url}/stats", **base, compare=compare)
        assert answer["pageviews"] == {"value": views, "prev": before}
    by_year = server.get(f"{url}/pageviews", **base, unit="minute", timezone=timezone, compare="prev")
    assert by_year["pageviews"] == (xy(("2026-01-01 00:00:00", 6)) if views else [])
    assert len(server.get(f"{url}/metrics", **base, type="url")) == (2 if views else 0)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", ["startAt: Expected number, received nan", "endAt: Expected number, received nan"]),
        (
            "startAt=x&endAt=1.5",
            ["startAt: Expected number, received nan", "endAt: Expected integer, received float"],
        ),
        ("startAt=0&endAt=1e300", ["endAt: Number must be less than or equal to 253402300799999"]),
        ("startAt=-1e300&endAt=", ["startAt: Number must be greater than or equal to -62135596800000"]),
    ],
)
@pytest.mark.parametrize("path", ["stats", "pageviews", "events/series"])
def test_bad_ranges(live: Server, live_website: str, path: str, query: str, error: list[str]) -> None:
    more = [] if path == "stats" else ["unit: Invalid unit", "timezone: Required"]
    answer = live.client.get(f"/api/websites/{live_website}/{path}?{query}&unit=week", headers=live.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error + more})


def test_pageviews(server: Server, vectors: str) -> None:
    url = f"/api/websites/{vectors}/pageviews"
    # 10:00 UTC is 02:00 in Los Angeles.
    assert server.get(url, **{**HOURS, "timezone": "America/Los_Angeles"}) == {
        "pageviews": xy(("2026-11-10 02:00:00", 3), ("2026-11-10 03:00:00", 2), ("2026-11-11 01:00:00", 1)),
        "sessions": xy(("2026-11-10 02:00:00", 2), ("2026-11-10 03:00:00", 1), ("2026-11-11 01:00:00", 1)),
    }
    # 10:00 UTC is 15:45 in Kathmandu, five hours and three quarters ahead.
    assert server.get(url, **{**HOURS, "timezone": "asia/kathmandu"})["pageviews"] == xy(
        ("2026-11-10 15:00:00", 2), ("2026-11-10 16:00:00", 3), ("2026-11-11 14:00:00", 1)
    )
    assert server.get(url, **HOURS, browser="ios") == {
        "pageviews": xy(("2026-11-10 10:00:00", 1)),
        "sessions": xy(("2026-11-10 10:00:00", 1)),
    }


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        # 47 whole hours: the finest unit is the hour.
        ("minute", [("2026-11-10 10:00:00", 3), ("2026-11-10 11:00:00", 2), ("2026-11-11 09:00:00", 1)]),
        ("day", [("2026-11-10 00:00:00", 5), ("2026-11-11 00:00:00", 1)]),
        ("month", [("2026-11-01 00:00:00", 6)]),
        ("year", [("2026-01-01 00:00:00", 6)]),
    ],
)
def test_units(server: Server, vectors: str, unit: str, expected: list[tuple[str, int]]) -> None:
    answer = server.get(f"/api/websites/{vectors}/pageviews", **{**HOURS, "unit": unit})
    assert answer["pageviews"] == xy(*expected)


def test_pageviews_compared(server: Server, vectors: str) -> None:
    answer = server.get(f"/api/websites/{vectors}/pageviews", **{**HOURS, "unit": "day"}, compare="prev")
    assert answer == {
        "pageviews": xy(("2026-11-10 00:00:00", 5), ("2026-11-11 00:00:00", 1)),
        "sessions": xy(("2026-11-10 00:00:00", 3), ("2026-11-11 00:00:00", 1)),
        "startDate": "2026-11-10T00:00:00.000Z",
        "endDate": "2026-11-11T23:59:59.000Z",
        "compare": {
            "pageviews": [],
            "sessions": [],
            "startDate": "2026-11-08T00:01:00.000Z",
            "endDate": "2026-11-10T00:00:59.000Z",
        },
    }


def test_buckets_without_a_page_view_are_left_out(server: Server, website: str) -> None:
    url = f"/api/websites/{website}/pageviews"
    assert server.get(url, **HOURS) == {"pageviews": [], "sessions": []}
    populate(
        server, website, [happening(A, "2026-11-10 10:00:00", "/", "click"), view(A, "2026-11-10 12:00:00")]
    )
    bucket = xy(("2026-11-10 12:00:00", 1))
    assert server.get(url, **HOURS) == {"pageviews": bucket, "sessions": bucket}


METRICS: list[tuple[str, list[dict[str, Any]]]] = [
    ("url", xy(("/", 3), ("/pricing", 2))),
    ("entry", xy(("/", 3))),
    ("exit", xy(("/", 2), ("/pricing", 2))),
    ("referrer", xy(("google.com", 1), ("t.co", 1))),
    ("query", xy(("", 3), ("utm_source=news&utm_medium=email", 1))),
    ("title", xy(("T /", 3), ("T /pricing", 2))),
    ("host", xy(("example.com", 3))),
    ("event", xy(("purchase", 2), ("signup", 1))),
    ("tag", xy((None, 3))),
    # Merged after the rows were ordered: de-DE, en-GB, en-US.
    ("language", xy(("de", 1), ("en", 2))),
    ("browser", xy(("chrome", 2), ("ios", 1))),
    ("os", xy(("Android OS", 1), ("Windows 10", 1), ("iOS", 1))),
    ("device", xy(("mobile", 2), ("desktop", 1))),
    ("screen", xy(("1920x1080", 1), ("390x844", 1), ("412x915", 1))),
    ("country", xy(("US", 2), ("DE", 1))),
    (
        "region",
        [
            {"x": "DE-BE", "y": 1, "country": "DE"},
            {"x": "US-CA", "y": 1, "country": "US"},
            {"x": "US-NY", "y": 1, "country": "US"},
        ],
    ),
    (
        "city",
        [
            {"x": "Berlin", "y": 1, "country": "DE"},
            {"x": "New York", "y": 1, "country": "US"},
            {"x": "San Jose", "y": 1, "country": "US"},
        ],
    ),
    (
        "channel",
        xy(
            ("direct", 2),
            ("organicSearch", 1),
            ("organicSocial", 1),
            *((name, 0) for name in CHANNELS if name not in ("direct", "organicSearch", "organicSocial")),
        ),
    ),
]


@pytest.mark.parametrize(
    ("kind", "expected"), METRICS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_metrics(server: Server, vectors: str, kind: str, expected: list[dict[str, Any]]) -> None:
    assert server.get(f"/api/websites/{vectors}/metrics", **RANGE, type=kind) == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"type": "url", "limit": 1}, xy(("/", 3))),
        ({"type": "url", "limit": 1, "offset": "1"}, xy(("/pricing", 2))),
        ({"type": "url", "limit": 0}, []),
        ({"type": "url", "search": "PRIC"}, xy(("/pricing", 2))),
        # A search takes the place of the filter on the same column.
        ({"type": "url", "search": "pric", "url": "/"}, xy(("/pricing", 2))),
        ({"type": "url", "search": "", "url": "/"}, xy(("/", 3))),
        ({"type": "url", "country": "DE"}, xy(("/", 1))),
        ({"type": "screen", "search": "390"}, xy(("390x844", 1))),
        ({"type": "city", "search": "york"}, [{"x": "New York", "y": 1, "country": "US"}]),
        ({"type": "event", "search": "sign"}, xy(("signup", 1))),
        ({"type": "event", "event": "purchase", "language": "en-GB"}, xy(("purchase", 1))),
        ({"type": "language", "search": "en"}, xy(("en", 2))),
        ({"type": "language", "limit": 2}, xy(("de", 1), ("en", 1))),
        ({"type": "browser", "event": "signup"}, []),
        # Filters choose among the rows that begin and end visits, they do not move the beginning.
        ({"type": "entry", "url": "/pricing"}, []),
        ({"type": "exit", "url": "/pricing"}, xy(("/pricing", 2))),
        ({"type": "exit", "search": "pri"}, xy(("/pricing", 2))),
    ],
    ids=str,
)
def test_metrics_chosen(server: Server, vectors: str, params: dict[str, Any], expected: list[Any]) -> None:
    assert server.get(f"/api/websites/{vectors}/metrics", **RANGE, **params) == expected


def test_channels_of_a_country(server: Server, vectors: str) -> None:
    rows = server.get(f"/api/websites/{vectors}/metrics", **RANGE, type="channel", country="DE")
    assert rows[0] == {"x": "organicSearch", "y": 1}
    assert [row["y"] for row in rows] == [1] + [0] * 13


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, ["type: Required"]),
        ({"type": "bogus"}, "Bad request"),
        ({"type": ""}, "Bad request"),
        ({"type": "segment"}, "Bad request"),
        ({"type": "url", "limit": "x"}, ["limit: Expected number, received nan"]),
        (
            {"type": "url", "limit": "-1", "offset": "-1"},
            [
                "limit: Number must be greater than or equal to 0",
                "offset: Number must be greater than or equal to 0",
            ],
        ),
        ({"type": "url", "segment": "x"}, "Segment not found."),
        ({"type": "url", "cohort": "x"}, "Cohort not found."),
    ],
    ids=str,
)
def test_metrics_refused(live: Server, live_website: str, params: dict[str, str], error: object) -> None:
    url = f"/api/websites/{live_website}/metrics"
    answer = live.client.get(url, params={**RANGE, **params}, headers=live.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_visitors_without_a_page_view_are_in_no_session_metric(server: Server, website: str) -> None:
    populate(
        server,
        website,
        [happening(A, "2026-11-10 10:00:00", "/", "click"), identification(B, "2026-11-10 10:00:00")],
    )
    url = f"/api/websites/{website}/metrics"
    assert server.get(url, **RANGE, type="browser") == []
    assert server.get(url, **RANGE, type="event") == xy(("click", 1))
    assert server.get(f"/api/websites/{website}/stats", **RANGE) == figures(0, 0, 0, 0, 0)


def test_what_is_absent_is_null(server: Server, website: str) -> None:
    unknown = Visitor("10.0.0.1", "", "", "")
    bare = {
        "type": "event",
        "payload": {"website": website, "url": "/", "timestamp": RANGE["startAt"] // 1000},
    }
    assert server.client.post("/api/send", json=bare, headers={"user-agent": ""}).status_code == 200
    assert unknown.headers == {"x-forwarded-for": "10.0.0.1"}
    for kind in ("title", "tag", "browser", "os", "device", "screen", "country", "language"):
        assert (kind, server.get(f"/api/websites/{website}/metrics", **RANGE, type=kind)) == (
            kind,
            xy((None, 1)),
        )
    for kind in ("region", "city"):
        rows = server.get(f"/api/websites/{website}/metrics", **RANGE, type=kind)
        assert (kind, rows) == (kind, [{"x": None, "y": 1, "country": None}])
    for kind in ("referrer", "event"):
        assert server.get(f"/api/websites/{website}/metrics", **RANGE, type=kind) == []


def test_event_series(server: Server, vectors: str) -> None:
    url = f"/api/websites/{vectors}/events/series"
    assert server.get(url, **HOURS) == [
        {"x": "purchase", "t": "2026-11-10 10:00:00", "y": 1},
        {"x": "signup", "t": "2026-11-10 10:00:00", "y": 1},
        {"x": "purchase", "t": "2026-11-11 09:00:00", "y": 1},
    ]
    by_month = {**HOURS, "unit": "month", "timezone": "Asia/Tokyo"}
    assert server.get(url, **by_month, event="~PURCH") == [
        {"x": "purchase", "t": "2026-11-01 00:00:00", "y": 2}
    ]
    assert server.get(url, **HOURS, country="DE") == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"type": "url"}, [("/", 5), ("/pricing", 4)]),
        ({"type": "entry"}, [("/", 5), ("/pricing", 4)]),
        ({"type": "exit"}, [("/", 5), ("/pricing", 4)]),
        ({"type": "event"}, [(None, 6), ("purchase", 2), ("signup", 1)]),
        ({"type": "referrer"}, [("google.com", 1), ("t.co", 1)]),
        ({"type": "screen"}, [("1920x1080", 4), ("412x915", 4), ("390x844", 1)]),
        ({"type": "country"}, [("US", 8), ("DE", 1)]),
        ({"type": "region"}, [("US-CA", 4), ("US-NY", 4), ("DE-BE", 1)]),
        ({"type": "url", "search": "RIC"}, [("/pricing", 4)]),
        ({"type": "event", "search": "SIGNUP,purchase"}, [("purchase", 2), ("signup", 1)]),
        ({"type": "event", "search": "sign,purch"}, []),
        # No filters here.
        ({"type": "url", "country": "DE"}, [("/", 5), ("/pricing", 4)]),
    ],
    ids=str,
)
def test_values(
    server: Server, vectors: str, params: dict[str, str], expected: list[tuple[str | None, int]]
) -> None:
    answer = server.get(f"/api/websites/{vectors}/values", **RANGE, **params)
    assert answer == [{"value": value, "count": count} for value, count in expected]


def test_values_are_the_ten_most_frequent(server: Server, website: str) -> None:
    hits = [view(A, "2026-11-10 10:00:00", f"/{number:02}") for number in range(12)]
    populate(server, website, [*hits, hits[11]])
    rows = server.get(f"/api/websites/{website}/values", **RANGE, type="url")
    assert rows == [{"value": "/11", "count": 2}] + [
        {"value": f"/{number:02}", "count": 1} for number in range(9)
    ]


@pytest.mark.parametrize("kind", ["segment", "cohort"])
def test_values_of_nouns_without_rows(live: Server, live_website: str, kind: str) -> None:
    assert live.get(f"/api/websites/{live_website}/values", **RANGE, type=kind) == []


@pytest.mark.parametrize(
    ("kind", "error"), [("channel", "Invalid type."), ("x", "Invalid type."), (None, ["type: Required"])]
)
def test_values_refused(live: Server, live_website: str, kind: str | None, error: object) -> None:
    params = {**RANGE, "type": kind} if kind else RANGE
    answer = live.client.get(f"/api/websites/{live_website}/values", params=params, headers=live.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_active(server: Server, website: str) -> None:
    url = f"/api/websites/{website}/active"
    assert server.get(url) == {"visitors": 0}

    def at(seconds: int) -> str:
        return f"{dt.datetime.fromtimestamp(time.time() - seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"

    populate(
        server,
        website,
        [view(A, at(0)), view(A, at(100)), happening(B, at(200), "/", "click"), view(C, at(400))],
    )
    assert server.get(url) == {"visitors": 2}


def test_a_share_reads_every_statistic(live: Server, shared: tuple[str, Headers]) -> None:
    website, share = shared
    query = {**HOURS, "type": "url"}
    for path in (
        "",
        "/active",
        "/daterange",
        "/stats",
        "/pageviews",
        "/metrics",
        "/events/series",
        "/values",
    ):
        answer = live.client.get(f"/api/websites/{website}{path}", params=query, headers=share)
        assert (path, answer.status_code) == (path, 200)


@pytest.mark.parametrize(
    "value",
    ["'; DROP TABLE event; --", "%", "_", "\\", "%_\\", "!~%", "~_", "!~\\", "\u0000x", "~" * 2000, "😀"],
)
def test_filter_values_are_values(server: Server, vectors: str, value: str) -> None:
    answer = server.get(f"/api/websites/{vectors}/stats", **RANGE, url=value)
    views = 6 if value.startswith("!") else 0
    assert answer["pageviews"]["value"] == views
    found = server.get(f"/api/websites/{vectors}/values", **RANGE, type="url", search=value)
    assert found == []

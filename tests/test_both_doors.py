"""The conformance data of Umami v2 REST behaviour §6.3, asked through both doors on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import VECTORS, populate
from tests.server import Server

# 2026-11-10T00:00:00Z to 2026-11-11T23:59:59Z, in epoch milliseconds.
START, END = 1_794_268_800_000, 1_794_441_599_000
SECOND_DAY = 1_794_355_200_000
PERIOD = '{start: "2026-11-10T00:00:00Z", end: "2026-11-11T23:59:59Z"}'


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


def rest(server: Server, site: str, route: str, **params: Any) -> Any:
    given = {"startAt": START, "endAt": END, **params}
    return server.get(f"/api/websites/{site}/{route}", **given)


def graph(server: Server, site: str, selection: str, period: str = PERIOD, where: str = "") -> Any:
    filtered = f", where: {where}" if where else ""
    answer = server.graphql(
        f'{{ website(id: "{site}") {{ analytics(period: {period}{filtered}) {{ {selection} }} }} }}'
    )
    assert "errors" not in answer, answer
    return answer["data"]["website"]["analytics"]


TOTALS = "totals(compare: PREVIOUS) { %s }" % " ".join(  # noqa: UP031 - braces
    f"{name} {{ value previous }}" for name in ("pageviews", "visitors", "visits", "bounces", "totaltime")
)


def figures(stats: dict[str, dict[str, int]], key: str) -> list[int]:
    return [stats[name][key] for name in ("pageviews", "visitors", "visits", "bounces", "totaltime")]


@pytest.mark.parametrize(
    ("params", "where", "expected"),
    [
        ({}, "", [6, 3, 4, 2, 180]),
        ({"country": "DE"}, '{country: {eq: "DE"}}', [1, 1, 1, 1, 0]),
        ({"url": "~pric"}, '{path: {contains: "pric"}}', [2, 2, 2, 2, 0]),
        ({"url": "!~pric"}, '{path: {notContains: "pric"}}', [4, 3, 4, 4, 0]),
        ({"event": "signup"}, '{event: {eq: "signup"}}', [0, 0, 0, 0, 0]),
    ],
)
def test_totals(server: Server, site: str, params: dict[str, str], where: str, expected: list[int]) -> None:
    stats = rest(server, site, "stats", **params)
    assert figures(stats, "value") == expected
    assert figures(stats, "prev") == [0, 0, 0, 0, 0]
    totals = graph(server, site, TOTALS, where=where)["totals"]
    assert figures(totals, "value") == expected
    assert figures(totals, "previous") == [0, 0, 0, 0, 0]


def test_totals_of_the_second_day_compare_with_the_first(server: Server, site: str) -> None:
    stats = rest(server, site, "stats", startAt=SECOND_DAY)
    totals = graph(server, site, TOTALS, period=PERIOD.replace("11-10", "11-11"))["totals"]
    for found, previous in ((stats, "prev"), (totals, "previous")):
        assert figures(found, "value") == [1, 1, 1, 1, 0]
        assert figures(found, previous) == [5, 3, 3, 1, 180]


def test_derived_figures(server: Server, site: str) -> None:
    totals = graph(
        server,
        site,
        "totals { bounceRate { value } viewsPerVisit { value } visitDuration { value } events { value } }",
    )["totals"]
    assert totals == {
        "bounceRate": {"value": 0.5},
        "viewsPerVisit": {"value": 1.5},
        "visitDuration": {"value": 45.0},
        "events": {"value": 3},
    }


def test_series_by_the_hour_in_los_angeles(server: Server, site: str) -> None:
    found = rest(server, site, "pageviews", unit="hour", timezone="America/Los_Angeles")
    at = ["2026-11-10 02:00:00", "2026-11-10 03:00:00", "2026-11-11 01:00:00"]
    assert found == {
        "pageviews": [{"x": x, "y": y} for x, y in zip(at, (3, 2, 1), strict=True)],
        "sessions": [{"x": x, "y": y} for x, y in zip(at, (2, 1, 1), strict=True)],
    }
    period = PERIOD.replace("}", ', timezone: "America/Los_Angeles"}')
    series = graph(server, site, "series(unit: HOUR) { at pageviews visitors }", period=period)["series"]
    # 48 hours from 16:00 local time the day before.
    assert (len(series["at"]), series["at"][0]) == (48, "2026-11-09T16:00:00")
    rows = zip(series["at"], series["pageviews"], series["visitors"], strict=True)
    assert [row for row in rows if row[1]] == [
        ("2026-11-10T02:00:00", 3, 2),
        ("2026-11-10T03:00:00", 2, 1),
        ("2026-11-11T01:00:00", 1, 1),
    ]


def test_compared_window(server: Server, site: str) -> None:
    found = rest(server, site, "pageviews", unit="day", timezone="UTC", compare="prev")
    assert (found["startDate"], found["endDate"]) == ("2026-11-10T00:00:00.000Z", "2026-11-11T23:59:59.000Z")
    assert found["compare"] == {
        "pageviews": [],
        "sessions": [],
        "startDate": "2026-11-08T00:01:00.000Z",
        "endDate": "2026-11-10T00:00:59.000Z",
    }


NEWS = "utm_source=news&utm_medium=email"
METRICS: list[tuple[str, str, str, list[tuple[Any, int]]]] = [
    ("url", "PATH", "visitors", [("/", 3), ("/pricing", 2)]),
    ("entry", "ENTRY", "visitors", [("/", 3)]),
    ("exit", "EXIT", "visitors", [("/", 2), ("/pricing", 2)]),
    ("referrer", "REFERRER", "visitors", [("google.com", 1), ("t.co", 1)]),
    ("query", "QUERY", "visitors", [("", 3), (NEWS, 1)]),
    ("event", "EVENT", "events", [("purchase", 2), ("signup", 1)]),
    ("tag", "TAG", "visitors", [(None, 3)]),
    ("title", "TITLE", "visitors", [("T /", 3), ("T /pricing", 2)]),
    ("host", "HOSTNAME", "visitors", [("example.com", 3)]),
    ("browser", "BROWSER", "visitors", [("chrome", 2), ("ios", 1)]),
    ("os", "OS", "visitors", [("Android OS", 1), ("Windows 10", 1), ("iOS", 1)]),
    ("device", "DEVICE", "visitors", [("mobile", 2), ("desktop", 1)]),
    ("screen", "SCREEN", "visitors", [("1920x1080", 1), ("390x844", 1), ("412x915", 1)]),
    ("country", "COUNTRY", "visitors", [("US", 2), ("DE", 1)]),
]


@pytest.mark.parametrize(("kind", "dimension", "measure", "expected"), METRICS)
def test_metrics(
    server: Server, site: str, kind: str, dimension: str, measure: str, expected: list[tuple[Any, int]]
) -> None:
    assert rest(server, site, "metrics", type=kind) == [{"x": x, "y": y} for x, y in expected]
    selection = f"breakdown(by: [{dimension}], orderBy: {measure.upper()}) {{ nodes {{ values {measure} }} }}"
    nodes = graph(server, site, selection)["breakdown"]["nodes"]
    assert [(node["values"], node[measure]) for node in nodes] == [([x], y) for x, y in expected]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("region", [("DE-BE", 1, "DE"), ("US-CA", 1, "US"), ("US-NY", 1, "US")]),
        ("city", [("Berlin", 1, "DE"), ("New York", 1, "US"), ("San Jose", 1, "US")]),
    ],
)
def test_places(server: Server, site: str, kind: str, expected: list[tuple[str, int, str]]) -> None:
    assert rest(server, site, "metrics", type=kind) == [
        {"x": x, "y": y, "country": c} for x, y, c in expected
    ]
    nodes = graph(server, site, f"breakdown(by: [{kind.upper()}, COUNTRY]) {{ nodes {{ values visitors }} }}")
    assert [(*node["values"], node["visitors"]) for node in nodes["breakdown"]["nodes"]] == [
        (x, c, y) for x, y, c in expected
    ]


def test_languages(server: Server, site: str) -> None:
    found = rest(server, site, "metrics", type="language")
    assert sorted((row["x"], row["y"]) for row in found) == [("de", 1), ("en", 2)]
    nodes = graph(server, site, "breakdown(by: [LANGUAGE]) { nodes { values visitors } }")["breakdown"][
        "nodes"
    ]
    assert [(node["values"], node["visitors"]) for node in nodes] == [
        (["de-DE"], 1),
        (["en-GB"], 1),
        (["en-US"], 1),
    ]


def test_channels(server: Server, site: str) -> None:
    others = (
        *("referral", "affiliate", "email", "sms", "organicShopping", "organicVideo"),
        *("paidAds", "paidSearch", "paidSocial", "paidShopping", "paidVideo"),
    )
    expected = [("direct", 2), ("organicSearch", 1), ("organicSocial", 1), *((name, 0) for name in others)]
    assert rest(server, site, "metrics", type="channel") == [{"x": x, "y": y} for x, y in expected]
    found = graph(
        server, site, "channels { channel visitors } breakdown(by: [CHANNEL]) { nodes { values visitors } }"
    )
    assert [(row["channel"], row["visitors"]) for row in found["channels"]] == expected
    assert [(*node["values"], node["visitors"]) for node in found["breakdown"]["nodes"]] == expected[:3]


def test_event_series(server: Server, site: str) -> None:
    found = rest(server, site, "events/series", unit="hour", timezone="UTC")
    assert found == [
        {"x": "purchase", "t": "2026-11-10 10:00:00", "y": 1},
        {"x": "signup", "t": "2026-11-10 10:00:00", "y": 1},
        {"x": "purchase", "t": "2026-11-11 09:00:00", "y": 1},
    ]
    series = graph(server, site, "eventSeries(unit: DAY) { at events { name counts total } }")["eventSeries"]
    assert series == {
        "at": ["2026-11-10T00:00:00", "2026-11-11T00:00:00"],
        "events": [
            {"name": "purchase", "counts": [1, 1], "total": 2},
            {"name": "signup", "counts": [1, 0], "total": 1},
        ],
    }


@pytest.mark.parametrize(
    ("kind", "field", "expected"),
    [
        ("url", "PATH", [("/", 5), ("/pricing", 4)]),
        ("event", "EVENT", [(None, 6), ("purchase", 2), ("signup", 1)]),
        ("referrer", "REFERRER", [("google.com", 1), ("t.co", 1)]),
        ("screen", "SCREEN", [("1920x1080", 4), ("412x915", 4), ("390x844", 1)]),
    ],
)
def test_values(server: Server, site: str, kind: str, field: str, expected: list[tuple[Any, int]]) -> None:
    assert rest(server, site, "values", type=kind) == [{"value": value, "count": n} for value, n in expected]
    query = f'{{ website(id: "{site}") {{ values(field: {field}, period: {PERIOD}) {{ value count }} }} }}'
    found = server.graphql(query)["data"]["website"]["values"]
    assert [(row["value"], row["count"]) for row in found] == expected


def test_date_range(server: Server, site: str) -> None:
    assert rest(server, site, "daterange") == {
        "mindate": "2026-11-10T10:00:00.000Z",
        "maxdate": "2026-11-11T09:00:30.000Z",
    }
    answer = server.graphql(f'{{ website(id: "{site}") {{ dateRange {{ start end }} activeVisitors }} }}')
    assert answer["data"]["website"] == {
        "dateRange": {"start": "2026-11-10T10:00:00.000Z", "end": "2026-11-11T09:00:30.000Z"},
        "activeVisitors": 0,
    }
    assert rest(server, site, "active") == {"visitors": 0}


def test_all_time(server: Server, site: str) -> None:
    stats = rest(server, site, "stats", startAt=0, endAt=1)
    assert figures(stats, "value") == [6, 3, 4, 2, 180]
    totals = graph(server, site, TOTALS, period="{all: true}")["totals"]
    assert figures(totals, "value") == [6, 3, 4, 2, 180]
    assert figures(totals, "previous") == [None] * 5  # type: ignore[comparison-overlap]

"""Sessions: the conformance data of Umami v2 REST behaviour §6.3, through both doors on both stores."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from tests.populate import VECTORS, A, B, C, Visitor, happening, populate, view
from tests.server import Server
from tests.test_both_doors import graph, rest

# 2026-11-11T00:00:00Z, in epoch milliseconds.
SECOND_DAY = 1_794_355_200_000


@pytest.fixture(scope="module")
def vectors(server: Server) -> tuple[str, dict[Visitor, str]]:
    """A website with the data, and the session of each visitor."""
    website_id = server.create_website()
    answers = populate(server, website_id, VECTORS)
    return website_id, {
        hit.visitor: answer["sessionId"] for hit, answer in zip(VECTORS, answers, strict=True)
    }


@pytest.fixture(scope="module")
def site(vectors: tuple[str, dict[Visitor, str]]) -> str:
    return vectors[0]


@pytest.fixture(scope="module")
def of(vectors: tuple[str, dict[Visitor, str]]) -> dict[Visitor, str]:
    return vectors[1]


def test_stats(server: Server, site: str) -> None:
    expected = [9, 3, 4, 2, 3]
    found = rest(server, site, "sessions/stats")
    names = ("pageviews", "visitors", "visits", "countries", "events")
    assert found == {name: {"value": value} for name, value in zip(names, expected, strict=True)}
    totals = graph(server, site, "sessionTotals { hits visitors visits countries events }")["sessionTotals"]
    assert list(totals.values()) == expected


ATTRIBUTES = ("browser", "os", "device", "screen", "language", "country", "region", "city", "hostname")
COMMON = ("id", "firstAt", "lastAt", "visits", "views", *ATTRIBUTES)


def test_the_list(server: Server, site: str, of: dict[Visitor, str]) -> None:
    answer = rest(server, site, "sessions")
    found = graph(server, site, f"sessions {{ nodes {{ {' '.join(COMMON)} }} totalCount }}")["sessions"]
    assert answer["count"] == found["totalCount"] == 3
    rows = [{name: row[name] for name in COMMON} for row in answer["data"]]
    assert rows == found["nodes"]
    assert [(row["id"], row["visits"], row["views"]) for row in rows] == [
        (of[C], 2, 3),
        (of[B], 1, 1),
        (of[A], 1, 2),
    ]


@pytest.mark.parametrize(("search", "expected"), [("mobile", [C, B]), ("CHROME", [C, A]), ("x", [])])
def test_a_search(
    server: Server, site: str, of: dict[Visitor, str], search: str, expected: list[Visitor]
) -> None:
    answer = rest(server, site, "sessions", search=search)
    found = graph(server, site, f'sessions(search: "{search}") {{ nodes {{ id }} totalCount }}')["sessions"]
    assert [row["id"] for row in answer["data"]] == [of[visitor] for visitor in expected]
    assert [node["id"] for node in found["nodes"]] == [of[visitor] for visitor in expected]
    assert answer["count"] == found["totalCount"] == len(expected)


def test_session_a(server: Server, site: str, of: dict[Visitor, str]) -> None:
    names = (*COMMON, "distinctId", "events", "totaltime")
    answer = rest(server, site, f"sessions/{of[A]}")
    found = graph(
        server, site, f'session(id: "{of[A]}") {{ summary {{ {" ".join(names)} }} }}', period="{all: true}"
    )["session"]["summary"]
    assert {name: answer[name] for name in names} == found
    assert [found[name] for name in ("visits", "views", "events", "totaltime")] == [1, 2, 2, 600]


def test_activity_of_a(server: Server, site: str, of: dict[Visitor, str]) -> None:
    answer = rest(server, site, f"sessions/{of[A]}/activity")
    nodes = graph(
        server,
        site,
        f'session(id: "{of[A]}") {{ activity {{ nodes {{ id visitId at name path query title }} }} }}',
    )["session"]["activity"]["nodes"]
    names = ("id", "visitId", "createdAt", "eventName", "urlPath", "urlQuery", "pageTitle")
    assert [tuple(row[name] for name in names) for row in answer] == [tuple(node.values()) for node in nodes]
    assert [row["eventName"] for row in answer] == ["purchase", "signup", None, None]


def test_properties_of_a(server: Server, site: str, of: dict[Visitor, str]) -> None:
    answer = rest(server, site, f"sessions/{of[A]}/properties")
    nodes = graph(server, site, f'session(id: "{of[A]}") {{ properties {{ key value number date setAt }} }}')[
        "session"
    ]["properties"]
    assert [(row["dataKey"], row["dataType"], row["stringValue"]) for row in answer] == [
        ("age", 2, "34"),
        ("email", 1, "a@b.c"),
        ("since", 4, "2024-01-02T03:04:05.000Z"),
        ("vip", 3, "true"),
    ]
    names = ("dataKey", "numberValue", "dateValue", "createdAt")
    assert [tuple(row[name] for name in names) for row in answer] == [
        tuple(node[name] for name in ("key", "number", "date", "setAt")) for node in nodes
    ]


def test_weekly(server: Server, site: str) -> None:
    week = rest(server, site, "sessions/weekly", timezone="UTC")
    assert week == graph(server, site, "weekdayHours")["weekdayHours"]
    tuesday, wednesday = week[2], week[3]
    assert (tuesday[10], tuesday[11], wednesday[9], sum(map(sum, week))) == (2, 1, 1, 4)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_weekly_elsewhere(server: Server, site: str, zone: str) -> None:
    period = f'{{start: "2026-11-10T00:00:00Z", end: "2026-11-11T23:59:59Z", timezone: "{zone}"}}'
    week = rest(server, site, "sessions/weekly", timezone=zone)
    assert week == graph(server, site, "weekdayHours", period=period)["weekdayHours"]
    assert sum(map(sum, week)) == 4


def test_session_data(server: Server, site: str) -> None:
    keys = rest(server, site, "session-data/properties")
    found = graph(server, site, "sessionProperties { nodes { key sessions } }")["sessionProperties"]["nodes"]
    expected = [("age", 1), ("email", 1), ("since", 1), ("vip", 1)]
    assert [tuple(row.values()) for row in keys] == [tuple(row.values()) for row in found] == expected
    for key, value in (("age", "34"), ("since", "2024-01-02 03:00:00"), ("vip", "true")):
        values = rest(server, site, "session-data/values", propertyName=key)
        nodes = graph(server, site, f'sessionPropertyValues(key: "{key}") {{ nodes {{ value sessions }} }}')[
            "sessionPropertyValues"
        ]["nodes"]
        assert [tuple(row.values()) for row in values] == [tuple(row.values()) for row in nodes]
        assert values == [{"value": value, "total": 1}]


def test_no_session_data_on_a_day_without_the_session(server: Server, site: str) -> None:
    assert rest(server, site, "session-data/properties", startAt=SECOND_DAY) == []
    period = '{start: "2026-11-11", end: "2026-11-11"}'
    found = graph(server, site, "sessionProperties { totalCount nodes { key } }", period=period)
    assert found["sessionProperties"] == {"totalCount": 0, "nodes": []}


def test_realtime(server: Server) -> None:
    def ago(seconds: int) -> str:
        return f"{dt.datetime.fromtimestamp(time.time() - seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"

    site = server.create_website()
    hits = [
        view(A, ago(400), "/", referrer="https://t.co/x"),
        happening(A, ago(300), "/b", "click"),
        view(B, ago(200), "/b"),
        view(A, ago(100), "/b"),
    ]
    populate(server, site, hits)
    answer = server.get(f"/api/realtime/{site}", timezone="Europe/Berlin")
    query = """{ website(id: "%s") { realtime(timezone: "Europe/Berlin") {
      entries { kind event { at name path sessionId country } }
      countries { value count } paths { value count } referrers { value count }
      series { at pageviews visitors } totals { pageviews visitors events countries }
    } } }"""
    found = server.graphql(query % site)["data"]["website"]["realtime"]

    def counts(rows: list[dict[str, Any]]) -> dict[str, int]:
        return {row["value"]: row["count"] for row in rows}

    names = ("createdAt", "eventName", "urlPath", "sessionId", "country")
    assert [(row["__type"].upper(), *(row[name] for name in names)) for row in answer["events"]] == [
        (entry["kind"], *entry["event"].values()) for entry in found["entries"]
    ]
    assert answer["countries"] == counts(found["countries"]) == {"US": 1, "DE": 1}
    assert answer["urls"] == counts(found["paths"]) == {"/": 1, "/b": 3}
    assert answer["referrers"] == counts(found["referrers"]) == {"t.co": 1}
    series = found["series"]
    for name, column in (("views", "pageviews"), ("visitors", "visitors")):
        points = zip(series["at"], series[column], strict=True)
        assert answer["series"][name] == [
            {"x": at.replace("T", " "), "y": count} for at, count in points if count
        ]
    assert list(answer["totals"].values()) == list(found["totals"].values()) == [3, 3, 1, 2]

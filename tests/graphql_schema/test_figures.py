"""Figures of the conformance data (Umami v2 REST behaviour §6.3) through GraphQL, on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.populate import VECTORS, A, B, C, Hit, happening, view
from tests.server import Server

Populate = Callable[[str, Iterable[Hit]], Any]

PERIOD = {"start": "2026-11-10T00:00:00Z", "end": "2026-11-11T23:59:59Z"}
ALL_FIGURES = "pageviews visitors visits bounces totaltime events bounceRate viewsPerVisit visitDuration"


@pytest.fixture
def ask(server: Server, website: str, populate: Populate) -> Callable[..., Any]:
    """`ask("totals {…}", where=…, period=…)`: fields of `analytics` over the conformance data."""
    populate(website, VECTORS)

    def analytics(fields: str, where: Any = None, period: Any = PERIOD) -> Any:
        query = f"""query($id: ID!, $period: PeriodInput!, $where: EventFilter) {{
          website(id: $id) {{ analytics(period: $period, where: $where) {{ {fields} }} }}
        }}"""
        answer = server.graphql(query, {"id": website, "period": period, "where": where})
        assert "errors" not in answer, answer
        return answer["data"]["website"]["analytics"]

    return analytics


def totals(ask: Callable[..., Any], **given: Any) -> tuple[int, ...]:
    """(pageviews, visitors, visits, bounces, totaltime)"""
    names = ("pageviews", "visitors", "visits", "bounces", "totaltime")
    found = ask(f"totals {{ {' '.join(f'{name} {{ value }}' for name in names)} }}", **given)["totals"]
    return tuple(found[name]["value"] for name in names)


def test_totals(ask: Callable[..., Any]) -> None:
    fields = " ".join(f"{name} {{ value previous change }}" for name in ALL_FIGURES.split())
    assert ask(f"totals {{ {fields} }}")["totals"] == {
        name: {"value": value, "previous": None, "change": None}
        for name, value in {
            "pageviews": 6,
            "visitors": 3,
            "visits": 4,
            "bounces": 2,
            "totaltime": 180,
            "events": 3,
            "bounceRate": 0.5,
            "viewsPerVisit": 1.5,
            "visitDuration": 45.0,
        }.items()
    }


def test_totals_with_the_previous_period(ask: Callable[..., Any]) -> None:
    fields = " ".join(f"{name} {{ value previous change }}" for name in ("visitors", "events", "bounceRate"))
    found = ask(
        f"totals(compare: PREVIOUS) {{ {fields} }}",
        period={"start": "2026-11-11T00:00:00Z", "end": "2026-11-11T23:59:59Z"},
    )["totals"]
    assert found == {
        "visitors": {"value": 1, "previous": 3, "change": pytest.approx(-2 / 3)},
        "events": {"value": 1, "previous": 2, "change": -0.5},
        "bounceRate": {"value": 1.0, "previous": pytest.approx(1 / 3), "change": pytest.approx(2.0)},
    }


@pytest.mark.parametrize(
    ("arguments", "previous"),
    [
        ("compare: PREVIOUS", 5),
        ("compare: PREVIOUS_YEAR", 0),
        ('compareTo: {start: "2026-11-10", end: "2026-11-11"}', 6),
        # 10:00 and 10:02 UTC; 10:30 is out.
        ('compareTo: {start: "2026-11-10T11:00", end: "2026-11-10T11:29", timezone: "Europe/Berlin"}', 2),
    ],
)
def test_the_period_compared_with(ask: Callable[..., Any], arguments: str, previous: int) -> None:
    found = ask(
        f"totals({arguments}) {{ pageviews {{ previous change }} }}",
        period={"start": "2026-11-11", "end": "2026-11-11"},
    )
    change = (1 - previous) / previous if previous else None
    assert found["totals"]["pageviews"] == {"previous": previous, "change": change}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"country": {"eq": "DE"}}, (1, 1, 1, 1, 0)),
        ({"path": {"contains": "PRIC"}}, (2, 2, 2, 2, 0)),
        ({"path": {"notContains": "pric"}}, (4, 3, 4, 4, 0)),
        ({"path": {"eq": "/pricing"}}, (2, 2, 2, 2, 0)),
        ({"path": {"ne": "/pricing"}}, (4, 3, 4, 4, 0)),
        ({"path": {"in": ["/pricing", "/nowhere"]}}, (2, 2, 2, 2, 0)),
        ({"path": {"notIn": ["/"]}}, (2, 2, 2, 2, 0)),
        ({"path": {"startsWith": "/pri"}}, (2, 2, 2, 2, 0)),
        ({"path": {"endsWith": "ing"}}, (2, 2, 2, 2, 0)),
        ({"path": {"matches": "^/p.+g$"}}, (2, 2, 2, 2, 0)),
        ({"event": {"eq": "signup"}}, (0, 0, 0, 0, 0)),
        ({"utmSource": {"isSet": True}}, (1, 1, 1, 1, 0)),
        ({"utmSource": {"isSet": False}}, (5, 3, 4, 3, 120)),
        ({"referrer": {"eq": "t.co"}}, (1, 1, 1, 1, 0)),
        # Absent values match no negative operator.
        ({"utmSource": {"ne": "x"}}, (1, 1, 1, 1, 0)),
        # All keys of an object must match.
        (
            {"country": {"eq": "US"}, "browser": {"eq": "chrome"}, "os": {"startsWith": "Windows"}},
            (2, 1, 1, 0, 120),
        ),
        ({"and": [{"country": {"eq": "US"}}, {"city": {"eq": "New York"}}]}, (3, 1, 2, 1, 60)),
        ({"or": [{"country": {"eq": "DE"}}, {"city": {"eq": "New York"}}]}, (4, 2, 3, 2, 60)),
        ({"not": {"country": {"eq": "US"}}}, (1, 1, 1, 1, 0)),
        ({"not": {"or": [{"country": {"eq": "DE"}}, {"path": {"eq": "/"}}]}}, (2, 2, 2, 2, 0)),
        (
            {"country": {"eq": "US"}, "or": [{"path": {"eq": "/pricing"}}, {"path": {"eq": "/x"}}]},
            (2, 2, 2, 2, 0),
        ),
        ({}, (6, 3, 4, 2, 180)),
    ],
)
def test_filters(ask: Callable[..., Any], where: Any, expected: tuple[int, ...]) -> None:
    assert totals(ask, where=where) == expected


@pytest.mark.parametrize(
    ("wanted", "events"),
    [
        ({"key": "plan", "eq": "pro"}, 1),
        ({"key": "plan", "event": "signup", "eq": "pro"}, 1),
        ({"key": "plan", "event": "purchase", "eq": "pro"}, 0),
        ({"key": "plan", "contains": "PR"}, 1),
        ({"key": "n", "eq": 3}, 1),
        ({"key": "n", "gte": 3, "lt": 4}, 1),
        ({"key": "n", "gt": 3}, 0),
        ({"key": "revenue", "gt": 10.5}, 1),
        ({"key": "nested.x", "lte": 1.5}, 1),
        ({"key": "ok", "eq": True}, 1),
        ({"key": "ok", "eq": False}, 0),
        ({"key": "currency", "isSet": True}, 2),
        ({"key": "currency", "isSet": False, "event": "signup"}, 1),
    ],
)
def test_filters_by_property(ask: Callable[..., Any], wanted: Any, events: int) -> None:
    found = ask("totals { events { value } }", where={"property": wanted})
    assert found["totals"]["events"]["value"] == events


def test_a_series_is_gap_filled_columns(ask: Callable[..., Any]) -> None:
    fields = "series(unit: DAY) { unit at pageviews visitors visits bounces totaltime events }"
    assert ask(fields, period={"start": "2026-11-09", "end": "2026-11-11"})["series"] == {
        "unit": "DAY",
        "at": ["2026-11-09T00:00:00", "2026-11-10T00:00:00", "2026-11-11T00:00:00"],
        "pageviews": [0, 5, 1],
        "visitors": [0, 3, 1],
        "visits": [0, 3, 1],
        "bounces": [0, 1, 1],
        "totaltime": [0, 180, 0],
        "events": [0, 2, 1],
    }


def test_a_series_follows_the_zone_s_wall_clock(ask: Callable[..., Any]) -> None:
    # 10:00 and 11:00 UTC are 02:00 and 03:00 in Los Angeles.
    period = {"start": "2026-11-10T01:00", "end": "2026-11-10T04:59", "timezone": "America/Los_Angeles"}
    assert ask("series(unit: HOUR) { at pageviews visitors }", period=period)["series"] == {
        "at": [f"2026-11-10T0{hour}:00:00" for hour in (1, 2, 3, 4)],
        "pageviews": [0, 3, 2, 0],
        "visitors": [0, 2, 1, 0],
    }


@pytest.mark.parametrize(
    ("period", "unit"),
    [
        ({"start": "2026-11-10T10:00:00Z", "end": "2026-11-10T11:00:00Z"}, "MINUTE"),
        ({"start": "2026-11-10", "end": "2026-11-11"}, "HOUR"),
        ({"start": "2026-10-12", "end": "2026-11-11"}, "DAY"),
        ({"start": "2025-12-01", "end": "2026-11-30"}, "MONTH"),
    ],
)
def test_the_unit_of_a_series_suits_the_period(ask: Callable[..., Any], period: Any, unit: str) -> None:
    found = ask("series { unit at } eventSeries { unit at }", period=period)
    assert (found["series"]["unit"], found["eventSeries"]["unit"]) == (unit, unit)
    assert found["series"]["at"] == found["eventSeries"]["at"]


def test_event_series(ask: Callable[..., Any]) -> None:
    fields = "eventSeries(unit: DAY) { at events { name counts total } }"
    assert ask(fields)["eventSeries"] == {
        "at": ["2026-11-10T00:00:00", "2026-11-11T00:00:00"],
        "events": [
            {"name": "purchase", "counts": [1, 1], "total": 2},
            {"name": "signup", "counts": [1, 0], "total": 1},
        ],
    }
    assert ask("eventSeries(first: 1) { events { name } }")["eventSeries"]["events"] == [{"name": "purchase"}]


def test_a_breakdown_has_all_figures(ask: Callable[..., Any]) -> None:
    found = ask(
        f"breakdown(by: [COUNTRY]) {{ nodes {{ values share {ALL_FIGURES} }} pageInfo {{ hasNextPage }} }}"
    )
    us = (["US"], 2 / 3, 5, 2, 3, 1, 180, 3, 1 / 3, 5 / 3, 60.0)
    de = (["DE"], 1 / 3, 1, 1, 1, 1, 0, 0, 1.0, 1.0, 0.0)
    names = ("values", "share", *ALL_FIGURES.split())
    expected = [dict(zip(names, row, strict=True)) for row in (us, de)]
    assert found["breakdown"]["pageInfo"] == {"hasNextPage": False}
    for node, wanted in zip(found["breakdown"]["nodes"], expected, strict=True):
        assert node == {
            name: pytest.approx(value) if isinstance(value, float) else value
            for name, value in wanted.items()
        }


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("PATH", [("/", 3), ("/pricing", 2)]),
        ("ENTRY", [("/", 3)]),
        ("EXIT", [("/", 2), ("/pricing", 2)]),
        ("REFERRER", [("google.com", 1), ("t.co", 1)]),
        ("QUERY", [("", 3), ("utm_source=news&utm_medium=email", 1)]),
        ("TAG", [(None, 3)]),
        ("BROWSER", [("chrome", 2), ("ios", 1)]),
        ("OS", [("Android OS", 1), ("Windows 10", 1), ("iOS", 1)]),
        ("DEVICE", [("mobile", 2), ("desktop", 1)]),
        ("REGION", [("DE-BE", 1), ("US-CA", 1), ("US-NY", 1)]),
        ("UTM_MEDIUM", [(None, 3), ("email", 1)]),
        ("CHANNEL", [("direct", 2), ("organicSearch", 1), ("organicSocial", 1)]),
    ],
)
def test_breakdown_by(ask: Callable[..., Any], by: str, rows: list[tuple[str | None, int]]) -> None:
    found = ask(f"breakdown(by: [{by}]) {{ nodes {{ values visitors }} }}")["breakdown"]["nodes"]
    assert [(*node["values"], node["visitors"]) for node in found] == rows


def test_breakdown_by_event_counts_custom_events(ask: Callable[..., Any]) -> None:
    found = ask("breakdown(by: [EVENT], orderBy: EVENTS) { nodes { values events visitors } }")["breakdown"][
        "nodes"
    ]
    assert found == [
        {"values": ["purchase"], "events": 2, "visitors": 2},
        {"values": ["signup"], "events": 1, "visitors": 1},
    ]


def test_breakdown_by_several_dimensions(ask: Callable[..., Any]) -> None:
    found = ask("breakdown(by: [COUNTRY, BROWSER, PATH], orderBy: PAGEVIEWS) { nodes { values pageviews } }")
    assert [(*node["values"], node["pageviews"]) for node in found["breakdown"]["nodes"]] == [
        ("US", "chrome", "/", 3),
        ("US", "chrome", "/pricing", 2),
        ("DE", "ios", "/", 1),
    ]


def test_search_looks_in_the_first_dimension(ask: Callable[..., Any]) -> None:
    found = ask('breakdown(by: [PATH, COUNTRY], search: "PRIC") { nodes { values visitors } }')["breakdown"][
        "nodes"
    ]
    assert found == [{"values": ["/pricing", "US"], "visitors": 2}]


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("order", ["VISITORS", "PAGEVIEWS", "TOTALTIME"])
def test_pages_of_a_breakdown_join_to_the_whole(ask: Callable[..., Any], page: int, order: str) -> None:
    arguments = f"by: [UTM_MEDIUM, PATH], orderBy: {order}"
    whole = ask(f"breakdown({arguments}, first: 100) {{ nodes {{ values }} }}")["breakdown"]["nodes"]
    seen: list[Any] = []
    more, cursor = True, "null"
    while more:
        found = ask(
            f"breakdown({arguments}, first: {page}, after: {cursor}) "
            "{ nodes { values } edges { cursor node { values } } pageInfo { hasNextPage endCursor } }"
        )["breakdown"]
        assert [edge["node"] for edge in found["edges"]] == found["nodes"]
        assert found["pageInfo"]["endCursor"] == found["edges"][-1]["cursor"]
        seen += found["nodes"]
        more, cursor = found["pageInfo"]["hasNextPage"], f'"{found["pageInfo"]["endCursor"]}"'
    assert len(whole) == 3
    assert seen == whole


def test_an_empty_breakdown(ask: Callable[..., Any]) -> None:
    found = ask(
        "breakdown(by: [PATH]) { nodes { values share } edges { cursor } pageInfo { hasNextPage endCursor } }",
        where={"country": {"eq": "FR"}},
    )
    assert found["breakdown"] == {
        "nodes": [],
        "edges": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
    }


def test_channels(ask: Callable[..., Any]) -> None:
    found = ask("channels { channel visitors }")["channels"]
    assert [(row["channel"], row["visitors"]) for row in found[:4]] == [
        ("direct", 2),
        ("organicSearch", 1),
        ("organicSocial", 1),
        ("referral", 0),
    ]
    assert len(found) == 14


def test_the_period_is_shown_resolved(ask: Callable[..., Any]) -> None:
    shown = ask(
        "period { start end timezone }",
        period={"start": "2026-11-10", "end": "2026-11-10", "timezone": "asia/kathmandu"},
    )
    assert shown["period"] == {
        "start": "2026-11-09T18:15:00.000Z",
        "end": "2026-11-10T18:14:59.999Z",
        "timezone": "Asia/Kathmandu",
    }
    assert ask("period { start end }", period={"all": True})["period"] == {
        "start": "2026-11-10T10:00:00.000Z",
        "end": "2026-11-11T09:00:30.000Z",
    }


def test_values_and_date_range(server: Server, website: str, populate: Populate) -> None:
    query = """query($id: ID!) { website(id: $id) {
        dateRange { start end }
        paths: values(field: PATH) { value count }
        events: values(field: EVENT) { value count }
        one: values(field: PATH, first: 1) { value }
        found: values(field: PATH, search: "PRIC") { value }
        early: values(field: PATH, period: {start: "2026-11-10T10:00", end: "2026-11-10T10:01"}) { value count }
    } }"""
    empty = server.graphql(query, {"id": website})["data"]["website"]
    assert empty == {"dateRange": None, "paths": [], "events": [], "one": [], "found": [], "early": []}
    populate(website, VECTORS)
    assert server.graphql(query, {"id": website})["data"]["website"] == {
        "dateRange": {"start": "2026-11-10T10:00:00.000Z", "end": "2026-11-11T09:00:30.000Z"},
        "paths": [{"value": "/", "count": 5}, {"value": "/pricing", "count": 4}],
        "events": [
            {"value": None, "count": 6},
            {"value": "purchase", "count": 2},
            {"value": "signup", "count": 1},
        ],
        "one": [{"value": "/"}],
        "found": [{"value": "/pricing"}],
        "early": [{"value": "/", "count": 1}],
    }


def test_active_visitors_are_those_of_now(server: Server, website: str, populate: Populate) -> None:
    query = "query($id: ID!) { website(id: $id) { activeVisitors } }"
    populate(website, VECTORS)
    assert server.graphql(query, {"id": website})["data"]["website"]["activeVisitors"] == 0
    for visitor in (A, B):
        body = {"type": "event", "payload": {"website": website, "url": "/"}}
        server.client.post("/api/send", json=body, headers=visitor.headers).raise_for_status()
    assert server.graphql(query, {"id": website})["data"]["website"]["activeVisitors"] == 2


def test_an_unknown_website_has_no_figures_and_an_empty_one_has_zeros(server: Server, website: str) -> None:
    query = """query($id: ID!) { website(id: $id) { analytics(period: {all: true}) {
        totals(compare: PREVIOUS_YEAR) { visitors { value previous change } bounceRate { value } }
        series { pageviews }
        breakdown(by: [PATH]) { nodes { values } }
    } } }"""
    found = server.graphql(query, {"id": website})["data"]["website"]["analytics"]
    assert found == {
        "totals": {"visitors": {"value": 0, "previous": None, "change": None}, "bounceRate": {"value": 0.0}},
        "series": {"pageviews": [0]},
        "breakdown": {"nodes": []},
    }


def test_a_reset_hides_what_was_before(server: Server, website: str, populate: Populate) -> None:
    populate(website, [view(C, "2026-11-10 10:00:00"), happening(C, "2026-11-10 10:01:00", "/", "e")])
    reset = server.graphql("mutation($id: ID!) { resetWebsite(id: $id) { resetAt } }", {"id": website})
    # Sent after the reset, with an older time.
    populate(website, [view(C, "2026-11-10 10:02:00")])
    query = """query($id: ID!) { website(id: $id) { resetAt analytics(period: {start: "2026-11-10", last: null, end: "2100-01-01"}) {
        period { start } totals { pageviews { value } } } } }"""
    found = server.graphql(query, {"id": website})["data"]["website"]
    reset_at = reset["data"]["resetWebsite"]["resetAt"]
    assert found == {
        "resetAt": reset_at,
        "analytics": {"period": {"start": reset_at}, "totals": {"pageviews": {"value": 0}}},
    }

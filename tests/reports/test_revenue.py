"""Revenue and its currencies."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.populate import ANDROID, VECTORS, A, B, C, Hit, Visitor, happening, populate, view
from tests.reports.doors import RANGE, graph, problems, refused, rest, sent
from tests.server import Server

NOWHERE = Visitor("10.1.2.3", ANDROID, "412x915", "en-GB")


def sale(visitor: Visitor, at: str, amount: Any, currency: Any = "EUR", name: str = "buy") -> Hit:
    return happening(visitor, at, "/shop", name, {"revenue": amount, "currency": currency})


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id, other = server.create_website(), server.create_website()
    populate(server, other, [sale(A, "2026-11-10 10:00:00", 1000, "GBP")])
    populate(
        server,
        website_id,
        [
            sale(A, "2026-11-10 10:00:00", 0.1),
            sale(A, "2026-11-10 10:00:30", "0.2"),
            sale(B, "2026-11-10 23:30:00", 1.23456, "eur"),
            sale(B, "2026-11-10 23:31:00", 10, name="rent"),
            # Page views can bring something too.
            view(NOWHERE, "2026-11-11 12:00:00", "/", data={"revenue": 3, "currency": "EUR"}),
            sale(C, "2026-11-11 13:00:00", 500, "JPY"),
            # No revenue, though its currency is listed.
            sale(C, "2026-11-11 14:00:00", 0, "CHF"),
            happening(C, "2026-11-11 14:01:00", "/", "cart", {"shop": {"baseCurrency": "SEK"}}),
            # Not in the range.
            sale(C, "2026-11-12 00:00:00", 7, "USD"),
        ],
    )
    return website_id


def test_sums_are_exact(server: Server, site: str) -> None:
    # 23:30 UTC is the next day in Berlin.
    assert rest(server, site, "revenue", currency="eUr", timezone="Europe/Berlin") == {
        "chart": [
            {"x": "buy", "t": "2026-11-10 00:00:00", "y": 0.3},
            {"x": None, "t": "2026-11-11 00:00:00", "y": 3},
            {"x": "buy", "t": "2026-11-11 00:00:00", "y": 1.2346},
            {"x": "rent", "t": "2026-11-11 00:00:00", "y": 10},
        ],
        "country": [
            {"name": "DE", "value": 11.2346},
            {"name": None, "value": 3},
            {"name": "US", "value": 0.3},
        ],
        "total": {"sum": 14.5346, "count": 5, "unique_count": 3},
        "table": [
            {"currency": "JPY", "sum": 500, "count": 1, "unique_count": 1},
            {"currency": "EUR", "sum": 13.3, "count": 4, "unique_count": 3},
            {"currency": "eur", "sum": 1.2346, "count": 1, "unique_count": 1},
        ],
    }


SELECTION = """{
    total { amount events visitors }
    series { unit at events { name amounts total } }
    byCountry { country amount }
    byCurrency { currency amount events visitors }
}"""


def test_the_same_in_graphql(server: Server, site: str) -> None:
    found = graph(server, site, f'revenue(currency: "eUr", unit: DAY) {SELECTION}')["revenue"]
    assert found == {
        "total": {"amount": 14.5346, "events": 5, "visitors": 3},
        "series": {
            "unit": "DAY",
            "at": ["2026-11-10T00:00:00", "2026-11-11T00:00:00"],
            "events": [
                {"name": "rent", "amounts": [10, 0], "total": 10},
                {"name": None, "amounts": [0, 3], "total": 3},
                {"name": "buy", "amounts": [1.5346, 0], "total": 1.5346},
            ],
        },
        "byCountry": [
            {"country": "DE", "amount": 11.2346},
            {"country": None, "amount": 3},
            {"country": "US", "amount": 0.3},
        ],
        "byCurrency": [
            {"currency": "JPY", "amount": 500, "events": 1, "visitors": 1},
            {"currency": "EUR", "amount": 13.3, "events": 4, "visitors": 3},
            {"currency": "eur", "amount": 1.2346, "events": 1, "visitors": 1},
        ],
    }


def test_parts_and_the_most_of_them(server: Server, site: str) -> None:
    found = graph(
        server,
        site,
        """one: revenue(currency: "EUR", unit: WEEK, first: 1) {
            series { unit at events { name } } byCountry { country } byCurrency { currency }
        }
        total: revenue(currency: "EUR") { total { events } }
        none: revenue(currency: "XXX", unit: MONTH) {
            total { amount events visitors } series { at events { name } }
        }""",
    )
    assert found["one"] == {
        "series": {"unit": "WEEK", "at": ["2026-11-09T00:00:00"], "events": [{"name": "rent"}]},
        "byCountry": [{"country": "DE"}],
        "byCurrency": [{"currency": "JPY"}],
    }
    assert found["total"] == {"total": {"events": 5}}
    assert found["none"] == {
        "total": {"amount": 0, "events": 0, "visitors": 0},
        "series": {"at": ["2026-11-01T00:00:00"], "events": []},
    }


def test_a_filter_chooses_the_events_that_brought_it(server: Server, site: str) -> None:
    where = '{property: {key: "revenue", gt: 1}, path: {eq: "/shop"}}'
    found = graph(server, site, f'revenue(currency: "eur", unit: DAY) {SELECTION} currencies', where=where)
    assert found["revenue"]["total"] == {"amount": 11.2346, "events": 2, "visitors": 1}
    assert found["revenue"]["byCountry"] == [{"country": "DE", "amount": 11.2346}]
    assert found["revenue"]["series"]["events"] == [
        {"name": "rent", "amounts": [10, 0], "total": 10},
        {"name": "buy", "amounts": [1.2346, 0], "total": 1.2346},
    ]
    assert [row["currency"] for row in found["revenue"]["byCurrency"]] == ["JPY", "EUR", "eur"]
    assert found["currencies"] == ["EUR", "JPY", "eur"]


@pytest.mark.parametrize(
    ("unit", "starts"),
    [
        ("", ["2026-11-10 00:00:00", "2026-11-11 00:00:00"]),
        ("minute", ["2026-11-10 10:10:00", "2026-11-11 09:00:00"]),
        ("hour", ["2026-11-10 10:00:00", "2026-11-11 09:00:00"]),
        ("day", ["2026-11-10 00:00:00", "2026-11-11 00:00:00"]),
        ("month", ["2026-11-01 00:00:00"]),
        ("year", ["2026-01-01 00:00:00"]),
    ],
)
def test_a_unit_is_taken_as_it_is(server: Server, website: str, unit: str, starts: list[str]) -> None:
    populate(server, website, VECTORS)
    # Three years: anything finer than a month is widened elsewhere.
    period = {"startDate": "2025-01-01", "endDate": "2027-12-31", **({"unit": unit} if unit else {})}
    body = {"websiteId": website, "dateRange": period, "currency": "usd", "timezone": "UTC"}
    status, found = sent(server, "revenue", body)
    assert status == 200
    assert [point["t"] for point in found["chart"]] == starts
    assert [point["y"] for point in found["chart"]] == ([19.99, 5] if len(starts) == 2 else [24.99])


def test_nothing_sold(server: Server, website: str) -> None:
    nothing = {"sum": 0, "count": 0, "unique_count": 0}
    assert rest(server, website, "revenue", currency="USD", timezone="UTC") == {
        "chart": [],
        "country": [],
        "total": nothing,
        "table": [],
    }


def test_a_time_zone_may_stand_in_the_range(server: Server, site: str) -> None:
    period = {**RANGE, "timezone": "asia/tokyo", "unit": "hour"}
    body = {"websiteId": site, "dateRange": period, "currency": "JPY"}
    status, found = sent(server, "revenue", body)
    assert (status, found["chart"]) == (200, [{"x": "buy", "t": "2026-11-11 22:00:00", "y": 500}])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"timezone": "UTC"}, ["currency: Required"]),
        ({"currency": "USD"}, ["timezone: Required"]),
        ({"currency": None, "timezone": "UTC"}, ["currency: Expected string, received null"]),
        (
            {"currency": 1, "timezone": "nowhere"},
            ["timezone: Invalid timezone", "currency: Expected string, received number"],
        ),
        *(
            ({"currency": "USD", "timezone": "UTC", "dateRange": {**RANGE, "unit": unit}}, ["dateRange: "])
            for unit in ("week", "Day", "decade")
        ),
    ],
)
def test_bad_parameters(server: Server, params: dict[str, Any], said: list[str]) -> None:
    assert problems(server, "revenue", **params) == said


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('currency: "a\\u0000b"', "currency"),
        ('currency: " "', "currency"),
        ('currency: "EUR", first: 0', "first"),
        ('currency: "EUR", first: 101', "first"),
        ('currency: "EUR", unit: MINUTE', "unit"),
    ],
)
def test_bad_arguments(server: Server, site: str, arguments: str, field: str) -> None:
    assert refused(server, site, f"revenue({arguments}) {SELECTION}") == ("invalid", field, 400)


def test_currencies(server: Server, site: str) -> None:
    # Values of all keys with the word in them, in any case; nothing of other websites and times.
    listed = ["CHF", "EUR", "JPY", "SEK", "eur"]
    assert server.get("/api/reports/revenue", websiteId=site, **RANGE) == [
        {"currency": name} for name in listed
    ]
    assert graph(server, site, "currencies few: currencies(first: 2)") == {
        "currencies": listed,
        "few": ["CHF", "EUR"],
    }
    assert refused(server, site, "currencies(first: 0)") == ("invalid", "first", 400)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-12", "2026-11-12T00:00:00.000Z"),
        ("1794441600000", "1794441600000"),
        (
            "Thu Nov 12 2026 01:00:00 GMT+0100 (Central European Standard Time)",
            "Thu Nov 12 2026 01:00:00 GMT+0100 (Central European Standard Time)",
        ),
        ("Thu Nov 12 2026 00:00:00 GMT (Greenwich Mean Time)", "2026-11-12"),
    ],
)
@pytest.mark.parametrize("encoded", [True, False])
def test_dates_of_currencies(server: Server, site: str, start: str, end: str, encoded: bool) -> None:
    query = urlencode({"websiteId": site, "startDate": start, "endDate": end})
    if not encoded:  # a client that puts the text into the address as it is: `+` reads as a space there
        query = query.replace("%2B", "+")
    answer = server.client.get(f"/api/reports/revenue?{query}", headers=server.admin)
    assert (answer.status_code, answer.json()) == (200, [{"currency": "USD"}])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, ["websiteId: Required", "startDate: Required", "endDate: Required"]),
        (
            {"websiteId": "1", "startDate": "soon", "endDate": ""},
            ["websiteId: Invalid uuid", "startDate: Invalid date", "endDate: Invalid date"],
        ),
    ],
)
def test_bad_parameters_of_currencies(server: Server, params: dict[str, str], said: list[str]) -> None:
    answer = server.client.get("/api/reports/revenue", params=params)
    assert (answer.status_code, answer.json()) == (400, {"error": said})


def test_currencies_of_a_website_one_may_not_see(server: Server, site: str) -> None:
    answer = server.client.get("/api/reports/revenue", params={"websiteId": site, **RANGE})
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})

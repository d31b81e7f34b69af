"""Campaigns, insights, revenue and attribution of the data of Umami v2 REST behaviour §6.3, through both doors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import VECTORS, populate
from tests.reports.doors import PERIOD, RANGE, graph, rest
from tests.server import Server


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


def test_utm(server: Server, site: str) -> None:
    assert rest(server, site, "utm") == {"utm_source": {"news": 1}, "utm_medium": {"email": 1}}
    assert graph(server, site, "utm { parameter pageviews values { value pageviews } }")["utm"] == [
        {"parameter": "utm_medium", "pageviews": 1, "values": [{"value": "email", "pageviews": 1}]},
        {"parameter": "utm_source", "pageviews": 1, "values": [{"value": "news", "pageviews": 1}]},
    ]


MEASURES = ("pageviews", "visitors", "visits", "bounces", "totaltime")


@pytest.mark.parametrize(
    ("name", "dimension", "expected"),
    [
        ("country", "COUNTRY", [("US", 5, 2, 3, 1, 180), ("DE", 1, 1, 1, 1, 0)]),
        ("query", "QUERY", [("", 5, 3, 4, 3, 120), ("utm_source=news&utm_medium=email", 1, 1, 1, 1, 0)]),
    ],
)
def test_insights(
    server: Server, site: str, name: str, dimension: str, expected: list[tuple[Any, ...]]
) -> None:
    field = {"name": name, "type": "string", "label": name.title()}
    found = rest(server, site, "insights", fields=[field], filters=[])
    keys = (name, "views", *MEASURES[1:])
    assert found == [dict(zip(keys, row, strict=True)) for row in expected]
    selection = (
        f"breakdown(by: [{dimension}], orderBy: PAGEVIEWS) {{ nodes {{ values {' '.join(MEASURES)} }} }}"
    )
    nodes = graph(server, site, selection)["breakdown"]["nodes"]
    assert [(*node["values"], *(node[name] for name in MEASURES)) for node in nodes] == expected


def test_revenue(server: Server, site: str) -> None:
    assert rest(server, site, "revenue", unit="day", currency="USD", timezone="Europe/Berlin") == {
        "chart": [
            {"x": "purchase", "t": "2026-11-10 00:00:00", "y": 19.99},
            {"x": "purchase", "t": "2026-11-11 00:00:00", "y": 5},
        ],
        "country": [{"name": "US", "value": 24.99}],
        "total": {"sum": 24.99, "count": 2, "unique_count": 2},
        "table": [
            {"currency": "USD", "sum": 19.99, "count": 1, "unique_count": 1},
            {"currency": "usd", "sum": 5, "count": 1, "unique_count": 1},
        ],
    }
    found = graph(
        server,
        site,
        """revenue(currency: "USD", unit: DAY) {
            total { amount events visitors }
            series { unit at events { name amounts total } }
            byCountry { country amount }
            byCurrency { currency amount events visitors }
        }
        currencies""",
        PERIOD.replace("}", ', timezone: "Europe/Berlin"}'),
    )
    assert found["revenue"] == {
        "total": {"amount": 24.99, "events": 2, "visitors": 2},
        "series": {
            "unit": "DAY",
            # The range ends after midnight in Berlin.
            "at": ["2026-11-10T00:00:00", "2026-11-11T00:00:00", "2026-11-12T00:00:00"],
            "events": [{"name": "purchase", "amounts": [19.99, 5, 0], "total": 24.99}],
        },
        "byCountry": [{"country": "US", "amount": 24.99}],
        "byCurrency": [
            {"currency": "USD", "amount": 19.99, "events": 1, "visitors": 1},
            {"currency": "usd", "amount": 5, "events": 1, "visitors": 1},
        ],
    }
    assert found["currencies"] == ["USD", "usd"]
    listed = server.get("/api/reports/revenue", websiteId=site, **RANGE)
    assert listed == [{"currency": "USD"}, {"currency": "usd"}]


REST_KEYS = (*("referrer", "paidAds", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),)
GRAPHQL_KEYS = (*("referrer", "paidAds", "utmSource", "utmMedium", "utmCampaign", "utmContent", "utmTerm"),)


@pytest.mark.parametrize(
    ("currency", "expected"),
    [
        ("", [[("t.co", 1)], [], [("news", 1)], [("email", 1)], [], [], []]),
        (
            "USD",
            [
                [(None, 19.99), ("t.co", 5)],
                [(None, 24.99)],
                [(None, 19.99), ("news", 5)],
                [(None, 19.99), ("email", 5)],
                [(None, 24.99)],
                [(None, 24.99)],
                [(None, 24.99)],
            ],
        ),
    ],
)
def test_attribution(
    server: Server, site: str, currency: str, expected: list[list[tuple[str | None, float]]]
) -> None:
    steps = [{"type": "event", "value": "purchase"}]
    sent = {"currency": currency} if currency else {}
    found = rest(server, site, "attribution", model="firstClick", steps=steps, **sent)
    assert found == {
        **{
            key: [{"name": name or "", "value": value} for name, value in rows]
            for key, rows in zip(REST_KEYS, expected, strict=True)
        },
        "total": {"pageviews": 2, "visitors": 2, "visits": 2},
    }
    asked = f', currency: "{currency}"' if currency else ""
    selection = " ".join(f"{key} {{ name value }}" for key in GRAPHQL_KEYS)
    shown = graph(
        server,
        site,
        f'attribution(model: FIRST_CLICK, step: {{event: "purchase"}}{asked}) '
        f"{{ {selection} total {{ conversions visitors visits }} }}",
    )["attribution"]
    assert shown == {
        **{
            key: [{"name": name, "value": value} for name, value in rows]
            for key, rows in zip(GRAPHQL_KEYS, expected, strict=True)
        },
        "total": {"conversions": 2, "visitors": 2, "visits": 2},
    }

"""Campaign parameters of page addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import A, B, C, happening, populate, view
from tests.reports.doors import RANGE, graph, problems, refused, rest, sent
from tests.server import Server

SELECTION = "{ parameter pageviews values { value pageviews } }"


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id, other = server.create_website(), server.create_website()
    populate(server, other, [view(A, "2026-11-10 10:00:00", "/?utm_source=elsewhere")])
    populate(
        server,
        website_id,
        [
            view(A, "2026-11-10 10:00:00", "/?utm_source=news&utm_medium=e+mail&gclid=1"),
            view(A, "2026-11-10 10:01:00", "/a?x=1&utm_source=news&gclid=2"),
            # A repeated parameter counts once for each of its values.
            view(B, "2026-11-10 10:02:00", "/?utm_source=ads&utm_source=ads&utm_source=news"),
            # Any name of word characters, decoded; no other.
            view(C, "2026-11-10 10:03:00", "/?utm_my_id7=%C3%BC%2F%26&utm_=no&utm_a-b=no&xutm_source=no"),
            view(C, "2026-11-10 10:04:00", "/?utm_term=&utm_content"),
            # No page views, or not in the range.
            happening(C, "2026-11-10 10:05:00", "/?utm_source=event", "signup"),
            view(C, "2026-11-09 23:59:59", "/?utm_source=early"),
            view(C, "2026-11-12 00:00:00", "/?utm_source=late"),
        ],
    )
    return website_id


def test_page_views_by_parameter_and_value(server: Server, site: str) -> None:
    assert rest(server, site, "utm") == {
        "utm_source": {"news": 3, "ads": 1},
        "utm_content": {"": 1},
        "utm_medium": {"e mail": 1},
        "utm_my_id7": {"ü/&": 1},
        "utm_term": {"": 1},
    }
    # Most page views first: that is the order of an object's keys, too.
    assert list(rest(server, site, "utm")) == [
        *("utm_source", "utm_content", "utm_medium", "utm_my_id7", "utm_term"),
    ]
    assert graph(server, site, f"utm {SELECTION}")["utm"] == [
        {
            "parameter": "utm_source",
            "pageviews": 3,
            "values": [{"value": "news", "pageviews": 3}, {"value": "ads", "pageviews": 1}],
        },
        {"parameter": "utm_content", "pageviews": 1, "values": [{"value": "", "pageviews": 1}]},
        {"parameter": "utm_medium", "pageviews": 1, "values": [{"value": "e mail", "pageviews": 1}]},
        {"parameter": "utm_my_id7", "pageviews": 1, "values": [{"value": "ü/&", "pageviews": 1}]},
        {"parameter": "utm_term", "pageviews": 1, "values": [{"value": "", "pageviews": 1}]},
    ]


def test_a_list_of_graphql_is_bounded(server: Server, site: str) -> None:
    assert graph(server, site, f"utm(first: 1) {SELECTION}")["utm"] == [
        {"parameter": "utm_source", "pageviews": 3, "values": [{"value": "news", "pageviews": 3}]}
    ]
    assert refused(server, site, f"utm(first: 0) {SELECTION}") == ("invalid", "first", 400)
    assert refused(server, site, f"utm(first: 101) {SELECTION}") == ("invalid", "first", 400)


def test_a_filter_narrows_it(server: Server, site: str) -> None:
    found = graph(server, site, f"utm {SELECTION}", where='{path: {eq: "/a"}}')["utm"]
    assert found == [
        {"parameter": "utm_source", "pageviews": 1, "values": [{"value": "news", "pageviews": 1}]}
    ]


def test_a_website_without_campaigns(server: Server, website: str) -> None:
    assert rest(server, website, "utm") == {}
    assert graph(server, website, f"utm {SELECTION}")["utm"] == []


@pytest.mark.parametrize(
    "period",
    [
        # Both ends are included; any form of date that JavaScript reads.
        {"startDate": "2026-11-12T00:00:00.000Z", "endDate": "2026-11-12T00:00:00.000Z"},
        {"startDate": 1_794_441_600_000, "endDate": "2026-11-12"},
        {
            "startDate": "Thu Nov 12 2026 01:00:00 GMT+0100 (Central European Standard Time)",
            "endDate": "Wed Nov 11 2026 19:00:00 GMT-0500 (Eastern Standard Time)",
        },
    ],
)
def test_dates(server: Server, site: str, period: dict[str, Any]) -> None:
    body = {"websiteId": site, "dateRange": period, "timezone": "Europe/Berlin"}
    assert sent(server, "utm", body) == (200, {"utm_source": {"late": 1}})


@pytest.mark.parametrize("report", ["utm", "insights", "revenue", "attribution"])
def test_what_every_report_asks_for(server: Server, website: str, report: str) -> None:
    own = {
        "utm": [],
        "insights": ["fields: Required", "filters: Required"],
        "revenue": ["currency: Required"],
        "attribution": ["model: Required", "steps: Required"],
    }[report]
    assert sent(server, report, {}) == (
        400,
        {"error": ["websiteId: Required", "dateRange: Required", *own]},
    )
    assert sent(server, report, []) == (400, {"error": []})
    whole = {
        "fields": [{"name": "url"}],
        "filters": [],
        "currency": "USD",
        "timezone": "UTC",
        "model": "firstClick",
        "steps": [{"type": "url", "value": "/"}],
    }
    for changed, said in (
        ({"websiteId": "nope"}, "websiteId: Invalid uuid"),
        ({"dateRange": "today"}, "dateRange: Expected object, received string"),
        ({"dateRange": {"startDate": "2026-11-10"}}, "dateRange: "),
        ({"dateRange": {**RANGE, "endDate": "yesterday"}}, "dateRange: "),
        ({"timezone": "Mars/Olympus"}, "timezone: Invalid timezone"),
    ):
        assert problems(server, report, **{**whole, **changed}) == [said]
    body = {"websiteId": website, "dateRange": RANGE, **whole}
    assert sent(server, report, body)[0] == 200
    assert sent(server, report, body, {}) == (401, {"error": "Unauthorized"})
    unknown = {**body, "websiteId": "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f"}
    assert sent(server, report, unknown) == (404, {"error": "Not found"})

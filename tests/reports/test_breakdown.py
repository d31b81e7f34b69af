"""Insights: page views by any fields and filters, and their twin in GraphQL."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.reports.breakdown import FIELDS
from tests.populate import VECTORS, A, B, C, populate, view
from tests.reports.doors import RANGE, graph, problems, rest, sent
from tests.server import Server
from tests.stats.oracle import Event
from tests.stats.worlds import store

MEASURES = ("pageviews", "visitors", "visits", "bounces", "totaltime")


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id, other = server.create_website(), server.create_website()
    populate(server, website_id, VECTORS)
    populate(server, other, [view(A, "2026-11-10 10:00:00", "/elsewhere")])
    return website_id


def insights(server: Server, site: str, *names: str, filters: list[dict[str, Any]] | None = None) -> Any:
    fields = [{"name": name, "type": "string", "label": name.title()} for name in names]
    return rest(server, site, "insights", fields=fields, filters=filters or [])


def row(*figures: int, **values: str | None) -> dict[str, Any]:
    return dict(zip(("views", *MEASURES[1:]), figures, strict=True)) | values


def test_visits_are_formed_within_the_values(server: Server, site: str) -> None:
    assert insights(server, site, "url") == [
        row(4, 3, 4, 4, 0, url="/"),
        row(2, 2, 2, 2, 0, url="/pricing"),
    ]
    assert insights(server, site, "country", "os") == [
        row(3, 1, 2, 1, 60, country="US", os="Android OS"),
        row(2, 1, 1, 0, 120, country="US", os="Windows 10"),
        row(1, 1, 1, 1, 0, country="DE", os="iOS"),
    ]


def test_names_of_the_reference_and_absent_values(server: Server, site: str) -> None:
    assert insights(server, site, "entry", "exit", "event", "tag", "host") == [
        row(4, 3, 4, 4, 0, entry="/", exit="/", event=None, tag=None, host="example.com"),
        row(2, 2, 2, 2, 0, entry="/pricing", exit="/pricing", event=None, tag=None, host="example.com"),
    ]
    assert insights(server, site, "screen") == [
        row(3, 1, 2, 1, 60, screen="412x915"),
        row(2, 1, 1, 0, 120, screen="1920x1080"),
        row(1, 1, 1, 1, 0, screen="390x844"),
    ]
    # Absent referrers and the site's own are values like others here.
    assert insights(server, site, "referrer") == [
        row(2, 2, 2, 2, 0, referrer=None),
        row(2, 2, 2, 2, 0, referrer="example.com"),
        row(1, 1, 1, 1, 0, referrer="google.com"),
        row(1, 1, 1, 1, 0, referrer="t.co"),
    ]
    assert insights(server, site, "url", "url") == insights(server, site, "url")


def of(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"name": name, "type": "string", "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("filters", "figures"),
    [
        ([of("country", "eq", "US")], (5, 2, 3, 1, 180)),
        ([of("country", "eq", "us")], None),
        ([of("country", "neq", "US")], (1, 1, 1, 1, 0)),
        ([of("url", "c", "PRIC")], (2, 2, 2, 2, 0)),
        ([of("url", "dnc", "pric"), of("screen", "eq", "412x915")], (2, 1, 2, 2, 0)),
        ([of("entry", "eq", "/pricing")], (2, 2, 2, 2, 0)),
        ([of("query", "eq", "")], (5, 3, 4, 3, 120)),
        # What is absent matches nothing, not even what it differs from, and the site's own is no referrer.
        ([of("tag", "neq", "x")], None),
        ([of("tag", "dnc", "x")], None),
        ([of("tag", "eq", "")], None),
        ([of("event", "neq", "signup")], None),
        ([of("referrer", "neq", "t.co")], (1, 1, 1, 1, 0)),
        ([of("referrer", "dnc", "nowhere")], (2, 2, 2, 2, 0)),
        # Of two filters of a name the last stands.
        ([of("country", "eq", "FR"), of("country", "eq", "DE")], (1, 1, 1, 1, 0)),
        # Clients of 0.80 call the operator so.
        ([{"name": "country", "type": "string", "filter": "eq", "value": "DE"}], (1, 1, 1, 1, 0)),
        ([{"name": "country", "operator": "neq", "filter": "eq", "value": "DE"}], (5, 2, 3, 1, 180)),
    ],
)
def test_filters(
    server: Server, site: str, filters: list[dict[str, Any]], figures: tuple[int, ...] | None
) -> None:
    expected = [row(*figures, host="example.com")] if figures else []
    assert insights(server, site, "host", filters=filters) == expected


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"event", "entry", "exit"}))
def test_both_doors_give_equal_figures(server: Server, site: str, name: str) -> None:
    dimension, other = FIELDS[name].upper(), "os" if name == "device" else "device"
    found = graph(
        server,
        site,
        f"breakdown(by: [{dimension}, {other.upper()}], orderBy: PAGEVIEWS) {{ nodes {{ values {' '.join(MEASURES)} }} }}",
    )
    shown = [(*node["values"], *(node[name] for name in MEASURES)) for node in found["breakdown"]["nodes"]]
    asked = insights(server, site, name, other)
    rows = [(one[name], one[other], one["views"], *(one[key] for key in MEASURES[1:])) for one in asked]
    if name == "referrer":
        # GraphQL's breakdown leaves out what is no referrer.
        rows = [one for one in rows if one[0] not in (None, "example.com")]
    assert len(rows) >= 2
    assert sorted(rows, key=str) == sorted(shown, key=str)


def test_most_views_come_first_then_most_visitors_then_the_value(server: Server, website: str) -> None:
    at = "2026-11-10 10:00:00"
    hits = [(A, "/b"), (A, "/b"), (A, "/a"), (B, "/a"), (A, "/z"), (B, "/y"), (B, "/Z"), (C, "/m"), (C, "/m")]
    populate(server, website, [view(visitor, at, path) for visitor, path in hits])
    found = [(one["url"], one["views"], one["visitors"]) for one in insights(server, website, "url")]
    assert found == [("/a", 2, 2), ("/b", 2, 1), ("/m", 2, 1), ("/Z", 1, 1), ("/y", 1, 1), ("/z", 1, 1)]


def test_five_hundred_rows_at_most(server: Server, website: str) -> None:
    at = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
    events = [
        Event(uuid4(), uuid4(), uuid4(), at, {"url_path": f"/{number:03}"})
        for number in range(501)
        for _ in range(2 if number == 500 else 1)
    ]
    store(server.runtime, events, UUID(website))
    found = insights(server, website, "url")
    assert len(found) == 500
    assert (found[0]["url"], found[1]["url"], found[-1]["url"]) == ("/500", "/000", "/498")


def test_it_alone_counts_from_the_reset(server: Server, website: str) -> None:
    reset = server.client.post(f"/api/websites/{website}/reset", headers=server.admin)
    assert reset.status_code == 200
    # What is sent now of a time before the reset.
    populate(server, website, [view(A, "2020-11-10 10:00:00", "/?utm_source=old")])
    body = {"websiteId": website, "dateRange": {"startDate": "2020-11-01", "endDate": "2020-12-01"}}
    fields = {"fields": [{"name": "url"}], "filters": []}
    assert sent(server, "insights", {**body, **fields}) == (200, [])
    assert sent(server, "utm", body) == (200, {"utm_source": {"old": 1}})
    period = '{start: "2020-11-01", end: "2020-12-01"}'
    found = graph(
        server, website, "breakdown(by: [PATH]) { nodes { values } } utm { parameter }", period=period
    )
    # GraphQL has one rule for all its figures.
    assert found == {"breakdown": {"nodes": []}, "utm": []}


FIELD = {"name": "url", "type": "string", "label": "URL"}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"filters": []}, ["fields: Required"]),
        ({"fields": [FIELD]}, ["filters: Required"]),
        ({"fields": [], "filters": []}, ["fields: Array must contain at least 1 element(s)"]),
        (
            {"fields": "url", "filters": None},
            ["fields: Expected array, received string", "filters: Expected array, received null"],
        ),
        ({"fields": [FIELD, {"name": "nonsense"}], "filters": []}, ["fields: "]),
        ({"fields": [{"type": "string"}], "filters": []}, ["fields: "]),
        ({"fields": ["url"], "filters": []}, ["fields: "]),
        ({"fields": [FIELD], "filters": [of("nonsense", "eq", "x")]}, ["filters: "]),
        ({"fields": [FIELD], "filters": [of("url", "gt", "x")]}, ["filters: "]),
        ({"fields": [FIELD], "filters": [{"name": "url", "value": "x"}]}, ["filters: "]),
        ({"fields": [FIELD], "filters": [{"name": "url", "operator": "eq"}]}, ["filters: "]),
        ({"fields": [FIELD], "filters": [{**of("url", "eq", ""), "value": 1}]}, ["filters: "]),
        ({"fields": [{"name": 1}], "filters": [1]}, ["fields: ", "filters: "]),
    ],
)
def test_bad_parameters(server: Server, params: dict[str, Any], said: list[str]) -> None:
    assert problems(server, "insights", **params) == said


def test_characters_that_no_store_takes_are_dropped(server: Server, site: str) -> None:
    body = {
        "websiteId": site,
        "dateRange": RANGE,
        "fields": [FIELD],
        "filters": [of("url", "eq", "/\0pricing")],
    }
    assert sent(server, "insights", body) == (200, [row(2, 2, 2, 2, 0, url="/pricing")])

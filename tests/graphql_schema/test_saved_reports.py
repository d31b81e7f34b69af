"""Saved reports and usage over GraphQL; results are those of the routes that run the reports."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.graphql_schema.test_mutations import code
from tests.graphql_schema.test_teams import done
from tests.populate import VECTORS, populate
from tests.rest_compat.people import Headers, Person, add_person
from tests.server import Server

REPORT = "id type name description parameters createdAt updatedAt author { username } website { id domain }"
CREATE = f"mutation($w: ID!, $input: CreateReportInput!) {{ createReport(websiteId: $w, input: $input) {{ {REPORT} }} }}"
UPDATE = f"mutation($id: ID!, $input: UpdateReportInput!) {{ updateReport(id: $id, input: $input) {{ {REPORT} }} }}"
DELETE = "mutation($id: ID!) { deleteReport(id: $id) { id name } }"
READ = f"query($id: ID!) {{ savedReport(id: $id) {{ {REPORT} }} }}"
PAGE = "totalCount nodes { name } pageInfo { hasNextPage endCursor }"
LIST = f"query($team: ID, $first: Int!, $after: String, $search: String) {{ savedReports(teamId: $team, first: $first, after: $after, search: $search) {{ {PAGE} }} }}"
OF_WEBSITE = (
    f"query($w: ID!, $search: String) {{ website(id: $w) {{ savedReports(search: $search) {{ {PAGE} }} }} }}"
)
DATES = {"startDate": "2026-11-10T00:00:00.000Z", "endDate": "2026-11-11T23:59:59.000Z"}
RANGE = {"dateRange": DATES}


def add(
    server: Server, site: str, kind: str = "UTM", headers: Headers | None = None, **changes: Any
) -> dict[str, Any]:
    given = {"type": kind, "name": "R", "parameters": RANGE, **changes}
    made: dict[str, Any] = done(server, CREATE, {"w": site, "input": given}, headers)
    return made


def names(found: dict[str, Any]) -> list[str]:
    return [node["name"] for node in found["nodes"]]


def test_create_read_change_and_delete(server: Server, website: str) -> None:
    made = add(server, website, description="d")
    assert made == {
        "id": made["id"],
        "type": "UTM",
        "name": "R",
        "description": "d",
        "parameters": RANGE,
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
        "author": {"username": "admin"},
        "website": {"id": website, "domain": "example.com"},
    }
    assert done(server, READ, {"id": made["id"]}) == made
    # Both doors show the same one.
    row = server.get(f"/api/reports/{made['id']}")
    assert (row["type"], row["name"], row["parameters"]) == ("utm", "R", RANGE)
    anew = {"dateRange": {**DATES, "value": "30day"}}
    changed = done(server, UPDATE, {"id": made["id"], "input": {"name": "S", "parameters": anew}})
    assert changed == {**made, "name": "S", "parameters": anew, "updatedAt": changed["updatedAt"]}
    changed = done(server, UPDATE, {"id": made["id"], "input": {"description": ""}})
    assert (changed["name"], changed["description"], changed["parameters"]) == ("S", "", anew)
    assert done(server, DELETE, {"id": made["id"]}) == {"id": made["id"], "name": "S"}
    assert code(server.graphql(READ, {"id": made["id"]})) == ("not-found", None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, ("invalid", "name")),
        ({"name": "x" * 201}, ("invalid", "name")),
        ({"description": "x" * 501}, ("invalid", "description")),
        ({"parameters": []}, ("invalid", "parameters")),
        ({"parameters": {}}, ("malformed", "dateRange")),
        ({"parameters": {**RANGE, "window": 1}}, ("invalid", "window")),
        ({"type": "FUNNEL"}, ("malformed", "window")),
        ({"type": "BOGUS"}, ("graphql-validation", "type")),
    ],
    ids=str,
)
def test_inputs_refused(
    live: Server, live_website: str, changes: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    given = {"type": "UTM", "name": "R", "parameters": RANGE, **changes}
    assert code(live.graphql(CREATE, {"w": live_website, "input": given})) == expected
    made = add(live, live_website)
    if "type" not in changes:
        assert code(live.graphql(UPDATE, {"id": made["id"], "input": changes})) == expected
        assert done(live, READ, {"id": made["id"]}) == made
    assert names(done(live, OF_WEBSITE, {"w": live_website})["savedReports"]) == ["R"]


@pytest.mark.parametrize("field", ["name", "description", "parameters"])
def test_nothing_is_emptied_by_null(live: Server, live_website: str, field: str) -> None:
    made = add(live, live_website)
    assert code(live.graphql(UPDATE, {"id": made["id"], "input": {field: None}})) == ("invalid", field)
    assert done(live, READ, {"id": made["id"]}) == made


def test_lists_are_pages(server: Server) -> None:
    ann = add_person(server)
    site = done(
        server,
        'mutation { createWebsite(input: {name: "A", domain: "a.example"}) { id } }',
        {},
        ann.headers,
    )["id"]
    for name in ("one", "two", "three"):
        add(server, site, headers=ann.headers, name=name)
    first = done(server, LIST, {"first": 2}, ann.headers)
    assert (first["totalCount"], len(first["nodes"]), first["pageInfo"]["hasNextPage"]) == (3, 2, True)
    rest = done(server, LIST, {"first": 2, "after": first["pageInfo"]["endCursor"]}, ann.headers)
    assert rest["pageInfo"]["hasNextPage"] is False
    assert sorted(names(first) + names(rest)) == ["one", "three", "two"]
    assert names(done(server, LIST, {"first": 9, "search": "THR"}, ann.headers)) == ["three"]
    assert names(done(server, OF_WEBSITE, {"w": site, "search": "tw"}, ann.headers)["savedReports"]) == [
        "two"
    ]
    for after in ("x", rest["pageInfo"]["endCursor"][:-2]):
        assert code(server.graphql(LIST, {"first": 1, "after": after}, ann.headers)) == ("invalid", "after")


def test_texts_that_no_store_holds(server: Server, website: str) -> None:
    made = add(server, website)
    for document, variables, field in (
        (LIST, {"first": 1, "search": "a\0"}, "search"),
        (UPDATE, {"id": made["id"], "input": {"name": "a\0"}}, "name"),
        (UPDATE, {"id": made["id"], "input": {"description": "a\0"}}, "description"),
    ):
        assert code(server.graphql(document, variables)) == ("invalid", field)
    assert done(server, READ, {"id": made["id"]}) == made
    # In parameters they become what every store can hold, as over REST.
    sent = {"dateRange": {**DATES, "x\0": "a\0b", "n": 2**80}}
    changed = done(server, UPDATE, {"id": made["id"], "input": {"parameters": sent}})
    assert changed["parameters"] == {"dateRange": {**DATES, "x": "ab", "n": float(2**80)}}
    assert server.get(f"/api/reports/{made['id']}")["parameters"] == changed["parameters"]


def test_of_a_team(server: Server) -> None:
    ann, bob = add_person(server), add_person(server)
    team = done(server, 'mutation { createTeam(name: "T") { id accessCode } }', {}, ann.headers)
    given = {"name": "S", "domain": "s.example", "teamId": team["id"]}
    create = "mutation($input: CreateWebsiteInput!) { createWebsite(input: $input) { id } }"
    site = done(server, create, {"input": given}, ann.headers)["id"]
    add(server, site, headers=ann.headers)
    asked = {"team": team["id"], "first": 9}
    assert names(done(server, LIST, asked, ann.headers)) == ["R"]
    assert names(done(server, LIST, {"first": 9}, ann.headers)) == []
    for unseen in (asked, {**asked, "team": str(uuid4())}, {**asked, "team": "x"}):
        assert code(server.graphql(LIST, unseen, bob.headers)) == ("not-found", None)


def test_who_may_what(live: Server, shared: tuple[str, Headers]) -> None:
    site, link = shared
    made = add(live, site)
    stranger = add_person(live).headers
    for headers, expected in (({}, "unauthenticated"), (stranger, "not-found")):
        for document in (READ, UPDATE, DELETE):
            answer = live.graphql(document, {"id": made["id"], "input": {"name": "x"}}, headers)
            assert code(answer) == (expected, None)
        given = {"type": "UTM", "name": "x", "parameters": RANGE}
        assert code(live.graphql(CREATE, {"w": site, "input": given}, headers)) == (expected, None)
    # Who opened a share link reads it, and is not told who made it.
    assert done(live, READ, {"id": made["id"]}, link) == {**made, "author": None}
    result = "query($id: ID!) { savedReport(id: $id) { result { ... on Utm { parameters { parameter } } } } }"
    assert done(live, result, {"id": made["id"]}, link) == {"result": {"parameters": []}}
    for document in (UPDATE, DELETE):
        answer = live.graphql(document, {"id": made["id"], "input": {"name": "x"}}, link)
        assert code(answer) == ("unauthenticated", None)
    assert done(live, READ, {"id": made["id"]}) == made


def test_the_link_itself_shows_reports_as_its_reader(live: Server, shared: tuple[str, Headers]) -> None:
    site, _ = shared
    add(live, site)
    slug = live.get(f"/api/websites/{site}")["shareId"]
    query = (
        "query($slug: String!) { share(slug: $slug) { website { savedReports { nodes { "
        "author { username } website { id } result { __typename } } } } } }"
    )
    found = done(live, query, {"slug": slug}, {})["website"]["savedReports"]["nodes"]
    assert found == [{"author": None, "website": {"id": site}, "result": {"__typename": "Utm"}}]


# --- results ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


# Type → (its parameters, what is selected of its result, the result for the conformance data of §6.3).
STEPS = [
    {"type": "url", "value": "/"},
    {"type": "url", "value": "/pricing"},
    {"type": "event", "value": "signup"},
]
RESULTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "FUNNEL": (
        {"window": 60, "steps": STEPS},
        "... on Funnel { steps { path event visitors remaining } }",
        {
            "steps": [
                {"path": "/", "event": None, "visitors": 3, "remaining": 1.0},
                {"path": "/pricing", "event": None, "visitors": 2, "remaining": 2 / 3},
                {"path": None, "event": "signup", "visitors": 1, "remaining": 1 / 3},
            ]
        },
    ),
    "INSIGHTS": (
        {"fields": [{"name": "country"}, {"name": "url"}], "filters": []},
        "... on Insights { dimensions rows { values pageviews visitors visits bounces totaltime } }",
        {
            "dimensions": ["COUNTRY", "PATH"],
            "rows": [
                dict(
                    zip(
                        ("values", "pageviews", "visitors", "visits", "bounces", "totaltime"),
                        row,
                        strict=True,
                    )
                )
                for row in (
                    (["US", "/"], 3, 2, 3, 3, 0),
                    (["US", "/pricing"], 2, 2, 2, 2, 0),
                    (["DE", "/"], 1, 1, 1, 1, 0),
                )
            ],
        },
    ),
    "RETENTION": (
        {"timezone": "UTC"},
        "... on Retention { cohorts { date visitors returned } }",
        {"cohorts": [{"date": "2026-11-10T00:00:00", "visitors": 3, "returned": [3, 1]}]},
    ),
    "UTM": (
        {},
        "... on Utm { parameters { parameter pageviews values { value pageviews } } }",
        {
            "parameters": [
                {"parameter": name, "pageviews": 1, "values": [{"value": value, "pageviews": 1}]}
                for name, value in (("utm_medium", "email"), ("utm_source", "news"))
            ]
        },
    ),
    "GOALS": (
        {
            "goals": [
                {"type": "event", "value": "purchase", "goal": 4},
                {"type": "url", "value": "/pricing", "goal": 4},
                {"type": "event-data", "value": "signup", "goal": 4, "operator": "sum", "property": "n"},
            ]
        },
        "... on Goals { goals { path event property aggregate target result progress } }",
        {
            "goals": [
                dict(
                    zip(
                        ("path", "event", "property", "aggregate", "target", "result", "progress"),
                        row,
                        strict=True,
                    )
                )
                for row in (
                    (None, "purchase", None, None, 4.0, 2.0, 0.5),
                    ("/pricing", None, None, None, 4.0, 4.0, 1.0),
                    (None, "signup", "n", "SUM", 4.0, 3.0, 0.75),
                )
            ]
        },
    ),
    "JOURNEY": (
        {"steps": 5, "endStep": "purchase"},
        "... on Journeys { journeys { steps visits } }",
        {
            "journeys": [
                {"steps": ["/", "/pricing", "signup", "purchase"], "visits": 1},
                {"steps": ["/", "purchase"], "visits": 1},
            ]
        },
    ),
    "REVENUE": (
        {"currency": "USD", "timezone": "Europe/Berlin"},
        "... on Revenue { total { amount events visitors } series { unit at events { name amounts total } } "
        "byCountry { country amount } byCurrency { currency amount events visitors } }",
        {
            "total": {"amount": 24.99, "events": 2, "visitors": 2},
            "series": {
                "unit": "DAY",
                "at": [f"2026-11-{day}T00:00:00" for day in (10, 11, 12)],
                "events": [{"name": "purchase", "amounts": [19.99, 5.0, 0.0], "total": 24.99}],
            },
            "byCountry": [{"country": "US", "amount": 24.99}],
            "byCurrency": [
                {"currency": "USD", "amount": 19.99, "events": 1, "visitors": 1},
                {"currency": "usd", "amount": 5.0, "events": 1, "visitors": 1},
            ],
        },
    ),
    "ATTRIBUTION": (
        {"model": "firstClick", "steps": [{"type": "event", "value": "purchase"}]},
        "... on Attribution { referrer { name value } utmSource { name value } utmCampaign { name } paidAds { name } "
        "total { conversions visitors visits } }",
        {
            "referrer": [{"name": "t.co", "value": 1.0}],
            "utmSource": [{"name": "news", "value": 1.0}],
            "utmCampaign": [],
            "paidAds": [],
            "total": {"conversions": 2, "visitors": 2, "visits": 2},
        },
    ),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_every_report_has_its_result(server: Server, site: str, kind: str) -> None:
    parameters, selection, expected = RESULTS[kind]
    # As Umami's clients save them, website and all.
    sent = {
        "websiteId": site,
        "name": "R",
        "type": kind.lower(),
        "description": "",
        "parameters": json.dumps({**RANGE, "websiteId": site, **parameters}),
    }
    saved = server.client.post("/api/reports", json=sent, headers=server.admin).json()
    query = f"query($id: ID!) {{ savedReport(id: $id) {{ type result {{ {selection} }} }} }}"
    assert done(server, query, {"id": saved["id"]}) == {"type": kind, "result": expected}
    # What REST's clients saved could have been saved here too.
    made = add(server, site, kind, parameters={**RANGE, "websiteId": site, **parameters})
    assert done(server, query, {"id": made["id"]}) == {"type": kind, "result": expected}


def test_a_result_has_so_many_rows(server: Server, site: str) -> None:
    saved = add(server, site, "INSIGHTS", parameters={**RANGE, "fields": [{"name": "url"}], "filters": []})
    query = "query($id: ID!, $first: Int!) { savedReport(id: $id) { result(first: $first) { ... on Insights { rows { values } } } } }"
    found = done(server, query, {"id": saved["id"], "first": 1})
    assert found == {"result": {"rows": [{"values": ["/"]}]}}
    for first in (0, 101):
        assert code(server.graphql(query, {"id": saved["id"], "first": first})) == ("invalid", "first")


def test_days_are_those_of_the_time_zone_asked_for_where_none_is_saved(server: Server, site: str) -> None:
    saved = add(server, site, "REVENUE", parameters={**RANGE, "currency": "usd"})
    query = "query($id: ID!, $zone: String) { savedReport(id: $id) { result(timezone: $zone) { ... on Revenue { series { at } } } } }"
    for zone, first in ((None, "2026-11-10T00:00:00"), ("america/los_angeles", "2026-11-09T00:00:00")):
        found = done(server, query, {"id": saved["id"], "zone": zone})
        assert found["result"]["series"]["at"][0] == first
    assert code(server.graphql(query, {"id": saved["id"], "zone": "Mars/Base"})) == ("invalid", "timezone")


def test_what_rest_saved_and_nobody_can_run_is_said(live: Server, live_website: str) -> None:
    sent = {"websiteId": live_website, "name": "R", "type": "funnel", "description": "", "parameters": RANGE}
    saved = live.client.post("/api/reports", json=sent, headers=live.admin).json()
    answer = live.graphql(
        "query($id: ID!) { savedReport(id: $id) { name result { __typename } } }", {"id": saved["id"]}
    )
    assert code(answer) == ("malformed", "window")
    assert answer["data"]["savedReport"] == {"name": "R", "result": None}


# --- usage --------------------------------------------------------------------------------------------------------

USAGE = (
    "query($id: ID!) { user(id: $id) { usage(period: {all: true}) { events eventData websites { events eventData "
    "website { id owner { username } } } } } }"
)


def test_usage_is_that_of_rest(server: Server) -> None:
    ann = add_person(server)
    site = add_site(server, ann)
    add_site(server, ann)
    populate(server, site, VECTORS)
    found = done(server, USAGE, {"id": ann.id})["usage"]
    assert found == {
        "events": 9,
        "eventData": 15,
        "websites": [
            {"events": 9, "eventData": 15, "website": {"id": site, "owner": {"username": ann.name}}}
        ],
    }
    rest = server.get(f"/api/users/{ann.id}/usage", startAt=0, endAt=1)
    assert (rest["websiteEventUsage"], rest["eventDataUsage"]) == (9, 15)
    # Not for the user itself, who sees its other fields.
    answer = server.graphql(USAGE, {"id": ann.id}, ann.headers)
    assert (code(answer), answer["data"]) == (("denied", None), {"user": {"usage": None}})


def add_site(server: Server, owner: Person) -> str:
    create = 'mutation { createWebsite(input: {name: "A", domain: "a.example"}) { id } }'
    return str(done(server, create, {}, owner.headers)["id"])

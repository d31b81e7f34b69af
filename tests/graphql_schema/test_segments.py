"""Segments and cohorts over GraphQL, and the filters that name them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.graphql_schema.test_mutations import code
from tests.graphql_schema.test_teams import done
from tests.populate import VECTORS, populate
from tests.rest_compat.people import Headers, add_person
from tests.server import Server
from tests.test_both_doors import END, PERIOD, START, TOTALS, figures

SEGMENT = "id type name filters { field operator value } start end parameters createdAt updatedAt"
CREATE = f"mutation($w: ID!, $input: CreateSegmentInput!) {{ createSegment(websiteId: $w, input: $input) {{ {SEGMENT} }} }}"
UPDATE = f"mutation($id: ID!, $input: UpdateSegmentInput!) {{ updateSegment(id: $id, input: $input) {{ {SEGMENT} }} }}"
DELETE = f"mutation($id: ID!) {{ deleteSegment(id: $id) {{ {SEGMENT} }} }}"
LIST = f"query($w: ID!, $type: SegmentType) {{ website(id: $w) {{ segments(type: $type) {{ {SEGMENT} }} }} }}"
READ = f"query($w: ID!, $id: ID!) {{ website(id: $w) {{ segment(id: $id) {{ {SEGMENT} }} }} }}"
US = {"field": "COUNTRY", "operator": "EQ", "value": "US"}
DATES = {"start": "2026-11-10T00:00:00.000Z", "end": "2026-11-10T23:59:59.999Z"}


def listed(
    server: Server, site: str, kind: str | None = None, headers: Headers | None = None
) -> list[dict[str, Any]]:
    return done(server, LIST, {"w": site, "type": kind}, headers)["segments"]


def add(server: Server, site: str, **changes: Any) -> dict[str, Any]:
    given = {"type": "SEGMENT", "name": "us", "filters": [US], **changes}
    made: dict[str, Any] = done(server, CREATE, {"w": site, "input": given})
    return made


def test_create_list_read_change_and_delete(server: Server, website: str) -> None:
    pricing = {"field": "PATH", "operator": "NOT_CONTAINS", "value": "pric"}
    made = add(server, website, type="COHORT", name="them", filters=[US, pricing], **DATES)
    assert made == {
        "id": made["id"],
        "type": "COHORT",
        "name": "them",
        "filters": [pricing, US],
        **DATES,
        "parameters": {
            "country": "US",
            "url": "!~pric",
            "startDate": DATES["start"],
            "endDate": DATES["end"],
        },
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    # Both doors show the same one.
    [row] = server.get(f"/api/websites/{website}/segments", type="cohort")
    assert (row["id"], row["name"], row["parameters"]) == (made["id"], "them", made["parameters"])
    assert done(server, READ, {"w": website, "id": made["id"]})["segment"] == made
    other = add(server, website)
    assert (other["start"], other["end"]) == (None, None)
    assert listed(server, website) == [made, other]
    assert listed(server, website, "SEGMENT") == [other]
    assert listed(server, website, "COHORT") == [made]
    changed = done(server, UPDATE, {"id": made["id"], "input": {"name": "they", "start": None}})
    assert changed == {
        **made,
        "name": "they",
        "start": None,
        "parameters": {"country": "US", "url": "!~pric", "endDate": DATES["end"]},
        "updatedAt": changed["updatedAt"],
    }
    changed = done(server, UPDATE, {"id": made["id"], "input": {"filters": [US]}})
    assert (changed["name"], changed["filters"], changed["end"]) == ("they", [US], DATES["end"])
    assert listed(server, website, "COHORT") == [changed]
    assert done(server, DELETE, {"id": made["id"]}) == changed
    assert listed(server, website) == [other]
    for document in (UPDATE, DELETE):
        assert code(server.graphql(document, {"id": made["id"], "input": {"name": "x"}})) == (
            "not-found",
            None,
        )


def test_an_update_keeps_what_clients_of_rest_keep_there(live: Server, live_website: str) -> None:
    sent = {"type": "segment", "name": "n", "parameters": {"country": "US", "mine": {"a": 1}}}
    made = live.client.post(f"/api/websites/{live_website}/segments", json=sent, headers=live.admin).json()
    changed = done(live, UPDATE, {"id": made["id"], "input": {"filters": []}})
    assert (changed["filters"], changed["parameters"]) == ([], {"mine": {"a": 1}})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, ("invalid", "name")),
        ({"name": " "}, ("invalid", "name")),
        ({"name": "x" * 201}, ("invalid", "name")),
        ({"name": "a\0"}, ("invalid", "name")),
        ({"filters": [US, {**US, "value": "DE"}]}, ("invalid", "filters")),
        ({"filters": [{**US, "value": "!US"}]}, ("invalid", "country")),
        ({"start": DATES["start"]}, ("invalid", "start")),
        ({"type": "COHORT", "start": DATES["end"], "end": DATES["start"]}, ("invalid", "start")),
        ({"filters": [{**US, "field": "SCREEN"}]}, ("graphql-validation", "field")),
        ({"filters": [{**US, "operator": "IN"}]}, ("graphql-validation", "operator")),
        ({"type": "GROUP"}, ("graphql-validation", "type")),
        ({"parameters": {"country": "US"}}, ("graphql-validation", "parameters")),
    ],
    ids=str,
)
def test_inputs_refused(
    live: Server, live_website: str, changes: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    given = {"type": "SEGMENT", "name": "us", "filters": [US], **changes}
    answer = live.graphql(CREATE, {"w": live_website, "input": given})
    assert code(answer) == expected
    assert listed(live, live_website) == []


@pytest.mark.parametrize(
    ("input", "field"),
    [
        ({"name": None}, "name"),
        ({"filters": None}, "filters"),
        ({"start": DATES["start"]}, "start"),
        ({"filters": [{**US, "value": "~"}]}, "country"),
    ],
    ids=str,
)
def test_changes_refused(live: Server, live_website: str, input: dict[str, Any], field: str) -> None:
    made = add(live, live_website)
    assert code(live.graphql(UPDATE, {"id": made["id"], "input": input})) == ("invalid", field)
    assert listed(live, live_website) == [made]


def test_what_rest_stored_and_nobody_can_filter_by_is_said(live: Server, live_website: str) -> None:
    """The rest of the segment is shown all the same."""
    sent = {"type": "cohort", "name": "n", "parameters": {"url": 1, "startDate": "x"}}
    live.client.post(
        f"/api/websites/{live_website}/segments", json=sent, headers=live.admin
    ).raise_for_status()
    answer = live.graphql(LIST, {"w": live_website})
    fields = [(error["path"][-1], error["extensions"]["field"]) for error in answer["errors"]]
    assert sorted(fields) == [("end", "startDate"), ("filters", "url"), ("start", "startDate")]
    [shown] = answer["data"]["website"]["segments"]
    assert (shown["name"], shown["filters"], shown["parameters"]) == ("n", None, sent["parameters"])


def test_other_tenants(live: Server, live_website: str) -> None:
    made = add(live, live_website)
    for headers in ({}, add_person(live).headers):
        expected = "unauthenticated" if not headers else "not-found"
        asked = {"w": live_website, "id": made["id"], "type": None}
        for document in (LIST, READ, UPDATE, DELETE, CREATE):
            new = {"type": "SEGMENT", "name": "x", "filters": []} if document is CREATE else {"name": "x"}
            assert code(live.graphql(document, {**asked, "input": new}, headers))[0] == expected
        unknown = {"id": str(uuid4()), "input": {"name": "x"}}
        for document in (UPDATE, DELETE):
            assert (
                live.graphql(document, {**unknown, "id": made["id"]}, headers)["errors"][0]["message"]
                == (live.graphql(document, unknown, headers)["errors"][0]["message"])
            )
    assert listed(live, live_website) == [made]


def test_behind_a_share_link(live: Server, shared: tuple[str, Headers]) -> None:
    site, headers = shared
    made = add(live, site)
    assert listed(live, site, None, headers) == [made]
    for document in (UPDATE, DELETE):
        assert code(live.graphql(document, {"id": made["id"], "input": {"name": "x"}}, headers)) == (
            "unauthenticated",
            None,
        )
    assert listed(live, site) == [made]


# --- filters that name them ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


@pytest.fixture(scope="module")
def ids(server: Server, site: str) -> dict[str, str]:
    event = {"field": "EVENT", "value": "purchase"}
    made = {
        "us": add(server, site),
        "empty": add(server, site, name="empty", filters=[]),
        "buyers": add(server, site, type="COHORT", name="buyers", filters=[event], **DATES),
        "ever": add(server, site, type="COHORT", name="ever", filters=[event]),
        "everybody": add(server, site, type="COHORT", name="everybody", filters=[], **DATES),
    }
    return {name: row["id"] for name, row in made.items()}


def graph(server: Server, site: str, selection: str, where: Any, headers: Headers | None = None) -> Any:
    query = f"query($w: ID!, $where: EventFilter) {{ website(id: $w) {{ analytics(period: {PERIOD}, where: $where) {{ {selection} }} }} }}"
    return server.graphql(query, {"w": site, "where": where}, headers)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"segment": "us"}, [5, 2, 3, 1, 180]),
        # Unlike in a query string, nothing is replaced: everything given must match.
        ({"segment": "us", "country": {"eq": "DE"}}, [0, 0, 0, 0, 0]),
        ({"segment": "empty"}, [6, 3, 4, 2, 180]),
        ({"cohort": "buyers"}, [2, 1, 1, 0, 120]),
        ({"cohort": "ever", "path": {"eq": "/"}}, [3, 2, 3, 3, 0]),
        ({"cohort": "everybody"}, [6, 3, 4, 2, 180]),
        ({"not": {"cohort": "buyers"}}, [4, 2, 3, 2, 60]),
        ({"not": {"cohort": "everybody"}}, [0, 0, 0, 0, 0]),
        ({"or": [{"cohort": "buyers"}, {"country": {"eq": "DE"}}]}, [3, 2, 2, 1, 120]),
        ({"and": [{"cohort": "ever"}, {"not": {"cohort": "buyers"}}]}, [3, 1, 2, 1, 60]),
        ({"segment": None, "cohort": None}, [6, 3, 4, 2, 180]),
    ],
    ids=str,
)
def test_totals(server: Server, site: str, ids: dict[str, str], where: Any, expected: list[int]) -> None:
    def named(part: Any) -> Any:
        if isinstance(part, list):
            return [named(one) for one in part]
        if not isinstance(part, dict):
            return part
        return {
            key: ids[value] if key in ("segment", "cohort") and value else named(value)
            for key, value in part.items()
        }

    answer = graph(server, site, TOTALS, named(where))
    assert "errors" not in answer, answer
    assert figures(answer["data"]["website"]["analytics"]["totals"], "value") == expected


def test_both_doors_agree(server: Server, site: str, ids: dict[str, str]) -> None:
    kinds = (
        ("url", "PATH"),
        ("entry", "ENTRY"),
        ("exit", "EXIT"),
        ("channel", "CHANNEL"),
        ("browser", "BROWSER"),
    )
    for name, kind in (("us", "segment"), ("buyers", "cohort"), ("ever", "cohort"), ("everybody", "cohort")):
        params = {"startAt": START, "endAt": END, kind: name}
        stats = server.get(f"/api/websites/{site}/stats", **params)
        for metric, dimension in kinds:
            rows = server.get(f"/api/websites/{site}/metrics", type=metric, **params)
            selection = f"{TOTALS} breakdown(by: [{dimension}]) {{ nodes {{ values visitors }} }}"
            found = graph(server, site, selection, {kind: ids[name]})["data"]["website"]["analytics"]
            assert figures(found["totals"], "value") == figures(stats, "value")
            nodes = [(*node["values"], node["visitors"]) for node in found["breakdown"]["nodes"]]
            assert nodes == [(row["x"], row["y"]) for row in rows if row["y"]]
            assert nodes


EVERYTHING = """
    totals(compare: PREVIOUS) { visitors { value previous } events { value } bounceRate { value } }
    series(unit: HOUR) { at visitors events }
    eventSeries(unit: DAY) { events { name counts } }
    breakdown(by: [BROWSER, PATH]) { nodes { values visitors share } }
    entry: breakdown(by: [ENTRY]) { nodes { values visitors bounces totaltime events } }
    exit: breakdown(by: [EXIT]) { nodes { values visitors } }
    channels { channel visitors }
    utm { parameter values { value pageviews } }
    revenue(currency: "usd") { total { amount } byCountry { country amount } byCurrency { currency amount } }
    currencies
    attribution(step: {event: "purchase"}, model: FIRST_CLICK) { referrer { name value } total { visitors } }
    funnel(steps: [{path: "/"}, {path: "/pricing"}], windowMinutes: 60) { steps { visitors } }
    goals(goals: [{event: "signup", property: "n", aggregate: SUM, target: 1}]) { result }
    journeys(steps: 3) { steps visits }
    retention { date returned }
    events { totalCount nodes { path country } }
    eventProperties { nodes { key count } }
    propertyValues { nodes { value count } }
    eventDataTotals { events records }
    sessions { totalCount nodes { country views } }
    sessionTotals { visitors countries }
    weekdayHours
    sessionProperties { nodes { key } }
    sessionPropertyValues(key: "age") { nodes { value } }
"""


def test_every_figure_takes_a_cohort(server: Server, site: str, ids: dict[str, str]) -> None:
    """No visitor changes the country, so those of a country are those with any event from there."""
    ever = add(server, site, type="COHORT", name="americans", filters=[US])
    by_field = graph(server, site, EVERYTHING, {"country": {"eq": "US"}})
    assert "errors" not in by_field, by_field
    for where in (
        {"cohort": ever["id"]},
        {"segment": ids["us"]},
        {"or": [{"cohort": ever["id"]}, {"country": {"eq": "FR"}}]},
        {"not": {"not": {"cohort": ever["id"]}}},
        {"cohort": ever["id"], "not": {"property": {"key": "nothing", "isSet": True}}},
    ):
        assert graph(server, site, EVERYTHING, where)["data"] == by_field["data"]
    figures_of_all = graph(server, site, EVERYTHING, {"cohort": ids["everybody"]})["data"]
    assert figures_of_all == graph(server, site, EVERYTHING, None)["data"]
    assert figures_of_all != by_field["data"]


def test_ids_that_are_none_of_this_website(server: Server, site: str, ids: dict[str, str]) -> None:
    elsewhere = server.create_website()
    for where in (
        {"segment": ids["us"]},
        {"cohort": ids["buyers"]},
        {"or": [{"path": {"eq": "/"}}, {"not": {"cohort": ids["buyers"]}}]},
        {"segment": str(uuid4())},
    ):
        answer = graph(server, elsewhere, TOTALS, where)
        assert code(answer)[0] == "not-found"
        assert answer["data"]["website"]["analytics"] is None
    assert code(graph(server, site, TOTALS, {"segment": ids["buyers"]})) == ("not-found", "segment")
    assert code(graph(server, site, TOTALS, {"cohort": ids["us"]})) == ("not-found", "cohort")
    assert code(graph(server, site, TOTALS, {"cohort": "no-uuid"}))[0] == "not-found"
    stranger = add_person(server).headers
    assert code(graph(server, site, TOTALS, {"segment": ids["us"]}, stranger)) == ("not-found", None)


def test_a_filter_has_so_many_cohorts(server: Server, site: str, ids: dict[str, str]) -> None:
    most = server.graphql("{ limits { maxCohorts } }")["data"]["limits"]["maxCohorts"]
    assert most == 5
    some = [{"cohort": ids["buyers"]}] * most
    assert "errors" not in graph(server, site, TOTALS, {"or": some})
    assert code(graph(server, site, TOTALS, {"or": [*some, some[0]]})) == ("invalid", "where")

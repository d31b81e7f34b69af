"""Segments and cohorts over REST (Umami v2 REST behaviour §1.8 and §3.9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.populate import VECTORS, A, B, C, happening, populate, view
from tests.rest_compat.people import Headers, Person, add_person
from tests.rest_compat.test_users import INSTANT, NOBODY, ask
from tests.server import Server
from tests.test_both_doors import END, SECOND_DAY, START, figures

REFUSED = (401, {"error": "Unauthorized"})
MISSING = (404, {"error": "Not found"})
US = {"type": "segment", "name": "us", "parameters": {"country": "US"}}


def path(site: str, segment_id: str = "") -> str:
    return f"/api/websites/{site}/segments{segment_id and '/'}{segment_id}"


def stored(server: Server, site: str) -> list[dict[str, Any]]:
    """All segments and cohorts of a website, as its owner sees them."""
    return [row for kind in ("segment", "cohort") for row in server.get(path(site), type=kind)]


def add(server: Server, site: str, kind: str, name: str, **parameters: Any) -> str:
    status, made = ask(
        server, "POST", path(site), None, {"type": kind, "name": name, "parameters": parameters}
    )
    assert status == 200, made
    return str(made["id"])


def test_create_list_read_change_and_delete(server: Server, website: str) -> None:
    status, made = ask(server, "POST", path(website), None, US)
    assert status == 200
    assert INSTANT.fullmatch(made["createdAt"])
    assert made == {
        "id": made["id"],
        "websiteId": website,
        "type": "segment",
        "name": "us",
        "parameters": {"country": "US"},
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    assert ask(server, "GET", path(website) + "?type=segment") == (200, [made])
    assert ask(server, "GET", path(website) + "?type=cohort") == (200, [])
    assert ask(server, "GET", path(website, made["id"])) == (200, made)
    anew = {"type": "cohort", "name": "them", "parameters": {"browser": "~chrome", "startDate": "2026-11-10"}}
    status, changed = ask(server, "POST", path(website, made["id"]), None, anew)
    assert status == 200
    assert changed == {**made, **anew, "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] >= made["updatedAt"]
    assert ask(server, "GET", path(website, made["id"])) == (200, changed)
    assert ask(server, "DELETE", path(website, made["id"])) == (200, {"ok": True})
    assert ask(server, "GET", path(website, made["id"])) == MISSING
    assert stored(server, website) == []


def test_lists_are_by_name(live: Server, live_website: str) -> None:
    for name in ("b", "a", "B", "ä"):
        add(live, live_website, "segment", name)
    assert [row["name"] for row in stored(live, live_website)] == ["B", "a", "b", "ä"]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"type": None, "name": None, "parameters": None}, ["Required", "Required", "Required"]),
        ({"type": "Segment"}, ["Invalid enum value. Expected 'segment' | 'cohort', received 'Segment'"]),
        ({"type": 1}, ["Expected 'segment' | 'cohort', received number"]),
        ({"name": ""}, ["String must contain at least 1 character(s)"]),
        ({"name": "x" * 201}, ["String must contain at most 200 character(s)"]),
        ({"parameters": []}, ["Expected object, received array"]),
        ({"parameters": "{}"}, ["Expected object, received string"]),
        ({"parameters": {str(n): n for n in range(1001)}}, ["Must have at most 1000 keys on 64 levels"]),
        ({"parameters": {"url": "x" * 65_536}}, ["Must have at most 65536 bytes"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies_refused(
    live: Server, live_website: str, changes: dict[str, Any], problems: list[str]
) -> None:
    existing = add(live, live_website, "segment", "kept", url="/")
    before = stored(live, live_website)
    body = {key: value for key, value in {**US, **changes}.items() if value is not None}
    expected = [f"{name}: {problem}" for name, problem in zip(changes, problems, strict=True)]
    for url in (path(live_website), path(live_website, existing)):
        # What is sent is looked at before who sends it.
        for headers in (None, {}):
            assert ask(live, "POST", url, headers, body) == (400, {"error": expected})
    assert stored(live, live_website) == before


def test_a_list_needs_a_type(live: Server, live_website: str) -> None:
    assert ask(live, "GET", path(live_website)) == (400, {"error": ["type: Required"]})
    assert ask(live, "GET", path(live_website) + "?type=x") == (
        400,
        {"error": ["type: Invalid enum value. Expected 'segment' | 'cohort', received 'x'"]},
    )


def test_parameters_are_kept_as_sent_but_for_what_no_store_takes(server: Server, website: str) -> None:
    sent = {
        "url": "a\0b",
        "k\0": "\ud83d\ude00 \ud83d",
        "deep": {"list": [1, 1.5, True, None, {"x": []}]},
        "unknown": "x",
        "large": 2**70,
    }
    kept = {
        "url": "ab",
        "k": "😀 �",
        "deep": {"list": [1, 1.5, True, None, {"x": []}]},
        "unknown": "x",
        "large": float(2**70),
    }
    body = json.dumps({"type": "segment", "name": "n\0 \ud83d", "parameters": sent})
    answer = server.client.post(path(website), content=body, headers=server.admin)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["parameters"]) == ("n �", kept)
    assert stored(server, website) == [answer.json()]
    endless = body.replace(str(2**70), "1e999")
    assert server.client.post(path(website), content=endless, headers=server.admin).json()["parameters"] == {
        **kept,
        "large": None,
    }


@pytest.fixture(scope="module")
def people(live: Server) -> dict[str, Person]:
    return {
        "stranger": add_person(live),
        "view-only": add_person(live, "view-only"),
        "member": add_person(live),
        "viewer": add_person(live),
        "owner": add_person(live),
    }


@pytest.fixture
def team_site(live: Server, people: dict[str, Person]) -> str:
    owner = people["owner"].headers
    team = ask(live, "POST", "/api/teams", owner, {"name": "T"})[1][0]["id"]
    for name, role in (("member", "team-member"), ("viewer", "team-view-only")):
        ask(live, "POST", f"/api/teams/{team}/users", None, {"userId": people[name].id, "role": role})
    made = ask(live, "POST", f"/api/teams/{team}/websites", owner, {"name": "S", "domain": "example.com"})
    assert made[0] == 200, made
    return str(made[1]["id"])


def test_who_may_what(live: Server, people: dict[str, Person], team_site: str) -> None:
    existing = add(live, team_site, "segment", "kept")
    [row] = stored(live, team_site)
    one, unknown = path(team_site, existing), path(team_site, NOBODY)
    for name in ("stranger", "view-only"):
        headers = people[name].headers
        for method, url, body in (
            ("GET", path(team_site) + "?type=segment", None),
            ("GET", one, None),
            ("GET", unknown, None),
            ("POST", path(team_site), US),
            ("POST", one, US),
            ("POST", unknown, US),
            ("DELETE", one, None),
            ("DELETE", unknown, None),
        ):
            assert ask(live, method, url, headers, body) == REFUSED
            assert ask(live, method, url, {}, body) == REFUSED
    viewer = people["viewer"].headers
    assert ask(live, "GET", path(team_site) + "?type=segment", viewer) == (200, [row])
    assert ask(live, "GET", one, viewer) == (200, row)
    for missing in (unknown, path(team_site, "no-uuid")):
        assert ask(live, "GET", missing, viewer) == MISSING
    for method, url, body in (("POST", path(team_site), US), ("POST", one, US), ("DELETE", one, None)):
        assert ask(live, method, url, viewer, body) == REFUSED
    assert stored(live, team_site) == [row]
    member = people["member"].headers
    for missing in (unknown, path(team_site, "no-uuid")):
        assert ask(live, "POST", missing, member, US) == MISSING
        assert ask(live, "DELETE", missing, member) == MISSING
    assert stored(live, team_site) == [row]
    assert ask(live, "POST", one, member, US)[1]["name"] == "us"
    assert ask(live, "DELETE", one, member) == (200, {"ok": True})
    assert stored(live, team_site) == []


def test_a_share_link_reads_and_changes_nothing(live: Server, shared: tuple[str, Headers]) -> None:
    site, headers = shared
    existing = add(live, site, "cohort", "them", country="US")
    [row] = stored(live, site)
    assert ask(live, "GET", path(site) + "?type=cohort", headers) == (200, [row])
    assert ask(live, "GET", path(site, existing), headers) == (200, row)
    assert ask(live, "POST", path(site), headers, US) == REFUSED
    assert ask(live, "POST", path(site, existing), headers, US) == REFUSED
    assert ask(live, "DELETE", path(site, existing), headers) == REFUSED
    assert stored(live, site) == [row]
    params = {"startAt": START, "endAt": END, "cohort": "them"}
    assert live.client.get(f"/api/websites/{site}/stats", params=params, headers=headers).status_code == 200


def test_another_websites_segment_is_none_of_this_one(live: Server, live_website: str) -> None:
    """Not even the same owner's."""
    elsewhere = live.create_website()
    other = add(live, elsewhere, "segment", "theirs", country="US")
    [row] = stored(live, elsewhere)
    for method, body in (("GET", None), ("POST", US), ("DELETE", None)):
        assert ask(live, method, path(live_website, other), None, body) == MISSING
    assert stored(live, elsewhere) == [row]
    for kind in ("segment", "cohort"):
        query = {"startAt": START, "endAt": END, kind: "theirs"}
        answer = live.client.get(f"/api/websites/{live_website}/stats", params=query, headers=live.admin)
        assert (answer.status_code, answer.json()) == (400, {"error": f"{kind.capitalize()} not found."})


def test_segments_go_with_their_website(live: Server, live_website: str) -> None:
    existing = add(live, live_website, "segment", "s")
    assert ask(live, "DELETE", f"/api/websites/{live_website}") == (200, {"ok": True})
    assert ask(live, "GET", path(live_website, existing)) == MISSING


# --- using them ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    """The conformance data, and names for parts of it."""
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    add(server, website_id, "segment", "us", country="US")
    add(server, website_id, "segment", "not pricing", url="!~pric", country=None, unknown="x")
    add(server, website_id, "segment", "empty")
    add(server, website_id, "segment", "broken", url=["/"])
    first = {"startDate": "2026-11-10T00:00:00.000Z", "endDate": "2026-11-10T23:59:59.999Z"}
    add(server, website_id, "cohort", "buyers", event="purchase", **first)
    add(server, website_id, "cohort", "buyers of any day", event="~PURCH")
    add(server, website_id, "cohort", "everybody", **first)
    add(server, website_id, "cohort", "googled", referrer="google.com", startDate=START, endDate=SECOND_DAY)
    add(
        server,
        website_id,
        "cohort",
        "googled later",
        referrer="google.com",
        startDate=SECOND_DAY,
        endDate=END,
    )
    add(server, website_id, "cohort", "broken", url="/", startDate="yesterday")
    add(server, website_id, "cohort", "us", country="DE")
    return website_id


def rest(server: Server, site: str, route: str, **params: Any) -> Any:
    return server.get(f"/api/websites/{site}/{route}", startAt=START, endAt=END, **params)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"segment": "us"}, [5, 2, 3, 1, 180]),
        # A segment's filter stands for the request's own of the same name, and beside the others.
        ({"segment": "us", "country": "DE"}, [5, 2, 3, 1, 180]),
        ({"segment": "us", "browser": "ios"}, [0, 0, 0, 0, 0]),
        ({"segment": "us", "url": "/pricing"}, [2, 2, 2, 2, 0]),
        ({"segment": "not pricing"}, [4, 3, 4, 4, 0]),
        ({"segment": "empty"}, [6, 3, 4, 2, 180]),
        ({"segment": "", "cohort": ""}, [6, 3, 4, 2, 180]),
        # A bought on the first day, C on the second: custom events make a member, page views are counted.
        ({"cohort": "buyers"}, [2, 1, 1, 0, 120]),
        ({"cohort": "buyers of any day"}, [5, 2, 3, 1, 180]),
        ({"cohort": "everybody"}, [6, 3, 4, 2, 180]),
        ({"cohort": "googled"}, [1, 1, 1, 1, 0]),
        ({"cohort": "googled later"}, [0, 0, 0, 0, 0]),
        # A cohort's filters are of its members, not of what is counted, and replace nothing.
        ({"cohort": "buyers", "url": "/"}, [1, 1, 1, 1, 0]),
        ({"cohort": "buyers of any day", "segment": "us", "url": "!~pric"}, [3, 2, 3, 3, 0]),
        # One name, two nouns.
        ({"cohort": "us"}, [1, 1, 1, 1, 0]),
        ({"cohort": "us", "segment": "us"}, [0, 0, 0, 0, 0]),
    ],
    ids=str,
)
def test_totals(server: Server, site: str, params: dict[str, str], expected: list[int]) -> None:
    stats = rest(server, site, "stats", **params)
    assert figures(stats, "value") == expected
    assert figures(stats, "prev") == [0, 0, 0, 0, 0]


def test_a_member_stays_one_outside_the_cohorts_period(server: Server, site: str) -> None:
    """The second day of those who came to `/` on the first; `prev` of it is the first day."""
    add(
        server,
        site,
        "cohort",
        "home",
        url="/",
        startDate="2026-11-10T10:00:00Z",
        endDate="2026-11-10T11:00:00Z",
    )
    stats = server.get(f"/api/websites/{site}/stats", startAt=SECOND_DAY, endAt=END, cohort="home")
    assert figures(stats, "value") == [1, 1, 1, 1, 0]
    assert figures(stats, "prev") == [5, 3, 3, 1, 180]


def test_every_route_with_filters_takes_a_cohort(server: Server, site: str) -> None:
    day = {"unit": "day", "timezone": "UTC"}
    buyers = {"cohort": "buyers"}
    assert rest(server, site, "pageviews", **day, **buyers) == {
        "pageviews": [{"x": "2026-11-10 00:00:00", "y": 2}],
        "sessions": [{"x": "2026-11-10 00:00:00", "y": 1}],
    }
    assert rest(server, site, "events/series", **day, **buyers) == [
        {"x": "purchase", "t": "2026-11-10 00:00:00", "y": 1},
        {"x": "signup", "t": "2026-11-10 00:00:00", "y": 1},
    ]
    assert rest(server, site, "sessions/stats", **buyers) == {
        "pageviews": {"value": 4},
        "visitors": {"value": 1},
        "visits": {"value": 1},
        "countries": {"value": 1},
        "events": {"value": 2},
    }
    for kind, expected in (
        ("url", [("/", 1), ("/pricing", 1)]),
        ("entry", [("/", 1)]),
        ("exit", [("/pricing", 1)]),
        ("referrer", []),
        ("event", [("purchase", 1), ("signup", 1)]),
        ("browser", [("chrome", 1)]),
        ("language", [("en", 1)]),
    ):
        found = rest(server, site, "metrics", type=kind, **buyers)
        assert [(row["x"], row["y"]) for row in found] == expected, kind
    assert rest(server, site, "metrics", type="city", **buyers) == [
        {"x": "San Jose", "y": 1, "country": "US"}
    ]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"cohort": "buyers"}, {"direct": 1}),
        ({"cohort": "googled"}, {"organicSearch": 1}),
        ({"country": "DE"}, {"organicSearch": 1}),
        ({"segment": "us"}, {"direct": 2, "organicSocial": 1}),
        ({"cohort": "buyers", "browser": "ios"}, {}),
    ],
    ids=str,
)
def test_channels_take_cohorts_and_filters_of_sessions(
    server: Server, site: str, params: dict[str, str], expected: dict[str, int]
) -> None:
    found = rest(server, site, "metrics", type="channel", **params)
    assert len(found) == 14
    assert {row["x"]: row["y"] for row in found if row["y"]} == expected


def test_a_search_replaces_the_filter_of_a_segment_too(server: Server, site: str) -> None:
    found = rest(server, site, "metrics", type="country", segment="us", search="d")
    assert found == [{"x": "DE", "y": 1}]
    found = rest(server, site, "metrics", type="url", segment="us", search="pric")
    assert found == [{"x": "/pricing", "y": 2}]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"segment": "US"}, "Segment not found."),
        ({"segment": "buyers"}, "Segment not found."),
        ({"cohort": "not pricing"}, "Cohort not found."),
        ({"segment": "x", "cohort": "x"}, "Segment not found."),
        ({"segment": "broken"}, "url is filtered by a text"),
        ({"cohort": "broken"}, "startDate is no date"),
    ],
    ids=str,
)
@pytest.mark.parametrize("route", ["stats", "metrics", "pageviews", "events/series", "sessions/stats"])
def test_refused(server: Server, site: str, route: str, params: dict[str, str], error: str) -> None:
    query = {"startAt": START, "endAt": END, "unit": "day", "timezone": "UTC", "type": "url", **params}
    url = f"/api/websites/{site}/{route}"
    answer = server.client.get(url, params=query, headers=server.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    # Who may not see the website is told nothing of what it has.
    stranger = add_person(server).headers
    for headers in ({}, stranger):
        answer = server.client.get(url, params=query, headers=headers)
        assert (answer.status_code, answer.json()) == REFUSED


def test_of_two_with_one_name_the_older_counts(server: Server, website: str) -> None:
    populate(server, website, [view(A, "2026-11-10 10:00:00"), view(B, "2026-11-10 10:00:00")])
    add(server, website, "segment", "twice", country="DE")
    add(server, website, "segment", "twice", country="FR")
    assert figures(rest(server, website, "stats", segment="twice"), "value")[0] == 1
    assert rest(server, website, "values", type="segment") == [{"value": "twice"}]


def test_names_are_suggested(server: Server, site: str) -> None:
    assert rest(server, site, "values", type="segment") == [
        {"value": name} for name in ("broken", "empty", "not pricing", "us")
    ]
    assert rest(server, site, "values", type="cohort", search="LATER") == [{"value": "googled later"}]
    assert rest(server, site, "values", type="cohort", search="%") == []


def test_an_event_of_any_type_makes_a_member(server: Server, website: str) -> None:
    """C only has a custom event at `/shop` and is a member all the same; B has a page view there, after the period."""
    populate(
        server,
        website,
        [
            happening(C, "2026-11-10 10:00:00", "/shop", "look"),
            view(C, "2026-11-10 10:01:00", "/"),
            view(B, "2026-11-10 11:00:01", "/shop"),
        ],
    )
    add(server, website, "cohort", "shop", url="/shop", startDate=START, endDate="2026-11-10T11:00:00Z")
    assert rest(server, website, "metrics", type="url", cohort="shop") == [{"x": "/", "y": 1}]

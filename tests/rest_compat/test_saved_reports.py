"""Saved reports over REST (Umami v2 REST behaviour §3.11, and the list of §3.5)."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.keys import make_key
from tests.rest_compat.people import Headers, Person, add_person
from tests.rest_compat.test_users import ADMIN_ID, INSTANT, NOBODY, ask
from tests.server import Server

REFUSED = (401, {"error": "Unauthorized"})
MISSING = (404, {"error": "Not found"})
TYPES = ("funnel", "insights", "retention", "utm", "goals", "journey", "revenue", "attribution")


def body(site: str, **changes: Any) -> dict[str, Any]:
    return {
        "websiteId": site,
        "name": "R",
        "type": "insights",
        "description": "d",
        "parameters": {"a": [1]},
        **changes,
    }


def add(server: Server, site: str, headers: Headers | None = None, **changes: Any) -> dict[str, Any]:
    status, made = ask(server, "POST", "/api/reports", headers, body(site, **changes))
    assert status == 200, made
    return dict(made)


def listed(server: Server, path: str, headers: Headers | None = None, **params: Any) -> Any:
    answer = server.client.get(path, params=params, headers=server.admin if headers is None else headers)
    return answer.status_code, answer.json()


def names(found: tuple[int, Any]) -> list[str]:
    status, page = found
    assert status == 200, page
    return [row["name"] for row in page["data"]]


def test_create_read_change_and_delete(server: Server, website: str) -> None:
    status, made = ask(server, "POST", "/api/reports", None, body(website))
    assert status == 200
    assert INSTANT.fullmatch(made["createdAt"])
    assert made == {
        "id": made["id"],
        "userId": ADMIN_ID,
        "websiteId": website,
        "type": "insights",
        "name": "R",
        "description": "d",
        "parameters": {"a": [1]},
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    one = f"/api/reports/{made['id']}"
    assert ask(server, "GET", one) == (200, made)
    envelope = {"count": 1, "page": 1, "pageSize": 10}
    row = {**made, "website": {"domain": "example.com"}}
    assert listed(server, "/api/reports", websiteId=website) == (200, {"data": [row], **envelope})
    assert listed(server, f"/api/websites/{website}/reports") == (200, {"data": [made], **envelope})
    other = server.create_website("Other")
    anew = body(other, name="S", type="utm", description="", parameters={})
    status, changed = ask(server, "POST", one, None, anew)
    assert status == 200
    assert changed == {**made, **anew, "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] >= made["updatedAt"]
    assert ask(server, "GET", one) == (200, changed)
    assert names(listed(server, "/api/reports", websiteId=website)) == []
    assert names(listed(server, "/api/reports", websiteId=other)) == ["S"]
    assert ask(server, "DELETE", one) == (200, {"ok": True})
    for method, sent in (("GET", None), ("POST", anew), ("DELETE", None)):
        assert ask(server, method, one, None, sent) == MISSING
    assert names(listed(server, "/api/reports", websiteId=other)) == []


@pytest.mark.parametrize("kind", TYPES)
def test_every_report_can_be_saved(live: Server, live_website: str, kind: str) -> None:
    assert add(live, live_website, type=kind)["type"] == kind


def test_parameters_may_be_a_text_of_json(live: Server, live_website: str) -> None:
    made = add(live, live_website, parameters=json.dumps({"fields": ["a"], "n\0": "\ud83d"}))
    assert made["parameters"] == {"fields": ["a"], "n": "�"}
    assert ask(live, "GET", f"/api/reports/{made['id']}")[1]["parameters"] == made["parameters"]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        (
            dict.fromkeys(("websiteId", "name", "type", "description", "parameters")),
            [f"{name}: Required" for name in ("websiteId", "name", "type", "description", "parameters")],
        ),
        ({"websiteId": "x"}, ["websiteId: Invalid uuid"]),
        ({"name": "x" * 201}, ["name: String must contain at most 200 character(s)"]),
        (
            {"type": "bogus"},
            [
                "type: Invalid enum value. Expected "
                + " | ".join(f"'{kind}'" for kind in TYPES)
                + ", received 'bogus'"
            ],
        ),
        ({"description": "x" * 501}, ["description: String must contain at most 500 character(s)"]),
        ({"parameters": []}, ["parameters: Expected object, received array"]),
        ({"parameters": "{"}, ["parameters: Invalid JSON"]),
        ({"parameters": "[]"}, ["parameters: Expected object, received array"]),
        ({"parameters": "[" * 100_000}, ["parameters: Invalid JSON"]),
        ({"parameters": "NaN"}, ["parameters: Expected object, received number"]),
        ({"parameters": {"x": "x" * 65_536}}, ["parameters: Must have at most 65536 bytes"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies_refused(
    live: Server, live_website: str, changes: dict[str, Any], problems: list[str]
) -> None:
    existing = add(live, live_website)
    sent = {key: value for key, value in {**body(live_website), **changes}.items() if value is not None}
    for path in ("/api/reports", f"/api/reports/{existing['id']}"):
        for headers in (None, {}):
            assert ask(live, "POST", path, headers, sent) == (400, {"error": problems})
    assert listed(live, f"/api/websites/{live_website}/reports")[1]["data"] == [existing]


@pytest.fixture(scope="module")
def people(live: Server) -> dict[str, Person]:
    return {name: add_person(live) for name in ("owner", "member", "viewer", "stranger")}


@pytest.fixture
def team(live: Server, people: dict[str, Person]) -> tuple[str, str]:
    """(team, its website)."""
    owner = people["owner"].headers
    made = ask(live, "POST", "/api/teams", owner, {"name": "T"})[1][0]["id"]
    for name, role in (("member", "team-member"), ("viewer", "team-view-only")):
        ask(live, "POST", f"/api/teams/{made}/users", None, {"userId": people[name].id, "role": role})
    site = ask(live, "POST", f"/api/teams/{made}/websites", owner, {"name": "Teamly", "domain": "t.example"})
    return made, site[1]["id"]


def test_who_may_what(live: Server, people: dict[str, Person], team: tuple[str, str]) -> None:
    """Seeing the website is enough to see its reports; changing one is for its author and admins."""
    team_id, site = team
    made = add(live, site, people["member"].headers)
    assert made["userId"] == people["member"].id
    one = f"/api/reports/{made['id']}"
    lists = (
        ("/api/reports", {"websiteId": site}),
        ("/api/reports", {"teamId": team_id}),
        (f"/api/websites/{site}/reports", {}),
    )
    for name in ("owner", "member", "viewer"):
        assert ask(live, "GET", one, people[name].headers) == (200, made)
        for path, params in lists:
            assert names(listed(live, path, people[name].headers, **params)) == ["R"]
    for headers in ({}, people["stranger"].headers):
        for path, params in lists:
            assert listed(live, path, headers, **params) == REFUSED
        for method, sent in (("GET", None), ("POST", body(site, name="S")), ("DELETE", None)):
            assert ask(live, method, one, headers, sent) == REFUSED
            assert ask(live, method, f"/api/reports/{NOBODY}", headers, sent) == REFUSED
    for name in ("owner", "viewer"):
        for method, sent in (("POST", body(site, name="S")), ("DELETE", None)):
            assert ask(live, method, one, people[name].headers, sent) == REFUSED
    for headers in (people["viewer"].headers, people["stranger"].headers, {}):
        assert ask(live, "POST", "/api/reports", headers, body(site, name="S")) == REFUSED
    assert listed(live, f"/api/websites/{site}/reports")[1]["data"] == [made]
    # An admin may change it, and is its author from then on: the first one is no more.
    changed = ask(live, "POST", one, None, body(site, name="S"))[1]
    assert (changed["name"], changed["userId"]) == ("S", ADMIN_ID)
    assert ask(live, "POST", one, people["member"].headers, body(site, name="T")) == REFUSED
    assert ask(live, "DELETE", one, people["member"].headers) == REFUSED
    assert ask(live, "GET", one)[1] == changed


def test_a_report_moves_to_no_website_that_its_author_may_not_change(
    live: Server, live_website: str, people: dict[str, Person], team: tuple[str, str]
) -> None:
    site = team[1]
    made = add(live, site, people["member"].headers)
    one = f"/api/reports/{made['id']}"
    for target in (live_website, NOBODY):
        assert ask(live, "POST", one, people["member"].headers, body(target)) == REFUSED
    assert ask(live, "GET", one) == (200, made)
    assert names(listed(live, f"/api/websites/{live_website}/reports")) == []


def test_an_author_keeps_a_report_of_a_website_that_it_sees_no_more(
    live: Server, people: dict[str, Person], team: tuple[str, str]
) -> None:
    team_id, site = team
    member = people["member"]
    made = add(live, site, member.headers)
    assert ask(live, "DELETE", f"/api/teams/{team_id}/users/{member.id}", None) == (200, {"ok": True})
    one = f"/api/reports/{made['id']}"
    assert ask(live, "GET", one, member.headers) == (200, made)
    assert ask(live, "POST", one, member.headers, body(site, name="S"))[1]["name"] == "S"
    assert ask(live, "DELETE", one, member.headers) == (200, {"ok": True})


def test_a_share_link_reads_and_changes_nothing(live: Server, shared: tuple[str, Headers]) -> None:
    site, headers = shared
    made = add(live, site)
    one = f"/api/reports/{made['id']}"
    assert ask(live, "GET", one, headers) == (200, made)
    assert names(listed(live, f"/api/websites/{site}/reports", headers)) == ["R"]
    assert listed(live, "/api/reports", headers) == REFUSED
    for method, path, sent in (
        ("POST", "/api/reports", body(site)),
        ("POST", one, body(site)),
        ("DELETE", one, None),
    ):
        assert ask(live, method, path, headers, sent) == REFUSED
    assert ask(live, "GET", one) == (200, made)


def test_api_keys(live: Server) -> None:
    """A key of one website sees what is of that one, within its scopes."""
    ann = add_person(live)
    site, elsewhere = (
        ask(live, "POST", "/api/websites", ann.headers, {"name": name, "domain": "example.com"})[1]["id"]
        for name in ("A", "B")
    )
    made, other = add(live, site, ann.headers), add(live, elsewhere, ann.headers)
    reading = make_key(live, "read", website=site, headers=ann.headers).header
    assert ask(live, "GET", f"/api/reports/{made['id']}", reading) == (200, made)
    assert ask(live, "GET", f"/api/reports/{other['id']}", reading) == REFUSED
    assert listed(live, "/api/reports", reading) == REFUSED
    assert ask(live, "DELETE", f"/api/reports/{made['id']}", reading) == REFUSED
    managing = make_key(live, "manage", website=site, headers=ann.headers).header
    assert ask(live, "POST", "/api/reports", managing, body(elsewhere)) == REFUSED
    assert ask(live, "POST", f"/api/reports/{made['id']}", managing, body(elsewhere)) == REFUSED
    assert ask(live, "GET", f"/api/reports/{made['id']}") == (200, made)
    assert names(listed(live, "/api/reports", ann.headers)) == ["R", "R"]
    assert add(live, site, managing)["userId"] == ann.id


def test_lists_are_of_a_website_a_team_or_ones_own_websites(server: Server) -> None:
    ann, bob = add_person(server), add_person(server)
    site = ask(server, "POST", "/api/websites", ann.headers, {"name": "A", "domain": "a.example"})[1]["id"]
    team = ask(server, "POST", "/api/teams", ann.headers, {"name": "T"})[1][0]["id"]
    ask(server, "POST", f"/api/teams/{team}/users", None, {"userId": bob.id, "role": "team-member"})
    teams_site = ask(
        server, "POST", f"/api/teams/{team}/websites", ann.headers, {"name": "B", "domain": "b.example"}
    )[1]["id"]
    for name, about, headers in (
        ("own", site, ann.headers),
        ("own 2", site, server.admin),
        ("team's", teams_site, bob.headers),
    ):
        add(server, about, headers, name=name)
    # Reports of one's own websites, whoever made them; not one's own reports of others'.
    assert names(listed(server, "/api/reports", ann.headers)) == ["own 2", "own"]
    assert names(listed(server, "/api/reports", bob.headers)) == []
    assert names(listed(server, "/api/reports", bob.headers, teamId=team)) == ["team's"]
    # With both a website counts.
    assert names(listed(server, "/api/reports", ann.headers, teamId=team, websiteId=site)) == ["own 2", "own"]
    status, page = listed(server, "/api/reports", ann.headers, page=2, pageSize=1, orderBy="name")
    assert (status, [row["website"] for row in page.pop("data")]) == (200, [{"domain": "a.example"}])
    assert page == {"count": 2, "page": 2, "pageSize": 1}


def test_search(server: Server) -> None:
    mark = uuid4().hex[:8]
    ann = add_person(server)
    sites = [
        ask(server, "POST", "/api/websites", ann.headers, {"name": name, "domain": domain})[1]["id"]
        for name, domain in (
            (f"Site {mark}", "one.example"),
            ("Plain", f"{mark}.example"),
            ("Third", "three.example"),
        )
    ]
    add(server, sites[0], ann.headers, name="by site")
    add(server, sites[1], server.admin, name="by domain")
    add(server, sites[2], ann.headers, name=f"50% {mark}", type="utm")
    add(server, sites[2], server.admin, name="described", description=f"of {mark}", type="goals")
    for search, expected in (
        (mark.upper(), {"by site", "by domain", f"50% {mark}", "described"}),
        ("SITE " + mark, {"by site"}),
        (f"{mark}.ex", {"by domain"}),
        (f"of {mark}", {"described"}),
        ("GOAL", {"described"}),
        (ann.name, {"by site", f"50% {mark}"}),
        ("0% ", {f"50% {mark}"}),
        ("_y", set()),
        ("nothing", set()),
    ):
        for key in ("search", "query"):
            assert set(names(listed(server, "/api/reports", ann.headers, **{key: search}))) == expected
    for site, expected in zip(sites, ([], [], ["described"]), strict=True):
        found = listed(server, f"/api/websites/{site}/reports", ann.headers, search="desc")
        assert names(found) == expected


def test_reports_go_with_their_website(live: Server, live_website: str) -> None:
    made = add(live, live_website)
    assert ask(live, "DELETE", f"/api/websites/{live_website}") == (200, {"ok": True})
    assert ask(live, "GET", f"/api/reports/{made['id']}") == MISSING


def test_a_literal_path_is_no_id(live: Server, live_website: str) -> None:
    """`GET /api/reports/revenue` lists currencies; the other reports are no saved ones either."""
    answer = listed(
        live, "/api/reports/revenue", websiteId=live_website, startDate="2026-11-10", endDate="2026-11-11"
    )
    assert answer == (200, [])
    for kind in set(TYPES) - {"revenue"}:
        assert live.client.get(f"/api/reports/{kind}", headers=live.admin).status_code == 405
    assert ask(live, "GET", "/api/reports/no-uuid") == MISSING

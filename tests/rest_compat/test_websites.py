"""Websites over REST (Umami v2 REST behaviour §3.5)."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.populate import A, happening, identification, populate, view
from tests.rest_compat.people import Headers, add_user
from tests.server import Server

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ADMIN_ID = "41e2b680-648e-4b09-bcd7-3e2b10c06264"


def create(live: Server, headers: Headers | None = None, **body: Any) -> Any:
    body = {"name": "Example", "domain": "example.com", **body}
    return live.client.post("/api/websites", json=body, headers=live.admin if headers is None else headers)


def test_create(server: Server) -> None:
    answer = create(server)
    made = answer.json()
    assert answer.status_code == 200
    assert INSTANT.fullmatch(made["createdAt"])
    assert made == {
        "id": made["id"],
        "name": "Example",
        "domain": "example.com",
        "shareId": None,
        "resetAt": None,
        "userId": ADMIN_ID,
        "teamId": None,
        "createdBy": ADMIN_ID,
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
        "deletedAt": None,
    }
    assert list(made) == [
        *("id", "name", "domain", "shareId", "resetAt", "userId", "teamId", "createdBy"),
        *("createdAt", "updatedAt", "deletedAt"),
    ]
    assert server.get(f"/api/websites/{made['id']}") == made


def test_create_with_an_id_and_a_share(live: Server) -> None:
    website, slug = str(uuid4()), uuid4().hex
    made = create(live, id=website, shareId=slug, teamId=None).json()
    assert (made["id"], made["shareId"]) == (website, slug)
    again = create(live, id=website)
    assert (again.status_code, again.json()) == (400, {"error": "That website ID is already taken."})
    taken = create(live, shareId=slug)
    assert (taken.status_code, taken.json()) == (400, {"error": "That share ID is already taken."})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ["name: Required", "domain: Required"]),
        (
            {"name": "x" * 101, "domain": "y" * 501},
            [
                "name: String must contain at most 100 character(s)",
                "domain: String must contain at most 500 character(s)",
            ],
        ),
        (
            {"name": None, "domain": 5},
            ["name: Expected string, received null", "domain: Expected string, received number"],
        ),
        (
            {"name": [], "domain": {}, "shareId": True, "teamId": "x", "id": "y"},
            [
                "name: Expected string, received array",
                "domain: Expected string, received object",
                "shareId: Expected string, received boolean",
                "teamId: Invalid uuid",
                "id: Invalid uuid",
            ],
        ),
        (
            {"name": "n", "domain": "d", "shareId": "s" * 51},
            ["shareId: String must contain at most 50 character(s)"],
        ),
    ],
)
def test_create_with_a_bad_body(live: Server, body: dict[str, Any], error: list[str]) -> None:
    answer = live.client.post("/api/websites", json=body, headers=live.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_lengths_are_counted_as_browsers_count(live: Server) -> None:
    assert create(live, name="😀" * 50).json()["name"] == "😀" * 50
    assert create(live, name="😀" * 51).status_code == 400


def test_who_may_create(live: Server, bob: Headers, viewer: Headers) -> None:
    assert create(live, bob).json()["userId"] != ADMIN_ID
    for headers in (viewer, {}):
        answer = create(live, headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
    assert live.get("/api/websites", headers=viewer)["count"] == 0


def test_a_website_of_a_team_one_is_no_member_of(live: Server, bob: Headers) -> None:
    assert create(live, bob, teamId=str(uuid4())).status_code == 401


def test_list(live: Server) -> None:
    owner = add_user(live)
    mine = live.get("/api/auth/verify", headers=owner)
    assert live.get("/api/websites", headers=owner) == {
        "data": [],
        "count": 0,
        "page": 1,
        "pageSize": 10,
        "orderBy": "name",
    }
    made = {
        name: create(live, owner, name=name, domain=domain).json()
        for name, domain in (("b", "one.org"), ("a", "two.org"), ("c", "one.com"))
    }

    def listed(**params: Any) -> tuple[list[str], int]:
        answer = live.get("/api/websites", headers=owner, **params)
        return [row["name"] for row in answer["data"]], answer["count"]

    first = live.get("/api/websites", headers=owner)["data"][0]
    assert first == {**made["a"], "user": {"username": mine["username"], "id": mine["id"]}}
    assert listed() == (["a", "b", "c"], 3)
    assert listed(pageSize=2) == (["a", "b"], 3)
    assert listed(pageSize="2", page="2") == (["c"], 3)
    assert listed(page=7) == ([], 3)
    assert listed(orderBy="domain") == (["c", "b", "a"], 3)
    assert listed(orderBy="password") == (["a", "b", "c"], 3)
    assert listed(search="ONE.") == (["b", "c"], 2)
    assert listed(query="two") == (["a"], 1)
    assert listed(search="one", query="two") == (["b", "c"], 2)
    assert listed(search="%") == ([], 0)
    envelope = live.get("/api/websites", headers=owner, page="2", pageSize="1", orderBy="domain")
    assert {name: value for name, value in envelope.items() if name != "data"} == {
        "count": 3,
        "page": 2,
        "pageSize": 1,
        "orderBy": "domain",
    }


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("page=0", ["page: Number must be greater than 0"]),
        (
            "page=-1.5&pageSize=x",
            [
                "page: Expected integer, received float, Number must be greater than 0",
                "pageSize: Expected number, received nan",
            ],
        ),
        ("page=1e99", ["page: Number must be less than or equal to 2147483647"]),
        ("pageSize=", ["pageSize: Number must be greater than 0"]),
    ],
)
def test_list_with_bad_parameters(live: Server, query: str, error: list[str]) -> None:
    answer = live.client.get(f"/api/websites?{query}", headers=live.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_update(live: Server, live_website: str) -> None:
    url = f"/api/websites/{live_website}"
    before = live.get(url)

    def update(**body: Any) -> Any:
        answer = live.client.post(url, json=body, headers=live.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert update(name="New", domain="new.org")["name"] == "New"
    assert update(name="Newer") == {
        **before,
        "name": "Newer",
        "domain": "new.org",
        "updatedAt": live.get(url)["updatedAt"],
    }
    slug = uuid4().hex[:16]
    assert update(shareId=slug)["shareId"] == slug
    assert update(name="Newest")["shareId"] == slug
    assert update(shareId=slug)["shareId"] == slug
    assert update(shareId=None)["shareId"] is None
    assert update()["name"] == "Newest"


def test_update_with_a_taken_share(live: Server, shared: tuple[str, Headers]) -> None:
    other = live.create_website()
    slug = live.get(f"/api/websites/{shared[0]}")["shareId"]
    answer = live.client.post(
        f"/api/websites/{other}", json={"name": "N", "shareId": slug}, headers=live.admin
    )
    assert (answer.status_code, answer.json()) == (400, {"error": "That share ID is already taken."})
    kept = live.get(f"/api/websites/{other}")
    assert (kept["name"], kept["shareId"]) == ("Example", None)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"shareId": "short"}, ["shareId: Invalid"]),
        ({"shareId": "x" * 17}, ["shareId: Invalid"]),
        ({"shareId": "with-dash-1"}, ["shareId: Invalid"]),
        ({"shareId": "newline1\n"}, ["shareId: Invalid"]),
        ({"shareId": 12345678}, ["shareId: Expected string, received number"]),
        ({"name": None}, ["name: Expected string, received null"]),
    ],
)
def test_update_with_a_bad_body(
    live: Server, live_website: str, body: dict[str, Any], error: list[str]
) -> None:
    answer = live.client.post(f"/api/websites/{live_website}", json=body, headers=live.admin)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_an_empty_name_is_taken_as_the_reference_does(live: Server, live_website: str) -> None:
    answer = live.client.post(f"/api/websites/{live_website}", json={"name": ""}, headers=live.admin)
    assert (answer.status_code, answer.json()["name"]) == (200, "")


def test_an_unknown_team(live: Server) -> None:
    sent = {"name": "R", "domain": "r.example", "teamId": "00000000-0000-4000-8000-000000000000"}
    answer = live.client.post("/api/websites", json=sent, headers=live.admin)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_delete(server: Server, website: str) -> None:
    populate(server, website, [view(A, "2026-11-10 10:00:00")])
    answer = server.client.delete(f"/api/websites/{website}", headers=server.admin)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert server.client.get(f"/api/websites/{website}", headers=server.admin).status_code == 404
    assert server.events(website) == []
    late = server.client.post(
        "/api/send", json=view(A, "2026-11-10 10:00:00").body(website), headers=A.headers
    )
    assert (late.status_code, late.json()) == (400, {"error": "Website not found."})
    again = server.client.delete(f"/api/websites/{website}", headers=server.admin)
    assert again.status_code == 404


def test_reset(server: Server, website: str) -> None:
    populate(
        server,
        website,
        [
            happening(A, "2026-11-10 10:00:00", "/", "buy", {"revenue": 1, "currency": "USD"}),
            identification(A, "2026-11-10 10:00:00", {"vip": True}),
        ],
    )
    assert (len(server.events(website)), len(server.session_data(website)), len(server.revenue(website))) == (
        1,
        1,
        1,
    )
    answer = server.client.post(f"/api/websites/{website}/reset", headers=server.admin)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    for stored in (server.events, server.event_data, server.session_data, server.revenue):
        assert stored(website) == []
    assert INSTANT.fullmatch(server.get(f"/api/websites/{website}")["resetAt"])


def test_a_reset_is_no_question(server: Server, website: str) -> None:
    """The documentation of the API client writes it with GET; the client sends POST, and a link must not empty a site."""
    populate(server, website, [view(A, "2026-11-10 10:00:00")])
    answer = server.client.get(f"/api/websites/{website}/reset", headers=server.admin)
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert len(server.events(website)) == 1


def test_figures_begin_at_the_reset(server: Server, website: str) -> None:
    server.client.post(f"/api/websites/{website}/reset", headers=server.admin)
    # Sent after the reset, but telling of a time before it.
    populate(server, website, [view(A, "2020-01-01 10:00:00")])
    figures = server.get(f"/api/websites/{website}/stats", startAt=0, endAt=4_000_000_000_000)
    assert figures["pageviews"]["value"] == 0
    assert server.get(f"/api/websites/{website}/daterange") == {"mindate": None, "maxdate": None}


def test_daterange(server: Server, website: str) -> None:
    url = f"/api/websites/{website}/daterange"
    assert server.get(url) == {"mindate": None, "maxdate": None}
    hits = [happening(A, "2026-11-10 10:05:00", "/", "signup"), view(A, "2026-11-11 09:00:30")]
    populate(server, website, hits)
    assert server.get(url) == {"mindate": "2026-11-10T10:05:00.000Z", "maxdate": "2026-11-11T09:00:30.000Z"}

"""Users over REST (Umami v2 REST behaviour §3.2, §3.3)."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.populate import A, happening, populate, view
from tests.rest_compat.people import Headers, Person, add_person
from tests.server import PASSWORD, Server

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ADMIN_ID = "41e2b680-648e-4b09-bcd7-3e2b10c06264"
NOBODY = "00000000-0000-4000-8000-000000000000"


def ask(server: Server, method: str, path: str, headers: Headers | None = None, body: Any = None) -> Any:
    """(status, JSON), asked by the admin unless headers are given."""
    answer = server.client.request(
        method, path, json=body, headers=server.admin if headers is None else headers
    )
    return answer.status_code, answer.json()


def test_create_read_change_and_delete(server: Server) -> None:
    name = f"ann-{uuid4().hex[:8]}"
    given = {"username": name, "password": "x", "role": "user"}
    status, made = ask(server, "POST", "/api/users", body=given)
    assert (status, made) == (200, {"id": made["id"], "username": name, "role": "user"})
    path = f"/api/users/{made['id']}"
    read = server.get(path)
    assert read == {**made, "createdAt": read["createdAt"]}
    assert INSTANT.fullmatch(read["createdAt"])
    assert ask(server, "POST", "/api/users", body=given) == (400, {"error": "User already exists"})
    changed = ask(server, "POST", path, body={"username": f"{name}-2", "role": "view-only"})
    assert changed == (200, {**read, "username": f"{name}-2", "role": "view-only"})
    assert ask(server, "POST", path, body={"username": "admin"}) == (400, {"error": "User already exists"})
    # A form sends empty texts for what was not touched.
    assert ask(server, "POST", path, body={"username": "", "password": ""}) == changed
    login = {"username": f"{name}-2", "password": "x"}
    assert server.client.post("/api/auth/login", json=login).status_code == 200
    assert ask(server, "DELETE", path) == (200, {"ok": True})
    assert ask(server, "GET", path) == (404, {"error": "Not found"})
    assert server.client.post("/api/auth/login", json=login).status_code == 401


def test_create_with_an_id(live: Server) -> None:
    given = {"id": str(uuid4()), "username": uuid4().hex, "password": "x", "role": "admin"}
    status, made = ask(live, "POST", "/api/users", body=given)
    assert (status, made["id"]) == (200, given["id"])
    again = ask(live, "POST", "/api/users", body={**given, "username": uuid4().hex})
    assert again == (400, {"error": "User already exists"})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ["username: Required", "password: Required", "role: Required"]),
        (
            {"username": "n" * 256, "password": None, "role": "owner", "id": "x"},
            [
                "username: String must contain at most 255 character(s)",
                "password: Expected string, received null",
                "role: Invalid enum value. Expected 'admin' | 'user' | 'view-only', received 'owner'",
                "id: Invalid uuid",
            ],
        ),
        ({"username": " ", "password": "x", "role": "user"}, "username must not be empty"),
        (
            {"username": "n", "password": "x", "role": 1},
            ["role: Expected 'admin' | 'user' | 'view-only', received number"],
        ),
    ],
)
def test_users_that_cannot_be_created(live: Server, body: dict[str, Any], error: Any) -> None:
    before = live.get("/api/admin/users")["count"]
    assert ask(live, "POST", "/api/users", body=body) == (400, {"error": error})
    assert live.get("/api/admin/users")["count"] == before


@pytest.mark.parametrize("path", ["/api/users", "/api/admin/users"])
def test_all_users_the_newest_first(live: Server, path: str) -> None:
    tag = uuid4().hex[:8]
    made = [
        ask(live, "POST", "/api/users", body={"username": f"{tag}-{n}", "password": "x", "role": "user"})[1][
            "id"
        ]
        for n in range(3)
    ]
    website = {"name": "n", "domain": "d"}
    token = live.client.post("/api/auth/login", json={"username": f"{tag}-0", "password": "x"}).json()[
        "token"
    ]
    live.client.post("/api/websites", json=website, headers={"authorization": f"Bearer {token}"})
    found = live.get(path, search=tag.upper(), pageSize=2)
    assert {key: value for key, value in found.items() if key != "data"} == {
        "count": 3,
        "page": 1,
        "pageSize": 2,
        "orderBy": "createdAt",
    }
    last = live.get(path, query=tag, pageSize=2, page=2)["data"]
    assert [row["id"] for row in (*found["data"], *last)] == made[::-1]
    assert last[0] == {
        "id": made[0],
        "username": f"{tag}-0",
        "role": "user",
        "createdAt": last[0]["createdAt"],
        "logoUrl": None,
        "displayName": None,
        "updatedAt": None,
        "deletedAt": None,
        "_count": {"websiteUser": 1},
    }
    named = live.get(path, search=tag, orderBy="username")
    assert [row["username"] for row in named["data"]] == [f"{tag}-2", f"{tag}-1", f"{tag}-0"]
    assert named["orderBy"] == "username"


def test_a_user_changes_its_password_and_nothing_else(live: Server) -> None:
    person = add_person(live)
    path = f"/api/users/{person.id}"
    body = {"username": "other", "role": "admin", "password": "another one"}
    status, found = ask(live, "POST", path, person.headers, body)
    assert (status, found["username"], found["role"]) == (200, person.name, "user")
    # The login with the old password has ended.
    assert ask(live, "GET", path, person.headers) == (401, {"error": "Unauthorized"})
    login = {"username": person.name, "password": "another one"}
    assert live.client.post("/api/auth/login", json=login).status_code == 200


def test_users_are_for_admins(live: Server, bob: Headers) -> None:
    person = add_person(live)
    refused = (401, {"error": "Unauthorized"})
    new = {"username": uuid4().hex, "password": "x", "role": "user"}
    for headers in (bob, {}):
        for method, path, body in (
            ("POST", "/api/users", new),
            ("GET", "/api/users", None),
            ("GET", "/api/admin/users", None),
            ("GET", f"/api/admin/websites?userId={person.id}", None),
            ("GET", f"/api/users/{person.id}", None),
            ("POST", f"/api/users/{person.id}", {"username": "taken over"}),
            ("DELETE", f"/api/users/{person.id}", None),
            ("GET", f"/api/users/{person.id}/websites", None),
            ("GET", f"/api/users/{person.id}/teams", None),
            ("GET", f"/api/users/{NOBODY}", None),
            ("DELETE", f"/api/users/{NOBODY}", None),
            ("GET", "/api/users/no-uuid", None),
        ):
            assert (path, *ask(live, method, path, headers, body)) == (path, *refused)
    assert ask(live, "DELETE", f"/api/users/{person.id}", person.headers) == refused
    assert live.get(f"/api/users/{person.id}")["username"] == person.name
    assert live.get("/api/users", search=new["username"])["count"] == 0
    for path in (f"/api/users/{NOBODY}", "/api/users/no-uuid"):
        assert ask(live, "GET", path) == (404, {"error": "Not found"})


def test_nobody_deletes_oneself_and_the_last_admin_stays_one(live: Server) -> None:
    path = f"/api/users/{ADMIN_ID}"
    assert ask(live, "DELETE", path) == (400, {"error": "You cannot delete yourself."})
    others = [row for row in live.get("/api/users", pageSize=1000)["data"] if row["role"] == "admin"]
    for row in others:
        if row["id"] != ADMIN_ID:
            ask(live, "DELETE", f"/api/users/{row['id']}")
    refused = ask(live, "POST", path, body={"role": "user"})
    assert refused == (400, {"error": "The last admin keeps its role"})
    assert live.get(path)["role"] == "admin"


def test_deleting_a_user_deletes_what_it_owns(server: Server) -> None:
    gone, stays = add_person(server), add_person(server)
    website = {"name": "n", "domain": "d"}
    own = ask(server, "POST", "/api/websites", gone.headers, website)[1]["id"]
    populate(
        server,
        own,
        [
            view(A, "2026-11-10 10:00:00"),
            happening(A, "2026-11-10 10:01:00", "/", "buy", {"revenue": 5, "currency": "EUR"}),
        ],
    )
    team, _ = ask(server, "POST", "/api/teams", gone.headers, {"name": "T"})[1]
    ask(server, "POST", "/api/teams/join", stays.headers, {"accessCode": team["accessCode"]})
    of_team = ask(server, "POST", f"/api/teams/{team['id']}/websites", gone.headers, website)[1]["id"]
    other, _ = ask(server, "POST", "/api/teams", stays.headers, {"name": "Other"})[1]
    ask(server, "POST", "/api/teams/join", gone.headers, {"accessCode": other["accessCode"]})

    assert ask(server, "DELETE", f"/api/users/{gone.id}") == (200, {"ok": True})
    assert ask(server, "GET", f"/api/websites/{own}") == (404, {"error": "Not found"})
    assert server.events(own) == server.event_data(own) == server.revenue(own) == []
    assert ask(server, "GET", f"/api/teams/{team['id']}") == (404, {"error": "Not found"})
    # The team's website remains, and only admins see it.
    orphan = server.get(f"/api/websites/{of_team}")
    assert (orphan["userId"], orphan["teamId"]) == (None, None)
    assert ask(server, "GET", f"/api/websites/{of_team}", stays.headers)[0] == 401
    left = server.get(f"/api/teams/{other['id']}")["teamUser"]
    assert [row["userId"] for row in left] == [stays.id]


def test_websites_and_teams_of_a_user(live: Server) -> None:
    person = add_person(live)
    for name in ("b", "a"):
        ask(live, "POST", "/api/websites", person.headers, {"name": name, "domain": f"{name}.org"})
    team, owner = ask(live, "POST", "/api/teams", person.headers, {"name": "Team"})[1]
    ask(live, "POST", "/api/websites", person.headers, {"name": "c", "domain": "c", "teamId": team["id"]})
    for headers in (None, person.headers):
        found = ask(live, "GET", f"/api/users/{person.id}/websites", headers)[1]
        assert [row["name"] for row in found["data"]] == ["a", "b"]
        assert found["data"][0]["user"] == {"id": person.id, "username": person.name}
        assert (found["count"], found["orderBy"]) == (2, "name")
        teams = ask(live, "GET", f"/api/users/{person.id}/teams", headers)[1]
        member = {**owner, "user": {"id": person.id, "username": person.name}}
        assert teams == {
            "data": [{**team, "teamUser": [member], "_count": {"website": 1, "teamUser": 1}}],
            "count": 1,
            "page": 1,
            "pageSize": 10,
        }
    assert ask(live, "GET", "/api/me/teams", person.headers)[1] == teams
    assert ask(live, "GET", "/api/teams", person.headers)[1] == teams
    assert ask(live, "GET", "/api/me/websites", person.headers)[1] == found
    ordered = ask(live, "GET", f"/api/users/{person.id}/websites?orderBy=domain&search=b", person.headers)[1]
    assert ([row["name"] for row in ordered["data"]], ordered["orderBy"]) == (["b"], "domain")


def test_what_a_user_reaches(live: Server) -> None:
    person, other = add_person(live), add_person(live)
    ask(live, "POST", "/api/websites", person.headers, {"name": "own", "domain": "d"})
    owned, _ = ask(live, "POST", "/api/teams", person.headers, {"name": "owned"})[1]
    joined, owner = ask(live, "POST", "/api/teams", other.headers, {"name": "joined"})[1]
    ask(live, "POST", "/api/teams/join", person.headers, {"accessCode": joined["accessCode"]})
    for team, headers in ((owned, person.headers), (joined, other.headers)):
        body = {"name": f"of {team['name']}", "domain": "d", "teamId": team["id"]}
        ask(live, "POST", "/api/websites", headers, body)

    def names(**more: str) -> list[str]:
        found = live.get("/api/admin/websites", userId=person.id, **more)
        assert "orderBy" not in found
        return [row["name"] for row in found["data"]]

    assert names() == ["own"]
    assert names(includeOwnedTeams="1") == ["of owned", "own"]
    assert names(includeAllTeams="true") == ["of joined", "of owned", "own"]
    rows = live.get("/api/admin/websites", userId=person.id, includeAllTeams="1")["data"]
    assert (rows[0]["user"], rows[0]["team"]) == (None, {**joined, "teamUser": [owner]})
    assert owner["userId"] == other.id
    assert (rows[2]["user"], rows[2]["team"]) == ({"id": person.id, "username": person.name}, None)
    assert ask(live, "GET", "/api/admin/websites") == (400, {"error": ["userId: Required"]})


def test_changing_ones_own_password(live: Server) -> None:
    person: Person = add_person(live)
    path = "/api/me/password"
    wrong = ask(live, "POST", path, person.headers, {"currentPassword": "no", "newPassword": "long enough"})
    assert wrong == (400, {"error": "Current password is incorrect"})
    short = ask(
        live, "POST", path, person.headers, {"currentPassword": "their password", "newPassword": "short"}
    )
    assert short == (400, {"error": ["newPassword: String must contain at least 8 character(s)"]})
    body = {"currentPassword": "their password", "newPassword": "long enough"}
    assert ask(live, "POST", path, {}, body) == (401, {"error": "Unauthorized"})
    status, found = ask(live, "POST", path, person.headers, body)
    assert (status, found["id"], found["username"], found["role"]) == (200, person.id, person.name, "user")
    assert set(found) == {"id", "username", "role", "createdAt"}
    assert ask(live, "GET", "/api/me", person.headers)[0] == 401
    login = live.client.post("/api/auth/login", json={"username": person.name, "password": "long enough"})
    assert login.status_code == 200
    assert PASSWORD != "long enough"


@pytest.mark.parametrize("password", ["", "\0" * 8])
def test_a_password_is_not_empty(live: Server, password: str) -> None:
    given = {"username": uuid4().hex, "password": password, "role": "user"}
    assert ask(live, "POST", "/api/users", body=given) == (400, {"error": "password must not be empty"})
    assert live.get("/api/users", search=given["username"])["count"] == 0

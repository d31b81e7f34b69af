"""Teams over REST (Umami v2 REST behaviour §3.4) and transfer (§3.5)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.keys import make_key
from tests.rest_compat.people import Headers, Person, add_person
from tests.rest_compat.test_users import ADMIN_ID, INSTANT, NOBODY, ask
from tests.server import Server

REFUSED = (401, {"error": "Unauthorized"})
SITE = {"name": "Example", "domain": "example.com"}


def add_team(server: Server, owner: Person, *members: tuple[Person, str], name: str = "T1") -> dict[str, Any]:
    """A team of the owner's, with members in roles."""
    team: dict[str, Any] = ask(server, "POST", "/api/teams", owner.headers, {"name": name})[1][0]
    for person, role in members:
        made = ask(
            server, "POST", f"/api/teams/{team['id']}/users", None, {"userId": person.id, "role": role}
        )
        assert made[0] == 200, made
    return team


@pytest.fixture(scope="module")
def people(live: Server) -> dict[str, Person]:
    return {name: add_person(live) for name in ("owner", "manager", "member", "viewer", "stranger")}


@pytest.fixture
def team(live: Server, people: dict[str, Person]) -> str:
    roles = [(people[name], f"team-{name}") for name in ("manager", "member")]
    made = add_team(live, people["owner"], *roles, (people["viewer"], "team-view-only"))
    return str(made["id"])


def test_create_read_change_and_delete(server: Server) -> None:
    owner = add_person(server, "view-only")
    status, [team, membership] = ask(server, "POST", "/api/teams", owner.headers, {"name": "T1"})
    assert status == 200
    assert re.fullmatch("team_[a-zA-Z0-9]{16}", team["accessCode"])
    assert INSTANT.fullmatch(team["createdAt"])
    assert team == {
        "id": team["id"],
        "name": "T1",
        "accessCode": team["accessCode"],
        "logoUrl": None,
        "createdAt": team["createdAt"],
        "updatedAt": team["createdAt"],
        "deletedAt": None,
    }
    assert membership == {
        "id": membership["id"],
        "teamId": team["id"],
        "userId": owner.id,
        "role": "team-owner",
        "createdAt": team["createdAt"],
        "updatedAt": team["createdAt"],
    }
    path = f"/api/teams/{team['id']}"
    assert ask(server, "GET", path, owner.headers) == (200, {**team, "teamUser": [membership]})
    code = f"team_{owner.name}"
    status, changed = ask(server, "POST", path, owner.headers, {"name": "T2", "accessCode": code})
    assert changed == {**team, "name": "T2", "accessCode": code, "updatedAt": changed["updatedAt"]}
    assert ask(server, "POST", path, owner.headers, {})[1]["name"] == "T2"
    other = add_team(server, owner)
    taken = ask(server, "POST", f"/api/teams/{other['id']}", owner.headers, {"accessCode": code})
    assert taken == (400, {"error": "This access code is already taken."})
    assert ask(server, "DELETE", path, owner.headers) == (200, {"ok": True})
    assert ask(server, "GET", path) == (404, {"error": "Not found"})
    assert ask(server, "GET", path, owner.headers) == REFUSED


def test_a_teams_websites_outlive_it(server: Server) -> None:
    owner = add_person(server)
    team = add_team(server, owner)
    path = f"/api/teams/{team['id']}"
    status, website = ask(server, "POST", f"{path}/websites", owner.headers, SITE)
    assert (status, website["userId"], website["teamId"], website["createdBy"]) == (
        200,
        None,
        team["id"],
        owner.id,
    )
    listed = ask(server, "GET", f"{path}/websites", owner.headers)[1]
    assert listed == {
        "data": [{**website, "createUser": {"id": owner.id, "username": owner.name}}],
        "count": 1,
        "page": 1,
        "pageSize": 10,
    }
    ask(server, "DELETE", path, owner.headers)
    assert server.get(f"/api/websites/{website['id']}")["teamId"] is None
    assert ask(server, "GET", f"/api/websites/{website['id']}", owner.headers) == REFUSED


def test_deleting_a_website_of_a_team(live: Server, people: dict[str, Person], team: str) -> None:
    member = people["member"]
    website = ask(live, "POST", f"/api/teams/{team}/websites", member.headers, SITE)[1]["id"]
    other = add_team(live, people["owner"])["id"]
    path = f"/api/teams/{team}/websites/{website}"
    elsewhere = ask(live, "DELETE", f"/api/teams/{other}/websites/{website}", member.headers)
    assert elsewhere == (404, {"error": "This team has no such website"})
    for name in ("viewer", "stranger"):
        assert ask(live, "DELETE", path, people[name].headers) == REFUSED
    assert live.get(f"/api/websites/{website}")["id"] == website
    assert ask(live, "DELETE", path, member.headers) == (200, {"ok": True})
    assert ask(live, "GET", f"/api/websites/{website}") == (404, {"error": "Not found"})


def test_joining(live: Server, people: dict[str, Person]) -> None:
    team = add_team(live, people["owner"])
    joining = add_person(live, "view-only")
    body = {"accessCode": team["accessCode"]}
    status, membership = ask(live, "POST", "/api/teams/join", joining.headers, body)
    assert (status, membership["teamId"], membership["userId"], membership["role"]) == (
        *(200, team["id"], joining.id),
        "team-member",
    )
    again = ask(live, "POST", "/api/teams/join", joining.headers, body)
    assert again == (400, {"error": "User is already a team member."})
    unknown = ask(live, "POST", "/api/teams/join", joining.headers, {"accessCode": "team_nothing"})
    assert unknown == (404, {"error": "Team not found."})
    assert ask(live, "POST", "/api/teams/join", {}, body) == REFUSED
    assert len(live.get(f"/api/teams/{team['id']}")["teamUser"]) == 2


def test_members(live: Server, people: dict[str, Person], team: str) -> None:
    path = f"/api/teams/{team}/users"
    listed = ask(live, "GET", path, people["viewer"].headers)[1]
    names = ["owner", "manager", "member", "viewer"]
    assert [row["user"] for row in listed["data"]] == [
        {"id": people[name].id, "username": people[name].name} for name in names
    ]
    assert (listed["count"], "orderBy" in listed) == (4, False)
    found = ask(live, "GET", f"{path}?search={people['member'].name}", people["viewer"].headers)[1]
    assert [row["userId"] for row in found["data"]] == [people["member"].id]
    one = ask(live, "GET", f"{path}/{people['member'].id}", people["manager"].headers)
    assert one == (200, {key: value for key, value in listed["data"][2].items() if key != "user"})
    assert ask(live, "GET", f"{path}/{people['stranger'].id}", people["manager"].headers) == (200, None)

    changed = ask(
        live, "POST", f"{path}/{people['member'].id}", people["manager"].headers, {"role": "team-manager"}
    )
    assert (changed[0], changed[1]["role"]) == (200, "team-manager")
    nobody = (400, {"error": "The User does not exists on this team."})
    stranger = f"{path}/{people['stranger'].id}"
    assert ask(live, "POST", stranger, people["owner"].headers, {"role": "team-member"}) == nobody
    assert ask(live, "DELETE", stranger, people["owner"].headers) == nobody
    assert ask(live, "POST", f"{path}/{people['member'].id}", None, {"role": "team-owner"}) == (
        400,
        {
            "error": [
                "role: Invalid enum value. Expected 'team-manager' | 'team-member' | 'team-view-only', received 'team-owner'"
            ]
        },
    )
    # A member leaves by itself; a viewer cannot send another away.
    assert ask(live, "DELETE", f"{path}/{people['member'].id}", people["viewer"].headers) == REFUSED
    assert ask(live, "DELETE", f"{path}/{people['viewer'].id}", people["viewer"].headers) == (
        200,
        {"ok": True},
    )
    assert ask(live, "GET", path, people["viewer"].headers) == REFUSED
    assert len(live.get(f"/api/teams/{team}")["teamUser"]) == 3


def test_adding_a_member_is_for_admins(live: Server, people: dict[str, Person], team: str) -> None:
    path = f"/api/teams/{team}/users"
    body = {"userId": people["stranger"].id, "role": "team-member"}
    assert ask(live, "POST", path, people["owner"].headers, body) == REFUSED
    status, made = ask(live, "POST", path, None, body)
    assert (status, made["userId"], made["role"]) == (200, people["stranger"].id, "team-member")
    again = ask(live, "POST", path, None, body)
    assert again == (400, {"error": "User is already a member of the Team."})
    unknown = ask(live, "POST", path, None, {"userId": NOBODY, "role": "team-member"})
    assert unknown == (400, {"error": "User not found."})
    assert ask(live, "POST", path, None, {"userId": "x"}) == (
        400,
        {"error": ["userId: Invalid uuid", "role: Required"]},
    )


def test_another_teams_ids_tell_nothing(live: Server, people: dict[str, Person], team: str) -> None:
    stranger = people["stranger"].headers
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"name": "taken over"}),
        ("DELETE", "", None),
        ("GET", "/users", None),
        ("GET", "/websites", None),
        ("POST", "/websites", SITE),
        ("GET", f"/users/{people['member'].id}", None),
        ("POST", f"/users/{people['member'].id}", {"role": "team-view-only"}),
        ("DELETE", f"/users/{people['member'].id}", None),
    ):
        text = "You must be the owner of this team." if (method, path) == ("POST", "") else "Unauthorized"
        for which in (team, NOBODY, "no-uuid"):
            found = ask(live, method, f"/api/teams/{which}{path}", stranger, body)
            # Which team it is makes no difference to the answer.
            assert found[0] == 401, (method, path, which)
            assert found == ask(live, method, f"/api/teams/{NOBODY}{path}", stranger, body)
            assert found[1]["error"] in (text, "Unauthorized")
    kept = live.get(f"/api/teams/{team}")
    assert (kept["name"], len(kept["teamUser"])) == ("T1", 4)
    assert kept["teamUser"][2]["role"] == "team-member"


def test_changing_a_team_is_for_owners_and_managers(
    live: Server, people: dict[str, Person], team: str
) -> None:
    path = f"/api/teams/{team}"
    for name in ("member", "viewer"):
        refused = ask(live, "POST", path, people[name].headers, {"name": "x"})
        assert refused == (401, {"error": "You must be the owner of this team."})
        assert ask(live, "DELETE", path, people[name].headers) == REFUSED
    assert ask(live, "DELETE", path, people["manager"].headers) == REFUSED
    assert live.get(path)["name"] == "T1"
    assert ask(live, "POST", path, people["manager"].headers, {"name": "x"})[0] == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ["name: Required"]),
        ({"name": "n" * 51}, ["name: String must contain at most 50 character(s)"]),
        ({"name": "  "}, "name must not be empty"),
    ],
)
def test_teams_that_cannot_be_created(live: Server, bob: Headers, body: dict[str, Any], error: Any) -> None:
    assert ask(live, "POST", "/api/teams", bob, body) == (400, {"error": error})
    assert ask(live, "GET", "/api/teams", bob)[1]["count"] == 0


def test_transfer(server: Server) -> None:
    owner, member = add_person(server), add_person(server)
    team = add_team(server, owner, (member, "team-member"))
    website = ask(server, "POST", "/api/websites", owner.headers, SITE)[1]
    path = f"/api/websites/{website['id']}/transfer"
    assert ask(server, "POST", path, owner.headers, {}) == (400, {"error": "Bad request"})
    # Admins get no exception, and a stranger does not even see it.
    assert ask(server, "POST", path, None, {"teamId": team["id"]}) == REFUSED
    assert ask(server, "POST", path, member.headers, {"teamId": team["id"]}) == REFUSED
    assert ask(server, "POST", path, owner.headers, {"teamId": NOBODY}) == REFUSED
    status, moved = ask(server, "POST", path, owner.headers, {"teamId": team["id"]})
    assert (status, moved) == (
        200,
        {**website, "userId": None, "teamId": team["id"], "updatedAt": moved["updatedAt"]},
    )
    for headers, body in (
        (member.headers, {"userId": member.id}),
        (owner.headers, {"userId": member.id}),
        (None, {"userId": ADMIN_ID}),
    ):
        assert ask(server, "POST", path, headers, body) == REFUSED
    assert server.get(f"/api/websites/{website['id']}")["teamId"] == team["id"]
    back = ask(server, "POST", path, owner.headers, {"userId": owner.id, "teamId": team["id"]})[1]
    assert (back["userId"], back["teamId"]) == (owner.id, None)


def test_a_member_may_not_receive_a_website(live: Server, people: dict[str, Person], team: str) -> None:
    member = people["member"]
    website = ask(live, "POST", "/api/websites", member.headers, SITE)[1]["id"]
    path = f"/api/websites/{website}/transfer"
    assert ask(live, "POST", path, member.headers, {"teamId": team}) == REFUSED
    assert live.get(f"/api/websites/{website}")["userId"] == member.id


def test_a_view_only_user_creates_no_website_whatever_the_team_role(live: Server) -> None:
    owner = add_person(live, "view-only")
    team = add_team(live, owner)
    for path in ("/api/websites", f"/api/teams/{team['id']}/websites"):
        assert ask(live, "POST", path, owner.headers, {**SITE, "teamId": team["id"]}) == REFUSED
    assert live.get(f"/api/teams/{team['id']}/websites")["count"] == 0


def test_an_owner_is_changed_by_owners_and_the_last_one_stays(
    live: Server, people: dict[str, Person], team: str
) -> None:
    path = f"/api/teams/{team}/users/{people['owner'].id}"
    body = {"role": "team-view-only"}
    assert ask(live, "POST", path, people["manager"].headers, body) == REFUSED
    assert ask(live, "DELETE", path, people["manager"].headers) == REFUSED
    last = (400, {"error": "A team keeps its last owner"})
    for headers in (people["owner"].headers, None):
        assert ask(live, "POST", path, headers, body) == last
        assert ask(live, "DELETE", path, headers) == last
    assert live.get(f"/api/teams/{team}")["teamUser"][0]["role"] == "team-owner"


def test_who_must_not_pass_the_access_code_on_does_not_see_it(
    live: Server, people: dict[str, Person], team: str
) -> None:
    code = live.get(f"/api/teams/{team}")["accessCode"]
    shown = dict.fromkeys(("owner", "manager", "member"), code) | {"viewer": None}
    for name, expected in shown.items():
        assert ask(live, "GET", f"/api/teams/{team}", people[name].headers)[1]["accessCode"] == expected
        listed = ask(live, "GET", "/api/teams?pageSize=100", people[name].headers)[1]["data"]
        assert [row["accessCode"] for row in listed if row["id"] == team] == [expected]
    reading = make_key(live, "read", headers=people["owner"].headers)
    managing = make_key(live, "manage", headers=people["owner"].headers)
    for key, expected in ((reading, None), (managing, code)):
        assert ask(live, "GET", f"/api/teams/{team}", key.header)[1]["accessCode"] == expected


def test_lists_in_other_orders(live: Server) -> None:
    owner = add_person(live)
    names = [add_team(live, owner, name=name)["name"] for name in ("b", "a")]
    found = ask(live, "GET", "/api/teams?orderBy=createdAt", owner.headers)[1]
    assert ([row["name"] for row in found["data"]], found["orderBy"]) == (names, "createdAt")
    ignored = ask(live, "GET", "/api/teams?orderBy=nonsense", owner.headers)[1]
    assert ([row["name"] for row in ignored["data"]], "orderBy" in ignored) == (["a", "b"], False)
    team = add_team(live, owner, (add_person(live), "team-member"), (add_person(live), "team-manager"))
    found = ask(live, "GET", f"/api/teams/{team['id']}/users?orderBy=role", owner.headers)[1]
    assert [row["role"] for row in found["data"]] == ["team-manager", "team-member", "team-owner"]
    assert found["orderBy"] == "role"


def test_who_is_nobody_is_told_no_more_than_that(live: Server, team: str) -> None:
    assert ask(live, "POST", f"/api/teams/{team}", {}, {"name": "x"}) == REFUSED

"""Teams over GraphQL."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tests.graphql_schema.test_mutations import code
from tests.rest_compat.people import Headers, Person, add_person
from tests.server import Server

TEAM = "id name accessCode myRole createdAt updatedAt members { totalCount nodes { role user { username } } }"
CREATE = f"mutation($name: String!) {{ createTeam(name: $name) {{ {TEAM} }} }}"
UPDATE = f"mutation($id: ID!, $input: UpdateTeamInput!) {{ updateTeam(id: $id, input: $input) {{ {TEAM} }} }}"
READ = f"query($id: ID!) {{ team(id: $id) {{ {TEAM} }} }}"
DELETE = "mutation($id: ID!) { deleteTeam(id: $id) { id name } }"
JOIN = "mutation($code: String!) { joinTeam(accessCode: $code) { id myRole accessCode } }"
ADD = "mutation($t: ID!, $u: ID!, $r: TeamRole!) { addTeamMember(teamId: $t, userId: $u, role: $r) { role user { id } } }"
SET = "mutation($t: ID!, $u: ID!, $r: TeamRole!) { setTeamRole(teamId: $t, userId: $u, role: $r) { role user { id } } }"
REMOVE = "mutation($t: ID!, $u: ID!) { removeTeamMember(teamId: $t, userId: $u) { role user { id } } }"
TO_TEAM = (
    "mutation($id: ID!, $t: ID!) { transferWebsiteToTeam(id: $id, teamId: $t) { owner { id } team { id } } }"
)
TO_ME = "mutation($id: ID!) { transferWebsiteToMe(id: $id) { owner { id } team { id } } }"


def done(server: Server, query: str, variables: dict[str, Any], headers: Headers | None = None) -> Any:
    """The one field of a successful answer."""
    answer = server.graphql(query, variables, headers)
    assert "errors" not in answer, answer
    [value] = answer["data"].values()
    return value


def test_a_team_is_created_read_changed_and_deleted(server: Server) -> None:
    owner = add_person(server)
    made = done(server, CREATE, {"name": "T1"}, owner.headers)
    assert made == {
        "id": made["id"],
        "name": "T1",
        "accessCode": made["accessCode"],
        "myRole": "OWNER",
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
        "members": {"totalCount": 1, "nodes": [{"role": "OWNER", "user": {"username": owner.name}}]},
    }
    # Both doors show the same team.
    assert server.get(f"/api/teams/{made['id']}")["accessCode"] == made["accessCode"]
    changed = done(server, UPDATE, {"id": made["id"], "input": {"name": "T2"}}, owner.headers)
    assert changed == {**made, "name": "T2", "updatedAt": changed["updatedAt"]}
    renew = f"mutation($id: ID!) {{ renewAccessCode(id: $id) {{ {TEAM} }} }}"
    renewed = done(server, renew, {"id": made["id"]}, owner.headers)
    assert renewed["accessCode"] != made["accessCode"]
    assert code(server.graphql(JOIN, {"code": made["accessCode"]})) == ("not-found", "accessCode")
    assert done(server, READ, {"id": made["id"]}, owner.headers) == renewed
    assert done(server, DELETE, {"id": made["id"]}, owner.headers) == {"id": made["id"], "name": "T2"}
    assert code(server.graphql(READ, {"id": made["id"]}, owner.headers)) == ("not-found", None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 51}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\0"}, "name"),
        ({"accessCode": "short"}, "accessCode"),
        ({"accessCode": "c" * 51}, "accessCode"),
    ],
)
def test_changes_that_make_no_sense(live: Server, given: dict[str, Any], field: str) -> None:
    owner = add_person(live)
    made = done(live, CREATE, {"name": "T"}, owner.headers)
    assert code(live.graphql(UPDATE, {"id": made["id"], "input": given}, owner.headers)) == ("invalid", field)
    assert done(live, READ, {"id": made["id"]}, owner.headers) == made


def test_members(live: Server) -> None:
    owner, joining = add_person(live), add_person(live)
    team = done(live, CREATE, {"name": "T"}, owner.headers)
    joined = done(live, JOIN, {"code": team["accessCode"]}, joining.headers)
    # A member sees the team, but not what others could join it with.
    assert joined == {"id": team["id"], "myRole": "MEMBER", "accessCode": None}
    member = {"t": team["id"], "u": joining.id}
    assert code(live.graphql(SET, {**member, "r": "MANAGER"}, joining.headers)) == ("denied", None)
    assert code(live.graphql(SET, {**member, "r": "OWNER"}, owner.headers)) == ("invalid", "role")
    promoted = done(live, SET, {**member, "r": "MANAGER"}, owner.headers)
    assert promoted == {"role": "MANAGER", "user": {"id": joining.id}}
    assert done(live, READ, {"id": team["id"]}, joining.headers)["accessCode"] == team["accessCode"]
    assert done(live, REMOVE, member, joining.headers) == promoted
    assert code(live.graphql(READ, {"id": team["id"]}, joining.headers)) == ("not-found", None)
    assert code(live.graphql(REMOVE, member, owner.headers)) == ("invalid", "userId")
    assert code(live.graphql(ADD, {**member, "r": "MEMBER"}, owner.headers)) == ("denied", None)
    added = done(live, ADD, {**member, "r": "VIEW_ONLY"})
    assert added == {"role": "VIEW_ONLY", "user": {"id": joining.id}}
    assert code(live.graphql(ADD, {**member, "r": "VIEW_ONLY"})) == ("invalid", "userId")
    assert code(live.graphql(ADD, {**member, "u": str(uuid4()), "r": "MEMBER"})) == ("invalid", "userId")


def test_members_page_by_page(live: Server) -> None:
    owner = add_person(live)
    team = done(live, CREATE, {"name": "T"}, owner.headers)
    everyone = [owner, *(add_person(live) for _ in range(4))]
    for person in everyone[1:]:
        done(live, JOIN, {"code": team["accessCode"]}, person.headers)
    query = """query($id: ID!, $after: String) { team(id: $id) { members(first: 2, after: $after) {
        nodes { user { id } } pageInfo { hasNextPage endCursor } } } }"""
    seen: list[str] = []
    after = None
    for more in (True, True, False):
        page = done(live, query, {"id": team["id"], "after": after}, owner.headers)["members"]
        seen += [node["user"]["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] is more
    assert seen == [person.id for person in everyone]


def test_a_strangers_team_looks_as_if_it_were_not_there(live: Server) -> None:
    owner, stranger = add_person(live), add_person(live)
    team = done(live, CREATE, {"name": "T"}, owner.headers)
    for which in (team["id"], str(uuid4()), "no-uuid"):
        for query, variables in (
            (READ, {"id": which}),
            (UPDATE, {"id": which, "input": {"name": "taken over"}}),
            (DELETE, {"id": which}),
            (SET, {"t": which, "u": owner.id, "r": "MEMBER"}),
            (REMOVE, {"t": which, "u": owner.id}),
        ):
            answer = live.graphql(query, variables, stranger.headers)
            assert (code(answer), answer["errors"][0]["message"]) == (("not-found", None), "Team not found")
            # What is no id is the id of nothing, whoever asks.
            nobody = "not-found" if which == "no-uuid" else "unauthenticated"
            assert code(live.graphql(query, variables, {})) == (nobody, None)
    assert done(live, READ, {"id": team["id"]}, owner.headers) == team


def test_transfer(live: Server) -> None:
    owner, member = add_person(live), add_person(live)
    team = done(live, CREATE, {"name": "T"}, owner.headers)
    done(live, JOIN, {"code": team["accessCode"]}, member.headers)
    create = 'mutation { createWebsite(input: {name: "n", domain: "d"}) { id } }'
    website = done(live, create, {}, owner.headers)["id"]
    moving = {"id": website, "t": team["id"]}
    assert code(live.graphql(TO_TEAM, moving)) == ("denied", None)
    assert code(live.graphql(TO_TEAM, moving, member.headers)) == ("not-found", None)
    moved = done(live, TO_TEAM, moving, owner.headers)
    assert moved == {"owner": None, "team": {"id": team["id"]}}
    assert code(live.graphql(TO_ME, {"id": website}, member.headers)) == ("denied", None)
    assert code(live.graphql(TO_ME, {"id": website})) == ("denied", None)
    assert done(live, TO_ME, {"id": website}, owner.headers) == {"owner": {"id": owner.id}, "team": None}


def _teams_of(live: Server, person: Person) -> list[str]:
    return [node["name"] for node in done(live, "{ teams { nodes { name } } }", {}, person.headers)["nodes"]]


def test_ones_own_teams_by_name(live: Server) -> None:
    person = add_person(live)
    for name in ("b", "C", "a"):
        done(live, CREATE, {"name": name}, person.headers)
    assert _teams_of(live, person) == ["C", "a", "b"]
    assert code(live.graphql("{ teams { totalCount } }", None, {})) == ("unauthenticated", None)


def test_members_of_many_teams_are_one_statement(live: Server) -> None:
    owner, other = add_person(live), add_person(live)
    for number in range(8):
        team = done(live, CREATE, {"name": f"T{number}"}, owner.headers)
        if number % 2:
            done(live, JOIN, {"code": team["accessCode"]}, other.headers)
    statements: list[str] = []
    engine = live.runtime.accounts.kw["bind"]

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "row_number() OVER" in statement:
            statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        query = "{ teams(first: 20) { nodes { members(first: 1) { totalCount nodes { user { id } } pageInfo { hasNextPage } } } } }"
        found = done(live, query, {}, owner.headers)["nodes"]
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert [node["members"] for node in found] == [
        {
            "totalCount": 1 + number % 2,
            "nodes": [{"user": {"id": owner.id}}],
            "pageInfo": {"hasNextPage": bool(number % 2)},
        }
        for number in range(8)
    ]
    assert len(statements) == 1

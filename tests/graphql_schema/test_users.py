"""Users over GraphQL."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tests.graphql_schema.test_mutations import code
from tests.rest_compat.people import add_person
from tests.server import Server

USER = "id username role createdAt"
CREATE = f"mutation($input: CreateUserInput!) {{ createUser(input: $input) {{ {USER} }} }}"
UPDATE = f"mutation($id: ID!, $input: UpdateUserInput!) {{ updateUser(id: $id, input: $input) {{ {USER} }} }}"
DELETE = f"mutation($id: ID!) {{ deleteUser(id: $id) {{ {USER} }} }}"
READ = f"query($id: ID!) {{ user(id: $id) {{ {USER} }} }}"
LOGIN = "mutation($u: String!, $p: String!) { login(username: $u, password: $p) { token user { username } } }"
CHANGE = "mutation($c: String!, $n: String!) { changePassword(current: $c, new: $n) { username } }"


def test_a_user_is_created_read_changed_and_deleted(server: Server) -> None:
    name = f"ann-{uuid4().hex[:8]}"
    given = {"username": name, "password": "long enough"}
    made = server.graphql(CREATE, {"input": given})["data"]["createUser"]
    assert made == {"id": made["id"], "username": name, "role": "USER", "createdAt": made["createdAt"]}
    assert server.graphql(READ, {"id": made["id"]})["data"]["user"] == made
    # Both doors show the same user.
    assert server.get(f"/api/users/{made['id']}") == {**made, "role": "user"}
    changed = server.graphql(UPDATE, {"id": made["id"], "input": {"role": "VIEW_ONLY"}})["data"]["updateUser"]
    assert changed == {**made, "role": "VIEW_ONLY"}
    taken = server.graphql(UPDATE, {"id": made["id"], "input": {"username": "admin"}})
    assert code(taken) == ("conflict", "username")
    assert server.graphql(DELETE, {"id": made["id"]})["data"]["deleteUser"] == changed
    assert code(server.graphql(READ, {"id": made["id"]})) == ("not-found", None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"username": "", "password": "long enough"}, ("invalid", "username")),
        ({"username": "n" * 256, "password": "long enough"}, ("invalid", "username")),
        ({"username": "a\0b", "password": "long enough"}, ("invalid", "username")),
        ({"username": "n", "password": "short"}, ("invalid", "password")),
        ({"username": "n", "password": "p" * 73}, ("invalid", "password")),
        ({"username": "n", "password": "\0" * 8}, ("invalid", "password")),
        ({"username": "admin", "password": "long enough"}, ("conflict", "username")),
        ({"username": "n", "password": "long enough", "role": "OWNER"}, ("graphql-validation", "role")),
    ],
)
def test_users_that_cannot_be_created(
    live: Server, given: dict[str, str], expected: tuple[str, str | None]
) -> None:
    before = live.graphql("{ users { totalCount } }")
    assert code(live.graphql(CREATE, {"input": given})) == expected
    assert live.graphql("{ users { totalCount } }") == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"username": None}, ("invalid", "username")),
        ({"password": "short"}, ("invalid", "password")),
        ({"password": None}, ("invalid", "password")),
        ({"role": None}, ("invalid", "role")),
    ],
)
def test_changes_that_make_no_sense(
    live: Server, given: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    person = add_person(live)
    assert code(live.graphql(UPDATE, {"id": person.id, "input": given})) == expected
    assert live.graphql(READ, {"id": person.id})["data"]["user"]["username"] == person.name


def test_what_others_may_not(live: Server) -> None:
    person, other = add_person(live), add_person(live)
    refused = {
        CREATE: ({"input": {"username": uuid4().hex, "password": "long enough"}}, "denied"),
        UPDATE: ({"id": other.id, "input": {"password": "taken over"}}, "not-found"),
        DELETE: ({"id": other.id}, "not-found"),
        READ: ({"id": other.id}, "not-found"),
        "{ users { totalCount } }": (None, "denied"),
        "{ allWebsites { totalCount } }": (None, "denied"),
    }
    for query, (variables, expected) in refused.items():
        assert code(live.graphql(query, variables, person.headers)) == (expected, None), query
        assert code(live.graphql(query, variables, {})) == ("unauthenticated", None), query
    # Of itself a user changes the password, and is told that it is no admin.
    mine = {"id": person.id, "input": {"role": "ADMIN"}}
    assert code(live.graphql(UPDATE, mine, person.headers)) == ("denied", None)
    assert code(live.graphql(DELETE, {"id": person.id}, person.headers)) == ("denied", None)
    found = live.graphql(READ, {"id": person.id}, person.headers)["data"]["user"]
    assert (found["username"], found["role"]) == (person.name, "USER")
    assert live.graphql(READ, {"id": other.id})["data"]["user"]["username"] == other.name


def test_changing_ones_own_password(live: Server) -> None:
    person = add_person(live)
    wrong = live.graphql(CHANGE, {"c": "no", "n": "long enough"}, person.headers)
    assert code(wrong) == ("invalid", "currentPassword")
    short = live.graphql(CHANGE, {"c": "their password", "n": "short"}, person.headers)
    assert code(short) == ("invalid", "newPassword")
    changed = live.graphql(CHANGE, {"c": "their password", "n": "long enough"}, person.headers)
    assert changed["data"]["changePassword"] == {"username": person.name}
    assert live.graphql("{ me { username } }", None, person.headers)["data"] == {"me": None}
    login = live.graphql(LOGIN, {"u": person.name, "p": "long enough"}, {})["data"]["login"]
    assert login["user"] == {"username": person.name}


def test_a_request_tries_three_passwords(live: Server) -> None:
    person = add_person(live)
    aliases = " ".join(f'a{n}: changePassword(current: "no", new: "long enough") {{ id }}' for n in range(5))
    answer = live.graphql(f"mutation {{ {aliases} }}", None, person.headers)
    assert [error["extensions"]["code"] for error in answer["errors"]] == [
        *("invalid",) * 3,
        *("too-many",) * 2,
    ]


def test_all_users_page_by_page(live: Server) -> None:
    tag = uuid4().hex[:8]
    made = []
    for number in range(5):
        given = {"username": f"{tag}-{number}", "password": "long enough"}
        made.append(live.graphql(CREATE, {"input": given})["data"]["createUser"]["id"])
    query = """query($after: String, $tag: String) { users(first: 2, after: $after, search: $tag) {
        totalCount nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }"""
    seen: list[str] = []
    after = None
    while True:
        page = live.graphql(query, {"after": after, "tag": tag.upper()})["data"]["users"]
        assert page["totalCount"] == 5
        assert [edge["node"] for edge in page["edges"]] == page["nodes"]
        assert page["edges"][-1]["cursor"] == page["pageInfo"]["endCursor"]
        seen += [node["id"] for node in page["nodes"]]
        # One who comes in between does not move the pages.
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == made[::-1]
    assert code(live.graphql(query, {"after": "nonsense", "tag": ""})) == ("invalid", "after")
    assert code(live.graphql("{ users(first: 101) { totalCount } }")) == ("invalid", "first")


def test_websites_and_teams_of_a_user(live: Server) -> None:
    person = add_person(live)
    create = (
        'mutation($n: String!, $t: ID) { createWebsite(input: {name: $n, domain: "d", teamId: $t}) { id } }'
    )
    for name in ("b", "a"):
        live.graphql(create, {"n": name}, person.headers)
    team = live.graphql('mutation { createTeam(name: "T") { id } }', None, person.headers)["data"][
        "createTeam"
    ]["id"]
    live.graphql(create, {"n": "c", "t": team}, person.headers)
    query = """{ me { websites { totalCount nodes { name owner { username } team { name } } }
        teams { nodes { name websites { nodes { name owner { id } team { name } } } } } } }"""
    assert live.graphql(query, None, person.headers)["data"]["me"] == {
        "websites": {
            "totalCount": 2,
            "nodes": [
                {"name": name, "owner": {"username": person.name}, "team": None} for name in ("a", "b")
            ],
        },
        "teams": {
            "nodes": [
                {"name": "T", "websites": {"nodes": [{"name": "c", "owner": None, "team": {"name": "T"}}]}}
            ]
        },
    }


def test_owners_of_many_websites_are_one_statement(live: Server) -> None:
    person = add_person(live)
    for number in range(20):
        body = {"name": f"n{number}", "domain": "d"}
        assert live.client.post("/api/websites", json=body, headers=person.headers).status_code == 200
    statements: list[str] = []
    engine = live.runtime.accounts.kw["bind"]

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM user_account" in statement and " IN " in statement:
            statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        query = f'{{ allWebsites(first: 100) {{ nodes {{ name owner {{ id }} }} }} user(id: "{person.id}") {{ websites(first: 50) {{ nodes {{ owner {{ username }} }} }} }} }}'
        answer = live.graphql(query)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    owners = [node["owner"] for node in answer["data"]["user"]["websites"]["nodes"]]
    assert owners == [{"username": person.name}] * 20
    assert len(statements) <= 2  # one for each of the two lists

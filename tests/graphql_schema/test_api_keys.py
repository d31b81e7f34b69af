"""API keys over GraphQL: making them, and asking with them over HTTP and over a socket."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.context import SYSTEM, Ctx
from app.models import Membership, Team, Website, iso, utc_now
from graphql_schema.types import to_cursor
from tests.graphql_schema.test_http import socket, talk
from tests.keys import Made, expire, make_key, revoke
from tests.populate import CHROME
from tests.rest_compat.people import Headers, add_user
from tests.server import Server

KEY = "id name hint scopes websiteId expiresAt expired lastUsedAt createdAt"
CREATE = (
    f"mutation($input: CreateApiKeyInput!) {{ createApiKey(input: $input) {{ key {{ {KEY} }} secret }} }}"
)
REVOKE = f"mutation($id: ID!) {{ revokeApiKey(id: $id) {{ {KEY} }} }}"
LIST = f"""query($n: Int!, $after: String) {{ me {{ apiKeys(first: $n, after: $after) {{
    totalCount nodes {{ {KEY} }} edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
ME = "{ me { username } }"
WEBSITES = "{ websites { totalCount nodes { id } } }"


@pytest.fixture
def owner(live: Server) -> Headers:
    return add_user(live)


def code(answer: dict[str, Any]) -> tuple[str, str | None]:
    [error] = answer["errors"]
    return error["extensions"]["code"], error["extensions"].get("field")


def listed(server: Server, headers: Headers, first: int = 100, after: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = server.graphql(LIST, {"n": first, "after": after}, headers)["data"]["me"][
        "apiKeys"
    ]
    return found


def create_website(server: Server, headers: Headers) -> str:
    query = 'mutation { createWebsite(input: {name: "n", domain: "d"}) { id } }'
    website_id: str = server.graphql(query, headers=headers)["data"]["createWebsite"]["id"]
    return website_id


def test_a_key_is_made_shown_once_listed_and_revoked(server: Server) -> None:
    owner = add_user(server)
    website = create_website(server, owner)
    end = iso(utc_now() + dt.timedelta(hours=1))
    given = {"name": "charts", "scopes": ["MANAGE", "READ"], "websiteId": website, "expiresAt": end}
    made = server.graphql(CREATE, {"input": given}, owner)["data"]["createApiKey"]
    assert made["key"] == {
        "id": str(UUID(made["key"]["id"])),
        "name": "charts",
        "hint": made["secret"][:12],
        "scopes": ["READ", "MANAGE"],
        "websiteId": website,
        "expiresAt": end,
        "expired": False,
        "lastUsedAt": None,
        "createdAt": made["key"]["createdAt"],
    }
    assert made["secret"].startswith("dashi_")
    [row] = listed(server, owner)["nodes"]
    assert row == made["key"]
    query = "{ me { apiKeys { nodes { website { id name } } } } }"
    [row] = server.graphql(query, headers=owner)["data"]["me"]["apiKeys"]["nodes"]
    assert row == {"website": {"id": website, "name": "n"}}
    key = Made(made["key"]["id"], made["secret"])
    assert server.graphql(WEBSITES, headers=key.header)["data"]["websites"]["totalCount"] == 1
    [row] = listed(server, owner)["nodes"]
    assert row == {**made["key"], "lastUsedAt": row["lastUsedAt"]}
    assert made["key"]["createdAt"] <= row["lastUsedAt"] <= iso(utc_now())
    expire(server, key)
    [row] = listed(server, owner)["nodes"]
    assert row["expired"] is True
    assert server.graphql(REVOKE, {"id": key.id}, owner)["data"]["revokeApiKey"] == row
    assert listed(server, owner)["nodes"] == []
    assert code(server.graphql(REVOKE, {"id": key.id}, owner)) == ("not-found", None)
    assert code(server.graphql(REVOKE, {"id": "nope"}, owner)) == ("not-found", None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": ""}, ("invalid", "name")),
        ({"name": "n" * 101}, ("invalid", "name")),
        ({"scopes": []}, ("invalid", "scopes")),
        ({"scopes": ["ALL"]}, ("graphql-validation", "scopes")),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ("invalid", "expiresAt")),
        ({"expiresAt": "2027-01-01"}, ("graphql-validation", "expiresAt")),
        ({"expiresAt": "0001-01-01T00:00:00+10:00"}, ("graphql-validation", "expiresAt")),
        ({"websiteId": "nope"}, ("not-found", None)),
        ({"websiteId": str(uuid4())}, ("not-found", None)),
    ],
)
def test_keys_that_cannot_be_made(
    live: Server, owner: Headers, given: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    answer = live.graphql(CREATE, {"input": {"name": "n", "scopes": ["READ"], **given}}, owner)
    assert code(answer) == expected
    assert listed(live, owner)["totalCount"] == 0


def test_keys_are_paged_newest_first(server: Server) -> None:
    owner = add_user(server)
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        given = {"name": name, "scopes": ["READ"]}
        assert "errors" not in server.graphql(CREATE, {"input": given}, owner)
    whole = listed(server, owner)
    assert whole["totalCount"] == 5
    # Those of one millisecond are in the order of their ids.
    created = [(node["createdAt"], node["id"]) for node in whole["nodes"]]
    assert created == sorted(sorted(created, key=lambda one: one[1]), key=lambda one: one[0], reverse=True)
    assert sorted(node["name"] for node in whole["nodes"]) == names
    seen: list[str] = []
    page: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
    while page["pageInfo"]["hasNextPage"]:
        page = listed(server, owner, 2, page["pageInfo"]["endCursor"])
        seen += [node["id"] for node in page["nodes"]]
        # One that is made between two pages moves no other.
        make_key(server, "read", headers=owner)
    assert seen == [node["id"] for node in whole["nodes"]]


@pytest.mark.parametrize("first", [0, 101])
def test_a_page_of_keys_has_bounds(live: Server, owner: Headers, first: int) -> None:
    assert code(live.graphql(LIST, {"n": first, "after": None}, owner)) == ("invalid", "first")


# Of another list, and what this one never hands out.
@pytest.mark.parametrize(
    "parts",
    [
        ("a", str(uuid4())),
        ("2026-11-10T10:00:00.000Z", "x"),
        ("1", 2),
        ("0001-01-01T00:00:00+10:00", str(uuid4())),
    ],
)
def test_a_cursor_of_another_list(live: Server, owner: Headers, parts: tuple[Any, ...]) -> None:
    answer = live.graphql(LIST, {"n": 1, "after": to_cursor(*parts)}, owner)
    assert code(answer) == ("invalid", "after")


def test_a_website_that_the_user_has_lost_is_not_shown(live: Server, owner: Headers) -> None:
    user_id = UUID(live.get("/api/auth/verify", headers=owner)["id"])

    def join(ctx: Ctx) -> tuple[UUID, UUID]:
        team = Team(name="T")
        ctx.db.add(team)
        ctx.db.flush()
        member = Membership(team_id=team.team_id, user_id=user_id, role="team-member")
        site = Website(name="theirs", domain="d", team_id=team.team_id)
        ctx.db.add_all([member, site])
        ctx.db.flush()
        return site.website_id, member.membership_id

    website_id, membership_id = live.runtime.call(SYSTEM, join)
    key = make_key(live, "read", website=str(website_id), headers=owner)
    query = "{ me { apiKeys { nodes { websiteId website { name } } } } }"

    def shown() -> tuple[Any, list[str]]:
        answer = live.graphql(query, headers=owner)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        return answer["data"]["me"]["apiKeys"]["nodes"], codes

    assert shown() == ([{"websiteId": str(website_id), "website": {"name": "theirs"}}], [])

    def leave(ctx: Ctx) -> None:
        ctx.db.delete(ctx.db.get(Membership, membership_id))

    live.runtime.call(SYSTEM, leave)
    assert shown() == ([{"websiteId": str(website_id), "website": None}], ["not-found"])
    assert code(live.graphql(WEBSITES, headers=key.header)) == ("not-found", None)


def test_keys_have_nothing_to_do_with_keys(live: Server, owner: Headers) -> None:
    key = make_key(live, "read", "ingest", "manage", headers=owner)
    kept = listed(live, owner)
    given = {"name": "more", "scopes": ["READ"]}
    for headers in (key.header, key.bearer, {**owner, **key.header}):
        assert code(live.graphql(CREATE, {"input": given}, headers)) == ("denied", None)
        assert code(live.graphql(REVOKE, {"id": key.id}, headers)) == ("denied", None)
        answer = live.graphql("{ me { username apiKeys { totalCount } } }", headers=headers)
        assert (code(answer), answer["data"]["me"]["apiKeys"]) == (("denied", None), None)
    for nobody in ({}, {"Authorization": "Bearer nonsense"}):
        assert code(live.graphql(CREATE, {"input": given}, nobody)) == ("unauthenticated", None)
        assert code(live.graphql(REVOKE, {"id": key.id}, nobody)) == ("unauthenticated", None)
    stranger = add_user(live)
    assert code(live.graphql(REVOKE, {"id": key.id}, stranger)) == ("not-found", None)
    after = listed(live, owner)
    assert [node["id"] for node in after["nodes"]] == [node["id"] for node in kept["nodes"]]
    # An admin may.
    revoke(live, key)
    assert listed(live, owner)["totalCount"] == 0


def test_a_key_asks_as_its_user_within_its_scopes(server: Server) -> None:
    owner = add_user(server)
    website, other = create_website(server, owner), create_website(server, owner)
    name = server.get("/api/auth/verify", headers=owner)["username"]
    rename = 'mutation($id: ID!) { updateWebsite(id: $id, input: {name: "new"}) { name } }'
    figures = "query($id: ID!) { website(id: $id) { analytics(period: {all: true}) { totals { visitors { value } } } } }"

    def says(headers: Headers, query: str, website_id: str | None = None) -> Any:
        answer = server.graphql(query, {"id": website_id} if website_id else None, headers)
        return code(answer)[0] if "errors" in answer else answer["data"]

    both = {"totalCount": 2, "nodes": [{"id": one} for one in sorted([website, other])]}
    figure = {"website": {"analytics": {"totals": {"visitors": {"value": 0}}}}}
    for send in (lambda key: key.header, lambda key: key.bearer):
        read = send(make_key(server, "read", headers=owner))
        assert says(read, ME) == {"me": {"username": name}}
        assert says(read, WEBSITES) == {"websites": both}
        assert says(read, figures, other) == figure
        assert says(read, rename, website) == "denied"
        bound = send(make_key(server, "manage", website=website, headers=owner))
        assert says(bound, ME) == "denied"
        assert says(bound, WEBSITES) == {"websites": {"totalCount": 1, "nodes": [{"id": website}]}}
        assert says(bound, figures, website) == figure
        assert says(bound, figures, other) == says(bound, rename, other) == "not-found"
        assert says(bound, 'mutation { createWebsite(input: {name: "n", domain: "d"}) { id } }') == "denied"
        ingest = send(make_key(server, "ingest", headers=owner))
        assert says(ingest, ME) == says(ingest, WEBSITES) == says(ingest, figures, website) == "denied"
    assert says(owner, "query($id: ID!) { website(id: $id) { name } }", website) == {"website": {"name": "n"}}
    assert says(bound, rename, website) == {"updateWebsite": {"name": "new"}}


def test_a_key_that_is_none_is_told_so(live: Server, owner: Headers) -> None:
    revoked, expired = (make_key(live, "read", headers=owner) for _ in range(2))
    revoke(live, revoked)
    expire(live, expired)
    for key in (revoked, expired, Made("", "dashi_")):
        for headers in (key.header, key.bearer):
            assert live.graphql(ME, headers=headers)["data"] == {"me": None}
            answer = live.graphql(WEBSITES, headers=headers)
            assert code(answer) == ("unauthenticated", None)
            assert answer["errors"][0]["message"] == "This API key is unknown, revoked or expired"
            assert key.secret == "dashi_" or key.secret not in str(answer)
    theirs = {"x-umami-api-key": "api_of_umamis_cloud"}
    assert live.graphql(ME, headers={**owner, **theirs})["data"]["me"] is not None


def test_a_socket_takes_a_key_from_its_first_message_or_its_headers(live: Server, owner: Headers) -> None:
    key = make_key(live, "read", headers=owner)
    name = live.get("/api/auth/verify", headers=owner)["username"]
    ask = {"id": "1", "type": "subscribe", "payload": {"query": ME}}
    for params, me in (
        (key.header, {"username": name}),
        ({"X-Umami-Api-Key": key.secret}, {"username": name}),
        (key.bearer, {"username": name}),
        ({"x-umami-api-key": "dashi_"}, None),
    ):
        with socket(live, "graphql-transport-ws") as connection:
            _, answered = talk(connection, {"type": "connection_init", "payload": params}, ask)
        assert answered["payload"]["data"] == {"me": me}
    with socket(live, "graphql-transport-ws", headers=key.header) as connection:
        _, answered = talk(connection, {"type": "connection_init"}, ask)
    assert answered["payload"]["data"] == {"me": {"username": name}}


def test_hits_sent_over_a_socket_are_its_key_s(live: Server) -> None:
    website = live.create_website()
    query = "mutation($input: TrackInput!) { track(input: $input) { accepted dropped } }"
    variables = {"input": {"website": website, "url": "/"}}
    ask = {"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}}
    key = make_key(live, "ingest", website=website)
    with socket(live, "graphql-transport-ws", headers={"user-agent": "curl/8.0"}) as connection:
        _, plain = talk(connection, {"type": "connection_init"}, ask)
    assert plain["payload"]["data"]["track"] == {"accepted": False, "dropped": "bot"}
    with socket(live, "graphql-transport-ws", headers={"user-agent": "curl/8.0"}) as connection:
        _, sent = talk(connection, {"type": "connection_init", "payload": key.header}, ask)
    assert sent["payload"]["data"]["track"] == {"accepted": True, "dropped": None}
    with socket(live, "graphql-transport-ws", headers={"user-agent": CHROME}) as connection:
        _, refused = talk(
            connection, {"type": "connection_init", "payload": {"x-umami-api-key": "dashi_"}}, ask
        )
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "unauthenticated"
    assert len(live.events(website)) == 1

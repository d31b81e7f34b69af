"""Who sees what: anonymous callers, other tenants, share links."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from app.context import SYSTEM
from app.models import User
from app.security import hash_password
from tests.populate import VECTORS, populate
from tests.server import PASSWORD, Server

FIGURES = """query($id: ID!) { website(id: $id) { name analytics(period: {start: "2026-11-10", end: "2026-11-11"}) {
    totals { visitors { value } } breakdown(by: [PATH]) { nodes { values } } } } }"""

CHANGES = (
    'mutation($id: ID!) { updateWebsite(id: $id, input: {name: "Taken"}) { id } }',
    "mutation($id: ID!) { resetWebsite(id: $id) { id } }",
    "mutation($id: ID!) { deleteWebsite(id: $id) { id } }",
)


@pytest.fixture
def website(live: Server) -> str:
    website_id = live.create_website("Mine")
    populate(live, website_id, VECTORS)
    return website_id


def log_in(live: Server, role: str = "user") -> dict[str, str]:
    """Headers of a fresh user."""
    username = f"user-{uuid4().hex}"
    with live.runtime.operation(SYSTEM) as ctx:
        ctx.db.add(User(username=username, role=role, password=hash_password(PASSWORD)))
    query = "mutation($u: String!, $p: String!) { login(username: $u, password: $p) { token user { username role } } }"
    found = live.graphql(query, {"u": username, "p": PASSWORD}, {})["data"]["login"]
    assert found["user"] == {"username": username, "role": role.upper().replace("-", "_")}
    return {"Authorization": f"Bearer {found['token']}"}


def share(live: Server, website: str) -> str:
    """The slug of a new share link."""
    slug = uuid4().hex[:16]
    query = "mutation($id: ID!, $s: String!) { updateWebsite(id: $id, input: {shareId: $s}) { shareId } }"
    assert live.graphql(query, {"id": website, "s": slug})["data"]["updateWebsite"] == {"shareId": slug}
    return slug


def refusals(answer: dict[str, Any]) -> list[str]:
    assert set(answer["data"].values()) == {None}
    return [error["extensions"]["code"] for error in answer["errors"]]


@pytest.mark.parametrize("query", [FIGURES, *CHANGES])
def test_anonymous_callers_are_told_to_log_in(live: Server, website: str, query: str) -> None:
    assert refusals(live.graphql(query, {"id": website}, {})) == ["unauthenticated"]
    assert refusals(live.graphql(query, {"id": website}, {"Authorization": "Bearer nonsense"})) == [
        "unauthenticated"
    ]
    assert live.graphql(FIGURES, {"id": website})["data"]["website"]["analytics"]["totals"] == {
        "visitors": {"value": 3}
    }


@pytest.mark.parametrize("query", [FIGURES, *CHANGES])
def test_another_tenant_s_website_is_not_there(live: Server, website: str, query: str) -> None:
    assert refusals(live.graphql(query, {"id": website}, log_in(live))) == ["not-found"]
    assert live.graphql(FIGURES, {"id": website})["data"]["website"]["analytics"]["totals"] == {
        "visitors": {"value": 3}
    }


def test_lists_are_one_s_own(live: Server, website: str) -> None:
    tenant = log_in(live)
    query = "{ me { username } websites { totalCount nodes { id } } }"
    assert live.graphql(query, headers=tenant)["data"]["websites"] == {"totalCount": 0, "nodes": []}
    assert website in [
        node["id"]
        for node in live.graphql('{ websites(first: 100, search: "Mine") { nodes { id } } }')["data"][
            "websites"
        ]["nodes"]
    ]
    anonymous = live.graphql(query, headers={})
    assert anonymous["data"] == {"me": None, "websites": None}
    assert [error["extensions"]["code"] for error in anonymous["errors"]] == ["unauthenticated"]


def test_view_only_users_create_nothing(live: Server) -> None:
    query = 'mutation { createWebsite(input: {name: "N", domain: "d"}) { id } }'
    assert refusals(live.graphql(query, headers=log_in(live, "view-only"))) == ["denied"]
    assert refusals(live.graphql(query, headers={})) == ["unauthenticated"]


def test_a_share_link_opens_one_website_with_its_figures(live: Server, website: str) -> None:
    slug = share(live, website)
    query = """query($s: String!) { share(slug: $s) { token website { id owner { username }
        activeVisitors dateRange { start } values(field: PATH) { value }
        analytics(period: {all: true}) { totals { visitors { value } } } } } }"""
    found = live.graphql(query, {"s": slug}, {})["data"]["share"]
    assert found["website"] == {
        "id": website,
        "owner": None,
        "activeVisitors": 0,
        "dateRange": {"start": "2026-11-10T10:00:00.000Z"},
        "values": [{"value": "/"}, {"value": "/pricing"}],
        "analytics": {"totals": {"visitors": {"value": 3}}},
    }
    reader = {"x-umami-share-token": found["token"]}
    assert live.graphql(FIGURES, {"id": website}, reader)["data"]["website"]["name"] == "Mine"
    other = live.create_website()
    assert refusals(live.graphql(FIGURES, {"id": other}, reader)) == ["not-found"]
    for change in CHANGES:
        assert refusals(live.graphql(change, {"id": website}, reader)) == ["unauthenticated"]


def test_an_ended_share_link_opens_nothing(live: Server, website: str) -> None:
    slug = share(live, website)
    ended = "mutation($id: ID!) { updateWebsite(id: $id, input: {shareId: null}) { shareId } }"
    assert live.graphql(ended, {"id": website})["data"]["updateWebsite"] == {"shareId": None}
    assert refusals(live.graphql("query($s: String!) { share(slug: $s) { token } }", {"s": slug}, {})) == [
        "not-found"
    ]


def test_the_share_of_another_answer_does_not_leak_into_its_siblings(live: Server, website: str) -> None:
    slug = share(live, website)
    query = "query($s: String!, $id: ID!) { share(slug: $s) { website { id } } website(id: $id) { id } me { id } }"
    answer = live.graphql(query, {"s": slug, "id": website}, {})
    assert answer["data"] == {"share": {"website": {"id": website}}, "website": None, "me": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["unauthenticated"]

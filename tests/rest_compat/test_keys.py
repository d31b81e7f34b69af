"""API keys on REST routes: as `x-umami-api-key` and as the bearer token."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.context import SYSTEM, Ctx
from app.models import User
from tests.keys import Made, expire, make_key, revoke
from tests.rest_compat.people import Headers, add_user
from tests.server import Server

REFUSED = (401, {"error": "Unauthorized"})


@pytest.fixture
def owner(server: Server) -> Headers:
    """A fresh user, whose websites nobody else makes."""
    return add_user(server)


def create(server: Server, headers: Headers, name: str = "mine") -> str:
    answer = server.client.post("/api/websites", json={"name": name, "domain": "d.org"}, headers=headers)
    website_id: str = answer.json()["id"]
    return website_id


def ask(server: Server, method: str, path: str, headers: Headers, body: Any = None) -> tuple[int, Any]:
    answer = server.client.request(method, path, json=body, headers=headers)
    return answer.status_code, answer.json()


def both(key: Made) -> tuple[Headers, Headers]:
    return key.header, key.bearer


def test_a_key_acts_as_its_user(server: Server, owner: Headers) -> None:
    website = create(server, owner)
    key = make_key(server, "read", headers=owner)
    user = server.get("/api/auth/verify", headers=owner)
    for headers in both(key):
        assert server.get("/api/auth/verify", headers=headers) == user
        assert [row["id"] for row in server.get("/api/websites", headers=headers)["data"]] == [website]
        assert server.get(f"/api/websites/{website}", headers=headers)["id"] == website
        figures = server.get(f"/api/websites/{website}/stats", headers=headers, startAt=0, endAt=1)
        assert figures["pageviews"]["value"] == 0


def test_a_key_is_not_repeated_to_who_sends_it(server: Server, owner: Headers) -> None:
    key = make_key(server, "read", headers=owner)
    user = server.get("/api/auth/verify", headers=owner)
    for headers in both(key):
        answer = server.client.get("/api/me", headers=headers)
        assert answer.json() == {"user": user, "token": None, "shareToken": None}
        assert key.secret not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("scopes", "reads", "changes"),
    [
        (("read",), True, False),
        (("ingest",), False, False),
        (("manage",), True, True),
        (("read", "ingest"), True, False),
    ],
)
def test_a_key_does_what_its_scopes_allow(
    server: Server, owner: Headers, scopes: tuple[str, ...], reads: bool, changes: bool
) -> None:
    website = create(server, owner)
    key = make_key(server, *scopes, headers=owner)
    for headers in both(key):
        for path in ("/api/websites", "/api/me", "/api/auth/verify", f"/api/websites/{website}"):
            status, answer = ask(server, "GET", path, headers)
            assert (status == 200) == reads, path
            assert reads or (status, answer) == REFUSED
        changed = ask(server, "POST", f"/api/websites/{website}", headers, {"name": "changed"})
        made = ask(server, "POST", "/api/websites", headers, {"name": "made", "domain": "d"})
        if not changes:
            assert (changed, made) == (REFUSED, REFUSED)
            assert ask(server, "DELETE", f"/api/websites/{website}", headers) == REFUSED
            assert ask(server, "POST", f"/api/websites/{website}/reset", headers) == REFUSED
    kept = server.get("/api/websites", headers=owner)["data"]
    names = sorted(row["name"] for row in kept)
    assert names == (["changed", "made", "made"] if changes else ["mine"])
    assert [row["resetAt"] for row in kept] == [None] * len(kept)


def test_a_key_of_one_website_sees_that_one_alone(server: Server, owner: Headers) -> None:
    website, other = create(server, owner, "this"), create(server, owner, "other")
    key = make_key(server, "read", "manage", website=website, headers=owner)
    for headers in both(key):
        listed = server.get("/api/websites", headers=headers)
        assert [row["id"] for row in listed.pop("data")] == [website]
        assert listed == {"count": 1, "page": 1, "pageSize": 10, "orderBy": "name"}
        assert server.get("/api/websites", headers=headers, search="other")["data"] == []
        assert ask(server, "GET", f"/api/websites/{website}", headers)[0] == 200
        for method, path, body in (
            ("GET", f"/api/websites/{other}", None),
            ("GET", f"/api/websites/{other}/stats?startAt=0&endAt=1", None),
            ("POST", f"/api/websites/{other}", {"name": "taken"}),
            ("POST", f"/api/websites/{other}/reset", None),
            ("DELETE", f"/api/websites/{other}", None),
            ("POST", "/api/websites", {"name": "n", "domain": "d"}),
            ("GET", "/api/me", None),
            ("GET", "/api/auth/verify", None),
        ):
            assert (path, ask(server, method, path, headers, body)) == (path, REFUSED)
    kept = server.get("/api/websites", headers=owner)["data"]
    assert [(row["name"], row["resetAt"]) for row in kept] == [("other", None), ("this", None)]
    assert ask(server, "POST", f"/api/websites/{website}", key.header, {"name": "new"})[0] == 200


def test_keys_that_open_nothing(server: Server, owner: Headers) -> None:
    create(server, owner)
    revoked, expired = (make_key(server, "read", headers=owner) for _ in range(2))
    assert ask(server, "GET", "/api/websites", revoked.header)[0] == 200
    revoke(server, revoked)
    expire(server, expired)
    for key in (revoked, expired, Made("", revoked.secret[:-1]), Made("", "dashi_")):
        for headers in both(key):
            for path in ("/api/websites", "/api/me", "/api/auth/verify"):
                assert ask(server, "GET", path, headers) == REFUSED
    # Not even beside a login: who sends a key means it.
    assert ask(server, "GET", "/api/websites", {**owner, **revoked.header}) == REFUSED


def test_what_is_no_key_of_ours_is_ignored(server: Server, owner: Headers) -> None:
    theirs = {"x-umami-api-key": "api_of_umamis_cloud"}
    assert ask(server, "GET", "/api/websites", {**owner, **theirs})[0] == 200
    assert ask(server, "GET", "/api/websites", theirs) == REFUSED


def test_a_key_follows_its_user(server: Server, owner: Headers) -> None:
    foreign = server.create_website()
    user_id = UUID(server.get("/api/auth/verify", headers=owner)["id"])

    def role(ctx: Ctx, value: str) -> None:
        ctx.db.execute(sa.update(User).where(User.user_id == user_id).values(role=value))

    key = make_key(server, "read", headers=owner)
    statuses = []
    for value in ("user", "admin", "view-only"):
        server.runtime.call(SYSTEM, role, value)
        statuses.append(ask(server, "GET", f"/api/websites/{foreign}", key.header)[0])
    assert statuses == [401, 200, 401]

    def remove(ctx: Ctx) -> None:
        ctx.db.delete(ctx.db.get(User, user_id))

    server.runtime.call(SYSTEM, remove)
    assert ask(server, "GET", "/api/me", key.header) == REFUSED


def test_the_description_names_the_header(live: Server) -> None:
    described = live.client.get("/openapi.json").json()
    scheme = described["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "x-umami-api-key")
    assert {"key": []} in described["paths"]["/api/websites"]["get"]["security"]
    for path in ("/api/send", "/api/batch"):
        refused = described["paths"][path]["post"]["responses"]["401"]["content"]["application/json"]
        assert refused["example"] == {"error": "Unauthorized"}

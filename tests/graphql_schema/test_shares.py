"""Share links over GraphQL."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.models import iso, utc_now
from tests.keys import make_key
from tests.rest_compat.people import Headers, add_user
from tests.server import Server
from tests.test_shares import end_now

LINK = "id slug name hasPassword expiresAt expired isDefault createdAt"
CREATE = f"mutation($site: ID!, $input: CreateShareInput!) {{ createShare(websiteId: $site, input: $input) {{ {LINK} }} }}"
UPDATE = (
    f"mutation($id: ID!, $input: UpdateShareInput!) {{ updateShare(id: $id, input: $input) {{ {LINK} }} }}"
)
REVOKE = f"mutation($id: ID!) {{ revokeShare(id: $id) {{ {LINK} }} }}"
LIST = f"query($site: ID!) {{ website(id: $site) {{ name shares {{ {LINK} }} }} }}"
OPEN = "query($slug: String!, $password: String) { share(slug: $slug, password: $password) { token website { id } } }"


def code(answer: dict[str, Any]) -> tuple[str, str | None]:
    [error] = answer["errors"]
    return error["extensions"]["code"], error["extensions"].get("field")


def create(server: Server, website: str, **given: Any) -> dict[str, Any]:
    made: dict[str, Any] = server.graphql(CREATE, {"site": website, "input": given})["data"]["createShare"]
    return made


def listed(server: Server, website: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.graphql(LIST, {"site": website})["data"]["website"]["shares"]
    return found


def test_a_share_is_made_listed_changed_and_revoked(server: Server, website: str) -> None:
    assert listed(server, website) == []
    plain = create(server, website)
    assert plain == {
        "id": str(UUID(plain["id"])),
        "slug": plain["slug"],
        "name": "",
        "hasPassword": False,
        "expiresAt": None,
        "expired": False,
        "isDefault": False,
        "createdAt": plain["createdAt"],
    }
    assert len(plain["slug"]) == 16
    slug, end = uuid4().hex[:12], iso(utc_now() + dt.timedelta(hours=1))
    press = create(server, website, slug=slug, name="press", password="secret", expiresAt=end)
    assert press == {
        "id": press["id"],
        "slug": slug,
        "name": "press",
        "hasPassword": True,
        "expiresAt": end,
        "expired": False,
        "isDefault": False,
        "createdAt": press["createdAt"],
    }
    assert sorted(listed(server, website), key=str) == sorted([plain, press], key=str)

    def update(**given: Any) -> dict[str, Any]:
        changed: dict[str, Any] = server.graphql(UPDATE, {"id": press["id"], "input": given})["data"][
            "updateShare"
        ]
        return changed

    assert update() == press
    assert update(name="all") == {**press, "name": "all"}
    assert update(password=None) == {**press, "name": "all", "hasPassword": False}
    assert update(expiresAt=None, name="") == {**press, "name": "", "hasPassword": False, "expiresAt": None}
    later = iso(utc_now() + dt.timedelta(days=1))
    assert update(expiresAt=later, password="another")["expiresAt"] == later
    end_now(server, UUID(press["id"]))
    [shown] = [row for row in listed(server, website) if row["id"] == press["id"]]
    assert (shown["expired"], shown["hasPassword"]) == (True, True)
    assert server.graphql(REVOKE, {"id": press["id"]})["data"]["revokeShare"] == shown
    assert listed(server, website) == [plain]
    for query, input in ((REVOKE, {}), (UPDATE, {"input": {}})):
        assert code(server.graphql(query, {"id": press["id"], **input})) == ("not-found", None)
        assert code(server.graphql(query, {"id": "nope", **input})) == ("not-found", None)


def test_the_default_share_is_the_website_s_share_id(live: Server) -> None:
    website, slug = live.create_website(), uuid4().hex[:12]
    create(live, website)
    query = "mutation($id: ID!, $s: String!) { updateWebsite(id: $id, input: {shareId: $s}) { shareId shares { slug isDefault } } }"
    changed = live.graphql(query, {"id": website, "s": slug})["data"]["updateWebsite"]
    assert changed["shareId"] == slug
    assert [row["isDefault"] for row in changed["shares"]] == [False, True]
    # It can be looked after like the others, and REST follows.
    [default] = [row for row in listed(live, website) if row["isDefault"]]
    live.graphql(UPDATE, {"id": default["id"], "input": {"password": "x"}})
    assert live.client.get(f"/api/share/{slug}").status_code == 401
    live.graphql(REVOKE, {"id": default["id"]})
    assert live.get(f"/api/websites/{website}")["shareId"] is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"slug": "short"}, ("invalid", "slug")),
        ({"slug": "with-dash-1"}, ("invalid", "slug")),
        ({"slug": "a\0bcdefgh"}, ("invalid", "slug")),
        ({"name": "n" * 101}, ("invalid", "name")),
        ({"name": None}, ("graphql-validation", "name")),
        ({"password": ""}, ("invalid", "password")),
        ({"password": "p" * 73}, ("invalid", "password")),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ("invalid", "expiresAt")),
    ],
)
def test_shares_that_cannot_be_made(
    live: Server, given: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    website = live.create_website()
    assert code(live.graphql(CREATE, {"site": website, "input": given})) == expected
    assert listed(live, website) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [({"name": None}, "name"), ({"name": "n" * 101}, "name"), ({"password": ""}, "password")],
)
def test_shares_that_cannot_be_changed_so(live: Server, given: dict[str, Any], field: str) -> None:
    website = live.create_website()
    made = create(live, website, name="kept", password="kept")
    assert code(live.graphql(UPDATE, {"id": made["id"], "input": given})) == ("invalid", field)
    assert listed(live, website) == [made]


def test_a_slug_is_taken_once(live: Server) -> None:
    website, slug = live.create_website(), uuid4().hex[:12]
    made = create(live, website, slug=slug)
    assert code(live.graphql(CREATE, {"site": website, "input": {"slug": slug}})) == ("conflict", "slug")
    assert listed(live, website) == [made]


def test_who_may_not_change_a_website_has_nothing_to_do_with_its_shares(live: Server) -> None:
    website = live.create_website()
    made = create(live, website)
    opened = live.graphql(OPEN, {"slug": made["slug"]}, {})["data"]["share"]
    reader = {"x-umami-share-token": opened["token"]}
    for headers, refused in (
        ({}, "unauthenticated"),
        (reader, "unauthenticated"),
        (add_user(live), "not-found"),
    ):
        for query, variables in (
            (CREATE, {"site": website, "input": {}}),
            (UPDATE, {"id": made["id"], "input": {"name": "taken"}}),
            (REVOKE, {"id": made["id"]}),
        ):
            assert code(live.graphql(query, variables, headers)) == (refused, None)
    seen = live.graphql(LIST, {"site": website}, reader)
    assert (code(seen), seen["data"]) == (
        ("unauthenticated", None),
        {"website": {"name": "Example", "shares": None}},
    )
    through = "query($s: String!) { share(slug: $s) { website { shares { slug } } } }"
    seen = live.graphql(through, {"s": made["slug"]}, {})
    assert (code(seen), seen["data"]["share"]["website"]) == (("unauthenticated", None), {"shares": None})
    assert listed(live, website) == [made]


def test_a_share_with_a_password_opens_with_it(server: Server, website: str) -> None:
    made = create(server, website, password="open sesame")
    figures = """query($slug: String!, $password: String) { share(slug: $slug, password: $password) { token website {
        activeVisitors analytics(period: {all: true}) { totals { visitors { value } } } } } }"""
    for given in ({}, {"password": None}, {"password": ""}, {"password": "wrong"}):
        answer = server.graphql(figures, {"slug": made["slug"], **given}, {})
        assert (code(answer), answer["data"]) == (("unauthenticated", "password"), {"share": None})
    opened = server.graphql(figures, {"slug": made["slug"], "password": "open sesame"}, {})["data"]["share"]
    assert opened["website"] == {
        "activeVisitors": 0,
        "analytics": {"totals": {"visitors": {"value": 0}}},
    }
    reader = {"x-umami-share-token": opened["token"]}
    seen = server.graphql("query($id: ID!) { website(id: $id) { id } }", {"id": website}, reader)
    assert seen["data"]["website"] == {"id": website}
    unknown = server.graphql(figures, {"slug": "nothing-here", "password": "x"}, {})
    assert code(unknown) == ("not-found", None)


def test_one_request_cannot_try_a_list_of_passwords(live: Server) -> None:
    website = live.create_website()
    made = create(live, website, password="4")
    opened = " ".join(
        f'a{number}: share(slug: "{made["slug"]}", password: "{number}") {{ token }}' for number in range(5)
    )
    # Those without a password try none.
    opened += f' free: share(slug: "{made["slug"]}") {{ token }}'
    answer = live.graphql(f"{{ {opened} }}", headers={})
    assert set(answer["data"].values()) == {None}
    codes = sorted(error["extensions"]["code"] for error in answer["errors"])
    assert codes == ["too-many"] * 2 + ["unauthenticated"] * 4
    # The next request starts anew.
    again = live.graphql(OPEN, {"slug": made["slug"], "password": "4"}, {})
    assert again["data"]["share"]["website"] == {"id": website}


def test_sharing_is_what_a_key_to_manage_is_for(live: Server) -> None:
    website, other = live.create_website(), live.create_website()

    def outcome(headers: Headers, site: str) -> str:
        answer = live.graphql(CREATE, {"site": site, "input": {}}, headers)
        return "made" if "errors" not in answer else code(answer)[0]

    manage = make_key(live, "manage", website=website).header
    assert (outcome(manage, website), outcome(manage, other)) == ("made", "not-found")
    assert outcome(make_key(live, "read", website=website).header, website) == "denied"
    assert (len(listed(live, website)), listed(live, other)) == (1, [])

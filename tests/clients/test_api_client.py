"""`@umami/api-client` 0.80.0: accounts, websites, saved reports and collecting.

The statistics are in test_api_client_statistics.py, on both stores; docs/clients.md lists every method.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.auth import STOCK_ADMIN_ID
from tests.clients.conftest import ApiClient, Connect
from tests.clients.like import A_JWT, A_MINUTE, AN_ACCESS_CODE, AN_ENCRYPTED_TOKEN, AN_ID, AN_INSTANT
from tests.keys import make_key
from tests.populate import CHROME, VECTORS, populate
from tests.server import PASSWORD, Server

ADMIN_ID = str(STOCK_ADMIN_ID)
OK = {"ok": True}
UNAUTHORIZED = (401, {"error": "Unauthorized"})
NOT_FOUND = (404, {"error": "Not found"})
SITE = {"name": "Example", "domain": "example.com"}
PLUMBING = {
    *("constructor", "setAuthToken", "setSecret", "setApiEndPoint", "getHeaders"),
    *("get", "post", "put", "del"),
}


@dataclass(frozen=True)
class Person:
    """A user and the client that acts as this user."""

    id: str
    name: str
    password: str
    client: ApiClient

    @property
    def shown(self) -> dict[str, str]:
        """The user beside something else."""
        return {"id": self.id, "username": self.name}


@pytest.fixture(scope="module")
def admin(live: Server, connect: Connect) -> ApiClient:
    return connect(live)


@pytest.fixture(scope="module")
def add(live: Server, admin: ApiClient, connect: Connect) -> Callable[[], Person]:
    """Makes a user, who then has a client with no more than the id and the server's secret."""

    def make() -> Person:
        name, password = f"user-{uuid4().hex[:8]}", "their password"
        made = admin("createUser", {"username": name, "password": password, "role": "user"})
        return Person(made["id"], name, password, connect(live, made["id"]))

    return make


@pytest.fixture(scope="module")
def ann(add: Callable[[], Person]) -> Person:
    return add()


@pytest.fixture(scope="module")
def bob(add: Callable[[], Person]) -> Person:
    return add()


def website(**changes: Any) -> dict[str, Any]:
    """A website of the stock admin's, fresh."""
    return {
        "id": AN_ID,
        **SITE,
        "shareId": None,
        "resetAt": None,
        "userId": ADMIN_ID,
        "teamId": None,
        "createdBy": ADMIN_ID,
        "createdAt": AN_INSTANT,
        "updatedAt": AN_INSTANT,
        "deletedAt": None,
        **changes,
    }


def page(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"data": list(rows), "count": len(rows), "page": 1, "pageSize": 10, **more}


def test_every_method_is_tested_and_documented(admin: ApiClient) -> None:
    here = Path(__file__)
    text = here.read_text("utf-8") + here.with_name("test_api_client_statistics.py").read_text("utf-8")
    methods = set(admin.running.call("methods")) - PLUMBING
    assert len(methods) == 74
    assert {name for name in methods if f'"{name}"' not in text} == set()
    documented = (here.parents[2] / "docs" / "clients.md").read_text("utf-8")
    assert {name for name in methods if f"`{name}(" not in documented} == set()


# Who asks


def test_a_token_made_from_the_secret_is_the_users(admin: ApiClient, ann: Person) -> None:
    user = {"id": ADMIN_ID, "username": "admin", "role": "admin", "createdAt": AN_INSTANT, "isAdmin": True}
    assert admin("getMe") == {"user": user, "token": AN_ENCRYPTED_TOKEN, "shareToken": None}
    assert admin("verify") == user
    assert ann.client("getMe")["user"] == {
        **ann.shown,
        "role": "user",
        "createdAt": AN_INSTANT,
        "isAdmin": False,
    }


def test_another_secret_and_an_unknown_user_are_refused(live: Server, connect: Connect) -> None:
    for stranger in (connect(live, secret="not the secret"), connect(live, user_id=str(uuid4()))):
        for method, *arguments in (["getMe"], ["verify"], ["getWebsites"], ["createWebsite", SITE]):
            assert stranger.refused(method, *arguments) == UNAUTHORIZED


def test_a_key_instead_of_a_user(live: Server, connect_with_key: Connect) -> None:
    """How the client is set up for Umami's cloud; here it takes a key of Dashi's."""
    reader = connect_with_key(live, make_key(live, "read").secret)
    assert reader("getMe")["user"]["id"] == ADMIN_ID
    assert reader.refused("createWebsite", SITE) == UNAUTHORIZED
    manager = connect_with_key(live, make_key(live, "read", "manage").secret)
    made = manager("createWebsite", SITE)
    assert reader("getWebsite", made["id"]) == made
    assert connect_with_key(live, "a key of the cloud").refused("getMe") == UNAUTHORIZED


def test_login(admin: ApiClient) -> None:
    opened = admin("login", "admin", PASSWORD)
    assert opened == {"token": A_JWT, "user": admin("verify")}
    wrong = admin.refused("login", "admin", "not the password")
    assert wrong == (401, {"error": "message.incorrect-username-password"})


def test_a_user_changes_the_own_password(add: Callable[[], Person]) -> None:
    person = add()
    change = {"currentPassword": "not the password", "newPassword": "another password"}
    assert person.client.refused("updateMyPassword", change) == (
        400,
        {"error": "Current password is incorrect"},
    )
    person.client("login", person.name, person.password)
    changed = person.client("updateMyPassword", {**change, "currentPassword": person.password})
    assert changed == {**person.shown, "role": "user", "createdAt": AN_INSTANT}
    assert person.client.refused("login", person.name, person.password)[0] == 401
    person.client("login", person.name, "another password")
    # A token from the secret owes nothing to a password.
    assert person.client("verify")["id"] == person.id


# Users


def test_users(admin: ApiClient, ann: Person) -> None:
    name = f"zoe-{uuid4().hex[:8]}"
    given = {"username": name, "password": "x", "role": "view-only"}
    made = admin("createUser", given)
    assert made == {"id": AN_ID, "username": name, "role": "view-only"}
    zoe = {**made, "createdAt": AN_INSTANT}
    assert admin("getUser", made["id"]) == zoe
    assert admin.refused("createUser", given) == (400, {"error": "User already exists"})

    renamed = {**zoe, "username": f"{name}-2"}
    # The client's type names no role, and a change that names none keeps it.
    assert admin("updateUser", made["id"], {"username": f"{name}-2", "password": "y"}) == renamed
    assert admin("login", f"{name}-2", "y")["user"] == {**renamed, "isAdmin": False}

    listed = admin("getUsers", {"search": name, "pageSize": 1})
    (row,) = listed["data"]
    row_expected = {**renamed, "logoUrl": None, "displayName": None, "deletedAt": None}
    assert row == {**row_expected, "updatedAt": AN_INSTANT, "_count": {"websiteUser": 0}}
    assert {**listed, "data": []} == {**page(), "count": 1, "pageSize": 1, "orderBy": "createdAt"}
    # The newest first.
    assert admin("getUsers")["data"][0] == row

    assert admin("deleteUser", made["id"]) == OK
    assert admin.refused("getUser", made["id"]) == NOT_FOUND
    assert admin("getUsers", {"search": name})["count"] == 0
    assert admin.refused("deleteUser", ADMIN_ID) == (400, {"error": "You cannot delete yourself."})


def test_users_are_for_admins_and_themselves(admin: ApiClient, ann: Person, bob: Person) -> None:
    assert ann.client("getUser", ann.id) == {**ann.shown, "role": "user", "createdAt": AN_INSTANT}
    new = {"username": uuid4().hex, "password": "x", "role": "user"}
    for method, *arguments in (
        ["getUser", bob.id],
        ["getUsers"],
        ["createUser", new],
        ["updateUser", bob.id, {"username": "taken over", "password": "x"}],
        ["deleteUser", bob.id],
        ["getUserWebsites", bob.id],
        ["getUserTeams", bob.id],
        ["getUserUsage", bob.id, {"startAt": 0, "endAt": 1}],
    ):
        assert (method, *ann.client.refused(method, *arguments)) == (method, *UNAUTHORIZED)
    assert admin("getUser", bob.id)["username"] == bob.name
    assert admin("getUsers", {"search": new["username"]})["count"] == 0


def test_websites_of_a_user(admin: ApiClient, add: Callable[[], Person]) -> None:
    person = add()
    for name in ("b", "a"):
        person.client("createWebsite", {"name": name, "domain": f"{name}.org"})
    own = {"userId": person.id, "createdBy": person.id, "user": person.shown}
    a, b = (website(name=name, domain=f"{name}.org", **own) for name in "ab")
    expected = page(a, b, orderBy="name")
    for client, method, *arguments in (
        (person.client, "getWebsites"),
        (person.client, "getMyWebsites"),
        (person.client, "getUserWebsites", person.id),
        (admin, "getUserWebsites", person.id),
    ):
        assert (method, client(method, *arguments)) == (method, expected)
    for parameter in ("search", "query"):
        assert person.client("getWebsites", {parameter: "B.ORG"}) == page(b, orderBy="name")
    second = person.client("getMyWebsites", {"page": 2, "pageSize": 1, "orderBy": "domain"})
    assert second == {"data": [b], "count": 2, "page": 2, "pageSize": 1, "orderBy": "domain"}


# Teams


def team(name: str) -> dict[str, Any]:
    return {
        "id": AN_ID,
        "name": name,
        "accessCode": AN_ACCESS_CODE,
        "logoUrl": None,
        "createdAt": AN_INSTANT,
        "updatedAt": AN_INSTANT,
        "deletedAt": None,
    }


def member(person: Person, role: str) -> dict[str, Any]:
    return {
        "id": AN_ID,
        "teamId": AN_ID,
        "userId": person.id,
        "role": role,
        "createdAt": AN_INSTANT,
        "updatedAt": AN_INSTANT,
    }


def test_teams(admin: ApiClient, add: Callable[[], Person]) -> None:
    owner, other = add(), add()
    made, membership = owner.client("createTeam", {"name": "T1"})
    assert (made, membership) == (team("T1"), member(owner, "team-owner"))
    assert membership["teamId"] == made["id"]

    joined = other.client("joinTeam", {"accessCode": made["accessCode"]})
    assert (joined, joined["teamId"]) == (member(other, "team-member"), made["id"])
    again = other.client.refused("joinTeam", {"accessCode": made["accessCode"]})
    assert again == (400, {"error": "User is already a team member."})
    unknown = other.client.refused("joinTeam", {"accessCode": "team_nothing"})
    assert unknown == (404, {"error": "Team not found."})

    found = other.client("getTeam", made["id"])
    assert found == {**made, "teamUser": [membership, joined]}
    members = [{**membership, "user": owner.shown}, {**joined, "user": other.shown}]
    row = {**made, "teamUser": members, "_count": {"website": 0, "teamUser": 2}}
    for client, method, *arguments in (
        (owner.client, "getTeams"),
        (other.client, "getTeams", {"search": "t1"}),
        (owner.client, "getMyTeams"),
        (owner.client, "getUserTeams", owner.id),
        (admin, "getUserTeams", other.id),
    ):
        assert (method, client(method, *arguments)) == (method, page(row))
    assert owner.client("getMyTeams", {"search": "t2"}) == page()

    refused = other.client.refused("updateTeam", made["id"], {"name": "T2"})
    assert refused == (401, {"error": "You must be the owner of this team."})
    code = f"team_{uuid4().hex[:16]}"
    changed = owner.client("updateTeam", made["id"], {"name": "T2", "accessCode": code})
    assert changed == {**team("T2"), "id": made["id"], "accessCode": code, "createdAt": made["createdAt"]}

    assert other.client.refused("deleteTeam", made["id"]) == UNAUTHORIZED
    assert owner.client("getTeam", made["id"])["name"] == "T2"
    assert owner.client("deleteTeam", made["id"]) == OK
    assert owner.client("getTeams") == page()
    assert admin.refused("getTeam", made["id"]) == NOT_FOUND


def test_members_of_a_team(admin: ApiClient, ann: Person, bob: Person) -> None:
    made, owner = ann.client("createTeam", {"name": "Members"})
    new = {"userId": bob.id, "role": "team-view-only"}
    assert ann.client.refused("createTeamUser", made["id"], new) == UNAUTHORIZED
    added = admin("createTeamUser", made["id"], new)
    assert added == member(bob, "team-view-only")
    assert ann.client("getTeamUsers", made["id"]) == page(
        {**owner, "user": ann.shown}, {**added, "user": bob.shown}
    )
    assert ann.client("getTeamUsers", made["id"], {"search": bob.name}) == page({**added, "user": bob.shown})
    assert ann.client("getTeamUser", made["id"], bob.id) == added
    changed = ann.client("updateTeamMember", made["id"], bob.id, {"role": "team-manager"})
    assert changed == {**added, "role": "team-manager", "updatedAt": AN_INSTANT}
    assert bob.client("getTeamUser", made["id"], bob.id) == changed
    assert bob.client("deleteTeamUser", made["id"], bob.id) == OK
    assert ann.client("getTeamUser", made["id"], bob.id) is None
    assert ann.client("getTeamUsers", made["id"])["count"] == 1
    gone = ann.client.refused("deleteTeamUser", made["id"], bob.id)
    assert gone == (400, {"error": "The User does not exists on this team."})


def test_websites_of_a_team(admin: ApiClient, ann: Person, bob: Person) -> None:
    made, _ = ann.client("createTeam", {"name": "Websites"})
    shown = ann.client("createTeamWebsite", made["id"], {**SITE, "shareId": None})
    assert shown == website(userId=None, teamId=made["id"], createdBy=ann.id)
    listed = page({**shown, "createUser": ann.shown})
    assert ann.client("getTeamWebsites", made["id"]) == listed
    assert ann.client("getTeamWebsites", made["id"], {"search": "EXAMPLE.COM"}) == listed
    assert ann.client("getTeamWebsites", made["id"], {"search": "elsewhere"}) == page()
    assert ann.client("getWebsite", shown["id"]) == shown

    assert bob.client.refused("getTeamWebsites", made["id"]) == UNAUTHORIZED
    assert bob.client.refused("createTeamWebsite", made["id"], SITE) == UNAUTHORIZED
    assert bob.client.refused("deleteTeamWebsite", made["id"], shown["id"]) == UNAUTHORIZED
    assert ann.client("getTeamWebsites", made["id"])["count"] == 1
    assert ann.client("deleteTeamWebsite", made["id"], shown["id"]) == OK
    assert ann.client("getTeamWebsites", made["id"]) == page()
    assert admin.refused("getWebsite", shown["id"]) == NOT_FOUND


# Websites


def test_websites(live: Server, admin: ApiClient, ann: Person) -> None:
    made = admin("createWebsite", SITE)
    assert made == website()
    assert admin("getWebsite", made["id"]) == made
    for method, *arguments in (
        ["getWebsite", made["id"]],
        ["updateWebsite", made["id"], {"name": "Taken over"}],
        ["resetWebsite", made["id"]],
        ["deleteWebsite", made["id"]],
        ["getWebsiteActive", made["id"]],
        ["getWebsiteStats", made["id"], {"startAt": 0, "endAt": 1}],
    ):
        assert (method, *ann.client.refused(method, *arguments)) == (method, *UNAUTHORIZED)

    slug = uuid4().hex[:16]
    changed = admin("updateWebsite", made["id"], {"name": "New", "domain": "new.org", "shareId": slug})
    assert changed == website(id=made["id"], name="New", domain="new.org", shareId=slug)
    assert admin("getShare", slug) == {"websiteId": made["id"], "token": A_JWT}
    assert admin.refused("getShare", "no-such-share") == NOT_FOUND

    populate(live, made["id"], VECTORS)
    assert len(live.events(made["id"])) == 9
    assert admin("resetWebsite", made["id"]) == OK
    assert admin("getWebsite", made["id"]) == {**changed, "resetAt": AN_INSTANT, "updatedAt": AN_INSTANT}
    assert live.events(made["id"]) == live.event_data(made["id"]) == live.revenue(made["id"]) == []
    assert live.session_data(made["id"]) == []

    assert admin("deleteWebsite", made["id"]) == OK
    assert admin.refused("getWebsite", made["id"]) == NOT_FOUND


def test_a_website_that_cannot_be_created(admin: ApiClient) -> None:
    assert admin.refused("createWebsite", {}) == (400, {"error": ["name: Required", "domain: Required"]})


def test_transfer(ann: Person) -> None:
    made = ann.client("createWebsite", SITE)
    own, _ = ann.client("createTeam", {"name": "Transfer"})
    moved = ann.client("transferWebsite", made["id"], {"teamId": own["id"]})
    assert moved == {**made, "userId": None, "teamId": own["id"], "updatedAt": AN_INSTANT}
    back = ann.client("transferWebsite", made["id"], {"userId": ann.id})
    assert back == {**made, "updatedAt": AN_INSTANT}
    assert ann.client("getWebsite", made["id"]) == back
    assert ann.client.refused("transferWebsite", made["id"], {}) == (400, {"error": "Bad request"})


# Saved reports


def test_saved_reports(admin: ApiClient, ann: Person, bob: Person) -> None:
    site = ann.client("createWebsite", SITE)["id"]
    given = {
        "websiteId": site,
        "name": "R",
        "type": "insights",
        "description": "d",
        "parameters": {"fields": [{"name": "url"}], "filters": []},
    }
    made = ann.client("createReport", given)
    assert made == {
        **given,
        "id": AN_ID,
        "userId": ann.id,
        "createdAt": AN_INSTANT,
        "updatedAt": AN_INSTANT,
    }
    assert ann.client("getReport", made["id"]) == made
    listed = page({**made, "website": {"domain": "example.com"}})
    assert ann.client("getReports") == listed
    assert ann.client("getReports", {"websiteId": site, "search": "INSIGHTS"}) == listed
    assert ann.client("getReports", {"websiteId": site, "search": "funnel"}) == page()
    assert ann.client("getWebsiteReports", site) == page(made)

    # The client's type of a change has the parameters as text.
    change = {**given, "type": "funnel", "name": "F", "parameters": json.dumps({"window": 60})}
    changed = ann.client("updateReport", made["id"], change)
    expected = {"type": "funnel", "name": "F", "parameters": {"window": 60}, "updatedAt": AN_INSTANT}
    assert changed == {**made, **expected}
    assert ann.client("getReport", made["id"]) == changed

    for method, *arguments in (
        ["getReport", made["id"]],
        ["updateReport", made["id"], given],
        ["deleteReport", made["id"]],
        ["getWebsiteReports", site],
        ["createReport", given],
    ):
        assert (method, *bob.client.refused(method, *arguments)) == (method, *UNAUTHORIZED)
    assert ann.client("getReport", made["id"]) == changed
    assert ann.client("deleteReport", made["id"]) == OK
    assert ann.client("getWebsiteReports", site) == page()
    assert admin.refused("getReport", made["id"]) == NOT_FOUND


# Collecting


def hit(site: str, **payload: Any) -> dict[str, Any]:
    common = {"hostname": "example.com", "language": "en-US", "referrer": "", "screen": "1920x1080"}
    return {"type": "event", "payload": {"website": site, **common, "title": "Home", "url": "/", **payload}}


def test_heartbeat(admin: ApiClient) -> None:
    assert admin("heartbeat") == OK


def test_what_is_sent_needs_a_browsers_agent(live: Server, admin: ApiClient) -> None:
    """Node says of itself that it is `node`, which is a bot's name; the payload can name the visitor's browser."""
    site = admin("createWebsite", SITE)["id"]
    assert admin("send", hit(site, name="signup", data={"plan": "pro"})) == {"beep": "boop"}
    assert live.events(site) == []
    sent = admin("send", hit(site, name="signup", data={"plan": "pro"}, userAgent=CHROME))
    assert sent == {"cache": A_JWT, "sessionId": AN_ID, "visitId": AN_ID}
    (stored,) = live.events(site)
    assert (str(stored["session_id"]), stored["event_name"], stored["browser"], stored["page_title"]) == (
        *(sent["sessionId"], "signup", "chrome", "Home"),
    )
    assert [(row["data_key"], row["string_value"]) for row in live.event_data(site)] == [("plan", "pro")]


def test_batch(live: Server, admin: ApiClient) -> None:
    site = admin("createWebsite", SITE)["id"]
    hits = [
        hit(site, url="/a", userAgent=CHROME),
        hit("no id"),
        {"type": "event", "payload": {"website": site, "url": "/b", "userAgent": CHROME}},
    ]
    assert admin("batch", hits) == {
        "size": 3,
        "processed": 2,
        "errors": 1,
        "details": [{"index": 1, "response": {"error": ["payload: "]}}],
    }
    # Both may be of the same millisecond.
    assert sorted(row["url_path"] for row in live.events(site)) == ["/a", "/b"]
    assert admin("batch", []) == {"size": 0, "processed": 0, "errors": 0, "details": []}


def test_who_is_there_now(admin: ApiClient) -> None:
    site = admin("createWebsite", SITE)["id"]
    assert admin("getWebsiteActive", site) == {"visitors": 0}
    empty = admin("getRealtime", site, {"startAt": 0})
    nothing = {
        "countries": {},
        "urls": {},
        "referrers": {},
        "events": [],
        "series": {"views": [], "visitors": []},
        "totals": {"views": 0, "visitors": 0, "events": 0, "countries": 0},
    }
    assert empty == {**nothing, "timestamp": empty["timestamp"]}

    sent = admin("send", hit(site, userAgent=CHROME, referrer="https://t.co/x"))
    assert admin("getWebsiteActive", site) == {"visitors": 1}
    seen = admin("getRealtime", site, {"startAt": 0})
    entry = {
        "sessionId": sent["sessionId"],
        "eventName": None,
        "createdAt": AN_INSTANT,
        "browser": "chrome",
        "os": "Windows 10",
        "device": "desktop",
        "country": None,
        "urlPath": "/",
        "referrerDomain": "t.co",
    }
    assert seen == {
        "countries": {},
        "urls": {"/": 1},
        "referrers": {"t.co": 1},
        "events": [{"__type": "pageview", **entry}, {"__type": "session", **entry}],
        "series": {"views": [{"x": A_MINUTE, "y": 1}], "visitors": [{"x": A_MINUTE, "y": 1}]},
        "totals": {"views": 1, "visitors": 1, "events": 0, "countries": 0},
        "timestamp": seen["timestamp"],
    }
    assert seen["timestamp"] > empty["timestamp"] > 1_700_000_000_000

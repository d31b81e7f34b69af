"""How much a user's websites collect, over REST (Umami v2 REST behaviour §3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import VECTORS, A, happening, identification, populate, view
from tests.rest_compat.people import Headers, Person, add_person
from tests.rest_compat.test_users import NOBODY, ask
from tests.server import Server
from tests.test_both_doors import END, SECOND_DAY, START

REFUSED = (401, {"error": "Unauthorized"})


def usage(server: Server, user_id: str, headers: Headers | None = None, **range_: int) -> Any:
    params = {"startAt": START, "endAt": END, **range_}
    path = f"/api/users/{user_id}/usage?" + "&".join(f"{key}={value}" for key, value in params.items())
    return ask(server, "GET", path, headers)


def add_site(server: Server, owner: Person, name: str, team: str = "") -> str:
    path = f"/api/teams/{team}/websites" if team else "/api/websites"
    status, made = ask(server, "POST", path, owner.headers, {"name": name, "domain": "example.com"})
    assert status == 200, made
    return str(made["id"])


@pytest.fixture(scope="module")
def world(server: Server) -> tuple[Person, Person, dict[str, str]]:
    """An owner of two websites and of a team, a member of that team, and the websites by name."""
    owner, member = add_person(server), add_person(server)
    team = ask(server, "POST", "/api/teams", owner.headers, {"name": "T"})[1][0]["id"]
    added = {"userId": member.id, "role": "team-manager"}
    assert ask(server, "POST", f"/api/teams/{team}/users", None, added)[0] == 200
    sites = {
        "own": add_site(server, owner, "own"),
        "empty": add_site(server, owner, "empty"),
        "teams": add_site(server, owner, "teams", team),
        "members": add_site(server, member, "members"),
    }
    populate(server, sites["own"], VECTORS)
    # A visitor's properties are no event data.
    populate(
        server,
        sites["teams"],
        [
            view(A, "2026-11-11 10:00:00"),
            happening(A, "2026-11-11 10:01:00", "/", "buy", {"a": 1, "b": {"c": 2}}),
            identification(A, "2026-11-11 10:02:00", {"x": 1}),
        ],
    )
    populate(server, sites["members"], [view(A, "2026-11-11 10:00:00")])
    return owner, member, sites


def row(sites: dict[str, str], name: str, events: int, data: int) -> dict[str, Any]:
    return {
        "websiteId": sites[name],
        "websiteName": name,
        "websiteEventUsage": events,
        "eventDataUsage": data,
        "deletedAt": None,
    }


def test_own_websites_and_those_of_teams_one_owns(
    server: Server, world: tuple[Person, Person, dict[str, str]]
) -> None:
    owner, member, sites = world
    assert usage(server, owner.id) == (
        200,
        {
            "websiteEventUsage": 11,
            "eventDataUsage": 17,
            "websites": [row(sites, "own", 9, 15), row(sites, "teams", 2, 2)],
        },
    )
    # A manager owns no team: the websites of the team are its owner's use.
    assert usage(server, member.id) == (
        200,
        {"websiteEventUsage": 1, "eventDataUsage": 0, "websites": [row(sites, "members", 1, 0)]},
    )


def test_of_a_period(server: Server, world: tuple[Person, Person, dict[str, str]]) -> None:
    owner, _, sites = world
    # Both ends belong to it; most events first, equal ones by id.
    equal = sorted([row(sites, "own", 2, 2), row(sites, "teams", 2, 2)], key=lambda one: one["websiteId"])
    assert usage(server, owner.id, startAt=SECOND_DAY) == (
        200,
        {"websiteEventUsage": 4, "eventDataUsage": 4, "websites": equal},
    )
    nine = SECOND_DAY + 9 * 3_600_000
    assert usage(server, owner.id, startAt=nine, endAt=nine)[1]["websites"] == [row(sites, "own", 1, 0)]
    assert usage(server, owner.id, startAt=0, endAt=1)[1]["websiteEventUsage"] == 11
    nothing = {"websiteEventUsage": 0, "eventDataUsage": 0, "websites": []}
    assert usage(server, owner.id, startAt=START - 2, endAt=START - 1) == (200, nothing)
    assert usage(server, add_person(server).id) == (200, nothing)


def test_for_admins_alone(server: Server, world: tuple[Person, Person, dict[str, str]]) -> None:
    owner, member, _ = world
    for headers in ({}, owner.headers, member.headers):
        assert usage(server, owner.id, headers) == REFUSED
        assert usage(server, NOBODY, headers) == REFUSED
    for nobody in (NOBODY, "no-uuid"):
        assert usage(server, nobody) == (404, {"error": "Not found"})
    assert ask(server, "GET", f"/api/users/{owner.id}/usage", {}) == (
        400,
        {
            "error": [
                "startAt: Expected number, received nan",
                "endAt: Expected number, received nan",
            ]
        },
    )

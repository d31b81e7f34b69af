"""The cast of the permission matrix, the world it acts on, and what of it can be seen to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa

from app.models import ApiKey, Base
from app.tables import event, session_data
from tests.keys import make_key
from tests.populate import A, happening, identification, populate, view
from tests.rest_compat.people import Headers, Person, add_person
from tests.server import Server

TEAM_ROLES: Final = ("team-owner", "team-manager", "team-member", "team-view-only")
KEYS: Final = ("key-read", "key-ingest", "key-manage")
ACTORS: Final = (
    *("anonymous", "view-only", "user", "owner", *TEAM_ROLES, "admin", "share", *KEYS),
    # A key that may do everything, on another website.
    "key-elsewhere",
)


@dataclass
class World:
    """Two websites alike: `own` belongs to a user, `team` to a team with a member in each role.

    A verb about a website is asked about one of them; shares and keys are those of that one's owner.
    """

    server: Server
    people: dict[str, Person]
    team_id: str
    websites: dict[str, str]
    headers: dict[tuple[str, str], Headers]
    names: dict[str, str]

    def as_actor(self, actor: str, target: str) -> Headers:
        """What the actor sends along, where the verb is about this target."""
        return self.headers.get((actor, target)) or self.headers[(actor, "")]

    def seen(self) -> dict[str, Any]:
        """Everything that a verb could change: all rows of the accounts store, and the number of events."""
        ids = [UUID(website) for website in self.websites.values()]
        counted = sa.union_all(
            *(
                sa.select(sa.literal(table.name), table.c.website_id, sa.func.count())
                .where(table.c.website_id.in_(ids))
                .group_by(table.c.website_id)
                for table in (event, session_data)
            )
        )
        counts = self.server.runtime.events.rows(sa.select(counted.subquery()))
        rows: dict[str, Any] = {}
        with self.server.runtime.accounts() as session:
            for table in Base.metadata.sorted_tables:
                # When a key was last used is not what a verb does.
                columns = [column for column in table.c if column is not ApiKey.__table__.c.last_used_at]
                rows[table.name] = sorted(map(repr, session.execute(sa.select(*columns)).all()))
        return {"events": sorted(map(repr, counts)), **rows}


def cast(server: Server) -> dict[str, Person]:
    """The users, who outlive the worlds they act in."""
    roles = {"view-only": "view-only", "user": "user", "owner": "user"} | dict.fromkeys(TEAM_ROLES, "user")
    return {name: add_person(server, role) for name, role in roles.items()}


def make_world(server: Server, people: dict[str, Person]) -> World:
    """Fresh websites, team, shares and keys for the same people, whose keys of an earlier world end."""
    for owner in ("owner", "team-owner"):
        _end_keys(server, people[owner].headers)
    team = _post(server, "/api/teams", {"name": "T"}, people["team-owner"].headers)[0]
    for role in TEAM_ROLES[1:]:
        member = {"userId": people[role].id, "role": role}
        _post(server, f"/api/teams/{team['id']}/users", member, server.admin)
    owners = {"own": "owner", "team": "team-owner"}
    websites, headers = {}, {}
    names: dict[str, str] = {"team": team["id"], "accessCode": team["accessCode"]}
    for target, owner in owners.items():
        asking = people[owner].headers
        slug = uuid4().hex[:16]
        given = {"name": target, "domain": "example.com", "shareId": slug}
        path = f"/api/teams/{team['id']}/websites" if target == "team" else "/api/websites"
        website = _post(server, path, given, asking)["id"]
        websites[target] = website
        populate(
            server,
            website,
            [
                view(A, "2026-11-10 10:00:00"),
                happening(A, "2026-11-10 10:01:00", "/", "buy", {"plan": "pro"}),
                identification(A, "2026-11-10 10:02:00", {"age": 33}),
            ],
        )
        names[f"{target}-session"] = str(server.events(website)[0]["session_id"])
        segment = {"type": "segment", "name": "s", "parameters": {"country": "US"}}
        names[f"{target}-segment"] = _post(server, f"/api/websites/{website}/segments", segment, asking)["id"]
        report = {"websiteId": website, "name": "r", "type": "utm", "description": "", "parameters": {}}
        names[f"{target}-report"] = _post(server, "/api/reports", report, asking)["id"]
        # Of a website that is gone: who asked for its removal may follow it.
        gone = _post(server, "/api/websites", {"name": "gone", "domain": "d"}, asking)["id"]
        removed = f'mutation {{ deleteWebsite(id: "{gone}") {{ removal {{ id }} }} }}'
        removal = server.graphql(removed, None, asking)["data"]["deleteWebsite"]["removal"]
        names[f"{target}-removal"] = removal["id"]
        token = server.client.get(f"/api/share/{slug}").json()["token"]
        shares = server.graphql(f'{{ website(id: "{website}") {{ shares {{ id }} }} }}', None, asking)
        names[f"{target}-share"] = shares["data"]["website"]["shares"][0]["id"]
        headers[("share", target)] = {"x-umami-share-token": token}
        other = _post(server, "/api/websites", {"name": "elsewhere", "domain": "d"}, asking)["id"]
        for name, scopes, bound in (
            ("key-read", ("read",), None),
            ("key-ingest", ("ingest",), None),
            ("key-manage", ("manage",), None),
            ("key-elsewhere", ("read", "ingest", "manage"), other),
        ):
            key = make_key(server, *scopes, website=bound, headers=asking)
            headers[(name, target)] = key.header
            names[f"{target}-{name}"] = key.id
    for name in KEYS:
        headers[(name, "")] = headers[(name, "team")]
    headers |= {
        ("key-elsewhere", ""): headers[("key-elsewhere", "team")],
        ("share", ""): headers[("share", "team")],
    }
    headers |= {("anonymous", ""): {}, ("admin", ""): server.admin}
    headers |= {(name, ""): person.headers for name, person in people.items()}
    return World(server, people, team["id"], websites, headers, names)


def _end_keys(server: Server, headers: Headers) -> None:
    keys = server.graphql("{ me { apiKeys(first: 100) { nodes { id } } } }", None, headers)
    ended = [
        f'k{number}: revokeApiKey(id: "{node["id"]}") {{ id }}'
        for number, node in enumerate(keys["data"]["me"]["apiKeys"]["nodes"])
    ]
    if ended:
        assert "errors" not in server.graphql(f"mutation {{ {' '.join(ended)} }}", None, headers)


def _post(server: Server, path: str, body: dict[str, Any], headers: Headers) -> Any:
    answer = server.client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()

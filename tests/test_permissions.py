"""Every verb by every kind of actor through both doors: who may, who may not, and that a refusal changes nothing.

The sets of actors are those of Umami v2 REST behaviour §1.4, written out here once more: this is the judge of the table
in `app/access.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from graphql import FieldNode, OperationDefinitionNode, parse

from app.settings import Settings
from graphql_schema.schema import make_schema
from tests.following import Socket, eventually, socket
from tests.permissions import ACTORS, World, cast, make_world
from tests.rest_compat import samples
from tests.rest_compat.people import Person
from tests.rest_compat.samples import TABLE
from tests.server import Server, running

TEAM = ("team-owner", "team-manager", "team-member", "team-view-only")
USERS = frozenset({"view-only", "user", "owner", *TEAM, "admin"})

SEE = {
    "own": frozenset({"owner", "admin", "share", "key-read", "key-manage"}),
    "team": frozenset({*TEAM, "admin", "share", "key-read", "key-manage"}),
}
CHANGE = {
    "own": frozenset({"owner", "admin", "key-manage"}),
    "team": frozenset({"team-owner", "team-manager", "team-member", "admin", "key-manage"}),
}
ADMIN = frozenset({"admin"})
# Any user for itself, and a program for its user.
ONESELF_READ = frozenset({*USERS, "key-read", "key-manage"})
ONESELF_CHANGE = frozenset({*USERS, "key-manage"})
SEE_TEAM = frozenset({*TEAM, "admin", "key-read", "key-manage"})
CHANGE_TEAM = frozenset({"team-owner", "team-manager", "admin", "key-manage"})


@dataclass(frozen=True)
class Verb:
    """`{website}`, `{team}`, `{session}` and so on in paths, bodies and documents stand for the world's."""

    name: str
    target: str  # `own`, `team`, or '' where it is about no website
    allowed: frozenset[str]
    rest: tuple[str, str, Any] | None = None
    graphql: str | None = None
    told: str = ""  # what those hear who may, where it is not done for them

    def __str__(self) -> str:
        return f"{self.name} {self.target}".strip()


def _reads() -> Iterator[Verb]:
    """Every GET of a website and every report, read off the table of routes."""
    for route in TABLE:
        is_report = (
            route.method == "POST" and route.path.startswith("/api/reports/") and "{" not in route.path
        )
        if not is_report and not (
            route.method == "GET"
            and (
                "{websiteId}" in route.path
                or route.path.startswith(("/api/event-data", "/api/reports/revenue"))
            )
        ):
            continue
        path = route.path.replace("{websiteId}", "{website}").replace("{sessionId}", "{session}")
        path = path.replace("{segmentId}", "{segment}")
        query = {
            name: "{website}" if name == "websiteId" else value
            for name, value in samples.query(route).items()
        }
        if query:
            path += "?" + "&".join(f"{name}={value}" for name, value in query.items())
        body = samples.body(route)
        for target in ("own", "team"):
            sent = {**body, "websiteId": "{website}"} if body else None
            yield Verb(samples.name(route), target, SEE[target], (route.method, path, sent))


PERIOD = '{start: "2026-11-10", end: "2026-11-11"}'


def _mutation(call: str, shown: str = "id") -> str:
    return f"mutation {{ {call} {{ {shown} }} }}"


def _of_a_website() -> Iterator[Verb]:
    for target in ("own", "team"):
        see, change = SEE[target], CHANGE[target]
        yield Verb(
            "figures",
            target,
            see,
            graphql=f'{{ website(id: "{{website}}") {{ name analytics(period: {PERIOD}) {{ totals {{ visitors {{ value }} }} events {{ nodes {{ id }} }} sessions {{ nodes {{ id }} }} }} }} }}',
        )
        yield Verb(
            "update website",
            target,
            change,
            ("POST", "/api/websites/{website}", {"name": "changed"}),
            _mutation('updateWebsite(id: "{website}", input: {name: "changed"})'),
        )
        yield Verb(
            "reset website",
            target,
            change,
            ("POST", "/api/websites/{website}/reset", None),
            _mutation('resetWebsite(id: "{website}")'),
        )
        yield Verb(
            "delete website",
            target,
            change,
            ("DELETE", "/api/websites/{website}", None),
            _mutation('deleteWebsite(id: "{website}")'),
        )
        asked = {"own": "owner", "team": "team-owner"}[target]
        yield Verb(
            "follow a removal",
            target,
            frozenset({asked, "admin", "key-read", "key-manage"}),
            graphql='{ removal(id: "{removal}") { reason } }',
        )
        visitor = 'websiteId: "{website}", sessionId: "{session}"'
        yield Verb(
            "export visitor",
            target,
            change,
            graphql=f"{{ exportVisitor({visitor}) {{ sessionIds events {{ nodes {{ id }} }} }} }}",
        )
        yield Verb(
            "delete visitor",
            target,
            change,
            graphql=f"mutation {{ deleteVisitor({visitor}) {{ events }} }}",
        )
        yield Verb(
            "create segment",
            target,
            change,
            (
                "POST",
                "/api/websites/{website}/segments",
                {"type": "segment", "name": "n", "parameters": {"country": "DE"}},
            ),
            _mutation(
                'createSegment(websiteId: "{website}", input: {type: SEGMENT, name: "n", filters: []})'
            ),
        )
        yield Verb(
            "update segment",
            target,
            change,
            (
                "POST",
                "/api/websites/{website}/segments/{segment}",
                {"type": "segment", "name": "changed", "parameters": {}},
            ),
            _mutation('updateSegment(id: "{segment}", input: {name: "new"})'),
        )
        yield Verb(
            "delete segment",
            target,
            change,
            ("DELETE", "/api/websites/{website}/segments/{segment}", None),
            _mutation('deleteSegment(id: "{segment}")'),
        )
        yield Verb(
            "create report",
            target,
            change,
            (
                "POST",
                "/api/reports",
                {"websiteId": "{website}", "name": "n", "type": "utm", "description": "", "parameters": {}},
            ),
            _mutation(
                'createReport(websiteId: "{website}", input: {type: UTM, name: "n", parameters: '
                '{dateRange: {startDate: "2026-11-10", endDate: "2026-11-11"}}})'
            ),
        )
        yield Verb(
            "view report",
            target,
            see,
            ("GET", "/api/reports/{report}", None),
            '{ savedReport(id: "{report}") { name } }',
        )
        yield Verb(
            "see segments and reports",
            target,
            see,
            graphql='{ website(id: "{website}") { segments { name } savedReports { totalCount } } }',
        )
        yield Verb(
            "filter by a segment",
            target,
            see,
            graphql=f'{{ website(id: "{{website}}") {{ analytics(period: {PERIOD}, where: {{segment: "{{segment}}"}}) {{ totals {{ visitors {{ value }} }} }} }} }}',
        )
        author = {"own": "owner", "team": "team-owner"}[target]
        yield Verb(
            "update report",
            target,
            frozenset({author, "admin", "key-manage"}),
            (
                "POST",
                "/api/reports/{report}",
                {"websiteId": "{website}", "name": "new", "type": "utm", "description": "", "parameters": {}},
            ),
            _mutation('updateReport(id: "{report}", input: {name: "newer"})'),
        )
        yield Verb(
            "delete report",
            target,
            frozenset({author, "admin", "key-manage"}),
            ("DELETE", "/api/reports/{report}", None),
            _mutation('deleteReport(id: "{report}")'),
        )
        yield Verb("see shares", target, change, graphql='{ website(id: "{website}") { shares { slug } } }')
        yield Verb(
            "create share",
            target,
            change,
            graphql=_mutation('createShare(websiteId: "{website}", input: {})', "slug"),
        )
        yield Verb(
            "update share",
            target,
            change,
            graphql=_mutation('updateShare(id: "{share}", input: {name: "changed"})'),
        )
        yield Verb("revoke share", target, change, graphql=_mutation('revokeShare(id: "{share}")'))
        yield Verb(
            "see what is not a figure of a period",
            target,
            see,
            graphql='{ website(id: "{website}") { activeVisitors dateRange { start } realtime { totals { visitors } } '
            "values(field: PATH) { count } } }",
        )
        for name, follows in (
            ("active visitors", 'activeVisitors(websiteId: "{website}")'),
            ("events", 'events(websiteId: "{website}") { missed }'),
            (
                "totals",
                'liveTotals(websiteId: "{website}", period: {last: TODAY}) { visitors }',
            ),
        ):
            yield Verb(f"follow {name}", target, see, graphql=f"subscription {{ {follows} }}")


def _of_transfer() -> Iterator[Verb]:
    # Nobody but the owner, who has to have that role in the team that receives it: the owner here is no member.
    yield Verb(
        "transfer to team",
        "own",
        frozenset(),
        ("POST", "/api/websites/{website}/transfer", {"teamId": "{team}"}),
        _mutation('transferWebsiteToTeam(id: "{website}", teamId: "{team}")'),
    )
    yield Verb(
        "transfer to oneself",
        "team",
        frozenset({"team-owner", "key-manage"}),
        graphql=_mutation('transferWebsiteToMe(id: "{website}")'),
    )


def _of_a_team() -> Iterator[Verb]:
    yield Verb(
        "view team", "", SEE_TEAM, ("GET", "/api/teams/{team}", None), '{ team(id: "{team}") { name } }'
    )
    yield Verb(
        "members",
        "",
        SEE_TEAM,
        ("GET", "/api/teams/{team}/users", None),
        '{ team(id: "{team}") { members { nodes { role } } } }',
    )
    yield Verb(
        "team websites",
        "",
        SEE_TEAM,
        ("GET", "/api/teams/{team}/websites", None),
        '{ team(id: "{team}") { websites { nodes { name } } } }',
    )
    yield Verb(
        "one member",
        "",
        frozenset({"team-owner", "team-manager", "admin", "key-read", "key-manage"}),
        ("GET", "/api/teams/{team}/users/{team-member}", None),
    )
    yield Verb(
        "update team",
        "",
        CHANGE_TEAM,
        ("POST", "/api/teams/{team}", {"name": "changed"}),
        _mutation('updateTeam(id: "{team}", input: {name: "changed"})'),
    )
    yield Verb(
        "set role",
        "",
        CHANGE_TEAM,
        ("POST", "/api/teams/{team}/users/{team-member}", {"role": "team-view-only"}),
        _mutation('setTeamRole(teamId: "{team}", userId: "{team-member}", role: VIEW_ONLY)'),
    )
    yield Verb(
        "add member",
        "",
        ADMIN,
        ("POST", "/api/teams/{team}/users", {"userId": "{user}", "role": "team-member"}),
        _mutation('addTeamMember(teamId: "{team}", userId: "{user}", role: MEMBER)'),
    )
    yield Verb(
        "remove member",
        "",
        # The member itself, and who may change the team.
        CHANGE_TEAM | {"team-member"},
        ("DELETE", "/api/teams/{team}/users/{team-member}", None),
        _mutation('removeTeamMember(teamId: "{team}", userId: "{team-member}")'),
    )
    yield Verb(
        "create team website",
        "",
        CHANGE["team"],
        ("POST", "/api/teams/{team}/websites", {"name": "new", "domain": "d"}),
        _mutation('createWebsite(input: {name: "new", domain: "d", teamId: "{team}"})'),
    )
    yield Verb(
        "delete team website",
        "team",
        CHANGE["team"],
        ("DELETE", "/api/teams/{team}/websites/{website}", None),
    )
    yield Verb(
        "renew access code",
        "",
        CHANGE_TEAM,
        graphql=_mutation('renewAccessCode(id: "{team}")', "accessCode"),
    )
    yield Verb(
        "delete team",
        "",
        frozenset({"team-owner", "admin", "key-manage"}),
        ("DELETE", "/api/teams/{team}", None),
        _mutation('deleteTeam(id: "{team}")'),
    )
    yield Verb(
        "join team",
        "",
        # Who is in it already is told so instead.
        frozenset({"view-only", "user", "owner", "admin"}),
        ("POST", "/api/teams/join", {"accessCode": "{accessCode}"}),
        _mutation('joinTeam(accessCode: "{accessCode}")'),
    )


def _of_accounts() -> Iterator[Verb]:
    new = {"username": "{new}", "password": "long enough", "role": "user"}
    yield Verb(
        "create user",
        "",
        ADMIN,
        ("POST", "/api/users", new),
        _mutation('createUser(input: {username: "{new}", password: "long enough"})'),
    )
    yield Verb("all users", "", ADMIN, ("GET", "/api/admin/users", None), "{ users { totalCount } }")
    yield Verb("all users, by the client", "", ADMIN, ("GET", "/api/users", None))
    yield Verb(
        "all websites",
        "",
        ADMIN,
        ("GET", "/api/admin/websites?userId={user}", None),
        "{ allWebsites { totalCount } }",
    )
    yield Verb(
        "view user",
        "",
        frozenset({"user", "admin"}),
        ("GET", "/api/users/{user}", None),
        '{ user(id: "{user}") { username } }',
    )
    yield Verb(
        "websites of a user",
        "",
        frozenset({"user", "admin"}),
        ("GET", "/api/users/{user}/websites", None),
        '{ user(id: "{user}") { websites { totalCount } } }',
    )
    yield Verb(
        "teams of a user",
        "",
        frozenset({"user", "admin"}),
        ("GET", "/api/users/{user}/teams", None),
        '{ user(id: "{user}") { teams { totalCount } } }',
    )
    yield Verb(
        "usage",
        "",
        ADMIN,
        ("GET", "/api/users/{user}/usage?startAt=0&endAt=2", None),
        '{ user(id: "{user}") { usage(period: {all: true}) { events } } }',
    )
    yield Verb("own removals", "", ONESELF_READ, None, "{ removals { totalCount } }")
    yield Verb(
        "reports of one's own websites",
        "",
        ONESELF_READ,
        ("GET", "/api/reports", None),
        "{ savedReports { totalCount } }",
    )
    yield Verb(
        "update user",
        "",
        # Of what the user itself sends the password alone has an effect.
        frozenset({"user", "admin"}),
        ("POST", "/api/users/{user}", {"username": "{new}"}),
    )
    yield Verb(
        "rename user",
        "",
        ADMIN,
        None,
        _mutation('updateUser(id: "{user}", input: {username: "{new}"})'),
    )
    yield Verb(
        "change one's own password",
        "",
        # In person only: a key must not take over the account it is for.
        USERS,
        ("POST", "/api/me/password", {"currentPassword": "wrong", "newPassword": "long enough"}),
        _mutation('changePassword(current: "wrong", new: "long enough")'),
        told="Current password is incorrect",
    )
    for method, path in (("GET", "/api/me"), ("GET", "/api/auth/verify"), ("POST", "/api/auth/verify")):
        yield Verb(f"who am I {method} {path}", "", ONESELF_READ | {"share"}, (method, path, None))
    yield Verb("own teams", "", ONESELF_READ, graphql="{ teams { totalCount } }")
    yield Verb(
        "delete user",
        "",
        ADMIN,
        ("DELETE", "/api/users/{spare}", None),
        _mutation('deleteUser(id: "{spare}")'),
    )
    for path in ("/api/websites", "/api/me/websites", "/api/teams", "/api/me/teams"):
        yield Verb(f"own lists {path}", "", ONESELF_READ, ("GET", path, None))
    yield Verb("own websites", "", ONESELF_READ | {"key-elsewhere"}, None, "{ websites { totalCount } }")
    yield Verb(
        "create website",
        "",
        ONESELF_CHANGE - {"view-only"},
        ("POST", "/api/websites", {"name": "n", "domain": "d"}),
        _mutation('createWebsite(input: {name: "n", domain: "d"})'),
    )
    yield Verb(
        "create team",
        "",
        ONESELF_CHANGE,
        ("POST", "/api/teams", {"name": "n"}),
        _mutation('createTeam(name: "n")'),
    )
    # In person only: a key cannot make keys.
    yield Verb(
        "create key",
        "",
        USERS,
        None,
        'mutation { createApiKey(input: {name: "n", scopes: [READ]}) { secret } }',
    )
    yield Verb(
        "revoke key",
        "",
        # In person only: a key that got lost must not end the others.
        frozenset({"team-owner", "admin"}),
        None,
        _mutation('revokeApiKey(id: "{team-key-read}")'),
    )
    yield Verb("own keys", "", USERS, None, "{ me { apiKeys { totalCount } } }")


VERBS = [*_reads(), *_of_a_website(), *_of_transfer(), *_of_a_team(), *_of_accounts()]
# Their websites are listed for a key that is for one of them.
_LISTED = {"own lists /api/websites", "own lists /api/me/websites"}


@pytest.fixture(scope="module")
def lone(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server of its own: nobody else changes what is compared."""
    with running(make_settings("duckdb")) as started:
        yield started


@pytest.fixture(scope="module")
def people(lone: Server) -> dict[str, Person]:
    return cast(lone)


class Worlds:
    """The world as it was made: made anew once a verb has changed it."""

    def __init__(self, server: Server, people: dict[str, Person]) -> None:
        self._server, self._people = server, people
        self.forget()

    def forget(self) -> None:
        self.world = make_world(self._server, self._people)
        self.before = self.world.seen()


@pytest.fixture(scope="module")
def worlds(lone: Server, people: dict[str, Person]) -> Worlds:
    return Worlds(lone, people)


def _filled(given: Any, world: World, target: str, extra: dict[str, str]) -> Any:
    """A path, body or document with the world's names in it."""
    names = {
        **world.names,
        **{name: person.id for name, person in world.people.items()},
        **extra,
        "team": world.team_id,
    }
    if target:
        names |= {"website": world.websites[target]}
        names |= {
            noun: world.names[f"{target}-{noun}"]
            for noun in ("session", "segment", "report", "share", "removal")
        }
    if isinstance(given, dict):
        return {key: _filled(value, world, target, extra) for key, value in given.items()}
    if not isinstance(given, str):
        return given
    return re.sub(r"{([\w-]+)}", lambda match: names.get(match[1], match[0]), given)


def _expected(verb: Verb) -> frozenset[str]:
    return verb.allowed | {"key-elsewhere"} if verb.name in _LISTED else verb.allowed


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.rest], ids=str)
def test_rest(worlds: Worlds, verb: Verb) -> None:
    assert verb.rest is not None
    method, path, body = verb.rest
    may = set()
    for number, actor in enumerate(ACTORS):
        world = worlds.world
        extra = _extra(worlds, verb, f"r{number}")
        answer = world.server.client.request(
            method,
            _filled(path, world, verb.target, extra),
            json=_filled(body, world, verb.target, extra),
            headers=world.as_actor(actor, verb.target),
        )
        if verb.told and verb.told in answer.text:
            assert answer.status_code == 400
            may.add(actor)
        elif answer.status_code == 200:
            may.add(actor)
        else:
            # 400 is what members hear who join once more, 404 what admins hear of what is not there.
            assert answer.status_code in (400, 401, 404), (actor, answer.status_code, answer.text)
            assert "error" in answer.json()
        _unchanged_unless(worlds, answer.status_code == 200, (verb, actor))
    assert may == _expected(verb)


def _is_followed(verb: Verb) -> bool:
    return verb.graphql is not None and verb.graphql.startswith("subscription")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.graphql and not _is_followed(verb)], ids=str)
def test_graphql(worlds: Worlds, verb: Verb) -> None:
    may = set()
    for number, actor in enumerate(ACTORS):
        world = worlds.world
        document = _filled(verb.graphql, world, verb.target, _extra(worlds, verb, f"g{number}"))
        answer = world.server.graphql(document, None, world.as_actor(actor, verb.target))
        if verb.told and verb.told in str(answer.get("errors")):
            may.add(actor)
        elif "errors" in answer or None in answer["data"].values():
            codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
            assert codes <= {"unauthenticated", "denied", "not-found", "invalid"}, (actor, answer)
        else:
            may.add(actor)
        _unchanged_unless(worlds, actor in may, (verb, actor))
    assert may == _expected(verb)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if _is_followed(verb)], ids=str)
def test_subscriptions(worlds: Worlds, verb: Verb) -> None:
    """By sockets; who asks is said when they begin, as browsers have to."""
    may, world = set(), worlds.world
    for actor in ACTORS:
        query = _filled(verb.graphql, world, verb.target, {})
        with socket(world.server.url, world.as_actor(actor, verb.target)) as opened:
            opened.subscribe(query)
            if _begins(world.server, opened):
                may.add(actor)
        eventually(lambda: not world.server.app.state.live.count, "a subscription outlives its socket")
    assert may == verb.allowed
    assert world.seen() == worlds.before


def _begins(server: Server, opened: Socket) -> bool:
    """Whether the subscription is there; it may have nothing to tell yet."""
    while True:
        with suppress(TimeoutError):
            received = orjson.loads(opened.connection.recv(timeout=0.02))
            payload = received["payload"]
            errors = payload if received["type"] == "error" else payload.get("errors", ())
            codes = {error["extensions"]["code"] for error in errors}
            assert codes <= {"unauthenticated", "denied", "not-found"}
            return not errors
        if server.app.state.live.count:
            return True


def _extra(worlds: Worlds, verb: Verb, number: str) -> dict[str, str]:
    """Names that each request needs for itself: of a user to be made, and of one to be deleted."""
    names = {"new": f"{verb.name}-{number}"}
    if verb.name == "delete user":
        given = {"username": f"spare-{number}", "password": "x", "role": "user"}
        server = worlds.world.server
        names["spare"] = server.client.post("/api/users", json=given, headers=server.admin).json()["id"]
        worlds.before = worlds.world.seen()
    return names


def _unchanged_unless(worlds: Worlds, allowed: bool, about: object) -> None:
    now = worlds.world.seen()
    if now == worlds.before:
        return
    assert allowed, f"a refusal changed something: {about}"
    worlds.forget()


def test_the_matrix_is_of_all_actors() -> None:
    """Every kind of actor may do something and may not do something."""
    for actor in ACTORS:
        if actor not in ("anonymous", "key-ingest"):
            assert any(actor in _expected(verb) for verb in VERBS), actor
        assert any(actor not in verb.allowed for verb in VERBS), actor


# Verbs that ask for no permission, and why.
PUBLIC = {
    "POST /api/send": "visitors send hits",
    "POST /api/batch": "visitors send hits",
    "mutation track": "visitors send hits",
    "mutation trackBatch": "visitors send hits",
    "POST /api/auth/login": "it is how to become known: name and password are asked for",
    "mutation login": "it is how to become known: name and password are asked for",
    "POST /api/auth/logout": "it does nothing",
    "GET /api/share/{shareId}": "the link is the permission",
    "POST /api/share/{shareId}": "the link and its password are the permission",
    "query share": "the link and its password are the permission",
    "query me": "it says who asks, null for nobody",
    "query limits": "what may be asked for at most, the same for all",
    "query rateLimit": "what the caller itself has left",
    "query version": "what clients need to know",
    "GET /api/heartbeat": "whether the server answers",
    "GET /script.js": "visitors load the tracker",
    "GET /telemetry.js": "an empty script",
    "GET /api/scripts/telemetry": "an empty script",
}


def _of_the_matrix() -> set[str]:
    """The names, as in PUBLIC, of what the matrix asks for."""
    names = set()
    for verb in VERBS:
        if verb.rest:
            method, path, _ = verb.rest
            parts = path.partition("?")[0].split("/")
            names |= {
                samples.name(route) for route in TABLE if route.method == method and _fits(route.path, parts)
            }
        if verb.graphql:
            for operation in parse(re.sub(r"{[\w-]+}", "x", verb.graphql)).definitions:
                assert isinstance(operation, OperationDefinitionNode)
                fields = (
                    field for field in operation.selection_set.selections if isinstance(field, FieldNode)
                )
                names |= {f"{operation.operation.value} {field.name.value}" for field in fields}
    return names


def _fits(path: str, parts: list[str]) -> bool:
    pattern = path.split("/")
    return len(pattern) == len(parts) and all(
        one == other or (one.startswith("{") and other.startswith("{"))
        for one, other in zip(pattern, parts, strict=True)
    )


def test_the_matrix_is_of_all_verbs() -> None:
    """Who adds a verb says who may: it is in the matrix, or in the list of those that ask for no permission."""
    schema = make_schema(Settings())._schema
    roots = {
        "query": schema.query_type,
        "mutation": schema.mutation_type,
        "subscription": schema.subscription_type,
    }
    verbs = {samples.name(route) for route in TABLE}
    verbs |= {f"{kind} {name}" for kind, root in roots.items() if root is not None for name in root.fields}
    assert verbs - _of_the_matrix() - PUBLIC.keys() == set()
    # And nothing is listed that is not there any more, or asks for a permission after all.
    assert _of_the_matrix() | PUBLIC.keys() == verbs
    assert _of_the_matrix() & PUBLIC.keys() == {"query me"}  # whose fields are not for all


def test_what_asks_for_no_permission_is_public_at_the_rest_door() -> None:
    assert {samples.name(route) for route in TABLE if route.public} == {
        name for name in PUBLIC if name.startswith(("GET ", "POST "))
    }

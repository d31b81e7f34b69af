"""Who may read and change a website, where the doors do not matter."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from app import access, websites
from app.context import ANONYMOUS, SYSTEM, Actor, Kind
from app.errors import AppError, Denied, NotFound, Unauthenticated
from app.models import Membership, Team, User
from tests.server import Server


@pytest.fixture
def cast(server: Server) -> dict[str, Actor]:
    """An owner, a stranger, a view-only user, and a member of each team role."""
    with server.ctx(SYSTEM) as ctx:
        team = Team(name="T")
        ctx.db.add(team)
        users = {
            name: User(username=f"{name} {uuid4()}", password="x", role="user")
            for name in ("owner", "stranger")
        }
        users["viewer"] = User(username=f"viewer {uuid4()}", password="x", role="view-only")
        users |= {
            role: User(username=f"{role} {uuid4()}", password="x", role="user") for role in access.TEAM_ROLES
        }
        ctx.db.add_all(users.values())
        ctx.db.flush()
        for role in access.TEAM_ROLES:
            ctx.db.add(Membership(team_id=team.team_id, user_id=users[role].user_id, role=role))
        actors = {name: Actor(Kind.USER, user_id=user.user_id) for name, user in users.items()}
        return {**actors, "team": Actor(website_id=team.team_id)}


def outcome(server: Server, actor: Actor, verb: object, *arguments: object) -> str:
    """`yes`, or the name of the refusal."""
    try:
        server.runtime.call(actor, verb, *arguments)  # type: ignore[arg-type]
    except AppError as error:
        return type(error).__name__
    return "yes"


def test_ones_own_website(server: Server, cast: dict[str, Actor]) -> None:
    made = server.runtime.call(cast["owner"], websites.create, name="w", domain="w.org").website_id
    share = Actor(Kind.SHARE, website_id=made)
    expected = {
        # actor: read, update, delete
        (cast["owner"]): ("yes", "yes", "yes"),
        (cast["stranger"]): ("Hidden", "Hidden", "Hidden"),
        (cast["viewer"]): ("Hidden", "Hidden", "Hidden"),
        (cast["team-owner"]): ("Hidden", "Hidden", "Hidden"),
        Actor(Kind.USER, user_id=uuid4()): ("Unauthenticated", "Unauthenticated", "Unauthenticated"),
        ANONYMOUS: ("Unauthenticated", "Unauthenticated", "Unauthenticated"),
        share: ("yes", "Unauthenticated", "Unauthenticated"),
        Actor(Kind.SHARE, website_id=uuid4()): ("Hidden", "Hidden", "Hidden"),
        # A user who opened a share link reads what it shows, and no more than that.
        Actor(Kind.USER, cast["stranger"].user_id, website_id=made): ("yes", "Denied", "Denied"),
        SYSTEM: ("yes", "yes", "yes"),
    }
    verbs = (access.view_website, access.update_website, access.delete_website)
    assert {
        actor: tuple(outcome(server, actor, verb, made) for verb in verbs) for actor in expected
    } == expected


def test_a_teams_website(server: Server, cast: dict[str, Actor]) -> None:
    team_id = cast["team"].website_id
    assert team_id is not None
    made = server.runtime.call(
        cast["team-owner"], websites.create, name="w", domain="w.org", team_id=team_id
    ).website_id
    verbs = (access.view_website, access.update_website, access.delete_website)
    found = {
        name: tuple(outcome(server, actor, verb, made) for verb in verbs) for name, actor in cast.items()
    }
    changing = ("yes", "yes", "yes")
    assert {name: found[name] for name in found if name != "team"} == {
        "owner": ("Hidden",) * 3,
        "stranger": ("Hidden",) * 3,
        "viewer": ("Hidden",) * 3,
        "team-owner": changing,
        "team-manager": changing,
        "team-member": changing,
        "team-view-only": ("yes", "Denied", "Denied"),
    }


def test_creating(server: Server, cast: dict[str, Actor]) -> None:
    team_id = cast["team"].website_id
    alone = {
        name: outcome(server, actor, access.create_website) for name, actor in cast.items() if name != "team"
    }
    assert alone == {name: "Denied" if name == "viewer" else "yes" for name in alone}
    in_team = {
        name: outcome(server, actor, access.create_website, team_id)
        for name, actor in cast.items()
        if name != "team"
    }
    allowed = {"team-owner", "team-manager", "team-member"}
    refusals = {name: "Denied" if name == "team-view-only" else "Hidden" for name in in_team}
    assert in_team == {name: "yes" if name in allowed else refusals[name] for name in in_team}
    assert outcome(server, ANONYMOUS, access.create_website) == "Unauthenticated"


def test_a_refusal_changes_nothing(server: Server, cast: dict[str, Actor], website: str) -> None:
    website_id = UUID(website)
    for verb in (websites.delete, websites.reset):
        with pytest.raises(NotFound):
            server.runtime.call(cast["stranger"], verb, website_id)
    with pytest.raises(NotFound):
        server.runtime.call(cast["stranger"], websites.update, website_id, name="taken over")
    with pytest.raises(Unauthenticated):
        server.runtime.call(ANONYMOUS, websites.delete, website_id)
    reader = Actor(Kind.USER, cast["stranger"].user_id, website_id=website_id)
    with pytest.raises(Denied):
        server.runtime.call(reader, websites.reset, website_id)
    with server.ctx() as ctx:
        kept = websites.get(ctx, website_id)
        assert (kept.name, kept.reset_at) == ("Example", None)

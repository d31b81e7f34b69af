"""API keys where the doors do not matter: who makes them, what is kept, and what they may do."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import access, api_keys, websites
from app.access import KeyScope
from app.context import ANONYMOUS, SYSTEM, Actor, Ctx, Kind
from app.errors import AppError, Conflict, Denied, Hidden, Invalid, Unauthenticated
from app.models import ApiKey, Base, Membership, Team, User, Website, utc_now
from app.paging import Window
from app.security import digest
from app.settings import Settings
from tests.keys import expire, make_key
from tests.server import ADMIN, Server, running

READ, INGEST, MANAGE = KeyScope
HOUR = dt.timedelta(hours=1)


def person(server: Server, role: str = "user") -> Actor:
    """A fresh user, logged in."""

    def add(ctx: Ctx) -> UUID:
        user = User(username=f"{role} {uuid4()}", password="x", role=role)
        ctx.db.add(user)
        ctx.db.flush()
        return user.user_id

    return Actor(Kind.USER, user_id=server.runtime.call(SYSTEM, add))


def issue(server: Server, actor: Actor, *scopes: KeyScope, website_id: UUID | None = None) -> Actor:
    """Who proves itself with a new key of the actor's."""
    made = server.runtime.call(actor, api_keys.create, name="k", scopes=scopes, website_id=website_id)
    return Actor(Kind.KEY, key_digest=digest(made.secret))


def own_website(server: Server, actor: Actor) -> UUID:
    return server.runtime.call(actor, websites.create, name="w", domain="w.org").website_id


def outcome(server: Server, actor: Actor, verb: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """`yes`, or the name of the refusal."""
    try:
        server.runtime.call(actor, verb, *arguments, **named)
    except AppError as error:
        return type(error).__name__
    return "yes"


def stored(server: Server, actor: Actor) -> list[tuple[str, str]]:
    """(name, scopes) of a user's keys, newest first."""
    with server.ctx(actor) as ctx:
        return [(row.name, row.scopes) for row in api_keys.listed(ctx, Window(1000)).rows]


def test_a_key_is_made_listed_and_revoked(server: Server) -> None:
    owner = person(server)
    website_id = own_website(server, owner)
    end = utc_now() + HOUR
    with server.ctx(owner) as ctx:
        made = api_keys.create(
            ctx,
            name="charts",
            scopes=[MANAGE, READ, READ],
            website_id=website_id,
            expires_at=end,
        )
        now = ctx.now
    assert len(made.secret) == len("dashi_") + 43
    with server.ctx(owner) as ctx:
        page = api_keys.listed(ctx, Window())
        [row] = page.rows
        assert page.count == 1
        shown = {column.name: getattr(row, column.name) for column in ApiKey.__table__.columns}
    assert shown == {
        "api_key_id": made.row.api_key_id,
        "user_id": owner.user_id,
        "website_id": website_id,
        "name": "charts",
        "hint": made.secret[:12],
        "digest": digest(made.secret),
        "scopes": "read manage",
        "expires_at": end,
        "last_used_at": None,
        "created_at": now,
    }
    with server.ctx(owner) as ctx:
        assert api_keys.revoke(ctx, row.api_key_id).name == "charts"
    assert stored(server, owner) == []
    assert outcome(server, owner, api_keys.revoke, row.api_key_id) == "Hidden"


def test_neither_the_database_nor_the_list_holds_a_key(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        made = make_key(server, "read")
        server.get("/api/websites", headers=made.header)
        listed = server.client.post(
            "/graphql",
            json={"query": "{ me { apiKeys { nodes { id name hint scopes } } } }"},
            headers=server.admin,
        ).text
    with server.runtime.accounts() as session:
        rows = [
            str(row) for table in Base.metadata.sorted_tables for row in session.execute(sa.select(table))
        ]
    assert sum(digest(made.secret) in row for row in rows) == 1
    everything = [*rows, listed, caplog.text]
    assert [text for text in everything if made.secret in text or made.secret[12:] in text] == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \u3000 "}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "\x1b[2J"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "expiresAt"),
    ],
)
def test_keys_that_cannot_be_made(server: Server, given: dict[str, Any], field: str) -> None:
    owner = person(server)
    with pytest.raises(Invalid) as refused:
        server.runtime.call(owner, api_keys.create, **{"name": "n", "scopes": [READ], **given})
    assert refused.value.field == field
    assert stored(server, owner) == []


def test_a_key_may_not_end_at_this_very_moment(server: Server) -> None:
    with server.ctx(person(server)) as ctx, pytest.raises(Invalid):
        api_keys.create(ctx, name="n", scopes=[READ], expires_at=ctx.now)


def test_only_who_is_logged_in_in_person_has_to_do_with_keys(server: Server) -> None:
    owner = person(server)
    website_id = own_website(server, owner)
    every = (READ, INGEST, MANAGE)
    actors = {
        "anonymous": ANONYMOUS,
        "system": SYSTEM,
        "share": Actor(Kind.SHARE, website_id=website_id),
        "key": issue(server, owner, *every),
        "admin's key": issue(server, ADMIN, *every),
        "unknown key": Actor(Kind.KEY, key_digest="0" * 64),
        "gone": Actor(Kind.USER, user_id=uuid4()),
    }
    with server.ctx(owner) as ctx:
        [row] = api_keys.listed(ctx, Window()).rows
    found = {
        name: (
            outcome(server, actor, api_keys.create, name="more", scopes=[READ]),
            outcome(server, actor, api_keys.listed, Window()),
            outcome(server, actor, api_keys.listed, Window(), owner.user_id),
            outcome(server, actor, api_keys.revoke, row.api_key_id),
        )
        for name, actor in actors.items()
    }
    refused, nobody = ("Denied",) * 4, ("Unauthenticated",) * 4
    assert found == {
        "anonymous": nobody,
        "system": nobody,
        "share": nobody,
        "key": refused,
        "admin's key": refused,
        "unknown key": nobody,
        "gone": nobody,
    }
    assert stored(server, owner) == [("k", "read ingest manage")]


def test_another_user_s_keys_are_an_admin_s_affair(server: Server) -> None:
    owner, stranger = person(server), person(server)
    issue(server, owner, READ)
    with server.ctx(owner) as ctx:
        [row] = api_keys.listed(ctx, Window()).rows
    assert outcome(server, stranger, api_keys.listed, Window(), owner.user_id) == "Hidden"
    assert outcome(server, stranger, api_keys.listed, Window(), uuid4()) == "Hidden"
    assert outcome(server, stranger, api_keys.revoke, row.api_key_id) == "Hidden"
    assert stored(server, owner) == [("k", "read")]
    with server.ctx() as ctx:
        assert [one.api_key_id for one in api_keys.listed(ctx, Window(), owner.user_id).rows] == [
            row.api_key_id
        ]
        api_keys.revoke(ctx, row.api_key_id)
    assert stored(server, owner) == []


def test_newest_first_in_pages_that_hold_still(server: Server) -> None:
    owner = person(server)

    def add(ctx: Ctx) -> None:
        for number in range(5):
            # Two at the same moment: the id decides.
            at = dt.datetime(2026, 11, 10, 10, number // 2, tzinfo=dt.UTC)
            ctx.db.add(
                ApiKey(
                    user_id=owner.user_id,
                    name=str(number // 2),
                    hint="",
                    digest=str(uuid4()),
                    scopes="read",
                    created_at=at,
                    expires_at=at,
                )
            )

    server.runtime.call(SYSTEM, add)
    with server.ctx(owner) as ctx:
        whole = api_keys.listed(ctx, Window(100)).rows
        assert [row.name for row in whole] == ["2", "1", "1", "0", "0"]
        seen: list[UUID] = []
        after: tuple[dt.datetime, UUID] | None = None
        while page := api_keys.listed(ctx, Window(2, after=after)).rows:
            seen += [row.api_key_id for row in page]
            after = page[-1].created_at, page[-1].api_key_id
    assert seen == [row.api_key_id for row in whole]


def test_the_website_of_a_key_is_one_the_user_may_see_and_for_managing_change(server: Server) -> None:
    cast = {name: person(server) for name in ("owner", "stranger", *access.TEAM_ROLES)}
    mine = own_website(server, cast["owner"])

    def a_team(ctx: Ctx) -> UUID:
        team = Team(name="T")
        ctx.db.add(team)
        ctx.db.flush()
        for role in access.TEAM_ROLES:
            ctx.db.add(Membership(team_id=team.team_id, user_id=cast[role].user_id, role=role))
        site = Website(name="t", domain="t.org", team_id=team.team_id)
        ctx.db.add(site)
        ctx.db.flush()
        return site.website_id

    teams = server.runtime.call(SYSTEM, a_team)
    # Whoever opened a share link reads that website, but has nothing to give a key for.
    cast["reader"] = Actor(Kind.USER, cast["stranger"].user_id, website_id=mine)
    cast["admin"] = ADMIN

    def issued(name: str, website_id: UUID) -> tuple[str, ...]:
        return tuple(
            outcome(server, cast[name], api_keys.create, name="k", scopes=[scope], website_id=website_id)
            for scope in (READ, INGEST, MANAGE)
        )

    every, none = ("yes",) * 3, ("Hidden",) * 3
    assert issued("owner", mine) == every
    assert issued("stranger", mine) == none
    assert issued("reader", mine) == ("Hidden", "Hidden", "Denied")
    assert issued("admin", mine) == every
    assert issued("owner", uuid4()) == none
    assert {role: issued(role, teams) for role in access.TEAM_ROLES} == {
        "team-owner": every,
        "team-manager": every,
        "team-member": every,
        "team-view-only": ("yes", "yes", "Denied"),
    }
    assert issued("owner", teams) == none
    assert stored(server, cast["stranger"]) == []


def test_a_user_has_a_bounded_number_of_keys(server: Server) -> None:
    owner = person(server)

    def fill(ctx: Ctx) -> None:
        for number in range(api_keys.MAX_KEYS - 2):
            ctx.db.add(
                ApiKey(user_id=owner.user_id, name=str(number), hint="", digest=str(uuid4()), scopes="read")
            )

    server.runtime.call(SYSTEM, fill)
    # At the same moment only so many fit either.
    with ThreadPoolExecutor(6) as pool:
        tries = [
            pool.submit(outcome, server, owner, api_keys.create, name="late", scopes=[READ]) for _ in range(6)
        ]
    assert sorted(one.result() for one in tries) == ["Conflict"] * 4 + ["yes"] * 2
    with pytest.raises(Conflict, match="at most 100 API keys: revoke one first"):
        server.runtime.call(owner, api_keys.create, name="late", scopes=[READ])
    assert len(stored(server, owner)) == 100
    # Others have room of their own.
    issue(server, person(server), READ)


# Scope → which of these it is enough for: reading, sending, changing.
ENOUGH = {
    READ: ("yes", "Denied", "Denied"),
    INGEST: ("Denied", "yes", "Denied"),
    MANAGE: ("yes", "Denied", "yes"),
}
ACTIONS = ("website:view", "website:ingest", "website:update")


@pytest.mark.parametrize("scope", ENOUGH)
@pytest.mark.parametrize("bound", [False, True])
def test_what_a_scope_is_enough_for(server: Server, scope: KeyScope, bound: bool) -> None:
    owner, stranger = person(server), person(server)
    mine, other, foreign = (
        own_website(server, owner),
        own_website(server, owner),
        own_website(server, stranger),
    )
    key = issue(server, owner, scope, website_id=mine if bound else None)

    def may(website_id: UUID) -> tuple[str, ...]:
        return tuple(outcome(server, key, access.website, website_id, action) for action in ACTIONS)

    # What the scope is not enough for is said of every website, there or not.
    hidden = tuple("Hidden" if said == "yes" else said for said in ENOUGH[scope])
    if scope is READ:
        hidden = ("Hidden", "Denied", "Hidden")
    assert may(mine) == ENOUGH[scope]
    assert may(other) == (hidden if bound else ENOUGH[scope])
    assert may(foreign) == may(uuid4()) == hidden


def test_a_key_of_one_website_sees_nothing_else_of_its_user(server: Server) -> None:
    owner = person(server)
    mine, other = own_website(server, owner), own_website(server, owner)
    key = issue(server, owner, READ, INGEST, MANAGE, website_id=mine)
    with server.ctx(key) as ctx:
        assert [row.website_id for row in websites.own(ctx, Window()).rows] == [mine]
        assert websites.own(ctx, Window(), search="no such name").count == 0
    assert outcome(server, key, access.user) == "Denied"
    assert outcome(server, key, access.user_account, owner.user_id, "user:view") == "Denied"
    assert outcome(server, key, websites.create, name="n", domain="d") == "Denied"
    assert outcome(server, key, websites.update, other, name="n") == "Hidden"
    assert outcome(server, key, websites.update, mine, name="renamed") == "yes"
    with server.ctx(owner) as ctx:
        assert {row.name for row in websites.own(ctx, Window()).rows} == {"renamed", "w"}


def test_a_key_of_a_team_s_website_lists_that_one(server: Server) -> None:
    member = person(server)

    def a_team(ctx: Ctx) -> tuple[UUID, UUID]:
        team = Team(name="T")
        ctx.db.add(team)
        ctx.db.flush()
        ctx.db.add(Membership(team_id=team.team_id, user_id=member.user_id, role="team-view-only"))
        site = Website(name="t", domain="t.org", team_id=team.team_id)
        ctx.db.add(site)
        ctx.db.flush()
        return team.team_id, site.website_id

    team_id, site = server.runtime.call(SYSTEM, a_team)
    own_website(server, member)
    key = issue(server, member, READ, website_id=site)
    with server.ctx(key) as ctx:
        assert [row.website_id for row in websites.own(ctx, Window()).rows] == [site]

    def leave(ctx: Ctx) -> None:
        ctx.db.execute(sa.delete(Membership).where(Membership.team_id == team_id))

    server.runtime.call(SYSTEM, leave)
    assert outcome(server, key, websites.own, Window()) == "Hidden"
    assert outcome(server, key, websites.get, site) == "Hidden"


def test_a_key_follows_its_user(server: Server) -> None:
    chief = person(server, "admin")
    foreign = own_website(server, person(server))
    key = issue(server, chief, MANAGE)
    assert outcome(server, key, access.admin, "users:view") == "yes"
    assert outcome(server, key, websites.get, foreign) == "yes"

    def demote(ctx: Ctx) -> None:
        user = ctx.db.get(User, chief.user_id)
        assert user is not None
        user.role = "view-only"

    server.runtime.call(SYSTEM, demote)
    assert outcome(server, key, access.admin, "users:view") == "Denied"
    assert outcome(server, key, websites.get, foreign) == "Hidden"
    assert outcome(server, key, websites.create, name="n", domain="d") == "Denied"

    def remove(ctx: Ctx) -> None:
        ctx.db.delete(ctx.db.get(User, chief.user_id))

    server.runtime.call(SYSTEM, remove)
    with pytest.raises(Unauthenticated, match="unknown, revoked or expired"):
        server.runtime.call(key, websites.own, Window())
    with server.ctx(SYSTEM) as ctx:
        kept = sa.select(sa.func.count()).where(ApiKey.user_id == chief.user_id)
        assert ctx.db.scalar(kept) == 0


def test_a_key_ends_with_its_website(server: Server) -> None:
    owner = person(server)
    mine = own_website(server, owner)
    key = issue(server, owner, READ, website_id=mine)
    server.runtime.call(owner, websites.delete, mine)
    assert stored(server, owner) == []
    assert outcome(server, key, access.authenticated) == "Unauthenticated"


def test_an_expired_key_is_nobody_and_stays_listed(server: Server) -> None:
    made = make_key(server, "read")
    key = Actor(Kind.KEY, key_digest=digest(made.secret))
    assert outcome(server, key, access.authenticated) == "yes"
    expire(server, made)
    assert outcome(server, key, access.authenticated) == "Unauthenticated"
    with server.ctx() as ctx:
        row = ctx.db.get(ApiKey, UUID(made.id))
        assert row is not None
        assert row.is_over(ctx.now)
        assert row in api_keys.listed(ctx, Window(1000)).rows


@pytest.mark.parametrize(
    ("before", "noted"), [(None, True), (61, True), (59, False), (0, False)], ids=["never", "61", "59", "0"]
)
def test_the_last_use_is_exact_to_a_minute(server: Server, before: int | None, noted: bool) -> None:
    owner = person(server)
    key = issue(server, owner, READ)
    was = None if before is None else utc_now() - dt.timedelta(seconds=before)

    def used(ctx: Ctx) -> dt.datetime | None:
        return ctx.db.scalar(sa.select(ApiKey.last_used_at).where(ApiKey.digest == key.key_digest))

    def set_used(ctx: Ctx) -> None:
        ctx.db.execute(sa.update(ApiKey).where(ApiKey.digest == key.key_digest).values(last_used_at=was))

    server.runtime.call(SYSTEM, set_used)
    start = utc_now()
    server.runtime.call(key, websites.own, Window())
    now = server.runtime.call(SYSTEM, used)
    if noted:
        assert now is not None
        assert start <= now <= utc_now()
    else:
        assert now == was


def test_a_use_that_cannot_be_noted_is_answered(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    with running(make_settings("duckdb")) as server:
        made = make_key(server, "read")
        with server.runtime.accounts() as session:
            # Another process writes for as long as a connection waits, and longer.
            session.execute(sa.text("BEGIN IMMEDIATE"))
            assert server.get("/api/websites", headers=made.header)["count"] == 0
            session.rollback()
        assert "the use of an API key could not be noted" in caplog.text
        assert made.secret not in caplog.text
        assert server.get("/api/websites", headers=made.header)["count"] == 0
        with server.ctx() as ctx:
            [row] = api_keys.listed(ctx, Window()).rows
            assert row.last_used_at is not None


def test_a_key_that_is_revoked_twice_at_the_same_moment(server: Server) -> None:
    owner = person(server)
    for _ in range(5):
        issue(server, owner, READ)
        with server.ctx(owner) as ctx:
            [row] = api_keys.listed(ctx, Window()).rows
        with ThreadPoolExecutor(4) as pool:
            tries = [pool.submit(outcome, server, owner, api_keys.revoke, row.api_key_id) for _ in range(4)]
        results = {one.result() for one in tries}
        assert "yes" in results
        assert results <= {"yes", "Hidden"}
        assert stored(server, owner) == []


def test_what_is_said_of_a_key_that_does_not_do(server: Server) -> None:
    owner = person(server)
    mine = own_website(server, owner)
    for actor, verb, error, message in (
        (
            issue(server, owner, READ),
            lambda ctx: websites.update(ctx, mine),
            Denied,
            "does not have the scope 'manage'",
        ),
        (issue(server, owner, READ, website_id=mine), access.user, Denied, "for one website only"),
        (issue(server, owner, READ), access.in_person, Denied, "log in"),
        (issue(server, owner, READ), lambda ctx: websites.get(ctx, uuid4()), Hidden, "Website not found"),
    ):
        with pytest.raises(error, match=message):
            server.runtime.call(actor, verb)

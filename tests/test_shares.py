"""Share links: who makes them, and that all that was opened with one ends with it, behind both doors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import access, auth, shares, websites
from app.access import KeyScope
from app.context import ANONYMOUS, SYSTEM, Actor, Ctx, Kind
from app.errors import AppError, Conflict, Invalid, NotFound, Unauthenticated
from app.models import Membership, Share, Team, User, Website, utc_now
from app.security import digest
from tests.keys import make_key
from tests.server import ADMIN, Server

HOUR = dt.timedelta(hours=1)


def stored(server: Server, website: str | UUID) -> list[tuple[str, bool]]:
    """(slug, is the default) of a website's shares."""
    with server.ctx(SYSTEM) as ctx:
        return [(row.slug, row.is_default) for row in shares.listed(ctx, UUID(str(website)))]


def outcome(server: Server, actor: Actor, verb: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """`yes`, or the name of the refusal."""
    try:
        server.runtime.call(actor, verb, *arguments, **named)
    except AppError as error:
        return type(error).__name__
    return "yes"


def opens(server: Server, slug: str, password: str | None = None) -> str:
    return outcome(server, ANONYMOUS, auth.open_share, slug, password)


def test_a_share_is_made_changed_and_revoked(server: Server, website: str) -> None:
    site, end = UUID(website), utc_now() + HOUR
    with server.ctx() as ctx:
        made = shares.create(ctx, site, name="press", password="open sesame", expires_at=end)
        now = ctx.now
    assert len(made.slug) == 16
    assert made.slug.isalnum()
    with server.ctx() as ctx:
        [row] = shares.listed(ctx, site)
        assert row.password is not None
        assert row.password.startswith("$2b$")
        assert (row.name, row.expires_at, row.is_default, row.created_at) == ("press", end, False, now)
    assert (opens(server, made.slug), opens(server, made.slug, "wrong")) == ("Unauthenticated",) * 2
    assert opens(server, made.slug, "open sesame") == "yes"
    with server.ctx() as ctx:
        shares.update(ctx, made.share_id, name="all", password=None, expires_at=None)
    with server.ctx() as ctx:
        [row] = shares.listed(ctx, site)
        assert (row.name, row.password, row.expires_at, row.slug) == ("all", None, None, made.slug)
    assert opens(server, made.slug) == "yes"
    assert outcome(server, ADMIN, shares.update, made.share_id) == "yes"
    with server.ctx() as ctx:
        assert shares.revoke(ctx, made.share_id).name == "all"
    assert stored(server, website) == []
    assert opens(server, made.slug) == "NotFound"
    assert outcome(server, ADMIN, shares.revoke, made.share_id) == "Hidden"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "n" * 101}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"password": ""}, "password"),
    ({"password": "p" * 73}, "password"),
    ({"password": "ü" * 37}, "password"),
    ({"password": "a\0b"}, "password"),
    ({"expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "expiresAt"),
]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        *BAD,
        *(
            ({"slug": slug}, "slug")
            for slug in ("", "short", "x" * 17, "with-dash", "newline1\n", "ümlaut12")
        ),
    ],
)
def test_shares_that_cannot_be_made(server: Server, website: str, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        server.runtime.call(ADMIN, shares.create, UUID(website), **given)
    assert refused.value.field == field
    assert stored(server, website) == []


@pytest.mark.parametrize(("given", "field"), BAD)
def test_shares_that_cannot_be_changed_so(
    server: Server, website: str, given: dict[str, Any], field: str
) -> None:
    made = server.runtime.call(ADMIN, shares.create, UUID(website), name="kept", password="kept")
    with pytest.raises(Invalid) as refused:
        server.runtime.call(ADMIN, shares.update, made.share_id, **{"name": "other", **given})
    assert refused.value.field == field
    with server.ctx() as ctx:
        [row] = shares.listed(ctx, UUID(website))
        assert (row.name, row.password, row.expires_at) == ("kept", made.password, None)


def test_an_expired_share_can_be_given_more_time(server: Server, website: str) -> None:
    made = server.runtime.call(ADMIN, shares.create, UUID(website), expires_at=utc_now() + HOUR)
    end_now(server, made.share_id)
    assert opens(server, made.slug) == "NotFound"
    # What stays as it is need not be in the future.
    server.runtime.call(ADMIN, shares.update, made.share_id, name="late")
    server.runtime.call(ADMIN, shares.update, made.share_id, expires_at=utc_now() + HOUR)
    assert opens(server, made.slug) == "yes"


def test_a_slug_belongs_to_one_share(server: Server, website: str) -> None:
    slug = uuid4().hex[:12]
    server.runtime.call(ADMIN, shares.create, UUID(website), slug=slug)
    other = server.create_website()
    with pytest.raises(Conflict) as refused:
        server.runtime.call(ADMIN, shares.create, UUID(other), slug=slug)
    assert refused.value.field == "slug"
    assert (stored(server, website), stored(server, other)) == ([(slug, False)], [])


def test_a_website_has_a_bounded_number_of_shares(server: Server, website: str) -> None:
    site = UUID(website)

    def fill(ctx: Ctx) -> None:
        ctx.db.add_all(Share(website_id=site, slug=uuid4().hex) for _ in range(shares.MAX_SHARES - 2))

    server.runtime.call(SYSTEM, fill)
    # At the same moment only so many fit either.
    with ThreadPoolExecutor(6) as pool:
        tries = [pool.submit(outcome, server, ADMIN, shares.create, site) for _ in range(6)]
    assert sorted(one.result() for one in tries) == ["Conflict"] * 4 + ["yes"] * 2
    with pytest.raises(Conflict, match="at most 100 shares: revoke one first"):
        server.runtime.call(ADMIN, shares.create, site)
    assert len(stored(server, site)) == 100


def test_who_has_to_do_with_a_website_s_shares(server: Server) -> None:
    def set_up(ctx: Ctx) -> tuple[dict[str, Actor], UUID, UUID]:
        team = Team(name="T")
        ctx.db.add(team)
        users = {
            name: User(username=f"{name} {uuid4()}", password="x", role="user")
            for name in ("stranger", *access.TEAM_ROLES)
        }
        ctx.db.add_all(users.values())
        ctx.db.flush()
        for role in access.TEAM_ROLES:
            ctx.db.add(Membership(team_id=team.team_id, user_id=users[role].user_id, role=role))
        site = Website(name="t", domain="t.org", team_id=team.team_id)
        ctx.db.add(site)
        ctx.db.flush()
        made = Share(website_id=site.website_id, slug=uuid4().hex[:16])
        ctx.db.add(made)
        ctx.db.flush()
        actors = {name: Actor(Kind.USER, user_id=user.user_id) for name, user in users.items()}
        return actors, site.website_id, made.share_id

    cast, site, share_id = server.runtime.call(SYSTEM, set_up)
    cast |= {
        "anonymous": ANONYMOUS,
        "reader": Actor(Kind.SHARE, website_id=site, share_id=share_id),
        "admin": ADMIN,
        **{
            f"{scope} key": Actor(
                Kind.KEY, key_digest=digest(make_key(server, scope, website=str(site)).secret)
            )
            for scope in KeyScope
        },
    }
    verbs: tuple[tuple[Callable[..., object], tuple[UUID, ...]], ...] = (
        (shares.listed, (site,)),
        (shares.create, (site,)),
        (shares.update, (share_id,)),
        (shares.update, (uuid4(),)),
        (shares.revoke, (uuid4(),)),
    )
    found = {
        name: tuple(outcome(server, actor, verb, *arguments) for verb, arguments in verbs)
        for name, actor in cast.items()
    }
    every = ("yes", "yes", "yes", "Hidden", "Hidden")
    assert found == {
        "stranger": ("Hidden",) * 5,
        "team-owner": every,
        "team-manager": every,
        "team-member": every,
        "team-view-only": ("Denied", "Denied", "Denied", "Hidden", "Hidden"),
        "anonymous": ("Unauthenticated",) * 5,
        "reader": ("Unauthenticated", "Unauthenticated", "Unauthenticated", "Hidden", "Hidden"),
        "admin": every,
        "read key": ("Denied",) * 5,
        "ingest key": ("Denied",) * 5,
        "manage key": every,
    }
    for name in ("stranger", "team-view-only", "anonymous", "reader", "read key", "ingest key"):
        assert outcome(server, cast[name], shares.revoke, share_id) != "yes"
    # One was there, and each of the five who may have made one.
    assert len(stored(server, site)) == 6
    with server.ctx(cast["stranger"]) as ctx, pytest.raises(NotFound, match="Share not found"):
        shares.revoke(ctx, share_id)


def end_now(server: Server, share_id: UUID) -> None:
    """Let the end of a share be a moment ago."""

    def end(ctx: Ctx) -> None:
        row = ctx.db.get(Share, share_id)
        assert row is not None
        row.expires_at = utc_now() - dt.timedelta(milliseconds=1)

    server.runtime.call(SYSTEM, end)


def change(server: Server, share_id: UUID, **changes: Any) -> None:
    server.runtime.call(ADMIN, shares.update, share_id, **changes)


def remove_website(server: Server, share_id: UUID) -> None:
    with server.ctx() as ctx:
        row = ctx.db.get(Share, share_id)
        assert row is not None
        websites.delete(ctx, row.website_id)


FIGURES = """query($id: ID!) { website(id: $id) { analytics(period: {all: true}) { totals { visitors { value } } } } }"""

# What ends a token: (the share's password at first, what happens to the share, the password that then opens it anew;
# None: none does).
ENDS: dict[str, tuple[str | None, Callable[[Server, UUID], None], tuple[str | None, ...]]] = {
    "revoked": (None, lambda s, i: s.runtime.call(ADMIN, shares.revoke, i) and None, ()),
    "revoked with its password": ("first", lambda s, i: s.runtime.call(ADMIN, shares.revoke, i) and None, ()),
    "expired": (None, end_now, ()),
    "the password is another": ("first", lambda s, i: change(s, i, password="second"), ("second",)),
    "the password is set anew": ("first", lambda s, i: change(s, i, password="first"), ("first",)),
    "there is a password now": (None, lambda s, i: change(s, i, password="second"), ("second",)),
    "there is no password now": ("first", lambda s, i: change(s, i, password=None), (None,)),
    "the website is gone": (None, remove_website, ()),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_was_opened_with_a_share_ends_with_it(server: Server, website: str, how: str) -> None:
    password, end, reopens = ENDS[how]
    site = UUID(website)
    made = server.runtime.call(ADMIN, shares.create, site, password=password)
    kept = server.runtime.call(ADMIN, shares.create, site)

    def answers(token: str) -> tuple[int, int, str]:
        """What REST says of the website and its figures, and GraphQL's code, with this token."""
        headers = {"x-umami-share-token": token}
        url = f"/api/websites/{website}"
        seen = server.client.get(url, headers=headers).status_code
        figures = server.client.get(f"{url}/stats?startAt=0&endAt=1", headers=headers).status_code
        answer = server.graphql(FIGURES, {"id": website}, headers)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        return seen, figures, codes[0] if codes else "ok"

    token = server.runtime.call(ANONYMOUS, auth.open_share, made.slug, password).token
    other = server.runtime.call(ANONYMOUS, auth.open_share, kept.slug).token
    assert answers(token) == answers(other) == (200, 200, "ok")
    # Changing what has nothing to do with it ends nothing.
    change(server, made.share_id, name="renamed", expires_at=utc_now() + HOUR)
    assert answers(token) == (200, 200, "ok")
    end(server, made.share_id)
    assert answers(token) == (401, 401, "unauthenticated")
    if how != "the website is gone":
        assert answers(other) == (200, 200, "ok")
    for word in reopens:
        anew = server.runtime.call(ANONYMOUS, auth.open_share, made.slug, word).token
        assert answers(anew) == (200, 200, "ok")
        assert answers(token) == (401, 401, "unauthenticated")
    if not reopens:
        assert opens(server, made.slug, password) == "NotFound"


def test_rest_knows_the_default_share_and_ends_that_one_alone(server: Server, website: str) -> None:
    url = f"/api/websites/{website}"
    made = server.runtime.call(ADMIN, shares.create, UUID(website), slug="z" + uuid4().hex[:10])
    assert server.get(url)["shareId"] is None
    first, second = uuid4().hex[:12], uuid4().hex[:12]

    def put(slug: str | None) -> Any:
        return server.client.post(url, json={"shareId": slug}, headers=server.admin).json()["shareId"]

    assert put(first) == first
    assert sorted(stored(server, website)) == sorted([(made.slug, False), (first, True)])
    assert put(second) == second
    assert sorted(stored(server, website)) == sorted([(made.slug, False), (second, True)])
    assert (opens(server, first), opens(server, second)) == ("NotFound", "yes")
    assert put(None) is None
    assert stored(server, website) == [(made.slug, False)]
    assert opens(server, made.slug) == "yes"


def test_graphql_s_share_id_is_the_default_share(server: Server, website: str) -> None:
    made = server.runtime.call(ADMIN, shares.create, UUID(website))
    change_it = "mutation($id: ID!, $s: String) { updateWebsite(id: $id, input: {shareId: $s}) { shareId } }"
    slug = uuid4().hex[:12]
    for wanted in (slug, None):
        answer = server.graphql(change_it, {"id": website, "s": wanted})
        assert answer["data"]["updateWebsite"] == {"shareId": wanted}
        default = [] if wanted is None else [(wanted, True)]
        assert sorted(stored(server, website)) == sorted([(made.slug, False), *default])
    create = (
        'mutation($s: String) { createWebsite(input: {name: "n", domain: "d", shareId: $s}) { id shareId } }'
    )
    other = server.graphql(create, {"s": slug})["data"]["createWebsite"]
    assert (other["shareId"], stored(server, other["id"])) == (slug, [(slug, True)])


def test_who_reads_by_one_share_is_not_told_of_another(server: Server, website: str) -> None:
    default = uuid4().hex[:12]
    server.client.post(f"/api/websites/{website}", json={"shareId": default}, headers=server.admin)
    made = server.runtime.call(ADMIN, shares.create, UUID(website))

    def told(slug: str) -> tuple[str | None, str | None]:
        token = server.runtime.call(ANONYMOUS, auth.open_share, slug).token
        headers = {"x-umami-share-token": token}
        answer = server.graphql("query($id: ID!) { website(id: $id) { shareId } }", {"id": website}, headers)
        rest = server.get(f"/api/websites/{website}", headers=headers)["shareId"]
        return rest, answer["data"]["website"]["shareId"]

    assert told(made.slug) == (None, None)
    assert told(default) == (default, default)
    assert server.get(f"/api/websites/{website}")["shareId"] == default


def test_a_password_is_looked_for_only_where_one_is_given(server: Server, website: str) -> None:
    made = server.runtime.call(ADMIN, shares.create, UUID(website), password="x")
    for given, message in ((None, "needs a password"), ("", "needs a password"), ("y", "Incorrect")):
        with pytest.raises(Unauthenticated, match=message) as refused:
            server.runtime.call(ANONYMOUS, auth.open_share, made.slug, given)
        assert refused.value.field == "password"
    open_to_all = server.runtime.call(ADMIN, shares.create, UUID(website))
    assert opens(server, open_to_all.slug, "anything") == "yes"


def test_no_hash_of_a_password_is_shown(server: Server, website: str) -> None:
    server.runtime.call(ADMIN, shares.create, UUID(website), password="x")
    with server.ctx(SYSTEM) as ctx:
        hashed = ctx.db.scalar(sa.select(Share.password).where(Share.website_id == UUID(website)))
    assert hashed is not None
    query = "query($id: ID!) { website(id: $id) { shares { id slug name hasPassword } } }"
    answer = server.client.post(
        "/graphql", json={"query": query, "variables": {"id": website}}, headers=server.admin
    )
    rest = server.client.get(f"/api/websites/{website}", headers=server.admin)
    assert '"hasPassword":true' in answer.text
    assert [text for text in (answer.text, rest.text) if hashed in text] == []

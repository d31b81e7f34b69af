"""Websites: create, list, read, change, reset, delete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, joinedload, selectinload
from sqlalchemy.sql.expression import ColumnElement

from app import access, removals, retention, rules, shares
from app.context import Ctx
from app.errors import Conflict, Denied, Invalid
from app.keep import KEEP, Keep
from app.models import Membership, Team, Website
from app.paging import Key, Page, Window, page
from app.sql import ordinal

MAX_NAME: Final = 100
MAX_DOMAIN: Final = 500

# What a list of websites can be ordered by.
_ID: Final = Website.__table__.c.website_id
ORDERS: Final[Mapping[str, ColumnElement[Any]]] = {
    "id": _ID,
    "name": ordinal(Website.name),
    "domain": ordinal(Website.domain),
    "createdAt": Website.__table__.c.created_at,
    "updatedAt": Website.__table__.c.updated_at,
    "resetAt": Website.__table__.c.reset_at,
}


def get(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may read. Raises as `access.view_website`."""
    return access.view_website(ctx, website_id)


def own(ctx: Ctx, window: Window, *, search: str = "", order_by: str = "name") -> Page[Website]:
    """The asking user's own websites, those of teams left out; `search` is looked for in name and domain.

    For an API key of one website it is that one, a team's included. A window's `after` is a (name, id) and goes with
    the order by name. An unknown `order_by` is the name.
    """
    asking = access.user(ctx, within_website=True)
    which = Website.user_id == asking.user_id
    if ctx.key is not None and ctx.key.website_id is not None:
        which = Website.website_id == access.view_website(ctx, ctx.key.website_id).website_id
    return listed(ctx, which, window, search, order_by)


def listed(
    ctx: Ctx,
    which: ColumnElement[bool],
    window: Window,
    search: str,
    order_by: str = "name",
    *,
    with_teams: bool = False,
) -> Page[Website]:
    """A page of the websites of a condition, with their owners and maybe teams.

    Whoever calls it has checked that the actor may see them.
    """
    query = sa.select(Website).where(which).options(joinedload(Website.owner), selectinload(Website.shares))
    if with_teams:
        query = query.options(joinedload(Website.team).selectinload(Team.memberships))
    if search:
        query = query.where(
            Website.name.icontains(search, autoescape=True)
            | Website.domain.icontains(search, autoescape=True)
        )
    return page(ctx, query, (Key(ORDERS.get(order_by, ORDERS["name"])), Key(_ID)), window)


def of_user(
    ctx: Ctx, user_id: UUID, window: Window, *, search: str = "", order_by: str = "name"
) -> Page[Website]:
    """The websites that a user owns itself, for admins and the user. As `own`; raises as `access.user_account`."""
    access.user_account(ctx, user_id, "user:view")
    return listed(ctx, Website.user_id == user_id, window, search, order_by)


def every(ctx: Ctx, window: Window, *, search: str = "") -> Page[Website]:
    """All websites there are, those without an owner too; for admins."""
    access.admin(ctx, "users:view")
    return listed(ctx, sa.true(), window, search)


def within_reach(
    ctx: Ctx,
    user_id: UUID,
    window: Window,
    *,
    search: str = "",
    order_by: str = "name",
    owned_teams: bool,
    all_teams: bool,
) -> Page[Website]:
    """The websites of a user and of the teams it owns, or of all its teams; for admins."""
    access.admin(ctx, "users:view")
    which = [Website.user_id == user_id]
    if owned_teams or all_teams:
        teams = sa.select(Membership.team_id).where(Membership.user_id == user_id)
        which.append(
            Website.team_id.in_(teams if all_teams else teams.where(Membership.role == "team-owner"))
        )
    return listed(ctx, sa.or_(*which), window, search, order_by, with_teams=True)


def counts(ctx: Ctx, column: InstrumentedAttribute[UUID | None], ids: Collection[UUID]) -> dict[UUID, int]:
    """How many websites each of these users (`Website.user_id`) or teams (`Website.team_id`) has; none is left out.

    Whoever calls it has checked that the actor may see them.
    """
    found = ctx.db.execute(sa.select(column, sa.func.count()).where(column.in_(ids)).group_by(column)).all()
    return dict.fromkeys(ids, 0) | {one: number for one, number in found if one is not None}


def create(
    ctx: Ctx,
    *,
    name: str,
    domain: str,
    share_slug: str | None = None,
    team_id: UUID | None = None,
    website_id: UUID | None = None,
    allowed_hosts: Sequence[str] = (),
    excluded_hosts: Sequence[str] = (),
    excluded_addresses: Sequence[str] = (),
    retention_days: int | None = None,
) -> Website:
    """A new website of the asking user, or of a team; which hits it takes is told in `app.rules`.

    Raises Denied without the permission, Invalid for a bad name, domain or number of days or an entry of the lists that is
    none, Conflict for an id or a share slug in use.
    """
    creator = access.create_website(ctx, team_id)
    _check(name, domain)
    taken = _checked_rules(allowed_hosts, excluded_hosts, excluded_addresses)
    retention.check_days(retention_days)
    removed_upto = None
    if website_id is not None:
        if ctx.db.get(Website, website_id) is not None:
            raise Conflict("That website ID is already taken.", field="id")
        removed_upto = removals.before_creating(ctx.runtime, website_id)
    website = Website(
        website_id=website_id or uuid4(),
        name=name,
        domain=domain,
        user_id=None if team_id else creator.user_id,
        team_id=team_id,
        retention_days=retention_days,
        removed_upto=removed_upto,
        created_by=creator.user_id,
        created_at=ctx.now,
        updated_at=ctx.now,
        **taken,
    )
    ctx.db.add(website)
    if share_slug is not None:
        shares.add(ctx, website, share_slug, is_default=True)
    ctx.db.flush()
    ctx.website_changed(website.website_id)
    return website


def update(
    ctx: Ctx,
    website_id: UUID,
    *,
    name: str | Keep = KEEP,
    domain: str | Keep = KEEP,
    share_slug: str | Keep | None = KEEP,
    allowed_hosts: Sequence[str] | Keep = KEEP,
    excluded_hosts: Sequence[str] | Keep = KEEP,
    excluded_addresses: Sequence[str] | Keep = KEEP,
    retention_days: int | Keep | None = KEEP,
) -> Website:
    """Change what is given. `share_slug` None ends the share that REST shows, `retention_days` None keeps everything.

    Raises as `access.update_website`; Invalid for a bad value, Conflict for a slug in use.
    """
    website = access.update_website(ctx, website_id)
    new_name = website.name if isinstance(name, Keep) else name
    new_domain = website.domain if isinstance(domain, Keep) else domain
    _check(new_name, new_domain)
    for column, value in _checked_rules(allowed_hosts, excluded_hosts, excluded_addresses).items():
        setattr(website, column, value)
    website.name, website.domain, website.updated_at = new_name, new_domain, ctx.now
    if not isinstance(share_slug, Keep) and share_slug != website.share_slug:
        if share_slug is not None:
            shares.check_slug(share_slug)
        if website.default_share is not None:
            website.shares.remove(website.default_share)
            ctx.db.flush()
        if share_slug is not None:
            shares.add(ctx, website, share_slug, is_default=True)
    if not isinstance(retention_days, Keep) and retention_days != website.retention_days:
        retention.check_days(retention_days)
        # What was too old until now is gone or about to go, and does not come back.
        website.kept_since = retention.kept_since(website, ctx.now)
        website.retention_days = retention_days
        ctx.after_commit.append(ctx.runtime.removal_asked)
    ctx.db.flush()
    ctx.website_changed(website_id)
    return website


def transfer(
    ctx: Ctx, website_id: UUID, *, user_id: UUID | None = None, team_id: UUID | None = None
) -> Website:
    """Hand a team's website to oneself (`user_id`), or one's own to a team. With both, `user_id` counts.

    Raises as `access.website` and `access.team`, Denied for another user than oneself, Invalid without either.
    """
    access.view_website(ctx, website_id)
    if user_id is not None:
        website = access.website(ctx, website_id, "website:transfer-to-user")
        if ctx.user is None or ctx.user.user_id != user_id:
            raise Denied("A website can be transferred to yourself only")
        website.user_id, website.team_id = user_id, None
    elif team_id is not None:
        website = access.website(ctx, website_id, "website:transfer-to-team")
        access.team(ctx, team_id, "team:receive-website")
        website.user_id, website.team_id = None, team_id
    else:
        raise Invalid
    website.updated_at = ctx.now
    ctx.db.flush()
    return website


def delete(ctx: Ctx, website_id: UUID) -> Website:
    """Remove a website with everything that was collected for it; answers what it was.

    What is much goes in the background: see `app.removals`.
    """
    website = access.delete_website(ctx, website_id)
    ctx.db.delete(website)
    removals.of_deleted(ctx, website_id)
    ctx.db.flush()
    return website


def reset(ctx: Ctx, website_id: UUID) -> Website:
    """Remove everything collected for a website and count from now on. What is much goes in the background."""
    return removals.reset(ctx, website_id)


def _check(name: str, domain: str) -> None:
    for field, value, limit in (("name", name, MAX_NAME), ("domain", domain, MAX_DOMAIN)):
        if len(value) > limit:
            raise Invalid(f"{field} must contain at most {limit} characters", field=field)
        if "\0" in value:
            raise Invalid(f"{field} must not contain NUL characters", field=field)


def _checked_rules(
    allowed_hosts: Sequence[str] | Keep,
    excluded_hosts: Sequence[str] | Keep,
    excluded_addresses: Sequence[str] | Keep,
) -> dict[str, list[str]]:
    """Those of the lists that are given, as they are kept, by column. Raises Invalid as `rules.hosts` does."""
    given: tuple[tuple[str, Sequence[str] | Keep, Callable[[Sequence[str], str], list[str]]], ...] = (
        ("allowed_hosts", allowed_hosts, rules.hosts),
        ("excluded_hosts", excluded_hosts, rules.hosts),
        ("excluded_addresses", excluded_addresses, rules.addresses),
    )
    return {
        column: check(entries, column) for column, entries, check in given if not isinstance(entries, Keep)
    }

"""Who may do what. The rules of Umami v2 REST behaviour §1.4 as tables, and one function for each way to a row.

The first line of every verb is a call of this module: it returns the row or raises. A website the actor may not see is
Hidden, so that nothing tells whether it exists.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app.context import Ctx, Kind
from app.errors import Denied, Hidden, Unauthenticated
from app.models import Membership, User, Website

ROLES: Final[dict[str, frozenset[str]]] = {
    "admin": frozenset({"website:create", "website:update", "website:delete", "team:create"}),
    "user": frozenset({"website:create", "website:update", "website:delete", "team:create"}),
    "view-only": frozenset(),
}

TEAM_ROLES: Final[dict[str, frozenset[str]]] = {
    "team-owner": frozenset(
        {
            "team:update",
            "team:delete",
            "website:create",
            "website:update",
            "website:delete",
            "website:transfer-to-team",
            "website:transfer-to-user",
        }
    ),
    "team-manager": frozenset(
        {"team:update", "website:create", "website:update", "website:delete", "website:transfer-to-team"}
    ),
    "team-member": frozenset({"website:create", "website:update", "website:delete"}),
    "team-view-only": frozenset(),
}


def authenticated(ctx: Ctx) -> None:
    """Raise Unauthenticated unless a user, a share or the system asks."""
    if ctx.user is None and ctx.actor.website_id is None and ctx.actor.kind is not Kind.SYSTEM:
        raise Unauthenticated


def user(ctx: Ctx) -> User:
    """The user who asks, or Unauthenticated."""
    if ctx.user is None:
        raise Unauthenticated
    return ctx.user


def team_role(ctx: Ctx, team_id: UUID) -> str | None:
    """The asking user's role in a team, None if not a member."""
    if ctx.user is None:
        return None
    mine = (Membership.team_id == team_id) & (Membership.user_id == ctx.user.user_id)
    return ctx.db.scalar(sa.select(Membership.role).where(mine))


def _team_allows(ctx: Ctx, team_id: UUID | None, permission: str) -> bool:
    role = team_role(ctx, team_id) if team_id else None
    return permission in TEAM_ROLES.get(role or "", frozenset())


def view_website(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may read.

    Raises Unauthenticated when nobody asks, Hidden when there is none or the actor may not see it.
    """
    authenticated(ctx)
    website = ctx.db.get(Website, website_id)
    if website is None or not _may_view(ctx, website):
        raise Hidden("Website not found")
    return website


def _may_view(ctx: Ctx, website: Website) -> bool:
    if ctx.actor.kind is Kind.SYSTEM:
        return True
    if ctx.actor.website_id == website.website_id:
        return True
    asking = ctx.user
    if asking is None:
        return False
    if asking.is_admin or website.user_id == asking.user_id:
        return True
    return website.team_id is not None and team_role(ctx, website.team_id) is not None


def update_website(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may change. Raises as `view_website`, and Denied for one it may only read."""
    return _website_with(ctx, website_id, "website:update")


def delete_website(ctx: Ctx, website_id: UUID) -> Website:
    """A website the actor may delete. Raises as `view_website`, and Denied for one it may only read."""
    return _website_with(ctx, website_id, "website:delete")


def _website_with(ctx: Ctx, website_id: UUID, permission: str) -> Website:
    website = view_website(ctx, website_id)
    if ctx.actor.kind is Kind.SYSTEM:
        return website
    asking = user(ctx)
    # An owner may, even as a view-only user; a team's website follows the role in that team.
    if asking.is_admin or website.user_id == asking.user_id or _team_allows(ctx, website.team_id, permission):
        return website
    raise Denied


def create_website(ctx: Ctx, team_id: UUID | None = None) -> User:
    """The user who may create a website for itself or for the team. Raises Unauthenticated or Denied."""
    asking = user(ctx)
    allowed = "website:create" in ROLES.get(asking.role, frozenset())
    if team_id is not None and not asking.is_admin:
        allowed = allowed and _team_allows(ctx, team_id, "website:create")
    if not allowed:
        raise Denied
    return asking

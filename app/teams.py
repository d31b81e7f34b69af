"""Teams: users who see the same websites, each in a role."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql.expression import ColumnElement

from app import access, websites
from app.access import MANAGE, TEAM_ROLES
from app.context import Ctx
from app.errors import Conflict, Denied, Invalid, NotFound
from app.keep import KEEP, Keep
from app.models import Membership, Team, User, Website
from app.paging import Key, Page, Window, page
from app.security import random_code
from app.sql import ordinal

MAX_NAME: Final = 50
MAX_CODE: Final = 50
OWNER: Final = "team-owner"
# What a member can be made; the owner is who created the team.
MEMBER_ROLES: Final = tuple(role for role in TEAM_ROLES if role != OWNER)

_ID: Final = Team.__table__.c.team_id
_MEMBERSHIP: Final = Membership.__table__.c
# What lists of teams and of members can be ordered by.
ORDERS: Final[Mapping[str, ColumnElement[Any]]] = {
    "id": _ID,
    "name": ordinal(Team.name),
    "createdAt": Team.__table__.c.created_at,
    "updatedAt": Team.__table__.c.updated_at,
}
MEMBER_ORDERS: Final[Mapping[str, ColumnElement[Any]]] = {
    "id": _MEMBERSHIP.membership_id,
    "userId": _MEMBERSHIP.user_id,
    "role": ordinal(Membership.role),
    "createdAt": _MEMBERSHIP.created_at,
    "updatedAt": _MEMBERSHIP.updated_at,
}


def of_user(
    ctx: Ctx, user_id: UUID, window: Window, *, search: str = "", order_by: str = "name"
) -> Page[Team]:
    """The teams of a user by name, with their members; for admins and the user itself.

    A window's `after` is a (name, id) and goes with the order by name, which any unknown `order_by` is too. Raises as `access.user_account`.
    """
    access.user_account(ctx, user_id, "user:view")
    mine = sa.select(Membership.team_id).where(Membership.user_id == user_id)
    query = sa.select(Team).where(_ID.in_(mine))
    if search:
        query = query.where(Team.name.icontains(search, autoescape=True))
    query = query.options(selectinload(Team.memberships).joinedload(Membership.user))
    return page(ctx, query, (Key(ORDERS.get(order_by, ORDERS["name"])), Key(_ID)), window)


def get(ctx: Ctx, team_id: UUID) -> Team:
    """A team, for its members and admins. Raises as `access.team`."""
    return access.team(ctx, team_id, "team:view")


def named(ctx: Ctx, team_ids: Collection[UUID]) -> dict[UUID, Team]:
    """Teams by id: those that own websites which the actor may see. Who sees a team's website sees the team."""
    access.user(ctx, within_website=True)
    return {found.team_id: found for found in ctx.db.scalars(sa.select(Team).where(_ID.in_(team_ids)))}


def create(ctx: Ctx, name: str) -> Membership:
    """A new team of which the asking user is the owner: its membership. Raises Invalid for a bad name."""
    asking = access.user(ctx, MANAGE)
    _check("name", name, MAX_NAME)
    team = Team(name=name, access_code=_new_code(), created_at=ctx.now, updated_at=ctx.now)
    owner = _membership(ctx, asking.user_id, OWNER)
    team.memberships.append(owner)
    ctx.db.add(team)
    ctx.db.flush()
    return owner


def update(ctx: Ctx, team_id: UUID, *, name: str | Keep = KEEP, access_code: str | Keep = KEEP) -> Team:
    """Change what is given. Raises as `access.team`, Invalid for a bad value, Conflict for an access code in use."""
    team = access.team(ctx, team_id, "team:update")
    if not isinstance(name, Keep):
        _check("name", name, MAX_NAME)
        team.name = name
    if not isinstance(access_code, Keep) and access_code != team.access_code:
        _check("accessCode", access_code, MAX_CODE)
        if ctx.db.scalar(sa.select(_ID).where(Team.access_code == access_code)) is not None:
            raise Conflict("This access code is already taken.", field="accessCode")
        team.access_code = access_code
    team.updated_at = ctx.now
    ctx.db.flush()
    return team


def access_code(ctx: Ctx, team_id: UUID) -> str | None:
    """What users join a team with, None for those who may see the team but not change it. Raises as `access.team`."""
    try:
        return access.team(ctx, team_id, "team:update").access_code
    except Denied:
        return None


def invitation(ctx: Ctx, team: Team) -> str | None:
    """A team's access code, for those whom it gives nothing that they have not; None for the others.

    Umami shows it to every member. Who joins with it may change the team's websites, though: a view-only member would
    leave and come back as more, and a key that only reads would let somebody in. `team` is one that the actor may see.
    """
    asking = access.user(ctx)
    if ctx.key is not None and MANAGE not in ctx.key.scopes.split():
        return None
    role = next((one.role for one in team.memberships if one.user_id == asking.user_id), None)
    return team.access_code if asking.is_admin or role not in (None, "team-view-only") else None


def renew_access_code(ctx: Ctx, team_id: UUID) -> Team:
    """Give a team a new random access code: nobody joins by the old one any more. Raises as `access.team`."""
    return update(ctx, team_id, access_code=_new_code())


def delete(ctx: Ctx, team_id: UUID) -> Team:
    """Remove a team; its websites remain, without an owner. Answers what it was. Raises as `access.team`."""
    team = access.team(ctx, team_id, "team:delete")
    ctx.db.delete(team)
    ctx.db.flush()
    return team


def join(ctx: Ctx, access_code: str) -> Membership:
    """Become a member by a team's access code.

    Raises NotFound for an unknown code, Invalid for a team one is in already.
    """
    asking = access.user(ctx, MANAGE)
    team = ctx.db.scalar(sa.select(Team).where(Team.access_code == access_code))
    if team is None:
        raise NotFound("Team not found.", field="accessCode")
    if access.team_role(ctx, team.team_id) is not None:
        raise Invalid("User is already a team member.", field="accessCode")
    return _add(ctx, team, asking.user_id, "team-member")


def members(
    ctx: Ctx, team_id: UUID, window: Window, *, search: str = "", order_by: str = "createdAt"
) -> Page[Membership]:
    """The members of a team, oldest first; `search` is looked for in the username.

    A window's `after` is a (created_at, id) and goes with the order by creation, which any unknown `order_by` is too. Raises as `access.team`.
    """
    access.team(ctx, team_id, "team:view")
    query = sa.select(Membership).where(Membership.team_id == team_id).options(joinedload(Membership.user))
    if search:
        query = query.join(User, User.user_id == Membership.user_id)
        query = query.where(User.username.icontains(search, autoescape=True))
    order = Key(MEMBER_ORDERS.get(order_by, MEMBER_ORDERS["createdAt"]))
    return page(ctx, query, (order, Key(_MEMBERSHIP.membership_id)), window)


def first_members(ctx: Ctx, asked: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], Page[Membership]]:
    """The first pages of `members` of several teams, by (team, rows at the most), in one statement.

    Teams that the actor may not see are left out. Raises as `access.user`.
    """
    asking = access.user(ctx)
    most = max((limit for _, limit in asked), default=0)
    order = (Membership.created_at, Membership.membership_id)
    ranked = (
        sa.select(
            Membership.membership_id,
            sa.func.row_number().over(partition_by=Membership.team_id, order_by=order).label("place"),
            sa.func.count().over(partition_by=Membership.team_id).label("members"),
        )
        .where(Membership.team_id.in_({team_id for team_id, _ in asked}))
        .subquery("ranked")
    )
    query = (
        sa.select(Membership, ranked.c.members)
        .join(ranked, ranked.c.membership_id == Membership.membership_id)
        .where(ranked.c.place <= most)
        .order_by(*order)
    )
    if not asking.is_admin:
        mine = sa.select(Membership.team_id).where(Membership.user_id == asking.user_id)
        query = query.where(Membership.team_id.in_(mine))
    rows: dict[UUID, list[Membership]] = {}
    counts: dict[UUID, int] = {}
    for row, count in ctx.db.execute(query):
        rows.setdefault(row.team_id, []).append(row)
        counts[row.team_id] = count
    return {
        (team_id, limit): Page(rows[team_id][:limit], counts[team_id])
        for team_id, limit in asked
        if team_id in rows
    }


def member(ctx: Ctx, team_id: UUID, user_id: UUID) -> Membership | None:
    """A user's membership, None if there is none; for who may change the team. Raises as `access.team`."""
    access.team(ctx, team_id, "team:view-member")
    return _find(ctx, team_id, user_id)


def add_member(ctx: Ctx, team_id: UUID, user_id: UUID, role: str) -> Membership:
    """Make a user a member without an access code; for admins.

    Raises as `access.team`, Invalid for a role that members cannot have, an unknown user, or one who is a member.
    """
    team = access.team(ctx, team_id, "team:add-member")
    _check_role(role)
    if ctx.db.get(User, user_id) is None:
        raise Invalid("User not found.", field="userId")
    if _find(ctx, team_id, user_id) is not None:
        raise Invalid("User is already a member of the Team.", field="userId")
    return _add(ctx, team, user_id, role)


def set_role(ctx: Ctx, team_id: UUID, user_id: UUID, role: str) -> Membership:
    """Give a member another role.

    Raises as `access.team`, Denied for a manager at an owner, Invalid for a bad role, who is no member, or the last owner.
    """
    access.team(ctx, team_id, "team:update")
    _check_role(role)
    found = _existing(ctx, team_id, user_id)
    _keep_an_owner(ctx, found)
    found.role, found.updated_at = role, ctx.now
    ctx.db.flush()
    return found


def remove_member(ctx: Ctx, team_id: UUID, user_id: UUID) -> Membership:
    """End a membership, one's own or, for who may change the team, another's. Answers what it was.

    Raises as `access.team`, Denied for a manager at an owner, Invalid for who is no member or the last owner.
    """
    access.team(ctx, team_id, "team:remove-member", member=user_id)
    found = _existing(ctx, team_id, user_id)
    _keep_an_owner(ctx, found)
    ctx.db.delete(found)
    ctx.db.flush()
    return found


def websites_of(
    ctx: Ctx, team_id: UUID, window: Window, *, search: str = "", order_by: str = "name"
) -> Page[Website]:
    """The websites of a team. As `websites.own`; raises as `access.team`."""
    access.team(ctx, team_id, "team:view")
    return websites.listed(ctx, Website.team_id == team_id, window, search, order_by)


def delete_website(ctx: Ctx, team_id: UUID, website_id: UUID) -> Website:
    """Remove a website of a team with all its data. Raises as `websites.delete`, NotFound for another team's."""
    found = access.website(ctx, website_id, "website:delete")
    if found.team_id != team_id:
        raise NotFound("This team has no such website")
    return websites.delete(ctx, website_id)


def _find(ctx: Ctx, team_id: UUID, user_id: UUID) -> Membership | None:
    return ctx.db.scalar(
        sa.select(Membership).where(Membership.team_id == team_id, Membership.user_id == user_id)
    )


def _existing(ctx: Ctx, team_id: UUID, user_id: UUID) -> Membership:
    found = _find(ctx, team_id, user_id)
    if found is None:
        raise Invalid("The User does not exists on this team.", field="userId")
    return found


def _keep_an_owner(ctx: Ctx, changed: Membership) -> None:
    """An owner is changed by owners and admins, and the last one stays: nobody could be made one again.

    Umami lets a manager throw out the owner (Umami v2 REST behaviour §3.4).
    """
    if changed.role != OWNER:
        return
    if not access.user(ctx, MANAGE).is_admin and access.team_role(ctx, changed.team_id) != OWNER:
        raise Denied("Only an owner changes an owner")
    owners = sa.select(sa.func.count()).where(Membership.team_id == changed.team_id, Membership.role == OWNER)
    if ctx.db.scalar(owners) == 1:
        raise Invalid("A team keeps its last owner", field="userId")


def _add(ctx: Ctx, team: Team, user_id: UUID, role: str) -> Membership:
    made = _membership(ctx, user_id, role)
    team.memberships.append(made)
    ctx.db.flush()
    return made


def _membership(ctx: Ctx, user_id: UUID, role: str) -> Membership:
    return Membership(user_id=user_id, role=role, created_at=ctx.now, updated_at=ctx.now)


def _new_code() -> str:
    return f"team_{random_code(16)}"


def _check(field: str, value: str, longest: int) -> None:
    if not value.strip():
        raise Invalid(f"{field} must not be empty", field=field)
    if len(value) > longest:
        raise Invalid(f"{field} must contain at most {longest} characters", field=field)
    if "\0" in value:
        raise Invalid(f"{field} must not contain NUL characters", field=field)


def _check_role(role: str) -> None:
    if role not in MEMBER_ROLES:
        raise Invalid(f"role is one of {', '.join(MEMBER_ROLES)}", field="role")

"""Users: who can log in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app import access, websites
from app.access import MANAGE, ROLES
from app.context import Ctx
from app.errors import Conflict, Denied, Invalid
from app.keep import KEEP, Keep
from app.models import Membership, Team, User, Website
from app.paging import Key, Page, Window, page
from app.security import MAX_PASSWORD_BYTES, hash_password, verify_password
from app.sql import ordinal

MAX_USERNAME: Final = 255
MIN_PASSWORD: Final = 8

_ID: Final = User.__table__.c.user_id
_CREATED: Final = User.__table__.c.created_at
# What the list of users can be ordered by.
ORDERS: Final[Mapping[str, ColumnElement[Any]]] = {
    "id": _ID,
    "username": ordinal(User.username),
    "role": ordinal(User.role),
    "createdAt": _CREATED,
    "updatedAt": User.__table__.c.updated_at,
}


def listed(ctx: Ctx, window: Window, *, search: str = "", order_by: str = "createdAt") -> Page[User]:
    """All users, for admins: greatest of `order_by` first; `search` is looked for in the username.

    A window's `after` is a (created_at, id) and goes with the order by creation, which any unknown `order_by` is too.
    """
    access.admin(ctx, "users:view")
    query = sa.select(User)
    if search:
        query = query.where(User.username.icontains(search, autoescape=True))
    order = Key(ORDERS.get(order_by, _CREATED), descending=True)
    return page(ctx, query, (order, Key(_ID)), window)


def get(ctx: Ctx, user_id: UUID) -> User:
    """A user, for admins and the user itself. Raises as `access.user_account`."""
    return access.user_account(ctx, user_id, "user:view")


def named(ctx: Ctx, user_ids: Collection[UUID]) -> dict[UUID, User]:
    """Users by id: to name those who stand beside what the actor may see, as owners and members."""
    access.user(ctx, within_website=True)
    return {found.user_id: found for found in ctx.db.scalars(sa.select(User).where(_ID.in_(user_ids)))}


def create(ctx: Ctx, *, username: str, password: str, role: str, user_id: UUID | None = None) -> User:
    """A new user, for admins. Raises Invalid for a bad name or role, Conflict for a name or id in use."""
    access.admin(ctx, "users:create")
    _no_key(ctx)
    _check_name(username)
    _check_role(role)
    if not password.strip("\0"):
        raise Invalid("password must not be empty", field="password")
    if user_id is not None and ctx.db.get(User, user_id) is not None:
        raise Conflict("User already exists", field="id")
    _check_free(ctx, username)
    made = User(
        user_id=user_id or uuid4(),
        username=username,
        password=hash_password(password),
        role=role,
        created_at=ctx.now,
    )
    ctx.db.add(made)
    ctx.db.flush()
    return made


def update(
    ctx: Ctx,
    user_id: UUID,
    *,
    username: str | Keep = KEEP,
    password: str | Keep = KEEP,
    role: str | Keep = KEEP,
) -> User:
    """Change what is given. A user changes its own password only, an admin everything of everyone.

    An API key changes neither password nor role. Raises as `access.user_account`, Denied
    for what only an admin may change, Invalid for a bad value or the role of the last admin, Conflict for a name in use.
    """
    found = access.user_account(ctx, user_id, "user:update")
    asking = access.user(ctx, MANAGE)
    if not asking.is_admin and not (isinstance(username, Keep) and isinstance(role, Keep)):
        raise Denied
    # Before any row is changed, and with it locked: hashing takes a tenth of a second.
    hashed = None
    if not isinstance(password, Keep):
        _no_key(ctx)
        hashed = hash_password(password)
    if not isinstance(username, Keep) and username != found.username:
        _check_name(username)
        _check_free(ctx, username)
        found.username = username
    if not isinstance(role, Keep) and role != found.role:
        _check_role(role)
        _no_key(ctx)
        _keep_an_admin(ctx, found)
        found.role = role
    if hashed is not None:
        found.password = hashed
    ctx.db.flush()
    return found


def change_password(ctx: Ctx, current: str, new: str, caller: str) -> User:
    """Change one's own password. Every login of Dashi's own kind made with the old one ends.

    Raises Invalid for a wrong current password or a new one that is too short, TooMany after too many wrong ones: they
    count with those of logins. `caller` is the address that asks.
    """
    asking = access.in_person(ctx)
    check_password(new, "newPassword")
    with ctx.runtime.throttle.attempt(f"user {asking.username}", caller):
        if not verify_password(current, asking.password):
            raise Invalid("Current password is incorrect", field="currentPassword")
    asking.password = hash_password(new)
    ctx.db.flush()
    return asking


def delete(ctx: Ctx, user_id: UUID) -> User:
    """Remove a user with its websites and all their data, the teams it owns, its memberships and reports; for admins.

    Websites of those teams remain, without an owner. Answers what it was. Raises Invalid for oneself.
    """
    found = access.user_account(ctx, user_id, "user:delete")
    if ctx.user is not None and ctx.user.user_id == user_id:
        raise Invalid("You cannot delete yourself.", field="id")
    _keep_an_admin(ctx, found)
    owned = ctx.db.scalars(sa.select(Website.website_id).where(Website.user_id == user_id)).all()
    for website_id in owned:
        websites.delete(ctx, website_id)
    for team in ctx.db.scalars(sa.select(Team).where(Team.team_id.in_(owned_teams(user_id)))).all():
        ctx.db.delete(team)
    ctx.db.flush()
    ctx.db.delete(found)
    ctx.db.flush()
    ctx.keys_changed()
    return found


def owned_teams(user_id: UUID) -> sa.Select[UUID]:
    """Ids of the teams that a user owns, as a subquery."""
    return sa.select(Membership.team_id).where(Membership.user_id == user_id, Membership.role == "team-owner")


def check_password(password: str, field: str = "password") -> None:
    """Raise Invalid unless a new password is long enough, and no longer than what is read of it."""
    if "\0" in password:
        raise Invalid(f"{field} must not contain NUL characters", field=field)
    if len(password) < MIN_PASSWORD:
        raise Invalid(f"{field} must contain at least {MIN_PASSWORD} characters", field=field)
    if len(password.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES:
        raise Invalid(f"{field} must contain at most {MAX_PASSWORD_BYTES} bytes", field=field)


def _no_key(ctx: Ctx) -> None:
    """Raise Denied for an API key: whoever found one could make an account that outlives it, or lock its user out."""
    if ctx.key is not None:
        access.in_person(ctx)


def _check_name(username: str) -> None:
    if not username.strip():
        raise Invalid("username must not be empty", field="username")
    if len(username) > MAX_USERNAME:
        raise Invalid(f"username must contain at most {MAX_USERNAME} characters", field="username")
    if "\0" in username:
        raise Invalid("username must not contain NUL characters", field="username")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Invalid(f"role is one of {', '.join(ROLES)}", field="role")


def _check_free(ctx: Ctx, username: str) -> None:
    if ctx.db.scalar(sa.select(_ID).where(User.username == username)) is not None:
        raise Conflict("User already exists", field="username")


def _keep_an_admin(ctx: Ctx, changed: User) -> None:
    """Raise Invalid if nobody else could make anyone an admin any more.

    The rows are locked, so that two admins who demote each other at the same moment do not both succeed.
    """
    admins = ctx.db.scalars(sa.select(_ID).where(User.role == "admin").order_by(_ID).with_for_update()).all()
    if changed.is_admin and not set(admins) - {changed.user_id}:
        raise Invalid("The last admin keeps its role", field="role")

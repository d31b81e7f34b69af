"""API keys: what programs prove themselves with. A key acts as its user, within its scopes and, if it has one, its
website; what keys may do is in `app.access`.

Only a user who is logged in in person makes, lists and revokes keys, so that a key that got lost makes no others.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app import access
from app.access import KeyScope
from app.context import Ctx
from app.errors import Conflict, Hidden, Invalid
from app.models import ApiKey, User
from app.paging import Key, Page, Window, page
from app.security import digest, hint, random_api_key

MAX_NAME: Final = 100
MAX_KEYS: Final = 100  # of one user, expired ones too

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COLUMNS: Final = ApiKey.__table__.c


@dataclass(frozen=True, slots=True)
class Created:
    """A new key. `secret` is the key itself, which is kept nowhere: this is the one time it can be shown."""

    row: ApiKey
    secret: str


def create(
    ctx: Ctx,
    *,
    name: str,
    scopes: Collection[KeyScope],
    website_id: UUID | None = None,
    expires_at: dt.datetime | None = None,
) -> Created:
    """A new key of the asking user, for all its websites or for one that it may see, and change if the key is to.

    Raises Unauthenticated or Denied unless a user asks in person, Invalid for a bad name, no scopes or an end that is
    past, Hidden or Denied for the website, Conflict when the user has as many keys as it may have.
    """
    owner = access.in_person(ctx)
    check_name(name)
    if not scopes:
        raise Invalid("A key needs at least one scope", field="scopes")
    if expires_at is not None and expires_at <= ctx.now:
        raise Invalid("expiresAt must be in the future", field="expiresAt")
    if website_id is not None:
        # Not "view": what a share link shows to a user is not the user's to give a key for.
        access.website(ctx, website_id, "website:update" if KeyScope.MANAGE in scopes else "website:ingest")
    # Counted after it is written and while no other request can write one: two at the same moment must not both fit.
    ctx.db.execute(
        sa.select(User.user_id).where(User.user_id == owner.user_id).with_for_update(key_share=True)
    )
    secret = random_api_key()
    row = ApiKey(
        user_id=owner.user_id,
        website_id=website_id,
        name=name,
        hint=hint(secret),
        digest=digest(secret),
        scopes=" ".join(scope.value for scope in KeyScope if scope in scopes),
        expires_at=expires_at,
        created_at=ctx.now,
    )
    ctx.db.add(row)
    ctx.db.flush()
    if (ctx.db.scalar(sa.select(sa.func.count()).where(ApiKey.user_id == owner.user_id)) or 0) > MAX_KEYS:
        raise Conflict(f"A user has at most {MAX_KEYS} API keys: revoke one first")
    return Created(row, secret)


def listed(ctx: Ctx, window: Window, user_id: UUID | None = None) -> Page[ApiKey]:
    """The keys of the asking user, or of another one for an admin, newest first, expired ones too.

    A window's `after` is a (time of creation, id). Raises Unauthenticated or Denied unless a user asks in person,
    Hidden for another user's.
    """
    owner = access.in_person(ctx)
    if user_id is not None:
        owner = access.user_account(ctx, user_id, "user:view")
    query = sa.select(ApiKey).where(ApiKey.user_id == owner.user_id)
    newest = (Key(_COLUMNS.created_at, descending=True), Key(_COLUMNS.api_key_id))
    return page(ctx, query, newest, window)


def revoke(ctx: Ctx, api_key_id: UUID) -> ApiKey:
    """End a key of the asking user's, or for an admin any, at once; answers what it was.

    Raises Unauthenticated or Denied unless a user asks in person, Hidden when there is none or it is another user's.
    """
    asking = access.in_person(ctx)
    row = ctx.db.get(ApiKey, api_key_id)
    if row is None or (row.user_id != asking.user_id and not asking.is_admin):
        raise Hidden("API key not found")
    ctx.db.delete(row)
    ctx.db.flush()
    ctx.keys_changed()
    return row


def check_name(name: str) -> None:
    """Raise Invalid unless the name is one that people can tell a key by."""
    if not name.strip() or len(name) > MAX_NAME:
        raise Invalid(f"A name has 1 to {MAX_NAME} characters", field="name")
    if _CONTROL.search(name):
        # Names are shown on terminals, which obey them.
        raise Invalid("name must not contain control characters", field="name")

"""Shares: links that let anyone who knows them read one website. A website can have several.

One of them at most is the default: the one that Umami's clients know as the website's `shareId` (see `app.websites`).
Revoking a share, its end, and any change of its password also end the tokens of those who opened it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app import access
from app.context import Ctx
from app.errors import Conflict, Invalid
from app.keep import KEEP, Keep
from app.models import Share, Website
from app.security import MAX_PASSWORD_BYTES, hash_password, random_code

MAX_SLUG: Final = 50  # what websites that moved here may have; new slugs are `_SLUG`
MAX_NAME: Final = 100
MAX_SHARES: Final = 100  # of one website, expired ones too
_SLUG: Final = re.compile(r"[a-zA-Z0-9]{8,16}")


def listed(ctx: Ctx, website_id: UUID) -> Sequence[Share]:
    """All shares of a website, oldest first, expired ones too. Raises as `access.update_website`."""
    access.update_website(ctx, website_id)
    query = sa.select(Share).where(Share.website_id == website_id)
    return ctx.db.scalars(query.order_by(Share.created_at, Share.share_id)).all()


def create(
    ctx: Ctx,
    website_id: UUID,
    *,
    slug: str | None = None,
    name: str = "",
    password: str | None = None,
    expires_at: dt.datetime | None = None,
) -> Share:
    """A new share of a website; its slug is random unless given.

    Raises as `access.update_website`; Invalid for a bad slug, name, password or an end that is past, Conflict for a slug
    in use and when the website has as many shares as it may have.
    """
    website = access.update_website(ctx, website_id)
    if slug is not None:
        check_slug(slug, "slug")
    _check(ctx, name, password, expires_at)
    hashed = None if password is None else hash_password(password)
    # Counted after it is written and while no other request can write one: two at the same moment must not both fit.
    one = sa.select(Website.website_id).where(Website.website_id == website_id)
    ctx.db.execute(one.with_for_update(key_share=True))
    share = add(ctx, website, random_code(16) if slug is None else slug, field="slug")
    share.name, share.password, share.expires_at = name, hashed, expires_at
    ctx.db.flush()
    count = sa.select(sa.func.count()).where(Share.website_id == website_id)
    if (ctx.db.scalar(count) or 0) > MAX_SHARES:
        raise Conflict(f"A website has at most {MAX_SHARES} shares: revoke one first")
    return share


def update(
    ctx: Ctx,
    share_id: UUID,
    *,
    name: str | Keep = KEEP,
    password: str | Keep | None = KEEP,
    expires_at: dt.datetime | Keep | None = KEEP,
) -> Share:
    """Change what is given; None takes the password or the end away.

    Raises as `access.share`; Invalid for a bad name or password or an end that is past.
    """
    share = access.share(ctx, share_id)
    _check(
        ctx,
        share.name if isinstance(name, Keep) else name,
        None if isinstance(password, Keep) else password,
        None if isinstance(expires_at, Keep) else expires_at,
    )
    if not isinstance(name, Keep):
        share.name = name
    if not isinstance(password, Keep):
        share.password = None if password is None else hash_password(password)
    if not isinstance(expires_at, Keep):
        share.expires_at = expires_at
    ctx.db.flush()
    return share


def revoke(ctx: Ctx, share_id: UUID) -> Share:
    """End a share and every token made from it, at once; answers what it was. Raises as `access.share`."""
    share = access.share(ctx, share_id)
    ctx.db.delete(share)
    ctx.db.flush()
    return share


def shown_slug(ctx: Ctx, website: Website) -> str | None:
    """The slug of a website's default share. Who reads the website by another share is not told: that one may end."""
    default = website.default_share
    by_share = ctx.shared_website_id == website.website_id
    if default is None or (by_share and ctx.actor.share_id != default.share_id):
        return None
    return default.slug


def check_slug(slug: str, field: str = "shareId") -> None:
    """Raise Invalid unless a share's slug is one that is hard to guess and easy to pass on."""
    if not _SLUG.fullmatch(slug):
        raise Invalid("A share id has 8 to 16 letters and digits", field=field)


def add(ctx: Ctx, website: Website, slug: str, *, is_default: bool = False, field: str = "shareId") -> Share:
    """A share of a website that the actor may change. Raises Invalid for a bad slug, Conflict for one in use."""
    if not 1 <= len(slug) <= MAX_SLUG:
        raise Invalid(f"A share id has 1 to {MAX_SLUG} characters", field=field)
    if "\0" in slug:
        raise Invalid("A share id must not contain NUL characters", field=field)
    if ctx.db.scalar(sa.select(Share.share_id).where(Share.slug == slug)) is not None:
        raise Conflict("That share ID is already taken.", field=field)
    share = Share(slug=slug, created_at=ctx.now, is_default=is_default)
    website.shares.append(share)
    return share


def _check(ctx: Ctx, name: str, password: str | None, expires_at: dt.datetime | None) -> None:
    if len(name) > MAX_NAME:
        raise Invalid(f"name must contain at most {MAX_NAME} characters", field="name")
    for field, value in (("name", name), ("password", password or "")):
        if "\0" in value:
            raise Invalid(f"{field} must not contain NUL characters", field=field)
    if password is not None and not 1 <= len(password.encode("utf-8", "replace")) <= MAX_PASSWORD_BYTES:
        raise Invalid(f"password must contain 1 to {MAX_PASSWORD_BYTES} bytes", field="password")
    if expires_at is not None and expires_at <= ctx.now:
        raise Invalid("expiresAt must be in the future", field="expiresAt")

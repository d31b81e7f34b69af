"""Shares: links that let anyone who knows them read one website."""

from __future__ import annotations

import re
from typing import Final

import sqlalchemy as sa

from app.context import Ctx
from app.errors import Conflict, Invalid
from app.models import Share, Website

MAX_SLUG: Final = 50
_SLUG: Final = re.compile(r"[a-zA-Z0-9]{8,16}")


def check_slug(slug: str) -> None:
    """Raise Invalid unless a share's slug is one that is hard to guess and easy to pass on."""
    if not _SLUG.fullmatch(slug):
        raise Invalid("A share id has 8 to 16 letters and digits", field="shareId")


def add(ctx: Ctx, website: Website, slug: str, *, is_default: bool = False) -> Share:
    """A share of a website that the actor may change. Raises Invalid for a bad slug, Conflict for one in use."""
    if not 1 <= len(slug) <= MAX_SLUG:
        raise Invalid(f"A share id has 1 to {MAX_SLUG} characters", field="shareId")
    if "\0" in slug:
        raise Invalid("A share id must not contain NUL characters", field="shareId")
    if ctx.db.scalar(sa.select(Share.share_id).where(Share.slug == slug)) is not None:
        raise Conflict("That share ID is already taken.", field="shareId")
    share = Share(slug=slug, created_at=ctx.now, is_default=is_default)
    website.shares.append(share)
    return share

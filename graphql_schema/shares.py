"""Share links as those see them who may change the website. What a link opens is `Query.share`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from app import models, shares
from app.context import Ctx
from app.errors import Hidden, Invalid
from app.keep import KEEP
from graphql_schema.context import Info
from graphql_schema.types import resolved, website_id

_UNSET: Final[Any] = strawberry.UNSET

_ShareId = Annotated[strawberry.ID, strawberry.argument(description="The share link's id, a UUID.")]


@strawberry.type(description="A link that lets anyone who knows it read one website.")
class ShareLink:
    id: strawberry.ID = strawberry.field(description="UUID.")
    slug: str = strawberry.field(description="The last part of the link, to be passed to `share`.")
    name: str = strawberry.field(description="What it is for; empty if nobody said.")
    has_password: bool = strawberry.field(description="Whether it opens with a password only.")
    expires_at: dt.datetime | None = strawberry.field(description="When it ends; null if never.")
    expired: bool = strawberry.field(description="Whether it has ended: then it opens nothing.")
    is_default: bool = strawberry.field(
        description="Whether it is the one that the website's `shareId` shows, which REST knows."
    )
    created_at: dt.datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, ctx: Ctx, row: models.Share) -> ShareLink:
        return cls(
            id=strawberry.ID(str(row.share_id)),
            slug=row.slug,
            name=row.name,
            has_password=row.password is not None,
            expires_at=row.expires_at,
            expired=row.is_over(ctx.now),
            is_default=row.is_default,
            created_at=row.created_at,
        )


@strawberry.input(description="A new share link.")
class CreateShareInput:
    slug: str | None = strawberry.field(
        default=None, description="The last part of the link, 8 to 16 letters and digits; random if absent."
    )
    name: str = strawberry.field(default="", description="What it is for, at most 100 characters.")
    password: str | None = strawberry.field(
        default=None, description="It opens with this password only, 1 to 72 bytes; none if absent."
    )
    expires_at: dt.datetime | None = strawberry.field(
        default=None, description="When it ends, in the future; never if absent."
    )


@strawberry.input(description="Changes of a share link. What is not given stays as it is.")
class UpdateShareInput:
    name: str | None = strawberry.field(default=_UNSET, description="What it is for, at most 100 characters.")
    password: str | None = strawberry.field(
        default=_UNSET,
        description="The password, 1 to 72 bytes; null for none. Either way, who opened it before must do so again.",
    )
    expires_at: dt.datetime | None = strawberry.field(
        default=_UNSET, description="When it ends, in the future; null for never."
    )


@strawberry.type(description="Changes of share links.")
class ShareMutations:
    @resolved("Make a share link for a website.")
    async def create_share(
        self,
        info: Info,
        website_id: Annotated[strawberry.ID, strawberry.argument(description="The website's id, a UUID.")],
        input: Annotated[CreateShareInput, strawberry.argument(description="The new link.")],
    ) -> ShareLink | None:
        def verb(ctx: Ctx) -> ShareLink:
            row = shares.create(
                ctx,
                _website_id(website_id),
                slug=input.slug,
                name=input.name,
                password=input.password,
                expires_at=input.expires_at,
            )
            return ShareLink.of(ctx, row)

        run = info.context.run_hashing if input.password else info.context.run
        return await run(verb)

    @resolved("Change a share link. What is not given stays as it is.")
    async def update_share(
        self,
        info: Info,
        id: _ShareId,
        input: Annotated[UpdateShareInput, strawberry.argument(description="What to change.")],
    ) -> ShareLink | None:
        def verb(ctx: Ctx) -> ShareLink:
            if input.name is None:
                raise Invalid("name must not be null", field="name")
            given = {name: KEEP if value is _UNSET else value for name, value in vars(input).items()}
            return ShareLink.of(ctx, shares.update(ctx, _share_id(id), **given))

        run = info.context.run_hashing if input.password else info.context.run
        return await run(verb)

    @resolved("End a share link, and at once all that was opened with it. Answers what it was.")
    async def revoke_share(self, info: Info, id: _ShareId) -> ShareLink | None:
        return await info.context.run(lambda ctx: ShareLink.of(ctx, shares.revoke(ctx, _share_id(id))))


# The argument of that name hides the function.
_website_id = website_id


def _share_id(text: str) -> UUID:
    """The id of a share link. What is no UUID names none: Hidden."""
    try:
        return UUID(text)
    except ValueError:
        raise Hidden("Share not found") from None

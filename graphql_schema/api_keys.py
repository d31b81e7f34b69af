"""API keys as their users see them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from app import api_keys, models, websites
from app.access import KeyScope
from app.context import Ctx
from graphql_schema.connections import After, Connection, First, at_time, connection, time_window
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.types import entity_id, resolved, website_id

if TYPE_CHECKING:
    from graphql_schema.website import Website

described(
    KeyScope,
    "What an API key may be used for, within what its user may do.",
    {
        "READ": "Read websites, figures and what else its user may see.",
        "INGEST": "Send hits as the website's own server: `track`, `trackBatch` and REST's `/api/send`.",
        "MANAGE": "Change what its user may change; reading is included, making API keys is not.",
    },
    name="ApiKeyScope",
)


@strawberry.type(description="What a program proves itself with: it acts as its user, within its scopes.")
class ApiKey:
    id: strawberry.ID = strawberry.field(description="UUID; not what is sent.")
    name: str = strawberry.field(description="What it is for.")
    hint: str = strawberry.field(description="The first characters of the key, to tell keys apart.")
    scopes: list[KeyScope] = strawberry.field(description="What it may be used for.")
    website_id: strawberry.ID | None = strawberry.field(
        description="The one website it is for, a UUID; null for all that its user may see."
    )
    expires_at: dt.datetime | None = strawberry.field(description="When it ends; null if never.")
    expired: bool = strawberry.field(description="Whether it has ended: then it opens nothing.")
    last_used_at: dt.datetime | None = strawberry.field(
        description="When it was last used, exact to a minute; null if never."
    )
    created_at: dt.datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, ctx: Ctx, row: models.ApiKey) -> ApiKey:
        return cls(
            id=strawberry.ID(str(row.api_key_id)),
            name=row.name,
            hint=row.hint,
            scopes=[KeyScope(scope) for scope in row.scopes.split()],
            website_id=strawberry.ID(str(row.website_id)) if row.website_id else None,
            expires_at=row.expires_at,
            expired=row.is_over(ctx.now),
            last_used_at=row.last_used_at,
            created_at=row.created_at,
        )

    @resolved("The one website it is for; null for all. Error `not-found` if it may no longer be seen.")
    async def website(
        self, info: Info
    ) -> Annotated[Website, strawberry.lazy("graphql_schema.website")] | None:
        if self.website_id is None:
            return None
        from graphql_schema.website import Website

        one = UUID(self.website_id)
        return await info.context.run(lambda ctx: Website.of(ctx, websites.get(ctx, one)))


@strawberry.type(description="A new API key.")
class CreatedApiKey:
    key: ApiKey = strawberry.field(description="What is kept of it.")
    secret: str = strawberry.field(
        description="The key itself, shown this once: send it as the header `x-umami-api-key`, or as "
        "`Authorization: Bearer <key>`."
    )


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="What it is for, 1 to 100 characters.")
    scopes: list[KeyScope] = strawberry.field(description="What it may be used for, at least one.")
    website_id: strawberry.ID | None = strawberry.field(
        default=None, description="The one website it is for, a UUID; if absent all that you may see."
    )
    expires_at: dt.datetime | None = strawberry.field(
        default=None, description="When it ends, in the future; never if absent."
    )


@strawberry.type
class ApiKeyFields:
    """What a user type gets by inheriting from it."""

    id: strawberry.ID = strawberry.field(description="UUID.")

    @resolved(
        "API keys, newest first, expired ones too. For the user itself and for admins, logged in with a password: "
        "an API key reads no keys."
    )
    async def api_keys(self, info: Info, first: First = 20, after: After = None) -> Connection[ApiKey] | None:
        return await info.context.run(_listed, UUID(self.id), first, after)


@strawberry.type(description="Changes of API keys.")
class ApiKeyMutations:
    @resolved("Make an API key of your own. Needs a login with a password.")
    async def create_api_key(
        self,
        info: Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The new key.")],
    ) -> CreatedApiKey | None:
        def verb(ctx: Ctx) -> CreatedApiKey:
            made = api_keys.create(
                ctx,
                name=input.name,
                scopes=input.scopes,
                website_id=None if input.website_id is None else website_id(input.website_id),
                expires_at=input.expires_at,
            )
            return CreatedApiKey(key=ApiKey.of(ctx, made.row), secret=made.secret)

        return await info.context.run(verb)

    @resolved(
        "End an API key of your own, or as an admin any, at once. Needs a login with a password. Answers what it was."
    )
    async def revoke_api_key(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The key's id, a UUID.")],
    ) -> ApiKey | None:
        return await info.context.run(
            lambda ctx: ApiKey.of(ctx, api_keys.revoke(ctx, entity_id(id, "API key")))
        )


def _listed(ctx: Ctx, user_id: UUID, first: int, after: str | None) -> Connection[ApiKey]:
    asked = time_window(first, after)
    page = api_keys.listed(ctx, asked, user_id)
    return connection(
        page.rows,
        first,
        lambda row: ApiKey.of(ctx, row),
        lambda row: at_time(row.created_at, row.api_key_id),
        page.count,
    )

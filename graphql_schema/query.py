"""What can be asked."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import strawberry

from app import auth, websites
from app.stats.filters import MAX_COHORTS, MAX_CONDITIONS
from app.stats.period import MAX_BUCKETS
from graphql_schema import filters, inputs
from graphql_schema.connections import MAX_PAGE, After, Connection, First
from graphql_schema.context import Info
from graphql_schema.inputs import to_text
from graphql_schema.saved_reports import SavedReportQueries
from graphql_schema.teams import Search, TeamQueries
from graphql_schema.types import resolved, website_id
from graphql_schema.users import UserQueries
from graphql_schema.website import Website, website_page


@strawberry.type(description="A share link: one website, readable by anyone who knows the link.")
class Share:
    website: Website = strawberry.field(
        description="The website. All its figures can be read through this field."
    )
    token: str = strawberry.field(
        description="Reads this website when sent as the header `x-umami-share-token`."
    )


@strawberry.type(description="What a request may ask for at most.")
class Limits:
    max_range_days: int = strawberry.field(description="Days of a period.")
    max_buckets: int = strawberry.field(description="Buckets of a series.")
    max_nodes: int = strawberry.field(description="Rows of a page, `first`.")
    max_dimensions: int = strawberry.field(description="Dimensions of a breakdown, `by`.")
    max_conditions: int = strawberry.field(description="Conditions of a filter, `where`.")
    max_cohorts: int = strawberry.field(description="Cohorts of a filter, `where`.")
    max_values: int = strawberry.field(description="Values of one `in` or `notIn`.")
    max_batch: int = strawberry.field(description="Hits of one `trackBatch`.")
    max_depth: int = strawberry.field(description="Nested fields of a document.")
    max_aliases: int = strawberry.field(
        description="Aliases of an operation, fragments counted where they are spread."
    )
    max_tokens: int = strawberry.field(description="Tokens of a document.")


@strawberry.type(description="What can be asked.")
class Query(UserQueries, TeamQueries, SavedReportQueries):
    @resolved("A website that you may read. Error `not-found` if there is none.")
    async def website(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id, a UUID.")]
    ) -> Website | None:
        return await info.context.run(lambda ctx: Website.of(ctx, websites.get(ctx, website_id(id))))

    @resolved("Your own websites, by name.")
    async def websites(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[
            str | None, strawberry.argument(description="Part of the name or domain, upper or lower case.")
        ] = None,
    ) -> Connection[Website] | None:
        return await info.context.run(
            website_page,
            lambda ctx, asked, text: websites.own(ctx, asked, search=text),
            first,
            after,
            search,
        )

    @resolved("All websites of this server by name, those without an owner too. For admins.")
    async def all_websites(
        self, info: Info, first: First = 20, after: After = None, search: Search = None
    ) -> Connection[Website] | None:
        return await info.context.run(
            website_page,
            lambda ctx, asked, text: websites.every(ctx, asked, search=text),
            first,
            after,
            search,
        )

    @resolved(
        "The website behind a share link. Error `not-found` if there is none or it has ended, `unauthenticated` "
        "without its password."
    )
    async def share(
        self,
        info: Info,
        slug: Annotated[str, strawberry.argument(description="The last part of the link.")],
        password: Annotated[
            str | None, strawberry.argument(description="Its password, if it has one.")
        ] = None,
    ) -> Share | None:
        context = info.context
        if password is not None:
            context.count_login()
        opened = await context.run(auth.open_share, to_text(slug, "slug"), password)
        reader = auth.share_actor(context.runtime.keys, opened.token)
        website = await context.runtime.run(
            reader, lambda ctx: Website.of(ctx, websites.get(ctx, opened.website_id))
        )
        return Share(website=website, token=opened.token)

    @resolved("What a request may ask for at most.")
    def limits(self, info: Info) -> Limits:
        settings = info.context.runtime.settings
        return Limits(
            max_range_days=inputs.MAX_RANGE_DAYS,
            max_buckets=MAX_BUCKETS,
            max_nodes=MAX_PAGE,
            max_dimensions=inputs.MAX_DIMENSIONS,
            max_conditions=MAX_CONDITIONS,
            max_cohorts=MAX_COHORTS,
            max_values=filters.MAX_VALUES,
            max_batch=inputs.MAX_BATCH,
            max_depth=settings.graphql_max_depth,
            max_aliases=settings.graphql_max_aliases,
            max_tokens=settings.graphql_max_tokens,
        )

    @resolved("Version of this server.")
    def version(self) -> str:
        return version("dashi-analytics")

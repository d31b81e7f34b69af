"""What can be asked."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import strawberry

from app import auth, websites
from app.stats.filters import MAX_COHORTS, MAX_CONDITIONS, MAX_VALUES
from app.stats.period import MAX_BUCKETS
from graphql_schema import filters, inputs, sizes
from graphql_schema.connections import MAX_PAGE, After, Connection, First
from graphql_schema.context import Info
from graphql_schema.inputs import to_text
from graphql_schema.metering import RateLimit
from graphql_schema.removals import RemovalQueries
from graphql_schema.saved_reports import SavedReportQueries
from graphql_schema.teams import Search, TeamQueries
from graphql_schema.types import resolved, website_id
from graphql_schema.users import UserQueries
from graphql_schema.visitors import VisitorQueries
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
    max_filter_values: int = strawberry.field(description="Values of all conditions of a filter, `where`.")
    max_conditions: int = strawberry.field(description="Conditions of a filter, `where`.")
    max_cohorts: int = strawberry.field(description="Cohorts of a filter, `where`.")
    max_values: int = strawberry.field(description="Values of one `in` or `notIn`.")
    max_batch: int = strawberry.field(description="Hits of one `trackBatch`.")
    max_depth: int = strawberry.field(description="Nested fields of a document.")
    max_aliases: int = strawberry.field(
        description="Aliases of an operation, fragments counted where they are spread."
    )
    max_tokens: int = strawberry.field(description="Tokens of a document.")
    max_document: int = strawberry.field(description="Characters of a document.")
    max_definitions: int = strawberry.field(description="Operations and fragments of a document.")
    max_repeats: int = strawberry.field(
        description="Fields of a document that stand, under the same name or alias, in the same selections already."
    )
    max_variables: int = strawberry.field(description="Values in the variables, nested ones included.")
    max_variables_depth: int = strawberry.field(description="Levels of lists and objects in the variables.")
    max_errors: int = strawberry.field(description="Errors that an answer shows.")
    max_cost: int = strawberry.field(description="Points of an operation: `extensions.cost.requested`.")
    bucket_size: int = strawberry.field(description="Points that you may spend at once; see `rateLimit`.")
    bucket_refill: int = strawberry.field(description="Points that you get back every second.")
    statement_timeout: float = strawberry.field(
        description="Seconds that one question to the event store may take."
    )


@strawberry.type(description="What can be asked.")
class Query(UserQueries, TeamQueries, SavedReportQueries, RemovalQueries, VisitorQueries):
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
        given = to_text(slug, "slug")
        if password is None:
            opened = await context.run(auth.open_share, given)
        else:
            context.count_login()
            opened = await context.run_hashing(auth.open_share, given, password, context.caller)
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
            max_filter_values=MAX_VALUES,
            max_conditions=MAX_CONDITIONS,
            max_cohorts=MAX_COHORTS,
            max_values=filters.MAX_VALUES,
            max_batch=inputs.MAX_BATCH,
            max_depth=settings.graphql_max_depth,
            max_aliases=settings.graphql_max_aliases,
            max_tokens=settings.graphql_max_tokens,
            max_document=sizes.MAX_DOCUMENT,
            max_definitions=sizes.MAX_DEFINITIONS,
            max_repeats=sizes.MAX_REPEATS,
            max_variables=settings.graphql_max_variables,
            max_variables_depth=sizes.MAX_VARIABLES_DEPTH,
            max_errors=sizes.MAX_ERRORS,
            max_cost=min(settings.graphql_max_cost, settings.graphql_bucket_size),
            bucket_size=settings.graphql_bucket_size,
            bucket_refill=settings.graphql_bucket_refill,
            statement_timeout=settings.statement_timeout,
        )

    @resolved("What you have left to ask for: points of work, which every operation takes before it runs.")
    def rate_limit(self, info: Info) -> RateLimit:
        return RateLimit.of(info)

    @resolved("Version of this server.")
    def version(self) -> str:
        return version("dashi-analytics")

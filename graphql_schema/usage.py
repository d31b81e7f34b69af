"""How much a user's websites collect, for admins."""

from __future__ import annotations

from uuid import UUID

import strawberry

from app.context import Ctx
from app.stats.usage import usage
from graphql_schema.inputs import PeriodInput, to_period
from graphql_schema.types import Int64
from graphql_schema.website import Website


@strawberry.type(description="How much was collected for one website.")
class WebsiteUsage:
    website: Website = strawberry.field(description="The website.")
    events: Int64 = strawberry.field(description="Page views and custom events.")
    event_data: Int64 = strawberry.field(
        description="Values in the data of events, nested ones each by itself."
    )


@strawberry.type(description="How much was collected for the websites of a user and of the teams it owns.")
class UserUsage:
    events: Int64 = strawberry.field(description="Page views and custom events.")
    event_data: Int64 = strawberry.field(
        description="Values in the data of events, nested ones each by itself."
    )
    websites: list[WebsiteUsage] = strawberry.field(
        description="The websites for which anything was collected, most events first, then by id."
    )


def user_usage(ctx: Ctx, user_id: UUID, period: PeriodInput) -> UserUsage:
    """The usage of a user's websites. Raises as `app.stats.usage.usage`."""
    found = usage(ctx, user_id, to_period(period, ctx.now))
    return UserUsage(
        events=Int64(found.events),
        event_data=Int64(found.event_data),
        websites=[
            WebsiteUsage(
                website=Website.of(ctx, row.website),
                events=Int64(row.events),
                event_data=Int64(row.event_data),
            )
            for row in found.websites
        ],
    )

"""What can be followed, over a socket (`graphql-transport-ws`) or as a stream of server-sent events."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, TypeVar

import strawberry

from app.context import Ctx
from app.live import questions
from app.live.mailbox import MOST_AT_ONCE, MOST_WAITING, Feed, Latest, Push
from app.live.questions import Figures, Question, Sliding
from app.stats.zones import UTC, time_zone
from graphql_schema.context import Info
from graphql_schema.event_types import Event
from graphql_schema.figures import FIGURES, needed, with_values
from graphql_schema.filters import EventFilter, to_filter
from graphql_schema.inputs import PeriodInput, to_period
from graphql_schema.pushes import Pushes
from graphql_schema.selection import selected
from graphql_schema.types import Int64, entity_id

F = TypeVar("F", bound=Callable[..., Any])

_WebsiteId = Annotated[strawberry.ID, strawberry.argument(description="The id of the website, a UUID.")]


def followed(description: str) -> Callable[[F], F]:
    """As `resolved`, of a field whose values are pushed."""
    decorator: Callable[[F], F] = strawberry.subscription(description=description)
    return decorator


@strawberry.type(description="Events that were stored since the last push.")
class EventPush:
    events: list[Event] = strawberry.field(
        description=f"They, at most {MOST_AT_ONCE}; what came together is in order of time. Events that were dated back "
        "are among them when they are stored."
    )
    missed: Int64 | None = strawberry.field(
        description="How many matching events were left out before these: 0, unless more than "
        f"{MOST_WAITING} were waiting for this subscriber to take them. null if their number is not known: the server "
        "was cut off from its store for a while, or more came than it can look at. `analytics.events` lists them."
    )

    @classmethod
    def of(cls, push: Push) -> EventPush:
        return cls(
            events=[Event.of(row, data) for row, data in push.events],
            missed=None if push.missed is None else Int64(push.missed),
        )


@strawberry.type(description="Figures of a period as they are now.")
@with_values
class LiveTotals:
    at: dt.datetime = strawberry.field(description="When they were taken: where a period that ends now ends.")

    @classmethod
    def of(cls, figures: Figures) -> LiveTotals:
        totals = figures.totals
        return cls(at=figures.at, **{figure.name: getattr(totals, figure.name) for figure in FIGURES})


@strawberry.type(
    description="What is pushed when it changes. Whether you may still see it is checked while it runs: within 20 seconds "
    "(or what SUBSCRIPTION_CHECK_SECONDS says) after its website, your access to it, or what you logged in with is gone, "
    "a subscription ends with an error, and nothing is pushed after that. After `unavailable` and `too-many` it may "
    "work later."
)
class Subscription:
    @followed(
        "Visitors with any event in the last five minutes: their number at once, then whenever it is another "
        "one, at most once a second."
    )
    async def active_visitors(self, info: Info, website_id: _WebsiteId) -> AsyncIterator[Int64]:
        def opening(ctx: Ctx) -> Question:
            return questions.follow_active_visitors(ctx, entity_id(website_id, "Website"))

        return await Pushes.opened(info.context, opening, Latest(), Int64)

    @followed(
        "Page views and custom events, each once, as they are stored: several in one push if they come "
        "together. Nothing is pushed at first."
    )
    async def events(
        self,
        info: Info,
        website_id: _WebsiteId,
        where: Annotated[
            EventFilter | None, strawberry.argument(description="Only events that match; all if absent.")
        ] = None,
    ) -> AsyncIterator[EventPush]:
        with_data = "data" in selected(info, "events")

        def opening(ctx: Ctx) -> Question:
            site = entity_id(website_id, "Website")
            return questions.follow_events(ctx, site, to_filter(ctx, site, where), with_data)

        return await Pushes.opened(info.context, opening, Feed(), EventPush.of)

    @followed(
        "Figures of a period: at once, then whenever one of those selected is another, at most once a second. "
        "A period that is relative to now moves on, also while nothing happens. Figures that take long are taken less "
        "often: after a rest of four times as long, of ten seconds at most."
    )
    async def live_totals(
        self,
        info: Info,
        website_id: _WebsiteId,
        period: Annotated[PeriodInput, strawberry.argument(description="The period that counts.")],
        where: Annotated[
            EventFilter | None,
            strawberry.argument(description="Count only events that match; all if absent."),
        ] = None,
    ) -> AsyncIterator[LiveTotals]:
        measures = needed(selected(info))

        def opening(ctx: Ctx) -> Question:
            site = entity_id(website_id, "Website")
            fixed = to_period(period, ctx.now)
            zone = UTC if period.timezone is None else time_zone(period.timezone)
            sliding = None if period.last is None else Sliding(period.last, zone)
            return questions.follow_totals(ctx, site, sliding or fixed, to_filter(ctx, site, where), measures)

        return await Pushes.opened(info.context, opening, Latest(), LiveTotals.of)

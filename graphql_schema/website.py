"""A website as GraphQL shows it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

import strawberry

from app import models
from app.context import Actor, Ctx
from app.stats.queries import active_visitors, values
from app.stats.realtime import realtime
from app.stats.scope import date_range, open_scope
from app.stats.zones import UTC, time_zone
from graphql_schema.analytics import Analytics
from graphql_schema.connections import MAX_PAGE
from graphql_schema.context import Info
from graphql_schema.filters import EventField, EventFilter, to_filter
from graphql_schema.inputs import PeriodInput, to_period, to_text
from graphql_schema.realtime import Realtime
from graphql_schema.selection import selected
from graphql_schema.types import Int64, page_size, resolved


@strawberry.type(description="Someone who can log in.")
class User:
    id: strawberry.ID = strawberry.field(description="UUID.")
    username: str = strawberry.field(description="The name to log in with.")
    role: str = strawberry.field(description="`admin`, `user` or `view-only`.")

    @classmethod
    def of(cls, row: models.User) -> User:
        return cls(id=strawberry.ID(str(row.user_id)), username=row.username, role=row.role)


@strawberry.type(description="The user a website belongs to.")
class Owner:
    id: strawberry.ID = strawberry.field(description="UUID.")
    username: str = strawberry.field(description="The name to log in with.")


@strawberry.type(description="The first and the last event of a website.")
class DateRange:
    start: dt.datetime = strawberry.field(description="Time of the first event.")
    end: dt.datetime = strawberry.field(description="Time of the last event.")


@strawberry.type(description="A value that events have, and how many have it.")
class ValueCount:
    value: str | None = strawberry.field(description="The value; null where events have none.")
    count: Int64 = strawberry.field(description="Events (page views and custom events).")


@strawberry.type(description="A website whose visits are counted.")
class Website:
    id: strawberry.ID = strawberry.field(description="UUID; the tracker's `data-website-id`.")
    name: str = strawberry.field(description="Display name, at most 100 characters.")
    domain: str = strawberry.field(description="Domain, for display; it filters nothing.")
    created_at: dt.datetime = strawberry.field(description="When it was created.")
    updated_at: dt.datetime = strawberry.field(description="When its settings were last changed.")
    reset_at: dt.datetime | None = strawberry.field(
        description="When its events were last removed; nothing before it is counted."
    )
    share_id: str | None = strawberry.field(
        description="Slug of the link that lets anyone read this website's figures; null if there is none."
    )
    owner: Owner | None = strawberry.field(
        description="Null for a team's website, and for those who read through a share link."
    )
    # Under whom it was read: what is read below it is read as the same one, behind a share link too.
    actor: strawberry.Private[Actor]

    @classmethod
    def of(cls, ctx: Ctx, row: models.Website) -> Website:
        """To be called within the operation that read the row."""
        owner = row.owner if ctx.actor.website_id != row.website_id else None
        return cls(
            id=strawberry.ID(str(row.website_id)),
            name=row.name,
            domain=row.domain,
            created_at=row.created_at,
            updated_at=row.updated_at,
            reset_at=row.reset_at,
            share_id=row.share_slug,
            owner=Owner(id=strawberry.ID(str(owner.user_id)), username=owner.username) if owner else None,
            actor=ctx.actor,
        )

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)

    @resolved("Visitors with any event in the last five minutes.")
    async def active_visitors(self, info: Info) -> Int64 | None:
        return Int64(await info.context.runtime.run(self.actor, active_visitors, self.uuid))

    @resolved("Times of the first and the last event since the last reset; null without events.")
    async def date_range(self, info: Info) -> DateRange | None:
        found = await info.context.runtime.run(self.actor, date_range, self.uuid)
        return DateRange(start=found[0], end=found[1]) if found else None

    @resolved("The last half hour.")
    async def realtime(
        self,
        info: Info,
        timezone: Annotated[
            str | None,
            strawberry.argument(description="IANA time zone of the minutes' wall clock; UTC if absent."),
        ] = None,
    ) -> Realtime | None:
        with_data = "data" in selected(info, "entries", "event")

        def verb(ctx: Ctx) -> Realtime:
            zone = UTC if timezone is None else time_zone(timezone)
            return Realtime.of(ctx, realtime(ctx, self.uuid, zone), with_data)

        return await info.context.runtime.run(self.actor, verb)

    @resolved("Values that events have in a field, most frequent first: what to offer in a filter.")
    async def values(
        self,
        info: Info,
        field: Annotated[EventField, strawberry.argument(description="The field.")],
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Part of the value, upper or lower case; with commas, up to five whole values."
            ),
        ] = None,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 10,
        period: Annotated[
            PeriodInput | None,
            strawberry.argument(description="Events of this period only; of all time if absent."),
        ] = None,
    ) -> list[ValueCount] | None:
        def verb(ctx: Ctx) -> list[ValueCount]:
            limit = page_size(first, MAX_PAGE)
            scope = open_scope(ctx, self.uuid, to_period(period or PeriodInput(all=True), ctx.now))
            found = values(ctx, scope, field.value, to_text(search, "search"), limit)
            return [ValueCount(value=value, count=Int64(count)) for value, count in found]

        return await info.context.runtime.run(self.actor, verb)

    @resolved("Every figure of one period and one filter.")
    async def analytics(
        self,
        info: Info,
        period: Annotated[PeriodInput, strawberry.argument(description="The period that counts.")],
        where: Annotated[
            EventFilter | None,
            strawberry.argument(description="Count only events that match; all if absent."),
        ] = None,
    ) -> Analytics | None:
        def verb(ctx: Ctx) -> Analytics:
            scope = open_scope(ctx, self.uuid, to_period(period, ctx.now), to_filter(where))
            return Analytics(scope=scope, actor=self.actor, all_time=bool(period.all))

        return await info.context.runtime.run(self.actor, verb)

"""A website as GraphQL shows it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from app import models, removals, saved_reports, segments, shares
from app.context import Actor, Ctx
from app.paging import Page, Window
from app.segments import SegmentType
from app.stats.queries import active_visitors, values
from app.stats.realtime import realtime
from app.stats.scope import Opening, date_range, open_scope
from app.stats.zones import UTC, time_zone
from graphql_schema.analytics import Analytics
from graphql_schema.connections import MAX_PAGE, After, Connection, First, connection, name_window
from graphql_schema.context import Info
from graphql_schema.filters import EventField, EventFilter, to_filter
from graphql_schema.inputs import PeriodInput, to_period, to_text
from graphql_schema.metering import meter_of
from graphql_schema.people import Person
from graphql_schema.realtime import Realtime
from graphql_schema.removals import Removal
from graphql_schema.saved_reports import SavedReport, SearchReports, report_page
from graphql_schema.scoped import Asked
from graphql_schema.segments import Segment
from graphql_schema.selection import selected
from graphql_schema.shares import ShareLink
from graphql_schema.types import Int64, entity_id, page_size, resolved

if TYPE_CHECKING:
    from graphql_schema.teams import Team


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
    retention_days: int | None = strawberry.field(
        description="Days that its events are kept; null if they are kept for ever."
    )
    share_id: str | None = strawberry.field(
        description="Slug of the link that lets anyone read this website's figures; null if there is none."
    )
    allowed_hosts: list[str] | None = strawberry.field(
        description="Hosts whose pages' hits are taken, `*.example.com` for all below one; empty: any host's. null for "
        "those who read through a share link."
    )
    excluded_hosts: list[str] | None = strawberry.field(
        description="Hosts whose pages' hits are dropped. null for those who read through a share link."
    )
    excluded_addresses: list[str] | None = strawberry.field(
        description="Addresses and CIDR ranges whose hits are dropped. null for those who read through a share link."
    )
    # Under whom it was read: what is read below it is read as the same one, behind a share link too.
    actor: strawberry.Private[Actor]
    owner_id: strawberry.Private[UUID | None]
    team_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, ctx: Ctx, row: models.Website) -> Website:
        """To be called within the operation that read the row."""
        # Those who read through a share link learn nothing of who it belongs to.
        shared = ctx.shared_website_id == row.website_id
        return cls(
            id=strawberry.ID(str(row.website_id)),
            name=row.name,
            domain=row.domain,
            created_at=row.created_at,
            updated_at=row.updated_at,
            reset_at=row.reset_at,
            retention_days=row.retention_days,
            share_id=shares.shown_slug(ctx, row),
            allowed_hosts=None if shared else row.allowed_hosts,
            excluded_hosts=None if shared else row.excluded_hosts,
            excluded_addresses=None if shared else row.excluded_addresses,
            actor=ctx.actor,
            owner_id=None if shared else row.user_id,
            team_id=None if shared else row.team_id,
        )

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)

    @resolved(
        "The user it belongs to: null for a team's website, and for those who read through a share link."
    )
    async def owner(self, info: Info) -> Person | None:
        found = await info.context.loaders.user.load(self.owner_id) if self.owner_id else None
        return Person.of(found) if found else None

    @resolved("The team it belongs to: null for a user's own, and for those who read through a share link.")
    async def team(self, info: Info) -> Annotated["Team", strawberry.lazy("graphql_schema.teams")] | None:  # noqa: UP037
        from graphql_schema.teams import Team

        found = await info.context.loaders.team.load(self.team_id) if self.team_id else None
        return Team.of(found) if found else None

    @resolved("Its share links, oldest first, for those who may change the website; an error for others.")
    async def shares(self, info: Info) -> list[ShareLink] | None:
        def verb(ctx: Ctx) -> list[ShareLink]:
            return [ShareLink.of(ctx, row) for row in shares.listed(ctx, self.uuid)]

        return await info.context.runtime.run(self.actor, verb)

    @resolved(
        "What was last removed of it by a reset, or with it, and how far that is; null if nothing was, and for those who "
        "read through a share link."
    )
    async def removal(self, info: Info) -> Removal | None:
        def verb(ctx: Ctx) -> Removal | None:
            found = removals.latest(ctx, self.uuid)
            return Removal.of(found) if found else None

        return await info.context.runtime.run(self.actor, verb)

    @resolved("Its segments and cohorts, by name.")
    async def segments(
        self,
        info: Info,
        type: Annotated[
            SegmentType | None, strawberry.argument(description="Only these; both if absent.")
        ] = None,
    ) -> list[Segment] | None:
        def verb(ctx: Ctx) -> list[Segment]:
            return [Segment.of(row) for row in segments.listed(ctx, self.uuid, type)]

        return await info.context.runtime.run(self.actor, verb)

    @resolved("One of its segments and cohorts. Error `not-found` if there is none.")
    async def segment(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID, strawberry.argument(description="The id of the segment or cohort, a UUID.")
        ],
    ) -> Segment | None:
        def verb(ctx: Ctx) -> Segment:
            return Segment.of(segments.get(ctx, entity_id(id, "Segment"), self.uuid))

        return await info.context.runtime.run(self.actor, verb)

    @resolved("The saved reports about it, the newest first.")
    async def saved_reports(
        self, info: Info, first: First = 20, after: After = None, search: SearchReports = None
    ) -> Connection[SavedReport] | None:
        return await info.context.runtime.run(
            self.actor,
            report_page,
            lambda ctx, asked, text: saved_reports.of_website(ctx, self.uuid, asked, search=text),
            first,
            after,
            search,
        )

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
            meter_of(info).cover(info, scope)
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
        def opening(ctx: Ctx) -> Opening:
            return Opening(self.uuid, to_period(period, ctx.now), to_filter(ctx, self.uuid, where))

        scope, at = await info.context.scopes.ask(self.actor, opening)
        meter_of(info).cover(info, scope)
        asked = Asked(at, partial(to_period, period))
        return Analytics(scope=scope, actor=self.actor, all_time=bool(period.all), asked=asked)


def website_page(
    ctx: Ctx,
    read: Callable[[Ctx, Window, str], Page[models.Website]],
    first: int,
    after: str | None,
    search: str | None,
) -> Connection[Website]:
    """A page of a list of websites by name; `read` gives the rows of a window that contain a text."""
    asked = name_window(first, after)
    page = read(ctx, asked, to_text(search, "search"))
    return connection(
        page.rows,
        first,
        lambda row: Website.of(ctx, row),
        lambda row: (row.name, str(row.website_id)),
        page.count,
    )

"""Sessions: as a list and one by one, their properties, and the hours of the week they come at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, TypeVar
from uuid import UUID

import strawberry

from app.context import Ctx
from app.errors import NotFound
from app.stats import session_data, sessions
from app.stats.session_data import SessionCount
from graphql_schema.connections import (
    AT_TIME,
    After,
    Connection,
    First,
    at_time,
    connection,
    wants_count,
    wants_rows,
)
from graphql_schema.context import Info
from graphql_schema.event_types import Event, PropertyType
from graphql_schema.events import event_page
from graphql_schema.filters import meaning
from graphql_schema.inputs import to_text
from graphql_schema.scoped import Scoped
from graphql_schema.selection import selected
from graphql_schema.types import Int64, resolved

C = TypeVar("C", bound=type)


def _with_attributes(cls: C) -> C:
    """Give a type a field for each attribute of a session."""
    for name in sessions.ATTRIBUTES:
        cls.__annotations__[name] = str | None
        setattr(cls, name, strawberry.field(description=meaning(name)))
    return cls


@strawberry.type(
    description="A session: one visitor in one calendar month (in all time, if you gave the visitor an id). Its figures "
    "are of its events in the period that match the filter; what it is (browser, city …) it was at the first of these."
)
@_with_attributes
class Session:
    id: strawberry.ID = strawberry.field(description="UUID.")
    first_at: dt.datetime = strawberry.field(description="Time of its first event.")
    last_at: dt.datetime = strawberry.field(description="Time of its last event.")
    visits: Int64 = strawberry.field(description="Visits.")
    views: Int64 = strawberry.field(description="Page views.")
    events: Int64 = strawberry.field(description="Custom events.")
    totaltime: Int64 = strawberry.field(
        description="Seconds between the first and the last event of a visit, of any type, summed over visits."
    )

    @classmethod
    def of(cls, row: sessions.Session) -> Session:
        return cls(
            id=strawberry.ID(str(row.session_id)),
            first_at=row.first_at,
            last_at=row.last_at,
            visits=Int64(row.visits),
            views=Int64(row.views),
            events=Int64(row.events),
            totaltime=Int64(row.totaltime),
            **{name: getattr(row, name) for name in sessions.ATTRIBUTES},
        )


@strawberry.type(description="A property that a session was given by an identification.")
class SessionProperty:
    key: str = strawberry.field(
        description="Its key; those of nested objects are joined with dots: `plan.name`."
    )
    type: PropertyType = strawberry.field(description="Type of the value.")
    value: str = strawberry.field(
        description="The value as text, at most 500 characters: a number with four decimals, a date in ISO 8601 (UTC)."
    )
    number: float | None = strawberry.field(
        description="The value of a NUMBER; null for other types, and for numbers of more than 15 digits before the point."
    )
    date: dt.datetime | None = strawberry.field(description="The value of a DATE; null for other types.")
    set_at: dt.datetime = strawberry.field(description="When it was last set.")

    @classmethod
    def of(cls, row: session_data.SessionProperty) -> SessionProperty:
        return cls(
            key=row.key,
            type=PropertyType(row.type),
            value=row.text,
            number=row.number,
            date=row.date,
            set_at=row.set_at,
        )


@strawberry.type(description="One session in full.")
class SessionDetails(Scoped):
    id: strawberry.ID = strawberry.field(description="UUID.")

    @property
    def uuid(self) -> UUID:
        return UUID(self.id)

    @resolved(
        "What it is and its figures. Error `not-found` if it has no event in the period that matches the filter: it may "
        "have properties all the same."
    )
    async def summary(self, info: Info) -> Session | None:
        return Session.of(await self.ask(info, sessions.session, self.scope, self.uuid))

    @resolved("What it did in the period, as far as it matches the filter, newest first.")
    async def activity(self, info: Info, first: First = 20, after: After = None) -> Connection[Event] | None:
        wanted = selected(info)
        with_data = "data" in selected(info, "nodes") | selected(info, "edges", "node")

        def verb(ctx: Ctx) -> Connection[Event]:
            page = self.page(ctx, f"activity {self.id}", first, after, *AT_TIME)
            rows = sessions.activity(ctx, page.scope, self.uuid, page.window) if wants_rows(wanted) else []
            count = sessions.count_activity(ctx, page.scope, self.uuid) if wants_count(wanted) else 0
            return event_page(ctx, page, rows, first, count, with_data)

        return await self.ask(info, verb)

    @resolved(
        f"Its properties by key, the first {session_data.MAX_PROPERTIES:,}, as they are now: whatever the period and "
        "the filter."
    )
    async def properties(self, info: Info) -> list[SessionProperty] | None:
        found = await self.ask(info, session_data.session_properties, self.scope, self.uuid)
        return [SessionProperty.of(row) for row in found]


@strawberry.type(description="Totals over events of any type, page views and custom events alike.")
class SessionTotals:
    hits: Int64 = strawberry.field(description="Page views and custom events.")
    visitors: Int64 = strawberry.field(
        description="Distinct sessions; unlike `totals`, those with custom events alone count too."
    )
    visits: Int64 = strawberry.field(
        description="Visits; unlike `totals`, those with custom events alone count too."
    )
    countries: Int64 = strawberry.field(description="Different countries.")
    events: Int64 = strawberry.field(description="Custom events.")


@strawberry.type(description="How many sessions have a property.")
class SessionPropertyCount:
    key: str = strawberry.field(description="Key of the property.")
    sessions: Int64 = strawberry.field(
        description="Sessions that have it and an event in the period that matches the filter."
    )


@strawberry.type(description="How many sessions have a value of a property.")
class SessionPropertyValueCount:
    value: str = strawberry.field(
        description="The value as text: a whole number without decimals, another with four; a date cut to the hour, "
        "`2026-11-10 09:00:00` in UTC. Values of different types that look alike count together."
    )
    sessions: Int64 = strawberry.field(
        description="Sessions that have it now and an event in the period that matches the filter."
    )


@strawberry.type(description="Sessions.")
class SessionFigures(Scoped):
    @resolved("Sessions with an event in the period that matches the filter, latest activity first.")
    async def sessions(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Part of your own id of the visitor, the city, browser, operating system or device, upper or "
                "lower case, on any of the session's events."
            ),
        ] = None,
    ) -> Connection[Session] | None:
        wanted = selected(info)

        def verb(ctx: Ctx) -> Connection[Session]:
            page, part = self.page(ctx, "sessions", first, after, *AT_TIME), to_text(search, "search")
            rows = sessions.sessions(ctx, page.scope, page.window, part) if wants_rows(wanted) else []
            count = sessions.count_sessions(ctx, page.scope, part) if wants_count(wanted) else 0
            return connection(
                rows,
                first,
                Session.of,
                lambda row: at_time(row.last_at, row.session_id),
                count,
                page.cursor,
            )

        return await self.ask(info, verb)

    @resolved("One session. Error `not-found` for what is no id.")
    def session(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="Its id, a UUID.")]
    ) -> SessionDetails | None:
        try:
            session_id = UUID(id)
        except ValueError:
            raise NotFound("Session not found") from None
        return SessionDetails(
            scope=self.scope,
            actor=self.actor,
            all_time=self.all_time,
            asked=self.asked,
            id=strawberry.ID(str(session_id)),
        )

    @resolved("Totals over events of any type.")
    async def session_totals(self, info: Info) -> SessionTotals | None:
        found = await self.ask(info, sessions.session_totals, self.scope)
        return SessionTotals(
            hits=Int64(found.hits),
            visitors=Int64(found.visitors),
            visits=Int64(found.visits),
            countries=Int64(found.countries),
            events=Int64(found.events),
        )

    @resolved(
        "The week as 7 lists, Sunday first, of 24 hours on the wall clock of the period's time zone: distinct sessions with "
        "an event of any type in that hour, in any week of the period."
    )
    async def weekday_hours(self, info: Info) -> list[list[Int64]] | None:
        found = await self.ask(info, sessions.weekday_hours, self.scope)
        return [[Int64(count) for count in hours] for hours in found]

    @resolved("Properties that sessions of the period have, most sessions first; then by key.")
    async def session_properties(
        self, info: Info, first: First = 100, after: After = None
    ) -> Connection[SessionPropertyCount] | None:
        wanted = selected(info)

        def verb(ctx: Ctx) -> Connection[SessionPropertyCount]:
            page = self.page(ctx, "sessionProperties", first, after, int, str)
            rows = session_data.property_counts(ctx, page.scope, page.window) if wants_rows(wanted) else []
            count = session_data.count_property_counts(ctx, page.scope) if wants_count(wanted) else 0
            return connection(
                rows,
                first,
                lambda row: SessionPropertyCount(key=row.name, sessions=Int64(row.sessions)),
                _position,
                count,
                page.cursor,
            )

        return await self.ask(info, verb)

    @resolved("Values that sessions of the period have of a property, most sessions first; then by value.")
    async def session_property_values(
        self,
        info: Info,
        key: Annotated[str, strawberry.argument(description="Key of the property.")],
        first: First = 100,
        after: After = None,
    ) -> Connection[SessionPropertyValueCount] | None:
        wanted = selected(info)

        def verb(ctx: Ctx) -> Connection[SessionPropertyValueCount]:
            page = self.page(ctx, "sessionPropertyValues", first, after, int, str)
            name = to_text(key, "key")
            rows: Sequence[SessionCount] = []
            if wants_rows(wanted):
                rows = session_data.property_value_counts(ctx, page.scope, name, page.window)
            count = (
                session_data.count_property_value_counts(ctx, page.scope, name) if wants_count(wanted) else 0
            )
            return connection(
                rows,
                first,
                lambda row: SessionPropertyValueCount(value=row.name, sessions=Int64(row.sessions)),
                _position,
                count,
                page.cursor,
            )

        return await self.ask(info, verb)


def _position(row: SessionCount) -> tuple[int, str]:
    return row.sessions, row.name

"""Everything that is stored of one visitor, to be handed out or removed: a visitor's rights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import strawberry

from app import visitors
from app.context import Actor, Ctx
from app.paging import Window
from app.visitors import Visitor
from graphql_schema.connections import (
    AT_TIME,
    MAX_PAGE,
    After,
    Connection,
    First,
    Kind,
    at_time,
    connection,
    position,
    wants_count,
)
from graphql_schema.context import Info
from graphql_schema.event_types import Event, EventProperty
from graphql_schema.selection import selected
from graphql_schema.types import Int64, entity_id, page_size, resolved
from graphql_schema.types import website_id as to_website_id

T = TypeVar("T")
R = TypeVar("R")

_WebsiteId = Annotated[strawberry.ID, strawberry.argument(description="The website's id, a UUID.")]
_SessionId = Annotated[
    strawberry.ID | None, strawberry.argument(description="The visitor's session, a UUID: this one alone.")
]
_DistinctId = Annotated[
    str | None,
    strawberry.argument(
        description="Your own id of the visitor, as `identify` and hits carry it: all of its sessions. What the visitor "
        "did before it had that id is of other sessions."
    ),
]


@strawberry.type(description="A visit of the visitor.")
class ExportedVisit:
    id: strawberry.ID = strawberry.field(description="UUID.")
    session_id: strawberry.ID = strawberry.field(description="UUID of the session.")
    started_at: dt.datetime = strawberry.field(description="When its first event happened.")
    ended_at: dt.datetime = strawberry.field(description="When its last event happened.")
    pageviews: Int64 = strawberry.field(description="Page views.")
    events: Int64 = strawberry.field(description="Custom events.")

    @classmethod
    def of(cls, row: visitors.Visit) -> ExportedVisit:
        return cls(
            id=strawberry.ID(str(row.visit_id)),
            session_id=strawberry.ID(str(row.session_id)),
            started_at=row.started_at,
            ended_at=row.ended_at,
            pageviews=Int64(row.pageviews),
            events=Int64(row.events),
        )


@strawberry.type(description="A property of a session, each time that it was set.")
class ExportedProperty:
    session_id: strawberry.ID = strawberry.field(description="UUID of the session.")
    distinct_id: str | None = strawberry.field(description="Your own id of the visitor, if one was sent.")
    set_at: dt.datetime = strawberry.field(description="When it was set.")
    property: EventProperty = strawberry.field(description="Its key, and the value that it was given.")

    @classmethod
    def of(cls, row: visitors.Property) -> ExportedProperty:
        return cls(
            session_id=strawberry.ID(str(row.session_id)),
            distinct_id=row.distinct_id,
            set_at=row.set_at,
            property=EventProperty.of(row),
        )


@strawberry.type(description="The revenue of an event.")
class ExportedRevenue:
    event_id: strawberry.ID = strawberry.field(description="UUID of the event.")
    session_id: strawberry.ID = strawberry.field(description="UUID of the session.")
    at: dt.datetime = strawberry.field(description="When it happened.")
    event_name: str = strawberry.field(description="Name of the event.")
    currency: str = strawberry.field(description="Currency, as sent.")
    amount: str = strawberry.field(description="The amount with four decimals.")

    @classmethod
    def of(cls, row: visitors.Payment) -> ExportedRevenue:
        return cls(
            event_id=strawberry.ID(str(row.event_id)),
            session_id=strawberry.ID(str(row.session_id)),
            at=row.at,
            event_name=row.event_name,
            currency=row.currency,
            amount=str(row.amount),
        )


@strawberry.type(
    description="Everything that is stored of a visitor, oldest first. Each list can be read to its end by its cursors."
)
class VisitorExport:
    visitor: strawberry.Private[Visitor]
    actor: strawberry.Private[Actor]
    session_ids: list[strawberry.ID] = strawberry.field(
        description="UUIDs of the visitor's sessions; empty if nothing is stored of it."
    )

    @resolved("Its visits.")
    async def visits(
        self, info: Info, first: First = 100, after: After = None
    ) -> Connection[ExportedVisit] | None:
        return await self._page(
            info,
            visitors.visits,
            visitors.count_visits,
            ExportedVisit.of,
            AT_TIME,
            lambda row: at_time(row.started_at, row.visit_id),
            first,
            after,
        )

    @resolved("Its page views and custom events, with their data.")
    async def events(self, info: Info, first: First = 100, after: After = None) -> Connection[Event] | None:
        return await self._page(
            info,
            visitors.events,
            visitors.count_events,
            lambda found: Event.of(*found),
            AT_TIME,
            lambda found: at_time(found[0].created_at, found[0].event_id),
            first,
            after,
        )

    @resolved("What `identify` set, all former values too.")
    async def properties(
        self, info: Info, first: First = 100, after: After = None
    ) -> Connection[ExportedProperty] | None:
        return await self._page(
            info,
            visitors.properties,
            visitors.count_properties,
            ExportedProperty.of,
            (int, str),
            lambda row: (row.version, row.key),
            first,
            after,
        )

    @resolved("The revenue of its events.")
    async def revenue(
        self, info: Info, first: First = 100, after: After = None
    ) -> Connection[ExportedRevenue] | None:
        return await self._page(
            info,
            visitors.payments,
            visitors.count_payments,
            ExportedRevenue.of,
            AT_TIME,
            lambda row: at_time(row.at, row.event_id),
            first,
            after,
        )

    async def _page(
        self,
        info: Info,
        read: Callable[[Ctx, Visitor, Window], list[R]],
        counted: Callable[[Ctx, Visitor], int],
        node: Callable[[R], T],
        kinds: Sequence[Kind],
        cursor: Callable[[R], tuple[Any, ...]],
        first: int,
        after: str | None,
    ) -> Connection[T]:
        wanted = wants_count(selected(info))

        def verb(ctx: Ctx) -> Connection[T]:
            limit = page_size(first, MAX_PAGE)
            place = None if after is None else tuple(position(after, kinds))
            rows = read(ctx, self.visitor, Window(limit + 1, after=place))
            return connection(rows, first, node, cursor, counted(ctx, self.visitor) if wanted else 0)

        return await info.context.runtime.run(self.actor, verb)


@strawberry.type(description="What was removed of a visitor.")
class DeletedVisitor:
    sessions: Int64 = strawberry.field(description="Sessions of which anything was stored.")
    events: Int64 = strawberry.field(description="Page views and custom events.")
    event_data: Int64 = strawberry.field(description="Properties of these.")
    session_data: Int64 = strawberry.field(description="Properties set by `identify`, former values too.")
    revenue: Int64 = strawberry.field(description="Amounts of revenue.")


@strawberry.type
class VisitorQueries:
    """What the query type gets by inheriting from it."""

    @resolved(
        "Everything that is stored of a visitor, for those who may change the website: by exactly one of `sessionId` and "
        "`distinctId`."
    )
    async def export_visitor(
        self,
        info: Info,
        website_id: _WebsiteId,
        session_id: _SessionId = None,
        distinct_id: _DistinctId = None,
    ) -> VisitorExport | None:
        def verb(ctx: Ctx) -> VisitorExport:
            found = visitors.find(ctx, to_website_id(website_id), **_named(session_id, distinct_id))
            return VisitorExport(
                visitor=found,
                actor=ctx.actor,
                session_ids=[strawberry.ID(str(session)) for session in found.session_ids],
            )

        return await info.context.run(verb)


@strawberry.type
class VisitorMutations:
    """What the mutation type gets by inheriting from it."""

    @resolved(
        "Remove everything that is stored of a visitor, for those who may change the website: by exactly one of "
        "`sessionId` and `distinctId`. Once it is answered, no crash brings anything back. Hits that come later are those "
        "of a new visitor. Error `unavailable` while hits that were accepted are not stored yet: then ask again."
    )
    async def delete_visitor(
        self,
        info: Info,
        website_id: _WebsiteId,
        session_id: _SessionId = None,
        distinct_id: _DistinctId = None,
    ) -> DeletedVisitor | None:
        def verb(ctx: Ctx) -> DeletedVisitor:
            gone = visitors.delete(ctx, to_website_id(website_id), **_named(session_id, distinct_id))
            return DeletedVisitor(
                sessions=Int64(gone.sessions),
                events=Int64(gone.events),
                event_data=Int64(gone.event_data),
                session_data=Int64(gone.session_data),
                revenue=Int64(gone.revenue),
            )

        return await info.context.run(verb)


def _named(session_id: strawberry.ID | None, distinct_id: str | None) -> dict[str, Any]:
    return {
        "session_id": None if session_id is None else entity_id(session_id, "Session"),
        "distinct_id": distinct_id,
    }

"""Events as a list, and the data sent with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

import strawberry

from app.context import Ctx
from app.errors import Invalid
from app.stats.event_data import (
    TYPED_PROPERTIES,
    TYPED_VALUES,
    DataCount,
    Listing,
    count_data_counts,
    data_counts,
    data_totals,
)
from app.stats.event_rows import EventRow, data_of
from app.stats.events import count_events, events
from app.stats.filters import Condition, Operator
from graphql_schema.connections import (
    AT_TIME,
    After,
    Connection,
    First,
    Kind,
    at_time,
    connection,
    wants_count,
    wants_rows,
)
from graphql_schema.context import Info
from graphql_schema.event_types import Event, PropertyType
from graphql_schema.filters import StringFilter, to_conditions
from graphql_schema.inputs import to_text
from graphql_schema.scoped import Listed, Scoped
from graphql_schema.selection import selected
from graphql_schema.types import FOREIGN, Int64, resolved

T = TypeVar("T")

_TYPES: Final = {kind.value for kind in PropertyType}


@strawberry.type(description="How often a property was sent with an event.")
class EventPropertyCount:
    event: str | None = strawberry.field(description="Name of the custom event; null for page views.")
    key: str = strawberry.field(description="Key of the property.")
    type: PropertyType = strawberry.field(description="Type of its values.")
    count: Int64 = strawberry.field(description="How often it was sent.")

    @classmethod
    def of(cls, row: DataCount) -> EventPropertyCount:
        return cls(event=row.event, key=row.key, type=PropertyType(row.type), count=Int64(row.total))


@strawberry.type(description="How often a property was sent with a value.")
class PropertyValueCount:
    key: str = strawberry.field(description="Key of the property.")
    type: PropertyType = strawberry.field(description="Type of the value.")
    value: str = strawberry.field(
        description="The value as text: a whole number without decimals, another with four; a date cut to the hour, "
        "`2026-11-10 09:00:00` in UTC."
    )
    count: Int64 = strawberry.field(description="How often it was sent.")

    @classmethod
    def of(cls, row: DataCount) -> PropertyValueCount:
        return cls(key=row.key, type=PropertyType(row.type), value=row.value, count=Int64(row.total))


@strawberry.type(description="How much data was sent with events.")
class EventDataTotals:
    events: Int64 = strawberry.field(description="Events that have data.")
    properties: Int64 = strawberry.field(description="Different keys.")
    records: Int64 = strawberry.field(description="Values: one for each key of each event.")


_EventName = Annotated[
    str | None,
    strawberry.argument(
        description="Only what was sent with events of this name; empty: with page views; with any if absent."
    ),
]


@strawberry.type(description="Events, and the data sent with them.")
class EventFigures(Scoped):
    @resolved("Page views and custom events, newest first.")
    async def events(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Part of a custom event's name or a page view's path, upper or lower case."
            ),
        ] = None,
    ) -> Connection[Event] | None:
        wanted = selected(info)
        with_data = "data" in selected(info, "nodes") | selected(info, "edges", "node")

        def verb(ctx: Ctx) -> Connection[Event]:
            part = to_text(search, "search")
            page = self.page(ctx, "events", first, after, *AT_TIME)
            rows = events(ctx, page.scope, page.window, part) if wants_rows(wanted) else []
            count = count_events(ctx, page.scope, part) if wants_count(wanted) else 0
            return event_page(ctx, page, rows, first, count, with_data)

        return await self.ask(info, verb)

    @resolved("Properties sent with events, most frequent first; then by event, key and type.")
    async def event_properties(
        self,
        info: Info,
        event: _EventName = None,
        key: Annotated[
            StringFilter | None, strawberry.argument(description="Only properties whose key compares so.")
        ] = None,
        first: First = 100,
        after: After = None,
    ) -> Connection[EventPropertyCount] | None:
        wanted = selected(info)

        def verb(ctx: Ctx) -> Connection[EventPropertyCount]:
            keys = [] if key is None else list(to_conditions("key", key))
            page = self.page(ctx, "eventProperties", first, after, *_kinds(TYPED_PROPERTIES))
            return _counts(ctx, page, TYPED_PROPERTIES, EventPropertyCount.of, event, keys, first, wanted)

        return await self.ask(info, verb)

    @resolved("Values of properties sent with events, most frequent first; then by key, type and value.")
    async def property_values(
        self,
        info: Info,
        key: Annotated[
            str | None, strawberry.argument(description="Key of the property; every property if absent.")
        ] = None,
        event: _EventName = None,
        first: First = 100,
        after: After = None,
    ) -> Connection[PropertyValueCount] | None:
        wanted = selected(info)

        def verb(ctx: Ctx) -> Connection[PropertyValueCount]:
            keys = [] if key is None else [Condition("key", Operator.EQ, (key,))]
            page = self.page(ctx, "propertyValues", first, after, *_kinds(TYPED_VALUES))
            return _counts(ctx, page, TYPED_VALUES, PropertyValueCount.of, event, keys, first, wanted)

        return await self.ask(info, verb)

    @resolved("How much data was sent with events.")
    async def event_data_totals(self, info: Info) -> EventDataTotals | None:
        found = await self.ask(info, data_totals, self.scope)
        return EventDataTotals(
            events=Int64(found.events),
            properties=Int64(found.properties),
            records=Int64(found.records),
        )


def event_page(
    ctx: Ctx, page: Listed, rows: Sequence[EventRow], first: int, count: int, with_data: bool
) -> Connection[Event]:
    """A page of up to `first` of these events; their data is looked up only if it is asked for."""
    data = data_of(ctx, page.scope, rows[:first]) if with_data else {}
    return connection(
        rows,
        first,
        lambda row: Event.of(row, data.get(row.event_id, ())),
        lambda row: at_time(row.created_at, row.event_id),
        count,
        page.cursor,
    )


def _kinds(listing: Listing) -> list[Kind]:
    return [int if name in ("total", "type") else str for name in listing.names]


def _counts(
    ctx: Ctx,
    page: Listed,
    listing: Listing,
    node: Callable[[DataCount], T],
    event: str | None,
    keys: Sequence[Condition],
    first: int,
    wanted: frozenset[str],
) -> Connection[T]:
    """A page of a listing of data, each of its rows made a node."""
    scope, seen = page.scope, page.window.after
    if seen and dict(zip(listing.names, seen, strict=True))["type"] not in _TYPES:
        raise Invalid(FOREIGN, field="after")
    rows = data_counts(ctx, scope, listing, event=event, keys=keys, window=page.window)
    count = count_data_counts(ctx, scope, listing, event=event, keys=keys) if wants_count(wanted) else 0
    return connection(rows, first, node, listing.position, count, page.cursor)

"""Events and their data as nodes: what a list of events and a session's activity show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import Enum
from typing import Final, TypeVar

import strawberry

from app.stats.event_rows import Datum, EventRow
from app.stats.fields import FIELDS
from app.tables import ARRAY, BOOLEAN, CUSTOM_EVENT, DATE, NUMBER, PAGE_VIEW, STRING
from graphql_schema.enums import described
from graphql_schema.filters import meaning

C = TypeVar("C", bound=type)


class EventType(Enum):
    PAGEVIEW = PAGE_VIEW
    CUSTOM = CUSTOM_EVENT


class PropertyType(Enum):
    STRING = STRING
    NUMBER = NUMBER
    BOOLEAN = BOOLEAN
    DATE = DATE
    ARRAY = ARRAY


described(
    EventType,
    "What an event is.",
    {"PAGEVIEW": "A page view.", "CUSTOM": "A custom event: it has a name."},
)
described(
    PropertyType,
    "Type of a property's value, found when it was sent.",
    {
        "STRING": "A text.",
        "NUMBER": "A number, kept with four decimals.",
        "BOOLEAN": "`true` or `false`.",
        "DATE": "An instant: a text in ISO 8601 with time.",
        "ARRAY": "A list, or null: its JSON.",
    },
)


@strawberry.type(description="Where the visitor came from, the website's own pages included.")
class Referrer:
    domain: str | None = strawberry.field(
        description="Host of the address, without `www.`; null for localhost."
    )
    path: str = strawberry.field(description="Path of the address.")
    query: str = strawberry.field(description="Query string of the address, as sent.")

    @classmethod
    def of(cls, row: EventRow) -> Referrer | None:
        if row.referrer_path is None or row.referrer_query is None:
            return None
        return cls(domain=row.referrer_domain, path=row.referrer_path, query=row.referrer_query)


@strawberry.type(description="A property of the data sent with an event.")
class EventProperty:
    key: str = strawberry.field(
        description="Its key; those of nested objects are joined with dots: `cart.total`."
    )
    type: PropertyType = strawberry.field(description="Type of the value.")
    value: str = strawberry.field(
        description="The value as text, at most 500 characters: a number with four decimals, a date in ISO 8601 (UTC)."
    )
    number: float | None = strawberry.field(
        description="The value of a NUMBER; null for other types, and for numbers of more than 15 digits before the point."
    )
    date: dt.datetime | None = strawberry.field(description="The value of a DATE; null for other types.")

    @classmethod
    def of(cls, datum: Datum) -> EventProperty:
        return cls(
            key=datum.key,
            type=PropertyType(datum.type),
            value=datum.text,
            number=datum.number,
            date=datum.date,
        )


# An event's name and referrer have forms of their own here.
_PLAIN: Final = {name: field for name, field in FIELDS.items() if name not in ("event", "referrer")}


def _with_fields(cls: C) -> C:
    """Give a type a plain field for each field that events are filtered by, under the same name."""
    for name, field in _PLAIN.items():
        cls.__annotations__[name] = str | None if field.nullable else str
        setattr(cls, name, strawberry.field(description=meaning(name)))
    return cls


@strawberry.type(
    description="A page view or a custom event, with what was known of the visitor at that moment."
)
@_with_fields
class Event:
    id: strawberry.ID = strawberry.field(description="UUID.")
    at: dt.datetime = strawberry.field(description="When it happened.")
    type: EventType = strawberry.field(description="What it is.")
    name: str | None = strawberry.field(description="Name of a custom event; null for page views.")
    referrer: Referrer | None = strawberry.field(
        description="Where the visitor came from; null if there was no referrer."
    )
    session_id: strawberry.ID = strawberry.field(
        description="UUID of the session: one visitor in one calendar month."
    )
    visit_id: strawberry.ID = strawberry.field(description="UUID of the visit.")
    data: list[EventProperty] = strawberry.field(
        description="Properties sent with it, by key ascending; empty if there are none."
    )

    @classmethod
    def of(cls, row: EventRow, data: Sequence[Datum] = ()) -> Event:
        return cls(
            id=strawberry.ID(str(row.event_id)),
            at=row.created_at,
            type=EventType(row.event_type),
            name=row.event_name,
            referrer=Referrer.of(row),
            session_id=strawberry.ID(str(row.session_id)),
            visit_id=strawberry.ID(str(row.visit_id)),
            data=[EventProperty.of(datum) for datum in data],
            **{name: getattr(row, field.column.name) for name, field in _PLAIN.items()},
        )

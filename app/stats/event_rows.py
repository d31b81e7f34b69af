"""Events as rows: every column of a page view or custom event, and the data that was sent with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.context import Ctx
from app.paging import Key, Window, windowed
from app.sql import by_id, ordinal
from app.stats.scope import Scope
from app.tables import event, event_data

# The order of lists of events. Ids are random, so those of one instant are in no order of time.
NEWEST_FIRST: Final = (
    Key(event.c.created_at, descending=True),
    Key(by_id(event.c.event_id), descending=True),
)


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `event`: its columns by name and in order, `created_at` in UTC. What is absent is None.

    Path and query of the page are texts always; those of the referrer are None together, if there was no referrer
    (Umami v2 REST behaviour §1.6, §3.8).
    """

    event_id: UUID
    website_id: UUID
    session_id: UUID
    visit_id: UUID
    created_at: dt.datetime
    event_type: int
    event_name: str | None
    url_path: str
    url_query: str
    hostname: str | None
    page_title: str | None
    referrer_domain: str | None
    referrer_path: str | None
    referrer_query: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_content: str | None
    utm_term: str | None
    gclid: str | None
    fbclid: str | None
    msclkid: str | None
    ttclid: str | None
    li_fat_id: str | None
    twclid: str | None
    tag: str | None
    distinct_id: str | None
    browser: str | None
    os: str | None
    device: str | None
    screen: str | None
    language: str | None
    country: str | None
    region: str | None
    city: str | None


@dataclass(frozen=True, slots=True)
class Datum:
    """One flattened key of an event's data. `type` is one of `app.tables`, `text` the value as text in any type.

    `number` (four decimals) and `date` (UTC) are given for their types, where the store could hold the value.
    """

    key: str
    type: int
    text: str
    number: float | None
    date: dt.datetime | None


def event_rows(
    ctx: Ctx,
    conditions: Iterable[ColumnElement[bool]],
    window: Window,
    keys: Sequence[Key] = NEWEST_FIRST,
) -> list[EventRow]:
    """The events that meet the conditions (those of a scope among them) and are in the window."""
    query = windowed(sa.select(*_COLUMNS).where(*conditions), keys, window)
    return [_event_row(row._asdict()) for row in ctx.events.rows(query)]


def data_of(ctx: Ctx, scope: Scope, rows: Sequence[EventRow]) -> dict[UUID, list[Datum]]:
    """The data of these events of the scope by event id, keys ascending; events without data are left out.

    One statement, whatever the number of events.
    """
    if not rows:
        return {}
    times = [row.created_at for row in rows]
    columns = event_data.c
    query = (
        sa.select(
            columns.event_id,
            columns.data_key,
            columns.data_type,
            columns.string_value,
            columns.number_value,
            columns.date_value,
        )
        .where(
            columns.website_id == scope.website_id,
            # Data has the time of its event, and stores find rows by time.
            columns.created_at >= min(times),
            columns.created_at <= max(times),
            columns.event_id.in_([row.event_id for row in rows]),
        )
        # Two spellings of a key ("a.b" and a: {b}) are two rows of it.
        .order_by(
            columns.event_id, ordinal(columns.data_key), columns.data_type, ordinal(columns.string_value)
        )
    )
    found: dict[UUID, list[Datum]] = {}
    for event_id, key, kind, text, number, date in ctx.events.rows(query):
        datum = Datum(key, kind, text, None if number is None else float(number), date)
        found.setdefault(event_id, []).append(datum)
    return found


_COLUMNS: Final = [event.c[column.name] for column in fields(EventRow)]
_ALWAYS: Final = frozenset({"url_path", "url_query"})
_REFERRER: Final = ("referrer_domain", "referrer_path", "referrer_query")


def _event_row(columns: Mapping[str, Any]) -> EventRow:
    given: dict[str, Any] = {
        name: None if value == "" and name not in _ALWAYS else value for name, value in columns.items()
    }
    if any(columns[name] for name in _REFERRER):
        given |= {name: columns[name] for name in _REFERRER[1:]}
    return EventRow(**given)

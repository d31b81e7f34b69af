"""Visitors: everything that is stored of one, to be handed out or removed for good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app import access, erasure
from app.context import Ctx
from app.errors import Invalid, Unavailable
from app.ingest.identity import Identity
from app.models import iso
from app.paging import Key, Window, windowed
from app.sql import by_id, ordinal
from app.stats.event_rows import Datum, EventRow, data_of, event_rows
from app.stats.filters import checked, within_writes
from app.stats.measures import whole
from app.stats.scope import open_ever
from app.tables import CUSTOM_EVENT, PAGE_VIEW, event, revenue, session_data

# As long as it is stored (`app.ingest.rows`).
MAX_DISTINCT_ID: Final = 50
# Rows that an export reads at a time.
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Visitor:
    """The sessions of one visitor of a website: one session, or all that have its own id, `distinct_id`.

    What was stored by writes up to `after` is being removed, or is of a website that had the same id, and not shown.
    """

    website_id: UUID
    session_ids: tuple[UUID, ...]
    distinct_id: str = ""
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit; times are those of its first and last event of any type."""

    visit_id: UUID
    session_id: UUID
    started_at: dt.datetime
    ended_at: dt.datetime
    pageviews: int
    events: int


@dataclass(frozen=True, slots=True)
class Property(Datum):
    """One key that a session was given by `identify`, each time that it was set; `version` orders these."""

    session_id: UUID
    distinct_id: str | None
    set_at: dt.datetime
    version: int


@dataclass(frozen=True, slots=True)
class Payment:
    """The revenue of one event."""

    event_id: UUID
    session_id: UUID
    visit_id: UUID
    at: dt.datetime
    event_name: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows of each kind are gone."""

    sessions: int
    events: int
    event_data: int
    session_data: int
    revenue: int


# Oldest first; the last key of each list tells its rows apart.
EVENTS_BY: Final = (Key(event.c.created_at), Key(by_id(event.c.event_id)))
PAYMENTS_BY: Final = (Key(revenue.c.created_at), Key(by_id(revenue.c.event_id)))
PROPERTIES_BY: Final = (Key(session_data.c.version), Key(ordinal(session_data.c.data_key)))


def find(
    ctx: Ctx, website_id: UUID, *, session_id: UUID | None = None, distinct_id: str | None = None
) -> Visitor:
    """A visitor by a session or by its own id, for who may change the website. One that left nothing has no sessions.

    Raises as `access.update_website`, Invalid unless exactly one of the two is given.
    """
    after = access.update_website(ctx, website_id).removed_upto
    if (session_id is None) == (distinct_id is None):
        raise Invalid("Exactly one of sessionId and distinctId says which visitor", field="sessionId")
    if distinct_id is not None:
        if not distinct_id:
            raise Invalid("distinctId must not be empty", field="distinctId")
        distinct_id = checked(distinct_id, "distinctId")
        if len(distinct_id) >= MAX_DISTINCT_ID:
            # Others may begin alike, and no more of an id is stored: the session is made of the whole of it.
            named = _made_of(ctx, website_id, distinct_id)
            return Visitor(website_id, _sessions(ctx, website_id, named, after=after), after=after)
    sessions = _sessions(ctx, website_id, [session_id] if session_id else [], distinct_id, after)
    return Visitor(website_id, sessions, distinct_id or "", after)


def _made_of(ctx: Ctx, website_id: UUID, distinct_id: str) -> list[UUID]:
    """The sessions that hits with this id have: of a website's id as it is written in small letters, and in capitals."""
    identity = Identity(ctx.keys.secret)
    written = (str(website_id), str(website_id).upper())
    return [identity.session(website, "", "", distinct_id, ctx.now) for website in written]


def _sessions(
    ctx: Ctx,
    website_id: UUID,
    session_ids: Sequence[UUID],
    distinct_id: str | None = None,
    after: int | None = None,
) -> tuple[UUID, ...]:
    """Those of these sessions, or of those with this id, of which something is stored."""
    parts = [
        sa.select(table.c.session_id).where(
            table.c.website_id == website_id,
            table.c.distinct_id == distinct_id if distinct_id else table.c.session_id.in_(session_ids),
            *within_writes(table, after, None),
        )
        for table in (event, session_data)
    ]
    found = sa.union(*parts).subquery("sessions")
    rows = ctx.events.rows(sa.select(found.c.session_id).order_by(by_id(found.c.session_id)))
    return tuple(session for (session,) in rows)


def delete(
    ctx: Ctx, website_id: UUID, *, session_id: UUID | None = None, distinct_id: str | None = None
) -> Removed:
    """Remove everything of a visitor, what was accepted before this call included, so that no crash brings it back.

    Raises as `find`; Unavailable while what was accepted cannot be stored, or a journal cannot be written: then it may be
    gone in part, and is to be asked for again.
    """
    access.update_website(ctx, website_id)
    if not ctx.events.wait_until_settled():
        raise Unavailable("Hits that were accepted are not stored yet: try again in a moment")
    visitor = find(ctx, website_id, session_id=session_id, distinct_id=distinct_id)
    # Of what the store refused nothing tells here which sessions there are.
    named = _made_of(ctx, website_id, distinct_id) if distinct_id else []
    sessions = {*visitor.session_ids, *named, *([session_id] if session_id else [])}
    rows = erasure.remove_sessions(ctx.events, website_id, sessions)
    ctx.runtime.erased(website_id, sessions, visitor.distinct_id)
    ctx.events.tell(website_id)
    if any(rows.values()):
        ctx.after_commit.append(lambda: ctx.runtime.make_room(website_id))
    return Removed(
        len(visitor.session_ids), rows["event"], rows["event_data"], rows["session_data"], rows["revenue"]
    )


def visits(ctx: Ctx, visitor: Visitor, window: Window) -> list[Visit]:
    """The visits by the time they began; a window's `after` is a (started_at, visit_id)."""
    columns = event.c
    grouped = (
        sa.select(
            columns.visit_id,
            columns.session_id,
            sa.func.min(columns.created_at).label("started_at"),
            sa.func.max(columns.created_at).label("ended_at"),
            sa.func.count().filter(columns.event_type == PAGE_VIEW).label("pageviews"),
            sa.func.count().filter(columns.event_type == CUSTOM_EVENT).label("events"),
        )
        .where(*_of(event, visitor))
        .group_by(columns.visit_id, columns.session_id)
        .subquery("visits")
    )
    # A visit is of one session: its id is made of the session's.
    keys = (Key(grouped.c.started_at), Key(by_id(grouped.c.visit_id)))
    return [
        Visit(visit_id, session_id, first, last, whole(views), whole(events))
        for visit_id, session_id, first, last, views, events in ctx.events.rows(
            windowed(sa.select(grouped), keys, window)
        )
    ]


def events(ctx: Ctx, visitor: Visitor, window: Window) -> list[tuple[EventRow, Sequence[Datum]]]:
    """The events with their data, oldest first; a window's `after` is a (created_at, event_id)."""
    rows = event_rows(ctx, _of(event, visitor), window, EVENTS_BY)
    data = data_of(ctx, open_ever(ctx, visitor.website_id), rows)
    return [(row, data.get(row.event_id, ())) for row in rows]


def properties(ctx: Ctx, visitor: Visitor, window: Window) -> list[Property]:
    """What `identify` set, in that order; a window's `after` is a (version, key)."""
    columns = session_data.c
    query = sa.select(
        columns.data_key,
        columns.data_type,
        columns.string_value,
        columns.number_value,
        columns.date_value,
        columns.session_id,
        columns.distinct_id,
        columns.created_at,
        columns.version,
    ).where(*_of(session_data, visitor))
    return [
        Property(
            key,
            kind,
            text,
            None if number is None else float(number),
            date,
            session,
            named or None,
            at,
            version,
        )
        for key, kind, text, number, date, session, named, at, version in ctx.events.rows(
            windowed(query, PROPERTIES_BY, window)
        )
    ]


def payments(ctx: Ctx, visitor: Visitor, window: Window) -> list[Payment]:
    """The revenue, oldest first; a window's `after` is a (created_at, event_id)."""
    columns = revenue.c
    query = sa.select(
        columns.event_id,
        columns.session_id,
        columns.visit_id,
        columns.created_at,
        columns.event_name,
        columns.currency,
        columns.revenue,
    ).where(*_of(revenue, visitor))
    return [Payment(*row) for row in ctx.events.rows(windowed(query, PAYMENTS_BY, window))]


def count_visits(ctx: Ctx, visitor: Visitor) -> int:
    """How many rows `visits` lists in all."""
    return _count(ctx, visitor, event, event.c.visit_id.distinct())


def count_events(ctx: Ctx, visitor: Visitor) -> int:
    """How many rows `events` lists in all."""
    return _count(ctx, visitor, event)


def count_properties(ctx: Ctx, visitor: Visitor) -> int:
    """How many rows `properties` lists in all."""
    return _count(ctx, visitor, session_data)


def count_payments(ctx: Ctx, visitor: Visitor) -> int:
    """How many rows `payments` lists in all."""
    return _count(ctx, visitor, revenue)


Rows = Iterator[Mapping[str, Any]]


def document(ctx: Ctx, visitor: Visitor) -> Iterator[tuple[str, Rows]]:
    """Everything of a visitor as lists of JSON-ready objects: (name, its rows), to be read in this order."""
    yield "sessions", ({"sessionId": str(session)} for session in visitor.session_ids)
    yield (
        "visits",
        (
            _json(asdict(row))
            for row in _all(ctx, visitor, visits, lambda row: (row.started_at, row.visit_id))
        ),
    )
    yield (
        "events",
        (
            {**_json(asdict(row)), "data": [_json(asdict(datum)) for datum in data]}
            for row, data in _all(
                ctx, visitor, events, lambda found: (found[0].created_at, found[0].event_id)
            )
        ),
    )
    yield (
        "sessionData",
        (_json(asdict(row)) for row in _all(ctx, visitor, properties, lambda row: (row.version, row.key))),
    )
    yield (
        "revenue",
        (_json(asdict(row)) for row in _all(ctx, visitor, payments, lambda row: (row.at, row.event_id))),
    )


def _all(ctx: Ctx, visitor: Visitor, read: Any, place: Any) -> Iterator[Any]:
    after = None
    while rows := read(ctx, visitor, Window(_PAGE, after=after)):
        yield from rows
        after = place(rows[-1])


def _json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in camel case; ids, times and decimals as text."""
    return {_camel(name): _value(value) for name, value in row.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _value(value: object) -> object:
    if isinstance(value, dt.datetime):
        return iso(value)
    return str(value) if isinstance(value, UUID | Decimal) else value


def _count(ctx: Ctx, visitor: Visitor, table: sa.Table, *what: ColumnElement[Any]) -> int:
    query = sa.select(sa.func.count(*what)).select_from(table).where(*_of(table, visitor))
    [(count,)] = ctx.events.rows(query)
    return whole(count)


def _of(table: sa.Table, visitor: Visitor) -> list[ColumnElement[bool]]:
    return [
        table.c.website_id == visitor.website_id,
        table.c.session_id.in_(visitor.session_ids),
        *within_writes(table, visitor.after, None),
    ]

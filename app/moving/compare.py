"""Whether two event stores say the same: what they hold of each website, and the figures of each of its months."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.context import SYSTEM, Ctx, Runtime
from app.db import EventStore, without_limit
from app.stats.measures import MEASURES
from app.stats.period import Period
from app.stats.plan import answer_all
from app.stats.questions import Totals
from app.stats.scope import whole_scope
from app.stats.zones import UTC
from app.tables import (
    CUSTOM_EVENT,
    DATA_TABLES,
    PAGE_VIEW,
    event,
    event_data,
    revenue,
    session_data,
    visit_part,
)

# Called with what is being compared, and how much of how much is done.
Progress = Callable[[str, int, int], None]

_TOGETHER: Final = 200  # websites that one statement asks about
_INSTANT: Final = dt.timedelta(microseconds=1)
# What a website holds of nothing.
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that is not the same. `of` is a table, or a month as '2026-11'."""

    website_id: UUID
    of: str
    figure: str
    source: Any
    target: Any


@dataclass(slots=True)
class Compared:
    """What was compared: by table or kind of figures, how many websites had any, and what it came to in the target."""

    of: str
    websites: int
    sums: dict[str, Any]


@dataclass(slots=True)
class Comparison:
    compared: list[Compared] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


def compare(source: Runtime, target: Runtime, progress: Progress) -> Comparison:
    """Compare two event stores in whole. What is compared is read from both."""
    found = Comparison()
    tables = (*DATA_TABLES, visit_part)
    spans: dict[UUID, tuple[dt.datetime, dt.datetime]] = {}
    for number, table in enumerate(tables):
        progress(f"Comparing {table.name}", number, len(tables))
        there, here = sums(source.events, table), sums(target.events, table)
        found.differences += _differences(table.name, there, here)
        found.compared.append(Compared(table.name, len(here), _together(here.values())))
        if table is event:
            spans = {website_id: (one["first"], one["last"]) for website_id, one in there.items()}
    months = _months(spans)
    every: list[dict[str, Any]] = []
    for number, (month, websites) in enumerate(months):
        progress("Comparing figures of months", number, len(months))
        there, here = (one.call(SYSTEM, _figures, websites, month) for one in (source, target))
        found.differences += _differences(f"{month.start:%Y-%m}", there, here)
        every += here.values()
    progress("Comparing figures of months", len(months), len(months))
    found.compared.append(Compared("months", len(spans), {"months": len(months), **_together(every)}))
    return found


def sums(store: EventStore, table: sa.Table) -> dict[UUID, dict[str, Any]]:
    """What a table holds of each website: figures by their names."""
    asked = {"rows": sa.func.count(), **_ASKED[table.name], "letters": _letters(table)}
    if table is visit_part:
        # Their number depends on how they were stored.
        del asked["rows"], asked["letters"]
    query = sa.select(table.c.website_id, *(what.label(name) for name, what in asked.items()))
    with store.connected() as connection:
        without_limit(connection)
        rows = connection.execute(query.group_by(table.c.website_id)).all()
    return {row[0]: dict(zip(asked, map(_plain, row[1:]), strict=True)) for row in rows}


def _span(table: sa.Table) -> dict[str, ColumnElement[Any]]:
    return {"first": sa.func.min(table.c.created_at), "last": sa.func.max(table.c.created_at)}


def _values(table: sa.Table) -> dict[str, ColumnElement[Any]]:
    columns = table.c
    return {
        "numbers": sa.func.count(columns.number_value),
        "sum": sa.func.sum(columns.number_value),
        "dates": sa.func.count(columns.date_value),
        "first date": sa.func.min(columns.date_value),
        "last date": sa.func.max(columns.date_value),
        "types": sa.func.sum(columns.data_type),
    }


_ASKED: Final[Mapping[str, dict[str, ColumnElement[Any]]]] = {
    event.name: {
        **_span(event),
        "views": sa.func.count().filter(event.c.event_type == PAGE_VIEW),
        "events": sa.func.count().filter(event.c.event_type == CUSTOM_EVENT),
    },
    event_data.name: {
        **_span(event_data),
        "keys": sa.func.count(event_data.c.data_key.distinct()),
        **_values(event_data),
    },
    session_data.name: {
        **_span(session_data),
        "keys": sa.func.count(session_data.c.data_key.distinct()),
        "first version": sa.func.min(session_data.c.version),
        "last version": sa.func.max(session_data.c.version),
        **_values(session_data),
    },
    revenue.name: {
        **_span(revenue),
        "currencies": sa.func.count(revenue.c.currency.distinct()),
        "sum": sa.func.sum(revenue.c.revenue),
    },
    visit_part.name: {
        "first view": sa.func.min(visit_part.c.first_at),
        "last view": sa.func.max(visit_part.c.last_at),
        "views": sa.func.sum(visit_part.c.views),
        "events": sa.func.sum(visit_part.c.events),
    },
}


def _letters(table: sa.Table) -> ColumnElement[int]:
    """The characters of all texts: one that was cut off or read wrongly has another number of them."""
    first, *others = (
        sa.func.char_length(column) for column in table.columns if isinstance(column.type, sa.Text)
    )
    length: ColumnElement[int] = first
    for other in others:
        length = length + other
    return sa.func.sum(length)


def _plain(value: Any) -> Any:
    """A figure as it compares: engines differ in whether a sum of integers is one."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _figures(ctx: Ctx, websites: Sequence[UUID], month: Period) -> dict[UUID, dict[str, Any]]:
    asked = [Totals(whole_scope(website_id, month), MEASURES) for website_id in websites]
    return {one: asdict(figures) for one, figures in zip(websites, answer_all(ctx, asked), strict=True)}


def _months(spans: Mapping[UUID, tuple[dt.datetime, dt.datetime]]) -> list[tuple[Period, list[UUID]]]:
    """The months of all time spans, in order, and the websites of each: no more than are asked about in one statement."""
    months: list[tuple[Period, list[UUID]]] = []
    if not spans:
        return months
    start, end = _month(min(first for first, _ in spans.values())), max(last for _, last in spans.values())
    while start <= end:
        after = _month(start + dt.timedelta(days=31))
        there = sorted(one for one, (first, last) in spans.items() if first < after and last >= start)
        month = Period(start, after - _INSTANT, UTC)
        months += [(month, there[part : part + _TOGETHER]) for part in range(0, len(there), _TOGETHER)]
        start = after
    return months


def _month(at: dt.datetime) -> dt.datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _differences(
    of: str, source: Mapping[UUID, Mapping[str, Any]], target: Mapping[UUID, Mapping[str, Any]]
) -> list[Difference]:
    return [
        Difference(website_id, of, figure, there.get(figure), here.get(figure))
        for website_id in sorted(source.keys() | target.keys())
        for there, here in [(source.get(website_id, _NOTHING), target.get(website_id, _NOTHING))]
        for figure in {**there, **here}
        if there.get(figure) != here.get(figure)
    ]


def _together(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of websites as figures of all: sums, but of times and versions the first and the last."""
    together: dict[str, Any] = {}
    for one in found:
        for name, value in one.items():
            before = together.get(name)
            if value is None or before is None:
                together[name] = before if value is None else value
            elif name.startswith("first"):
                together[name] = min(before, value)
            elif name.startswith("last"):
                together[name] = max(before, value)
            else:
                together[name] = before + value
    return together

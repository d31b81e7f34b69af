"""What measures are taken over: events or visits, grouped by the dimensions that are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Select, Subquery
from sqlalchemy.sql.functions import FunctionElement

from app.errors import Invalid
from app.stats import channels, fields
from app.stats.filters import condition
from app.stats.measures import OF_VISITS, Counted, aggregates
from app.stats.scope import Scope
from app.tables import CUSTOM_EVENT, PAGE_VIEW, event, event_data

EVENT_TYPES: Final = {Counted.VIEWS: PAGE_VIEW, Counted.EVENTS: CUSTOM_EVENT, Counted.BOTH: None}


def counted_by(by: Sequence[str]) -> Counted:
    """Which events a breakdown by these dimensions is about."""
    if fields.CHANNEL in by:
        return Counted.BOTH
    return Counted.EVENTS if "event" in by else Counted.VIEWS


def relation(
    scope: Scope,
    by: Sequence[ColumnElement[Any]],
    measures: Collection[str],
    counted: Counted = Counted.VIEWS,
    present: Sequence[ColumnElement[bool]] = (),
) -> Subquery:
    """What the measures are taken over: no more events are read, and grouped, than they need."""
    beside = counted is Counted.VIEWS and "events" in measures
    conditions = [*scope.rows(None if beside else EVENT_TYPES[counted]), *present]
    make = scope.visits if OF_VISITS & set(measures) else scope.hits
    return make(*by, conditions=conditions)


def grouped_by(scope: Scope, by: Sequence[str], names: Collection[str]) -> Select[Any]:
    """`key_0`, `key_1` … and the measures of these names, for each combination of values."""
    alone = [name for name in by if name in (fields.ENTRY, fields.EXIT, fields.CHANNEL)]
    if alone and len(by) > 1:
        raise Invalid(f"{alone[0]} cannot be combined with other dimensions", field="by")
    if alone == [fields.CHANNEL]:
        return channels.by_channel(scope, names)
    counted = counted_by(by)
    if alone:
        return _by_edge(scope, names, last=alone == [fields.EXIT])
    chosen = [fields.field(name) for name in by]
    # Only a referrer is left out where it is absent.
    present = [one.present for one in chosen if one.name == "referrer"]
    return combined(scope, [one.column for one in chosen], names, counted, present)


def combined(
    scope: Scope,
    columns: Sequence[ColumnElement[str]],
    names: Collection[str],
    counted: Counted = Counted.VIEWS,
    present: Sequence[ColumnElement[bool]] = (),
) -> Select[Any]:
    """`key_0`, `key_1` … and the measures of these names, for each combination of values in the columns.

    Of the events that count, those that meet `present` and, of each combination, at least one is of what is counted.
    """
    by = [column.label(f"key_{number}") for number, column in enumerate(columns)]
    visits = relation(scope, by, names, counted, present)
    keys = [visits.c[column.name] for column in by]
    listed = sa.func.sum(visits.c[counted.value]) > 0
    if "events" in names:
        # Where custom events are asked for, what has only those is listed too.
        listed = sa.or_(listed, sa.func.sum(visits.c.events) > 0)
    return sa.select(*keys, *aggregates(visits, names, counted)).group_by(*keys).having(listed)


def _by_edge(scope: Scope, names: Collection[str], last: bool) -> Select[Any]:
    visits = _edges(scope, names, last)
    # Every row is a visit with a page view, so nothing has to be counted to know it.
    return sa.select(visits.c.key_0, *aggregates(visits, names, Counted.BOTH)).group_by(visits.c.key_0)


def _edges(scope: Scope, names: Collection[str], last: bool) -> Subquery:
    """Like `Scope.visits`, but for each visit as a whole, with the path it began (or ended) at as `key_0`.

    Filters apply to that one page view, not to finding it, and a visit's figures are not filtered
    (Umami v2 REST behaviour §3.6). Views of the same instant are all first: the visit counts for each of their paths.
    """
    is_view = event.c.event_type == PAGE_VIEW
    at = event.c.created_at
    place = sa.func.rank().over(
        partition_by=[event.c.visit_id, event.c.event_type], order_by=at.desc() if last else at
    )

    def over_visit(aggregate: FunctionElement[Any], of: ColumnElement[bool]) -> ColumnElement[Any]:
        return aggregate.filter(of).over(partition_by=event.c.visit_id)

    ranked = (
        sa.select(
            event.c.session_id,
            event.c.visit_id,
            event.c.url_path.label("key_0"),
            sa.and_(is_view, condition(scope.where, sa.and_(*scope.range(event_data)))).label("fits"),
            place.label("place"),
            over_visit(sa.func.count(), is_view).label("views"),
            over_visit(sa.func.count(), sa.not_(is_view)).label("events"),
            over_visit(sa.func.min(event.c.created_at), is_view).label("first_at"),
            over_visit(sa.func.max(event.c.created_at), is_view).label("last_at"),
        )
        .where(*scope.range(), *([] if "events" in names else [is_view]))
        .subquery("ranked")
    )
    edges = [column for column in ranked.c if column.name not in ("fits", "place")]
    found = sa.select(*edges).where(ranked.c.place == 1, ranked.c.fits)
    # Counts of distinct ids need no distinct rows, and without them an engine leaves out the windows that no measure
    # asks for: that is a third of the time.
    return (found if set(names) <= {"visitors", "visits"} else found.distinct()).subquery("edges")

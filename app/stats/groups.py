"""What measures are taken over: events, or visits or sessions that they are folded into, and values they are grouped by.

A relation has a row for each event, or for several of one visit (stored as such, or folded by the statement):
`session_id`, `visit_id`, `views` and `events` (page views and custom events in it), where whole visits are asked for
`first_at` and `last_at` (of its page views), and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select

from app.sql import read_once
from app.stats.measures import OF_VISITS, Counted, aggregates
from app.tables import CUSTOM_EVENT, PAGE_VIEW, event, visit_part

EVENT_TYPES: Final = {Counted.VIEWS: PAGE_VIEW, Counted.EVENTS: CUSTOM_EVENT, Counted.BOTH: None}

# Times as many values as are asked for are measured before the others are looked at.
_MEASURED_FIRST: Final = 4

_OF_VIEWS: Final = OF_VISITS | {"pageviews"}


def event_type(counted: Counted, names: Collection[str]) -> int | None:
    """The type of the events that the measures of these names need, None for all types."""
    types = {EVENT_TYPES[counted]}
    if _OF_VIEWS & set(names):
        types.add(PAGE_VIEW)
    if "events" in names:
        types.add(CUSTOM_EVENT)
    return types.pop() if len(types) == 1 else None


def hits(
    conditions: Sequence[ColumnElement[bool]], keys: Mapping[str, ColumnElement[Any]], names: Collection[str]
) -> Select[Any]:
    """A relation of the events that meet the conditions, each a row, for the measures of these names."""
    is_view = event.c.event_type == PAGE_VIEW
    views = sa.case((is_view, 1), else_=0)
    events = sa.case((event.c.event_type == CUSTOM_EVENT, 1), else_=0)
    at = sa.case((is_view, event.c.created_at))
    edges = [at.label("first_at"), at.label("last_at")] if OF_VISITS & set(names) else []
    # What nobody asks for is left out here: an engine keeps it where several parts of a statement read these rows.
    ids = [event.c[name] for name in _ids(names)]
    return sa.select(
        *(*ids, views.label("views"), events.label("events"), *edges),
        *(column.label(name) for name, column in keys.items()),
    ).where(*conditions)


def parts(
    conditions: Sequence[ColumnElement[bool]], keys: Mapping[str, ColumnElement[Any]], names: Collection[str]
) -> Select[Any]:
    """As `hits`, of the parts of visits that meet the conditions."""
    edges = ["first_at", "last_at"] if OF_VISITS & set(names) else []
    return sa.select(
        *(visit_part.c[name] for name in (*_ids(names), "views", "events", *edges)),
        *(column.label(name) for name, column in keys.items()),
    ).where(*conditions)


def visits(rows: FromClause, keys: Collection[str], names: Collection[str]) -> Select[Any]:
    """The rows of a relation, those of one visit and the same keys in one; of one session where no visit is asked for."""
    return folded(rows, [*_ids(names), *keys])


def _ids(names: Collection[str]) -> list[str]:
    return ["session_id", "visit_id"] if {*OF_VISITS, "visits"} & set(names) else ["session_id"]


def folded(
    rows: FromClause, by: Sequence[str], conditions: Sequence[ColumnElement[bool]] = ()
) -> Select[Any]:
    """A relation's rows that meet the conditions, added up to one for each combination of these columns."""
    add: dict[str, ColumnElement[Any]] = {
        "views": sa.cast(sa.func.sum(rows.c.views), sa.BigInteger),
        "events": sa.cast(sa.func.sum(rows.c.events), sa.BigInteger),
    }
    if "first_at" in rows.c:
        add |= {"first_at": sa.func.min(rows.c.first_at), "last_at": sa.func.max(rows.c.last_at)}
    kept = [rows.c[name] for name in by]
    columns = (*kept, *(sum_.label(name) for name, sum_ in add.items()))
    return sa.select(*columns).where(*conditions).group_by(*kept)


def measured(
    rows: FromClause,
    keys: Mapping[str, str],
    names: Collection[str],
    counted: Counted = Counted.VIEWS,
    conditions: Sequence[ColumnElement[bool]] = (),
    *,
    listed: bool = False,
    directly: bool = False,
) -> Select[Any]:
    """The measures of these names for each combination of keys in the rows of a relation that meet the conditions.

    `keys` are what a key is called and the relation's column; without keys it is one row. `listed` keeps what has at
    least one event of those that count. `directly`: as `EventStore.counts_directly`.
    """
    of_sessions = False
    columns = list(dict.fromkeys(keys.values()))
    if set(names) == {"visitors"}:
        return _visitors(rows, keys, [*conditions, counted.present(rows)], directly=directly)
    if listed and counted is Counted.EVENTS:
        conditions = [*conditions, rows.c.events > 0]
    if OF_VISITS & set(names):
        rows = folded(rows, ["session_id", "visit_id", *columns], conditions).subquery("visits")
        conditions = ()
    elif "visits" not in names and "visitors" in names and not directly:
        # In two steps: to tell distinct sessions apart within each group takes PostgreSQL twice as long.
        rows = folded(rows, ["session_id", *columns], conditions).subquery("sessions")
        conditions = ()
        of_sessions = True
    by = [rows.c[column].label(name) for name, column in keys.items()]
    made = aggregates(rows, names, counted, of_sessions=of_sessions)
    groups = (rows.c[column] for column in columns)
    query = sa.select(*by, *made).select_from(rows).where(*conditions).group_by(*groups)
    return query.having(_listed(rows, names, counted)) if listed else query


def leading(
    read: Callable[[], FromClause],
    key: tuple[str, str],
    names: Collection[str],
    counted: Counted,
    order_by: str,
    most: int,
    called: str,
) -> Select[Any]:
    """As `measured` with `listed`, of all values that may be among the first `most` by visitors or visits.

    To tell sessions apart takes long, to count events does not, and no value has more visitors or visits than events.
    So the values with most events are measured, and of the others only those with as many events as the last of the
    first `most` has visitors: hardly ever any. (Fagin, Lotem and Naor call this a threshold algorithm, 2003.)

    `read` gives a relation of events, each time another unless it is to be read once only; `key` is what the key is
    called and its column; `called` tells parts of the statement from those of others.
    """
    name, column = key

    def chosen(values: Select[Any]) -> Select[Any]:
        rows = read()
        return measured(rows, {name: column}, names, counted, [rows.c[column].in_(values)], listed=True)

    rows = read()
    bound = sa.func.count().filter(counted.present(rows)).label("bound")
    counted_rows = sa.select(rows.c[column].label(name), bound).group_by(rows.c[column])
    bounds = read_once(counted_rows, f"{called}_bounds")
    begun = (
        sa.select(bounds.c[name])
        .order_by(bounds.c.bound.desc(), bounds.c[name])
        .limit(_MEASURED_FIRST * most)
    )
    begun_with = sa.select(read_once(begun, f"{called}_begun_with"))
    first = read_once(chosen(begun_with), f"{called}_first")
    best = (
        sa.select(first.c[order_by].label("best")).order_by(first.c[order_by].desc()).limit(most).subquery()
    )
    # Fewer than are asked for: then every value belongs to the answer.
    least = sa.select(sa.case((sa.func.count() < most, 0), else_=sa.func.min(best.c.best))).scalar_subquery()
    others = sa.select(bounds.c[name]).where(bounds.c.bound >= least, bounds.c[name].not_in(begun_with))
    found = sa.union_all(sa.select(first), chosen(others)).subquery()
    return sa.select(*found.c)


def _visitors(
    rows: FromClause, keys: Mapping[str, str], conditions: Sequence[ColumnElement[bool]], *, directly: bool
) -> Select[Any]:
    """Visitors alone, for each combination of keys that there are any of. Adding nothing up takes a fifth less time."""
    columns = dict.fromkeys(keys.values())
    if directly:
        named = [rows.c[column].label(name) for name, column in keys.items()]
        counted = sa.type_coerce(sa.func.count(rows.c.session_id.distinct()), sa.BigInteger).label("visitors")
        of_keys = [rows.c[name] for name in columns]
        return sa.select(*named, counted).where(*conditions).group_by(*of_keys)
    sessions = sa.select(rows.c.session_id, *(rows.c[name] for name in columns)).where(*conditions).distinct()
    found = sessions.subquery("sessions")
    by = [found.c[column].label(name) for name, column in keys.items()]
    visitors = sa.type_coerce(sa.func.count(), sa.BigInteger).label("visitors")
    return sa.select(*by, visitors).select_from(found).group_by(*(found.c[name] for name in columns))


def _listed(rows: FromClause, names: Collection[str], counted: Counted) -> ColumnElement[bool]:
    """Whether there is an event that counts. Where custom events are asked for, what has only those is listed too."""
    views, events = (sa.func.sum(rows.c[name]) > 0 for name in ("views", "events"))
    if counted is Counted.EVENTS:
        return events
    return sa.or_(views, events) if "events" in names else views


def edges(
    conditions: Sequence[ColumnElement[bool]],
    where: ColumnElement[bool],
    names: Collection[str],
    *,
    last: bool,
    directly: bool = False,
) -> Select[Any]:
    """The measures by `key_0`, the path that visits began (or ended) at; a visit counts as a whole.

    It is looked for among the events that meet the conditions. The filter `where` applies to that one page view, not to
    finding it, and a visit's figures are not filtered (Umami v2 REST behaviour §3.6). Views of the same instant are all
    first: the visit counts for each of their paths.
    """
    is_view = event.c.event_type == PAGE_VIEW
    at = event.c.created_at
    visits = (
        sa.select(
            event.c.visit_id,
            sa.func.count().filter(is_view).label("views"),
            sa.func.count().filter(sa.not_(is_view)).label("events"),
            # Not by FILTER: ClickHouse's shards would call that another name than who asks.
            sa.func.min(sa.case((is_view, at))).label("first_at"),
            sa.func.max(sa.case((is_view, at))).label("last_at"),
        )
        .where(*conditions, *([] if "events" in names else [is_view]))
        .group_by(event.c.visit_id)
        .subquery("visits")
    )
    edge = visits.c.last_at if last else visits.c.first_at
    # Two steps, because a window over each visit's events took twice as long.
    found = (
        sa.select(event.c.session_id, *visits.c, event.c.url_path.label("key_0"))
        .join_from(event, visits, sa.and_(event.c.visit_id == visits.c.visit_id, at == edge))
        .where(*conditions, is_view, where)
    )
    # Views of one path at the same instant are one; counts of distinct ids need not be told so.
    of_ids = set(names) <= {"visitors", "visits"}
    rows = (found if of_ids else found.distinct()).subquery("edges")
    # Every row is a visit with a page view, so nothing has to be counted to know it.
    if set(names) == {"visitors"}:
        return _visitors(rows, {"key_0": "key_0"}, [], directly=directly)
    return sa.select(rows.c.key_0, *aggregates(rows, names, Counted.BOTH)).group_by(rows.c.key_0)

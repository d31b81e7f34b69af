"""The statement of a scan, written once for each shape of scan and kept.

Writing the statement of a dashboard took as long as answering it, and its next question is of other websites and other
times but of the same shape. A shape is all that the text of a statement depends on. What differs from question to
question within it is a place in the shape: a number, under which the value is bound when the statement is asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select, Subquery
from sqlalchemy.sql.visitors import replacement_traverse

from app import tables
from app.paging import Key, Window, following, windowed
from app.sql import contains, ordinal, read_once
from app.stats import fields, groups
from app.stats.channels import SOURCE, by_channel
from app.stats.filters import Filter, condition, size
from app.stats.measures import MEASURES, Counted
from app.stats.period import Offsets, Unit, bucketed
from app.stats.questions import Position, counted_by
from app.tables import event, event_data, visit_part

# Each takes some 100 KB, and a dashboard is three.
_KEPT: Final = 256
_LARGEST_FILTER: Final = 1000
# Of more, most would have to be measured anyway.
_MOST_LED: Final = 50

_SITE: Final = "website_id"
_HAS_REFERRER: Final = "has_referrer"

# When the rows of a table were.
_AT: Final[Mapping[sa.Table, sa.Column[dt.datetime]]] = {
    event: event.c.created_at,
    visit_part: visit_part.c.half_hour,
    event_data: event_data.c.created_at,
}


@dataclass(frozen=True, slots=True)
class Values:
    """The values that a statement is asked with. Equal ones have the same place."""

    _places: dict[Hashable, int] = field(default_factory=dict)

    def place(self, value: Hashable) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def bound(self) -> dict[str, Any]:
        """The parameters of the statement."""
        return {_name(place): value for value, place in self._places.items()}


# Places of two instants, both of which belong to the range.
Range = tuple[int, int]
# Places of websites, and which range is read of each.
Reading = tuple[tuple[int, Range], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A table that a scan reads, and for each of its spans what is read.

    `nearby` are ranges that hold all that is read, if it is worth telling an engine so.
    """

    table: sa.Table
    spans: tuple[Reading, ...]
    nearby: tuple[Range, ...] = ()

    def within(self, *spans: Reading) -> ColumnElement[bool]:
        """The rows that one of these spans reads."""
        sites: dict[Range, list[int]] = {}
        for site, asked in (one for span in spans for one in span):
            sites.setdefault(asked, []).append(site)
        return sa.or_(
            sa.false(), *(sa.and_(self._of(same), *self._between(asked)) for asked, same in sites.items())
        )

    def conditions(self) -> list[ColumnElement[bool]]:
        """The rows that any span reads, at the end in a form by which an engine knows where not to look."""
        told = [self.within(*self.spans)]
        if self.nearby:
            sites = dict.fromkeys(site for span in self.spans for site, _ in span)
            told.append(self._of(list(sites)))
            told.append(sa.or_(*(sa.and_(*self._between(asked)) for asked in self.nearby)))
        return told

    def _of(self, sites: Sequence[int]) -> ColumnElement[bool]:
        website = self.table.c.website_id
        bound = [_bound(site, website) for site in sites]
        return website == bound[0] if len(bound) == 1 else website.in_(bound)

    def _between(self, asked: Range) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        at = _AT[self.table]
        return at >= _bound(asked[0], at), at <= _bound(asked[1], at)


@dataclass(frozen=True, slots=True)
class Overall:
    """Measures of all that a span reads."""

    counted: Counted


@dataclass(frozen=True, slots=True)
class Bucketed:
    """Measures of each bucket of a period: `within` it, on clocks with these offsets."""

    unit: Unit
    offsets: Offsets
    within: Range

    @property
    def counted(self) -> Counted:
        return Counted.VIEWS


@dataclass(frozen=True, slots=True)
class Ranked:
    """Measures of each combination of values, as of `app.stats.questions.Ranking`."""

    by: tuple[str, ...]
    order_by: str
    search: str | None
    limit: int
    offset: int
    after: Position | None

    @property
    def counted(self) -> Counted:
        return counted_by(self.by)

    @property
    def is_led(self) -> bool:
        """Whether few of many values are asked for, of which each session has several: those of pages.

        What has few values is measured as a whole in the time that it takes to find out which of them lead.
        """
        return (
            self.by in (("path",), ("title",))
            and self.order_by in ("visitors", "visits")
            and self.search is None
            and self.after is None
            and 0 < self.limit + self.offset <= _MOST_LED
        )

    @property
    def columns(self) -> Sequence[str]:
        """The columns of `event` that it is by."""
        return (
            SOURCE if self.by == (fields.CHANNEL,) else [fields.field(name).column.name for name in self.by]
        )


@dataclass(frozen=True, slots=True)
class Arm:
    """What is read from a scan for one question, or for the same one about several websites.

    `names` are the measures, `span` the number of the span that it is about.
    """

    form: Overall | Bucketed | Ranked
    span: int
    names: frozenset[str]

    @property
    def event_type(self) -> int | None:
        """The type of the events that it needs, None for all types."""
        return groups.event_type(self.form.counted, self.names)


@dataclass(frozen=True, slots=True)
class Shape:
    """All that the text of a scan's statement depends on.

    `kind` is what its arms are read from: `whole` visits, `session`s, the `event`s themselves, or the first or last page
    of visits, `entry` or `exit`. `data` is what of `event_data` belongs to the events of any span. `after` and
    `upto` are the places of the last write that does not count and of the last that does. A filter is a part of the
    shape with its values. `directly`: as `EventStore.counts_directly`.
    """

    kind: str
    arms: tuple[Arm, ...]
    sources: tuple[Source, ...]
    data: Source
    where: Filter | None
    after: int | None
    upto: int | None
    directly: bool

    @property
    def many(self) -> bool:
        """Whether it is about several websites."""
        return len({site for span in self.data.spans for site, _ in span}) > 1

    @property
    def split(self) -> bool:
        """Whether rows of several spans have to be told apart."""
        return len(self.data.spans) > 1

    @property
    def names(self) -> frozenset[str]:
        """The measures of all arms."""
        return frozenset().union(*(arm.names for arm in self.arms))

    @property
    def event_type(self) -> int | None:
        """The type of the events that all arms need, None for all types."""
        types = {arm.event_type for arm in self.arms}
        return types.pop() if len(types) == 1 else None

    @property
    def buckets(self) -> list[Bucketed]:
        """The different ones that are asked for."""
        return list(dict.fromkeys(arm.form for arm in self.arms if isinstance(arm.form, Bucketed)))

    @property
    def recurs(self) -> bool:
        """Whether it is likely to be asked for again, and small: what is searched for, pages and long filters are not."""
        pages = (arm.form for arm in self.arms if isinstance(arm.form, Ranked))
        return not any(form.search or form.after for form in pages) and (
            self.where is None or size(self.where) <= _LARGEST_FILTER
        )

    def stored(self, table: sa.Table) -> list[ColumnElement[bool]]:
        """The condition of what was in the store in time; none if everything counts."""
        column = table.c.stored_in
        after = [] if self.after is None else [column > _bound(self.after, column)]
        return after if self.upto is None else [*after, column <= _bound(self.upto, column)]


def statement(shape: Shape) -> Select[Any]:
    """The statement of a scan; its parameters are `Values.bound`.

    Its rows have the number of their `arm`, their `website_id` if there are several, `at`, `key_0`, `key_1` … and the
    measures, as far as any arm has these. Raises Invalid for a filter that makes no sense.
    """
    return (_kept if shape.recurs else _written)(shape)


def _written(shape: Shape) -> Select[Any]:
    if shape.kind in (fields.ENTRY, fields.EXIT):
        [arm], [source] = shape.arms, shape.sources
        of_scope = [*source.conditions(), *shape.stored(source.table)]
        last = shape.kind == fields.EXIT
        found = groups.edges(of_scope, _filter(shape), arm.names, last=last, directly=shape.directly)
        return _shaped(shape, 0, found.subquery("edges"))
    rows = _rows(shape)
    arms = [_shaped(shape, number, _found(shape, number, rows)) for number in range(len(shape.arms))]
    if len(arms) == 1:
        return arms[0]
    # An arm has an order and a limit of its own, which a union does not take as they are.
    wrapped = (sa.select(arm.subquery(f"arm_{number}")) for number, arm in enumerate(arms))
    return sa.select(sa.union_all(*wrapped).subquery("arms"))


_kept: Final = lru_cache(maxsize=_KEPT)(_written)


def _rows(shape: Shape) -> FromClause:
    """The relation that all arms read."""
    made = [
        (groups.hits if source.table is event else groups.parts)(
            _conditions(shape, source), _keys(shape, source), shape.names
        )
        for source in shape.sources
    ]
    relation = made[0] if len(made) == 1 else sa.union_all(*made)
    if len(shape.arms) == 1:
        return relation.subquery("scanned")
    # What would hardly become fewer is not folded: events, for their many values, and parts of visits by visit.
    if shape.kind == "session" or (shape.kind == "whole" and len(made) == 1):
        relation = groups.visits(relation.subquery("hits"), _keys(shape, shape.sources[0]), shape.names)
    return read_once(relation, "scanned")


def _conditions(shape: Shape, source: Source) -> list[ColumnElement[bool]]:
    table = source.table
    conditions = [*source.conditions(), *shape.stored(table)]
    match shape.event_type:
        case None:
            pass
        case which if table is event:
            conditions.append(event.c.event_type == which)
        case tables.PAGE_VIEW:
            conditions.append(visit_part.c.views > 0)
        case _:
            conditions.append(visit_part.c.events > 0)
    if shape.where is not None:
        conditions.append(_read_from(table, _filter(shape)))
    return conditions


def _filter(shape: Shape) -> ColumnElement[bool]:
    data = shape.data
    return condition(shape.where, sa.and_(data.within(*data.spans), *shape.stored(event_data)))


def _read_from(table: sa.Table, where: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition over the session's attributes in `event`, as one over those in another table."""
    if table is event:
        return where

    def replaced(element: Any, **_: Any) -> Any:
        return table.c[element.name] if isinstance(element, sa.Column) and element.table is event else None

    return replacement_traverse(where, {}, replaced)


def _keys(shape: Shape, source: Source) -> dict[str, ColumnElement[Any]]:
    """What the relation's rows can be told apart by, beside sessions and visits."""
    keys: dict[str, ColumnElement[Any]] = {}
    columns, when = source.table.c, _AT[source.table]
    if shape.many:
        keys[_SITE] = columns.website_id
    if shape.split:
        keys |= {f"in_{number}": source.within(span) for number, span in enumerate(source.spans)}
    for number, buckets in enumerate(shape.buckets):
        at: ColumnElement[Any] = bucketed(when, buckets.unit, buckets.offsets)
        if shape.split:
            start, end = (_bound(place, when) for place in buckets.within)
            at = sa.case((when.between(start, end), at))
        keys[f"at_{number}"] = at
    for arm in shape.arms:
        if isinstance(arm.form, Ranked):
            keys |= {name: columns[name] for name in arm.form.columns}
            if "referrer" in arm.form.by:
                keys[_HAS_REFERRER] = fields.field("referrer").present
    return keys


def _found(shape: Shape, number: int, rows: FromClause) -> Subquery:
    """The measures of an arm by website (of several), and by `at` or `key_0`, `key_1` …"""
    arm = shape.arms[number]
    conditions = _of_arm(shape, arm, rows)
    sites = {_SITE: _SITE} if shape.many else {}
    form = arm.form
    match form:
        case Overall():
            found = groups.measured(rows, sites, arm.names, form.counted, conditions, directly=shape.directly)
        case Bucketed():
            at = f"at_{shape.buckets.index(form)}"
            found = groups.measured(
                rows, {**sites, "at": at}, arm.names, conditions=conditions, directly=shape.directly
            )
        case Ranked(by=(fields.CHANNEL,)):
            found = by_channel(rows, sites, arm.names, conditions, directly=shape.directly)
        # Where distinct ids are counted in one step there is nothing to be saved.
        case Ranked() if not shape.many and form.is_led and not shape.directly:

            def read() -> Subquery:
                # What arms share is read once. Alone, an engine does better to read the one column again.
                again = _rows(shape) if len(shape.arms) == 1 else rows
                return sa.select(again).where(*_of_arm(shape, arm, again)).subquery()

            key, most = ("key_0", form.columns[0]), form.limit + form.offset
            found = groups.leading(
                read,
                key,
                arm.names,
                form.counted,
                form.order_by,
                most,
                f"arm_{number}",
            )
        case Ranked():
            keys = {f"key_{place}": name for place, name in enumerate(form.columns)}
            found = groups.measured(
                rows,
                {**sites, **keys},
                arm.names,
                form.counted,
                conditions,
                listed=True,
                directly=shape.directly,
            )
    return found.subquery("found")


def _of_arm(shape: Shape, arm: Arm, rows: FromClause) -> list[ColumnElement[bool]]:
    """The conditions of the rows that an arm is about."""
    conditions: list[ColumnElement[bool]] = []
    if shape.split:
        conditions.append(rows.c[f"in_{arm.span}"])
    if isinstance(arm.form, Ranked) and "referrer" in arm.form.by:
        conditions.append(rows.c[_HAS_REFERRER])
    # Of events of all types that were read for others, those that an arm has no use for.
    if shape.event_type is None:
        match arm.event_type:
            case tables.PAGE_VIEW:
                conditions.append(rows.c.views > 0)
            case tables.CUSTOM_EVENT:
                conditions.append(rows.c.events > 0)
    return conditions


def _shaped(shape: Shape, number: int, found: Subquery) -> Select[Any]:
    """An arm's rows in the form that all arms of the scan have: its number, website, time, keys and measures."""
    forms = [arm.form for arm in shape.arms]
    most_keys = max(len(form.by) if isinstance(form, Ranked) else 0 for form in forms)
    columns: list[ColumnElement[Any]] = [sa.literal(number, sa.Integer).label("arm")]
    if shape.many:
        columns.append(found.c[_SITE])
    if shape.buckets:
        columns.append(found.c.at if "at" in found.c else sa.cast(sa.null(), sa.DateTime).label("at"))
    for key in (f"key_{place}" for place in range(most_keys)):
        columns.append(found.c[key] if key in found.c else sa.literal("", sa.Text).label(key))
    for name in MEASURES:
        if name in shape.names:
            columns.append(found.c[name] if name in found.c else sa.literal(0, sa.BigInteger).label(name))
    query = sa.select(*columns)
    form = forms[number]
    return _paged(query, found, form, each_site=shape.many) if isinstance(form, Ranked) else query


def _paged(query: Select[Any], found: Subquery, form: Ranked, *, each_site: bool) -> Select[Any]:
    keys = (
        Key(found.c[form.order_by], descending=True),
        *(Key(ordinal(found.c[f"key_{number}"])) for number in range(len(form.by))),
    )
    if form.search:
        query = query.where(contains(found.c.key_0, sa.literal(form.search, sa.Text)))
    seen = None if form.after is None else (form.after[0], *(text or "" for text in form.after[1]))
    if not each_site:
        return windowed(query, keys, Window(form.limit, form.offset, seen))
    # A page for each website.
    place = sa.func.row_number().over(
        partition_by=found.c[_SITE],
        order_by=[key.column.desc() if key.descending else key.column for key in keys],
    )
    placed = following(query.add_columns(place.label("place")), keys, seen).subquery("placed")
    inside = placed.c.place.between(form.offset + 1, form.offset + form.limit)
    return sa.select(*(column for column in placed.c if column.name != "place")).where(inside)


def _name(place: int) -> str:
    return f"value_{place}"


def _bound(place: int, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value that is compared with a column."""
    return sa.bindparam(_name(place), type_=column.type)

"""Filters: what people ask for, and the boolean expression over `event` that it becomes.

A row whose field is absent matches no comparison, negative ones included; only IS_SET sees it (Umami v2 REST behaviour
§1.8). `And`, `Or` and `Not` are plain logic over rows, so `Not` of a comparison does match absent values.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.errors import Invalid
from app.sql import begins, contains, ends, matches, ordinal
from app.stats.fields import Field
from app.stats.fields import field as field_of
from app.stats.regex import portable
from app.tables import BOOLEAN, NUMBER, event, event_data

MAX_CONDITIONS: Final = 200
# Of all conditions together: each is bound for itself, in every part of a statement that filters, and PostgreSQL binds
# 65,535 at the most.
MAX_VALUES: Final = 2000
MAX_DEPTH: Final = 20
MAX_PATTERNS: Final = 10
# Each reads the events of a period of its own.
MAX_COHORTS: Final = 5


class Operator(StrEnum):
    """EQ, NE, IN and NOT_IN compare whole values as they are stored; all others take upper for lower case."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "notIn"
    CONTAINS = "contains"
    NOT_CONTAINS = "notContains"
    STARTS_WITH = "startsWith"
    ENDS_WITH = "endsWith"
    MATCHES = "matches"
    IS_SET = "isSet"


class Comparison(StrEnum):
    """Operators of event properties."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    CONTAINS = "contains"
    IS_SET = "isSet"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field compared with values: any number for IN and NOT_IN, `true` or `false` for IS_SET, else exactly one.

    `MATCHES` takes the regular expressions of `app.stats.regex`. IS_SET asks for a value that is not empty.
    """

    field: str
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """Rows whose event has data of this key that compares so; with `event`, only events of that name.

    A text compares with the text that is stored, a number with numbers (as stored: four decimals), a truth value with
    truth values. CONTAINS takes a text and upper for lower case. IS_SET true asks for the key, false for its lack.
    """

    event: str | None
    key: str
    operator: str
    value: str | float | bool

    # To Python the number 1 equals true, and what has equal filters is read together.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Property) and self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[object, ...]:
        return (self.event, self.key, self.operator, isinstance(self.value, bool), self.value)


@dataclass(frozen=True, slots=True)
class And:
    """All of these; of none, every row."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these; of none, no row."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Every row that this does not match."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class Cohort:
    """Every event of the sessions that have at least one, of any type, from `start` to `end` that matches `where`.

    Both ends belong to the period, which is the cohort's own: it may lie outside the one that is asked about. Made by
    `app.segments` alone, for a website that the actor may see.
    """

    website_id: UUID
    start: dt.datetime
    end: dt.datetime
    where: Filter
    upto: int | None = None  # the last write to the event store that counts, None if all do
    after: int | None = None  # the last write that does not


Filter = Condition | Property | And | Or | Not | Cohort


def condition(where: Filter | None, data: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
    """The filter as an expression over `event`; None is every row.

    `data` says which rows of `event_data` can belong to the events in question, so that a property is not looked for
    in other websites and times.
    Raises Invalid, with the part at fault as its field, for what is unknown, ill-formed or too large.
    """
    if where is None:
        return sa.true()
    leaves = list(_leaves(where, 0))
    for most, things, found in (
        (MAX_CONDITIONS, "conditions", [one for one in leaves if not isinstance(one, Cohort)]),
        (MAX_PATTERNS, "regular expressions", [one for one in leaves if _is_pattern(one)]),
        (MAX_COHORTS, "cohorts", [one for one in leaves if isinstance(one, Cohort)]),
    ):
        if len(found) > most:
            raise Invalid(f"A filter has at most {most} {things}", field="where")
    if sum(len(one.values) for one in leaves if isinstance(one, Condition)) > MAX_VALUES:
        raise Invalid(f"A filter has at most {MAX_VALUES} values", field="where")
    return _expression(where, sa.true() if data is None else data)


def until(where: Filter, write: int) -> Filter:
    """The same filter, its cohorts as the event store had them after this write."""
    return _cohorts(where, lambda cohort: replace(cohort, where=until(cohort.where, write), upto=write))


def _cohorts(where: Filter, changed: Callable[[Cohort], Cohort]) -> Filter:
    """The same filter with its cohorts changed."""
    match where:
        case And(filters):
            return And(tuple(_cohorts(part, changed) for part in filters))
        case Or(filters):
            return Or(tuple(_cohorts(part, changed) for part in filters))
        case Not(part):
            return Not(_cohorts(part, changed))
        case Cohort():
            return changed(where)
        case _:
            return where


def beyond(where: Filter, write: int | None, since: dt.datetime | None) -> Filter:
    """The same filter, its cohorts without what this write and those before it stored, and what is of before an instant."""

    def changed(one: Cohort) -> Cohort:
        start = one.start if since is None else max(one.start, since)
        return replace(one, where=beyond(one.where, write, since), after=write, start=start)

    return _cohorts(where, changed)


def within_writes(table: sa.Table, after: int | None, upto: int | None) -> list[ColumnElement[bool]]:
    """The conditions of what was stored by writes after one, and up to another; of no bound none."""
    column = table.c.stored_in
    return [*([] if after is None else [column > after]), *([] if upto is None else [column <= upto])]


def checked(text: str, name: str) -> str:
    """The text, which a request gave. Raises Invalid for what no store takes: NUL and half surrogate pairs."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise Invalid(f"{name} has characters that no value has", field=name)
    return text


def _leaves(where: Filter, depth: int) -> Iterator[Filter]:
    """The parts that ask for something: all conditions, those of cohorts too, and the cohorts themselves."""
    if depth > MAX_DEPTH:
        raise Invalid(f"A filter nests at most {MAX_DEPTH} levels", field="where")
    match where:
        case And(filters) | Or(filters):
            for part in filters:
                yield from _leaves(part, depth + 1)
        case Not(part):
            yield from _leaves(part, depth + 1)
        case Cohort():
            yield where
            yield from _leaves(where.where, depth + 1)
        case _:
            yield where


def of_sessions(where: Filter) -> bool:
    """Whether a filter asks for attributes of sessions alone."""
    return all(isinstance(leaf, Condition) and field_of(leaf.field).of_session for leaf in _leaves(where, 0))


def size(where: Filter) -> int:
    """About how many characters a filter's values and names have."""
    return sum(len(repr(leaf)) for leaf in _leaves(where, 0))


def _is_pattern(where: Filter) -> bool:
    return isinstance(where, Condition) and where.operator is Operator.MATCHES


def _expression(where: Filter, data: ColumnElement[bool]) -> ColumnElement[bool]:
    match where:
        case Condition():
            return compared(where, field_of(where.field))
        case Property():
            return _with_property(where, data)
        case Cohort():
            return _in_cohort(where)
        case And(filters):
            return sa.and_(sa.true(), *(_expression(part, data) for part in filters))
        case Or(filters):
            return sa.or_(sa.false(), *(_expression(part, data) for part in filters))
        case Not(part):
            return sa.not_(_expression(part, data))


_Test = Callable[[ColumnElement[str], tuple[str, ...]], ColumnElement[bool]]

_TESTS: Final[Mapping[Operator, _Test]] = {
    Operator.EQ: lambda column, values: column == values[0],
    Operator.NE: lambda column, values: column != values[0],
    Operator.IN: lambda column, values: column.in_(values),
    Operator.NOT_IN: lambda column, values: column.not_in(values),
    Operator.CONTAINS: lambda column, values: contains(column, sa.literal(values[0])),
    Operator.NOT_CONTAINS: lambda column, values: sa.not_(contains(column, sa.literal(values[0]))),
    Operator.STARTS_WITH: lambda column, values: begins(column, sa.literal(values[0])),
    Operator.ENDS_WITH: lambda column, values: ends(column, sa.literal(values[0])),
    Operator.MATCHES: lambda column, values: matches(column, sa.literal(values[0])),
}
_MANY: Final = {Operator.IN, Operator.NOT_IN}
_TRUTH: Final = {("true",): True, ("false",): False}


def compared(where: Condition, field: Field) -> ColumnElement[bool]:
    """The condition over this field, whatever field it names. Raises Invalid for what makes no sense."""
    values = tuple(checked(value, where.field) for value in where.values)
    if where.operator is Operator.IS_SET:
        if values not in _TRUTH:
            raise Invalid(f"{where.operator} is true or false", field=where.field)
        present = sa.and_(field.present, field.column != "")
        return present if _TRUTH[values] else sa.not_(present)
    if where.operator not in _TESTS:
        raise Invalid(f"There is no operator {where.operator!r}", field=where.field)
    if len(values) != 1 and where.operator not in _MANY:
        raise Invalid(f"{where.operator} takes one value", field=where.field)
    if where.operator is Operator.MATCHES:
        values = (portable(values[0], where.field),)
    test = _TESTS[where.operator](field.column, values)
    return sa.and_(field.present, test) if field.nullable else test


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    Comparison.EQ: lambda column, value: column == value,
    Comparison.NE: lambda column, value: column != value,
    Comparison.GT: lambda column, value: column > value,
    Comparison.GTE: lambda column, value: column >= value,
    Comparison.LT: lambda column, value: column < value,
    Comparison.LTE: lambda column, value: column <= value,
    Comparison.CONTAINS: lambda column, value: contains(column, sa.literal(value)),
}
_PLACES: Final = 4


def _with_property(where: Property, data: ColumnElement[bool]) -> ColumnElement[bool]:
    name = "property"
    found = [data, event_data.c.data_key == checked(where.key, name)]
    named: ColumnElement[bool] = sa.true()
    if where.event is not None:
        found.append(event_data.c.event_name == checked(where.event, name))
        named = event.c.event_name == where.event
    absent = False
    if where.operator == Comparison.IS_SET:
        if not isinstance(where.value, bool):
            raise Invalid(f"{where.operator} is true or false", field=name)
        absent = not where.value
    else:
        found.append(_property_value(where, name))
    having = event.c.event_id.in_(sa.select(event_data.c.event_id).where(*found))
    return sa.and_(named, sa.not_(having) if absent else having)


def _property_value(where: Property, name: str) -> ColumnElement[bool]:
    value, kind, text = where.value, event_data.c.data_type, event_data.c.string_value
    compare = _COMPARISONS.get(where.operator)
    if compare is None:
        raise Invalid(f"There is no operator {where.operator!r}", field=name)
    if isinstance(value, str):
        value = checked(value, name)
        # Numbers are stored as text too, but "10" is not less than "9".
        column = text if where.operator == Comparison.CONTAINS else ordinal(text)
        return sa.and_(kind != NUMBER, compare(column, value))
    if isinstance(value, bool):
        if where.operator not in (Comparison.EQ, Comparison.NE):
            raise Invalid(f"{where.operator} does not take a truth value", field=name)
        return sa.and_(kind == BOOLEAN, compare(text, "true" if value else "false"))
    if where.operator == Comparison.CONTAINS:
        raise Invalid(f"{where.operator} takes a text", field=name)
    number = sa.cast(event_data.c.number_value, sa.Double)
    exact = where.operator in (Comparison.EQ, Comparison.NE)
    limit = _finite(value, name)
    return sa.and_(kind == NUMBER, compare(number, round(limit, _PLACES) if exact else limit))


def _finite(value: float, name: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise Invalid("A number is finite", field=name)
    return number


def _in_cohort(where: Cohort) -> ColumnElement[bool]:
    def period(table: sa.Table) -> list[ColumnElement[bool]]:
        columns = table.c
        return [
            columns.website_id == where.website_id,
            columns.created_at >= where.start,
            columns.created_at <= where.end,
            *within_writes(table, where.after, where.upto),
        ]

    matching = _expression(where.where, sa.and_(*period(event_data)))
    members = sa.select(event.c.session_id).distinct().where(*period(event), matching)
    # A question of its own, asked once, though its table is that of the question around it.
    return event.c.session_id.in_(members.correlate(None))

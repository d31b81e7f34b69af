"""Filters: field, operator and values, combined by and, or and not, as one boolean expression over events.

An absent value is no value: the negative operators never match it, and nothing equals it (REST behaviour §1.8). An
unknown field is refused, never answered with zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.errors import Invalid
from app.sql import contains, matches
from app.stats.fields import Field, elsewhere, field
from app.stats.period import Period
from app.tables import event, event_data

MAX_VALUES: Final = 500
MAX_PATTERN: Final = 200
_MAX_DEPTH: Final = 20


class Operator(StrEnum):
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


class Comparator(StrEnum):
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
    """One field compared with values. IS_SET takes "true" or "false"; all but IN and NOT_IN take one value."""

    field: str
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Property:
    """Events whose data has a key that compares so; `event` None: of any name. IS_SET takes a bool."""

    key: str
    operator: Comparator
    value: str | float | bool
    event: str | None = None


@dataclass(frozen=True, slots=True)
class And:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    filter: Filter


Filter = Condition | Property | And | Or | Not


def patterns(where: Filter | None) -> Iterator[str]:
    """Every regular expression in a filter."""
    match where:
        case Condition(_, Operator.MATCHES, values):
            yield from values
        case And(parts) | Or(parts):
            for part in parts:
                yield from patterns(part)
        case Not(part):
            yield from patterns(part)


def expression(where: Filter, website_id: UUID, period: Period, depth: int = 0) -> ColumnElement[bool]:
    """A filter as SQL over `event`. Website and period narrow the look into event data.

    Raises Invalid for an unknown field and for values the operator cannot take.
    """
    if depth > _MAX_DEPTH:
        raise Invalid(f"A filter nests at most {_MAX_DEPTH} levels", field="where")
    match where:
        case And(parts):
            return sa.and_(sa.true(), *(expression(part, website_id, period, depth + 1) for part in parts))
        case Or(parts):
            return sa.or_(sa.false(), *(expression(part, website_id, period, depth + 1) for part in parts))
        case Not(part):
            return sa.not_(expression(part, website_id, period, depth + 1))
        case Property():
            return _with_data(where, website_id, period)
        case Condition():
            return _compared(where)


def _compared(condition: Condition) -> ColumnElement[bool]:
    compared = field(condition.field)
    _check(condition)
    matched = _matched(compared, condition.operator, condition.values)
    return sa.and_(matched, elsewhere()) if compared.name == "referrer" else matched


def _matched(compared: Field, operator: Operator, values: tuple[str, ...]) -> ColumnElement[bool]:
    column, value = compared.column, sa.literal(values[0] if values else "", sa.Text)
    present = column != "" if compared.nullable else sa.true()
    match operator:
        case Operator.EQ:
            return sa.and_(present, column == value)
        case Operator.NE:
            return sa.and_(present, column != value)
        case Operator.IN:
            return sa.and_(present, column.in_(values))
        case Operator.NOT_IN:
            return sa.and_(present, column.not_in(values))
        case Operator.CONTAINS:
            return sa.and_(present, contains(column, value))
        case Operator.NOT_CONTAINS:
            return sa.and_(present, sa.not_(contains(column, value)))
        case Operator.STARTS_WITH:
            return sa.and_(present, sa.func.starts_with(column, value, type_=sa.Boolean))
        case Operator.ENDS_WITH:
            return sa.and_(present, sa.func.right(column, sa.func.length(value), type_=sa.Text) == value)
        case Operator.MATCHES:
            return sa.and_(present, matches(column, value))
        case Operator.IS_SET:
            return column != "" if values[0] == "true" else column == ""


def _check(condition: Condition) -> None:
    name, operator, values = condition.field, condition.operator, condition.values
    if operator not in (Operator.IN, Operator.NOT_IN) and len(values) != 1:
        raise Invalid(f"{operator} takes one value", field=name)
    if len(values) > MAX_VALUES:
        raise Invalid(f"{operator} takes at most {MAX_VALUES} values", field=name)
    if any("\0" in value for value in values):
        raise Invalid("A value must not contain NUL characters", field=name)
    if operator is Operator.IS_SET and values[0] not in ("true", "false"):
        raise Invalid("isSet takes true or false", field=name)
    if operator is Operator.MATCHES:
        check_pattern(values[0], name)


# What the engines' expressions do not share: references, assertions, word boundaries, possessive repetition, and
# counts that one of them refuses. Escapes stand for classes or for punctuation.
_UNSHARED: Final = (
    (re.compile(r"\\[^dDwWsS\W_]|\\_"), "only the escapes \\d \\w \\s and those of punctuation"),
    (re.compile(r"\(\?(?!:)"), "no groups with a question mark but (?:…)"),
    (re.compile(r"[*+?}]\+"), "no possessive repetition"),
    (re.compile(r"\{,|\{\d{4,}|\{\d*,\d{4,}"), "counts like {2} and {2,5}"),
    (re.compile(r"\[\[|\[\^?\]"), "no classes by name, and none that begins with ]"),
)


def check_pattern(pattern: str, name: str) -> None:
    """Raise Invalid unless every engine reads this regular expression, and alike."""
    if len(pattern) > MAX_PATTERN:
        raise Invalid(f"A regular expression has at most {MAX_PATTERN} characters", field=name)
    plain = pattern.replace("\\\\", "")
    for unshared, allowed in _UNSHARED:
        if unshared.search(plain):
            raise Invalid(f"A regular expression may have {allowed}", field=name)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Invalid(f"Not a regular expression: {error}", field=name) from None


_NUMERIC: Final = (Comparator.GT, Comparator.GTE, Comparator.LT, Comparator.LTE)
_TYPE_BOOLEAN: Final = 3


def _with_data(wanted: Property, website_id: UUID, period: Period) -> ColumnElement[bool]:
    data = event_data.c
    if "\0" in f"{wanted.key}{wanted.event}{wanted.value}":
        raise Invalid("A value must not contain NUL characters", field="property")
    having = [
        data.website_id == website_id,
        data.created_at >= period.start,
        data.created_at <= period.end,
        data.data_key == wanted.key,
    ]
    if wanted.event is not None:
        having.append(data.event_name == wanted.event)
    if wanted.operator is Comparator.IS_SET:
        found = event.c.event_id.in_(sa.select(data.event_id).where(*having))
        return found if wanted.value else sa.not_(found)
    having.append(_value_matches(wanted))
    return event.c.event_id.in_(sa.select(data.event_id).where(*having))


def _value_matches(wanted: Property) -> ColumnElement[bool]:
    data, operator, value = event_data.c, wanted.operator, wanted.value
    if isinstance(value, bool):
        compared: ColumnElement[bool] = sa.and_(
            data.data_type == _TYPE_BOOLEAN, data.string_value == ("true" if value else "false")
        )
        if operator is Comparator.EQ:
            return compared
        if operator is Comparator.NE:
            return sa.and_(data.data_type == _TYPE_BOOLEAN, sa.not_(compared))
        raise Invalid(f"{operator} does not go with true and false", field="property")
    if isinstance(value, int | float):
        if operator is Comparator.CONTAINS:
            raise Invalid("contains takes text", field="property")
        return _number_matches(operator, Decimal(str(value)))
    if operator in _NUMERIC:
        raise Invalid(f"{operator} takes a number", field="property")
    if operator is Comparator.CONTAINS:
        return contains(data.string_value, sa.literal(value, sa.Text))
    return data.string_value == value if operator is Comparator.EQ else data.string_value != value


def _number_matches(operator: Comparator, number: Decimal) -> ColumnElement[bool]:
    if not number.is_finite():
        raise Invalid("A number is finite", field="property")
    column = event_data.c.number_value
    value = sa.literal(float(number), sa.Double)
    number_value = sa.cast(column, sa.Double)
    return {
        Comparator.EQ: number_value == value,
        Comparator.NE: number_value != value,
        Comparator.GT: number_value > value,
        Comparator.GTE: number_value >= value,
        Comparator.LT: number_value < value,
        Comparator.LTE: number_value <= value,
    }[operator]

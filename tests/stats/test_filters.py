"""Filters: what is refused, and in which words. What they select is judged in `test_oracle`."""

from __future__ import annotations

import pytest

from app.errors import Invalid
from app.stats.fields import DIMENSIONS, FIELDS
from app.stats.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    And,
    Condition,
    Filter,
    Not,
    Operator,
    Or,
    Property,
    condition,
)

GOOD = Condition("path", Operator.EQ, ("/",))
LISTED = Condition("path", Operator.IN, tuple(map(str, range(MAX_VALUES // 2))))


def nested(depth: int) -> Filter:
    where: Filter = GOOD
    for _ in range(depth):
        where = Not(where)
    return where


def test_fields() -> None:
    assert set(DIMENSIONS) - set(FIELDS) == {"entry", "exit", "channel"}
    assert [name for name, field in FIELDS.items() if not field.nullable] == ["path", "query"]


@pytest.mark.parametrize(
    ("where", "field"),
    [
        (Condition("nonsense", Operator.EQ, ("/",)), "nonsense"),
        (Condition("entry", Operator.EQ, ("/",)), "entry"),
        (Condition("channel", Operator.EQ, ("direct",)), "channel"),
        (Condition("path", Operator.EQ, ()), "path"),
        (Condition("path", Operator.CONTAINS, ("a", "b")), "path"),
        (Condition("path", Operator.IS_SET, ("yes",)), "path"),
        (Condition("path", Operator.IS_SET, ()), "path"),
        (Condition("path", Operator.MATCHES, ("(",)), "path"),
        (Condition("title", Operator.EQ, ("a\0b",)), "title"),
        (Condition("title", Operator.IN, ("a", "\ud800")), "title"),
        (Property(None, "a\0", "eq", "x"), "property"),
        (Property("\0", "a", "eq", "x"), "property"),
        (Property(None, "a", "eq", "\0"), "property"),
        (Property(None, "a", "startsWith", "x"), "property"),
        (Property(None, "a", "isSet", "true"), "property"),
        (Property(None, "a", "gt", True), "property"),
        (Property(None, "a", "contains", 3.0), "property"),
        (Property(None, "a", "eq", float("nan")), "property"),
        (Property(None, "a", "lt", float("inf")), "property"),
        (And((GOOD, Or((Not(Condition("x", Operator.EQ, ("",))),)))), "x"),
        (And((GOOD,) * (MAX_CONDITIONS + 1)), "where"),
        (Or((LISTED, LISTED, GOOD)), "where"),
        (nested(MAX_DEPTH + 1), "where"),
        (nested(100_000), "where"),
    ],
)
def test_what_makes_no_sense_is_refused(where: Filter, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        condition(where)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "where", [None, And(()), Or(()), nested(MAX_DEPTH), And((GOOD,) * MAX_CONDITIONS), Or((LISTED, LISTED))]
)
def test_what_is_not_too_large_is_taken(where: Filter | None) -> None:
    assert str(condition(where)) != ""


def test_values_are_bound() -> None:
    where = Condition("path", Operator.EQ, ("'; DROP TABLE event; --",))
    assert "DROP" not in str(condition(where))


def test_numbers_beyond_a_float_and_too_many_patterns_are_refused() -> None:
    with pytest.raises(Invalid, match="A number is finite"):
        condition(Property(None, "a", "eq", 10**400))
    pattern = Condition("path", Operator.MATCHES, ("x",))
    condition(And((pattern,) * 10))
    with pytest.raises(Invalid, match="at most 10 regular expressions"):
        condition(Or((And((pattern,) * 10), Not(pattern))))

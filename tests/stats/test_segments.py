"""Filters in the form of Umami's clients, and cohorts as a part of filters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.errors import Invalid
from app.stats.filters import (
    MAX_COHORTS,
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_PATTERNS,
    And,
    Cohort,
    Condition,
    Filter,
    Not,
    Operator,
    Or,
    condition,
)
from app.stats.shorthand import FILTERS, conditions, pair
from app.stats.shorthand import condition as read
from app.tables import event

DAY = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
HOME = Condition("path", Operator.EQ, ("/",))


def cohort(where: Filter = HOME) -> Cohort:
    return Cohort(uuid4(), DAY, DAY, where)


@pytest.mark.parametrize(
    ("value", "operator", "text"),
    [
        ("US", Operator.EQ, "US"),
        ("", Operator.EQ, ""),
        ("!US", Operator.NE, "US"),
        ("!", Operator.NE, ""),
        ("~us", Operator.CONTAINS, "us"),
        ("!~us", Operator.NOT_CONTAINS, "us"),
        ("~!us", Operator.CONTAINS, "!us"),
        ("!!US", Operator.NE, "!US"),
        ("!~~us", Operator.NOT_CONTAINS, "~us"),
    ],
)
def test_the_operator_is_in_front_of_the_value(value: str, operator: Operator, text: str) -> None:
    found = Condition("country", operator, (text,))
    assert read("country", value) == found
    assert pair(found) == ("country", value)


def test_every_key_is_a_field_of_its_own() -> None:
    given: dict[str, object] = {key: f"~{key}" for key in FILTERS}
    found = conditions({**given, "segment": "x", "startDate": 1, "screen": "1x1"})
    assert found == {field: Condition(field, Operator.CONTAINS, (key,)) for key, field in FILTERS.items()}
    assert dict(map(pair, found.values())) == given


@pytest.mark.parametrize("value", [1, True, ["/"], {"eq": "/"}, 1.5], ids=repr)
def test_a_value_is_a_text(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        conditions({"url": value})
    assert refused.value.field == "url"


@pytest.mark.parametrize("wrap", [lambda part: part, Not, cohort], ids=["plain", "not", "cohort"])
@pytest.mark.parametrize(
    ("many", "words"),
    [
        (lambda: And((HOME,) * (MAX_CONDITIONS + 1)), f"{MAX_CONDITIONS} conditions"),
        (
            lambda: Or((Condition("path", Operator.MATCHES, ("a",)),) * (MAX_PATTERNS + 1)),
            f"{MAX_PATTERNS} regular expressions",
        ),
        (lambda: And(tuple(cohort() for _ in range(MAX_COHORTS + 1))), f"{MAX_COHORTS} cohorts"),
    ],
    ids=["conditions", "patterns", "cohorts"],
)
def test_what_a_cohort_holds_counts_with_the_rest(
    wrap: Callable[[Filter], Filter], many: Callable[[], Filter], words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        condition(wrap(many()))


def test_as_many_as_are_allowed() -> None:
    condition(And(tuple(cohort() for _ in range(MAX_COHORTS))))
    condition(cohort(And((HOME,) * MAX_CONDITIONS)))
    with pytest.raises(Invalid, match=f"{MAX_COHORTS} cohorts"):
        condition(And((cohort(cohort()),) * MAX_COHORTS))


def test_a_cohort_is_a_level() -> None:
    where: Filter = HOME
    for _ in range(MAX_DEPTH - 1):
        where = Not(where)
    condition(cohort(where))
    with pytest.raises(Invalid, match="nests"):
        condition(cohort(Not(where)))


@pytest.mark.parametrize("field", ["nonsense", "entry"])
def test_a_cohort_of_what_is_no_field_is_refused(field: str) -> None:
    with pytest.raises(Invalid) as refused:
        condition(cohort(Condition(field, Operator.EQ, ("x",))))
    assert refused.value.field == field


def test_members_are_found_once_not_for_each_event() -> None:
    """The inner question names its own table, so that no engine takes it to be about the outer row."""
    where = condition(Cohort(UUID(int=1), DAY, DAY, HOME))
    query = sa.select(event.c.event_id).where(event.c.tag == "x", where)
    text = " ".join(str(query.compile(dialect=postgresql.dialect())).split())
    inner = text[text.index("IN (") :]
    assert inner.startswith("IN (SELECT DISTINCT event.session_id FROM event WHERE event.website_id = ")
    assert text.count("FROM event") == 2

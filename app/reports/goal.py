"""How often something happened that was meant to happen so often (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app.context import Ctx
from app.errors import Invalid, Malformed
from app.parameters import at_most, choice, number, optional, records, text
from app.reports.report import Report
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.scope import Scope
from app.tables import event, event_data

MAX_GOALS: Final = 50


class Kind(StrEnum):
    """What is counted."""

    PATH = "url"  # events, of any type, at this path
    EVENT = "event"  # custom events of this name
    DATA = "event-data"  # a property of custom events of this name


class Operator(StrEnum):
    """What is made of the values of a property."""

    COUNT = "count"  # how many there are, of any type
    SUM = "sum"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Goal:
    """`value` is the path or the event's name. Operator and property are for DATA, which needs both.

    Raises Invalid for what is missing, a target that is no number, and texts that no store can hold.
    """

    kind: Kind
    value: str
    target: float
    operator: Operator | None = None
    property: str | None = None

    def __post_init__(self) -> None:
        if self.kind is Kind.DATA and not (self.operator and self.property):
            raise Invalid("A goal of event data needs an operator and a property", field="goals")
        if not math.isfinite(self.target):
            raise Invalid("A target is a finite number", field="goals")
        for given in (self.value, self.property or ""):
            checked(given, "goals")


@dataclass(frozen=True, slots=True)
class Params:
    """Raises Invalid for too few or too many goals."""

    goals: tuple[Goal, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.goals) <= MAX_GOALS:
            raise Invalid(f"There are 1 to {MAX_GOALS} goals", field="goals")


@dataclass(frozen=True, slots=True)
class Achieved:
    """A goal and what became of it: a count, or the sum or average of numbers, 0 where there are none."""

    goal: Goal
    result: float


def run(ctx: Ctx, scope: Scope, params: Params) -> list[Achieved]:
    """What became of each goal, in their order."""
    of_data = [goal for goal in params.goals if goal.kind is Kind.DATA]
    of_events = [goal for goal in params.goals if goal.kind is not Kind.DATA]
    results = {**_counted(ctx, scope, of_events), **_calculated(ctx, scope, of_data)}
    return [Achieved(goal, results[goal]) for goal in params.goals]


def _counted(ctx: Ctx, scope: Scope, goals: Sequence[Goal]) -> dict[Goal, float]:
    """How many events each goal counts, in one statement."""
    if not goals:
        return {}
    matches = [_matches(goal) for goal in goals]
    [row] = ctx.events.rows(
        sa.select(*(sa.func.count().filter(match) for match in matches)).where(
            *scope.rows(), sa.or_(*matches)
        )
    )
    return {goal: float(whole(count)) for goal, count in zip(goals, row, strict=True)}


def _matches(goal: Goal) -> ColumnElement[bool]:
    if goal.kind is Kind.PATH:
        return event.c.url_path == goal.value
    # A page view has no name, which no goal can ask for.
    return sa.and_(event.c.event_name != "", event.c.event_name == goal.value)


def _calculated(ctx: Ctx, scope: Scope, goals: Sequence[Goal]) -> dict[Goal, float]:
    """What each goal makes of its property, in one statement."""
    if not goals:
        return {}
    columns = event_data.c
    pairs = {(goal.value, goal.property): None for goal in goals}
    asked = [sa.and_(columns.event_name == name, columns.data_key == key) for name, key in pairs]
    rows = ctx.events.rows(
        sa.select(
            columns.event_name,
            columns.data_key,
            sa.func.count(),
            sa.func.count(columns.number_value),
            sa.func.sum(columns.number_value),
        )
        .where(*scope.of_events(event_data), columns.event_name != "", sa.or_(*asked))
        .group_by(columns.event_name, columns.data_key)
    )
    found = {
        (name, key): _Values(whole(count), whole(numbers), total) for name, key, count, numbers, total in rows
    }
    nothing = _Values(0, 0, None)
    return {goal: found.get((goal.value, goal.property), nothing).result(goal.operator) for goal in goals}


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a property: how many there are, how many of them are numbers, and the sum of those."""

    count: int
    numbers: int
    total: Decimal | None

    def result(self, operator: Operator | None) -> float:
        if operator is Operator.COUNT:
            return float(self.count)
        total = self.total or Decimal(0)
        # The average of exact decimals is the same on every store.
        return float(total / self.numbers if operator is Operator.AVERAGE and self.numbers else total)


def _parse(values: Mapping[str, Any]) -> Params:
    try:
        goals = tuple(
            Goal(one["type"], one["value"], one["goal"], one.get("operator"), one.get("property"))
            for one in values["goals"]
        )
    except Invalid:
        raise Malformed([("goals", "")]) from None
    return Params(goals)


REPORT: Final = Report(
    "goals",
    (
        at_most(
            records(
                "goals",
                "What is meant to happen, and how often.",
                (
                    choice(
                        "type",
                        "`url`: events at a path; `event`: custom events of a name; `event-data`: a property of such.",
                        {kind.value: kind for kind in Kind},
                    ),
                    text("value", "The path, or the event's name."),
                    number("goal", "How often, or how much, it is meant to be."),
                    optional(
                        choice(
                            "operator",
                            "What is made of the property's values; `event-data` needs one.",
                            {operator.value: operator for operator in Operator},
                        )
                    ),
                    optional(text("property", "The property's key; `event-data` needs one.")),
                ),
                least=1,
            ),
            MAX_GOALS,
        ),
    ),
    _parse,
    run,
)

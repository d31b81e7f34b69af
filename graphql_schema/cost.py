"""What an operation costs: at most, from its document and variables; and in the end, from what was answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
)
from graphql.execution.values import VariableValues, get_argument_values

from app.errors import AppError
from graphql_schema.inputs import PeriodInput, to_period
from graphql_schema.prices import (
    ASSUMED_ROWS,
    MOST_DAYS,
    Circumstances,
    Price,
    charge,
    page_rows,
)

FREE: Final = Price()
_DAY: Final = dt.timedelta(days=1)
_LEAST: Final = 1
Plan = tuple["Step", ...]
# Position in an answer → days of the period that were really looked through there.
Covered = Mapping[tuple[str | int, ...], int]


@dataclass(frozen=True, slots=True)
class Step:
    """A field with a price, or on the way to one. `arguments` is None where they depend on variables."""

    key: str
    price: Price
    definition: GraphQLField
    node: FieldNode
    arguments: Mapping[str, Any] | None
    is_list: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The priced fields of an operation, with its variables: `requested` is what it costs at most, in points."""

    plan: Plan
    variables: VariableValues
    now: dt.datetime
    requested: int = 0

    def actual(self, data: Mapping[str, Any] | None, covered: Covered) -> int:
        """What was really done, by an answer: rows that there were, days that were looked through, fields that ran.

        Never more than was requested. A field that failed has run. Where nothing is left of the answer it cannot be told
        what ran.
        """
        if data is None:
            return self.requested
        done = sum(self._done(step, data, (), Circumstances(), covered) for step in self.plan)
        return min(max(_LEAST, done), self.requested)

    def most(self) -> int:
        """The price: of all the rows, days and fields that there may be."""
        return max(_LEAST, self._most(self.plan, Circumstances(), {}))

    def _most(self, steps: Plan, around: Circumstances, known: dict[tuple[int, Circumstances], int]) -> int:
        # Fields that several places share through fragments are priced once for the same circumstances.
        here = (id(steps), around)
        if here not in known:
            known[here] = sum(self._most_of(step, around, known) for step in steps)
        return known[here]

    def _most_of(self, step: Step, around: Circumstances, known: dict[tuple[int, Circumstances], int]) -> int:
        arguments = self._arguments(step)
        within = self._within(step, arguments, around)
        points = charge(step.price, arguments, within, within.rows, self._compared(step, arguments, within))
        if not step.steps:
            return points
        if not step.is_list:
            return points + self._most(step.steps, within, known)
        each = replace(within, rows=ASSUMED_ROWS)
        return points + within.rows * self._most(step.steps, each, known)

    def _done(
        self,
        step: Step,
        data: Mapping[str, Any],
        path: tuple[str | int, ...],
        around: Circumstances,
        covered: Covered,
    ) -> int:
        if step.key not in data:
            return 0  # it is of another type than the one that is there
        arguments, value, here = self._arguments(step), data[step.key], (*path, step.key)
        within = self._within(step, arguments, around)
        if here in covered:
            within = replace(within, days=min(within.days, covered[here]))
        rows = min(within.rows, _length(value))
        points = charge(step.price, arguments, within, rows, self._compared(step, arguments, within))
        if not step.steps or value is None:
            return points
        if not step.is_list:
            return points + sum(self._done(one, value, here, within, covered) for one in step.steps)
        each = replace(within, rows=ASSUMED_ROWS)
        return points + sum(
            self._done(one, row, (*here, index), each, covered)
            for index, row in enumerate(value)
            if row is not None
            for one in step.steps
        )

    def _arguments(self, step: Step) -> Mapping[str, Any]:
        if step.arguments is not None:
            return step.arguments
        try:
            return get_argument_values(step.definition, step.node, self.variables)
        except GraphQLError:
            return {}  # the field will be refused for the same reason, before it does anything

    def _within(self, step: Step, arguments: Mapping[str, Any], around: Circumstances) -> Circumstances:
        price = step.price
        if price is FREE:
            return around
        days, conditions = around.days, around.conditions
        if "period" in step.definition.args:
            days, conditions = self._days(arguments.get("period")), _conditions(arguments.get("where"))
        elif price.days:
            days = price.days
        rows = page_rows(price, arguments) if price.page else ASSUMED_ROWS
        return Circumstances(days, conditions, rows)

    def _compared(self, step: Step, arguments: Mapping[str, Any], within: Circumstances) -> int:
        if not step.price.compared:
            return 0
        if arguments.get("compareTo") is not None:
            return self._days(arguments["compareTo"])
        return within.days if arguments.get("compare") is not None else 0

    def _days(self, given: Mapping[str, Any] | None) -> int:
        """Days of a period as it was sent, at most MOST_DAYS."""
        if given is None or given.get("all"):
            return MOST_DAYS
        try:
            period = to_period(PeriodInput(**given), self.now)
        except AppError:
            return MOST_DAYS  # its field is refused for the same reason
        return days_between(period.start, period.end)


def days_between(start: dt.datetime, end: dt.datetime) -> int:
    """Started days between two instants, as they are priced: 1 to MOST_DAYS."""
    return min(max(1, -((start - end) // _DAY)), MOST_DAYS)


# As many listed values, or ordinary conditions, cost about what a scan of a month does.
_VALUES: Final = 50
_PLAIN: Final = 20


def _conditions(where: object) -> int:
    """How many scans more a filter costs: one for each property and cohort in it, and some for all that is compared."""
    own, plain, values = _tally(where)
    return own + plain // _PLAIN + values // _VALUES


def _tally(where: object) -> tuple[int, int, int]:
    """(properties and cohorts, other conditions, listed values) in a filter."""
    if isinstance(where, list):
        parts = [_tally(part) for part in where]
        return sum(part[0] for part in parts), sum(part[1] for part in parts), sum(part[2] for part in parts)
    own = plain = values = 0
    for name, given in where.items() if isinstance(where, Mapping) else ():
        if given is None:
            continue
        if name in ("and", "or", "not"):
            inside = _tally(given)
            own, plain, values = own + inside[0], plain + inside[1], values + inside[2]
        elif name in ("property", "cohort"):
            own += 1
        elif isinstance(given, Mapping):
            plain += len(given)
            values += sum(len(listed) for listed in given.values() if isinstance(listed, list))
    return own, plain, values


def _length(value: object) -> int:
    """Rows of a list, or of a connection by what was selected of it."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, Mapping):
        return max((len(one) for one in value.values() if isinstance(one, list)), default=0)
    return 0

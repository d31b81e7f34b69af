"""How many visitors go through some steps one after the other (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select, Subquery

from app.context import Ctx
from app.errors import Invalid
from app.parameters import at_most, number, records, text
from app.reports.report import Report
from app.sql import like, shifted
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.scope import Scope
from app.tables import event

PATH: Final = "url"
EVENT: Final = "event"
MIN_STEPS: Final = 2
MAX_STEPS: Final = 10
# A year: a session that is not identified ends with the calendar month.
MAX_WINDOW_MINUTES: Final = 527_040


@dataclass(frozen=True, slots=True)
class Step:
    """`type` is `url` for the path of any event, anything else for the name of a custom event.

    A `*` at the start or the end of `value` stands for any text; all else stands for itself, upper and lower case too.
    Raises Invalid for texts that no store can hold.
    """

    type: str
    value: str

    def __post_init__(self) -> None:
        checked(self.value, "steps")


@dataclass(frozen=True, slots=True)
class Params:
    """`window_minutes` is how long the next step may take, counted in full seconds. Raises Invalid out of bounds."""

    steps: tuple[Step, ...]
    window_minutes: float

    def __post_init__(self) -> None:
        if not 0 < self.window_minutes <= MAX_WINDOW_MINUTES:
            raise Invalid(
                f"windowMinutes must be more than 0 and at most {MAX_WINDOW_MINUTES}", field="windowMinutes"
            )
        if not MIN_STEPS <= len(self.steps) <= MAX_STEPS:
            raise Invalid(f"A funnel has {MIN_STEPS} to {MAX_STEPS} steps", field="steps")


@dataclass(frozen=True, slots=True)
class Reached:
    """A step and the visitors who got to it; `previous` are those of the step before, 0 for the first.

    `dropoff` is the share of the previous that is lost, `remaining` the share of the first that is left: 0 to 1, None
    where there was nobody.
    """

    step: Step
    visitors: int
    previous: int
    dropped: int
    dropoff: float | None
    remaining: float | None


def run(ctx: Ctx, scope: Scope, params: Params) -> list[Reached]:
    """The visitors at each step.

    A visitor is at a step with an event that matches it, no earlier than one with which they were at the step before,
    and no later after that than the window. Each step counts the window anew; one event can be several steps.
    """
    [row] = ctx.events.rows(_visitors(scope, params))
    counts = [whole(count) for count in row]
    return [
        _reached(step, visitors, previous, counts[0])
        for step, visitors, previous in zip(params.steps, counts, [0, *counts[:-1]], strict=True)
    ]


def _reached(step: Step, visitors: int, previous: int, first: int) -> Reached:
    return Reached(
        step,
        visitors,
        previous,
        dropped=previous - visitors if previous else 0,
        dropoff=1 - visitors / previous if previous else None,
        remaining=visitors / first if first else None,
    )


def _visitors(scope: Scope, params: Params) -> Select[*tuple[Any, ...]]:
    """One row: the visitors at each step.

    Step by step every event learns when its session was last at the step, up to then (`at_0`, `at_1` …): an event is
    at the next step if that is within the window. However many events a session has, none is compared with another.
    """
    events: FromClause = _matching(scope, params.steps)
    events = _passed(events, events.c.step_0 == 1, 0)
    window = sa.literal(math.ceil(params.window_minutes * 60))
    for place in range(1, len(params.steps)):
        in_time = events.c.created_at <= shifted(events.c[f"at_{place - 1}"], window)
        events = _passed(events, sa.and_(events.c[f"step_{place}"] == 1, in_time), place)
    times = [column for column in events.c if column.name.startswith("at_")]
    sessions = (
        sa.select(*(sa.func.max(time).label(time.name) for time in times))
        .group_by(events.c.session_id)
        .subquery("sessions")
    )
    return sa.select(*(sa.func.count(time) for time in sessions.c))


def _matching(scope: Scope, steps: Sequence[Step]) -> Subquery:
    """The events that match any step: their session and time, and for each step 1 where they match it, else 0."""
    matches = [_matches(step) for step in steps]
    flags = (sa.case((match, 1), else_=0).label(f"step_{place}") for place, match in enumerate(matches))
    return (
        sa.select(event.c.session_id, event.c.created_at, *flags)
        .where(*scope.rows(), sa.or_(*matches))
        .subquery("matching")
    )


def _matches(step: Step) -> ColumnElement[bool]:
    column = event.c.url_path if step.type == PATH else event.c.event_name
    before, after = step.value.startswith("*"), step.value.endswith("*")
    if before or after:
        middle = step.value[before : len(step.value) - after]
        for char in "\\%_":
            middle = middle.replace(char, f"\\{char}")
        fits: ColumnElement[bool] = like(column, sa.literal("%" * before + middle + "%" * after, sa.Text))
    else:
        fits = column == step.value
    # A page view has no name, and an absent one is like nothing.
    return fits if step.type == PATH else sa.and_(column != "", fits)


def _passed(events: FromClause, passes: ColumnElement[bool], place: int) -> Subquery:
    """The events with `at_<place>` beside their columns: the latest time, up to each event's own, that one passed.

    Events before their session's first step lead nowhere and are left out.
    """
    latest = sa.func.max(sa.case((passes, events.c.created_at))).over(
        partition_by=events.c.session_id, order_by=events.c.created_at
    )
    query = sa.select(*events.c, latest.label(f"at_{place}"))
    if place == 1:
        query = query.where(events.c.at_0.is_not(None))
    return query.subquery(f"passed_{place}")


def _parse(values: Mapping[str, Any]) -> Params:
    return Params(tuple(Step(one["type"], one["value"]) for one in values["steps"]), values["window"])


REPORT: Final = Report(
    "funnel",
    (
        number("window", "Minutes that the next step may take.", above=0, most=MAX_WINDOW_MINUTES),
        at_most(
            records(
                "steps",
                "The steps, in order.",
                (
                    text("type", "`url` for the path of an event; anything else for a custom event's name."),
                    text("value", "The path or the name; a `*` at its start or end stands for any text."),
                ),
                least=MIN_STEPS,
            ),
            MAX_STEPS,
        ),
    ),
    _parse,
    run,
)

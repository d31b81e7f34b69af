"""The ways that visits take (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import Select

from app.context import Ctx
from app.errors import Invalid
from app.parameters import integer, optional, text
from app.reports.report import Report
from app.sql import by_id, ordinal
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.scope import Scope
from app.tables import event

MIN_STEPS: Final = 3
MAX_STEPS: Final = 7
LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Params:
    """How many steps of a visit are looked at, and what its first and its last of these must be; '' is any.

    Raises Invalid out of bounds, and for texts that no store can hold.
    """

    steps: int
    start_step: str = ""
    end_step: str = ""
    limit: int = LIMIT

    def __post_init__(self) -> None:
        if not MIN_STEPS <= self.steps <= MAX_STEPS:
            raise Invalid(f"steps must be within {MIN_STEPS} to {MAX_STEPS}", field="steps")
        if not 1 <= self.limit <= LIMIT:
            raise Invalid(f"first must be within 1 to {LIMIT}", field="first")
        checked(self.start_step, "startStep")
        checked(self.end_step, "endStep")


@dataclass(frozen=True, slots=True)
class Journey:
    """The first steps of a visit, repetitions included, and how many visits took them.

    A step is a custom event's name or a page view's path. There are as many as were asked for; those that the visit did
    not have are None, at the end.
    """

    steps: tuple[str | None, ...]
    visits: int


def run(ctx: Ctx, scope: Scope, params: Params) -> list[Journey]:
    """The ways that most visits take, most first, then by their steps. Each is listed once."""
    return [
        Journey(tuple(steps), whole(visits)) for *steps, visits in ctx.events.rows(_journeys(scope, params))
    ]


def _journeys(scope: Scope, params: Params) -> Select[Any]:
    label = sa.case((event.c.event_name != "", event.c.event_name), else_=event.c.url_path)
    # Of events of the same instant the page view was first: what happens on a page happens after it is opened.
    place = sa.func.row_number().over(
        partition_by=event.c.visit_id,
        order_by=(event.c.created_at, event.c.event_type, by_id(event.c.event_id)),
    )
    placed = (
        sa.select(event.c.visit_id, label.label("label"), place.label("place"))
        .where(*scope.rows())
        .subquery("placed")
    )
    steps = [
        sa.func.max(sa.case((placed.c.place == number, placed.c.label))).label(f"step_{number}")
        for number in range(1, params.steps + 1)
    ]
    ways = (
        sa.select(*steps).where(placed.c.place <= params.steps).group_by(placed.c.visit_id).subquery("ways")
    )
    taken = list(ways.c)
    query = sa.select(*taken, sa.func.count().label("visits")).group_by(*taken)
    if params.start_step:
        query = query.where(taken[0] == params.start_step)
    if params.end_step:
        query = query.where(sa.func.coalesce(*reversed(taken)) == params.end_step)
    by_steps = [sa.nulls_first(ordinal(step)) for step in taken]
    return query.order_by(sa.desc("visits"), *by_steps).limit(params.limit)


def _parse(values: Mapping[str, Any]) -> Params:
    return Params(values["steps"], values["startStep"], values["endStep"])


REPORT: Final = Report(
    "journey",
    (
        integer("steps", "How many steps of each visit are looked at.", MIN_STEPS, MAX_STEPS),
        optional(text("startStep", "Only visits whose first step is this path or event."), ""),
        optional(text("endStep", "Only visits whose last step, of those looked at, is this."), ""),
    ),
    _parse,
    run,
)

"""Results of saved reports: one type for each report, made of what the fields of `Analytics` answer with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import strawberry

from app.errors import Invalid
from app.reports import breakdown
from app.reports.registry import Ran
from graphql_schema.acquisition import Attribution, Revenue, UtmParameter, revenue_of
from graphql_schema.conversions import Funnel, FunnelStep, Goal, Journey, RetentionCohort
from graphql_schema.filters import Dimension
from graphql_schema.types import Int64


@strawberry.type(description="Page views of one combination of values.")
class InsightsRow:
    values: list[str | None] = strawberry.field(
        description="The value in each dimension, in their order; null where page views have none."
    )
    pageviews: Int64 = strawberry.field(description="Page views.")
    visitors: Int64 = strawberry.field(description="Visitors: distinct sessions.")
    visits: Int64 = strawberry.field(description="Visits.")
    bounces: Int64 = strawberry.field(description="Visits with exactly one page view of the combination.")
    totaltime: Int64 = strawberry.field(
        description="Seconds between the first and the last page view of the combination, summed over visits."
    )


@strawberry.type(description="Page views by one or more dimensions.")
class Insights:
    dimensions: list[Dimension] = strawberry.field(description="What they are by.")
    rows: list[InsightsRow] = strawberry.field(
        description="Each combination of values, most page views first, then most visitors, then by value."
    )


@strawberry.type(description="Whether things happened that were meant to happen.")
class Goals:
    goals: list[Goal] = strawberry.field(description="Each goal, as it was saved.")


@strawberry.type(description="The ways that most visits take.")
class Journeys:
    journeys: list[Journey] = strawberry.field(description="Most visits first, then by their steps.")


@strawberry.type(description="Whether visitors come back.")
class Retention:
    cohorts: list[RetentionCohort] = strawberry.field(
        description="One for each day of the period that had new visitors, by date."
    )


@strawberry.type(description="Campaign parameters of page addresses.")
class Utm:
    parameters: list[UtmParameter] = strawberry.field(description="Most page views first, then by name.")


ReportResult = Annotated[
    Funnel | Insights | Retention | Utm | Goals | Journeys | Revenue | Attribution,
    strawberry.union("ReportResult", description="What a saved report answers, by its type."),
]


def _insights(ran: Ran, limit: int) -> Insights:
    found: breakdown.Breakdown = ran.result
    return Insights(
        dimensions=[Dimension(breakdown.FIELDS[name]) for name in found.fields],
        rows=[
            InsightsRow(
                values=list(row.values), **{name: Int64(getattr(row, name)) for name in breakdown.MEASURES}
            )
            for row in found.rows[:limit]
        ],
    )


def _revenue(ran: Ran, limit: int) -> Revenue:
    unit = ran.params.unit
    return revenue_of(ran.result, unit, ran.scope.period.buckets(unit), limit)


_RESULTS: Final[Mapping[str, Callable[[Ran, int], Any]]] = {
    "funnel": lambda ran, limit: Funnel(steps=[FunnelStep.of(one) for one in ran.result]),
    "insights": _insights,
    "retention": lambda ran, limit: Retention(
        cohorts=[RetentionCohort.of(one, ran.scope.period) for one in ran.result[:limit]]
    ),
    "utm": lambda ran, limit: Utm(parameters=[UtmParameter.of(one, limit) for one in ran.result[:limit]]),
    "goals": lambda ran, limit: Goals(goals=[Goal.of(one) for one in ran.result]),
    "journey": lambda ran, limit: Journeys(journeys=[Journey.of(one) for one in ran.result[:limit]]),
    "revenue": _revenue,
    "attribution": lambda ran, limit: Attribution.of(ran.result),
}


def result_of(ran: Ran, limit: int) -> ReportResult:
    """A report's result with up to `limit` rows of each list. Raises Invalid for a type that has none."""
    if ran.name not in _RESULTS:
        raise Invalid(f"There is no result of {ran.name!r}", field="type")
    result: ReportResult = _RESULTS[ran.name](ran, limit)
    return result

"""The figures of one website, period and filter."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from app.context import Actor, Ctx
from app.errors import Invalid
from app.stats import queries
from app.stats.channels import channels
from app.stats.events import event_series
from app.stats.measures import MEASURES
from app.stats.period import Unit
from app.stats.queries import Summary
from app.stats.scope import Scope
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.figures import FIGURES, needed, with_comparisons, with_values
from graphql_schema.inputs import (
    MAX_DIMENSIONS,
    MAX_PAGE,
    Dimension,
    Measure,
    PeriodInput,
    to_period,
    to_text,
)
from graphql_schema.selection import selected
from graphql_schema.types import Int64, LocalDateTime, PageInfo, from_cursor, page_size, to_cursor


class Comparison(StrEnum):
    PREVIOUS = "previous"
    PREVIOUS_YEAR = "previous year"


described(
    Comparison,
    "The period that totals are compared with.",
    {
        "PREVIOUS": "The period of the same length before, in whole minutes.",
        "PREVIOUS_YEAR": "The same period one calendar year earlier.",
    },
)
SeriesUnit = described(
    Unit,
    "Length of a bucket. Buckets begin on the wall clock of the period's time zone.",
    {
        "MINUTE": "A minute.",
        "HOUR": "An hour; the one repeated when clocks go back is one bucket.",
        "DAY": "A day.",
        "WEEK": "A week, from Monday.",
        "MONTH": "A month.",
        "YEAR": "A year.",
    },
    name="SeriesUnit",
)

_UNIT = Annotated[
    SeriesUnit | None,
    strawberry.argument(description="Length of a bucket; if absent, the finest that suits the period."),
]


@strawberry.type(description="The period that counts, resolved.")
class AnalyticsPeriod:
    start: dt.datetime = strawberry.field(description="Its first instant; never before the website's last reset.")
    end: dt.datetime = strawberry.field(description="Its last instant.")
    timezone: str = strawberry.field(description="The IANA time zone of days and buckets.")


@strawberry.type(description="Figures of the whole period.")
@with_comparisons
class Totals:
    current: strawberry.Private[Summary]
    before: strawberry.Private[Summary | None]


@strawberry.type(description="Figures for each bucket: lists of the same length, empty buckets included as 0.")
class Series:
    unit: SeriesUnit = strawberry.field(description="Length of a bucket.")
    at: list[LocalDateTime] = strawberry.field(description="Start of each bucket, ascending.")
    visitors: list[Int64] = strawberry.field(description="Visitors with a page view in the bucket.")
    pageviews: list[Int64] = strawberry.field(description="Page views in the bucket.")
    visits: list[Int64] = strawberry.field(description="Visits with a page view in the bucket.")
    events: list[Int64] = strawberry.field(description="Custom events in the bucket.")


@strawberry.type(description="The figures of one value, or of one combination of values.")
@with_values
class BreakdownNode:
    values: list[str | None] = strawberry.field(
        description="The value in each dimension, in the order of `by`; null where events have none."
    )
    share: float = strawberry.field(description="Its visitors for each visitor of the whole period and filter, 0 to 1.")


@strawberry.type(description="A row of a breakdown, and where it stands.")
class BreakdownEdge:
    cursor: str = strawberry.field(description="Its position, to be passed as `after`.")
    node: BreakdownNode = strawberry.field(description="The row.")


@strawberry.type(description="A page of a breakdown.")
class BreakdownConnection:
    nodes: list[BreakdownNode] = strawberry.field(description="The rows of this page.")
    edges: list[BreakdownEdge] = strawberry.field(description="The same, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the breakdown.")


@strawberry.type(description="Counts of one custom event.")
class EventCounts:
    name: str = strawberry.field(description="Name of the event.")
    counts: list[Int64] = strawberry.field(description="How often it happened in each bucket.")
    total: Int64 = strawberry.field(description="How often it happened in the period.")


@strawberry.type(description="Custom events for each bucket, empty buckets included as 0.")
class EventSeries:
    unit: SeriesUnit = strawberry.field(description="Length of a bucket.")
    at: list[LocalDateTime] = strawberry.field(description="Start of each bucket, ascending.")
    events: list[EventCounts] = strawberry.field(description="Each event, most frequent first, then by name.")


@strawberry.type(description="Visitors that came through one channel.")
class ChannelVisitors:
    channel: str = strawberry.field(description="`direct`, `organicSearch`, `paidSocial`, `email`, …")
    visitors: Int64 = strawberry.field(description="Visitors; one who came through several counts in each.")


@strawberry.type(description="The figures of one website, period and filter.")
class Analytics:
    scope: strawberry.Private[Scope]
    actor: strawberry.Private[Actor]

    async def _run(self, info: Info, verb: Any, *args: Any) -> Any:
        return await info.context.runtime.run(self.actor, verb, *args)

    @strawberry.field(description="The period that counts.")
    def period(self) -> AnalyticsPeriod:
        period = self.scope.period
        return AnalyticsPeriod(start=period.start, end=period.end, timezone=period.zone.key)

    @strawberry.field(description="Figures of the whole period.")
    async def totals(
        self,
        info: Info,
        compare: Annotated[
            Comparison | None, strawberry.argument(description="Compare with this period; not at all if absent.")
        ] = None,
        compare_to: Annotated[
            PeriodInput | None, strawberry.argument(description="Compare with any period instead of `compare`.")
        ] = None,
    ) -> Totals | None:
        compared = any(selected(info, figure.field) & {"previous", "change"} for figure in FIGURES)
        measures = needed(selected(info))
        ...

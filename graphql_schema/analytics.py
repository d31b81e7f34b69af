"""The figures of one website, period and filter."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, cast

import strawberry

from app.context import Ctx
from app.errors import Invalid
from app.stats import questions
from app.stats.events import event_series
from app.stats.fields import CHANNEL
from app.stats.measures import Summary
from app.stats.period import Unit
from app.stats.queries import all_channels
from app.stats.scope import Scope
from graphql_schema.acquisition import Acquisition
from graphql_schema.breakdown import BreakdownConnection, BreakdownPage
from graphql_schema.connections import MAX_PAGE
from graphql_schema.context import Info
from graphql_schema.conversions import Conversions
from graphql_schema.enums import described
from graphql_schema.events import EventFigures
from graphql_schema.figures import (
    FIGURES,
    Measure,
    columns,
    needed,
    with_columns,
    with_comparisons,
)
from graphql_schema.filters import Dimension
from graphql_schema.inputs import PeriodInput, to_period, to_text
from graphql_schema.selection import selected
from graphql_schema.sessions import SessionFigures
from graphql_schema.types import Int64, LocalDateTime, page_size, resolved
from graphql_schema.units import ChosenUnit


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


@strawberry.type(description="The period that counts, resolved.")
class AnalyticsPeriod:
    start: dt.datetime = strawberry.field(
        description="Its first instant; never before the website's last reset."
    )
    end: dt.datetime = strawberry.field(description="Its last instant.")
    timezone: str = strawberry.field(description="The IANA time zone of days and buckets.")


@strawberry.type(description="Figures of the whole period.")
@with_comparisons
class Totals:
    current: strawberry.Private[Summary]
    before: strawberry.Private[Summary | None]


@strawberry.type(
    description="Figures for each bucket: lists of the same length, empty buckets included as 0."
)
@with_columns
class Series:
    unit: Unit = strawberry.field(description="Length of a bucket.")
    at: list[LocalDateTime] = strawberry.field(description="Start of each bucket, ascending.")


@strawberry.type(description="Counts of one custom event.")
class EventCounts:
    name: str = strawberry.field(description="Name of the event.")
    counts: list[Int64] = strawberry.field(description="How often it happened in each bucket.")
    total: Int64 = strawberry.field(description="How often it happened in the period.")


@strawberry.type(description="Custom events for each bucket, empty buckets included as 0.")
class EventSeries:
    unit: Unit = strawberry.field(description="Length of a bucket.")
    at: list[LocalDateTime] = strawberry.field(description="Start of each bucket, ascending.")
    events: list[EventCounts] = strawberry.field(description="Each event, most frequent first, then by name.")


@strawberry.type(description="Visitors that came through one channel.")
class ChannelVisitors:
    channel: str = strawberry.field(description="`direct`, `organicSearch`, `paidSocial`, `email`, …")
    visitors: Int64 = strawberry.field(description="Visitors; one who came through several counts in each.")


@strawberry.type(
    description="The figures of one website, period and filter. Its lists hold still: the pages that a cursor leads to "
    "are those of the list as it was when its first page was asked for, whatever comes in meanwhile, and a period "
    "relative to now stays relative to then."
)
class Analytics(Acquisition, Conversions, EventFigures, SessionFigures):
    @resolved("The period that counts.")
    def period(self) -> AnalyticsPeriod:
        period = self.scope.period
        start = min(self.scope.start, period.end)
        return AnalyticsPeriod(start=start, end=period.end, timezone=period.zone.key)

    @resolved("Figures of the whole period.")
    async def totals(
        self,
        info: Info,
        compare: Annotated[
            Comparison | None,
            strawberry.argument(
                description="Compare with this period; not at all if absent. All time has none before it: previous is null."
            ),
        ] = None,
        compare_to: Annotated[
            PeriodInput | None,
            strawberry.argument(description="Compare with any period instead of `compare`."),
        ] = None,
    ) -> Totals | None:
        measures = needed(selected(info))
        compared = needed(
            figure.field for figure in FIGURES if selected(info, figure.field) & {"previous", "change"}
        )

        def asked(ctx: Ctx) -> list[questions.Totals | None]:
            # Before all time there is nothing to compare with.
            nothing = self.all_time and compare_to is None
            other = None if nothing else _compared_with(self.scope, compare, compare_to, ctx)
            return [
                questions.Totals(self.scope, measures),
                questions.Totals(other, compared) if other else None,
            ]

        current, before = await self.figures(info, asked)
        return Totals(current=current, before=before)

    @resolved("Figures over time, as columns.")
    async def series(self, info: Info, unit: ChosenUnit = None) -> Series | None:
        measures = needed(selected(info))

        chosen = unit or self.scope.period.clamp(Unit.MINUTE)
        [found] = await self.figures(info, lambda ctx: [questions.OverTime(self.scope, chosen, measures)])
        return Series(unit=chosen, at=_local(found.at), **columns(found))

    @resolved("Figures for each value of a dimension, or each combination of up to three.")
    async def breakdown(
        self,
        info: Info,
        by: Annotated[list[Dimension], strawberry.argument(description="One to three dimensions.")],
        order_by: Annotated[
            Measure, strawberry.argument(description="Most of this first; then by value, absent ones first.")
        ] = Measure.VISITORS,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 10,
        after: Annotated[
            str | None,
            strawberry.argument(description="Cursor of the row before the page; the start if absent."),
        ] = None,
        search: Annotated[
            str | None,
            strawberry.argument(description="Part of the value of the first dimension, upper or lower case."),
        ] = None,
    ) -> BreakdownConnection | None:
        wanted = selected(info, "nodes") | selected(info, "edges", "node")
        names = tuple(dimension.value for dimension in by)

        cursors = "endCursor" in selected(info, "pageInfo") or "cursor" in selected(info, "edges")
        page = BreakdownPage(names, order_by.value, first, after, to_text(search, "search"), wanted, cursors)

        rows, whole = await self.figures(info, lambda ctx: page.questions(ctx, self))
        return page.connection(rows, whole)

    @resolved("Custom events over time, as columns.")
    async def event_series(
        self,
        info: Info,
        unit: ChosenUnit = None,
        first: Annotated[int, strawberry.argument(description="How many events at most, 1 to 100.")] = 20,
    ) -> EventSeries | None:
        def verb(ctx: Ctx) -> EventSeries:
            chosen = unit or self.scope.period.clamp(Unit.MINUTE)
            limit = page_size(first, MAX_PAGE)
            at = self.scope.period.buckets(chosen)
            place = {start: index for index, start in enumerate(at)}
            counts: dict[str, list[Int64]] = {}
            for point in event_series(ctx, self.scope, chosen):
                counts.setdefault(point.name, [Int64(0)] * len(at))[place[point.at]] = Int64(point.count)
            most = sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:limit]
            return EventSeries(
                unit=chosen,
                at=_local(at),
                events=[
                    EventCounts(name=name, counts=found, total=Int64(sum(found))) for name, found in most
                ],
            )

        return await self.ask(info, verb)

    @resolved("Visitors by how they came: always all 14 channels, most visitors first.")
    async def channels(self, info: Info) -> list[ChannelVisitors] | None:
        [rows] = await self.figures(info, lambda ctx: [questions.Ranking(self.scope, (CHANNEL,))])
        return [
            ChannelVisitors(channel=name, visitors=Int64(visitors)) for name, visitors in all_channels(rows)
        ]


def _local(starts: list[dt.datetime]) -> list[LocalDateTime]:
    return cast(list[LocalDateTime], starts)  # naive already; the type says so to GraphQL


def _compared_with(
    scope: Scope, compare: Comparison | None, to: PeriodInput | None, ctx: Ctx
) -> Scope | None:
    """The scope that totals are compared with. Raises Invalid if two are asked for, or all time."""
    if to is not None:
        if compare is not None:
            raise Invalid("Compare with one period: compare or compareTo", field="compareTo")
        if to.all is not None:
            raise Invalid("All time compares with nothing", field="compareTo")
        return scope.over(to_period(to, ctx.now, scope.period.zone))
    if compare is Comparison.PREVIOUS:
        return scope.over(scope.period.previous())
    return scope.over(scope.period.previous_year()) if compare else None

"""The live view of a website."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import cast

import strawberry

from app.context import Ctx
from app.stats import realtime
from app.stats.event_rows import data_of
from app.stats.realtime import MAX_ROWS, Kind
from graphql_schema.enums import described
from graphql_schema.event_types import Event
from graphql_schema.types import Int64, LocalDateTime

described(
    Kind,
    "What an entry of the live view tells.",
    {
        "SESSION": "A session came into view: `event` is the first of it among the latest.",
        "PAGEVIEW": "A page view.",
        "EVENT": "A custom event.",
    },
    name="RealtimeKind",
)


@strawberry.type(description="Something that happened a moment ago.")
class RealtimeEntry:
    kind: Kind = strawberry.field(description="What it is.")
    event: Event = strawberry.field(description="The event that it happened by.")


@strawberry.type(description="A value among the latest events, and how often it is there.")
class RealtimeCount:
    value: str = strawberry.field(description="The value, never empty.")
    count: Int64 = strawberry.field(description="How often.")


@strawberry.type(description="The minutes of the live view, as columns; empty ones included as 0.")
class RealtimeSeries:
    at: list[LocalDateTime] = strawberry.field(description="Start of each minute, ascending.")
    pageviews: list[Int64] = strawberry.field(description="Page views in each minute.")
    visitors: list[Int64] = strawberry.field(description="Distinct sessions with a page view in each minute.")


@strawberry.type(description="Totals of the live view.")
class RealtimeTotals:
    pageviews: Int64 = strawberry.field(description="Page views of all its minutes.")
    visitors: Int64 = strawberry.field(
        description="The sum of the minutes' visitors: who is there in three minutes counts three times."
    )
    events: Int64 = strawberry.field(description="Custom events among the latest events.")
    countries: Int64 = strawberry.field(description="Different countries among the latest events.")


@strawberry.type(
    description="The last half hour: its minutes, and its latest events told as a story. What is counted of the latest "
    "events is in order of first appearance."
)
class Realtime:
    start: dt.datetime = strawberry.field(
        description="Where it begins: the start of the minute half an hour ago."
    )
    end: dt.datetime = strawberry.field(description="Where it ends: now.")
    entries: list[RealtimeEntry] = strawberry.field(
        description=f"The latest {MAX_ROWS} events of any type, newest first; the first of each session is followed by "
        "an entry of kind SESSION."
    )
    countries: list[RealtimeCount] = strawberry.field(
        description="Sessions among the latest events by the country of their first."
    )
    paths: list[RealtimeCount] = strawberry.field(description="The latest events by path of the page.")
    referrers: list[RealtimeCount] = strawberry.field(
        description="The latest events by domain of the referrer, the website's own included."
    )
    series: RealtimeSeries = strawberry.field(description="Figures of every minute.")
    totals: RealtimeTotals = strawberry.field(description="Totals.")

    @classmethod
    def of(cls, ctx: Ctx, now: realtime.Realtime, with_data: bool) -> Realtime:
        """To be called within the operation that looked; the data of the events is looked up only if asked for."""
        rows = [entry.event for entry in now.entries]
        data = data_of(ctx, now.scope, rows) if with_data else {}
        series = now.series
        return cls(
            start=now.scope.period.start,
            end=now.scope.period.end,
            entries=[
                RealtimeEntry(
                    kind=entry.kind, event=Event.of(entry.event, data.get(entry.event.event_id, ()))
                )
                for entry in now.entries
            ],
            countries=_counts(now.countries),
            paths=_counts(now.paths),
            referrers=_counts(now.referrers),
            series=RealtimeSeries(
                at=cast(list[LocalDateTime], series.at),
                pageviews=cast(list[Int64], series.pageviews),
                visitors=cast(list[Int64], series.visitors),
            ),
            totals=RealtimeTotals(
                pageviews=Int64(now.pageviews),
                visitors=Int64(now.visitors),
                events=Int64(now.events),
                countries=Int64(len(now.countries)),
            ),
        )


def _counts(found: Mapping[str, int]) -> list[RealtimeCount]:
    return [RealtimeCount(value=value, count=Int64(count)) for value, count in found.items()]

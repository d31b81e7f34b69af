"""Statistics of a website (Umami v2 REST behaviour §3.6): parsers into the statistics of `app.stats`, and their shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app import parameters, segments, websites
from app.context import Ctx
from app.errors import Invalid
from app.segments import SegmentType
from app.settings import Settings
from app.stats import events, queries
from app.stats.filters import Condition, Operator
from app.stats.period import Period, Unit
from app.stats.plan import answer, answer_all
from app.stats.questions import OverTime, Series, Totals
from app.stats.scope import Scope, open_scope
from rest_compat import filters, params, shapes
from rest_compat.deps import Asked, Route
from rest_compat.shapes import Json

_FIGURES: Final = ("pageviews", "visitors", "visits", "bounces", "totaltime")


@dataclass(frozen=True, slots=True)
class Metric:
    """A `type` of `metrics` and `values`."""

    field: str  # grouped by
    column: str  # searched, and listed by `values`
    measure: str = "visitors"
    with_country: bool = False


def _plain(field: str) -> Metric:
    return Metric(field, field)


METRICS: Final[Mapping[str, Metric]] = {
    "url": _plain("path"),
    "entry": Metric("entry", "path"),
    "exit": Metric("exit", "path"),
    "host": _plain("hostname"),
    "event": Metric("event", "event", measure="events"),
    "region": Metric("region", "region", with_country=True),
    "city": Metric("city", "city", with_country=True),
    **{
        name: _plain(name)
        for name in (
            "referrer",
            "title",
            "query",
            "tag",
            "browser",
            "os",
            "device",
            "screen",
            "country",
            "language",
        )
    },
}

_COMPARED: Final[Mapping[str, Callable[[Period], Period]]] = {"yoy": Period.previous_year}


def active(ctx: Ctx, asked: Asked) -> object:
    return {"visitors": queries.active_visitors(ctx, asked.id("websiteId"))}


def stats(ctx: Ctx, asked: Asked) -> object:
    scope = _scope(ctx, asked)
    both = (scope, scope.over(_compared(scope, asked)))
    now, before = answer_all(ctx, [Totals(one, _FIGURES) for one in both])
    return {name: {"value": getattr(now, name), "prev": getattr(before, name)} for name in _FIGURES}


def pageviews(ctx: Ctx, asked: Asked) -> object:
    scope = _scope(ctx, asked)
    unit = scope.period.clamp(asked.params["unit"])
    if not asked.params["compare"]:
        return _pageviews(answer(ctx, _views_over_time(scope, unit)))
    before = scope.over(_compared(scope, asked))
    now, then = answer_all(ctx, [_views_over_time(one, unit) for one in (scope, before)])
    return {
        **_pageviews(now),
        **_bounds(scope.period),
        "compare": {**_pageviews(then), **_bounds(before.period)},
    }


def _views_over_time(scope: Scope, unit: Unit) -> OverTime:
    return OverTime(scope, unit, ("pageviews", "visitors"), fill=False)


def _pageviews(series: Series) -> Json:
    return {
        name: shapes.points(series.at, counts)
        for name, counts in (("pageviews", series.pageviews), ("sessions", series.visitors))
    }


def event_series(ctx: Ctx, asked: Asked) -> object:
    scope = _scope(ctx, asked)
    points = events.event_series(ctx, scope, scope.period.clamp(asked.params["unit"]))
    return [{"x": point.name, "t": shapes.bucket(point.at), "y": point.count} for point in points]


def metrics(ctx: Ctx, asked: Asked) -> object:
    kind, search = asked.params["type"], asked.params["search"]
    if kind == "channel":
        return [{"x": name, "y": count} for name, count in queries.channels(ctx, _scope(ctx, asked))]
    metric = METRICS.get(kind)
    if metric is None:
        websites.get(ctx, asked.id("websiteId"))
        raise Invalid
    # The search replaces a filter of the same name; entry and exit are no filters, so there it comes on top.
    on_top = metric.field in ("entry", "exit")
    searched = [Condition(metric.column, Operator.CONTAINS, (search,))] if search and not on_top else []
    rows = queries.breakdown(
        ctx,
        _scope(ctx, asked, *searched),
        (metric.field, "country") if metric.with_country else (metric.field,),
        measures=(metric.measure,),
        order_by=metric.measure,
        search=search if on_top else None,
        limit=asked.params["limit"],
        offset=asked.params["offset"],
    )
    counted = [(row.values, getattr(row, metric.measure)) for row in rows]
    if metric.with_country:
        return [{"x": values[0], "y": count, "country": values[1]} for values, count in counted]
    if kind == "language":
        return shapes.merged_languages([(values[0], count) for values, count in counted])
    return [{"x": values[0], "y": count} for values, count in counted]


def values(ctx: Ctx, asked: Asked) -> object:
    kind = asked.params["type"]
    metric = METRICS.get(kind)
    scope = open_scope(ctx, asked.id("websiteId"), params.period(asked.params))
    if kind in list(SegmentType):
        found = segments.listed(ctx, scope.website_id, SegmentType(kind), search=asked.params["search"])
        return [{"value": name} for name in dict.fromkeys(row.name for row in found)]
    if metric is None:
        raise Invalid("Invalid type.", field="type")
    counted = queries.values(ctx, scope, metric.column, asked.params["search"])
    return [{"value": value, "count": count} for value, count in counted]


def _scope(ctx: Ctx, asked: Asked, *more: Condition) -> Scope:
    website_id = asked.id("websiteId")
    # Before the filters: who may not see the website is not told what it lacks.
    websites.get(ctx, website_id)
    return open_scope(
        ctx, website_id, params.period(asked.params), filters.where(ctx, website_id, asked.params, *more)
    )


def _compared(scope: Scope, asked: Asked) -> Period:
    return _COMPARED.get(asked.params["compare"], Period.previous)(scope.period)


def _bounds(period: Period) -> Json:
    return {"startDate": shapes.instant(period.start), "endDate": shapes.instant(period.end)}


def routes(settings: Settings) -> list[Route]:
    one = "/api/websites/{websiteId}"
    compare = parameters.optional(
        parameters.text(
            "compare", "`yoy`: with the same days a year before; else with the period just before."
        ),
        "",
    )
    kind = parameters.text("type", f"One of {', '.join(METRICS)}, channel.")
    listed = parameters.text("type", f"One of {', '.join(METRICS)}, segment, cohort.")
    limit = parameters.optional(parameters.integer("limit", "Most rows."), 500)
    offset = parameters.optional(parameters.integer("offset", "Rows left out at the beginning."), 0)
    buckets = (*params.RANGE, parameters.unit(), parameters.timezone())
    point = {"x": "2026-11-10 00:00:00", "y": 5}
    figure = {"value": 6, "prev": 0}
    return [
        Route("GET", f"{one}/active", "Visitors of the last five minutes", active, example={"visitors": 5}),
        Route(
            "GET",
            f"{one}/stats",
            "Totals, with those of a period before",
            stats,
            query=(*params.RANGE, compare, *filters.FIELDS),
            example=dict.fromkeys(_FIGURES, figure),
        ),
        Route(
            "GET",
            f"{one}/pageviews",
            "Page views and visitors over time; empty buckets are left out",
            pageviews,
            query=(*buckets, compare, *filters.FIELDS),
            example={"pageviews": [point], "sessions": [point]},
        ),
        Route(
            "GET",
            f"{one}/metrics",
            "The most frequent values of a kind",
            metrics,
            query=(kind, *params.RANGE, limit, offset, params.SEARCH, *filters.FIELDS),
            example=[{"x": "/", "y": 46}, {"x": "/docs", "y": 17}],
            also={400: {"error": "Bad request"}},
        ),
        Route(
            "GET",
            f"{one}/events/series",
            "Custom events over time; empty buckets are left out",
            event_series,
            query=(*buckets, *filters.FIELDS),
            example=[{"x": "purchase", "t": "2026-11-10 10:00:00", "y": 1}],
        ),
        Route(
            "GET",
            f"{one}/values",
            "Values to suggest for a filter: the ten most frequent",
            values,
            query=(listed, *params.RANGE, params.SEARCH),
            example=[{"value": "/", "count": 5}],
            also={400: {"error": "Invalid type."}},
        ),
    ]

"""Reports of where visitors came from and what they brought (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

from decimal import Decimal

from app.context import Ctx
from app.parameters import Field, Unfit, instant, uuid
from app.reports import attribution, breakdown, revenue, utm
from app.settings import Settings
from app.stats.period import Period
from app.stats.scope import open_scope
from app.stats.zones import UTC
from rest_compat import shapes
from rest_compat.deps import Asked, Route
from rest_compat.reports import running
from rest_compat.shapes import Json


def _money(amount: Decimal) -> float | int | None:
    """A sum as a JSON number, which reads as the same decimals."""
    return shapes.number(float(amount))


def _utm(found: list[utm.UtmParameter]) -> Json:
    return {one.name: {row.value: row.pageviews for row in one.values} for one in found}


def _insights(found: breakdown.Breakdown) -> list[Json]:
    return [
        {
            "views": row.pageviews,
            "visitors": row.visitors,
            "visits": row.visits,
            "bounces": row.bounces,
            "totaltime": row.totaltime,
            **dict(zip(found.fields, row.values, strict=True)),
        }
        for row in found.rows
    ]


def _takings(found: revenue.Takings) -> Json:
    return {"sum": _money(found.amount), "count": found.events, "unique_count": found.visitors}


def _revenue(found: revenue.Revenue) -> Json:
    return {
        "chart": [
            {"x": point.name, "t": shapes.bucket(point.at), "y": _money(point.amount)}
            for point in found.series
        ],
        "country": [{"name": name, "value": _money(amount)} for name, amount in found.countries],
        "total": _takings(found.total),
        "table": [{"currency": name, **_takings(takings)} for name, takings in found.currencies],
    }


def _attribution(found: attribution.Attribution) -> Json:
    """What has no value is named '' here (§3.12)."""
    keys = {attribution.PAID_ADS: "paidAds"}
    return {
        **{keys.get(name, name): [_credit(one) for one in credits] for name, credits in found.by.items()},
        "total": {"pageviews": found.conversions, "visitors": found.visitors, "visits": found.visits},
    }


def _credit(one: attribution.Credit) -> Json:
    value = _money(one.value) if isinstance(one.value, Decimal) else one.value
    return {"name": one.name or "", "value": value}


def currencies(ctx: Ctx, asked: Asked) -> object:
    period = Period(asked.params["startDate"], asked.params["endDate"], UTC)
    scope = open_scope(ctx, asked.params["websiteId"], period)
    return [{"currency": name} for name in revenue.currencies(ctx, scope)]


def _date(name: str, about: str) -> Field:
    """A date in a query string, where the `+` of an offset that JavaScript printed may have become a space."""

    def reader(value: object) -> object:
        if not isinstance(value, str):
            raise Unfit("Invalid date")
        return instant(value.replace("GMT ", "GMT+"))

    return Field(name, reader, f"{about}: ISO 8601, epoch milliseconds or JavaScript's print.")


def routes(settings: Settings) -> list[Route]:
    usd: Json = {"sum": 19.99, "count": 1, "unique_count": 1}
    return [
        running(
            utm.REPORT,
            "Page views by the campaign parameters of their addresses",
            _utm,
            {},
            {"utm_source": {"news": 1}, "utm_medium": {"email": 1}},
        ),
        running(
            breakdown.REPORT,
            "Page views by any fields and filters",
            _insights,
            {
                "fields": [{"name": "country", "type": "string", "label": "Country"}],
                "filters": [{"name": "browser", "type": "string", "operator": "neq", "value": "ios"}],
            },
            [{"views": 5, "visitors": 2, "visits": 3, "bounces": 1, "totaltime": 180, "country": "US"}],
        ),
        running(
            revenue.REPORT,
            "Revenue in one currency: over time, by country and in total; and totals of all currencies",
            _revenue,
            {"currency": "USD", "timezone": "Europe/Berlin"},
            {
                "chart": [{"x": "purchase", "t": "2026-11-10 00:00:00", "y": 19.99}],
                "country": [{"name": "US", "value": 19.99}],
                "total": usd,
                "table": [{"currency": "USD", **usd}],
            },
        ),
        Route(
            "GET",
            "/api/reports/revenue",
            "Currencies that events had in their data",
            currencies,
            query=(
                uuid("websiteId", "The website."),
                _date("startDate", "First instant of the range"),
                _date("endDate", "Last instant of the range"),
            ),
            example=[{"currency": "EUR"}, {"currency": "USD"}],
        ),
        running(
            attribution.REPORT,
            "What brought the visitors who converted",
            _attribution,
            {"model": "firstClick", "steps": [{"type": "event", "value": "purchase"}]},
            {
                "referrer": [{"name": "t.co", "value": 1}],
                "paidAds": [],
                "utm_source": [{"name": "news", "value": 1}],
                "utm_medium": [{"name": "email", "value": 1}],
                "utm_campaign": [],
                "utm_content": [],
                "utm_term": [],
                "total": {"pageviews": 2, "visitors": 2, "visits": 2},
            },
        ),
    ]

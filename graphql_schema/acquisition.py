"""How visitors came, and what they brought: campaigns, revenue, attribution."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Final, cast

import strawberry

from app.context import Ctx
from app.errors import Invalid
from app.reports import attribution, revenue, utm
from app.stats.period import Unit
from graphql_schema.connections import MAX_PAGE
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.inputs import not_empty
from graphql_schema.scoped import Scoped
from graphql_schema.selection import selected
from graphql_schema.types import Int64, LocalDateTime, page_size, resolved
from graphql_schema.units import ChosenUnit

described(
    attribution.Model,
    "Which event of a visitor is credited with the conversion.",
    {
        "FIRST_CLICK": "The first one in the period: how the visitor came.",
        "LAST_CLICK": "The last one before the conversion, as Umami has it: mostly a page of the site's own, so that "
        "referrers and campaigns are often none; a visitor without one is not credited.",
    },
    name="AttributionModel",
)

_CURRENCY: Final = "ISO code as events carried it, in upper or lower case, e.g. `USD`"


@strawberry.type(description="A value of a campaign parameter.")
class UtmValue:
    value: str = strawberry.field(description="The value, decoded; empty where the address gives none.")
    pageviews: Int64 = strawberry.field(description="Page views whose address has it.")


@strawberry.type(description="A campaign parameter of page addresses.")
class UtmParameter:
    parameter: str = strawberry.field(
        description="Its name: `utm_` and letters, digits or `_`, e.g. `utm_source`."
    )
    pageviews: Int64 = strawberry.field(description="Page views whose address has it.")
    values: list[UtmValue] = strawberry.field(description="Its values, most page views first, then by value.")

    @classmethod
    def of(cls, found: utm.UtmParameter, limit: int) -> UtmParameter:
        """With up to `limit` of its values."""
        return cls(
            parameter=found.name,
            pageviews=Int64(found.pageviews),
            values=[
                UtmValue(value=row.value, pageviews=Int64(row.pageviews)) for row in found.values[:limit]
            ],
        )


@strawberry.type(description="A sum of revenue in one currency.")
class RevenueTotal:
    amount: float = strawberry.field(description="The sum, in the currency's main unit.")
    events: Int64 = strawberry.field(description="Events that brought it.")
    visitors: Int64 = strawberry.field(description="Visitors who sent them.")


@strawberry.type(description="Revenue of one custom event.")
class EventRevenue:
    name: str | None = strawberry.field(description="Name of the event; null for page views.")
    amounts: list[float] = strawberry.field(description="What it brought in each bucket.")
    total: float = strawberry.field(description="What it brought in the period.")


@strawberry.type(description="Revenue for each bucket, empty buckets included as 0.")
class RevenueSeries:
    unit: Unit = strawberry.field(description="Length of a bucket.")
    at: list[LocalDateTime] = strawberry.field(description="Start of each bucket, ascending.")
    events: list[EventRevenue] = strawberry.field(description="Each event, most revenue first, then by name.")


@strawberry.type(description="Revenue from one country.")
class CountryRevenue:
    country: str | None = strawberry.field(
        description="Country, ISO 3166 alpha-2, e.g. `DE`; null where it is not known."
    )
    amount: float = strawberry.field(description="The sum, in the currency's main unit.")


@strawberry.type(description="Revenue in one currency, written in one way.")
class CurrencyRevenue:
    currency: str = strawberry.field(description="The currency as events carried it, case kept.")
    amount: float = strawberry.field(description="The sum, in the currency's main unit.")
    events: Int64 = strawberry.field(description="Events that brought it.")
    visitors: Int64 = strawberry.field(description="Visitors who sent them.")


@strawberry.type(description="Revenue that events carried in their data.")
class Revenue:
    total: RevenueTotal = strawberry.field(description="In the currency asked for.")
    series: RevenueSeries = strawberry.field(description="In the currency asked for, over time.")
    by_country: list[CountryRevenue] = strawberry.field(
        description="In the currency asked for, most revenue first, then by country."
    )
    by_currency: list[CurrencyRevenue] = strawberry.field(
        description="In every currency there is, largest sum first, then by currency."
    )


@strawberry.input(
    description="What a conversion is: a page view of a path or a custom event, exactly one of the two."
)
class ConversionInput:
    path: str | None = strawberry.field(default=None, description="Path of a page.")
    event: str | None = strawberry.field(default=None, description="Name of a custom event.")

    def step(self) -> attribution.Step:
        """The core's step. Raises Invalid unless exactly one part is given."""
        if (self.path is None) == (self.event is None):
            raise Invalid("A conversion is exactly one of path and event", field="step")
        if self.path is not None:
            return attribution.Step(attribution.Kind.URL, self.path)
        return attribution.Step(attribution.Kind.EVENT, self.event or "")


@strawberry.type(description="A value, and the conversions credited to it.")
class AttributionCredit:
    name: str | None = strawberry.field(
        description="The value; null collects what has none, which only revenue is credited to."
    )
    value: float = strawberry.field(
        description="Converting visitors; with a currency, their revenue in its main unit."
    )


@strawberry.type(description="All conversions, credited or not.")
class Conversions:
    conversions: Int64 = strawberry.field(description="Page views or custom events that are conversions.")
    visitors: Int64 = strawberry.field(description="Visitors who converted.")
    visits: Int64 = strawberry.field(description="Visits in which they did.")


_UTM = "By `{}` in the address of the page, at most 20, largest first."


@strawberry.type(
    description="What brought the visitors who converted: each is credited to one event of theirs. Lists have at most 20 "
    "values, largest first, then by value."
)
class Attribution:
    referrer: list[AttributionCredit] = strawberry.field(
        description="By the domain the visitor came from, at most 20; the site's own is left out unless revenue is credited."
    )
    paid_ads: list[AttributionCredit] = strawberry.field(
        description="By whose advertisement was clicked, e.g. `Google Ads`, largest first."
    )
    utm_source: list[AttributionCredit] = strawberry.field(description=_UTM.format("utm_source"))
    utm_medium: list[AttributionCredit] = strawberry.field(description=_UTM.format("utm_medium"))
    utm_campaign: list[AttributionCredit] = strawberry.field(description=_UTM.format("utm_campaign"))
    utm_content: list[AttributionCredit] = strawberry.field(description=_UTM.format("utm_content"))
    utm_term: list[AttributionCredit] = strawberry.field(description=_UTM.format("utm_term"))
    total: Conversions = strawberry.field(description="All conversions, whatever they are credited to.")

    @classmethod
    def of(cls, found: attribution.Attribution) -> Attribution:
        return cls(
            total=Conversions(
                conversions=Int64(found.conversions),
                visitors=Int64(found.visitors),
                visits=Int64(found.visits),
            ),
            **{
                name: [AttributionCredit(name=one.name, value=float(one.value)) for one in credits]
                for name, credits in found.by.items()
            },
        )


# What is selected of `Revenue` → the part of the report it needs.
_PARTS: Final = {
    "total": revenue.TOTAL,
    "series": revenue.SERIES,
    "byCountry": revenue.COUNTRIES,
    "byCurrency": revenue.CURRENCIES,
}


@strawberry.type
class Acquisition(Scoped):
    """Fields of `Analytics` about where visitors came from and what they brought."""

    @resolved("The `utm_` parameters of page addresses, most page views first, then by name.")
    async def utm(
        self,
        info: Info,
        first: Annotated[
            int,
            strawberry.argument(description="How many parameters, and values of each, at most, 1 to 100."),
        ] = 100,
    ) -> list[UtmParameter] | None:
        def verb(ctx: Ctx) -> list[UtmParameter]:
            limit = page_size(first, MAX_PAGE)
            found = utm.REPORT.run(ctx, self.scope, utm.Params())
            return [UtmParameter.of(one, limit) for one in found[:limit]]

        return await self.ask(info, verb)

    @resolved("Revenue: events whose data has `revenue`, a number above 0, and `currency`.")
    async def revenue(
        self,
        info: Info,
        currency: Annotated[str, strawberry.argument(description=f"{_CURRENCY}.")],
        unit: ChosenUnit = None,
        first: Annotated[
            int,
            strawberry.argument(description="How many events, countries and currencies at most, 1 to 100."),
        ] = 20,
    ) -> Revenue | None:
        parts = frozenset(_PARTS[name] for name in selected(info) & _PARTS.keys())

        def verb(ctx: Ctx) -> Revenue:
            limit = page_size(first, MAX_PAGE)
            chosen = unit or self.scope.period.clamp(Unit.MINUTE)
            at = self.scope.period.buckets(chosen) if revenue.SERIES in parts else []
            params = revenue.Params(not_empty(currency, "currency"), chosen, parts)
            return revenue_of(revenue.REPORT.run(ctx, self.scope, params), chosen, at, limit)

        return await self.ask(info, verb)

    @resolved("Currencies that events had in their data, ascending: values of keys with `currency` in them.")
    async def currencies(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 100,
    ) -> list[str] | None:
        def verb(ctx: Ctx) -> list[str]:
            return revenue.currencies(ctx, self.scope)[: page_size(first, MAX_PAGE)]

        return await self.ask(info, verb)

    @resolved("What brought the visitors who converted.")
    async def attribution(
        self,
        info: Info,
        step: Annotated[ConversionInput, strawberry.argument(description="What a conversion is.")],
        model: Annotated[
            attribution.Model, strawberry.argument(description="Which event of a visitor is credited.")
        ] = attribution.Model.FIRST_CLICK,
        currency: Annotated[
            str | None,
            strawberry.argument(
                description=f"Credit revenue in this currency instead of visitors: {_CURRENCY}. An event weighs what it "
                "brought itself, a page view what its session brought."
            ),
        ] = None,
    ) -> Attribution | None:
        def verb(ctx: Ctx) -> Attribution:
            asked = "" if currency is None else not_empty(currency, "currency")
            params = attribution.Params(model, step.step(), asked)
            return Attribution.of(attribution.REPORT.run(ctx, self.scope, params))

        return await self.ask(info, verb)


def revenue_of(found: revenue.Revenue, unit: Unit, at: list[dt.datetime], limit: int) -> Revenue:
    """Up to `limit` events, countries and currencies; `at` are the starts of all buckets."""
    total = found.total
    return Revenue(
        total=RevenueTotal(
            amount=float(total.amount), events=Int64(total.events), visitors=Int64(total.visitors)
        ),
        series=RevenueSeries(
            unit=unit, at=cast(list[LocalDateTime], at), events=_events(found.series, at, limit)
        ),
        by_country=[
            CountryRevenue(country=country, amount=float(amount))
            for country, amount in found.countries[:limit]
        ],
        by_currency=[
            CurrencyRevenue(
                currency=currency,
                amount=float(takings.amount),
                events=Int64(takings.events),
                visitors=Int64(takings.visitors),
            )
            for currency, takings in found.currencies[:limit]
        ],
    )


def _events(points: list[revenue.Point], at: list[dt.datetime], limit: int) -> list[EventRevenue]:
    """The events that brought most. Money is added up as decimals, and only then becomes a float."""
    totals: dict[str | None, Decimal] = {}
    for point in points:
        totals[point.name] = totals.get(point.name, Decimal(0)) + point.amount
    most = sorted(totals.items(), key=lambda item: (-item[1], item[0] or ""))[:limit]
    amounts = {name: [0.0] * len(at) for name, _ in most}
    place = {start: index for index, start in enumerate(at)}
    for point in points:
        if point.name in amounts:
            amounts[point.name][place[point.at]] = float(point.amount)
    return [EventRevenue(name=name, amounts=amounts[name], total=float(total)) for name, total in most]

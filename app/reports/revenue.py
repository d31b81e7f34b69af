"""What was sold: sums of the revenue that events carried (Umami v2 REST behaviour §2.10, §3.12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement

from app import parameters
from app.context import Ctx
from app.errors import Malformed
from app.reports.report import DateRange, Report
from app.sql import contains, ordinal
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.period import Unit
from app.stats.scope import Scope
from app.tables import event_data, revenue

TOTAL: Final = "total"
SERIES: Final = "series"
COUNTRIES: Final = "countries"
CURRENCIES: Final = "currencies"
PARTS: Final = frozenset({TOTAL, SERIES, COUNTRIES, CURRENCIES})


@dataclass(frozen=True, slots=True)
class Params:
    """A currency in upper or lower case. `unit` is taken as it is, however long the period; `parts` are computed."""

    currency: str
    unit: Unit = Unit.DAY
    parts: frozenset[str] = PARTS


@dataclass(frozen=True, slots=True)
class Takings:
    """A sum of money, exact; the events that brought it, and the visitors who sent them."""

    amount: Decimal = Decimal(0)
    events: int = 0
    visitors: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """What events of one name brought in the bucket that begins at `at` (wall clock); None for page views."""

    name: str | None
    at: dt.datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Revenue:
    """Parts that were not asked for are empty.

    `series` is by bucket and name, both ascending, without empty buckets. `countries` and `currencies` have the
    largest sum first; `currencies` are all there are, each as it was sent, whatever currency was asked for.
    """

    total: Takings = field(default_factory=Takings)
    series: list[Point] = field(default_factory=list)
    countries: list[tuple[str | None, Decimal]] = field(default_factory=list)
    currencies: list[tuple[str, Takings]] = field(default_factory=list)


def run(ctx: Ctx, scope: Scope, params: Params) -> Revenue:
    """The sums in one currency. Raises Invalid for a currency that no store can hold."""
    rows = in_currency(scope, params.currency)
    wanted = params.parts
    return Revenue(
        total=_total(ctx, rows) if TOTAL in wanted else Takings(),
        series=_series(ctx, scope, rows, params.unit) if SERIES in wanted else [],
        countries=_countries(ctx, rows) if COUNTRIES in wanted else [],
        currencies=_currencies(ctx, scope) if CURRENCIES in wanted else [],
    )


def currencies(ctx: Ctx, scope: Scope) -> list[str]:
    """What events had as the value of a key with "currency" in it, each value once, ascending."""
    scope = replace(scope, reset_at=None)
    values = (
        sa.select(event_data.c.string_value)
        .where(*scope.of_events(event_data), contains(event_data.c.data_key, sa.literal("currency", sa.Text)))
        .distinct()
        .subquery("found")
    )
    query = sa.select(values.c.string_value).order_by(ordinal(values.c.string_value))
    return [value for (value,) in ctx.events.rows(query)]


def in_currency(scope: Scope, currency: str) -> list[ColumnElement[bool]]:
    """The conditions of the rows of `revenue` that count, in a currency of any case."""
    asked = sa.literal(checked(currency, "currency"), sa.Text)
    return [*scope.of_events(revenue), sa.func.lower(revenue.c.currency) == sa.func.lower(asked)]


_AMOUNT: Final = sa.func.sum(revenue.c.revenue).label("amount")
_TAKINGS: Final = (
    sa.func.coalesce(sa.func.sum(revenue.c.revenue), 0).label("amount"),
    sa.func.count(revenue.c.event_id.distinct()).label("events"),
    sa.func.count(revenue.c.session_id.distinct()).label("visitors"),
)


def _total(ctx: Ctx, rows: list[ColumnElement[bool]]) -> Takings:
    [found] = ctx.events.rows(sa.select(*_TAKINGS).where(*rows))
    return _takings(*found)


def _series(ctx: Ctx, scope: Scope, rows: list[ColumnElement[bool]], unit: Unit) -> list[Point]:
    at = scope.period.bucket(revenue.c.created_at, unit).label("at")
    sold = sa.select(revenue.c.event_name, revenue.c.revenue, at).where(*rows).subquery("sold")
    query = (
        sa.select(sold.c.event_name, sold.c.at, sa.func.sum(sold.c.revenue))
        .group_by(sold.c.event_name, sold.c.at)
        .order_by(sold.c.at, ordinal(sold.c.event_name))
    )
    return [Point(name or None, start, Decimal(amount)) for name, start, amount in ctx.events.rows(query)]


def _countries(ctx: Ctx, rows: list[ColumnElement[bool]]) -> list[tuple[str | None, Decimal]]:
    country = revenue.c.country
    query = sa.select(country, _AMOUNT).where(*rows).group_by(country)
    found = ctx.events.rows(query.order_by(sa.desc("amount"), ordinal(country)))
    return [(name or None, Decimal(amount)) for name, amount in found]


def _currencies(ctx: Ctx, scope: Scope) -> list[tuple[str, Takings]]:
    currency = revenue.c.currency
    query = sa.select(currency, *_TAKINGS).where(*scope.of_events(revenue)).group_by(currency)
    found = ctx.events.rows(query.order_by(sa.desc("amount"), ordinal(currency)))
    return [(name, _takings(*numbers)) for name, *numbers in found]


def _takings(amount: Decimal, events: int, visitors: int) -> Takings:
    return Takings(Decimal(amount), whole(events), whole(visitors))


_UNIT: Final = parameters.unit()


def _parse(values: Mapping[str, Any]) -> Params:
    asked: DateRange = values["dateRange"]
    try:
        unit = _UNIT.read(asked.unit) if asked.unit else Unit.DAY
    except parameters.Unfit:
        raise Malformed([("dateRange", "")]) from None
    return Params(values["currency"], unit)


REPORT: Final = Report(
    "revenue",
    (parameters.text("currency", "The currency, in upper or lower case."),),
    _parse,
    run,
    zoned=True,
)

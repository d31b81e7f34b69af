"""What brought the visitors who converted (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Subquery

from app.context import Ctx
from app.parameters import optional, records, text
from app.reports.report import Report
from app.reports.revenue import in_currency
from app.sql import by_id, ordinal
from app.stats import fields
from app.stats.filters import checked
from app.stats.measures import whole
from app.stats.scope import Scope
from app.tables import CUSTOM_EVENT, PAGE_VIEW, UTM_COLUMNS, event, revenue

LIMIT: Final = 20
REFERRER: Final = "referrer"
PAID_ADS: Final = "paid_ads"
DIMENSIONS: Final = (REFERRER, PAID_ADS, *UTM_COLUMNS)

# Whose click id it is. An address may have several: the first of these counts.
_ADS: Final = {
    "gclid": "Google Ads",
    "fbclid": "Facebook / Meta",
    "msclkid": "Microsoft Ads",
    "ttclid": "TikTok Ads",
    "li_fat_id": "LinkedIn Ads",
    "twclid": "Twitter Ads (X)",
}


class Model(StrEnum):
    """Which event of a visitor is credited with the conversion."""

    FIRST_CLICK = "firstClick"  # the first one in the period
    LAST_CLICK = "lastClick"  # the last one before the conversion


class Kind(StrEnum):
    """What a conversion is."""

    URL = "url"  # a page view of this path
    EVENT = "event"  # a custom event of this name


@dataclass(frozen=True, slots=True)
class Step:
    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Params:
    """With a currency (upper or lower case) conversions weigh what they brought in it, without one each visitor is 1."""

    model: Model
    step: Step
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Credit:
    """A value and the visitors, or the money (exact), credited to it; None collects what has no value."""

    name: str | None
    value: int | Decimal


@dataclass(frozen=True, slots=True)
class Attribution:
    """`by` has the largest credits of each of DIMENSIONS, at most LIMIT; beside them all conversions are counted."""

    by: Mapping[str, list[Credit]]
    conversions: int
    visitors: int
    visits: int


def run(ctx: Ctx, scope: Scope, params: Params) -> Attribution:
    """Credit each converting visitor to one event, and add up by what that event says of where they came from.

    Visitors converted at their latest conversion; those without an event before it are not credited by LAST_CLICK.
    Without a currency, credits without a value and referrers of the site's own are left out.
    Raises Invalid for texts that no store can hold.
    """
    by: dict[str, list[Credit]] = {name: [] for name in DIMENSIONS}
    convert = Decimal if params.currency else whole
    for number, name, amount in ctx.events.rows(_credits(scope, params)):
        by[DIMENSIONS[number]].append(Credit(name or None, convert(amount)))
    visitors, visits = (sa.func.count(event.c[column].distinct()) for column in ("session_id", "visit_id"))
    [found] = ctx.events.rows(
        sa.select(sa.func.count(), visitors, visits).where(*_conversions(scope, params))
    )
    return Attribution(by, *map(whole, found))


def _conversions(scope: Scope, params: Params) -> list[ColumnElement[bool]]:
    """The conditions of the events that are conversions."""
    value = checked(params.step.value, "step")
    if params.step.kind is Kind.URL:
        return [*scope.rows(PAGE_VIEW), event.c.url_path == value]
    return [*scope.rows(CUSTOM_EVENT), event.c.event_name == value]


def _converted(scope: Scope, params: Params) -> Subquery:
    """Each converting session: `session_id`, the time `at` of its latest conversion, and its `weight`."""
    seen = (
        sa.select(
            event.c.session_id, sa.func.max(event.c.created_at).label("at"), sa.literal(1).label("weight")
        )
        .where(*_conversions(scope, params))
        .group_by(event.c.session_id)
    )
    if not params.currency:
        return seen.subquery("converted")
    paid = (
        sa.select(
            revenue.c.session_id,
            sa.func.max(revenue.c.created_at).label("at"),
            sa.func.sum(revenue.c.revenue).label("weight"),
        )
        .where(*in_currency(scope, params.currency))
        .group_by(revenue.c.session_id)
    )
    if params.step.kind is Kind.EVENT:
        return paid.where(revenue.c.event_name == params.step.value).subquery("converted")
    # A page view brings nothing itself, so it weighs what its session brought.
    viewed, paying = seen.subquery("viewed"), paid.subquery("paying")
    return (
        sa.select(viewed.c.session_id, viewed.c.at, paying.c.weight)
        .join_from(viewed, paying, viewed.c.session_id == paying.c.session_id)
        .subquery("converted")
    )


def _touches(scope: Scope, params: Params) -> Subquery:
    """The event that each converting session is credited to: its `weight`, and the values of DIMENSIONS."""
    converted = _converted(scope, params)
    first = params.model is Model.FIRST_CLICK
    extreme = sa.func.min if first else sa.func.max
    earlier = sa.true() if first else event.c.created_at < converted.c.at
    touched = (
        sa.select(event.c.session_id, converted.c.weight, extreme(event.c.created_at).label("touched_at"))
        .join_from(event, converted, event.c.session_id == converted.c.session_id)
        .where(*scope.rows(), earlier)
        .group_by(event.c.session_id, converted.c.weight)
        .subquery("touched")
    )
    # Of events of the same instant one counts, a page view before others.
    place = sa.func.row_number().over(
        partition_by=event.c.session_id, order_by=(event.c.event_type, by_id(event.c.event_id))
    )
    ranked = (
        sa.select(touched.c.weight, place.label("place"), *_values(bool(params.currency)))
        .join_from(
            event,
            touched,
            sa.and_(event.c.session_id == touched.c.session_id, event.c.created_at == touched.c.touched_at),
        )
        .where(*scope.rows())
        .subquery("ranked")
    )
    return sa.select(ranked).where(ranked.c.place == 1).subquery("touches")


def _values(own_host: bool) -> list[ColumnElement[str]]:
    """What an event says in each of DIMENSIONS, '' for nothing; `own_host` keeps referrers of the site's own."""
    referrer = fields.field(REFERRER)
    empty = sa.literal("", sa.Text)
    ads = [(event.c[column] != "", sa.literal(name, sa.Text)) for column, name in _ADS.items()]
    found: dict[str, ColumnElement[str]] = {
        REFERRER: referrer.column if own_host else sa.case((referrer.present, referrer.column), else_=empty),
        PAID_ADS: sa.case(*ads, else_=empty),
        **{name: event.c[name] for name in UTM_COLUMNS},
    }
    return [found[name].label(name) for name in DIMENSIONS]


def _credits(scope: Scope, params: Params) -> sa.Select[Any]:
    """(number of the dimension, value, credit) of the LIMIT largest credits of each, in order.

    One statement for all dimensions: equal combinations are added up first, so that few rows are taken apart.
    """
    touches = _touches(scope, params)
    names = [touches.c[name] for name in DIMENSIONS]
    combined = (
        sa.select(*names, sa.func.sum(touches.c.weight).label("weight")).group_by(*names).subquery("combined")
    )
    numbers = range(len(DIMENSIONS))
    dimension = sa.union_all(*(sa.select(sa.literal(number).label("number")) for number in numbers)).subquery(
        "dimension"
    )
    name = sa.case(*((dimension.c.number == number, combined.c[DIMENSIONS[number]]) for number in numbers))
    apart = (
        sa.select(dimension.c.number, name.label("name"), combined.c.weight)
        .join_from(combined, dimension, sa.true())
        .subquery("apart")
    )
    summed = (
        sa.select(apart.c.number, apart.c.name, sa.func.sum(apart.c.weight).label("amount"))
        .where(sa.true() if params.currency else apart.c.name != "")
        .group_by(apart.c.number, apart.c.name)
        .subquery("summed")
    )
    place = sa.func.row_number().over(
        partition_by=summed.c.number, order_by=(summed.c.amount.desc(), ordinal(summed.c.name))
    )
    ranked = sa.select(summed, place.label("place")).subquery("ranked_credits")
    return (
        sa.select(ranked.c.number, ranked.c.name, ranked.c.amount)
        .where(ranked.c.place <= LIMIT)
        .order_by(ranked.c.number, ranked.c.place)
    )


def _parse(values: Mapping[str, Any]) -> Params:
    step = values["steps"][0]  # Umami looks at no others
    first = values["model"] == Model.FIRST_CLICK
    return Params(
        Model.FIRST_CLICK if first else Model.LAST_CLICK,
        Step(Kind.URL if step["type"] == Kind.URL else Kind.EVENT, step["value"]),
        values["currency"],
    )


REPORT: Final = Report(
    "attribution",
    (
        text("model", "`firstClick`, or `lastClick`, which is what anything else is taken for."),
        records(
            "steps",
            "What a conversion is; only the first counts.",
            (
                text("type", "`url` for a page view; anything else for a custom event."),
                text("value", "The page's path or the event's name."),
            ),
            least=1,
        ),
        optional(text("currency", "Add up revenue in this currency; without it visitors are counted."), ""),
    ),
    _parse,
    run,
)

"""Campaign parameters: what the `utm_` parameters of page addresses say, and how often (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

import sqlalchemy as sa

from app.context import Ctx
from app.reports.report import Report
from app.sql import extracted, fits, like
from app.stats.measures import whole
from app.stats.scope import Scope
from app.tables import PAGE_VIEW, event

# Any name of this form is a campaign parameter, not just the five that have columns of their own.
_NAME: Final = re.compile(r"utm_\w+", re.ASCII)
_PAIR: Final = "(?:^|&)(utm_[^&]*)"


@dataclass(frozen=True, slots=True)
class Params:
    """There is nothing to choose."""


@dataclass(frozen=True, slots=True)
class UtmValue:
    """A value, decoded, and the page views whose address has it."""

    value: str
    pageviews: int


@dataclass(frozen=True, slots=True)
class UtmParameter:
    """A parameter's name, the page views whose address has it, and its values, most page views first."""

    name: str
    pageviews: int
    values: list[UtmValue]


def run(ctx: Ctx, scope: Scope, params: Params) -> list[UtmParameter]:
    """Every campaign parameter, most page views first, equal ones by name; their values alike.

    A parameter that an address repeats counts once for each value it is given there.
    """
    # Addresses hardly ever repeat (click ids), their campaign parameters do.
    any_campaign, pair = sa.literal("%utm\\_%", sa.Text), sa.literal(_PAIR, sa.Text)
    campaigns = (
        sa.select(extracted(event.c.url_query, pair).label("campaign"))
        # The first says no more than the second, in a tenth of the time.
        .where(*scope.rows(PAGE_VIEW), like(event.c.url_query, any_campaign), fits(event.c.url_query, pair))
        .subquery("campaigns")
    )
    query = sa.select(campaigns.c.campaign, sa.func.count()).group_by(campaigns.c.campaign)
    names: Counter[str] = Counter()
    values: dict[str, Counter[str]] = {}
    for text, count in ctx.events.rows(query):
        found = set(_campaign(text))
        for name in {name for name, _ in found}:
            names[name] += whole(count)
        for name, value in found:
            values.setdefault(name, Counter())[value] += whole(count)
    return [
        UtmParameter(name, views, [UtmValue(*row) for row in _most(values[name])])
        for name, views in _most(names)
    ]


def _campaign(form: str) -> list[tuple[str, str]]:
    """(name, value) of the campaign parameters among a form's fields, decoded."""
    pairs = (pair.partition("=") for pair in form.split("&"))
    decoded = ((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)
    return [(name, value) for name, value in decoded if _NAME.fullmatch(name)]


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _parse(values: Mapping[str, Any]) -> Params:
    return Params()


REPORT: Final = Report("utm", (), _parse, run)

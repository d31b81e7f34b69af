"""Page views by any fields and filters: what Umami's clients call insights (Umami v2 REST behaviour §3.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from app.context import Ctx
from app.errors import Malformed
from app.parameters import choice, optional, records, text
from app.reports.report import Report
from app.sql import ordinal
from app.stats import fields
from app.stats.filters import And, Condition, Filter, Operator
from app.stats.groups import hits, measured
from app.stats.measures import counts
from app.stats.plan import shown
from app.stats.questions import BreakdownRow
from app.stats.scope import Scope
from app.tables import PAGE_VIEW

MEASURES: Final = ("pageviews", "visitors", "visits", "bounces", "totaltime")
LIMIT: Final = 500

# What clients call a field → what it is called here.
FIELDS: Final[Mapping[str, str]] = {
    "url": "path",
    "entry": "path",
    "exit": "path",
    "host": "hostname",
    **{
        name: name
        for name in (
            *("referrer", "title", "query", "event", "tag", "browser", "os", "device", "screen"),
            *("country", "region", "city", "language"),
        )
    },
}
OPERATORS: Final[Mapping[str, Operator]] = {
    "eq": Operator.EQ,
    "neq": Operator.NE,
    "c": Operator.CONTAINS,
    "dnc": Operator.NOT_CONTAINS,
}


@dataclass(frozen=True, slots=True)
class Params:
    """`fields` are different keys of FIELDS, at least one."""

    fields: tuple[str, ...]
    where: Filter | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """`values` of the rows are in the order of `fields`."""

    fields: tuple[str, ...]
    rows: list[BreakdownRow]


def run(ctx: Ctx, scope: Scope, params: Params) -> Breakdown:
    """The MEASURES of page views for each combination of values, absent ones included.

    Most page views first, then most visitors, then by value; at most LIMIT. Custom events never count, so that `event`
    has no value but None.
    """
    chosen = [fields.field(FIELDS[name]) for name in params.fields]
    narrowed = scope.narrowed(params.where) if params.where else scope
    keys = {f"key_{number}": one.column.name for number, one in enumerate(chosen)}
    columns = {one.column.name: one.column for one in chosen}
    rows = hits(narrowed.rows(PAGE_VIEW), columns, MEASURES).subquery("rows")
    grouped = measured(rows, keys, MEASURES, listed=True).subquery("grouped")
    most = (grouped.c.pageviews.desc(), grouped.c.visitors.desc())
    values = (ordinal(grouped.c[name]) for name in keys)
    nullable = [one.nullable for one in chosen]
    return Breakdown(
        params.fields,
        [
            BreakdownRow(**counts(row._mapping), values=shown(row[: len(chosen)], nullable))
            for row in ctx.events.rows(sa.select(grouped).order_by(*most, *values).limit(LIMIT))
        ],
    )


def _parse(values: Mapping[str, Any]) -> Params:
    # The last of two filters of a field stands.
    filters = {one["name"]: _condition(one) for one in values["filters"]}
    named = dict.fromkeys(one["name"] for one in values["fields"])
    return Params(tuple(named), And(tuple(filters.values())) if filters else None)


def _condition(given: Mapping[str, Any]) -> Condition:
    operator = given["operator"] or given["filter"]
    if operator is None:
        raise Malformed([("filters", "")])
    return Condition(FIELDS[given["name"]], operator, (given["value"],))


# Clients send a field's type and label too, which change nothing.
_NAME: Final = choice("name", "The field.", {name: name for name in FIELDS})
REPORT: Final = Report(
    "insights",
    (
        records("fields", "What to group by.", (_NAME,), least=1),
        records(
            "filters",
            "Count only page views that match all of these; of two filters of a field the last.",
            (
                _NAME,
                optional(choice("operator", "Equals, equals not, contains, contains not.", OPERATORS), None),
                optional(choice("filter", "What old clients call `operator`.", OPERATORS), None),
                text("value", "The value to compare with."),
            ),
        ),
    ),
    _parse,
    run,
    since_reset=True,
)

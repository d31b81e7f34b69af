"""Measures: the named aggregates, each once, and the figures derived from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.expression import ColumnElement, Subquery

from app.errors import Invalid
from app.sql import whole_seconds

# Over `Scope.visits`, one row for each visit (and dimension). Visitors and visits are those with a page view: someone
# who only sent custom events is none (Umami v2 REST behaviour §3.6).
_VIEWS: Final[Mapping[str, Callable[[Subquery], ColumnElement[Any]]]] = {
    "pageviews": lambda visits: sa.func.sum(visits.c.views),
    "visitors": lambda visits: sa.func.count(visits.c.session_id.distinct()).filter(visits.c.views > 0),
    "visits": lambda visits: sa.func.count(visits.c.visit_id.distinct()).filter(visits.c.views > 0),
    "bounces": lambda visits: sa.func.count().filter(visits.c.views == 1),
    "totaltime": lambda visits: sa.func.sum(whole_seconds(visits.c.first_at, visits.c.last_at)),
    "events": lambda visits: sa.func.sum(visits.c.events),
}
MEASURES: Final = tuple(_VIEWS)

# A breakdown by the names of custom events is about those events: who sent one is its visitor.
_EVENTS: Final = {
    **_VIEWS,
    "visitors": lambda visits: sa.func.count(visits.c.session_id.distinct()).filter(visits.c.events > 0),
    "visits": lambda visits: sa.func.count(visits.c.visit_id.distinct()).filter(visits.c.events > 0),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts, and `totaltime` in seconds. Measures that were not asked for are 0."""

    pageviews: int = 0
    visitors: int = 0
    visits: int = 0
    bounces: int = 0
    totaltime: int = 0
    events: int = 0

    @property
    def bounce_rate(self) -> float:
        """Bounces for each visit, 0 to 1."""
        return min(1.0, self.bounces / self.visits) if self.visits else 0.0

    @property
    def views_per_visit(self) -> float:
        return self.pageviews / self.visits if self.visits else 0.0

    @property
    def visit_duration(self) -> float:
        """Seconds for each visit."""
        return self.totaltime / self.visits if self.visits else 0.0


def aggregates(visits: Subquery, names: Collection[str], of_events: bool = False) -> list[ColumnElement[Any]]:
    """The measures of these names over `Scope.visits`, labelled, in the table's order. Raises Invalid for others."""
    unknown = set(names) - set(MEASURES)
    if unknown:
        raise Invalid(
            f"There is no measure {min(unknown)!r}; there are {', '.join(MEASURES)}", field="measures"
        )
    table = _EVENTS if of_events else _VIEWS
    # Sums over nothing are NULL, and 0 is meant.
    return [sa.func.coalesce(table[name](visits), 0).label(name) for name in MEASURES if name in names]


def counts(row: RowMapping) -> dict[str, int]:
    """The measures in a row as integers: sums are Decimal on PostgreSQL and of 128 bits on DuckDB."""
    return {name: whole(row[name]) for name in MEASURES if name in row}


def whole(value: Decimal | int | float | None) -> int:
    return int(value or 0)

"""Measures: the named aggregates, each once, and the figures derived from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.expression import ColumnElement, FromClause

from app.errors import Invalid
from app.sql import whole_seconds


class Counted(Enum):
    """Which events make a visitor and a visit; the value is a column of `groups.hits`.

    Ordinarily page views: someone who only sent custom events is no visitor. A breakdown by the names of custom events
    is about those, and channels are about both (Umami v2 REST behaviour §3.6).
    """

    VIEWS = "views"
    EVENTS = "events"
    BOTH = "both"

    def present(self, visits: FromClause) -> ColumnElement[bool]:
        """The rows of `visits` that have such an event."""
        return sa.true() if self is Counted.BOTH else visits.c[self.value] > 0


# Over one row for each visit (and dimension), or where a measure is the same over it, for each event.
_MEASURES: Final[Mapping[str, Callable[[FromClause, ColumnElement[bool]], ColumnElement[Any]]]] = {
    "pageviews": lambda visits, present: sa.func.sum(visits.c.views),
    "visitors": lambda visits, present: sa.func.count(visits.c.session_id.distinct()).filter(present),
    "visits": lambda visits, present: sa.func.count(visits.c.visit_id.distinct()).filter(present),
    "bounces": lambda visits, present: sa.func.count().filter(visits.c.views == 1),
    "totaltime": lambda visits, present: sa.func.sum(whole_seconds(visits.c.first_at, visits.c.last_at)),
    "events": lambda visits, present: sa.func.sum(visits.c.events),
}
MEASURES: Final = tuple(_MEASURES)

# These are of whole visits; the others are the same whether events are grouped into visits first or not.
OF_VISITS: Final = frozenset({"bounces", "totaltime"})


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


def known(names: Collection[str]) -> None:
    """Raise Invalid unless these are names of measures."""
    unknown = set(names) - set(MEASURES)
    if unknown:
        raise Invalid(
            f"There is no measure {min(unknown)!r}; there are {', '.join(MEASURES)}", field="measures"
        )


def aggregates(
    visits: FromClause, names: Collection[str], counted: Counted = Counted.VIEWS, *, of_sessions: bool = False
) -> list[ColumnElement[Any]]:
    """The measures of these names over `visits`, labelled, in the table's order.

    `of_sessions` says that no two rows of a group are of the same session: then nothing distinct has to be counted.
    """
    present = counted.present(visits)
    made = {name: _MEASURES[name] for name in MEASURES if name in names}
    if of_sessions and "visitors" in made:
        made["visitors"] = lambda _, present: sa.func.count().filter(present)
    # Sums over nothing are NULL, and 0 is meant.
    return [
        sa.type_coerce(sa.func.coalesce(make(visits, present), 0), sa.BigInteger).label(name)
        for name, make in made.items()
    ]


def counts(row: RowMapping) -> dict[str, int]:
    """The measures in a row as integers: sums are Decimal on PostgreSQL and of 128 bits on DuckDB."""
    return {name: whole(row[name]) for name in MEASURES if name in row}


def whole(value: Decimal | int | float | None) -> int:
    return int(value or 0)

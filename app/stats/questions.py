"""What can be asked of a scope in figures, and what the answers look like. `app.stats.plan` answers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Self, TypeVar, cast

from app.errors import Invalid
from app.stats import fields
from app.stats.filters import checked
from app.stats.measures import MEASURES, Counted, Summary, known
from app.stats.period import Unit
from app.stats.scope import Scope

A_co = TypeVar("A_co", covariant=True)

MAX_ROWS: Final = 2**31 - 1
_MAX_COUNT: Final = 2**63 - 1
# Found for each visit or each source: a ranking by one of these is by nothing else.
_ALONE: Final = (fields.ENTRY, fields.EXIT, fields.CHANNEL)

# The measure in the last row seen, and its values.
Position = tuple[int, tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of equal length: `at` holds wall-clock bucket starts. Measures that were not asked for are empty."""

    at: list[dt.datetime]
    pageviews: list[int] = field(default_factory=list)
    visitors: list[int] = field(default_factory=list)
    visits: list[int] = field(default_factory=list)
    bounces: list[int] = field(default_factory=list)
    totaltime: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BreakdownRow(Summary):
    """The measures of one combination of values; None where events have no value."""

    values: tuple[str | None, ...] = ()


class Question(Generic[A_co]):
    """Asked of a scope, with an answer of this type."""

    __slots__ = ()

    scope: Scope

    @property
    def names(self) -> tuple[str, ...]:
        """The measures that are computed."""
        raise NotImplementedError

    def until(self, write: int) -> Self:
        """The same, of what the event store had after a write."""
        changed: Self = replace(cast(Any, self), scope=self.scope.until(write))
        return changed


def counted_by(by: tuple[str, ...]) -> Counted:
    """Which events a ranking by these dimensions is about."""
    if fields.CHANNEL in by:
        return Counted.BOTH
    return Counted.EVENTS if "event" in by else Counted.VIEWS


@dataclass(frozen=True, slots=True)
class Totals(Question[Summary]):
    """The measures of the whole scope: a Summary. `counted` says who is a visitor."""

    scope: Scope
    measures: tuple[str, ...] = MEASURES
    counted: Counted = Counted.VIEWS

    def __post_init__(self) -> None:
        known(self.measures)

    @property
    def names(self) -> tuple[str, ...]:
        return self.measures


@dataclass(frozen=True, slots=True)
class OverTime(Question[Series]):
    """The measures of each bucket, ascending: a Series; with `fill` of the empty buckets too.

    Raises Invalid if there would be too many buckets to fill.
    """

    scope: Scope
    unit: Unit
    measures: tuple[str, ...] = ("visitors", "pageviews", "visits", "events")
    fill: bool = True

    def __post_init__(self) -> None:
        known(self.measures)
        if self.fill:
            self.scope.period.buckets(self.unit)

    @property
    def names(self) -> tuple[str, ...]:
        return self.measures

    @property
    def counted(self) -> Counted:
        return Counted.VIEWS


@dataclass(frozen=True, slots=True)
class Ranking(Question[list[BreakdownRow]]):
    """The measures of each value, or each combination of values: BreakdownRows, most of `order_by` first, then by value.

    By `event` it is of custom events, by anything else of page views, with the custom events beside them where asked
    for. `entry`, `exit` and `channel` go alone. `search` keeps values of the first dimension that contain it.
    `after` is the position of the last row seen. Raises Invalid for what is not in `DIMENSIONS`.
    """

    scope: Scope
    by: tuple[str, ...]
    measures: tuple[str, ...] = ("visitors",)
    order_by: str = "visitors"
    search: str | None = None
    limit: int = 500
    offset: int = 0
    after: Position | None = None

    def __post_init__(self) -> None:
        if not self.by:
            raise Invalid("A breakdown is by at least one dimension", field="by")
        for name in self.by:
            if name not in _ALONE:
                fields.field(name)
            elif len(self.by) > 1:
                raise Invalid(f"{name} cannot be combined with other dimensions", field="by")
        if len(set(self.by)) < len(self.by):
            raise Invalid("A breakdown is by different dimensions", field="by")
        known(self.names)
        if self.search:
            checked(self.search, "search")
        for name, number in (("limit", self.limit), ("offset", self.offset)):
            if not 0 <= number <= MAX_ROWS:
                raise Invalid(f"{name} is between 0 and {MAX_ROWS}", field=name)
        if self.after is not None:
            self._check_position(*self.after)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.measures, self.order_by)

    @property
    def counted(self) -> Counted:
        return counted_by(self.by)

    def _check_position(self, seen: int, texts: tuple[str | None, ...]) -> None:
        if len(texts) != len(self.by) or not -_MAX_COUNT <= seen <= _MAX_COUNT:
            raise Invalid("This is no position in this breakdown", field="after")
        for text in texts:
            checked(text or "", "after")

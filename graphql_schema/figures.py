"""The figures that totals and breakdowns show, as one table: a new row is a new field of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from graphql_schema.enums import described
from graphql_schema.types import Int64

C = TypeVar("C", bound=type)


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is the attribute of the core's results; `needs` are the measures it is made of."""

    name: str
    needs: tuple[str, ...]
    text: str

    @property
    def field(self) -> str:
        """Its name in GraphQL."""
        return to_camel_case(self.name)

    @property
    def whole(self) -> bool:
        """Whether it is counted; the others are derived."""
        return self.needs == (self.name,)


FIGURES: Final = (
    Figure("pageviews", ("pageviews",), "Page views."),
    Figure(
        "visitors",
        ("visitors",),
        "Visitors: distinct sessions with a page view (by EVENT: with such an event); a session is one visitor in one "
        "calendar month.",
    ),
    Figure("visits", ("visits",), "Visits."),
    Figure("bounces", ("bounces",), "Visits with exactly one page view."),
    Figure(
        "totaltime", ("totaltime",), "Seconds between the first and the last page view, summed over visits."
    ),
    Figure("events", ("events",), "Custom events."),
    Figure("bounce_rate", ("bounces", "visits"), "Bounces for each visit, 0 to 1; 0 without visits."),
    Figure("views_per_visit", ("pageviews", "visits"), "Page views for each visit; 0 without visits."),
    Figure("visit_duration", ("totaltime", "visits"), "Seconds for each visit; 0 without visits."),
)


if TYPE_CHECKING:

    class Measure(Enum):
        VISITORS = "visitors"

else:
    Measure = Enum("Measure", {figure.name.upper(): figure.name for figure in FIGURES if figure.whole})
    described(
        Measure,
        "A count to order by.",
        {figure.name.upper(): figure.text for figure in FIGURES if figure.whole},
    )


@strawberry.type(description="A count, and what it was in the period it is compared with.")
class CountFigure:
    value: Int64 = strawberry.field(description="In this period.")
    previous: Int64 | None = strawberry.field(
        description="In the period compared with; null if `totals` was not asked to compare."
    )
    change: float | None = strawberry.field(
        description="(value - previous) / previous, so 0.25 is a quarter more; null without a previous value or where "
        "it is 0."
    )


@strawberry.type(description="A derived figure, and what it was in the period it is compared with.")
class NumberFigure:
    value: float = strawberry.field(description="In this period.")
    previous: float | None = strawberry.field(
        description="In the period compared with; null if `totals` was not asked to compare."
    )
    change: float | None = strawberry.field(
        description="(value - previous) / previous, so 0.25 is a quarter more; null without a previous value or where "
        "it is 0."
    )


def needed(fields: Iterable[str]) -> tuple[str, ...]:
    """The measures behind these GraphQL fields, in the table's order."""
    names = set(fields)
    wanted = {measure for figure in FIGURES if figure.field in names for measure in figure.needs}
    return tuple(figure.name for figure in FIGURES if figure.name in wanted)


def with_values(cls: C) -> C:
    """Give a type a plain field for each figure."""
    for figure in FIGURES:
        cls.__annotations__[figure.name] = Int64 if figure.whole else float
        setattr(cls, figure.name, strawberry.field(description=figure.text))
    return cls


def with_columns(cls: C) -> C:
    """Give a type a list for each counted figure."""
    for figure in FIGURES:
        if figure.whole:
            cls.__annotations__[figure.name] = list[Int64]
            setattr(
                cls,
                figure.name,
                strawberry.field(description=f"In each bucket: {figure.text[0].lower()}{figure.text[1:]}"),
            )
    return cls


def columns(series: Any) -> dict[str, list[Int64]]:
    """The lists of the core's series, empty ones of None."""
    return {figure.name: getattr(series, figure.name, []) for figure in FIGURES if figure.whole}


def with_comparisons(cls: C) -> C:
    """Give a type that has `current` and `before` (one maybe None) a `value previous change` field for each figure."""
    for figure in FIGURES:
        resolver = _count(figure.name) if figure.whole else _number(figure.name)
        setattr(cls, figure.name, strawberry.field(resolver=resolver, description=figure.text))
    return cls


def _count(name: str) -> Any:
    def resolve(self: Any) -> CountFigure:
        return CountFigure(**_compared(self, name))

    return resolve


def _number(name: str) -> Any:
    def resolve(self: Any) -> NumberFigure:
        return NumberFigure(**_compared(self, name))

    return resolve


def _compared(totals: Any, name: str) -> dict[str, Any]:
    value = getattr(totals.current, name)
    previous = getattr(totals.before, name) if totals.before is not None else None
    return {
        "value": value,
        "previous": previous,
        "change": (value - previous) / previous if previous else None,
    }

"""Lengths of buckets, for every field that has figures over time."""

from __future__ import annotations

from typing import Annotated

import strawberry

from app.stats.period import Unit
from graphql_schema.enums import described

described(
    Unit,
    "Length of a bucket. Buckets begin on the wall clock of the period's time zone.",
    {
        "MINUTE": "A minute.",
        "HOUR": "An hour; the one repeated when clocks go back is one bucket.",
        "DAY": "A day.",
        "WEEK": "A week, from Monday.",
        "MONTH": "A month.",
        "YEAR": "A year.",
    },
    name="SeriesUnit",
)

ChosenUnit = Annotated[
    Unit | None,
    strawberry.argument(description="Length of a bucket; if absent, the finest that suits the period."),
]

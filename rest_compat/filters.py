"""Umami's query-string filters as a filter of the statistics (Umami v2 REST behaviour §1.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from app import segments
from app.context import Ctx
from app.parameters import Field, optional, text
from app.segments import SegmentType
from app.stats.filters import And, Condition, Filter
from app.stats.shorthand import FILTERS, condition, conditions

__all__ = ["FIELDS", "condition", "where"]

_ABOUT: Final = (
    "Filter by {}: the value itself, `!` before it for other values, `~` for contains, `!~` for contains not."
)

FIELDS: Final[tuple[Field, ...]] = (
    *(optional(text(name, _ABOUT.format(name))) for name in FILTERS),
    optional(text("segment", "Name of a stored segment."), ""),
    optional(text("cohort", "Name of a stored cohort."), ""),
)


def where(ctx: Ctx, website_id: UUID, params: Mapping[str, Any], *more: Condition) -> Filter | None:
    """All filters of a request, ANDed.

    A segment's filters replace the request's own on the same fields, and the conditions of `more` replace both.
    Raises as `segments.named`: Invalid for a segment or cohort that the website does not have.
    """
    asked = conditions(params)
    if params["segment"]:
        asked |= segments.conditions_of(
            segments.named(ctx, website_id, SegmentType.SEGMENT, params["segment"])
        )
    asked |= {one.field: one for one in more}
    parts: list[Filter] = list(asked.values())
    if params["cohort"]:
        parts.append(
            segments.filter_of(segments.named(ctx, website_id, SegmentType.COHORT, params["cohort"]))
        )
    return And(tuple(parts)) if parts else None

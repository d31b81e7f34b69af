"""Umami's query-string filters as conditions of the statistics (Umami v2 REST behaviour §1.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.errors import Invalid
from app.parameters import Field, optional, text
from app.stats.filters import And, Condition, Filter, Operator

# Parameter → field of the statistics.
FILTERS: Final[Mapping[str, str]] = {
    "url": "path",
    "referrer": "referrer",
    "title": "title",
    "query": "query",
    "host": "hostname",
    "os": "os",
    "browser": "browser",
    "device": "device",
    "country": "country",
    "region": "region",
    "city": "city",
    "tag": "tag",
    "event": "event",
    "language": "language",
}

# Longest prefix first.
_PREFIXES: Final = (
    ("!~", Operator.NOT_CONTAINS),
    ("!", Operator.NE),
    ("~", Operator.CONTAINS),
    ("", Operator.EQ),
)

_ABOUT: Final = (
    "Filter by {}: the value itself, `!` before it for other values, `~` for contains, `!~` for contains not."
)

FIELDS: Final[tuple[Field, ...]] = (
    *(optional(text(name, _ABOUT.format(name))) for name in FILTERS),
    optional(text("segment", "Name of a stored segment."), ""),
    optional(text("cohort", "Name of a stored cohort."), ""),
)


def condition(field: str, value: str) -> Condition:
    """One filter parameter: the operator is the prefix of its value. `''` asks for what equals ''."""
    prefix, operator = next(row for row in _PREFIXES if value.startswith(row[0]))
    return Condition(field, operator, (value[len(prefix) :],))


def where(params: Mapping[str, Any], *more: Condition) -> Filter | None:
    """All filters of a request, ANDed; a condition of `more` replaces the request's own on the same field.

    Raises Invalid for a segment or cohort that the website does not have.
    """
    for noun in ("segment", "cohort"):
        if params[noun]:
            raise Invalid(f"{noun.capitalize()} not found.", field=noun)
    asked = {field: condition(field, params[name]) for name, field in FILTERS.items() if name in params}
    asked |= {one.field: one for one in more}
    return And(tuple(asked.values())) if asked else None

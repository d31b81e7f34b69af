"""Filters as Umami's clients write them: a key for each field, the operator in front of the value.

Query strings hold them, and the parameters of stored segments and cohorts (Umami v2 REST behaviour §1.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.errors import Invalid
from app.stats.filters import Condition, Operator

# Key → field of the statistics.
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
_PREFIXES: Final = {
    "!~": Operator.NOT_CONTAINS,
    "!": Operator.NE,
    "~": Operator.CONTAINS,
    "": Operator.EQ,
}
OPERATORS: Final = tuple(_PREFIXES.values())

_KEYS: Final = {field: key for key, field in FILTERS.items()}
_WRITTEN: Final = {operator: prefix for prefix, operator in _PREFIXES.items()}


def condition(field: str, value: str) -> Condition:
    """One filter: the operator is the prefix of its value. `''` asks for what equals ''."""
    prefix = next(prefix for prefix in _PREFIXES if value.startswith(prefix))
    return Condition(field, _PREFIXES[prefix], (value[len(prefix) :],))


def conditions(written: Mapping[str, object]) -> dict[str, Condition]:
    """The filters among these keys and values, by field; other keys, and null for a value, ask for nothing.

    Raises Invalid naming the key for a value that is no text.
    """
    found = {}
    for key, field in FILTERS.items():
        value = written.get(key)
        if value is None:
            continue
        if not isinstance(value, str):
            raise Invalid(f"{key} is filtered by a text", field=key)
        found[field] = condition(field, value)
    return found


def pair(asked: Condition) -> tuple[str, str]:
    """(key, value) of a filter.

    Raises Invalid for a field or an operator that cannot be written so, or a value that would be read as a prefix.
    """
    key = _KEYS.get(asked.field)
    prefix = _WRITTEN.get(asked.operator)
    if key is None or prefix is None or len(asked.values) != 1:
        raise Invalid(f"{asked.field} cannot be filtered so here", field=asked.field)
    value = prefix + asked.values[0]
    if condition(asked.field, value) != asked:
        raise Invalid("A value cannot begin with ! or ~ here", field=asked.field)
    return key, value

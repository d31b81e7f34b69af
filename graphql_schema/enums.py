"""Enums of the core as GraphQL enums: the core's names, with a description for each value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import EnumMeta
from typing import Any

import strawberry


def described(
    enum: EnumMeta, description: str, values: Mapping[str, str], *, name: str | None = None
) -> None:
    """Register an enum. Raises KeyError for a value that has no description."""
    strawberry.enum(enum, name=name, description=description)
    definition: Any = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]

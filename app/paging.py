"""Parts of lists: numbered pages for REST, and pages by keyset, which hold still while rows are added, for GraphQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, Select

from app.context import Ctx

T = TypeVar("T")
S = TypeVar("S", bound=Select[Any])


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a list: `offset` numbers them, `after` is the key of the last row seen (one value a column)."""

    limit: int = 10
    offset: int = 0
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, and how many the whole list has."""

    rows: Sequence[T]
    count: int


@dataclass(frozen=True, slots=True)
class Key:
    """A column that a list is ordered by. The last key of a list is unique."""

    column: ColumnElement[Any]
    descending: bool = False


def windowed(query: S, keys: Sequence[Key], window: Window) -> S:
    """The rows of a query that are in the window, in the order of the keys."""
    query = following(query, keys, window.after)
    order = (key.column.desc() if key.descending else key.column for key in keys)
    return query.order_by(*order).limit(window.limit).offset(window.offset)


def following(query: S, keys: Sequence[Key], after: Sequence[Any] | None) -> S:
    """The rows of a query that come after the one with these values of the keys; all without any."""
    if after is None:
        return query
    # The first condition says nothing new, but it is one that a store's index can begin at.
    return query.where(_reached(keys[0], after[0]), _beyond(keys, after))


def page(ctx: Ctx, query: Select[T], keys: Sequence[Key], window: Window) -> Page[T]:
    """A page of a list of the accounts store."""
    count = ctx.db.scalar(sa.select(sa.func.count()).select_from(query.order_by(None).subquery())) or 0
    return Page(ctx.db.scalars(windowed(query, keys, window)).unique().all(), count)


def _reached(key: Key, value: Any) -> ColumnElement[bool]:
    reached: ColumnElement[bool] = key.column <= value if key.descending else key.column >= value
    return reached


def _beyond(keys: Sequence[Key], seen: Sequence[Any]) -> ColumnElement[bool]:
    """The rows that come after the one with these values."""
    found: ColumnElement[bool] = sa.false()
    for key, value in reversed(list(zip(keys, seen, strict=True))):
        past = key.column < value if key.descending else key.column > value
        found = sa.or_(past, sa.and_(key.column == value, found))
    return found

"""Lists as connections: pages by keyset, each row with its cursor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry

from app.errors import Invalid
from app.paging import Window
from graphql_schema.types import Int64, PageInfo, from_cursor, page_size, to_cursor

MAX_PAGE = 100

T = TypeVar("T")
R = TypeVar("R")

First = Annotated[int, strawberry.argument(description=f"How many at most, 1 to {MAX_PAGE}.")]
After = Annotated[
    str | None, strawberry.argument(description="Cursor of the row before the page; the start if absent.")
]


@strawberry.type(description="A row of a list, and where it stands.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Its position, to be passed as `after`.")
    node: T = strawberry.field(description="The row.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    nodes: list[T] = strawberry.field(description="The rows of this page.")
    edges: list[Edge[T]] = strawberry.field(description="The same, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")
    total_count: Int64 = strawberry.field(description="Rows of the whole list.")


def window(first: int, after: str | None, kinds: Sequence[type | tuple[type, ...]]) -> Window:
    """The rows that are asked for and one more, which tells whether there is a next page.

    `kinds` are the types of a cursor's parts. Raises Invalid for a page size out of bounds or another list's cursor.
    """
    limit = page_size(first, MAX_PAGE)
    return Window(limit + 1, after=None if after is None else tuple(from_cursor(after, kinds)))


def time_window(first: int, after: str | None) -> Window:
    """As `window`, of a list whose keys are a time and an id: cursors of `at_time`."""
    return _window_by(first, after, lambda text: dt.datetime.fromisoformat(text).astimezone(dt.UTC))


def at_time(at: dt.datetime, row_id: UUID) -> tuple[str, str]:
    """What the cursor of a row in such a list is made of."""
    return at.isoformat(), str(row_id)


def name_window(first: int, after: str | None) -> Window:
    """As `window`, of a list whose keys are a name and an id."""
    return _window_by(first, after, str)


def _window_by(first: int, after: str | None, key: Callable[[str], Any]) -> Window:
    asked = window(first, after, (str, str))
    if asked.after is None:
        return asked
    try:
        return Window(asked.limit, after=(key(asked.after[0]), UUID(asked.after[1])))
    except (ValueError, OverflowError):
        raise Invalid("This cursor does not belong to this connection", field="after") from None


def connection(
    rows: Iterable[R],
    first: int,
    node: Callable[[R], T],
    cursor: Callable[[R], tuple[str | int | None, ...]],
    count: int,
) -> Connection[T]:
    """A page of up to `first` of the rows; `count` is what `totalCount` says, any number if nobody asked for it."""
    found = list(rows)
    edges = [Edge(cursor=to_cursor(*cursor(row)), node=node(row)) for row in found[:first]]
    return Connection(
        nodes=[edge.node for edge in edges],
        edges=edges,
        page_info=PageInfo(has_next_page=len(found) > first, end_cursor=edges[-1].cursor if edges else None),
        total_count=Int64(count),
    )


def wants_count(wanted: frozenset[str]) -> bool:
    """Whether `totalCount` is among the fields selected: counting a whole list of events is work of its own."""
    return "totalCount" in wanted


def wants_rows(wanted: frozenset[str]) -> bool:
    """Whether anything but `totalCount` is among the fields selected."""
    return bool(wanted - {"totalCount", "__typename"})

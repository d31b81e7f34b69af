"""Lists as connections: pages by keyset, each row with its cursor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import strawberry

from app.errors import Invalid
from app.paging import Window
from graphql_schema.types import FOREIGN, Int64, PageInfo, from_cursor, page_size, to_cursor

MAX_PAGE = 100

T = TypeVar("T")
R = TypeVar("R")

# What a part of a cursor is: one of these, or one of several.
Kind = type | tuple[type, ...]

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


# The key of lists of what happened.
AT_TIME: Final = (dt.datetime, UUID)

# How the parts of cursors that JSON has no form for are read.
_READ: Final[dict[Kind, Callable[[str], Any]]] = {
    dt.datetime: lambda text: dt.datetime.fromisoformat(text).astimezone(dt.UTC),
    UUID: UUID,
}


def position(after: str, kinds: Sequence[Kind]) -> list[Any]:
    """What a cursor is made of, its parts of these kinds. Raises Invalid for another list's cursor."""
    parts = from_cursor(after, [str if kind in _READ else kind for kind in kinds])
    try:
        return [_READ[kind](part) if kind in _READ else part for kind, part in zip(kinds, parts, strict=True)]
    except (ValueError, OverflowError):
        raise Invalid(FOREIGN, field="after") from None


def time_window(first: int, after: str | None) -> Window:
    """The rows that are asked for and one more, which tells whether there is a next page.

    Of a list whose keys are a time and an id: cursors of `at_time`. Raises Invalid for a page size out of bounds or
    another list's cursor.
    """
    return _window(first, after, AT_TIME)


def at_time(at: dt.datetime, row_id: UUID) -> tuple[str, str]:
    """What the cursor of a row in such a list is made of."""
    return at.isoformat(), str(row_id)


def name_window(first: int, after: str | None) -> Window:
    """As `time_window`, of a list whose keys are a name and an id."""
    return _window(first, after, (str, UUID))


def _window(first: int, after: str | None, kinds: Sequence[Kind]) -> Window:
    limit = page_size(first, MAX_PAGE)
    return Window(limit + 1, after=None if after is None else tuple(position(after, kinds)))


def connection(
    rows: Iterable[R],
    first: int,
    node: Callable[[R], T],
    cursor: Callable[[R], tuple[str | int | None, ...]],
    count: int,
    written: Callable[..., str] = to_cursor,
) -> Connection[T]:
    """A page of up to `first` of the rows; `count` is what `totalCount` says, any number if nobody asked for it.

    `cursor` gives what a row's cursor is made of, and `written` makes it.
    """
    found = list(rows)
    edges = [Edge(cursor=written(*cursor(row)), node=node(row)) for row in found[:first]]
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

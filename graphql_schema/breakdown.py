"""Breakdowns as connections: keyset pages that hold still while events stream in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from app.errors import Invalid
from app.stats.measures import Summary
from app.stats.questions import BreakdownRow, Question, Ranking, Totals
from app.stats.scope import Scope
from graphql_schema.connections import MAX_PAGE
from graphql_schema.figures import FIGURES, needed, with_values
from graphql_schema.inputs import MAX_DIMENSIONS
from graphql_schema.types import PageInfo, from_cursor, page_size, to_cursor


@strawberry.type(
    description="The figures of one value, or of one combination of values. Visits are formed within it: by PATH a bounce "
    "is a visit with one page view of that path, and a duration is the time between views of it. By ENTRY and EXIT "
    "they are whole visits."
)
@with_values
class BreakdownNode:
    values: list[str | None] = strawberry.field(
        description="The value in each dimension, in the order of `by`; null where events have none."
    )
    share: float = strawberry.field(
        description="Its visitors for each visitor of the whole period and filter, 0 to 1."
    )


@strawberry.type(description="A row of a breakdown, and where it stands.")
class BreakdownEdge:
    cursor: str = strawberry.field(description="Its position, to be passed as `after`.")
    node: BreakdownNode = strawberry.field(description="The row.")


@strawberry.type(description="A page of a breakdown.")
class BreakdownConnection:
    nodes: list[BreakdownNode] = strawberry.field(description="The rows of this page.")
    edges: list[BreakdownEdge] = strawberry.field(description="The same, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the breakdown.")


def page_asked(
    scope: Scope,
    by: tuple[str, ...],
    order_by: str,
    first: int,
    after: str | None,
    search: str,
    wanted: frozenset[str],
) -> list[Question[Any] | None]:
    """What has to be asked for a page with the GraphQL fields `wanted` of its nodes: its rows, and all visitors.

    Raises Invalid for arguments that make no sense, a cursor of another breakdown included.
    """
    if not 1 <= len(by) <= MAX_DIMENSIONS or len(set(by)) < len(by):
        raise Invalid(f"by takes one to {MAX_DIMENSIONS} different dimensions", field="by")
    limit = page_size(first, MAX_PAGE)
    position = None
    if after is not None:
        # A cursor of another order or of other dimensions would continue somewhere at random.
        head, count, *last = from_cursor(after, (str, int, *((str, type(None)),) * len(by)))
        if head != _cursor_head(order_by, by):
            raise Invalid("This cursor does not belong to this connection", field="after")
        position = (count, tuple(last))
    shared = "share" in wanted
    measures = needed({*wanted, "visitors"} if shared else wanted)
    # One row more than the page has tells whether there is a next one.
    page = Ranking(scope, by, measures, order_by, search or None, limit + 1, after=position)
    return [page, Totals(scope, ("visitors",), page.counted) if shared else None]


def page_of(
    by: tuple[str, ...], order_by: str, first: int, rows: Sequence[BreakdownRow], whole: Summary | None
) -> BreakdownConnection:
    """The page, of the answers to what `page_asked` asks."""
    visitors = whole.visitors if whole else 0
    edges = [
        BreakdownEdge(
            cursor=to_cursor(_cursor_head(order_by, by), getattr(row, order_by), *row.values),
            node=BreakdownNode(
                values=list(row.values),
                share=row.visitors / visitors if visitors else 0.0,
                **{figure.name: getattr(row, figure.name) for figure in FIGURES},
            ),
        )
        for row in rows[:first]
    ]
    return BreakdownConnection(
        nodes=[edge.node for edge in edges],
        edges=edges,
        page_info=PageInfo(has_next_page=len(rows) > first, end_cursor=edges[-1].cursor if edges else None),
    )


def _cursor_head(order_by: str, by: tuple[str, ...]) -> str:
    return " ".join((order_by, *by))

"""Breakdowns as connections: keyset pages that hold still while events stream in."""

from __future__ import annotations

import strawberry

from app.context import Ctx
from app.errors import Invalid
from app.stats.queries import breakdown, visitors_of
from graphql_schema.figures import FIGURES, needed, with_values
from graphql_schema.inputs import MAX_DIMENSIONS
from graphql_schema.scoped import Scoped
from graphql_schema.types import PageInfo


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


def page_of(
    ctx: Ctx,
    within: Scoped,
    by: tuple[str, ...],
    order_by: str,
    first: int,
    after: str | None,
    search: str,
    wanted: frozenset[str],
) -> BreakdownConnection:
    """A page of a breakdown with what the GraphQL fields `wanted` of its nodes need.

    Raises Invalid for arguments that make no sense, a cursor of another breakdown included.
    """
    if not 1 <= len(by) <= MAX_DIMENSIONS or len(set(by)) < len(by):
        raise Invalid(f"by takes one to {MAX_DIMENSIONS} different dimensions", field="by")
    # A cursor of another order or of other dimensions would continue somewhere at random.
    name = " ".join(("breakdown", order_by, *by))
    page = within.page(ctx, name, first, after, int, *((str, type(None)),) * len(by))
    scope, seen = page.scope, page.window.after
    measures = {*needed(wanted), order_by, *(("visitors",) if "share" in wanted else ())}
    rows = breakdown(
        ctx,
        scope,
        by,
        measures=tuple(measures),
        order_by=order_by,
        search=search or None,
        limit=page.window.limit,
        after=None if seen is None else (seen[0], seen[1:]),
    )
    whole = visitors_of(ctx, scope, by) if "share" in wanted and rows else 0
    edges = [
        BreakdownEdge(
            cursor=page.cursor(getattr(row, order_by), *row.values),
            node=BreakdownNode(
                values=list(row.values),
                share=row.visitors / whole if whole else 0.0,
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

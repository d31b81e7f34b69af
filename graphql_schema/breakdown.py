"""Breakdowns as connections: keyset pages that hold still while events stream in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import strawberry

from app.context import Ctx
from app.errors import Invalid
from app.stats.measures import Summary
from app.stats.questions import BreakdownRow, Question, Ranking, Totals
from graphql_schema.figures import FIGURES, needed, with_values
from graphql_schema.inputs import MAX_DIMENSIONS
from graphql_schema.scoped import Listed, Scoped
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


@dataclass
class BreakdownPage:
    """A page of a breakdown with what the GraphQL fields `wanted` of its nodes need, `cursors` if anybody looks at them.

    First its `questions` are asked, then their answers are its `connection`.
    """

    by: tuple[str, ...]
    order_by: str
    first: int
    after: str | None
    search: str
    wanted: frozenset[str]
    cursors: bool
    _listed: Listed = field(init=False)

    def questions(self, ctx: Ctx, within: Scoped) -> list[Question[Any] | None]:
        """Its rows, and where a share is asked for the visitors of the whole.

        Raises Invalid for arguments that make no sense, a cursor of another breakdown included.
        """
        by = self.by
        if not 1 <= len(by) <= MAX_DIMENSIONS or len(set(by)) < len(by):
            raise Invalid(f"by takes one to {MAX_DIMENSIONS} different dimensions", field="by")
        # A cursor of another order or of other dimensions would continue somewhere at random.
        name = " ".join(("breakdown", self.order_by, *by))
        self._listed = within.page(ctx, name, self.first, self.after, int, *((str, type(None)),) * len(by))
        # Only what a cursor leads on from has to be as of a moment.
        scope = self._listed.scope if self.cursors or self.after is not None else within.scope
        seen = self._listed.window.after
        shared = "share" in self.wanted
        page = Ranking(
            scope,
            by,
            needed({*self.wanted, "visitors"} if shared else self.wanted),
            self.order_by,
            self.search or None,
            self._listed.window.limit,
            after=None if seen is None else (seen[0], seen[1:]),
        )
        return [page, Totals(scope, ("visitors",), page.counted) if shared else None]

    def connection(self, rows: Sequence[BreakdownRow], whole: Summary | None) -> BreakdownConnection:
        visitors = whole.visitors if whole else 0
        edges = [
            BreakdownEdge(
                cursor=self._listed.cursor(getattr(row, self.order_by), *row.values) if self.cursors else "",
                node=BreakdownNode(
                    values=list(row.values),
                    share=row.visitors / visitors if visitors else 0.0,
                    **{figure.name: getattr(row, figure.name) for figure in FIGURES},
                ),
            )
            for row in rows[: self.first]
        ]
        return BreakdownConnection(
            nodes=[edge.node for edge in edges],
            edges=edges,
            page_info=PageInfo(
                has_next_page=len(rows) > self.first, end_cursor=edges[-1].cursor if edges else None
            ),
        )

"""What is being removed, and how far that is."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from app import models, removals
from app.context import Ctx
from app.removals import Reason
from graphql_schema.connections import After, Connection, First, at_time, connection, time_window
from graphql_schema.context import Info
from graphql_schema.enums import described
from graphql_schema.types import Int64, entity_id, resolved

described(
    Reason,
    "Why rows are removed.",
    {"RESET": "The website was reset.", "DELETE": "The website was deleted."},
    name="RemovalReason",
)


@strawberry.type(
    description="Rows that are being removed in the background, and how far that is. They count nowhere any more, however "
    "far it is. It can be looked at for 90 days once it is done."
)
class Removal:
    id: strawberry.ID = strawberry.field(description="UUID.")
    website_id: strawberry.ID = strawberry.field(
        description="The website's id, a UUID; the website may be gone, or another one by now."
    )
    reason: Reason = strawberry.field(description="Why.")
    requested_at: dt.datetime = strawberry.field(description="When it was asked for.")
    finished_at: dt.datetime | None = strawberry.field(description="When it was done; null until it is.")
    rows: Int64 | None = strawberry.field(
        description="Rows to remove: events, their data, properties of sessions, revenue, and what they were summed up "
        "in. Null until they are counted."
    )
    removed: Int64 = strawberry.field(description="How many of them are gone.")

    @classmethod
    def of(cls, row: models.Removal) -> Removal:
        return cls(
            id=strawberry.ID(str(row.removal_id)),
            website_id=strawberry.ID(str(row.website_id)),
            reason=Reason(row.reason),
            requested_at=row.requested_at,
            finished_at=row.finished_at,
            rows=None if row.rows is None else Int64(row.rows),
            removed=Int64(row.removed),
        )


@strawberry.type
class RemovalQueries:
    """What the query type gets by inheriting from it."""

    @resolved(
        "A removal that you asked for, or of a website of yours or your team's; admins see all. Error `not-found` if there "
        "is none."
    )
    async def removal(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id, a UUID.")]
    ) -> Removal | None:
        return await info.context.run(lambda ctx: Removal.of(removals.get(ctx, entity_id(id, "Removal"))))

    @resolved("What you had removed, newest first.")
    async def removals(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[Removal] | None:
        return await info.context.run(_page, first, after)


def _page(ctx: Ctx, first: int, after: str | None) -> Connection[Removal]:
    found = removals.own(ctx, time_window(first, after))
    return connection(
        found.rows, first, Removal.of, lambda row: at_time(row.requested_at, row.removal_id), found.count
    )

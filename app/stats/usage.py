"""How much a user's websites collect (Umami v2 REST behaviour §3.3): for admins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app import access, websites
from app.context import Ctx
from app.models import Website
from app.paging import Window
from app.retention import kept_since
from app.stats.filters import within_writes
from app.stats.measures import whole
from app.stats.period import Period
from app.tables import event, event_data

_ALL: Final = Window(limit=2**31 - 1)


@dataclass(frozen=True, slots=True)
class WebsiteUsage:
    """Rows of one website: events of any type, and keys of their data."""

    website: Website
    events: int
    event_data: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Rows of all websites together, and those of each that has any, most events first, then by id."""

    events: int
    event_data: int
    websites: list[WebsiteUsage]


def usage(ctx: Ctx, user_id: UUID, period: Period) -> Usage:
    """What was collected in the period for the websites that a user owns and those of teams that it owns.

    Raises Unauthenticated, Hidden or Denied unless an admin asks for a user that there is.
    """
    access.user_account(ctx, user_id, "users:view")
    owned = websites.within_reach(ctx, user_id, _ALL, owned_teams=True, all_teams=False).rows
    events, data = (_counts(ctx, table, owned, period) for table in (event, event_data))
    rows = [
        WebsiteUsage(website, events.get(website.website_id, 0), data.get(website.website_id, 0))
        for website in owned
    ]
    return Usage(
        sum(row.events for row in rows),
        sum(row.event_data for row in rows),
        sorted(
            (row for row in rows if row.events or row.event_data),
            key=lambda row: (-row.events, row.website.website_id),
        ),
    )


def _counts(ctx: Ctx, table: sa.Table, owned: Sequence[Website], period: Period) -> dict[UUID, int]:
    """Rows of a table by website, those without any left out."""
    columns = table.c
    within = [columns.created_at >= period.start, columns.created_at <= period.end]
    within.append(columns.website_id.in_([website.website_id for website in owned]))
    for website in owned:
        # Most keep everything, and have nothing that is being removed.
        since, after = kept_since(website, ctx.now), website.removed_upto
        if since is not None or after is not None:
            kept = [
                *within_writes(table, after, None),
                *([] if since is None else [columns.created_at >= since]),
            ]
            within.append(sa.or_(columns.website_id != website.website_id, sa.and_(*kept)))
    query = sa.select(columns.website_id, sa.func.count()).where(*within)
    return {
        website_id: whole(count) for website_id, count in ctx.events.rows(query.group_by(columns.website_id))
    }

"""How long a website's events are kept."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from typing import Final

import sqlalchemy as sa

from app import erasure
from app.context import Runtime
from app.erasure import Target
from app.errors import Invalid
from app.folding import HALF_HOUR
from app.models import Website, utc_now

log = logging.getLogger("dashi.retention")

MAX_DAYS: Final = 36_500
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def check_days(days: int | None) -> None:
    """Raise Invalid unless so many days can be kept; None is for ever."""
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise Invalid(f"retentionDays must be within 1 to {MAX_DAYS}, or null", field="retentionDays")


def kept_since(website: Website, now: dt.datetime) -> dt.datetime | None:
    """The first instant of which a website's events are kept, None if all are.

    It is the start of a half-hour of UTC: parts of visits, of which each is of one, are kept whole or not at all.
    """
    bound = website.kept_since
    if website.retention_days is not None:
        oldest = now - dt.timedelta(days=website.retention_days)
        oldest -= (oldest - _EPOCH) % HALF_HOUR
        bound = oldest if bound is None else max(bound, oldest)
    return bound


def remove_old(runtime: Runtime, stopping: threading.Event) -> int:
    """Remove what is older than its website keeps. Answers how many rows that were."""
    with runtime.accounts() as session:
        limited = sa.or_(Website.retention_days.is_not(None), Website.kept_since.is_not(None))
        bounds = {
            one.website_id: kept_since(one, utc_now())
            for one in session.scalars(sa.select(Website).where(limited))
        }
    removed = 0
    for website_id, before in bounds.items():
        rows = 0
        for piece in erasure.remove(runtime.events, Target(website_id, before=before)):
            rows += piece
            if stopping.is_set():
                return removed + rows
        if rows:
            erasure.make_room(runtime.events, website_id)
            log.info("website %s: %d rows are older than is kept, and gone", website_id, rows)
        removed += rows
    return removed

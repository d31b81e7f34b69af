"""Saved reports: the parameters of a report under a name (Umami v2 REST behaviour §3.11).

Parameters are kept as clients write them; what they mean is said by the report of that type (`app.reports`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager
from sqlalchemy.sql.expression import ColumnElement

from app import access, documents
from app.access import MANAGE
from app.context import Ctx
from app.errors import Invalid
from app.keep import KEEP, Keep
from app.models import SavedReport, User, Website
from app.paging import Key, Page, Window, page
from app.stats.filters import checked

MAX_NAME: Final = 200
MAX_DESCRIPTION: Final = 500
TYPES: Final = ("funnel", "insights", "retention", "utm", "goals", "journey", "revenue", "attribution")

_COLUMNS: Final = SavedReport.__table__.c


def of_website(ctx: Ctx, website_id: UUID, window: Window, *, search: str = "") -> Page[SavedReport]:
    """The reports of a website, as `own`. Raises as `access.view_website`."""
    access.view_website(ctx, website_id)
    return _listed(ctx, SavedReport.website_id == website_id, window, search)


def of_team(ctx: Ctx, team_id: UUID, window: Window, *, search: str = "") -> Page[SavedReport]:
    """The reports of a team's websites, as `own`. Raises as `access.team`."""
    access.team(ctx, team_id, "team:view")
    return _listed(ctx, Website.team_id == team_id, window, search)


def own(ctx: Ctx, window: Window, *, search: str = "") -> Page[SavedReport]:
    """The reports of the asking user's own websites, the newest first, with author and website.

    `search` is looked for in name, description and type, in the author's name, and in the website's name and domain.
    A window's `after` is a (created_at, id). Raises Unauthenticated or Denied as `access.user`.
    """
    return _listed(ctx, Website.user_id == access.user(ctx).user_id, window, search)


def get(ctx: Ctx, report_id: UUID) -> SavedReport:
    """A report, for its author and whoever may see its website. Raises as `access.report`."""
    return access.report(ctx, report_id, "report:view")


def create(
    ctx: Ctx, website_id: UUID, *, kind: str, name: str, description: str, parameters: Mapping[str, Any]
) -> SavedReport:
    """A new report of the asking user's about a website that it may change.

    Raises as `access.update_website`, Invalid for an unknown type or what cannot be stored.
    """
    access.update_website(ctx, website_id)
    author = access.user(ctx, MANAGE, within_website=True)
    made = SavedReport(
        user_id=author.user_id,
        website_id=website_id,
        type=_type(kind),
        name=_text("name", name, MAX_NAME),
        description=_text("description", description, MAX_DESCRIPTION),
        parameters=documents.checked(parameters),
        created_at=ctx.now,
        updated_at=ctx.now,
    )
    ctx.db.add(made)
    ctx.db.flush()
    return made


def update(
    ctx: Ctx,
    report_id: UUID,
    *,
    website_id: UUID | Keep = KEEP,
    kind: str | Keep = KEEP,
    name: str | Keep = KEEP,
    description: str | Keep = KEEP,
    parameters: Mapping[str, Any] | Keep = KEEP,
) -> SavedReport:
    """Change what is given; the asking user becomes the author. For the author and admins.

    Raises as `access.report`, for another website as `access.update_website`, and Invalid as `create`.
    """
    changed = access.report(ctx, report_id, "report:update")
    if not isinstance(website_id, Keep) and website_id != changed.website_id:
        changed.website = access.update_website(ctx, website_id)
    if not isinstance(kind, Keep):
        changed.type = _type(kind)
    if not isinstance(name, Keep):
        changed.name = _text("name", name, MAX_NAME)
    if not isinstance(description, Keep):
        changed.description = _text("description", description, MAX_DESCRIPTION)
    if not isinstance(parameters, Keep):
        changed.parameters = documents.checked(parameters)
    changed.author = access.user(ctx, MANAGE, within_website=True)
    changed.updated_at = ctx.now
    ctx.db.flush()
    return changed


def delete(ctx: Ctx, report_id: UUID) -> SavedReport:
    """Remove a report; answers what it was. For the author and admins. Raises as `access.report`."""
    gone = access.report(ctx, report_id, "report:update")
    ctx.db.delete(gone)
    ctx.db.flush()
    return gone


def _listed(ctx: Ctx, which: ColumnElement[bool], window: Window, search: str) -> Page[SavedReport]:
    query = sa.select(SavedReport).join(SavedReport.author).join(SavedReport.website).where(which)
    query = query.options(contains_eager(SavedReport.author), contains_eager(SavedReport.website))
    if checked(search, "search"):
        places = [SavedReport.name, SavedReport.description, SavedReport.type, Website.name, Website.domain]
        if ctx.user is not None:
            # Who reads through a share link could guess an author's name letter by letter.
            places.append(User.username)
        query = query.where(sa.or_(*(place.icontains(search, autoescape=True) for place in places)))
    newest = Key(_COLUMNS.created_at, descending=True)
    return page(ctx, query, (newest, Key(_COLUMNS.report_id)), window)


def _type(kind: str) -> str:
    if kind not in TYPES:
        raise Invalid(f"There is no report {kind!r:.60}; there are {', '.join(TYPES)}", field="type")
    return kind


def _text(field: str, value: str, longest: int) -> str:
    if len(value) > longest:
        raise Invalid(f"{field} must contain at most {longest} characters", field=field)
    return checked(value, field)

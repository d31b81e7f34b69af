"""Segments and cohorts: filters of a website under a name (Umami v2 REST behaviour §1.8, §3.9).

A segment is filters of events. A cohort is the sessions with an event, of any type, that its filters match in its
period. Parameters are kept as clients write them: the keys of `app.stats.shorthand`, and `startDate` and `endDate` of a
cohort; what else is in them is the client's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from app import access, documents
from app.context import Ctx
from app.errors import Conflict, Invalid, NotFound
from app.ingest.data import utc_text
from app.keep import KEEP, Keep
from app.models import Segment
from app.parameters import Unfit, instant
from app.sql import ordinal
from app.stats.filters import And, Cohort, Condition, Filter, checked
from app.stats.period import Period
from app.stats.shorthand import FILTERS, conditions, pair
from app.stats.zones import UTC

MAX_NAME: Final = 200
MAX_SEGMENTS: Final = 1000

_START: Final = "startDate"
_END: Final = "endDate"


class SegmentType(StrEnum):
    SEGMENT = "segment"
    COHORT = "cohort"


def listed(
    ctx: Ctx, website_id: UUID, kind: SegmentType | None = None, *, search: str = ""
) -> Sequence[Segment]:
    """A website's segments, cohorts or both, by name; `search` is looked for in the name.

    Raises as `access.view_website`.
    """
    access.view_website(ctx, website_id)
    query = sa.select(Segment).where(Segment.website_id == website_id)
    if kind is not None:
        query = query.where(Segment.type == kind.value)
    if search:
        query = query.where(Segment.name.icontains(checked(search, "search"), autoescape=True))
    return ctx.db.scalars(query.order_by(ordinal(Segment.name), Segment.segment_id)).all()


def get(ctx: Ctx, segment_id: UUID, website_id: UUID | None = None) -> Segment:
    """A segment; with `website_id`, one of that website. Raises as `access.segment`."""
    return access.segment(ctx, segment_id, "website:view", website_id)


def create(
    ctx: Ctx, website_id: UUID, *, kind: SegmentType, name: str, parameters: Mapping[str, Any]
) -> Segment:
    """A new segment or cohort of a website.

    Raises as `access.update_website`, Invalid for a bad name or parameters that cannot be stored, Conflict for too many.
    """
    access.update_website(ctx, website_id)
    _check_name(name)
    count = sa.select(sa.func.count()).where(Segment.website_id == website_id)
    if (ctx.db.scalar(count) or 0) >= MAX_SEGMENTS:
        raise Conflict(f"A website has at most {MAX_SEGMENTS} segments and cohorts")
    made = Segment(
        website_id=website_id,
        type=kind.value,
        name=name,
        parameters=documents.checked(parameters),
        created_at=ctx.now,
        updated_at=ctx.now,
    )
    ctx.db.add(made)
    ctx.db.flush()
    return made


def update(
    ctx: Ctx,
    segment_id: UUID,
    *,
    website_id: UUID | None = None,
    kind: SegmentType | Keep = KEEP,
    name: str | Keep = KEEP,
    parameters: Mapping[str, Any] | Keep = KEEP,
) -> Segment:
    """Change what is given. Raises as `access.segment`, Invalid as `create`."""
    changed = access.segment(ctx, segment_id, "website:update", website_id)
    if not isinstance(kind, Keep):
        changed.type = kind.value
    if not isinstance(name, Keep):
        _check_name(name)
        changed.name = name
    if not isinstance(parameters, Keep):
        changed.parameters = documents.checked(parameters)
    changed.updated_at = ctx.now
    ctx.db.flush()
    return changed


def delete(ctx: Ctx, segment_id: UUID, website_id: UUID | None = None) -> Segment:
    """Remove a segment; answers what it was. Raises as `access.segment`."""
    gone = access.segment(ctx, segment_id, "website:delete", website_id)
    ctx.db.delete(gone)
    ctx.db.flush()
    return gone


def named(ctx: Ctx, website_id: UUID, kind: SegmentType, name: str) -> Segment:
    """The website's segment or cohort of this name, the oldest if there are several.

    Raises as `access.view_website`, Invalid naming the kind if there is none.
    """
    access.view_website(ctx, website_id)
    query = sa.select(Segment).where(
        Segment.website_id == website_id, Segment.type == kind.value, Segment.name == name
    )
    found = ctx.db.scalar(query.order_by(Segment.created_at, Segment.segment_id).limit(1))
    if found is None:
        raise Invalid(f"{kind.value.capitalize()} not found.", field=kind.value)
    return found


def identified(ctx: Ctx, website_id: UUID, kind: SegmentType, segment_id: UUID) -> Segment:
    """The website's segment or cohort of this id.

    Raises as `access.view_website`, NotFound naming the kind if there is none, in this website and of this kind.
    """
    access.view_website(ctx, website_id)
    found = ctx.db.get(Segment, segment_id)
    if found is None or found.website_id != website_id or found.type != kind:
        raise NotFound(f"{kind.value.capitalize()} not found", field=kind.value)
    return found


def conditions_of(segment: Segment) -> dict[str, Condition]:
    """Its filters, by field. Raises Invalid naming the key for a value that is no text."""
    return conditions(segment.parameters)


def period_of(segment: Segment) -> tuple[dt.datetime | None, dt.datetime | None]:
    """(start, end) of a cohort's period; None where it has no such end. Raises Invalid for what is no date."""
    start, end = (_date(segment.parameters, key) for key in (_START, _END))
    return start, end


def filter_of(segment: Segment) -> Filter:
    """What it stands for, as a filter. A cohort without filters is everybody (§1.8), whatever its period.

    Raises Invalid for parameters that make no sense.
    """
    asked = tuple(conditions_of(segment).values())
    if segment.type == SegmentType.SEGMENT or not asked:
        return And(asked)
    start, end = period_of(segment)
    ever = Period.all_time(UTC)
    period = Period(start or ever.start, end or ever.end, UTC)
    return Cohort(segment.website_id, period.start, period.end, And(asked))


def written(
    kind: SegmentType,
    filters: Sequence[Condition] | Keep,
    start: dt.datetime | Keep | None,
    end: dt.datetime | Keep | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Parameters that say this, and of those `before` what is to be kept. None takes an end of the period away.

    Raises Invalid for what cannot be written, two filters of one field, a segment's period, or one that ends before it
    starts.
    """
    parameters = dict(before or {})
    if not isinstance(filters, Keep):
        parameters = {key: value for key, value in parameters.items() if key not in FILTERS}
        parameters |= dict(map(pair, filters))
        if len({one.field for one in filters}) < len(filters):
            raise Invalid("There is at most one filter of each field", field="filters")
    for key, at in ((_START, start), (_END, end)):
        if isinstance(at, Keep):
            continue
        parameters.pop(key, None)
        if at is not None:
            parameters[key] = f"{utc_text(at)}Z"
    given = [at for at in (start, end) if isinstance(at, dt.datetime)]
    if kind is SegmentType.SEGMENT and given:
        raise Invalid("A segment has no period of its own", field="start" if start in given else "end")
    first, last = _date(parameters, _START), _date(parameters, _END)
    if kind is SegmentType.COHORT and first is not None and last is not None and first > last:
        raise Invalid("start is after end", field="start")
    return parameters


def _date(parameters: Mapping[str, Any], key: str) -> dt.datetime | None:
    value = parameters.get(key)
    if value is None or value == "":
        return None
    try:
        return instant(value)
    except Unfit:
        raise Invalid(f"{key} is no date", field=key) from None


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME:
        raise Invalid(f"name must contain 1 to {MAX_NAME} characters", field="name")
    checked(name, "name")

"""Segments and cohorts (Umami v2 REST behaviour §3.9)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app import parameters, segments
from app.context import Ctx
from app.documents import document
from app.errors import Hidden
from app.models import Segment
from app.segments import SegmentType
from app.settings import Settings
from rest_compat import shapes
from rest_compat.deps import OK, Asked, Route
from rest_compat.shapes import Json

# The id of nothing, which an id that is no UUID stands for.
_NOTHING: Final = UUID(int=0)

_TYPE: Final = parameters.choice("type", "`segment` or `cohort`.", [kind.value for kind in SegmentType])
_EXAMPLE: Final = {
    "id": "a8d5a1f0-3c1e-4f7e-9a51-0f5f1b7a2b11",
    "websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
    "type": "segment",
    "name": "us",
    "parameters": {"country": "US"},
    "createdAt": "2026-11-23T13:27:24.997Z",
    "updatedAt": "2026-11-23T13:27:24.997Z",
}


def listed(ctx: Ctx, asked: Asked) -> object:
    kind = SegmentType(asked.params["type"])
    return [_shape(row) for row in segments.listed(ctx, asked.id("websiteId"), kind)]


def create(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    made = segments.create(
        ctx,
        asked.id("websiteId"),
        kind=SegmentType(given["type"]),
        name=given["name"],
        parameters=given["parameters"],
    )
    return _shape(made)


def get(ctx: Ctx, asked: Asked) -> object:
    return _shape(segments.get(ctx, _id(asked), asked.id("websiteId")))


def update(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    changed = segments.update(
        ctx,
        _id(asked),
        website_id=asked.id("websiteId"),
        kind=SegmentType(given["type"]),
        name=given["name"],
        parameters=given["parameters"],
    )
    return _shape(changed)


def delete(ctx: Ctx, asked: Asked) -> object:
    segments.delete(ctx, _id(asked), asked.id("websiteId"))
    return OK


def _id(asked: Asked) -> UUID:
    """Who may see the website may know which segments it lacks, one whose id is no UUID among them."""
    try:
        return asked.id("segmentId")
    except Hidden:
        return _NOTHING


def _shape(one: Segment) -> Json:
    return {
        "id": str(one.segment_id),
        "websiteId": str(one.website_id),
        "type": one.type,
        "name": one.name,
        "parameters": one.parameters,
        "createdAt": shapes.instant(one.created_at),
        "updatedAt": shapes.instant(one.updated_at),
    }


def routes(settings: Settings) -> list[Route]:
    of_website = "/api/websites/{websiteId}/segments"
    one = f"{of_website}/{{segmentId}}"
    fields = (
        _TYPE,
        parameters.text("name", "Name to filter by.", segments.MAX_NAME, shortest=1),
        document(
            "parameters",
            "Filters as in a query string, by parameter; of a cohort also `startDate` and `endDate`.",
        ),
    )
    sent = {key: _EXAMPLE[key] for key in ("type", "name", "parameters")}
    missing = {404: {"error": "Not found"}}
    return [
        Route(
            "GET", of_website, "Segments or cohorts of a website", listed, query=(_TYPE,), example=[_EXAMPLE]
        ),
        Route(
            "POST",
            of_website,
            "Store a segment or cohort",
            create,
            body=fields,
            request_example=sent,
            example=_EXAMPLE,
        ),
        Route("GET", one, "A segment or cohort", get, example=_EXAMPLE, also=missing),
        Route(
            "POST",
            one,
            "Change a segment or cohort",
            update,
            body=fields,
            request_example=sent,
            example=_EXAMPLE,
            also=missing,
        ),
        Route("DELETE", one, "Delete a segment or cohort", delete, example=OK, also=missing),
    ]

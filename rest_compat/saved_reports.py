"""Saved reports (Umami v2 REST behaviour §3.11, and the list of a website's in §3.5)."""

from __future__ import annotations

from typing import Any, Final

from app import parameters, saved_reports
from app.context import Ctx
from app.documents import document
from app.models import SavedReport
from app.settings import Settings
from rest_compat import params, shapes
from rest_compat.deps import OK, Asked, Route
from rest_compat.shapes import Json

_EXAMPLE: Final[Json] = {
    "id": "0f1c7a52-6f0b-4a0e-8a53-2a8c1f5f0d42",
    "userId": "41e2b680-648e-4b09-bcd7-3e2b10c06264",
    "websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
    "type": "insights",
    "name": "Countries",
    "description": "",
    "parameters": {
        "websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
        "dateRange": {"startDate": "2026-11-10T00:00:00.000Z", "endDate": "2026-11-11T23:59:59.000Z"},
        "fields": [{"name": "country", "type": "string", "label": "Country"}],
        "filters": [],
    },
    "createdAt": "2026-11-23T13:27:24.997Z",
    "updatedAt": "2026-11-23T13:27:24.997Z",
}


def listed(ctx: Ctx, asked: Asked) -> object:
    """A website's, else a team's, else those of the caller's own websites."""
    given = asked.params
    window, search = params.window(given), params.searched(given)
    if given["websiteId"] is not None:
        found = saved_reports.of_website(ctx, given["websiteId"], window, search=search)
    elif given["teamId"] is not None:
        found = saved_reports.of_team(ctx, given["teamId"], window, search=search)
    else:
        found = saved_reports.own(ctx, window, search=search)
    return shapes.page(found, _row, given)


def of_website(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    window, search = params.window(given), params.searched(given)
    found = saved_reports.of_website(ctx, asked.id("websiteId"), window, search=search)
    return shapes.page(found, _shape, given)


def create(ctx: Ctx, asked: Asked) -> object:
    return _shape(saved_reports.create(ctx, asked.params["websiteId"], **_content(asked)))


def get(ctx: Ctx, asked: Asked) -> object:
    return _shape(saved_reports.get(ctx, asked.id("reportId")))


def update(ctx: Ctx, asked: Asked) -> object:
    changed = saved_reports.update(
        ctx, asked.id("reportId"), website_id=asked.params["websiteId"], **_content(asked)
    )
    return _shape(changed)


def delete(ctx: Ctx, asked: Asked) -> object:
    saved_reports.delete(ctx, asked.id("reportId"))
    return OK


def _content(asked: Asked) -> dict[str, Any]:
    given = asked.params
    named = {key: given[key] for key in ("name", "description", "parameters")}
    return {"kind": given["type"], **named}


def _shape(one: SavedReport) -> Json:
    return {
        "id": str(one.report_id),
        "userId": str(one.user_id),
        "websiteId": str(one.website_id),
        "type": one.type,
        "name": one.name,
        "description": one.description,
        "parameters": one.parameters,
        "createdAt": shapes.instant(one.created_at),
        "updatedAt": shapes.instant(one.updated_at),
    }


def _row(one: SavedReport) -> Json:
    return {**_shape(one), "website": {"domain": one.website.domain}}


def routes(settings: Settings) -> list[Route]:
    all_reports, one = "/api/reports", "/api/reports/{reportId}"
    website_id = parameters.uuid("websiteId", "The website it is about.")
    fields = (
        website_id,
        parameters.text("name", "Name of the report.", saved_reports.MAX_NAME),
        parameters.choice("type", "Which report it is.", saved_reports.TYPES),
        parameters.text("description", "May be empty.", saved_reports.MAX_DESCRIPTION),
        document(
            "parameters",
            "What the report takes, as `POST /api/reports/<type>` does; an object, or a text of JSON.",
            text=True,
        ),
    )
    sent = {key: _EXAMPLE[key] for key in ("websiteId", "name", "type", "description", "parameters")}
    envelope = {"count": 1, "page": 1, "pageSize": 10}
    which = (
        parameters.optional(parameters.uuid("websiteId", "Reports of this website."), None),
        parameters.optional(parameters.uuid("teamId", "Reports of this team's websites."), None),
    )
    row = {**_EXAMPLE, "website": {"domain": "example.com"}}
    return [
        Route(
            "GET",
            all_reports,
            "Saved reports of a website, of a team's websites, or of the caller's own",
            listed,
            query=(*which, *params.PAGING),
            example={"data": [row], **envelope},
        ),
        Route(
            "GET",
            "/api/websites/{websiteId}/reports",
            "Saved reports of a website",
            of_website,
            query=params.PAGING,
            example={"data": [_EXAMPLE], **envelope},
        ),
        Route(
            "POST",
            all_reports,
            "Save a report",
            create,
            body=fields,
            request_example=sent,
            example=_EXAMPLE,
        ),
        Route("GET", one, "A saved report", get, example=_EXAMPLE),
        Route(
            "POST",
            one,
            "Change a saved report",
            update,
            body=fields,
            request_example=sent,
            example=_EXAMPLE,
            also={404: {"error": "Not found"}},
        ),
        Route("DELETE", one, "Delete a saved report", delete, example=OK),
    ]

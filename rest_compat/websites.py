"""Websites (Umami v2 REST behaviour §3.5)."""

from __future__ import annotations

from typing import Final

from app import parameters, shares, websites
from app.context import Ctx
from app.settings import Settings
from app.stats import scope
from rest_compat import params, shapes
from rest_compat.deps import Asked, Route

_EXAMPLE: Final = {
    "id": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
    "name": "Example",
    "domain": "example.com",
    "shareId": None,
    "resetAt": None,
    "userId": "41e2b680-648e-4b09-bcd7-3e2b10c06264",
    "teamId": None,
    "createdBy": "41e2b680-648e-4b09-bcd7-3e2b10c06264",
    "createdAt": "2026-11-23T13:27:24.997Z",
    "updatedAt": "2026-11-23T13:27:24.997Z",
    "deletedAt": None,
}
_OK: Final = {"ok": True}
_NAME: Final = parameters.text("name", "Name of the website.", 100)
_DOMAIN: Final = parameters.text("domain", "Domain of the website; not checked.", 500)


def own(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = given["orderBy"] if given["orderBy"] in websites.ORDERS else "name"
    found = websites.own(ctx, params.window(given), search=params.searched(given), order_by=order_by)
    return shapes.page(found, shapes.website_row, given, order_by)


def create(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    made = websites.create(
        ctx,
        name=given["name"],
        domain=given["domain"],
        share_slug=given["shareId"],
        team_id=given["teamId"],
        website_id=given["id"],
    )
    return shapes.website(made)


def get(ctx: Ctx, asked: Asked) -> object:
    found = websites.get(ctx, asked.id("websiteId"))
    return {**shapes.website(found), "shareId": shares.shown_slug(ctx, found)}


def update(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    changed = websites.update(
        ctx,
        asked.id("websiteId"),
        name=given.get("name", websites.KEEP),
        domain=given.get("domain", websites.KEEP),
        share_slug=given.get("shareId", websites.KEEP),
    )
    return shapes.website(changed)


def delete(ctx: Ctx, asked: Asked) -> object:
    websites.delete(ctx, asked.id("websiteId"))
    return _OK


def reset(ctx: Ctx, asked: Asked) -> object:
    websites.reset(ctx, asked.id("websiteId"))
    return _OK


def date_range(ctx: Ctx, asked: Asked) -> object:
    first, last = scope.date_range(ctx, asked.id("websiteId")) or (None, None)
    return {"mindate": shapes.instant(first), "maxdate": shapes.instant(last)}


def routes(settings: Settings) -> list[Route]:
    one = "/api/websites/{websiteId}"
    share_id = parameters.text("shareId", "Text of the share link; null for none.", shares.MAX_SLUG)
    new_share_id = parameters.text(
        "shareId", "8 to 16 letters and digits; null ends sharing.", 0, "[a-zA-Z0-9]{8,16}"
    )
    new = (
        _NAME,
        _DOMAIN,
        parameters.optional(share_id, None, nullable=True),
        parameters.optional(parameters.uuid("teamId", "Team that owns the website."), None, nullable=True),
        parameters.optional(
            parameters.uuid("id", "Id of the website; a random one if absent."), None, nullable=True
        ),
    )
    changes = (
        parameters.optional(_NAME),
        parameters.optional(_DOMAIN),
        parameters.optional(new_share_id, nullable=True),
    )
    row = {**_EXAMPLE, "user": {"username": "admin", "id": _EXAMPLE["userId"]}}
    sent = {"name": "Example", "domain": "example.com"}
    return [
        Route(
            "GET",
            "/api/websites",
            "The caller's own websites",
            own,
            query=params.PAGING,
            example={"data": [row], "count": 1, "page": 1, "pageSize": 10, "orderBy": "name"},
        ),
        Route(
            "POST",
            "/api/websites",
            "Create a website",
            create,
            body=new,
            request_example=sent,
            example=_EXAMPLE,
        ),
        Route("GET", one, "A website", get, example=_EXAMPLE),
        Route(
            "POST",
            one,
            "Change a website",
            update,
            body=changes,
            request_example=sent,
            example=_EXAMPLE,
            also={400: {"error": "That share ID is already taken."}},
        ),
        Route("DELETE", one, "Delete a website with all its data", delete, example=_OK),
        Route("POST", f"{one}/reset", "Delete all data of a website", reset, example=_OK),
        Route(
            "GET",
            f"{one}/daterange",
            "Times of the first and the last event",
            date_range,
            example={"mindate": "2026-11-10T10:00:00.000Z", "maxdate": "2026-11-11T09:00:30.000Z"},
        ),
    ]

"""Websites (Umami v2 REST behaviour §3.5)."""

from __future__ import annotations

from typing import Final

from app import parameters, shares, websites
from app.context import Ctx
from app.keep import KEEP
from app.settings import Settings
from app.stats import scope
from rest_compat import params, shapes
from rest_compat.deps import OK, Asked, Route

EXAMPLE: Final = {
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
_NAME: Final = parameters.text("name", "Name of the website.", 100)
_DOMAIN: Final = parameters.text("domain", "Domain of the website; not checked.", 500)
_SHARE_ID: Final = parameters.text("shareId", "Text of the share link; null for none.", shares.MAX_SLUG)
_TEAM_ID: Final = parameters.optional(
    parameters.uuid("teamId", "Team that owns the website."), None, nullable=True
)
# What a new website is made of.
NEW: Final = (
    _NAME,
    _DOMAIN,
    parameters.optional(_SHARE_ID, None, nullable=True),
    parameters.optional(
        parameters.uuid("id", "Id of the website; a random one if absent."), None, nullable=True
    ),
)


def own(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    order_by = params.ordered(given, websites.ORDERS) or "name"
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
        name=given.get("name", KEEP),
        domain=given.get("domain", KEEP),
        share_slug=given.get("shareId", KEEP),
    )
    return shapes.website(changed)


def delete(ctx: Ctx, asked: Asked) -> object:
    websites.delete(ctx, asked.id("websiteId"))
    return OK


def reset(ctx: Ctx, asked: Asked) -> object:
    websites.reset(ctx, asked.id("websiteId"))
    return OK


def transfer(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    moved = websites.transfer(ctx, asked.id("websiteId"), user_id=given["userId"], team_id=given["teamId"])
    return shapes.website(moved)


def date_range(ctx: Ctx, asked: Asked) -> object:
    first, last = scope.date_range(ctx, asked.id("websiteId")) or (None, None)
    return {"mindate": shapes.instant(first), "maxdate": shapes.instant(last)}


def routes(settings: Settings) -> list[Route]:
    one = "/api/websites/{websiteId}"
    new_share_id = parameters.text(
        "shareId", "8 to 16 letters and digits; null ends sharing.", 0, "[a-zA-Z0-9]{8,16}"
    )
    changes = (
        parameters.optional(_NAME),
        parameters.optional(_DOMAIN),
        parameters.optional(new_share_id, nullable=True),
    )
    row = {**EXAMPLE, "user": {"username": "admin", "id": EXAMPLE["userId"]}}
    sent = {"name": "Example", "domain": "example.com"}
    return [
        *(
            Route(
                "GET",
                path,
                "The caller's own websites",
                own,
                query=params.PAGING,
                example={"data": [row], "count": 1, "page": 1, "pageSize": 10, "orderBy": "name"},
            )
            for path in ("/api/websites", "/api/me/websites")
        ),
        Route(
            "POST",
            "/api/websites",
            "Create a website",
            create,
            body=(*NEW[:3], _TEAM_ID, *NEW[3:]),
            request_example=sent,
            example=EXAMPLE,
        ),
        Route("GET", one, "A website", get, example=EXAMPLE),
        Route(
            "POST",
            one,
            "Change a website",
            update,
            body=changes,
            request_example=sent,
            example=EXAMPLE,
            also={400: {"error": "That share ID is already taken."}},
        ),
        Route("DELETE", one, "Delete a website with all its data", delete, example=OK),
        Route("POST", f"{one}/reset", "Delete all data of a website", reset, example=OK),
        Route(
            "POST",
            f"{one}/transfer",
            "Hand a team's website to yourself, or your own to a team",
            transfer,
            body=(
                parameters.optional(parameters.uuid("userId", "Your own id."), None),
                parameters.optional(parameters.uuid("teamId", "The team that receives it."), None),
            ),
            request_example={"teamId": "f8bb6a1c-7a5f-4a0c-9d61-7a9f9d0f2f15"},
            example=EXAMPLE,
            also={400: {"error": "Bad request"}},
        ),
        Route(
            "GET",
            f"{one}/daterange",
            "Times of the first and the last event",
            date_range,
            example={"mindate": "2026-11-10T10:00:00.000Z", "maxdate": "2026-11-11T09:00:30.000Z"},
        ),
    ]

"""How much a user's websites collect (Umami v2 REST behaviour §3.3)."""

from __future__ import annotations

from app.context import Ctx
from app.settings import Settings
from app.stats.usage import usage
from rest_compat import params
from rest_compat.deps import Asked, Route


def of_user(ctx: Ctx, asked: Asked) -> object:
    found = usage(ctx, asked.id("userId"), params.period(asked.params))
    return {
        "websiteEventUsage": found.events,
        "eventDataUsage": found.event_data,
        "websites": [
            {
                "websiteId": str(row.website.website_id),
                "websiteName": row.website.name,
                "websiteEventUsage": row.events,
                "eventDataUsage": row.event_data,
                "deletedAt": None,
            }
            for row in found.websites
        ],
    }


def routes(settings: Settings) -> list[Route]:
    website = {
        "websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
        "websiteName": "Example",
        "websiteEventUsage": 120,
        "eventDataUsage": 40,
        "deletedAt": None,
    }
    return [
        Route(
            "GET",
            "/api/users/{userId}/usage",
            "Events and event data of the websites of a user and of the teams it owns; for admins",
            of_user,
            query=params.RANGE,
            example={"websiteEventUsage": 120, "eventDataUsage": 40, "websites": [website]},
        )
    ]

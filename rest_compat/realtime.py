"""The live view (Umami v2 REST behaviour §3.10)."""

from __future__ import annotations

from typing import Final

from app.context import Ctx
from app.parameters import optional, timezone
from app.settings import Settings
from app.stats import realtime
from app.stats.realtime import Entry
from app.stats.zones import UTC
from rest_compat import shapes
from rest_compat.deps import Asked, Route
from rest_compat.shapes import Json


def live(ctx: Ctx, asked: Asked) -> object:
    now = realtime.realtime(ctx, asked.id("websiteId"), asked.params["timezone"] or UTC)
    series = now.series
    return {
        "countries": now.countries,
        "urls": now.paths,
        "referrers": now.referrers,
        "events": [_entry(entry) for entry in now.entries],
        "series": {
            "views": shapes.points(series.at, series.pageviews),
            "visitors": shapes.points(series.at, series.visitors),
        },
        "totals": {
            "views": now.pageviews,
            "visitors": now.visitors,
            "events": now.events,
            "countries": len(now.countries),
        },
        "timestamp": int(now.scope.period.end.timestamp() * 1000),
    }


def _entry(entry: Entry) -> Json:
    row = entry.event
    return {
        "__type": entry.kind.value,
        "sessionId": str(row.session_id),
        "eventName": row.event_name,
        "createdAt": shapes.instant(row.created_at),
        "browser": row.browser,
        "os": row.os,
        "device": row.device,
        "country": row.country,
        "urlPath": row.url_path,
        "referrerDomain": row.referrer_domain,
    }


_EXAMPLE: Final = {
    "countries": {"US": 1},
    "urls": {"/b": 1},
    "referrers": {"bing.com": 1},
    "events": [
        {
            "__type": "event",
            "sessionId": "1172824f-0864-59d0-ad32-35060a6e1730",
            "eventName": "click",
            "createdAt": "2026-11-23T14:31:21.000Z",
            "browser": "chrome",
            "os": "Windows 10",
            "device": "desktop",
            "country": "US",
            "urlPath": "/b",
            "referrerDomain": "bing.com",
        }
    ],
    "series": {
        "views": [{"x": "2026-11-23 14:31:00", "y": 1}],
        "visitors": [{"x": "2026-11-23 14:31:00", "y": 1}],
    },
    "totals": {"views": 1, "visitors": 1, "events": 1, "countries": 1},
    "timestamp": 1_795_440_691_064,
}


def routes(settings: Settings) -> list[Route]:
    return [
        Route(
            "GET",
            "/api/realtime/{websiteId}",
            "The last 30 minutes: the latest 100 events as a story, and page views and visitors by the minute",
            live,
            # `startAt` and `endAt` of the documentation are not read, as in the reference.
            query=(optional(timezone(), None),),
            example=_EXAMPLE,
        )
    ]

"""Sessions and session data (Umami v2 REST behaviour §3.8): parsers into `app.stats`, and Umami's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from app import websites
from app.context import Ctx
from app.errors import NotFound
from app.paging import Window
from app.parameters import optional, text, timezone
from app.settings import Settings
from app.stats import session_data, sessions
from app.stats.event_rows import EventRow
from app.stats.scope import Scope, open_ever, open_scope
from app.stats.session_data import SessionProperty
from app.stats.sessions import Session
from app.tables import NUMBER
from rest_compat import filters, params, shapes
from rest_compat.deps import Asked, Route
from rest_compat.shapes import Json

MAX_ACTIVITY: Final = 500
MAX_KEYS: Final = 500
MAX_VALUES: Final = 100

# Umami's name → the core's, of what a session in a list shows and can be ordered by.
_COLUMNS: Final[Mapping[str, str]] = {
    "id": "session_id",
    "hostname": "hostname",
    "browser": "browser",
    "os": "os",
    "device": "device",
    "screen": "screen",
    "language": "language",
    "country": "country",
    "region": "region",
    "city": "city",
    "firstAt": "first_at",
    "lastAt": "last_at",
    "visits": "visits",
    "views": "views",
    "createdAt": "last_at",
}
_DETAILS: Final[Mapping[str, str]] = {
    **{name: column for name, column in _COLUMNS.items() if name != "createdAt"},
    "distinctId": "distinct_id",
    # The documentation's name of what the reference calls region.
    "subdivision1": "region",
    "events": "events",
    "totaltime": "totaltime",
}
_ACTIVITY: Final[Mapping[str, str]] = {
    # The documentation's name and the reference's.
    "id": "event_id",
    "eventId": "event_id",
    "websiteId": "website_id",
    "sessionId": "session_id",
    "visitId": "visit_id",
    "createdAt": "created_at",
    "urlPath": "url_path",
    "urlQuery": "url_query",
    "utmSource": "utm_source",
    "utmMedium": "utm_medium",
    "utmCampaign": "utm_campaign",
    "utmContent": "utm_content",
    "utmTerm": "utm_term",
    "referrerPath": "referrer_path",
    "referrerQuery": "referrer_query",
    "referrerDomain": "referrer_domain",
    "pageTitle": "page_title",
    "gclid": "gclid",
    "fbclid": "fbclid",
    "msclkid": "msclkid",
    "ttclid": "ttclid",
    "lifatid": "li_fat_id",
    "twclid": "twclid",
    "eventType": "event_type",
    "eventName": "event_name",
    "tag": "tag",
    "hostname": "hostname",
}


def listed(ctx: Ctx, asked: Asked) -> object:
    given = asked.params
    scope = _scope(ctx, asked)
    order_by = _COLUMNS.get(given["orderBy"])
    found = sessions.session_page(ctx, scope, params.window(given), params.searched(given), order_by)
    return shapes.page(
        found, lambda row: _shown(scope, row, _COLUMNS), given, given["orderBy"] if order_by else ""
    )


def stats(ctx: Ctx, asked: Asked) -> object:
    website_id = asked.id("websiteId")
    # Before the filters: who may not see the website is not told what it lacks.
    websites.get(ctx, website_id)
    scope = open_scope(
        ctx, website_id, params.period(asked.params), filters.where(ctx, website_id, asked.params)
    )
    totals = sessions.session_totals(ctx, scope)
    return {
        # Umami calls page views and custom events together so here.
        "pageviews": {"value": totals.hits},
        "visitors": {"value": totals.visitors},
        "visits": {"value": totals.visits},
        "countries": {"value": totals.countries},
        "events": {"value": totals.events},
    }


def weekly(ctx: Ctx, asked: Asked) -> object:
    return sessions.weekday_hours(ctx, _scope(ctx, asked))


def one(ctx: Ctx, asked: Asked) -> object:
    scope = _all_time(ctx, asked)
    return _shown(scope, sessions.session(ctx, scope, _session_id(asked)), _DETAILS)


def activity(ctx: Ctx, asked: Asked) -> object:
    rows = sessions.activity(ctx, _scope(ctx, asked), _session_id(asked), Window(MAX_ACTIVITY))
    return [_event(row) for row in rows]


def properties(ctx: Ctx, asked: Asked) -> object:
    scope, session_id = _all_time(ctx, asked), _session_id(asked)
    found = session_data.session_properties(ctx, scope, session_id)
    return [_property(scope, session_id, one) for one in found]


def data_properties(ctx: Ctx, asked: Asked) -> object:
    rows = session_data.property_counts(ctx, _scope(ctx, asked), Window(MAX_KEYS))
    return [{"propertyName": row.name, "total": row.sessions} for row in rows]


def data_values(ctx: Ctx, asked: Asked) -> object:
    scope, name = _scope(ctx, asked), asked.params.get("propertyName")
    if name is None:
        return []
    rows = session_data.property_value_counts(ctx, scope, name, Window(MAX_VALUES))
    return [{"value": row.name, "total": row.sessions} for row in rows]


def _scope(ctx: Ctx, asked: Asked) -> Scope:
    return open_scope(ctx, asked.id("websiteId"), params.period(asked.params))


def _all_time(ctx: Ctx, asked: Asked) -> Scope:
    return open_ever(ctx, asked.id("websiteId"))


def _session_id(asked: Asked) -> UUID:
    """The session in the path. To be called when the website may be seen: a bad id is told then, so NotFound."""
    try:
        return UUID(asked.path["sessionId"])
    except ValueError:
        raise NotFound from None


def _shown(scope: Scope, row: Session, columns: Mapping[str, str]) -> Json:
    shown: Json = {name: getattr(row, column) for name, column in columns.items()}
    for name in ("firstAt", "lastAt", "createdAt"):
        if name in shown:
            shown[name] = shapes.instant(shown[name])
    return {**shown, "id": str(row.session_id), "websiteId": str(scope.website_id)}


def _event(row: EventRow) -> Json:
    shown: Json = {name: getattr(row, column) for name, column in _ACTIVITY.items()}
    ids = {name: str(value) for name, value in shown.items() if isinstance(value, UUID)}
    return {**shown, **ids, "createdAt": shapes.instant(row.created_at)}


def _property(scope: Scope, session_id: UUID, one: SessionProperty) -> Json:
    return {
        "websiteId": str(scope.website_id),
        "sessionId": str(session_id),
        "dataKey": one.key,
        "dataType": one.type,
        "stringValue": one.text.removesuffix(".0000") if one.type == NUMBER else one.text,
        "numberValue": shapes.number(one.number),
        "dateValue": shapes.instant(one.date),
        "createdAt": shapes.instant(one.set_at),
    }


_WEBSITE: Final = "765b9d7c-35d0-4c93-a87f-c869a11eabf2"
_SESSION: Final = "1172824f-0864-59d0-ad32-35060a6e1730"
_ROW: Final = {
    "id": _SESSION,
    "hostname": "example.com",
    "browser": "chrome",
    "os": "Windows 10",
    "device": "desktop",
    "screen": "1920x1080",
    "language": "en-US",
    "country": "US",
    "region": "US-CA",
    "city": "San Jose",
    "firstAt": "2026-11-10T10:00:00.000Z",
    "lastAt": "2026-11-10T10:10:00.000Z",
    "visits": 1,
    "views": 2,
    "createdAt": "2026-11-10T10:10:00.000Z",
    "websiteId": _WEBSITE,
}
_EVENT: Final = {
    **dict.fromkeys(_ACTIVITY),
    "id": "3f1c3a0e-6f0e-4e0f-9d2a-0c8a3c1b7a55",
    "eventId": "3f1c3a0e-6f0e-4e0f-9d2a-0c8a3c1b7a55",
    "websiteId": _WEBSITE,
    "sessionId": _SESSION,
    "visitId": "7e0197f3-85e6-5743-adfc-9d5698793bb9",
    "createdAt": "2026-11-10T10:10:00.000Z",
    "urlPath": "/pricing",
    "urlQuery": "",
    "pageTitle": "T /pricing",
    "eventType": 2,
    "eventName": "purchase",
    "hostname": "example.com",
}
_PROPERTY: Final = {
    "websiteId": _WEBSITE,
    "sessionId": _SESSION,
    "dataKey": "age",
    "dataType": 2,
    "stringValue": "34",
    "numberValue": 34,
    "dateValue": None,
    "createdAt": "2026-11-10T10:21:00.000Z",
}


def routes(settings: Settings) -> list[Route]:
    website = "/api/websites/{websiteId}"
    of_session = f"{website}/sessions/{{sessionId}}"
    known: Json = {name: value for name, value in _ROW.items() if name != "createdAt"}
    details = {**known, "distinctId": None, "subdivision1": "US-CA", "events": 2, "totaltime": 600}
    figure = {"value": 9}
    property_name = optional(text("propertyName", "Key of the property; without it there are no values."))
    return [
        Route(
            "GET",
            f"{website}/sessions",
            "Sessions, latest activity first; figures cover the range",
            listed,
            query=(*params.RANGE, *params.PAGING),
            example={"data": [_ROW], "count": 1, "page": 1, "pageSize": 10},
        ),
        Route(
            "GET",
            f"{website}/sessions/stats",
            "Totals over page views and custom events; `pageviews` counts both",
            stats,
            query=(*params.RANGE, *filters.FIELDS),
            example=dict.fromkeys(("pageviews", "visitors", "visits", "countries", "events"), figure),
        ),
        Route(
            "GET",
            f"{website}/sessions/weekly",
            "Sessions by weekday (Sunday first) and hour of the time zone",
            weekly,
            query=(*params.RANGE, timezone()),
            example=[[0] * 24 for _ in range(7)],
        ),
        Route("GET", of_session, "A session, of all time", one, example=details),
        Route(
            "GET",
            f"{of_session}/activity",
            f"What a session did: its latest {MAX_ACTIVITY} page views and custom events, newest first",
            activity,
            query=params.RANGE,
            example=[_EVENT],
        ),
        Route(
            "GET",
            f"{of_session}/properties",
            "Properties of a session by key",
            properties,
            example=[_PROPERTY],
        ),
        Route(
            "GET",
            f"{website}/session-data/properties",
            "How many sessions of the range have which property",
            data_properties,
            query=params.RANGE,
            example=[{"propertyName": "age", "total": 1}],
        ),
        Route(
            "GET",
            f"{website}/session-data/values",
            "How many sessions of the range have which value of a property",
            data_values,
            query=(*params.RANGE, property_name),
            example=[{"value": "34", "total": 1}],
        ),
    ]

"""Events and their data (Umami v2 REST behaviour §3.7): parsers into `app.stats`, and Umami's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.context import Ctx
from app.parameters import Field, optional, text, uuid
from app.settings import Settings
from app.stats import event_data, events
from app.stats.event_data import DataCount
from app.stats.event_rows import EventRow
from app.stats.filters import Condition, Operator
from app.stats.scope import Scope, open_scope
from rest_compat import filters, params, shapes
from rest_compat.deps import Asked, Route, Verb
from rest_compat.shapes import Json

# Umami's name of a column, in the order of its answers.
COLUMNS: Final[Mapping[str, str]] = {
    "id": "event_id",
    "websiteId": "website_id",
    "sessionId": "session_id",
    "createdAt": "created_at",
    "urlPath": "url_path",
    "urlQuery": "url_query",
    "referrerPath": "referrer_path",
    "referrerQuery": "referrer_query",
    "referrerDomain": "referrer_domain",
    "pageTitle": "page_title",
    "eventType": "event_type",
    "eventName": "event_name",
}
_IDS: Final = ("id", "websiteId", "sessionId")


def listed(ctx: Ctx, asked: Asked) -> object:
    # A name that there is not is no order, as on every list (§1.5).
    order_by = COLUMNS.get(asked.params["orderBy"])
    found = events.event_page(
        ctx, _scope(ctx, asked), params.window(asked.params), params.searched(asked.params), order_by
    )
    return shapes.page(found, _event, asked.params, asked.params["orderBy"] if order_by else "")


def data_events(ctx: Ctx, asked: Asked) -> object:
    scope, name = _scope(ctx, asked), asked.params["event"]
    if not name:
        rows = event_data.data_counts(ctx, scope, event_data.PROPERTIES_OF_EVENTS)
        return [_typed(row) for row in rows]
    rows = event_data.data_counts(ctx, scope, event_data.VALUES_OF_EVENTS, event=name)
    return [{**_typed(row), "propertyValue": row.value} for row in rows]


def data_fields(ctx: Ctx, asked: Asked) -> object:
    rows = event_data.data_counts(ctx, _scope(ctx, asked), event_data.FIELDS)
    return [
        {"propertyName": row.key, "dataType": row.type, "value": row.value, "total": row.total}
        for row in rows
    ]


def data_properties(ctx: Ctx, asked: Asked) -> object:
    name = asked.params.get("propertyName")
    keys = [] if name is None else [filters.condition("propertyName", name)]
    rows = event_data.data_counts(ctx, _scope(ctx, asked), event_data.PROPERTIES, keys=keys)
    return [{"eventName": row.event, "propertyName": row.key, "total": row.total} for row in rows]


def data_values(ctx: Ctx, asked: Asked) -> object:
    scope = _scope(ctx, asked)
    event, key = asked.params.get("eventName"), asked.params.get("propertyName")
    # Page views have no name, not an empty one.
    if not event or key is None:
        return []
    keys = [Condition("propertyName", Operator.EQ, (key,))]
    rows = event_data.data_counts(ctx, scope, event_data.VALUES, event=event, keys=keys)
    return [{"value": row.value, "total": row.total} for row in rows]


def data_stats(ctx: Ctx, asked: Asked) -> object:
    totals = event_data.data_totals(ctx, _scope(ctx, asked))
    # The documentation calls `fields` what the reference calls `properties`.
    return {
        "events": totals.events,
        "properties": totals.properties,
        "fields": totals.properties,
        "records": totals.records,
    }


def _scope(ctx: Ctx, asked: Asked) -> Scope:
    website_id = asked.params["websiteId"] if "websiteId" in asked.params else asked.id("websiteId")
    return open_scope(ctx, website_id, params.period(asked.params))


def _event(row: EventRow) -> Json:
    shown = {name: getattr(row, column) for name, column in COLUMNS.items()}
    return {
        **shown,
        **{name: str(shown[name]) for name in _IDS},
        "createdAt": shapes.instant(row.created_at),
    }


def _typed(row: DataCount) -> Json:
    return {"eventName": row.event, "propertyName": row.key, "dataType": row.type, "total": row.total}


def _both(name: str, summary: str, verb: Verb, *fields: Field, example: object) -> list[Route]:
    """A route of event data, and the same at the path of older clients (0.69), who name the website in the query."""
    website = uuid("websiteId", "The website.")
    query = (*params.RANGE, *fields)
    return [
        Route(
            "GET",
            f"/api/websites/{{websiteId}}/event-data/{name}",
            summary,
            verb,
            query=query,
            example=example,
        ),
        Route(
            "GET",
            f"/api/event-data/{name}",
            f"{summary} (path of older clients)",
            verb,
            query=(website, *query),
            example=example,
        ),
    ]


def routes(settings: Settings) -> list[Route]:
    one = "/api/websites/{websiteId}"
    event = optional(
        text("event", "Only data of events of this name, each value for itself and without a limit."), ""
    )
    matching = optional(
        text(
            "propertyName",
            "The property itself, `!` before it for others, `~` for contains, `!~` for contains not.",
        )
    )
    chosen = (
        optional(text("eventName", "The event; without it there are no values.")),
        optional(text("propertyName", "The property; without it there are no values.")),
    )
    example = {
        "id": "11111111-2222-4333-8444-555555555555",
        "websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
        "sessionId": "99999999-2222-5333-8444-555555555555",
        "createdAt": "2026-11-10T10:00:00.000Z",
        "urlPath": "/",
        "urlQuery": "utm_source=news",
        "referrerPath": "/x",
        "referrerQuery": "",
        "referrerDomain": "t.co",
        "pageTitle": "Home",
        "eventType": 1,
        "eventName": None,
    }
    property_example = {"eventName": "signup", "propertyName": "n", "dataType": 2, "total": 1}
    field_example = {"propertyName": "age", "dataType": 2, "value": "33", "total": 4}
    stats_example = {"events": 3, "properties": 13, "fields": 13, "records": 15}
    return [
        Route(
            "GET",
            f"{one}/events",
            "Page views and custom events, newest first",
            listed,
            query=(*params.RANGE, *params.PAGING),
            example={"data": [example], "count": 9, "page": 1, "pageSize": 10},
        ),
        *_both(
            "events",
            "Properties of each event; of one event their values too",
            data_events,
            event,
            example=[property_example],
        ),
        *_both("fields", "Values of each property", data_fields, example=[field_example]),
        Route(
            "GET",
            f"{one}/event-data/properties",
            "Properties of each event, most frequent first",
            data_properties,
            query=(*params.RANGE, matching),
            example=[{"eventName": "signup", "propertyName": "plan", "total": 1}],
        ),
        Route(
            "GET",
            f"{one}/event-data/values",
            "Values of a property of an event, most frequent first",
            data_values,
            query=(*params.RANGE, *chosen),
            example=[{"value": "female", "total": 4}],
        ),
        *_both("stats", "How many events have data, and how much", data_stats, example=stats_example),
    ]

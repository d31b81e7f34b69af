"""Something acceptable for every parameter that a route requires, so that a test can walk the whole table of routes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from app.settings import Settings
from rest_compat.deps import Route
from rest_compat.router import table

NOBODY = "00000000-0000-4000-8000-000000000000"
TABLE = table(Settings(app_secret=SecretStr("any")))

_VALUES: dict[str, Any] = {
    "startAt": 0,
    "endAt": 2,
    "unit": "day",
    "timezone": "utc",
    "startDate": "2026-11-10",
    "endDate": "2026-11-11",
    "dateRange": {"startDate": "2026-11-10", "endDate": "2026-11-11", "timezone": "utc"},
    "name": "a name",
    "domain": "example.com",
    "description": "",
    "parameters": {},
    "window": 60,
    "goals": [{"type": "url", "value": "/", "goal": 1}],
    "fields": [{"name": "url", "type": "string", "label": "URL"}],
    "filters": [],
    "currency": "EUR",
    "model": "firstClick",
    "propertyName": "plan",
    "password": "long enough",
    "currentPassword": "x",
    "newPassword": "long enough",
    "accessCode": "team_nothing",
    "role": "team-member",
    "websiteId": NOBODY,
    "userId": NOBODY,
}
# Where a name means different things.
_OF_ROUTE: dict[str, dict[str, Any]] = {
    "POST /api/reports/journey": {"steps": 3},
    "POST /api/reports/funnel": {"steps": [{"type": "url", "value": "/"}] * 2},
    "POST /api/reports/attribution": {"steps": [{"type": "url", "value": "/"}]},
    "POST /api/users": {"role": "user"},
}


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


def query(route: Route) -> dict[str, Any]:
    """The required parameters of the query string."""
    return {field.name: _value(route, field.name) for field in route.query if field.required}


def body(route: Route) -> dict[str, Any] | None:
    """The required fields of the body, None where none is read."""
    if route.body is None:
        return None
    # Both are needed by a report of its own, and optional in the table.
    more = ["timezone"] if route.path.startswith("/api/reports/") else []
    return {
        field.name: _value(route, field.name) for field in route.body if field.required or field.name in more
    }


def _value(route: Route, field: str) -> Any:
    if field == "username":
        return f"user-{uuid4().hex}"
    if field == "type":
        for part, value in (("segments", "segment"), ("reports", "funnel")):
            if part in route.path:
                return value
        return "url"
    return _OF_ROUTE.get(name(route), {}).get(field, _VALUES.get(field))

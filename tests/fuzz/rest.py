"""Asking the REST door: each route with values that fit, values at the edges, and requests that are broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlencode

from app.parameters import Field
from rest_compat.deps import Route
from tests.fuzz import broken, judging, values
from tests.fuzz.instance import Instance
from tests.fuzz.wire import Request
from tests.rest_compat.samples import TABLE

_REFILL: Final = 150
_ACTORS: Final = ("admin",) * 12 + ("nobody", "user", "user", "key", "share", "forger")
_NAMES: Final[Mapping[str, str]] = {
    "websiteId": "website",
    "teamId": "team",
    "userId": "user",
    "segmentId": "segment",
    "reportId": "report",
    "sessionId": "session",
    "shareId": "slug",
    "segment": "segment",
    "cohort": "cohort",
}
_SENSIBLE: Final[Mapping[str, tuple[Any, ...]]] = {
    "startAt": (0, 1_762_700_000_000),
    "endAt": (4_102_444_799_000, 1_762_900_000_000),
    "startDate": ("2026-11-10", "2026-11-10T00:00:00Z"),
    "endDate": ("2026-11-11", "2026-12-01T00:00:00Z"),
    "unit": ("hour", "day", "month", "year"),
    "timezone": values.ZONES[:5],
    "type": (
        "url",
        "event",
        "referrer",
        "query",
        "channel",
        "language",
        "segment",
        "cohort",
        "utm",
        "funnel",
    ),
    "page": (1, 2, "1"),
    "pageSize": (1, 10, 100),
    "orderBy": ("", "name", "createdAt", "views"),
    "role": ("user", "admin", "view-only", "team-member", "team-manager"),
    "dateRange": ({"startDate": "2026-11-10", "endDate": "2026-11-11", "timezone": "utc"},),
    "currency": ("USD", "usd"),
    "model": ("firstClick", "lastClick"),
    "goals": ([{"type": "url", "value": "/", "goal": 1}],),
    "steps": ([{"type": "url", "value": "/"}] * 2, 3, [{"type": "event", "value": "signup"}]),
    "fields": ([{"name": "url", "type": "string", "label": "URL"}],),
    "filters": ([], [{"name": "country", "type": "string", "operator": "eq", "value": "US"}]),
    "parameters": ({}, {"country": "US"}, {"url": "/", "os": "!Windows 10"}),
    "window": (60, "60"),
    "compare": ("prev", "yoy"),
    "name": ("a name",),
    "domain": ("example.com",),
    "password": ("their password",),
    "currentPassword": ("wrong password",),
    "newPassword": ("their password",),
    "username": ("u", "somebody"),
    "propertyName": ("plan", "n", "~a"),
    "eventName": ("signup",),
    "event": ("signup", ""),
    "search": ("", "a", "/p,/"),
    "query": ("", "a", "utm_source=news"),
    "limit": (10, 500),
    "offset": (0, 1),
    "description": ("",),
}


class Asking:
    """The kinds of input to the REST door; each says whether something was found."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.asked = 0

    def fitting(self, chance: Random) -> bool:
        """A request as the description has it, values at the edges included."""
        return self._ask(self._request(chance))

    def broken(self, chance: Random) -> bool:
        request = self._request(chance)
        for _ in range(chance.choice((1, 1, 2))):
            request = broken.request(request, chance)
        return self._ask(request)

    def _request(self, chance: Random) -> Request:
        if self.asked % _REFILL == 0:
            self.instance.refill()
        self.asked += 1
        route = chance.choice(_ROUTES)
        changing = _changes(route)
        path = re.sub(r"{(\w+)}", lambda name: self._in_path(name[1], changing, chance), route.path)
        query = {
            field.name: self._value(field, changing, chance) for field in route.query if _given(field, chance)
        }
        text = urlencode(query, encoding="utf-8", errors="surrogatepass") if query else ""
        body = b""
        if route.body is not None:
            sent = {
                field.name: self._value(field, changing, chance)
                for field in route.body
                if _given(field, chance)
            }
            body = values.spelled(sent if chance.random() < 0.95 else values.anything(chance), chance)
        actor = self.instance.actors[chance.choice(_ACTORS)]
        headers = tuple((name.encode(), value.encode()) for name, value in actor.items())
        return Request(
            route.method.encode(),
            f"{path}{'?' if text else ''}{text}".encode(),
            (*headers, (b"content-type", b"application/json")),
            body,
        )

    def _id(self, kind: str, changing: bool, chance: Random) -> str:
        if changing:
            return chance.choice(self.instance.victims.get(kind) or [values.NIL])
        return self.instance.lasting.get(kind, values.NIL)

    def _in_path(self, name: str, changing: bool, chance: Random) -> str:
        if chance.random() < 0.9:
            return self._id(_NAMES[name], changing, chance)
        odd = chance.choice((values.text(chance), values.NIL, *values.URLS[:12]))[:2000]
        return quote(odd.encode("utf-8", "surrogatepass"), safe="")

    def _value(self, field: Field, changing: bool, chance: Random) -> Any:
        if field.name in _NAMES and chance.random() < 0.9:
            return self._id(_NAMES[field.name], changing, chance)
        if chance.random() < 0.8:
            return chance.choice(_SENSIBLE.get(field.name, ("a", "US", "!a", "~a", "!~a")))
        match chance.randrange(6):
            case 0:
                return chance.choice(values.NUMBERS)
            case 1:
                return chance.choice(values.TIMES)
            case 2:
                return chance.choice(values.ZONES)
            case 3:
                return values.deep(chance)
            case 4:
                return values.anything(chance)
            case _:
                return values.text(chance)

    def _ask(self, request: Request) -> bool:
        response = self.instance.wire.ask(request)
        judging.rest(request, response)
        return response.status == 200


def _changes(route: Route) -> bool:
    """Whether the route may change what its path names."""
    return route.method == "DELETE" or (route.method == "POST" and "{" in route.path)


def _given(field: Field, chance: Random) -> bool:
    return chance.random() < (0.97 if field.required else 0.2)


# Collecting has fuzzers of its own.
_ROUTES: Final = [route for route in TABLE if route.path not in ("/api/send", "/api/batch")]

"""The REST door: Umami v2's wire format as one table of routes.

It stands as a middleware in front of the other routes, because collecting cannot afford the layers between (a constant
answer: 20,000 times a second from here, 9,500 as a FastAPI route), and because the conventions of §1.1 (OPTIONS, 405, 308, headers on every answer) hold for all of
`/api`, known path or not.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import orjson
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app import auth as identity
from app import parameters
from app.context import ANONYMOUS, Ctx
from app.current import CURRENT
from app.errors import AppError, Denied, Hidden, NotFound, Unauthenticated
from app.headers import Headers, protecting
from app.settings import Settings
from rest_compat import (
    acquisition,
    auth,
    collect,
    conversions,
    errors,
    events,
    export,
    openapi,
    realtime,
    saved_reports,
    segments,
    sessions,
    stats,
    teams,
    tracker,
    usage,
    users,
    websites,
)
from rest_compat.deps import UNAUTHORIZED, Answer, Asked, Call, Gone, Route, Verb

GROUPS: Final[Mapping[str, Callable[[Settings], list[Route]]]] = {
    "Collecting": collect.routes,
    "Access": auth.routes,
    "Users": users.routes,
    "Teams": teams.routes,
    "Websites": websites.routes,
    "Statistics": stats.routes,
    "Events": events.routes,
    "Export": export.routes,
    "Sessions": sessions.routes,
    "Realtime": realtime.routes,
    "Segments": segments.routes,
    "Reports": lambda settings: [*acquisition.routes(settings), *conversions.routes(settings)],
    "Saved reports": saved_reports.routes,
    "Usage": usage.routes,
    "Tracker": tracker.routes,
}

_NO_BODY: Final = frozenset({204, 304})

Endpoint = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Resource:
    """One path: what answers each method."""

    endpoints: Mapping[str, Endpoint]
    allow: bytes
    route: str  # the path's template, without the base path
    api: bool  # whether the headers of §1.1 go on its answers


class RestDoor:
    """ASGI middleware: answers the paths of the table and everything else under `/api`, lets other paths through."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._root = f"{settings.base_path}/api"
        self._exact: dict[str, Resource] = {}
        self._patterns: list[tuple[re.Pattern[str], Resource]] = []
        self._always: Headers = ((b"access-control-allow-origin", b"*"), *protecting(settings))
        api: Headers = (
            *self._always,
            (b"access-control-allow-headers", b"*"),
            (b"access-control-allow-methods", b"GET, DELETE, POST, PUT"),
            (b"access-control-max-age", str(settings.cors_max_age).encode()),
        )
        self._api_headers: Headers = (*api, (b"cache-control", b"no-cache"))
        self._secret_headers: Headers = (*api, (b"cache-control", b"no-store"))
        self._add(settings)

    def _add(self, settings: Settings) -> None:
        by_path: dict[str, list[Route]] = {}
        for route in table(settings):
            by_path.setdefault(route.path, []).append(route)
        for path, routes in by_path.items():
            resource = _resource(routes, settings)
            full = settings.base_path + path
            if "{" in full:
                self._patterns.append((_pattern(full), resource))
            else:
                self._exact[full] = resource
        if settings.collect_api_endpoint:
            self._exact[settings.base_path + settings.collect_api_endpoint] = self._exact[
                f"{self._root}/send"
            ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        names: dict[str, str] = {}
        resource = self._exact.get(path)
        if resource is None:
            if not self._serves(path):
                return await self._app(scope, receive, send)
            resource, names = self._find(path)
        try:
            answer = await self._answer(resource, Call(scope, receive, names))
        except Gone:
            return None
        return await self._send(answer, resource is None or resource.api, scope["method"], send)

    def _serves(self, path: str) -> bool:
        """Whether a path that is none of the literal ones is the door's all the same."""
        below = path == self._root or path.startswith(f"{self._root}/")
        return below or path.rstrip("/") in self._exact

    def _find(self, path: str) -> tuple[Resource | None, dict[str, str]]:
        for pattern, resource in self._patterns:
            if match := pattern.fullmatch(path):
                return resource, match.groupdict()
        return None, {}

    async def _answer(self, resource: Resource | None, call: Call) -> Answer:
        """Whatever happens, an answer in the documented shape."""
        method, path = call.scope["method"], call.scope["path"]
        current = CURRENT.get()
        if current is not None and resource is not None:
            current.route = resource.route
        if path.endswith("/"):
            return _redirect(path.rstrip("/"), call.scope["query_string"])
        if resource is None:
            return errors.answer(NotFound())
        endpoint = resource.endpoints.get(method)
        if endpoint is None:
            allow: Headers = ((b"allow", resource.allow),)
            return Answer(b"", 204, allow) if method == "OPTIONS" else Answer(b"", 405, allow, b"")
        try:
            return await endpoint(call)
        except AppError as error:
            return errors.answer(error)
        except Gone:
            raise
        except Exception:
            return errors.unexpected(resource.route)

    async def _send(self, answer: Answer, api: bool, method: str, send: Send) -> None:
        common = self._always if not api else self._secret_headers if answer.secret else self._api_headers
        headers = [*common, *answer.headers]
        if answer.content_type:
            headers.append((b"content-type", answer.content_type))
        if answer.status not in _NO_BODY:
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


def table(settings: Settings) -> list[Route]:
    """Every route of the door; the rows of literal paths go before those with names in them."""
    routes = [route for group in GROUPS.values() for route in group(settings)]
    return sorted(routes, key=lambda route: route.path.count("{"))


def mount_rest(app: FastAPI, settings: Settings) -> None:
    """Put the door in front of an application and its routes into the application's OpenAPI description."""
    app.add_middleware(RestDoor, settings=settings)
    described = {name: group(settings) for name, group in GROUPS.items()}
    openapi.extend(app, described, settings)


def _resource(routes: list[Route], settings: Settings) -> Resource:
    endpoints: dict[str, Endpoint] = {route.method: _endpoint(route, settings) for route in routes}
    if "GET" in endpoints:
        endpoints["HEAD"] = endpoints["GET"]
    allow = ", ".join(sorted({*endpoints, "OPTIONS"}))
    path = routes[0].path
    return Resource(endpoints, allow.encode(), path, path.startswith("/api/"))


def _endpoint(route: Route, settings: Settings) -> Endpoint:
    if route.verb is not None:
        return partial(_run, route, route.verb, settings.max_body_bytes)
    if route.raw is not None:
        return route.raw
    raise ValueError(f"{route.method} {route.path} has nothing to answer with")


async def _run(route: Route, verb: Verb, limit: int, call: Call) -> Answer:
    """Answer with a verb. What was sent is checked before who sent it (§1.2)."""
    values: dict[str, Any] = parameters.read(route.query, call.query()) if route.query else {}
    if route.body is not None:
        values |= parameters.read(route.body, await call.json(limit))
    asked = Asked(values, call.path, call.headers, call.caller)
    run = call.runtime.run_hashing if route.hashes else call.runtime.run
    try:
        return Answer(await run(ANONYMOUS, _operate, verb, asked, route.public), secret=route.secret)
    except AppError as error:
        # Who is not known at all is told no more than that, but for the routes that are for such.
        told = route.refusal if route.public or isinstance(error, Denied) else UNAUTHORIZED
        return errors.answer(error, told)


def _operate(ctx: Ctx, verb: Verb, asked: Asked, public: bool) -> bytes:
    """One operation, in a reader's thread: opening an encrypted token takes milliseconds the event loop has not."""
    ctx.actor = identity.identify(ctx.keys, asked.headers)
    try:
        return orjson.dumps(verb(ctx, asked))
    except Hidden:
        # Only an admin, who sees everything, is told that there is nothing to see.
        if public or (ctx.user is not None and ctx.user.is_admin):
            raise
        raise (Denied if ctx.user is not None else Unauthenticated) from None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", path)
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    )


def _redirect(path: str, query: bytes) -> Answer:
    # Encoded anew: a path ending in an encoded slash would otherwise lead to itself.
    location = quote(path, safe="/:@!$&'()*+,;=~").encode() + (b"?" + query if query else b"")
    return Answer(b"", 308, ((b"location", location),), b"")

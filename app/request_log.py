"""One line in the log for each request, and its id on the answer; latencies by route. Outermost of all that answers.

Hits, and what browsers ask beside them (the preflight of a hit, the tracker), come by the thousand a second and are
counted in `/metrics`: they have a line only when they fail, and then one a second that says how many there were.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

from app.current import CURRENT, Current, request_id

log = logging.getLogger("dashi.request")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# As other servers count those who hung up; and a socket that the other side closed.
_HUNG_UP: Final = 499
_CLOSED: Final = 1000
# Seconds between two lines about hits that failed with the same status.
_EVERY: Final = 1.0


class RequestLog:
    """ASGI middleware. `hits` are the paths that browsers of visitors ask for."""

    def __init__(self, app: App, hits: Collection[str], operations: Collection[str]) -> None:
        self._app = app
        self._hits = frozenset(hits)
        self._operations = frozenset(operations)
        self._failed: dict[int, tuple[float, int]] = {}  # status → (time of its last line, failures since)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        method: str = scope.get("method", "SOCKET")
        current = Current(request_id(given), method if method in _METHODS or method == "SOCKET" else "other")
        CURRENT.set(current)
        id_header = (b"x-request-id", current.id.encode())
        started = time.perf_counter()
        status, size = 0, 0

        async def sending(message: Message) -> None:
            nonlocal status, size
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], id_header]
            elif kind == "http.response.body":
                size += len(message.get("body", b""))
            elif kind == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), id_header]
            elif kind == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        try:
            return await self._app(scope, receive, sending)
        except BaseException:
            status = status or 500
            raise
        finally:
            # Who hung up got no answer. The code that a client closes its socket with is its own choice.
            status = status or (_CLOSED if method == "SOCKET" else _HUNG_UP)
            if scope["path"] in self._hits:
                if status >= 400:
                    self._hit_failed(current, status)
            else:
                self._told(scope, current, status, size, time.perf_counter() - started)

    def _told(self, scope: Message, current: Current, status: int, size: int, seconds: float) -> None:
        route = current.route = current.route or _matched(scope) or "(none)"
        metrics = getattr(scope["app"].state, "metrics", None)
        if metrics is not None:
            metrics.request(route, current.method, status, current.operation.partition(" ")[0], seconds)
        # Who looks after the process asks every few seconds.
        quiet = scope["path"] in self._operations and status < 400
        level = logging.DEBUG if quiet else logging.WARNING if 500 <= status < 1000 else logging.INFO
        if not log.isEnabledFor(level):
            return
        told = f"{current.operation} " if current.operation else ""
        log.log(
            level,
            "%s %s %s%d in %.1f ms, %d bytes",
            *(current.method, route, told, status, seconds * 1000, size),
            extra={
                "fields": {
                    "method": current.method,
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "bytes": size,
                }
            },
        )

    def _hit_failed(self, current: Current, status: int) -> None:
        now = time.monotonic()
        last, number = self._failed.get(status, (-_EVERY, 0))
        number += 1
        if now - last < _EVERY:
            self._failed[status] = (last, number)
            return
        self._failed[status] = (now, 0)
        level = logging.WARNING if status >= 500 else logging.INFO
        log.log(
            level,
            "%d hits were answered with %d since the last line about it",
            *(number, status),
            extra={"fields": {"method": current.method, "status": status, "hits": number}},
        )


def _matched(scope: Message) -> str:
    """The template of the path of whatever answered without telling its route; '' if nothing did."""
    if route := getattr(scope.get("route"), "path", ""):
        return str(route)
    if "endpoint" not in scope:
        return ""
    path: str = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(str(value), f"{{{name}}}")
    return path

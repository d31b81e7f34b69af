"""The server: both doors, the routes of who operates it, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Any, Final

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs, scrape
from app.context import SYSTEM, Ctx
from app.errors import AppError, Unavailable
from app.headers import Headers, protecting
from app.live.hub import Live
from app.request_log import RequestLog
from app.services import close_services, open_services
from app.settings import Settings
from graphql_schema.router import mount_graphql
from rest_compat.router import mount_rest

log = logging.getLogger("dashi")

# Seconds within which a process ends that is told to. Whoever told it waits for ten (Docker, for one).
_LONGEST_STOP: Final = 9.0
# So many are made before the youngest are looked through; Python's own 700 are made in a few ms of a question.
_YOUNG_OBJECTS: Final = 10_000


def create_app(settings: Settings | None = None) -> FastAPI:
    """The server as an ASGI application. Without settings they come from the environment."""
    if settings is None:  # a process of its own among several
        settings = Settings()
        logs.configure(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await asyncio.to_thread(open_services, settings)
        app.state.runtime, app.state.collector = services.runtime, services.collector
        app.state.metrics, app.state.live = services.metrics, services.live
        app.state.workers = services.workers
        try:
            with _stopping_with(services.live), _rarely_collected():
                yield
        finally:
            await asyncio.to_thread(close_services, services)

    app = Server(
        settings,
        title="Dashi",
        version=version("dashi-analytics"),
        summary="Web analytics, in Umami v2's wire format. The typed API is GraphQL, at /graphql.",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{settings.base_path}/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    _mount_operations(app, settings)
    mount_graphql(app, settings)
    headers = protecting(settings)
    app.add_middleware(Protected, headers=headers)
    app.add_exception_handler(Exception, _unexpected(headers))
    mount_rest(app, settings)
    return app


class Server(FastAPI):
    """FastAPI with the log of requests around all of it, what answers to unexpected errors included."""

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(**given)
        hits = ("/api/send", "/api/batch", settings.collect_api_endpoint)
        scripts = (f"/{name}" for name in settings.tracker_names)
        self._hits = [settings.base_path + path for path in (*hits, *scripts) if path]
        self._operations = [settings.base_path + path for path in ("/healthz", "/readyz", "/metrics")]

    def build_middleware_stack(self) -> ASGIApp:
        return RequestLog(super().build_middleware_stack(), self._hits, self._operations)


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """What is there by now stays to the end: it is not to be looked through for garbage again and again.

    That took a tenth of a second each time (200,000 objects, most of them the schema's and SQLAlchemy's), during which
    nobody was answered. What a question leaves behind is looked through less often too: hardly any of it is garbage.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _stopping_with(live: Live) -> Iterator[None]:
    """End what is pushed as soon as the process is told to stop: the server would wait for its streams to end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        _end_in_time()
        loop.call_soon_threadsafe(live.stop)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    handled = {which for which, handler in before.items() if callable(handler)}
    for which in handled:
        signal.signal(which, stop)
    try:
        yield
    finally:
        for which in handled:
            signal.signal(which, before[which])


def _end_in_time() -> None:
    """A store that hangs keeps no process from ending: what was acknowledged is in the journal, whatever else is not."""

    def end() -> None:
        log.warning(
            "what is under way takes too long to end; what is not in the event store waits in the journal"
        )
        os._exit(0)

    timer = threading.Timer(_LONGEST_STOP, end)
    timer.daemon = True
    timer.start()


class Protected:
    """Puts the protecting headers on every answer, as far as it does not say the same differently.

    The REST door stands before it and sends its own: what is the same for each hit is not to be put together again.
    """

    def __init__(self, app: ASGIApp, headers: Headers) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._missing(message["headers"])]
            await send(message)

        await self._app(scope, receive, send_protected if scope["type"] == "http" else send)

    def _missing(self, sent: Iterable[tuple[bytes, bytes]]) -> Headers:
        names = {name.lower() for name, _ in sent}
        if b"content-security-policy" in names:
            names.add(b"x-frame-options")  # a page's own policy says who may show it
        return tuple(header for header in self._headers if header[0] not in names)


def _unexpected(headers: Headers) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The answer to what nobody foresaw; it is sent from outside of all else, `Protected` too. The log has the story."""

    async def answer(request: Request, error: Exception) -> Response:
        named = {name.decode(): value.decode() for name, value in headers}
        return JSONResponse({"error": "Internal server error"}, 500, named)

    return answer


def _mount_operations(app: FastAPI, settings: Settings) -> None:
    base = settings.base_path
    if settings.graphiql:

        @app.get(base or "/", include_in_schema=False)
        async def root() -> RedirectResponse:
            return RedirectResponse(f"{base}/graphql")

    @app.get(f"{base}/healthz", include_in_schema=False)
    async def healthz() -> JSONResponse:
        return JSONResponse({"ok": True})

    @app.get(f"{base}/readyz", include_in_schema=False)
    async def readyz(request: Request) -> JSONResponse:
        """Whether a hit sent now would be written and counted, and a question answered."""
        state = request.app.state
        try:
            await state.collector.ready()
            await state.runtime.run(SYSTEM, _ping)
        except AppError as error:
            retry = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else None
            return JSONResponse({"ok": False, "reason": error.message}, error.status, retry)
        return JSONResponse({"ok": True})

    @app.get(f"{base}/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        try:
            scrape.check(settings, request.headers, request.client.host if request.client else "")
        except AppError as error:
            return PlainTextResponse(error.message, error.status)
        # Counting rows and reading what other processes wrote takes a moment that hits must not wait for.
        text = await asyncio.to_thread(request.app.state.workers.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _ping(ctx: Ctx) -> None:
    ctx.db.execute(sa.select(1))
    ctx.events.ping()

"""`/graphql` over HTTP and sockets.

Cross-site requests need no further defence: there are no cookies, the actor comes from headers alone, and a POST must be
`application/json`, which no form can send. So any origin may ask over HTTP (CORS), with the token it was given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import AsyncTextStream
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL

from app.settings import Settings
from graphql_schema import sse
from graphql_schema.context import Context, open_context
from graphql_schema.graphiql_page import graphiql_response, graphiql_routes
from graphql_schema.schema import make_schema
from graphql_schema.sockets import MOST_OPERATIONS, SocketHandler

_HANDSHAKE: Final = timedelta(seconds=10)
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
# `*` would not cover Authorization.
_PREFLIGHT: Final = {
    "Allow": "GET, OPTIONS, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, x-umami-api-key, x-umami-cache, x-umami-share-token",
    "Access-Control-Allow-Methods": "GET, POST",
}


def mount_graphql(app: FastAPI, settings: Settings) -> None:
    """Serve GraphQL, and GraphiQL if it is on, at `{BASE_PATH}/graphql`."""
    path = f"{settings.base_path}/graphql"
    view = GraphQLView(settings, path)
    app.router.routes.append(Route(path, view, include_in_schema=False))
    app.add_middleware(_SocketDoor, view=view, path=path)
    if settings.graphiql:
        app.router.routes.extend(graphiql_routes(path))


class _SocketDoor:
    """Leads sockets to the endpoint: on the way through FastAPI each would keep 4 KB of what it passed."""

    def __init__(self, app: ASGIApp, view: GraphQLView, path: str) -> None:
        self._app, self._view, self._path = app, view, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        to = self._view if scope["type"] == "websocket" and scope["path"] == self._path else self._app
        await to(scope, receive, send)


class _BoundedRequest(StarletteRequestAdapter):
    """A request whose body is read up to a limit."""

    async def get_body(self) -> bytes:
        most: int = self._request.app.state.runtime.settings.max_body_bytes
        body = bytearray()
        async for chunk in self._request.stream():
            body += chunk
            if len(body) > most:
                raise HTTPException(413, f"The request has more than {most} bytes")
        return bytes(body)


class GraphQLView(GraphQL[Context, None]):
    """The ASGI application of the endpoint."""

    request_adapter_class = _BoundedRequest
    graphql_transport_ws_handler_class = SocketHandler

    def __init__(self, settings: Settings, path: str) -> None:
        super().__init__(
            make_schema(settings),
            # The legacy protocol lets a client run operations before it has said who it is.
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=_HANDSHAKE,
            max_subscriptions_per_connection=MOST_OPERATIONS,
            graphql_ide="graphiql" if settings.graphiql else None,
        )
        self._path = path
        self._preflight = {**_PREFLIGHT, "Access-Control-Max-Age": str(settings.cors_max_age)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._respond(Request(scope, receive))
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            await response(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=self._preflight)
        try:
            return await self.run(request)
        except HTTPException as error:
            return _refusal(error)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return await open_context(request)

    async def on_ws_connect(self, context: Context) -> Any:
        await context.identify_socket()
        return await super().on_ws_connect(context)

    def should_render_graphql_ide(self, request: Any) -> bool:
        # Browsers name text/html; the `*/*` of other clients is no wish for a page.
        return (
            request.method == "GET"
            and "query" not in request.query_params
            and "text/html" in request.headers.get("accept", "")
        )

    async def render_graphql_ide(self, request: Request) -> Response:
        return graphiql_response(self._path)

    def parse_json(self, data: str | bytes) -> Any:
        parsed = super().parse_json(data)
        if parsed is not None and not isinstance(parsed, dict | list):
            raise HTTPException(400, "A JSON object is expected")
        return {} if parsed is None else parsed

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()  # text: a socket would send bytes as a binary frame

    def _stream_result(self, request: Request, result: Any, transport: Any) -> AsyncTextStream:
        def shown(one: Any) -> Awaitable[GraphQLHTTPResponse]:
            return self.process_result(request, one)

        return lambda: sse.events(result, shown, self.encode_json, transport)

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        return Response(orjson.dumps(response_data), media_type="application/json")


# What was not even a GraphQL request, by the status it is answered with.
_REFUSALS: Final[Mapping[int, str]] = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def _refusal(error: HTTPException) -> Response:
    code = _REFUSALS.get(error.status_code, "bad-request")
    extensions = {"code": code, "status": error.status_code}
    return Response(
        orjson.dumps({"errors": [{"message": error.reason, "extensions": extensions}]}),
        status_code=error.status_code,
        media_type="application/json",
        headers={"Allow": _PREFLIGHT["Allow"]} if error.status_code == 405 else None,
    )

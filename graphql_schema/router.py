"""`/graphql` over HTTP and sockets.

Cross-site requests need no further defence: there are no cookies, the actor comes from headers or a socket's first
message alone, and a POST must be `application/json`, which no form can send. So any origin may ask, with the token it was
given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException, StarletteRequestAdapter
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.streaming import AsyncTextStream, HTTPStreamTransport
from strawberry.http.types import QueryParams
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from app.current import CURRENT
from app.models import utc_now
from app.settings import Settings
from graphql_schema import caching, sse
from graphql_schema.context import Context, open_context
from graphql_schema.graphiql_page import graphiql_response, graphiql_routes
from graphql_schema.media import EVENT_STREAM, GRAPHQL_JSON, JSON, chosen_type, refused_with, retry_after
from graphql_schema.schema import make_schema
from graphql_schema.sockets import SocketHandler

_HANDSHAKE: Final = timedelta(seconds=10)
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Retry-After",
    "Cache-Control": "no-store",
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


class _Refused(HTTPException):
    """What is no GraphQL request, with the part at fault."""

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(400, reason)
        self.field = field


class _SocketDoor:
    """Leads sockets to the endpoint: on the way through FastAPI each would keep 4 KB of what it passed."""

    def __init__(self, app: ASGIApp, view: GraphQLView, path: str) -> None:
        self._app, self._view, self._path = app, view, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        to = self._view if scope["type"] == "websocket" and scope["path"] == self._path else self._app
        await to(scope, receive, send)


class _BoundedRequest(StarletteRequestAdapter):
    """A request whose body is read once and up to a limit."""

    body: bytes | None = None

    async def get_body(self) -> bytes:
        if self.body is None:
            self.body = await self._read()
        return self.body

    async def _read(self) -> bytes:
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
        schema = make_schema(settings)
        super().__init__(
            schema,
            # The legacy protocol lets a client run operations before it has said who it is.
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=_HANDSHAKE,
            # As over HTTP: a browser sends nothing of its own along that would prove anything.
            allowed_origins=["*"],
            graphql_ide="graphiql" if settings.graphiql else None,
        )
        self._path = path
        self._frames = settings.allowed_frame_urls
        self._types = schema._schema
        self._preflight = {**_PREFLIGHT, "Access-Control-Max-Age": str(settings.cors_max_age)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        current = CURRENT.get()
        if current is not None:
            current.route = "/graphql"
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
            response = await self.run(request)
        except HTTPException as error:
            response = _refusal(error)
        except ClientDisconnect:
            return Response(status_code=400)  # who sent half a request is gone, and nobody reads this
        if response.media_type == JSON:
            _as_accepted(request, response)
            if seconds := getattr(request.state, "retry_after", None):
                response.headers["Retry-After"] = str(seconds)
        return _kept(request, response)

    async def execute_operation(  # type: ignore[override]  # what strawberry calls it with, and no batches
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData,
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        result = await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )
        if (
            request.method == "GET"
            and isinstance(result, ExecutionResult)
            and not result.errors
            and context.document is not None
            and caching.is_closed(self._types, context.document, request_data.variables or {}, utc_now())
        ):
            request.state.tag = caching.tag_of(result.data)
        return result

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        answer = await super().process_result(request, result)
        if (status := refused_with(result)) is not None:
            # By the specification there is no data then, not even null.
            del answer["data"]
            request.state.refused = status
        request.state.retry_after = retry_after(result)
        return answer

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        data = await super().parse_http_body(request)
        if isinstance(data, list):
            raise HTTPException(400, "Batching is not enabled")
        if not isinstance(data.operation_name, str | None):
            raise _Refused("operationName must be a text or null", "operationName")
        if data.query:
            return data
        given = request.query_params if request.method == "GET" else self.parse_json(await request.get_body())
        if "documentId" not in given:
            return data
        return replace(data, extensions={**(data.extensions or {}), "documentId": given["documentId"]})

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
        return graphiql_response(self._path, self._frames)

    def parse_json(self, data: str | bytes) -> Any:
        parsed = super().parse_json(data)
        if parsed is not None and not isinstance(parsed, dict | list):
            raise HTTPException(400, "A JSON object is expected")
        return {} if parsed is None else parsed

    def _get_stream_transport_from_headers(self, headers: Mapping[str, str]) -> HTTPStreamTransport | None:
        # Some clients name the stream last in whatever they ask, a query too.
        if chosen_type(headers.get("accept", "")) != EVENT_STREAM:
            return None
        return super()._get_stream_transport_from_headers(headers)

    def parse_query_params(self, params: QueryParams) -> dict[str, Any]:
        parsed: dict[str, Any] = dict(params)
        for name in ("variables", "extensions"):
            if parsed.get(name):
                parsed[name] = self._json_parameter(name, parsed[name])
            elif name in parsed:
                parsed[name] = None
        return parsed

    def _json_parameter(self, name: str, text: str) -> Any:
        try:
            value = self.decode_json(text)
        except orjson.JSONDecodeError:
            raise _Refused(f"The parameter {name} is no JSON", name) from None
        if value is not None and not isinstance(value, dict):
            raise _Refused(f"The parameter {name} must be a JSON object", name)
        return value

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
        return Response(orjson.dumps(response_data), media_type=JSON)


# What was not even a GraphQL request, by the status it is answered with.
_REFUSALS: Final[Mapping[int, str]] = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


# Strawberry's words → ones that say what to do.
_CLEARER: Final[Mapping[str, str]] = {
    "Unsupported content type": "Send JSON, with `Content-Type: application/json`"
}


def _refusal(error: HTTPException) -> Response:
    allowed = _PREFLIGHT["Allow"]
    status = error.status_code
    cause = error.__cause__
    if isinstance(cause, InvalidOperationTypeError) and cause.operation_type is OperationType.MUTATION:
        # The operation is fine, the method is not: following a link must change nothing.
        status, allowed = 405, "OPTIONS, POST"
    extensions: dict[str, Any] = {"code": _REFUSALS.get(status, "bad-request"), "status": status}
    if isinstance(error, _Refused):
        extensions["field"] = error.field
    reason = _CLEARER.get(error.reason, error.reason)
    return Response(
        orjson.dumps({"errors": [{"message": reason, "extensions": extensions}]}),
        status_code=status,
        media_type=JSON,
        headers={"Allow": allowed} if status == 405 else None,
    )


def _as_accepted(request: Request, response: Response) -> None:
    """Answer in the media type that was asked for; the newer one says by its status that nothing was executed."""
    wanted = chosen_type(request.headers.get("accept", ""))
    if wanted == GRAPHQL_JSON:
        response.headers["Content-Type"] = f"{wanted}; charset=utf-8"
        response.status_code = getattr(request.state, "refused", response.status_code)


def _kept(request: Request, response: Response) -> Response:
    """The answer with its tag, if it has one; without a body if the client has it already."""
    tag = getattr(request.state, "tag", None)
    if tag is None:
        return response
    headers = {**caching.HEADERS, "ETag": tag}
    if caching.holds(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response

"""What a route is and what it is given: the request as read, the answer as bytes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from starlette.types import Receive, Scope

from app.context import Ctx, Runtime
from app.errors import AppError, Hidden, Malformed
from app.headers import Headers
from app.ingest.collect import Collector
from app.parameters import Field
from app.proxies import joined

JSON: Final = b"application/json"
UNAUTHORIZED: Final = "Unauthorized"
# The answer to what has nothing to return.
OK: Final[dict[str, object]] = {"ok": True}


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. `content_type` b'' sends no such header."""

    body: bytes
    status: int = 200
    headers: Headers = ()
    content_type: bytes = JSON
    secret: bool = False


def json_answer(value: object, status: int = 200, headers: Headers = ()) -> Answer:
    return Answer(orjson.dumps(value), status, headers)


class TooLarge(AppError):
    code, status, default = "too-large", 413, "Request body too large"


class Gone(Exception):
    """The sender hung up before its body had come; nobody is left to answer."""


class Call:
    """One HTTP request, of which nothing is read before it is needed."""

    def __init__(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> None:
        self.scope = scope
        self.path = path  # the parts that the route's path names, percent-decoded
        self._receive = receive

    @cached_property
    def headers(self) -> dict[str, str]:
        """Lower-case names, latin-1 texts. A repeated header is joined by commas, so that the first entry stays first."""
        return joined(self.scope["headers"])

    @property
    def peer(self) -> str:
        """The socket's address, '' where there is none (a Unix socket)."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def caller(self) -> str:
        """The address that limits go by."""
        return self.runtime.proxies.caller(self.headers, self.peer)

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.scope["app"].state.runtime
        return runtime

    @property
    def collector(self) -> Collector:
        collector: Collector = self.scope["app"].state.collector
        return collector

    def query(self) -> dict[str, str]:
        """The query string's parameters; of a repeated one the last (Umami v2 REST behaviour §1.1)."""
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    async def json(self, limit: int) -> object:
        """The body, whatever content type it claims. Raises TooLarge above `limit` bytes, Malformed if it is no JSON."""
        return parse_json(await self._body(limit))

    async def _body(self, limit: int) -> bytes:
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body") and size <= limit:
                message = await self._receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        if message["type"] == "http.disconnect":
            raise Gone
        if len(body) > limit:
            raise TooLarge
        return body


def parse_json(body: bytes) -> object:
    """JSON as a JavaScript server reads it. Raises Malformed without problems for anything else.

    The fast parser refuses lone surrogates, byte order marks and bytes that are no UTF-8, which browsers do send (a
    title cut inside an emoji, for one): those go through the lenient one.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Malformed([]) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route's function is given: parameters as its tables read them, names from its path, headers, and the
    address that limits go by."""

    params: Mapping[str, Any]
    path: Mapping[str, str]
    headers: Mapping[str, str]
    caller: str = ""

    def id(self, name: str) -> UUID:
        """An id from the path. A text that is no UUID is the id of nothing: Hidden."""
        try:
            return UUID(self.path[name])
        except ValueError:
            raise Hidden from None

    def text(self, name: str) -> str:
        """A text from the path. With a NUL, which PostgreSQL refuses to compare, it is the name of nothing: Hidden."""
        if "\0" in self.path[name]:
            raise Hidden
        return self.path[name]


Verb = Callable[[Ctx, Asked], object]
Raw = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table of routes: it is parsed, answered and described from this alone.

    Exactly one of `verb` (runs as one operation, its result becomes JSON) and `raw` (answers by itself) is given.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str  # below the base path; {name} stands for one segment
    summary: str
    verb: Verb | None = None
    raw: Raw | None = None
    query: tuple[Field, ...] = ()
    body: tuple[Field, ...] | None = None  # None: no body is read
    example: object = None  # of the answer 200
    request_example: object = None
    request_schema: Mapping[str, Any] | None = None  # of the body, where `raw` reads it itself
    public: bool = False  # asks for no token, and does not hide what is not found
    hashes: bool = False  # whether a password is hashed
    secret: bool = False  # whether the answer holds a token, which nobody is to keep
    refusal: str = UNAUTHORIZED  # said to those who may not
    media_type: str = "application/json"
    also: Mapping[int, object] | None = None  # examples of further answers, by status

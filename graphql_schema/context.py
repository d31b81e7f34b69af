"""What every resolver finds in `info.context`: who asks, from where, and the one way into the core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Concatenate, Final, ParamSpec, TypeVar

import strawberry
from graphql import DocumentNode
from starlette.requests import HTTPConnection

from app import auth
from app.context import ANONYMOUS, Actor, Ctx, Runtime
from app.errors import TooMany
from app.ingest.collect import Collector, Request
from app.live.hub import Live
from app.proxies import joined
from app.security import Keys
from graphql_schema.loaders import Loaders
from graphql_schema.together import Figures, Scopes, figures, scopes

P = ParamSpec("P")
T = TypeVar("T")

MAX_LOGINS: Final = 3
# What an actor is known by.
_CREDENTIALS: Final = ("authorization", "x-umami-api-key", "x-umami-share-token")


@dataclass
class Context:
    """One HTTP request or one socket connection. Holds no session: each `run` is an operation of its own, so sibling
    fields that resolve at the same time never share one across threads."""

    runtime: Runtime
    collector: Collector
    live: Live
    request: Request
    actor: Actor
    connection_params: dict[str, object] | None = None  # set by the socket protocol on connection_init
    logins: int = 0  # passwords tried so far by this request or socket
    document: DocumentNode | None = None  # of the latest operation, once it was found valid

    # Made when they are needed: a socket that only follows needs none, and keeps what it has for hours.
    @cached_property
    def loaders(self) -> Loaders:
        return Loaders(self.run)

    @cached_property
    def scopes(self) -> Scopes:
        return scopes(self.runtime)

    @cached_property
    def figures(self) -> Figures:
        return figures(self.runtime)

    async def run(self, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one verb of the core as the actor who asks."""
        return await self.runtime.run(self.actor, verb, *args, **kwargs)

    async def run_hashing(
        self, verb: Callable[Concatenate[Ctx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `run`, for verbs that hash a password."""
        return await self.runtime.run_hashing(self.actor, verb, *args, **kwargs)

    @property
    def caller(self) -> str:
        """The address that limits go by."""
        return self.runtime.proxies.caller(self.request.headers, self.request.peer)

    def count_login(self) -> None:
        """To be called before a password is tried. Raises TooMany when the request has tried enough of them.

        Each costs a tenth of a second by design, and aliases would try a list of passwords in one request.
        """
        self.logins += 1
        if self.logins > MAX_LOGINS:
            raise TooMany(f"A request may try {MAX_LOGINS} passwords")

    async def identify_socket(self) -> None:
        """Take the actor from `connection_init`: browsers cannot set headers on a socket."""
        params = self.connection_params or {}
        headers = {name.lower(): value for name, value in params.items() if isinstance(value, str)}
        if _names_someone(headers):
            self.actor = await _identify(self.runtime.keys, headers)
            # Hits sent over the socket are the key's too.
            known = {name: headers.get(name, "") for name in _CREDENTIALS}
            self.request = replace(self.request, headers={**self.request.headers, **known})


Info = strawberry.Info[Context, None]


async def open_context(connection: HTTPConnection) -> Context:
    """The context of a request or socket handshake."""
    state = connection.app.state
    runtime: Runtime = state.runtime
    headers = joined(connection.headers.raw)
    peer = connection.client.host if connection.client else ""
    actor = await _identify(runtime.keys, headers)
    return Context(runtime, state.collector, state.live, Request(headers, peer), actor)


def _names_someone(headers: Mapping[str, str]) -> bool:
    return any(name in headers for name in _CREDENTIALS)


async def _identify(keys: Keys, headers: Mapping[str, str]) -> Actor:
    if not _names_someone(headers):
        return ANONYMOUS
    # An encrypted token takes milliseconds to open the first time; the event loop must not wait for that.
    return await asyncio.to_thread(auth.identify, keys, headers)

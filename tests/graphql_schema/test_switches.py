"""Introspection and GraphiQL switched off: through HTTP, sockets and server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.settings import Settings
from graphql_schema.graphiql_page import assets
from tests.following import socket, stream
from tests.server import Server, running

SCHEMA = "{ __schema { types { name } } }"
TYPE = '{ __type(name: "User") { fields { name } } }'
HIDDEN = 'query { version me { id ... on User { __typename } } ...f } fragment f on Query { a: __type(name: "User") { name } }'


@pytest.fixture(scope="module")
def closed(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    with running(make_settings("duckdb", introspection=False, graphiql=False)) as started:
        yield started


def by_post(server: Server, query: str) -> Any:
    return server.client.post("/graphql", json={"query": query}).json()


def by_get(server: Server, query: str) -> Any:
    return server.client.get("/graphql", params={"query": query}).json()


def by_socket(server: Server, query: str) -> Any:
    with socket(server.url) as opened:
        opened.subscribe(query)
        message = opened.message()
    return message["payload"] if message["type"] == "next" else {"errors": message["payload"]}


def by_sse(server: Server, query: str) -> Any:
    with stream(server.url, query) as pushed:
        return next(pushed)[1]


WAYS = [by_post, by_get, by_socket, by_sse]


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("query", [SCHEMA, TYPE, HIDDEN])
def test_the_schema_is_not_told(closed: Server, live: Server, ask: Callable[..., Any], query: str) -> None:
    answer = ask(closed, query)
    assert answer.get("data") is None
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"graphql-validation"}
    assert "User" not in str(ask(closed, SCHEMA))
    # Where it is on, every way tells it.
    assert "errors" not in ask(live, query)


@pytest.mark.parametrize("ask", WAYS)
def test_names_of_types_are_still_told(closed: Server, ask: Callable[..., Any]) -> None:
    """Clients that keep what they were answered ask for them everywhere."""
    assert ask(closed, "{ __typename }")["data"] == {"__typename": "Query"}


@pytest.mark.parametrize(
    "query",
    [
        "{ usr { id } }",
        "{ website(idd: 1) { id } }",
        'mutation { createWebsite(input: {nam: "n", domain: "d"}) { id } }',
        'mutation { createApiKey(input: {name: "n", scopes: [REED]}) { secret } }',
        "query($a: Usr) { version }",
        "{ version @skp(if: true) }",
        "{ ...frag } fragment fragg on Query { version }",
        "{ me { ... on Usr { id } } }",
    ],
)
def test_no_suggestion_tells_what_there_is(closed: Server, live: Server, query: str) -> None:
    assert "Did you mean" not in str(by_post(closed, query)["errors"])
    assert by_post(live, query)["errors"]


def test_there_is_no_page(closed: Server, live: Server) -> None:
    paths = ["/graphql", *(f"/graphql/assets/{asset.name}" for asset in assets().values())]
    for path in paths:
        shown = live.client.get(path, headers={"accept": "text/html"})
        hidden = closed.client.get(path, headers={"accept": "text/html"})
        assert (shown.status_code, hidden.status_code) == (200, 404)
    root = closed.client.get("/")
    assert root.status_code == 404
    assert live.client.get("/").headers["location"] == "/graphql"

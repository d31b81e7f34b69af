"""GraphQL over server-sent events, one operation for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from strawberry.http.streaming import SSETransport

from graphql_schema import sse
from tests.following import PATIENCE, events, eventually, stream
from tests.graphql_schema.test_subscriptions import ACTIVE, EVENTS, NOT_FOUND, UNAUTHENTICATED, ago, live_of
from tests.populate import A, populate, view
from tests.server import Server

ASKING = {"accept": "text/event-stream"}


def test_a_subscription(server: Server, website: str) -> None:
    with stream(server.url, ACTIVE, {"w": website}, server.admin) as told:
        assert next(told) == ("next", {"data": {"activeVisitors": 0}})
        populate(server, website, [view(A, ago())])
        assert next(told) == ("next", {"data": {"activeVisitors": 1}})
    eventually(lambda: live_of(server).count == 0, "who went away is still followed for")


def test_the_stream_says_that_it_is_one(server: Server, website: str) -> None:
    with server.client.stream(
        "POST",
        "/graphql",
        json={"query": ACTIVE, "variables": {"w": website}},
        headers={**ASKING, **server.admin, "origin": "https://charts.example"},
    ) as answer:
        names = ("content-type", "cache-control", "x-accel-buffering", "access-control-allow-origin")
        assert [answer.headers.get(name) for name in names] == [
            "text/event-stream",
            "no-cache, no-transform",
            "no",
            "*",
        ]


def test_by_get_as_an_event_source_asks(server: Server, website: str) -> None:
    populate(server, website, [view(A, ago())])
    asked = {"query": ACTIVE, "variables": orjson.dumps({"w": website}).decode()}
    with httpx.stream(
        "GET", f"{server.url}/graphql", params=asked, headers={**ASKING, **server.admin}, timeout=PATIENCE
    ) as answer:
        assert next(events(answer.iter_lines())) == ("next", {"data": {"activeVisitors": 1}})


def test_queries_come_that_way_too(server: Server) -> None:
    with stream(server.url, "{ websites { nodes { id } } }") as told:
        [(name, result), end] = list(told)
    assert (name, end) == ("next", ("complete", None))
    assert result["errors"][0]["extensions"] == UNAUTHENTICATED
    with stream(server.url, "{ __typename }") as told:
        cost = {"cost": {"requested": 1, "actual": 1}}
        answer = {"data": {"__typename": "Query"}, "extensions": cost}
        assert list(told) == [("next", answer), ("complete", None)]


def test_nothing_is_changed_by_get(server: Server) -> None:
    count = "{ websites { totalCount } }"
    before = server.graphql(count)
    query = 'mutation { createWebsite(input: {name: "N", domain: "d"}) { id } }'
    with httpx.stream(
        "GET", f"{server.url}/graphql", params={"query": query}, headers={**ASKING, **server.admin}
    ) as answer:
        [(name, result), end] = list(events(answer.iter_lines()))
    assert (name, end) == ("next", ("complete", None))
    assert result["errors"] == [
        {
            "message": "mutations are not allowed",
            "extensions": {"code": "bad-request", "status": 400},
        }
    ]
    assert server.graphql(count) == before


@pytest.mark.parametrize(
    ("query", "variables", "extensions"),
    [
        (ACTIVE, {"w": "nope"}, NOT_FOUND),
        (EVENTS, {"where": {"path": {"eq": None}}}, {"code": "invalid", "status": 400, "field": "path"}),
        ("", {}, {"code": "bad-request", "status": 400}),
        ("subscription {", {}, {"code": "graphql-syntax", "status": 400}),
        ("subscription { nope }", {}, {"code": "graphql-validation", "status": 400}),
    ],
)
def test_what_is_refused(
    server: Server, website: str, query: str, variables: dict[str, Any], extensions: dict[str, Any]
) -> None:
    with stream(server.url, query, {"w": website, **variables}, server.admin) as told:
        [(name, result), end] = list(told)
    assert (name, end) == ("next", ("complete", None))
    assert [error["extensions"] for error in result["errors"]] == [extensions]
    assert live_of(server).count == 0


def test_what_is_no_request_is_answered_as_ever(server: Server) -> None:
    for content, status in ((b"{", 400), (b"[]", 400), (b" " * (1 << 20) + b"{}", 413)):
        answer = server.client.post(
            "/graphql", content=content, headers={**ASKING, "content-type": "application/json"}
        )
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.json()["errors"][0]["extensions"]["status"] == status


async def written(results: AsyncIterator[Any], keep_alive: float) -> list[str]:
    async def shown(result: Any) -> Any:
        return result

    encode = lambda data: orjson.dumps(data).decode()  # noqa: E731
    return [text async for text in sse.events(results, shown, encode, SSETransport(), keep_alive)]


def test_a_comment_keeps_a_silent_stream_alive() -> None:
    async def results() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}
        await asyncio.sleep(0.3)
        yield {"n": 2}

    first, *silence, second, end = asyncio.run(written(results(), 0.1))
    assert (first, second) == (
        'event: next\r\ndata: {"n":1}\r\n\r\n',
        'event: next\r\ndata: {"n":2}\r\n\r\n',
    )
    assert set(silence) == {": \r\n\r\n"}
    assert end == "event: complete\r\ndata: \r\n\r\n"


def test_when_the_server_stops_a_stream_ends_without_being_complete() -> None:
    async def results() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}
        raise asyncio.CancelledError

    assert asyncio.run(written(results(), 5)) == ['event: next\r\ndata: {"n":1}\r\n\r\n']

"""`graphql-ws` and `graphql-sse`, as a page uses them: each subscription, what is refused, and leaving."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Running
from tests.clients.install import npm
from tests.following import eventually
from tests.graphql_schema.test_subscriptions import ACTIVE, DAY, EVENTS, TOTALS, ago, live_of
from tests.populate import A, happening, populate, view
from tests.server import Server

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def installed(cache: Path) -> Path:
    """The clients with `run.mjs` beside them. Skips without Node and npm, but CI must have them."""
    return npm(cache, "live", HERE, "run.mjs")


@pytest.fixture(scope="module", params=["graphql-ws", "graphql-sse"])
def client(request: pytest.FixtureRequest, installed: Path, live: Server) -> Iterator[Running]:
    running = Running(["node", installed / "run.mjs", request.param, live.url], os.environ)
    yield running
    running.close()


@pytest.fixture
def site(live: Server) -> str:
    return live.create_website()


@pytest.fixture
def follow(live: Server, client: Running) -> Iterator[Callable[..., int]]:
    """`follow(query, variables)`: the id of a subscription, which is left after the test."""
    followed: list[int] = []

    def begin(query: str, headers: dict[str, str] | None = None, **variables: Any) -> int:
        given = live.admin if headers is None else headers
        followed.append(client.call("follow", query, variables, given))
        return followed[-1]

    yield begin
    for one in followed:
        client.call("leave", one)
    eventually(lambda: live_of(live).count == 0, "who left is still followed for")


def test_active_visitors(live: Server, client: Running, site: str, follow: Callable[..., int]) -> None:
    mine = follow(ACTIVE, w=site)
    assert client.call("next", mine) == {"data": {"activeVisitors": 0}}
    populate(live, site, [view(A, ago())])
    assert client.call("next", mine) == {"data": {"activeVisitors": 1}}


def test_live_totals(live: Server, client: Running, site: str, follow: Callable[..., int]) -> None:
    mine = follow(TOTALS % "visitors events", w=site, period=DAY, where={"country": {"eq": "US"}})
    assert client.call("next", mine) == {"data": {"liveTotals": {"visitors": 0, "events": 0}}}
    populate(live, site, [view(A, "2026-11-10 10:00:00")])
    assert client.call("next", mine) == {"data": {"liveTotals": {"visitors": 1, "events": 0}}}


def test_events(live: Server, client: Running, site: str, follow: Callable[..., int]) -> None:
    mine = follow(EVENTS, w=site, where={"event": {"eq": "signup"}})
    eventually(lambda: live_of(live).following and live_of(live).count == 1, "nothing is followed")
    populate(live, site, [view(A, ago()), happening(A, ago(), "/join", "signup")])
    told = {"missed": 0, "events": [{"path": "/join", "name": "signup"}]}
    assert client.call("next", mine) == {"data": {"events": told}}


def test_a_query(client: Running, follow: Callable[..., int]) -> None:
    mine = follow("{ __typename }", {})
    cost = {"requested": 1, "actual": 1}
    assert client.call("next", mine) == {"data": {"__typename": "Query"}, "extensions": {"cost": cost}}
    assert client.call("next", mine) == "complete"


def test_what_is_refused_has_a_code(client: Running, site: str, follow: Callable[..., int]) -> None:
    mine = follow(ACTIVE, {}, w=site)
    result = client._ask("next", (mine,))
    # Before anything was pushed a socket has a message of its own for it; a stream has results alone.
    errors = json.loads(result["threw"]) if "threw" in result else result["gave"]["errors"]
    assert [error["extensions"] for error in errors] == [{"code": "unauthenticated", "status": 401}]


def test_what_ends_while_it_runs(
    live: Server, client: Running, site: str, follow: Callable[..., int]
) -> None:
    mine = follow(ACTIVE, w=site)
    assert client.call("next", mine) == {"data": {"activeVisitors": 0}}
    live.client.delete(f"/api/websites/{site}", headers=live.admin)
    [error] = client.call("next", mine)["errors"]
    assert error["extensions"] == {"code": "not-found", "status": 404}
    assert client.call("next", mine) == "complete"

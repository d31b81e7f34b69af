"""What an operation costs is said, taken, given back and refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from graphql import GraphQLError
from strawberry.types import ExecutionResult

from app.settings import Settings
from graphql_schema.media import GRAPHQL_JSON, JSON, retry_after
from tests.following import stream
from tests.graphql_schema.statements import statements
from tests.graphql_schema.test_http import socket, talk
from tests.keys import make_key
from tests.populate import A, B, happening, view
from tests.server import Server, running

RATE = "{ rateLimit { cost limit remaining refill resetAt } }"
CHANNELS = "query($id: ID!, $p: PeriodInput!) { website(id: $id) { analytics(period: $p) { channels { channel } } } }"
SITES = "{ websites(first: %d) { nodes { analytics(period: { all: true }) { breakdown(by: [PATH]) { nodes { values } } } } } }"

# 245 points, all of them needed, though it changes nothing.
HEAVY = f"""mutation {{ {" ".join(f'a{i}: revokeShare(id: "x") {{ id }}' for i in range(49))} }}"""


@pytest.fixture(scope="module")
def small(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server that allows 300 points for an operation and 1,000 for a caller, who waits minutes for more."""
    settings = make_settings(
        "duckdb",
        graphql_max_cost=300,
        graphql_bucket_size=1000,
        graphql_bucket_refill=1,
        client_ip_header="x-real-ip",
    )
    with running(settings) as started:
        yield started


def cost(answer: dict[str, Any]) -> tuple[int, int]:
    told = answer["extensions"]["cost"]
    assert set(told) == {"requested", "actual"}
    return told["requested"], told["actual"]


def error(answer: dict[str, Any]) -> dict[str, Any]:
    [found] = answer["errors"]
    extensions: dict[str, Any] = found["extensions"]
    return extensions


def ask(server: Server, query: str, address: str) -> dict[str, Any]:
    """Ask as nobody, from an address."""
    return server.graphql(query, headers={"x-real-ip": address})


def test_every_answer_says_what_it_cost(server: Server, website: str, populate: Any) -> None:
    # Two days with events; 40 days are asked for, and all time.
    populate(
        website, [view(A, "2026-11-10 10:00:00"), view(B, "2026-11-11 10:00:00"), happening(B, "2026-11-11 10:01:00", "/", "x")]
    )  # fmt: skip
    days = {"start": "2026-10-03", "end": "2026-11-11"}
    assert cost(server.graphql(CHANNELS, {"id": website, "p": days})) == (5 + 2 * 5, 5 + 2 * 5)
    assert cost(server.graphql(CHANNELS, {"id": website, "p": {"all": True}})) == (5 + 37 * 5, 5 + 5)
    values = "query($id: ID!) { website(id: $id) { values(field: PATH) { value } } }"
    assert cost(server.graphql(values, {"id": website})) == (1 + 3 + 37 + 1, 1 + 3 + 1 + 1)
    events = "query($id: ID!) { website(id: $id) { analytics(period: {all: true}) { events(first: 100) { nodes { id } } } } }"
    assert cost(server.graphql(events, {"id": website})) == (2 + 3 + 37 + 10, 2 + 3 + 1 + 1)


def test_of_what_failed_the_cost_is_said_too(live: Server) -> None:
    assert cost(live.graphql("{")) == (0, 0)
    assert cost(live.graphql("{ nope }")) == (0, 0)
    assert cost(live.graphql("query($n: Int!) { websites(first: $n) { totalCount } }", {"n": "x"})) == (0, 0)
    assert cost(live.graphql('{ website(id: "nope") { activeVisitors } }')) == (3, 1)
    assert cost(live.graphql('mutation { deleteTeam(id: "nope") { id } }')) == (5, 5)
    assert cost(live.graphql("{ websites(first: 0) { totalCount } }")) == (1, 1)


def test_what_costs_too_much_is_refused_before_any_sql(small: Server) -> None:
    token = small.admin  # logging in is a statement
    with statements(small) as seen:
        answer = small.graphql(SITES % 10, headers=token)
    points = 1 + 1 + 10 * (1 + 3 + 6 * 37 + 1)
    assert error(answer) == {"code": "cost-limit", "status": 400, "cost": points, "limit": 300}
    assert answer["errors"][0]["message"] == f"The operation costs {points} points; at most 300 are allowed"
    assert "data" not in answer
    assert cost(answer) == (points, 0)
    assert seen == []
    with statements(small) as seen:
        assert "errors" not in small.graphql("{ websites { totalCount } }", headers=token)
    assert seen != []


def test_what_is_asked_is_taken_and_what_was_not_needed_given_back(small: Server) -> None:
    first = ask(small, RATE, "198.51.100.1")["data"]["rateLimit"]
    assert (first["cost"], first["limit"], first["refill"]) == (1, 1000, 1)
    assert first["remaining"] == 999
    # Of these 112 points 2 are needed: nobody has websites.
    asked = ask(small, "{ websites(first: 100) { nodes { shares { id } } } rateLimit { remaining cost } }", "198.51.100.1")  # fmt: skip
    assert asked["data"]["rateLimit"]["cost"] == 1 + 10 + 100
    assert asked["data"]["rateLimit"]["remaining"] in (888, 889)  # a point comes back every second
    assert cost(asked) == (111, 1)
    assert ask(small, RATE, "198.51.100.1")["data"]["rateLimit"]["remaining"] in range(995, 1000)


def test_all_points_are_back_at_the_time_that_is_told(small: Server) -> None:
    before = dt.datetime.now(dt.UTC)
    told = ask(small, "{ share(slug: \"nobodysslug\") { token } rateLimit { resetAt remaining } }", "198.51.100.2")  # fmt: skip
    missing = 1000 - told["data"]["rateLimit"]["remaining"]
    assert missing == 10
    reset = dt.datetime.fromisoformat(told["data"]["rateLimit"]["resetAt"])
    after = dt.datetime.now(dt.UTC)
    second = dt.timedelta(seconds=1)
    assert before + 10 * second - second / 1000 <= reset <= after + 10 * second


def drain(server: Server, address: str) -> dict[str, Any]:
    """Ask for what is really done until there is no more to have: the refusal."""
    for _ in range(10):
        answer = ask(server, HEAVY, address)
        if "data" not in answer:
            return answer
    raise AssertionError("never refused")


def test_who_asks_too_much_waits(small: Server) -> None:
    with statements(small) as seen:
        answer = drain(small, "198.51.100.3")
        asked = len(seen)
        again = ask(small, HEAVY, "198.51.100.3")  # fmt: skip
    refused = error(answer)
    assert refused | {"remaining": 0, "retryAfter": 0} == {
        "code": "rate-limit", "status": 429, "cost": 245, "limit": 1000, "remaining": 0, "retryAfter": 0,
    }  # fmt: skip
    assert 0 <= refused["remaining"] < 245
    assert refused["retryAfter"] in (245 - refused["remaining"], 244 - refused["remaining"])
    assert cost(answer) == (245, 0)
    assert error(again)["code"] == "rate-limit"
    assert len(seen) == asked
    # What is small still goes, and other addresses have their own; those of an IPv6 network share theirs.
    assert "errors" not in ask(small, "{ me { id } }", "198.51.100.3")
    assert error(drain(small, "2001:db8::1"))["code"] == "rate-limit"
    assert ask(small, RATE, "2001:db8::2")["data"]["rateLimit"]["remaining"] < 245
    assert ask(small, RATE, "2001:db8:0:1::1")["data"]["rateLimit"]["remaining"] == 999


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (GRAPHQL_JSON, 429)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_headers_say_too_how_long(small: Server, method: str, accept: str, status: int) -> None:
    headers = {"x-real-ip": "198.51.100.8", "accept": accept}
    drain(small, "198.51.100.8")
    asked = {"query": "{ websites(first: 100) { nodes { shares { id } } } }"}
    sent: dict[str, Any] = {"params": asked} if method == "GET" else {"json": asked}
    answer = small.client.request(method, "/graphql", headers=headers, **sent)
    assert (answer.status_code, error(answer.json())["code"]) == (status, "rate-limit")
    wait = error(answer.json())["retryAfter"]
    assert answer.headers["retry-after"] == str(wait)
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    # The headers of a stream are sent before the operation is priced.
    with stream(small.url, asked["query"], headers={"x-real-ip": "198.51.100.8"}) as pushed:
        assert error(next(pushed)[1])["retryAfter"] in (wait, wait - 1)  # a point comes back every second
    # Where there is nothing to wait for nothing is said.
    for query in ("{ me { id } }", "{ nope }"):
        told = small.client.post("/graphql", json={"query": query}, headers=headers)
        assert "retry-after" not in told.headers


def test_of_several_waits_the_longest_is_said() -> None:
    waits = (None, 5, 60, 1)
    errors = [GraphQLError("x", extensions={"retryAfter": wait} if wait else {}) for wait in waits]
    assert retry_after(ExecutionResult(data={"a": 1}, errors=errors)) == 60
    assert retry_after(ExecutionResult(data=None, errors=errors[:1])) is None
    assert retry_after(ExecutionResult(data={"a": 1}, errors=None)) is None


def test_addresses_that_nobody_vouches_for_are_not_believed(small: Server) -> None:
    one, other = ({"x-forwarded-for": f"203.0.113.{i}", "cf-connecting-ip": f"203.0.113.{i}"} for i in (1, 2))
    before = small.graphql(RATE, headers=one)["data"]["rateLimit"]["remaining"]
    small.graphql(HEAVY, headers=one)
    after = small.graphql(RATE, headers=other)["data"]["rateLimit"]["remaining"]
    assert after < before - 150  # a point comes back every second


def test_keys_have_buckets_of_their_own_unless_they_are_made_up(small: Server) -> None:
    drain(small, "198.51.100.4")
    real, made_up = make_key(small, "read").header, {"x-umami-api-key": "dashi_nonsense"}
    for headers, remaining in ((real, range(990, 1000)), (made_up, range(1, 245))):
        told = small.graphql(RATE, headers={**headers, "x-real-ip": "198.51.100.4"})
        assert told["data"]["rateLimit"]["remaining"] in remaining
    # The same key from elsewhere is the same caller.
    small.graphql(HEAVY, headers=real)
    assert (
        small.graphql(RATE, headers={**real, "x-real-ip": "198.51.100.5"})["data"]["rateLimit"]["remaining"]
        < 900
    )


def test_sockets_are_charged_from_the_same_bucket(small: Server) -> None:
    address = "198.51.100.6"
    init = {"type": "connection_init"}
    with socket(
        small, "graphql-transport-ws", headers={"x-real-ip": address, "user-agent": "t"}
    ) as connection:
        _, answered = talk(connection, init, {"id": "1", "type": "subscribe", "payload": {"query": HEAVY}})
    assert answered["payload"]["extensions"]["cost"] == {"requested": 245, "actual": 245}
    assert ask(small, RATE, address)["data"]["rateLimit"]["remaining"] in range(754, 900)
    drain(small, address)
    with socket(
        small, "graphql-transport-ws", headers={"x-real-ip": address, "user-agent": "t"}
    ) as connection:
        _, answered = talk(connection, init, {"id": "1", "type": "subscribe", "payload": {"query": HEAVY}})
    assert answered["type"] == "error"
    assert answered["payload"][0]["extensions"]["code"] == "rate-limit"


def test_two_operations_of_one_socket_each_have_their_own_meter(small: Server) -> None:
    init = {"type": "connection_init"}
    asks = [
        {"id": str(i), "type": "subscribe", "payload": {"query": f"{{ rateLimit {{ cost }} {more} }}"}}
        for i, more in enumerate(("", "me { id } teams { totalCount }"))
    ]
    with socket(
        small, "graphql-transport-ws", headers={"x-real-ip": "198.51.100.7", "user-agent": "t"}
    ) as connection:
        talk(connection, init)
        for one in asks:
            connection.send(orjson.dumps(one).decode())
        told = {}
        while len(told) < 2:
            message = orjson.loads(connection.recv(timeout=10))
            if message["type"] == "next":
                told[message["id"]] = message["payload"]["data"]["rateLimit"]["cost"]
    assert told == {"0": 1, "1": 4}


def test_the_limit_is_never_more_than_a_bucket_holds(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", graphql_bucket_size=50)) as tiny:
        assert tiny.graphql("{ limits { maxCost bucketSize } }")["data"]["limits"] == {
            "maxCost": 50,
            "bucketSize": 50,
        }
        refused = error(tiny.graphql("{ websites(first: 50) { nodes { shares { id } } } }"))
        assert refused == {"code": "cost-limit", "status": 400, "cost": 56, "limit": 50}


def test_a_subscription_is_paid_when_it_begins_and_not_for_what_is_pushed(small: Server) -> None:
    website = small.create_website()
    key = make_key(small, "read").header
    query = f'subscription {{ activeVisitors(websiteId: "{website}") }}'
    ask_for_it = {"id": "1", "type": "subscribe", "payload": {"query": query}}
    before = small.graphql(RATE, headers=key)["data"]["rateLimit"]["remaining"]
    with socket(small, "graphql-transport-ws", headers=key) as connection:
        _, pushed = talk(connection, {"type": "connection_init"}, ask_for_it)
    assert pushed["payload"] == {"data": {"activeVisitors": 0}}
    after = small.graphql(RATE, headers=key)["data"]["rateLimit"]["remaining"]
    assert before - 21 <= after < before

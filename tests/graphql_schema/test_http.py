"""The endpoint over HTTP and sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from socket import create_connection
from typing import Any

import orjson
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from app.settings import Settings
from tests.server import Server, running

VERSION = "{ __typename }"
COST = {"cost": {"requested": 1, "actual": 1}}
ANSWER = {"data": {"__typename": "Query"}, "extensions": COST}


def post(live: Server, content: bytes, content_type: str = "application/json") -> tuple[int, Any]:
    answer = live.client.post("/graphql", content=content, headers={"content-type": content_type})
    return answer.status_code, answer.json()


def refusal(status: int, code: str, message: str) -> tuple[int, Any]:
    return status, {"errors": [{"message": message, "extensions": {"code": code, "status": status}}]}


def test_a_query_by_post_and_by_get(live: Server) -> None:
    assert post(live, orjson.dumps({"query": VERSION})) == (200, ANSWER)
    assert post(live, orjson.dumps({"query": VERSION}), "application/json; charset=utf-8") == (200, ANSWER)
    asked = live.client.get("/graphql", params={"query": VERSION, "variables": "{}"})
    assert (asked.status_code, asked.json()) == (200, ANSWER)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", refusal(400, "bad-request", "Unable to parse request body as JSON")),
        (b"{", refusal(400, "bad-request", "Unable to parse request body as JSON")),
        (b"5", refusal(400, "bad-request", "A JSON object is expected")),
        (b'"text"', refusal(400, "bad-request", "A JSON object is expected")),
        (b"null", refusal(400, "bad-request", "No GraphQL query found in the request")),
        (b"{}", refusal(400, "bad-request", "No GraphQL query found in the request")),
        (b"[]", refusal(400, "bad-request", "Batching is not enabled")),
        (
            b'{"query": 5}',
            refusal(
                400, "bad-request", "The GraphQL operation's `query` must be a string or null, if provided."
            ),
        ),
        (
            b'{"query": "{ me { id } }", "operationName": "x"}',
            refusal(400, "bad-request", 'Unknown operation named "x".'),
        ),
        (b" " * (1 << 20) + b"{}", refusal(413, "too-large", "The request has more than 1048576 bytes")),
    ],
)
def test_what_is_no_graphql_request(live: Server, content: bytes, expected: tuple[int, Any]) -> None:
    assert post(live, content) == expected


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""]
)
def test_only_json_is_taken_so_that_no_foreign_form_can_ask(live: Server, content_type: str) -> None:
    asked = post(live, orjson.dumps({"query": VERSION}), content_type)
    assert asked == refusal(400, "bad-request", "Send JSON, with `Content-Type: application/json`")


def test_nothing_is_changed_by_get(live: Server) -> None:
    count = "{ websites { totalCount } }"
    before = live.graphql(count)
    query = 'mutation { createWebsite(input: {name: "N", domain: "d"}) { id } }'
    answer = live.client.get("/graphql", params={"query": query}, headers=live.admin)
    assert (answer.status_code, answer.json()) == refusal(
        405, "method-not-allowed", "mutations are not allowed when using GET"
    )
    assert answer.headers["allow"] == "OPTIONS, POST"
    assert live.graphql(count) == before


def test_errors_of_an_executed_operation_are_answered_with_200(live: Server) -> None:
    for query in ("{", "{ nope }", '{ website(id: "nope") { id } }'):
        status, body = post(live, orjson.dumps({"query": query}))
        assert status == 200
        assert len(body["errors"]) == 1


def test_browsers_get_graphiql_and_clients_do_not(live: Server) -> None:
    page = live.client.get("/graphql", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>" in page.text
    anything = live.client.get("/graphql", headers={"accept": "*/*"})
    assert (anything.status_code, anything.headers["content-type"]) == (400, "application/json")


def test_headers_let_other_origins_ask_and_nobody_keep(live: Server) -> None:
    origin = {"origin": "https://charts.example"}
    answer = live.client.post("/graphql", json={"query": VERSION}, headers=origin)
    shown = {
        name: answer.headers.get(name)
        for name in ("access-control-allow-origin", "cache-control", "access-control-allow-credentials")
    }
    assert shown == {
        "access-control-allow-origin": "*",
        "cache-control": "no-store",
        "access-control-allow-credentials": None,
    }
    preflight = live.client.options("/graphql", headers={**origin, "access-control-request-method": "POST"})
    assert (preflight.status_code, preflight.content) == (204, b"")
    names = (
        "allow",
        "access-control-allow-origin",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-max-age",
    )
    assert [preflight.headers[name] for name in names] == [
        "GET, OPTIONS, POST",
        "*",
        "authorization, content-type, x-umami-api-key, x-umami-cache, x-umami-share-token",
        "GET, POST",
        "86400",
    ]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods(live: Server, method: str) -> None:
    answer = live.client.request(method, "/graphql")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, OPTIONS, POST")
    assert answer.json()["errors"][0]["extensions"] == {"code": "method-not-allowed", "status": 405}


def test_limits_are_data(live: Server) -> None:
    expected = {
        "maxRangeDays": 36600,
        "maxBuckets": 2000,
        "maxNodes": 100,
        "maxDimensions": 3,
        "maxConditions": 200,
        "maxValues": 500,
        "maxBatch": 500,
        "maxDepth": 15,
        "maxAliases": 50,
        "maxTokens": 2000,
        "maxDocument": 65536,
        "maxDefinitions": 50,
        "maxRepeats": 50,
        "maxVariables": 50000,
        "maxVariablesDepth": 80,
        "maxErrors": 50,
        "maxCost": 10000,
        "bucketSize": 50000,
        "bucketRefill": 1000,
        "statementTimeout": 30.0,
    }
    query = f"{{ limits {{ {' '.join(expected)} }} }}"
    assert live.graphql(query, headers={})["data"]["limits"] == expected


def socket(
    live: Server, protocol: str, origin: Origin | None = None, headers: dict[str, str] | None = None
) -> ClientConnection:
    address = live.url.replace("http://", "ws://")
    return connect(
        f"{address}/graphql",
        subprotocols=[Subprotocol(protocol)],
        origin=origin,
        additional_headers=headers,
        user_agent_header=None if headers and "user-agent" in headers else "tests",
    )


def talk(connection: ClientConnection, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Send messages, each answered by one."""
    answers = []
    for message in messages:
        connection.send(orjson.dumps(message).decode())
        received = connection.recv(timeout=10)
        assert isinstance(received, str)
        answers.append(orjson.loads(received))
    return answers


def test_a_socket_takes_the_actor_from_its_first_message(live: Server) -> None:
    ask = {"id": "1", "type": "subscribe", "payload": {"query": "{ me { username } }"}}
    for params, me in (
        (live.admin, {"username": "admin"}),
        ({}, None),
        ({"authorization": live.admin["Authorization"]}, {"username": "admin"}),
    ):
        with socket(live, "graphql-transport-ws") as connection:
            acknowledged, answered = talk(connection, {"type": "connection_init", "payload": params}, ask)
        assert acknowledged == {"type": "connection_ack"}
        assert answered == {"id": "1", "type": "next", "payload": {"data": {"me": me}, "extensions": COST}}


def test_errors_over_a_socket_carry_codes(live: Server) -> None:
    for query, code in (("{ nope }", "graphql-validation"), ("{", "graphql-syntax")):
        ask = {"id": "1", "type": "subscribe", "payload": {"query": query}}
        with socket(live, "graphql-transport-ws") as connection:
            _, answered = talk(connection, {"type": "connection_init"}, ask)
        assert answered["type"] == "error"
        assert answered["payload"][0]["extensions"] == {"code": code, "status": 400}


def test_the_legacy_protocol_is_refused(live: Server) -> None:
    with socket(live, "graphql-ws") as connection:
        assert connection.subprotocol is None
        with pytest.raises(Exception, match="4406"):
            connection.recv(timeout=10)


def test_base_path_and_switches(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(
        "duckdb", base_path="/stats", graphiql=False, introspection=False, graphql_max_depth=3
    )
    with running(settings) as moved:
        assert moved.url.endswith("/stats")
        assert moved.graphql(VERSION, headers={}) == ANSWER
        page = moved.client.get("/graphql", headers={"accept": "text/html"})
        assert (page.status_code, page.json()["errors"][0]["extensions"]["code"]) == (404, "not-found")
        for query, code in (
            ("{ __schema { types { name } } }", "graphql-validation"),
            ('{ share(slug: "x") { website { owner { id } } } }', "depth-limit"),
        ):
            assert moved.graphql(query, headers={})["errors"][0]["extensions"]["code"] == code


def test_of_several_operations_one_has_to_be_named(live: Server) -> None:
    document = 'query A { version } mutation B { createTeam(name: "oops") { id } }'
    before = live.graphql("{ teams { totalCount } }")
    answer = live.client.post("/graphql", json={"query": document}, headers=live.admin).json()
    [error] = answer["errors"]
    assert error["message"] == "The document has several operations: say which in operationName"
    assert error["extensions"] == {"code": "graphql-validation", "status": 400}
    named = {"query": document, "operationName": "A"}
    assert "errors" not in live.client.post("/graphql", json=named, headers=live.admin).json()
    assert live.graphql("{ teams { totalCount } }") == before


def test_who_leaves_amid_a_request_is_no_failure_of_ours(
    live: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # uvicorn keeps what it logs to itself.
    monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", True)
    with create_connection((live.client.base_url.host, live.client.base_url.port)) as connection:
        head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        connection.sendall(head.encode() + b'{"query": ')
        # It has been read as far as it goes once another request, sent later, is answered.
        assert live.graphql("{ version }")["data"]
    for _ in range(3):
        assert live.graphql("{ version }")["data"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []

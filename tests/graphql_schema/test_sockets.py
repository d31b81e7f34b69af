"""`graphql-transport-ws` as a protocol: whatever comes, a socket ends with a close frame that says why."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.following import PATIENCE, socket
from tests.server import Server

INIT = {"type": "connection_init"}
QUERY = {"query": "{ __typename }"}


def closed(live: Server, *messages: Any) -> tuple[int, str]:
    """Code and reason that a socket is closed with after these messages; answers before it are passed over."""
    address = f"{live.url.replace('http://', 'ws://')}/graphql"
    with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
        with suppress(ConnectionClosed):
            for message in messages:
                connection.send(
                    message if isinstance(message, str | bytes) else orjson.dumps(message).decode()
                )
            while True:
                connection.recv(timeout=PATIENCE)
        frame = connection.protocol.close_rcvd
    assert frame is not None, "the line was dropped without a close frame"
    return frame.code, frame.reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "WebSocket message must be valid JSON"),
        ("", "WebSocket message must be valid JSON"),
        (b"{}", "WebSocket message type must be text"),
        ("null", "A message is a JSON object"),
        ("5", "A message is a JSON object"),
        ("[]", "A message is a JSON object"),
        ('"connection_init"', "A message is a JSON object"),
        ("{}", "Unknown message type"),
        ({"type": None}, "Unknown message type"),
        ({"type": ["subscribe"]}, "Unknown message type"),
        ({"type": "x" * 1000}, "Unknown message type"),
        ({"type": "next", "id": "1", "payload": {}}, "Unknown message type"),
        ({"type": "ping", "payload": 5}, "ping: payload is missing or of the wrong type"),
        ({"type": "complete"}, "complete: id is missing or of the wrong type"),
        ({"type": "complete", "id": {}}, "complete: id is missing or of the wrong type"),
        ({"type": "subscribe"}, "subscribe: id is missing or of the wrong type"),
        ({"type": "subscribe", "id": 1, "payload": QUERY}, "subscribe: id is missing or of the wrong type"),
        ({"type": "subscribe", "id": "1"}, "subscribe: payload is missing or of the wrong type"),
        (
            {"type": "subscribe", "id": "1", "payload": "x"},
            "subscribe: payload is missing or of the wrong type",
        ),
        (
            {"type": "subscribe", "id": "1", "payload": {}},
            "subscribe: payload.query is missing or of the wrong type",
        ),
        (
            {"type": "subscribe", "id": "1", "payload": {"query": None}},
            "subscribe: payload.query is missing or of the wrong type",
        ),
        (
            {"type": "subscribe", "id": "1", "payload": {**QUERY, "variables": []}},
            "subscribe: payload.variables is missing or of the wrong type",
        ),
        (
            {"type": "subscribe", "id": "1", "payload": {**QUERY, "operationName": 5}},
            "subscribe: payload.operationName is missing or of the wrong type",
        ),
    ],
)
def test_a_message_that_is_none(live: Server, message: Any, reason: str) -> None:
    assert closed(live, INIT, message) == (4400, reason)
    assert closed(live, message) == (4400, reason)


def test_messages_out_of_turn(live: Server) -> None:
    ask = {"id": "1", "type": "subscribe", "payload": QUERY}
    assert closed(live, ask) == (4401, "Unauthorized")
    assert closed(live, INIT, INIT) == (4429, "Too many initialisation requests")
    assert closed(live, {**INIT, "payload": "x"})[0] == 4400


@pytest.mark.parametrize(
    "payload", [{"query": ""}, {"query": "# nothing"}, {"query": "query A { version }", "operationName": "B"}]
)
def test_what_names_no_operation(live: Server, payload: dict[str, Any]) -> None:
    with socket(live.url) as opened:
        opened.send({"id": "1", "type": "subscribe", "payload": payload})
        assert opened.refused()["status"] == 400


def test_two_operations_of_one_id(live: Server) -> None:
    site = live.create_website()
    query = {"query": f'subscription {{ activeVisitors(websiteId: "{site}") }}'}
    ask = {"id": "1", "type": "subscribe", "payload": query}
    code, reason = closed(live, {**INIT, "payload": live.admin}, ask, ask)
    assert (code, reason) == (4409, "Subscriber for 1 already exists")


def test_null_is_no_payload(live: Server) -> None:
    with socket(live.url) as opened:
        opened.send({"type": "ping", "payload": None})
        assert opened.message("") == {"type": "pong"}
        payload = {**QUERY, "variables": None, "operationName": None, "extensions": None}
        opened.send({"id": "1", "type": "subscribe", "payload": payload})
        assert opened.next() == {"__typename": "Query"}
        assert opened.message() == {"id": "1", "type": "complete"}
        # What is over may be completed once more: the client may not have known.
        opened.send({"id": "1", "type": "complete"})
        opened.subscribe("{ __typename }")
        assert opened.next() == {"__typename": "Query"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "payload", "query", "variables"]), inner, max_size=4)
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(["connection_init", "subscribe", "complete", "ping", "pong", "next", "error"])
MESSAGES = JSON | st.fixed_dictionaries({"type": KINDS}, optional={"id": JSON, "payload": JSON})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGES, max_size=4))
def test_whatever_comes_there_is_a_close_frame(live: Server, messages: list[Any]) -> None:
    # The last message ends a socket that all others left open.
    code, _ = closed(live, *messages, "{")
    assert code in (4400, 4401, 4409, 4429)


def test_who_left_is_no_failure(live: Server, caplog: pytest.LogCaptureFixture) -> None:
    address = f"{live.url.replace('http://', 'ws://')}/graphql"
    operations = [{"id": str(one), "type": "subscribe", "payload": {"query": "{"}} for one in range(15)]
    for _ in range(10):
        with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
            for message in (INIT, *operations):
                connection.send(orjson.dumps(message).decode())
            # The answers are on their way when it goes.
    assert closed(live, INIT, "{")[0] == 4400  # and all of that has been taken by now
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []

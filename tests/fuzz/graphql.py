"""Asking `/graphql`: documents that fit, broken ones, subscriptions by server-sent events, and sockets."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any, Final
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.fuzz import broken, judging, values
from tests.fuzz.documents import Document, Maker, Pool
from tests.fuzz.instance import Instance
from tests.fuzz.wire import HANGS, Request

# Inputs after which there is something new to change and delete.
_REFILL: Final = 150
_KINDS: Final = {
    "Website": "website",
    "Team": "team",
    "ShareLink": "share",
    "ApiKey": "apiKey",
    "Segment": "segment",
    "SavedReport": "report",
}
_ACTORS: Final = ("admin",) * 12 + ("nobody", "user", "user", "key", "share", "forger")


class Asking:
    """The kinds of input to `/graphql`, each method one of them; each says whether something was answered."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.asked = 0

    def fitting(self, chance: Random) -> bool:
        """A document that the schema allows, values at the edges included."""
        document = self._maker(chance).make()
        return self._ask(self._post(document, chance))

    def broken(self, chance: Random) -> bool:
        document = broken.document(self._maker(chance).make(), chance)
        request = self._post(document, chance)
        if chance.random() < 0.3:
            request = broken.request(request, chance)
        return self._ask(request)

    def in_address(self, chance: Random) -> bool:
        """By GET, the document and its variables in the address."""
        document = self._maker(chance).make("query")
        variables = json.dumps(document.variables)
        query = f"query={quote(document.query)}&variables={quote(variables)}"
        target = f"/graphql?{query}".encode()
        request = Request(b"GET", target, self._headers(chance))
        if chance.random() < 0.5:
            request = broken.request(request, chance)
        return self._ask(request)

    def stream(self, chance: Random) -> bool:
        """A subscription's first event."""
        document = self._maker(chance).make("subscription")
        if chance.random() < 0.4:
            document = broken.document(document, chance)
        request = self._post(document, chance)
        return self._ask(replace(request, headers=(*request.headers, (b"accept", b"text/event-stream"))))

    def socket(self, chance: Random) -> bool:
        """Messages over a socket, the protocol's and others, up to the first answer after them."""
        document = self._maker(chance).make(chance.choice(("subscription", "query")))
        messages, whole = _messages(document, self.instance.actors[chance.choice(_ACTORS)], chance)
        answered = False
        address = f"{self.instance.process.url.replace('http', 'ws', 1)}/graphql"
        told: list[str] = []
        try:
            with connect(
                address,
                subprotocols=[Subprotocol("graphql-transport-ws")],
                compression=None,
                open_timeout=HANGS,
                close_timeout=HANGS,
            ) as connection:
                for message in messages:
                    connection.send(message)
                # The answer to a ping comes after those to everything before it.
                connection.send('{"type": "ping"}')
                while (received := json.loads(connection.recv(timeout=HANGS)))["type"] != "pong":
                    told.append(received["type"])
                    answered = _judged(messages, received) or answered
                # The operation's answer may take longer than the ping's. A query has one, `events` none while nothing
                # happens, and what was ended before it was answered has none either.
                if whole and told == ["connection_ack"]:
                    answered = _judged(messages, json.loads(connection.recv(timeout=HANGS)))
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 0
            # What the protocol does not know ends the socket with a code of the protocol's, never with a failure (1011).
            if not (4400 <= code < 4500 or code in (1000, 1003, 1007, 1009)):
                raise judging.Failed(f"the socket ended with {code}", messages, f"{told} {closed}") from None
        except TimeoutError:
            raise judging.Failed("the socket hangs", messages, str(told)) from None
        return answered

    def _maker(self, chance: Random) -> Maker:
        if self.asked % _REFILL == 0:
            self.instance.refill()
        self.asked += 1
        one = self.instance
        return Maker(chance, Pool(one.lasting, one.victims, one.cursors))

    def _headers(self, chance: Random) -> tuple[tuple[bytes, bytes], ...]:
        actor = self.instance.actors[chance.choice(_ACTORS)]
        return tuple((name.encode(), value.encode()) for name, value in actor.items())

    def _post(self, document: Document, chance: Random) -> Request:
        body = values.spelled(document.payload(), chance)
        return Request(
            b"POST", b"/graphql", (*self._headers(chance), (b"content-type", b"application/json")), body
        )

    def _ask(self, request: Request) -> bool:
        response = self.instance.wire.ask(request)
        if response.text == "Invalid HTTP request received." or request.method in (b"HEAD", b"OPTIONS"):
            return False
        if request.target.partition(b"?")[0] != b"/graphql":
            judging.rest(request, response)
            return False
        if response.status == 304 or response.headers.get("content-type", "").startswith("text/html"):
            return True  # what the client has, or GraphiQL
        body = judging.graphql(request, response)
        self._learn(body.get("data"))
        return "errors" not in body and body.get("data") is not None

    def _learn(self, data: Any) -> None:
        """Keep the ids of what was made, to be changed and deleted later."""
        for found in data.values() if isinstance(data, dict) else ():
            for row in (found, found.get("key")) if isinstance(found, dict) else ():
                kind = _KINDS.get(row.get("__typename", "")) if isinstance(row, dict) else None
                lasting = self.instance.lasting.values()
                if kind and row.get("id") and row["id"] not in lasting:
                    known = self.instance.victims[kind]
                    if row["id"] not in known:
                        known.insert(0, row["id"])


def _messages(document: Document, actor: dict[str, str], chance: Random) -> tuple[list[str | bytes], bool]:
    """What is said on a socket, and whether it asks a question that has to be answered."""
    opening: Any = {"type": "connection_init", "payload": actor or None}
    subscribe: Any = {"id": "1", "type": "subscribe", "payload": document.payload()}
    whole: list[str | bytes] = [json.dumps(opening), json.dumps(subscribe)]
    broken_how = chance.randrange(10)
    match broken_how:
        case 0:
            whole.append(json.dumps({"id": "1", "type": "complete"}))
        case 1:
            whole.insert(
                chance.randrange(3), chance.choice(values.RAW)[:50_000].encode("utf-8", "replace").decode()
            )
        case 2:
            whole[1] = json.dumps(
                {**subscribe, chance.choice(("id", "type", "payload")): values.anything(chance)}
            )
        case 3:
            payload = {
                **subscribe["payload"],
                chance.choice(("query", "variables", "operationName", "extensions")): (
                    values.anything(chance)
                ),
            }
            whole[1] = json.dumps({**subscribe, "payload": payload})
        case 4:
            whole.insert(1, chance.randbytes(20))
    return whole, broken_how > 4 and document.kind == "query"


def _judged(sent: object, received: dict[str, Any]) -> bool:
    """Whether the message is a result. Raises Failed."""
    match received["type"]:
        case "next":
            judging.result(sent, received["payload"], str(received))
            return True
        case "error":
            judging.errors(sent, received["payload"], str(received))
    return False

"""Subscribers for tests: a socket that follows, its pushes in order, and the same by server-sent events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

# Seconds after which what did not come is taken not to come at all.
PATIENCE = 20.0


@dataclass
class Socket:
    """A socket after `connection_ack`. Messages are kept by the id of their operation until they are asked for."""

    connection: ClientConnection
    kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def send(self, message: dict[str, Any]) -> None:
        self.connection.send(orjson.dumps(message).decode())

    def subscribe(self, query: str, variables: dict[str, Any] | None = None, id: str = "1") -> None:
        self.send({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    def message(self, id: str = "1") -> dict[str, Any]:
        """The next message of an operation."""
        while not self.kept.get(id):
            received = self.connection.recv(timeout=PATIENCE)
            assert isinstance(received, str)
            message = orjson.loads(received)
            self.kept.setdefault(message.get("id", ""), []).append(message)
        return self.kept[id].pop(0)

    def next(self, id: str = "1") -> Any:
        """The data of the next push, without errors."""
        message = self.message(id)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    def until(self, data: Any, id: str = "1") -> list[Any]:
        """All pushes up to the one with this data, which is the last of them."""
        seen = [self.next(id)]
        while seen[-1] != data:
            seen.append(self.next(id))
        return seen

    def ended(self, id: str = "1") -> dict[str, Any]:
        """The extensions of the error that ends the operation; pushes before it are passed over."""
        while "errors" not in (message := self.message(id)).get("payload", {}):
            assert message["type"] == "next", message
        [error] = message["payload"]["errors"]
        assert message["payload"]["data"] is None
        assert self.message(id) == {"id": id, "type": "complete"}
        extensions: dict[str, Any] = error["extensions"]
        return extensions

    def refused(self, id: str = "1") -> dict[str, Any]:
        """The extensions of the error that an operation was refused with before it began."""
        message = self.message(id)
        assert message["type"] == "error", message
        [error] = message["payload"]
        extensions: dict[str, Any] = error["extensions"]
        return extensions


@contextmanager
def socket(url: str, headers: dict[str, str] | None = None, **options: Any) -> Iterator[Socket]:
    """A socket to the server at this address, by whoever the headers name."""
    address = f"{url.replace('http://', 'ws://')}/graphql"
    protocol = [Subprotocol("graphql-transport-ws")]
    with connect(address, subprotocols=protocol, compression=None, **options) as connection:
        opened = Socket(connection)
        opened.send({"type": "connection_init", "payload": headers or {}})
        assert opened.message("") == {"type": "connection_ack"}
        yield opened


@contextmanager
def stream(
    url: str, query: str, variables: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> Iterator[Iterator[tuple[str, Any]]]:
    """Server-sent events as (event, data); a comment is ("", its text)."""
    asked = {"query": query, "variables": variables}
    with httpx.stream(
        "POST",
        f"{url}/graphql",
        json=asked,
        headers={"accept": "text/event-stream", **(headers or {})},
        timeout=PATIENCE,
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream", answer.read()
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            yield name, orjson.loads(data) if data else None
        elif line.startswith(":"):
            yield "", line[1:].strip()


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)

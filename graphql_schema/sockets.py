"""`graphql-transport-ws`: what of the protocol Strawberry leaves open."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import starlette.websockets
from graphql import GraphQLError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from graphql_schema.context import Context

MOST_OPERATIONS: Final = 20  # of one socket at the same time

_Parts = dict[str, tuple[type, ...]]

_TEXT: Final = (str,)
_MAYBE_TEXT: Final = (str, type(None))
_MAYBE_OBJECT: Final = (dict, type(None))
_ID: Final[_Parts] = {"id": _TEXT}
# Type of a message → its parts and what they may be; parts that may be None may be left out.
_MESSAGES: Final[dict[str, _Parts]] = {
    "connection_init": {"payload": _MAYBE_OBJECT},
    "ping": {"payload": _MAYBE_OBJECT},
    "pong": {"payload": _MAYBE_OBJECT},
    "subscribe": {**_ID, "payload": (dict,)},
    "complete": _ID,
}
_OPERATION: Final[_Parts] = {
    "query": _TEXT,
    "operationName": _MAYBE_TEXT,
    "variables": _MAYBE_OBJECT,
    "extensions": _MAYBE_OBJECT,
}


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket. A message that the protocol does not know ends it with 4400, whatever it is made of."""

    async def handle_message(self, message: Any) -> None:
        problem = _problem(message)
        if problem:
            await self.handle_invalid_message(problem)
            return
        if message["type"] == "connection_init" and message.get("payload") is None:
            message = {"type": "connection_init"}  # null is as good as nothing
        await super().handle_message(message)
        if self.connection_acknowledged and self.connection_init_timeout_task:
            # Cancelled long ago, it would hold on to what it was cancelled in.
            self.connection_init_timeout_task = None

    async def handle_subscribe(self, message: Any) -> None:
        if (
            self.connection_acknowledged
            and message["id"] not in self.operations
            and len(self.operations) >= MOST_OPERATIONS
        ):
            refusal = GraphQLError(
                f"A socket carries at most {MOST_OPERATIONS} operations at a time",
                extensions={"code": "too-many", "status": 429},
            )
            await self.send_message({"id": message["id"], "type": "error", "payload": [refusal.formatted]})
            return
        await super().handle_subscribe(message)

    async def send_message(self, message: Any) -> None:
        # Who has left meanwhile, or was sent away (then it is Starlette that says so), is told nothing. Strawberry would
        # end the operation's task with it, which ends up in the log as a failure; the task ends with the socket anyway.
        with suppress(WebSocketDisconnected, starlette.websockets.WebSocketDisconnected):
            await super().send_message(message)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # A document that cannot be read ends its own operation, as one that does not fit, and not all of the socket.
        return None


def _problem(message: Any) -> str:
    """What is wrong with the shape of a message, '' if nothing is; short enough for the reason of a close frame."""
    if not isinstance(message, dict):
        return "A message is a JSON object"
    kind = message.get("type")
    parts = _MESSAGES.get(kind) if isinstance(kind, str) else None
    if parts is None:
        return "Unknown message type"
    if wrong := _misfit(message, parts):
        return f"{kind}: {wrong} is missing or of the wrong type"
    if kind == "subscribe" and (wrong := _misfit(message["payload"], _OPERATION)):
        return f"subscribe: payload.{wrong} is missing or of the wrong type"
    return ""


def _misfit(given: dict[str, Any], parts: _Parts) -> str:
    return next((name for name, kinds in parts.items() if not isinstance(given.get(name), kinds)), "")

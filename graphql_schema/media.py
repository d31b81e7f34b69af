"""The media types of an answer: those of GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), and SSE.

`application/json` is what clients got before there was the other one: status 200 whatever is in it.
`application/graphql-response+json` comes with the status of the error when nothing was executed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from strawberry.types import ExecutionResult

JSON: Final = "application/json"
GRAPHQL_JSON: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"


def chosen_type(accept: str) -> str:
    """Which type the header Accept prefers; of those liked alike the one named first, JSON if it names none."""
    best, chosen = 0.0, JSON
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                with suppress(ValueError):
                    quality = float(parameter[2:])
        if name in (JSON, GRAPHQL_JSON, EVENT_STREAM) and quality > best:
            best, chosen = quality, name
    return chosen


def refused_with(result: ExecutionResult) -> int | None:
    """The status of an operation that was refused before its execution began; None if it was executed.

    Data that is null because of an error at a field has that error's path.
    """
    errors = result.errors or []
    if result.data is not None or not errors or any(error.path for error in errors):
        return None
    status: int = (errors[0].extensions or {})["status"]  # every error has been through `errors.public`
    return status


def retry_after(result: ExecutionResult) -> int | None:
    """Seconds after which all of it may work, the longest that any error asks for; None if time helps none of them.

    It is said whatever the status is: a client of `application/json` is answered with 200 when it is refused as well.
    """
    waits = [(error.extensions or {}).get("retryAfter") for error in result.errors or []]
    return max((wait for wait in waits if wait is not None), default=None)

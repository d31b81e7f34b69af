"""Failures in Umami's shapes (Umami v2 REST behaviour §1.2): `{"error": text}` or, for a schema, a list of texts."""

from __future__ import annotations

import logging

from app.current import current_id
from app.errors import AppError, Conflict, Denied, Hidden, Malformed, TooMany, Unauthenticated, Unavailable
from rest_compat.deps import UNAUTHORIZED, Answer, json_answer

log = logging.getLogger("dashi.rest")


def body(error: AppError, refusal: str = UNAUTHORIZED) -> dict[str, object]:
    """What is shown of a failure; `refusal` is what this route says to those who may not use it."""
    if isinstance(error, Malformed):
        return {"error": [f"{name}: {message}" for name, message in error.problems]}
    if isinstance(error, Unauthenticated | Denied):
        return {"error": refusal}
    if isinstance(error, Hidden):
        return {"error": Hidden.default}
    return {"error": error.message}


def answer(error: AppError, refusal: str = UNAUTHORIZED) -> Answer:
    """The whole answer to a failure. Every lack of permission is 401, and nothing expected is 500."""
    status = error.status
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(error, Denied):
        status = Unauthenticated.status
    elif isinstance(error, Conflict):
        status = 400
    elif isinstance(error, Unavailable | TooMany) and error.retry_after is not None:
        headers = ((b"retry-after", str(error.retry_after).encode()),)
    return json_answer(body(error, refusal), status, headers)


def unexpected(route: str) -> Answer:
    """The answer to what nobody foresaw; called while the exception is handled.

    The log has the whole story under the request's id, which is the `X-Dashi-Error` header too. The route is told by its
    template; paths, query strings and bodies are not logged: they may hold personal data.
    """
    reference = current_id()
    log.exception("error %s at %s", reference, route)
    return json_answer({"error": "Internal server error"}, 500, ((b"x-dashi-error", reference.encode()),))

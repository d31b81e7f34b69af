"""`POST /api/send` and `POST /api/batch`: the thinnest way from a socket to the collector (Umami v2 REST behaviour §2)."""

from __future__ import annotations

from typing import Final

from app.errors import AppError, Denied, Invalid, Malformed, TooMany, Unauthenticated, Unavailable
from app.headers import Headers
from app.ingest.collect import Accepted, Dropped, Ignored, Outcome, Request
from app.settings import Settings
from rest_compat import errors
from rest_compat.deps import Answer, Call, Raw, Route, json_answer

MAX_BATCH: Final = 10_000
_BEEP: Final = b'{"beep":"boop"}'
_FORBIDDEN: Final = b'{"error":"Forbidden"}'

EVENT_EXAMPLE: Final = {
    "type": "event",
    "payload": {
        "website": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
        "hostname": "example.com",
        "screen": "1920x1080",
        "language": "en-US",
        "title": "Home",
        "url": "/p?q=1",
        "referrer": "",
        "name": "signup",
        "data": {"plan": "pro"},
        "tag": "a",
        "id": "user-1",
    },
}
_TEXT: Final = {"type": "string"}
# What one hit may hold (Umami v2 REST behaviour §2.1); unknown keys are dropped.
_HIT_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "payload"],
    "properties": {
        "type": {"type": "string", "enum": ["event", "identify"]},
        "payload": {
            "type": "object",
            "required": ["website"],
            "properties": {
                "website": {"type": "string", "format": "uuid", "description": "Id of the website."},
                "url": {**_TEXT, "description": "Address of the page, absolute or from the site's root."},
                "referrer": {**_TEXT, "description": "Address of the page before."},
                "title": {**_TEXT, "description": "Title of the page; 500 characters are kept."},
                "hostname": {**_TEXT, "maxLength": 100},
                "language": {**_TEXT, "maxLength": 35},
                "screen": {**_TEXT, "maxLength": 11, "description": "Size in pixels, `1920x1080`."},
                "name": {**_TEXT, "maxLength": 50, "description": "Name of a custom event."},
                "tag": {**_TEXT, "maxLength": 50},
                "id": {**_TEXT, "description": "Your own id of the visitor."},
                "data": {"type": "object", "description": "Data of the event, or of the visitor."},
                "ip": {**_TEXT, "description": "Address of the visitor, for servers."},
                "userAgent": {**_TEXT, "description": "Agent of the visitor, for servers."},
                "timestamp": {"type": "integer", "description": "When it happened, in seconds since 1970."},
            },
        },
    },
}
_ACCEPTED_EXAMPLE: Final = {
    "cache": "eyJhbGciOiJIUzI1NiJ9…",
    "sessionId": "1172824f-0864-59d0-ad32-35060a6e1730",
    "visitId": "7e0197f3-85e6-5743-adfc-9d5698793bb9",
}
_BATCH_EXAMPLE: Final = {
    "size": 2,
    "processed": 1,
    "errors": 1,
    "details": [{"index": 1, "response": {"error": ["payload: "]}}],
}


def _dropped(reason: str) -> Headers:
    return ((b"x-dashi-dropped", reason.encode()),)


def sender(settings: Settings) -> Raw:
    """The answer to one hit: 200 only after it is on disk."""
    limit = settings.max_body_bytes

    async def send(call: Call) -> Answer:
        body = await call.json(limit)
        try:
            outcome = await call.collector.collect(body, Request(call.headers, call.peer))
        except Ignored:
            return Answer(_FORBIDDEN, 403, _dropped("ignored-address"))
        if isinstance(outcome, Dropped):
            return Answer(_BEEP, 200, _dropped(outcome.reason))
        return json_answer(_accepted(outcome))

    return send


def _accepted(outcome: Accepted) -> dict[str, str]:
    return {
        "cache": outcome.cache,
        "sessionId": str(outcome.session_id),
        "visitId": str(outcome.visit_id),
    }


def batcher(settings: Settings) -> Raw:
    """The answer to many hits, each handled in order as if sent alone with the same headers."""
    limit = settings.max_body_bytes

    async def batch(call: Call) -> Answer:
        bodies = await call.json(limit)
        if not isinstance(bodies, list):
            raise Malformed([])
        if len(bodies) > MAX_BATCH:
            raise Invalid(f"A batch has at most {MAX_BATCH} hits")
        return _batch_answer(await call.collector.collect_batch(bodies, Request(call.headers, call.peer)))

    return batch


def _batch_answer(outcomes: list[Outcome | AppError]) -> Answer:
    failed = [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, AppError)]
    # A batch of which nothing could be written, or taken now, is worth sending again as a whole; one with a bad key is
    # not, and who looks at the status alone is to notice either.
    for kind in (Unavailable, TooMany, (Unauthenticated, Denied)):
        if outcomes and all(isinstance(outcome, kind) for outcome in outcomes):
            raise failed[0][1]
    details = [{"index": index, "response": errors.body(error)} for index, error in failed]
    answer = json_answer(
        {
            "size": len(outcomes),
            "processed": len(outcomes) - len(failed),
            "errors": len(failed),
            "details": details,
        }
    )
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, Dropped)}
    reasons |= {"ignored-address" for _, error in failed if isinstance(error, Ignored)}
    return Answer(answer.body, headers=_dropped(", ".join(sorted(reasons))) if reasons else ())


def routes(settings: Settings) -> list[Route]:
    send = Route(
        "POST",
        "/api/send",
        "Record a page view, a custom event or an identification",
        raw=sender(settings),
        example=_ACCEPTED_EXAMPLE,
        request_example=EVENT_EXAMPLE,
        request_schema=_HIT_SCHEMA,
        public=True,
        also={
            400: {"error": ["payload: "]},
            401: {"error": "Unauthorized"},
            403: {"error": "Forbidden"},
            413: {"error": "Request body too large"},
            429: {"error": "Too many hits"},
            503: {"error": Unavailable.default},
        },
    )
    batch = Route(
        "POST",
        "/api/batch",
        "Record many hits, each as if sent alone",
        raw=batcher(settings),
        example=_BATCH_EXAMPLE,
        request_example=[EVENT_EXAMPLE],
        request_schema={"type": "array", "items": _HIT_SCHEMA, "maxItems": MAX_BATCH},
        public=True,
        also={
            400: {"error": []},
            401: {"error": "Unauthorized"},
            413: {"error": "Request body too large"},
            429: {"error": "Too many hits"},
        },
    )
    return [send, batch]

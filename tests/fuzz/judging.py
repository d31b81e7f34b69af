"""What holds of every answer, whatever was asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tests.fuzz.wire import Request, Response

# Of what is inside the server nothing is shown outside.
INTERNAL: Final = re.compile(
    r"Traceback|site-packages|sqlalchemy|psycopg|duckdb|sqlite3?\.|asyncpg|strawberry|graphql_schema|rest_compat|"
    r"object at 0x|File \"|line \d+, in |/tmp/|/usr/lib|<class |SELECT .* FROM |INSERT INTO",
    re.IGNORECASE,
)


@dataclass
class Failed(AssertionError):
    """An answer that must not be, and what to send to have it again."""

    why: str
    request: object
    answer: str = ""

    def __str__(self) -> str:
        return f"{self.why}\n  sent:     {self.request}\n  answered: {self.answer[:1500]}"


def rest(request: Request, response: Response) -> None:
    """No failure of ours, and errors in Umami's shape. Raises Failed."""
    text = response.text
    told = f"{response.status} {text}"
    if response.status == 0:
        raise Failed("ended without an answer", request, told)
    if response.status >= 500:
        raise Failed("a failure of the server", request, told)
    if response.status >= 400 and INTERNAL.search(text):
        raise Failed("something internal is shown", request, told)
    if not response.body or response.status == 308:
        return
    kind = response.headers.get("content-type", "")
    if kind.startswith("text/plain") and text == "Invalid HTTP request received.":
        return  # it was no HTTP, which ends in the server that carries us
    if not kind.startswith("application/json"):
        if response.status >= 400:
            raise Failed("an error that is no JSON", request, told)
        return
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        raise Failed("no JSON", request, told) from None
    if response.status >= 400 and request.target.startswith(b"/api/") and not _umami_error(body):
        raise Failed("an error of another shape", request, told)


def _umami_error(body: Any) -> bool:
    """`{"error": text}`, for a schema a list of texts."""
    if not isinstance(body, dict) or set(body) != {"error"}:
        return False
    error = body["error"]
    return isinstance(error, str) or (isinstance(error, list) and all(isinstance(one, str) for one in error))


def graphql(request: Request, response: Response) -> dict[str, Any]:
    """No failure of ours, GraphQL's shape, a code on every error. Returns the answer; raises Failed."""
    told = f"{response.status} {response.text}"
    if response.status == 0:
        raise Failed("ended without an answer", request, told)
    if response.status >= 500:
        raise Failed("a failure of the server", request, told)
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind == "text/event-stream":
        return _streamed(request, response)
    if kind not in ("application/json", "application/graphql-response+json"):
        raise Failed("an answer that is no JSON", request, told)
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        raise Failed("no JSON", request, told) from None
    return result(request, body, told)


def _streamed(request: Request, response: Response) -> dict[str, Any]:
    # By line feeds alone: a text of the answer may hold what `splitlines` takes for the end of a line, such as U+2028.
    for line in response.text.split("\n"):
        if line.startswith("data:") and line != "data:" and line != "data: ":
            return result(request, orjson.loads(line.removeprefix("data:")), line)
    return {}


def result(request: object, body: Any, told: str) -> dict[str, Any]:
    """One GraphQL result: `data`, `errors` or both. Raises Failed."""
    if not isinstance(body, dict) or not set(body) & {"data", "errors"}:
        raise Failed("no answer of GraphQL's shape", request, told)
    errors(request, body.get("errors", []), told)
    if "errors" in body and not body["errors"]:
        raise Failed("an empty list of errors", request, told)
    return body


def errors(request: object, found: Any, told: str) -> None:
    if not isinstance(found, list):
        raise Failed("errors that are no list", request, told)
    for error in found:
        extensions = error.get("extensions", {})
        if not isinstance(error.get("message"), str) or not isinstance(extensions.get("code"), str):
            raise Failed("an error without a code", request, told)
        if not isinstance(extensions.get("status"), int) or extensions["status"] >= 500:
            raise Failed("a failure of the server", request, told)
        if INTERNAL.search(error["message"]):
            raise Failed("something internal is shown", request, told)

"""What a caller is told of an error: always `extensions.code` and `extensions.status`, `extensions.field` where known.

| code | status | when |
| --- | --- | --- |
| an AppError's own | its own | the core refused |
| `bad-request` | 400 | it is no request for an operation that may be asked for that way |
| `graphql-syntax` | 400 | the document cannot be parsed |
| `graphql-validation` | 400 | the document or its variables do not fit the schema |
| `depth-limit`, `alias-limit`, `token-limit`, `document-limit` | 400 | the document is too large |
| `variables-limit` | 400 | the variables are |
| `cost-limit` | 400 | the operation costs more than any may: `cost` and `limit` |
| `rate-limit` | 429 | it costs more than the caller has left: `cost`, `remaining`, `limit`, `retryAfter` (seconds) |
| `error-limit` | 400 | instead of the errors that are more than an answer shows |
| `internal` | 500 | unexpected; the answer shows only an id, the log has the rest |
"""

from __future__ import annotations

import logging
import traceback
from typing import Any
from uuid import uuid4

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from app.errors import AppError, Unavailable

log = logging.getLogger("dashi.graphql")


def public(error: GraphQLError) -> GraphQLError:
    """The error as the caller may see it. One that has been through here is returned as it is."""
    if "code" in (error.extensions or {}):
        return error
    cause = _cause(error)
    if isinstance(cause, AppError):
        return _with(error, cause.message, **app_extensions(cause))
    if isinstance(cause, RecursionError):
        return _with(error, "The request is nested too deeply", code="depth-limit", status=400)
    if isinstance(cause, MissingQueryError | CannotGetOperationTypeError | InvalidOperationTypeError):
        return _with(error, error.message, code="bad-request", status=400)
    if cause is not None:
        return _masked(error, cause)
    if isinstance(error, GraphQLSyntaxError):
        # The parser has no error of its own for its token limit.
        code = "token-limit" if "Document contains more than" in error.message else "graphql-syntax"
        return _with(error, error.message, code=code, status=400)
    return _with(error, error.message, code="graphql-validation", status=400)


def app_extensions(error: AppError) -> dict[str, Any]:
    """`code` and `status`, `field` if one is at fault, `retryAfter` (seconds) if it may work later."""
    extensions: dict[str, Any] = {"code": error.code, "status": error.status}
    if error.field is not None:
        extensions["field"] = error.field
    if isinstance(error, Unavailable):
        extensions["retryAfter"] = error.retry_after
    return extensions


def _cause(error: GraphQLError) -> Exception | None:
    """What was raised; None where it was GraphQL itself that refused."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _masked(error: GraphQLError, cause: Exception) -> GraphQLError:
    error_id = uuid4().hex[:12]
    path = ".".join(str(step) for step in error.path or ())
    # Messages are left out: those of database drivers repeat the values of a statement, which are visitors' data.
    log.error("Unexpected error %s at %s\n%s", error_id, path or "(request)", _trace(cause))
    return _with(error, f"Internal error {error_id}", code="internal", status=500, id=error_id)


def _trace(cause: BaseException) -> str:
    parts = []
    step: BaseException | None = cause
    while step is not None:
        parts.append("".join(traceback.format_tb(step.__traceback__)) + type(step).__qualname__)
        step = step.__cause__ or step.__context__
    return "\n  caused by\n".join(parts)


def _with(error: GraphQLError, message: str, **extensions: Any) -> GraphQLError:
    return GraphQLError(
        message, error.nodes, error.source, error.positions, error.path, extensions=extensions
    )

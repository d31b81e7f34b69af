"""What a caller is told of an error: always `extensions.code` and `extensions.status`, `extensions.field` where known.

| code | status | when |
| --- | --- | --- |
| an AppError's own | its own | the core refused |
| `bad-request` | 400 | it is no request for an operation that may be asked for that way |
| `graphql-syntax` | 400 | the document cannot be parsed |
| `graphql-validation` | 400 | the document or its variables do not fit the schema; `field` is where in these |
| `depth-limit`, `alias-limit`, `token-limit`, `document-limit` | 400 | the document is too large |
| `variables-limit` | 400 | the variables are |
| `cost-limit` | 400 | the operation costs more than any may: `cost` and `limit` |
| `rate-limit` | 429 | it costs more than the caller has left: `cost`, `remaining`, `limit`, `retryAfter` (seconds) |
| `too-many` | 429 | too many wrong passwords or hits, `retryAfter` (seconds); too many subscriptions |
| `error-limit` | 400 | instead of the errors that are more than an answer shows |
| `PERSISTED_QUERY_NOT_FOUND` | 404 | a hash that this process does not know: send the query with it |
| `PERSISTED_QUERY_NOT_SUPPORTED` | 400 | automatic persisted queries are switched off |
| `wrong-hash` | 400 | `sha256Hash` is not that of the query sent with it |
| `not-trusted` | 403 | the server runs listed documents only, and this is none of them |
| `internal` | 500 | unexpected; the answer shows only an id, the log has the rest |

What was no GraphQL request at all is refused in the same shape: `bad-request` (400), `not-found` (404),
`method-not-allowed` (405, also a mutation by GET), `too-large` (413).

The two codes in capitals, and the messages `PersistedQueryNotFound` and `PersistedQueryNotSupported` beside them, are
not ours: Apollo Client goes by either, urql by the message.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from graphql import GraphQLError, GraphQLSyntaxError, VariableDefinitionNode
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.utils.str_converters import to_camel_case

from app.current import current_id
from app.errors import AppError, TooMany, Unavailable
from app.logs import story

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
    return _with(error, error.message, code="graphql-validation", status=400, **_variable(error))


def app_extensions(error: AppError) -> dict[str, Any]:
    """`code` and `status`, `field` if one is at fault, `retryAfter` (seconds) if it may work later."""
    extensions: dict[str, Any] = {"code": error.code, "status": error.status}
    if error.field is not None:
        extensions["field"] = to_camel_case(error.field)  # the core writes its names with underscores
    if isinstance(error, Unavailable | TooMany) and error.retry_after is not None:
        extensions["retryAfter"] = error.retry_after
    return extensions


# How graphql-core says where in a variable's value the fault lies: its errors hold that in words alone.
_NAMED: Final = re.compile(r"^[^:]*: Expected value of type '\w+' (?:not )?to include \w+ field '(\w+)'")
_INSIDE: Final = re.compile(r"^Variable '\$\w+' has invalid value at [.\w\[\]]*\.(\w+)[\[\]\d]*:")


def _variable(error: GraphQLError) -> dict[str, str]:
    """`field` of an error that is about the value of a variable: the innermost name, else the variable's."""
    node = error.nodes[0] if error.nodes else None
    if not isinstance(node, VariableDefinitionNode):
        return {}
    inside = _NAMED.match(error.message) or _INSIDE.match(error.message)
    return {"field": inside[1] if inside else node.variable.name.value}


def _cause(error: GraphQLError) -> Exception | None:
    """What was raised; None where it was GraphQL itself that refused."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _masked(error: GraphQLError, cause: Exception) -> GraphQLError:
    error_id = current_id()
    path = ".".join(str(step) for step in error.path or ())
    log.error("Unexpected error %s at %s\n%s", error_id, path or "(request)", story(cause))
    return _with(error, f"Internal error {error_id}", code="internal", status=500, id=error_id)


def _with(error: GraphQLError, message: str, **extensions: Any) -> GraphQLError:
    return GraphQLError(
        message, error.nodes, error.source, error.positions, error.path, extensions=extensions
    )

"""Bounds of what is sent and of what is answered to nonsense, all of them checked in time linear to the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    Token,
    TokenKind,
)

# Characters: two thousand tokens are a third of it, and a single one may be as long as it likes.
MAX_DOCUMENT: Final = 65_536
# Operations and fragments. Those of one document are compared with each other.
MAX_DEFINITIONS: Final = 50
# Fields with the key of a field before them in the same selection set: these are compared, each with each.
MAX_REPEATS: Final = 50
# Levels of nested lists and objects: the data of a hit has 64 of its own.
MAX_VARIABLES_DEPTH: Final = 80
# Errors of one answer, and characters of a message.
MAX_ERRORS: Final = 50
MAX_MESSAGE: Final = 1000
_MAX_DIGITS: Final = 400  # the largest Float has 309


def refusal(code: str, message: str, *, status: int = 400, **numbers: int) -> GraphQLError:
    """The error for a request that is too large in some way."""
    return GraphQLError(message, extensions={"code": code, "status": status, **numbers})


def length_error(query: str | None) -> GraphQLError | None:
    """Why the text is not even parsed."""
    if query is None or len(query) <= MAX_DOCUMENT:
        return None
    told = f"The document has {len(query)} characters; at most {MAX_DOCUMENT} are allowed"
    return refusal("document-limit", told, limit=MAX_DOCUMENT)


def structure_errors(document: DocumentNode) -> list[GraphQLError]:
    """Why the document is not even validated; empty if it can be."""
    definitions = [
        one
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    if len(definitions) > MAX_DEFINITIONS:
        told = f"The document has {len(definitions)} operations and fragments; at most {MAX_DEFINITIONS} are allowed"
        return [refusal("document-limit", told, limit=MAX_DEFINITIONS)]
    if _has_huge_number(document):
        return [refusal("graphql-validation", f"A number has at most {_MAX_DIGITS} digits")]
    repeats = _repeats([one.selection_set for one in definitions])
    if repeats > MAX_REPEATS:
        told = f"The document repeats {repeats} fields; at most {MAX_REPEATS} repetitions are allowed"
        return [refusal("document-limit", told, limit=MAX_REPEATS)]
    return []


def _has_huge_number(document: DocumentNode) -> bool:
    """Whether a number has more digits than Python would make a number of: it raises what no rule expects."""
    token: Token | None = document.loc.start_token if document.loc else None
    while token:
        if token.kind in (TokenKind.INT, TokenKind.FLOAT) and len(token.value or "") > _MAX_DIGITS:
            return True
        token = token.next
    return False


def _repeats(waiting: list[SelectionSetNode]) -> int:
    repeats = 0
    while waiting:
        keys: set[str] = set()
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                repeats += key in keys
                keys.add(key)
            inner: SelectionSetNode | None = getattr(node, "selection_set", None)
            if inner:
                waiting.append(inner)
    return repeats


def variables_error(variables: Mapping[str, Any] | None, most: int) -> GraphQLError | None:
    """Why variables are too large: in values, lists and objects included, or in levels."""
    waiting: list[tuple[Any, int]] = [(variables or {}, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        count += len(inner)
        if count > most:
            told = f"The variables have more than {most} values"
            return refusal("variables-limit", told, limit=most)
        if depth > MAX_VARIABLES_DEPTH:
            told = f"The variables are nested more than {MAX_VARIABLES_DEPTH} levels deep"
            return refusal("variables-limit", told, limit=MAX_VARIABLES_DEPTH)
        waiting += [(one, depth + 1) for one in inner if isinstance(one, dict | list)]
    return None


def bounded(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """As many errors as an answer may have, with messages no longer than they may be."""
    shown = [_shortened(error) for error in errors[:MAX_ERRORS]]
    if len(errors) > MAX_ERRORS:
        more = len(errors) - MAX_ERRORS
        shown.append(refusal("error-limit", f"{more} more errors are not shown", limit=MAX_ERRORS))
    return shown


def _shortened(error: GraphQLError) -> GraphQLError:
    if len(error.message) <= MAX_MESSAGE:
        return error
    return GraphQLError(
        f"{error.message[:MAX_MESSAGE]} …",
        error.nodes,
        error.source,
        error.positions,
        error.path,
        error.original_error,
        error.extensions,
    )

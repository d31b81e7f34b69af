"""The list of trusted documents: how it is read from files, and checked before anything is served."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from graphql import ASTValidationRule, GraphQLError, GraphQLSchema, parse, specified_rules

from app.errors import Invalid
from graphql_schema.known import Known

_APOLLO: Final = "apollo-persisted-query-manifest"
_FIELD: Final = "GRAPHQL_DOCUMENTS"


def listed_documents(path: Path) -> dict[str, str]:
    """Id → document of a file, or of all files of a directory. Raises Invalid naming the file or document at fault.

    A `.json` file is an object of id → document (GraphQL Code Generator's `persisted-documents.json`, Relay's) or
    Apollo's manifest (`format` "apollo-persisted-query-manifest", `operations` with `id` and `body`). A `.graphql` file
    is one document; its id is its SHA-256.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".json", ".graphql"))
        if not files:
            raise _invalid(f"{path} holds no .json and no .graphql file")
    else:
        files = [path]
    found: dict[str, str] = {}
    for file in files:
        for name, text in _read(file).items():
            if found.setdefault(name, text) != text:
                raise _invalid(f"{file}: another document is already called {name!r}")
    return found


def check_documents(
    documents: dict[str, str], schema: GraphQLSchema, rules: Sequence[type[ASTValidationRule]], tokens: int
) -> None:
    """Raise Invalid naming the first document that this server would refuse: `rules` and `tokens` are its limits."""
    for name, text in documents.items():
        try:
            known = Known(parse(text, max_tokens=tokens))
            problems = known.errors(schema, (*specified_rules, *rules))
        except GraphQLError as error:
            problems = [error]
        if problems:
            at = problems[0].locations
            place = f" (line {at[0].line}, column {at[0].column})" if at else ""
            raise _invalid(f"The document {name!r} does not fit this server: {problems[0].message}{place}")


def _read(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8")
        given: Any = (
            {sha256(text.encode()).hexdigest(): text} if file.suffix == ".graphql" else json.loads(text)
        )
    except OSError as error:
        raise _invalid(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _invalid(f"{file} is no JSON in UTF-8") from error
    if isinstance(given, dict) and given.get("format") == _APOLLO:
        given = _manifest(file, given)
    if not isinstance(given, dict) or not all(isinstance(document, str) for document in given.values()):
        raise _invalid(f"{file}: an object of id and document, or Apollo's manifest, is expected")
    return given


def _manifest(file: Path, given: dict[str, Any]) -> dict[Any, Any]:
    if given.get("version") != 1:
        raise _invalid(f"{file}: only version 1 of Apollo's manifest is known")
    try:
        return {operation["id"]: operation["body"] for operation in given["operations"]}
    except (KeyError, TypeError) as error:
        raise _invalid(f"{file}: each of the manifest's operations needs an id and a body") from error


def _invalid(message: str) -> Invalid:
    return Invalid(f"{_FIELD}: {message}", field=_FIELD)

"""Wrong arguments of every kind to every field: a code and the right field, nothing internal, siblings intact.

The fields and their arguments are read off the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, get_named_type

from app.settings import Settings
from graphql_schema.types import to_cursor
from tests.graphql_schema.asking import Asked, fields_of, sample
from tests.server import Server, running

INTERNAL = re.compile(
    r"sqlalchemy|psycopg|duckdb|sqlite|postgres|select |insert |traceback|\.py\b|site-packages|graphql_schema|"
    r"strawberry|object at 0x|app\.|/tmp|<class",
    re.IGNORECASE,
)
CODES = {
    "invalid",
    "malformed",
    "not-found",
    "denied",
    "unauthenticated",
    "conflict",
    "too-many",
    "graphql-validation",
    "cost-limit",
}
CURSORS = (
    "",
    "x",
    "\0",
    "ü",
    "bm8",
    "=" * 9,
    "x" * 5000,
    to_cursor(),
    to_cursor(None),
    to_cursor("a\0", "b"),
    to_cursor("visitors", 2**63, "/"),
    to_cursor(1, 2, 3, 4, 5, 6),
    "eyJhIjoxfQ",  # {"a":1}
    "W1tbW1tbW1tb",  # [[[[[[[[[, cut
)

# What the schema refuses by itself, whatever the type behind it.
UNFIT: dict[str, tuple[Any, ...]] = {
    "String": (5, [1], {}, True),
    "ID": ([1], {}, True, 1.5),
    "Int": (2**31, -(2**31) - 1, 1e300, 1.5, "1", True, {}),
    "Int64": (2**63, -(2**63) - 1, "1", 1.5),
    "Float": ("1", True, {}),
    "Boolean": ("true", 1, {}),
    "DateTime": ("2026-11-10", "nope", "\0", 5, "9999-12-31T23:59:59-23:59"),
    "Moment": ("nope", "\0", 5, "2026-02-30", "2026-13-01T00:00"),
}
# What fits its type and makes no sense.
SENSELESS: dict[str, tuple[Any, ...]] = {
    "String": ("\0", "a\0b"),
    "ID": ("", "nope", "\0", "ü" * 5000, NIL := "00000000-0000-0000-0000-000000000000"),
    "Int": (0, -1, -(2**31), 2**31 - 1),
}
# Whatever is answered, it is no failure of ours: long, empty and odd texts, and numbers at the edges.
ODD: dict[str, tuple[Any, ...]] = {
    "String": ("", " ", "x" * 20_000, "\ud7ff\U0010ffff\u202e", "%_\\'\";--", "../../etc/passwd", "(" * 200),
    "Int64": (2**63 - 1, -(2**63), 0),
    "Float": (1.7e308, -1.7e308, 0, -1),
    "JSON": (None, [], 5, "\0", {"a": "\0"}, {"a": 1e300}, [[]] * 50),
    "DateTime": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    "Moment": ("0001-01-01", "9999-12-31"),
}


def wrong(kind: Any, table: dict[str, tuple[Any, ...]]) -> Iterator[Any]:
    """Values for an argument of this type, from a table by scalar; in lists and input objects at each place."""
    if isinstance(kind, GraphQLNonNull):
        yield from wrong(kind.of_type, table)
    elif isinstance(kind, GraphQLList):
        yield from ([value] for value in wrong(kind.of_type, table))
    elif isinstance(kind, GraphQLInputObjectType):
        if table is UNFIT:
            yield from (5, "x", {"unknown": 1})
        tried = {kind.name}  # and / or / not of a filter hold filters again
        for name, field in kind.fields.items():
            named = get_named_type(field.type)
            if named.name not in tried:
                if table is ODD and isinstance(named, GraphQLInputObjectType):
                    tried.add(named.name)  # one of its 27 texts stands for all
                yield from ({**sample(kind), name: value} for value in wrong(field.type, table))
    elif isinstance(kind, GraphQLEnumType):
        yield from ("NOPE", "", 5, "\0") if table is UNFIT else ()
    else:
        yield from table.get(kind.name, ())


@pytest.fixture(scope="module")
def asked_server(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server of its own: some of what is sent here is accepted."""
    with running(make_settings(store)) as started:
        yield started


@pytest.fixture(scope="module")
def site(asked_server: Server) -> str:
    return asked_server.create_website()


Ask = Callable[[Asked, dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture
def ask(asked_server: Server, site: str) -> Ask:
    """Errors of asking for a field with these arguments, after all that holds for any answer is asserted."""

    def errors_of(asked: Asked, given: dict[str, Any]) -> list[dict[str, Any]]:
        inside = asked.parent in ("Website", "Analytics")
        variables = {"site": site, **given} if inside else given
        response = asked_server.client.post(
            "/graphql",
            json={"query": asked.document(given), "variables": variables},
            headers=asked_server.admin,
        )
        said = f"{asked} {str(given)[:200]}: {response.text[:500]}"
        assert response.status_code == 200, said
        answer = response.json()
        errors: list[dict[str, Any]] = answer.get("errors", [])
        for error in errors:
            extensions = error["extensions"]
            assert extensions["code"] in CODES, said
            assert extensions["status"] < 500, said
            assert not INTERNAL.search(error["message"]), said
            assert len(error["message"]) < 1000, said
        if all("path" in error for error in errors):
            data = answer["data"]
            if asked.parent != "Mutation":
                assert data["version"], said
            if inside:
                assert data["website"]["name"] == "Example", said
            if asked.parent == "Analytics":
                assert data["website"]["analytics"]["period"] == {"timezone": "UTC"}, said
        else:
            assert "data" not in answer, said
        return errors

    return errors_of


def inside(kind: Any) -> set[str]:
    """Names of the fields of an input, and of the inputs in it."""
    found: set[str] = set()
    waiting = [get_named_type(kind)]
    while waiting:
        for name, field in getattr(waiting.pop(), "fields", {}).items():
            if name not in found:
                found.add(name)
                waiting.append(get_named_type(field.type))
    return found


@pytest.mark.parametrize("asked", fields_of("Query", "Mutation", "Website", "Analytics"), ids=str)
def test_what_the_schema_refuses(ask: Ask, asked: Asked) -> None:
    for name, argument in asked.field.args.items():
        for value in wrong(argument.type, UNFIT):
            errors = ask(asked, {**asked.required(), name: value})
            assert {error["extensions"]["code"] for error in errors} == {"graphql-validation"}, (name, value)
            named = {error["extensions"]["field"] for error in errors}
            assert named <= {name, "unknown", *inside(argument.type)}, (name, value)


@pytest.mark.parametrize("asked", fields_of("Query", "Website", "Analytics"), ids=str)
def test_what_makes_no_sense(ask: Ask, asked: Asked) -> None:
    for name, argument in asked.field.args.items():
        for value in wrong(argument.type, SENSELESS):
            errors = ask(asked, {**asked.required(), name: value})
            assert errors, (name, value)
            for error in errors:
                extensions = error["extensions"]
                if extensions["code"] == "invalid":
                    known = {name, *(value if isinstance(value, dict) else ())}
                    assert extensions.get("field") in known, (name, value, error)


@pytest.mark.parametrize("asked", fields_of("Query", "Website", "Analytics"), ids=str)
def test_cursors_of_nobody(ask: Ask, asked: Asked) -> None:
    if "after" in asked.field.args:
        for cursor in CURSORS:
            [error] = ask(asked, {**asked.required(), "after": cursor})
            assert error["extensions"] == {"code": "invalid", "status": 400, "field": "after"}, cursor


@pytest.mark.parametrize("asked", fields_of("Query", "Mutation", "Website", "Analytics"), ids=str)
def test_what_is_odd_is_no_failure_of_ours(ask: Ask, asked: Asked) -> None:
    for name, argument in asked.field.args.items():
        for value in (*wrong(argument.type, ODD), *wrong(argument.type, SENSELESS)):
            ask(asked, {**asked.required(), name: value})


@pytest.mark.parametrize("asked", fields_of("Query", "Mutation", "Website", "Analytics"), ids=str)
def test_lists_that_are_empty_or_endless(ask: Ask, asked: Asked) -> None:
    for name, argument in asked.field.args.items():
        kind = argument.type.of_type if isinstance(argument.type, GraphQLNonNull) else argument.type
        if isinstance(kind, GraphQLList):
            empty = [] if asked.name == "trackBatch" else [[]]  # no hits are sent, which is easily done
            for value in (*empty, [sample(kind.of_type)] * 2000):
                [error] = ask(asked, {**asked.required(), name: value})
                if error["extensions"]["code"] != "cost-limit":
                    assert error["extensions"] == {"code": "invalid", "status": 400, "field": name}, error

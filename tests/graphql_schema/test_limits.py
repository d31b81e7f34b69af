"""Limits on documents, measured on documents alone."""

from __future__ import annotations

import pytest
from graphql import build_schema, parse, validate

from graphql_schema.limits import extent_rule

SCHEMA = build_schema("type Query { a: Query, n: Int }")


def problems(document: str, max_depth: int = 3, max_aliases: int = 2) -> list[tuple[str, str]]:
    errors = validate(SCHEMA, parse(document), [extent_rule(max_depth, max_aliases)])
    return [((error.extensions or {})["code"], error.message) for error in errors]


def bomb(fragments: int) -> str:
    """Each fragment spreads the next one twice, under an alias of its own."""
    chain = "".join(
        f" fragment F{i} on Query {{ x: a {{ n }} ...F{i + 1} ...F{i + 1} }}" for i in range(fragments)
    )
    return f"{{ ...F0 }}{chain} fragment F{fragments} on Query {{ n }}"


@pytest.mark.parametrize(
    "document",
    [
        "{ a { a { n } } }",
        "{ a { ...F } } fragment F on Query { a { n } }",
        "{ a { ... on Query { a { n } } } }",
        "{ x: n y: n }",
        "{ __schema { types { fields { type { ofType { ofType { name } } } } } } }",
    ],
)
def test_documents_within_the_limits(document: str) -> None:
    assert problems(document) == []


@pytest.mark.parametrize(
    "document",
    [
        "{ a { a { a { n } } } }",
        "{ a { ...F } } fragment F on Query { a { a { n } } }",
        "{ a { ... { a { ... on Query { a { n } } } } } }",
        "query { a { ...F } } fragment F on Query { a { ...G } } fragment G on Query { a { n } }",
    ],
)
def test_documents_that_nest_too_deeply(document: str) -> None:
    assert problems(document) == [("depth-limit", "The operation nests 4 fields; at most 3 are allowed")]


def test_a_named_operation_is_named() -> None:
    assert problems("query Q { a { a { a { n } } } } query R { n }") == [
        ("depth-limit", 'Operation "Q" nests 4 fields; at most 3 are allowed')
    ]


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ("{ x: n y: n z: n }", 3),
        ("{ a { x: n y: n } z: n }", 3),
        ("{ ...F ...F } fragment F on Query { x: n y: n }", 4),
    ],
)
def test_aliases_count_wherever_their_fragment_is_spread(document: str, count: int) -> None:
    assert problems(document) == [
        ("alias-limit", f"The operation uses {count} aliases; at most 2 are allowed")
    ]


def test_a_fragment_is_measured_once_however_often_it_is_spread() -> None:
    # Walking each spread would take 2**100 steps.
    assert problems(bomb(100), max_aliases=50) == [
        ("alias-limit", f"The operation uses {2**100 - 1} aliases; at most 50 are allowed")
    ]


@pytest.mark.parametrize(
    "document",
    [
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F } fragment F on Query { a { ...G } } fragment G on Query { a { ...F } }",
        "{ ...Missing }",
    ],
)
def test_cycles_and_unknown_fragments_are_left_to_the_rules_about_them(document: str) -> None:
    assert problems(document) == []
    assert validate(SCHEMA, parse(document)) != []


def test_equal_limits_share_one_rule_because_validation_is_cached_by_it() -> None:
    assert extent_rule(7, 8) is extent_rule(7, 8)
    assert extent_rule(7, 8) is not extent_rule(8, 7)

"""What is kept of documents, and that it does not grow."""

from __future__ import annotations

import pytest
from graphql import GraphQLSyntaxError, parse, specified_rules

from app.settings import Settings
from graphql_schema.known import KnownDocuments
from graphql_schema.schema import make_schema

SCHEMA = make_schema(Settings())._schema


def test_a_document_is_parsed_validated_and_planned_once() -> None:
    known = KnownDocuments()
    document = known.parsed("{ version }", {})
    assert known.parsed("{ version }", {}) is document
    found = known.about("{ version }", document)
    assert known.about("{ version }", document) is found
    assert found.errors(SCHEMA, specified_rules) == []
    assert found.plans(SCHEMA) is found.plans(SCHEMA)


def test_errors_are_a_list_of_the_callers_own() -> None:
    known = KnownDocuments()
    found = known.about("{ nope }", known.parsed("{ nope }", {}))
    first = found.errors(SCHEMA, specified_rules)
    first.clear()
    assert [error.message for error in found.errors(SCHEMA, specified_rules)] == [
        "Cannot query field 'nope' on type 'Query'."
    ]


def test_another_tree_of_the_same_text_is_not_taken_for_it() -> None:
    known = KnownDocuments()
    document, other = known.parsed("{ version }", {}), parse("{ nope }")
    assert known.about("{ version }", other).document is other
    assert known.about(None, document).document is document


def test_what_cannot_be_parsed_is_not_kept() -> None:
    known = KnownDocuments()
    with pytest.raises(GraphQLSyntaxError):
        known.parsed("{", {})
    with pytest.raises(GraphQLSyntaxError):
        known.parsed("{ a b c d }", {"max_tokens": 3})
    assert len(known) == 0


def test_only_so_many_characters_are_kept_and_no_long_document() -> None:
    known = KnownDocuments()
    first = known.parsed("{ version }", {})
    known.parsed(f"{{ version }} #{'x' * 16_384}", {})
    assert len(known) == 1
    for number in range(300):
        known.parsed("{ version }" + f" # {number}".ljust(10_229), {})  # 10,240 characters each
        if number < 20:
            assert known.parsed("{ version }", {}) is first
    assert len(known) == 25
    assert known.parsed("{ version }", {}) is not first

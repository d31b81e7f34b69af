"""Requests made to cost much: each is refused before any SQL, in little memory, and answered briefly.

Time is not measured here; docs/decisions/0015 has it. What is held is what bounds it: that no statement ran, how much
memory was taken at most, and how long the answer is.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from graphql import get_introspection_query

from app.settings import Settings
from graphql_schema.schema import make_schema
from tests.graphql_schema.statements import statements
from tests.graphql_schema.test_http import socket, talk
from tests.server import Server

MIB = 1 << 20
# The largest document that is parsed has 64 KiB, and its tree some hundred times the bytes.
MOST_MEMORY = 16 * MIB
MOST_ANSWER = 64 << 10

WEBSITE = '{ website(id: "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f") { %s } }'
YEAR = "analytics(period: { last: MONTHS_12 }) { %s }"


def operation(fields: Iterable[str]) -> str:
    return f"{{ {' '.join(fields)} }}"


def fragments(count: int, body: str) -> str:
    """`F0` to `Fn` on Website; in each body `NEXT` is the spread of the next one."""
    chain = [f"fragment F{i} on Website {{ {body.replace('NEXT', f'...F{i + 1}')} }}" for i in range(count)]
    return " ".join([WEBSITE % "...F0", *chain, f"fragment F{count} on Website {{ id }}"])


def deep(levels: int) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(levels):
        nested = {"not": nested}
    return nested


FILTERED = (
    "query($w: EventFilter) "
    + WEBSITE % "analytics(period: { last: TODAY }, where: $w) { channels { channel } }"
)
BATCH = "mutation($i: [TrackInput!]!) { trackBatch(inputs: $i) { accepted } }"
HIT = {"website": "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f", "url": "/"}

# Name → code of the refusal, document, variables.
ATTACKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "aliases": (
        "alias-limit",
        operation(f"a{i}: websites {{ totalCount }}" for i in range(300)),
        {},
    ),
    "aliases in a fragment": (
        "alias-limit",
        "{ ...A ...B } fragment B on Query { x: websites { totalCount } ...A } fragment A on Query "
        + operation(f"a{i}: websites {{ totalCount }}" for i in range(50)),
        {},
    ),
    "deep fields": ("depth-limit", WEBSITE % ("team { websites { nodes {" * 30 + "id" + "} } }" * 30), {}),
    "deep fragments": ("depth-limit", fragments(20, "team { websites { nodes { NEXT } } }"), {}),
    "fragments that double": (
        "alias-limit",
        fragments(40, "x: team { websites { nodes { NEXT } } } NEXT NEXT"),
        {},
    ),
    "fragments that double without an alias": (
        "depth-limit",
        fragments(30, "team { websites { nodes { NEXT } edges { node { NEXT } } } }"),
        {},
    ),
    "fragments nested past the parser's own limit": (
        "document-limit",
        fragments(200, "id NEXT"),
        {},
    ),
    "a fragment in itself": ("graphql-validation", "{ ...F } fragment F on Query { version ...F }", {}),
    "fragments in a circle": (
        "graphql-validation",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C ...A } fragment C on Query { ...A }",
        {},
    ),
    "many websites and breakdowns": (
        "cost-limit",
        "{ websites(first: 100) { nodes { %s } } }"
        % (YEAR % "breakdown(by: [PATH, OS, CITY]) { nodes { values } }"),
        {},
    ),
    "lists of lists of lists": (
        "cost-limit",
        "{ users(first: 100) { nodes { websites(first: 100) { nodes { team { members(first: 100) { nodes { id } } } } } } } }",
        {},
    ),
    "huge pages of lists": (
        "cost-limit",
        "{ teams(first: 2147483647) { nodes { websites(first: 2147483647) { nodes { activeVisitors shares { id } } } } } }",
        {},
    ),
    "a page past 32 bits": ("graphql-validation", "{ websites(first: 2147483648) { totalCount } }", {}),
    "a number of thousands of digits": (
        "graphql-validation",
        "{ websites(first: %s) { totalCount } }" % ("9" * 60_000),
        {},
    ),
    "dimensions without end": (
        "cost-limit",
        WEBSITE % (YEAR % ("breakdown(by: [%s]) { nodes { values } }" % ("PATH " * 1500))),
        {},
    ),
    "filters that each look elsewhere": (
        "cost-limit",
        FILTERED,
        {"w": {"or": [{"property": {"key": "k", "eq": "v"}}] * 3000}},
    ),
    "nested introspection": (
        "graphql-validation",
        f"{{ __schema {{ types {{ {'fields { type { ' * 8}name{'} }' * 8} }} }} }}",
        {},
    ),
    "nested introspection by a fragment": (
        "graphql-validation",
        "{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } } "
        "fragment B on __Type { fields { type { ...C } } } fragment C on __Type { fields { type { fields { name } } } }",
        {},
    ),
    "introspection many times": (
        "alias-limit",
        operation(f'a{i}: __type(name: "Query") {{ name }}' for i in range(80)),
        {},
    ),
    "many values": ("variables-limit", BATCH, {"i": [{"website": "x"}] * 30_000}),
    "many values that nobody asked for": ("variables-limit", "{ version }", {"x": [0] * 60_000}),
    "deep values": ("variables-limit", FILTERED, {"w": deep(900)}),
    "deep lists": ("variables-limit", FILTERED, {"w": orjson.loads("[" * 500 + "]" * 500)}),
    "many operations": (
        "document-limit",
        " ".join(f"query Q{i} {{ version }}" for i in range(390)),
        {},
    ),
    "many fragments": (
        "document-limit",
        operation(f"...F{i}" for i in range(150))
        + " ".join(f"fragment F{i} on Query {{ version }}" for i in range(150)),
        {},
    ),
    "one field again and again": (
        "document-limit",
        operation(["limits { maxDepth }"] * 490),
        {},
    ),
    "one alias again and again": ("document-limit", operation(["x: version"] * 600), {}),
    "directives": ("token-limit", "{ version %s }" % ("@skip(if: false) " * 500), {}),
    "unknown directives": ("graphql-validation", "{ version %s }" % ("@x " * 900), {}),
    "unknown fields": ("graphql-validation", operation(f"f{i}" for i in range(1900)), {}),
    "unknown fields with long names": (
        "graphql-validation",
        operation(f"{'f' * 1200}{i}" for i in range(50)),
        {},
    ),
    "a long name": ("graphql-validation", "{ %s }" % ("f" * 60_000), {}),
    "many tokens": ("token-limit", "{ %s }" % ("a " * 30_000), {}),
    "deep brackets": ("graphql-syntax", f"{{ websites(first: {'[' * 900}1{']' * 900}) {{ totalCount }} }}", {}),
    "a megabyte of one name": ("document-limit", "{ %s }" % ("f" * 1_000_000), {}),
    "a megabyte of comment": ("document-limit", "{ version } #%s" % ("x" * 1_000_000), {}),
    "a megabyte of space": ("document-limit", "{ version %s }" % (" " * 1_000_000), {}),
    "a megabyte of text": ("document-limit", WEBSITE % f'id @include(if: "{"x" * 1_000_000}")', {}),
}  # fmt: skip


def codes(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer["errors"]}


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_before_any_sql_and_briefly(live: Server, name: str) -> None:
    code, document, variables = ATTACKS[name]
    headers = live.admin
    # Not by orjson, which does not nest so deeply.
    body = json.dumps({"query": document, "variables": variables}).encode()
    assert len(body) < live.settings.max_body_bytes
    with statements(live) as seen:
        answer = live.client.post(
            "/graphql", content=body, headers={**headers, "content-type": "application/json"}
        )
    assert code in codes(answer.json()), answer.text[:1000]
    assert answer.json().get("data") is None
    assert seen == []
    assert len(answer.content) < MOST_ANSWER


@pytest.mark.parametrize("name", ATTACKS)
def test_it_takes_little_memory(name: str) -> None:
    code, document, variables = ATTACKS[name]
    schema = make_schema(Settings())

    async def attack() -> Any:
        return await schema.execute(document, variables)

    asyncio.run(schema.execute("{ version }"))  # what is made once is none of the attack's
    tracemalloc.start()
    try:
        answer = asyncio.run(attack())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert code in {error.extensions["code"] for error in answer.errors}
    assert peak < MOST_MEMORY


def test_a_batch_of_operations_is_not_taken(live: Server) -> None:
    with statements(live) as seen:
        answer = live.client.post(
            "/graphql", json=[{"query": "{ websites { totalCount } }"}] * 1000, headers=live.admin
        )
    assert (answer.status_code, codes(answer.json())) == (400, {"bad-request"})
    assert seen == []


def test_errors_are_counted_and_cut(live: Server) -> None:
    unknown = live.graphql(operation(f"f{i}" for i in range(1900)))
    assert len(unknown["errors"]) == 50
    assert unknown["errors"][-1]["message"] == (
        "Too many validation errors, error limit reached. Validation aborted."
    )
    [long] = live.graphql("{ %s }" % ("f" * 60_000))["errors"]
    assert len(long["message"]) == 1002
    assert long["extensions"] == {"code": "graphql-validation", "status": 400}
    # Each of 49 fields of a batch fails, and of two lists more than an answer shows.
    failing = " ".join(f'a{i}: website(id: "x") {{ id }}' for i in range(49))
    assert len(live.graphql(f"{{ {failing} }}")["errors"]) == 49


def test_more_errors_than_an_answer_shows_are_counted(live: Server) -> None:
    names = [live.create_website(f"Errors {i}") for i in range(60)]
    failing = '{ websites(first: 100, search: "Errors ") { nodes { segment(id: "x") { id } } } }'
    answer = live.graphql(failing)
    assert answer["data"]["websites"]["nodes"] == [{"segment": None}] * len(names)
    assert len(answer["errors"]) == 51
    assert answer["errors"][-1] == {
        "message": "10 more errors are not shown",
        "extensions": {"code": "error-limit", "status": 400, "limit": 50},
    }
    assert codes(answer) == {"not-found", "error-limit"}


@pytest.mark.parametrize(
    "name",
    ["a megabyte of comment", "many values", "many websites and breakdowns", "one field again and again"],
)
def test_sockets_refuse_alike(live: Server, name: str) -> None:
    code, document, variables = ATTACKS[name]
    init = {"type": "connection_init", "payload": live.admin}
    ask = {"id": "1", "type": "subscribe", "payload": {"query": document, "variables": variables}}
    with statements(live) as seen, socket(live, "graphql-transport-ws") as connection:
        _, answered = talk(connection, init, ask)
        assert answered["type"] == "error"
        assert {error["extensions"]["code"] for error in answered["payload"]} == {code}
        assert seen == []
        again = {"id": "2", "type": "subscribe", "payload": {"query": "{ __typename }"}}
        [answered] = talk(connection, again)
        assert answered["payload"]["data"] == {"__typename": "Query"}


def test_what_is_large_and_honest_is_answered(live: Server) -> None:
    assert "errors" not in live.graphql(get_introspection_query())
    hits = [{**HIT, "website": live.create_website(), "data": {f"k{i}": i for i in range(20)}}] * 500
    taken = live.graphql(BATCH, {"i": hits})
    assert "errors" not in taken
    assert taken["extensions"]["cost"] == {"requested": 51, "actual": 51}

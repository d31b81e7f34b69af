"""Every error carries a code; a failure keeps its siblings; what is unexpected is masked."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLSyntaxError, Source

from app.errors import (
    AppError,
    Conflict,
    Denied,
    Invalid,
    Malformed,
    NotFound,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from app.settings import Settings
from graphql_schema.errors import public
from graphql_schema.schema import make_schema
from graphql_schema.types import to_cursor
from tests.server import Server

ANALYTICS = "query($id: ID!, $w: EventFilter) { website(id: $id) { analytics(period: {last: DAYS_7}, where: $w) { %s } } }"
ANY_ID = "0b8a3f2e-7a54-4c7e-9a54-2f6a3f0f0f0f"


def codes(answer: dict[str, Any]) -> list[tuple[str, str | None, int]]:
    """(code, field, status) of each error."""
    found = [error["extensions"] for error in answer["errors"]]
    return [(extensions["code"], extensions.get("field"), extensions["status"]) for extensions in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{", ("graphql-syntax", None, 400)),
        ("{ nope }", ("graphql-validation", None, 400)),
        ("{ website { id } }", ("graphql-validation", None, 400)),
        (
            "query($x: Int!) { limits { maxDepth } websites(first: $x) { totalCount } }",
            ("graphql-validation", "x", 400),
        ),
        (f"{{{' a ' * 2001}}}", ("token-limit", None, 400)),
        ("{" + "website(id: 1) {" * 16 + "id" + "}" * 17, ("depth-limit", None, 400)),
        ("{" + "".join(f"a{i}: version " for i in range(51)) + "}", ("alias-limit", None, 400)),
        ('{ website(id: "nope") { id } }', ("not-found", None, 404)),
        (f'{{ website(id: "{ANY_ID}") {{ id }} }}', ("not-found", None, 404)),
        ('{ share(slug: "nobodysslug") { token } }', ("not-found", None, 404)),
        ('{ share(slug: "a\\u0000b") { token } }', ("invalid", "slug", 400)),
        (
            'mutation { login(username: "admin", password: "wrong") { token } }',
            ("unauthenticated", None, 401),
        ),
        ("{ websites(first: 0) { totalCount } }", ("invalid", "first", 400)),
        ("{ websites(first: 101) { totalCount } }", ("invalid", "first", 400)),
        ('{ websites(after: "x") { totalCount } }', ("invalid", "after", 400)),
        ('{ websites(search: "a\\u0000b") { totalCount } }', ("invalid", "search", 400)),
    ],
)
def test_codes(live: Server, query: str, expected: tuple[str, str | None, int]) -> None:
    assert expected in codes(live.graphql(query))


@pytest.mark.parametrize(
    ("fields", "where", "code", "field"),
    [
        ("series(unit: MINUTE) { at }", None, "invalid", "unit"),
        ("series(unit: MINUTE) { at pageviews }", None, "invalid", "unit"),
        ("eventSeries(unit: MINUTE) { at }", None, "invalid", "unit"),
        ("eventSeries(first: 101) { at }", None, "invalid", "first"),
        ("breakdown(by: []) { nodes { values } }", None, "invalid", "by"),
        ("breakdown(by: [PATH, PATH]) { nodes { values } }", None, "invalid", "by"),
        ("breakdown(by: [PATH, OS, CITY, TAG]) { nodes { values } }", None, "invalid", "by"),
        ("breakdown(by: [PATH, CHANNEL]) { nodes { values } }", None, "invalid", "by"),
        ("breakdown(by: [PATH], first: -1) { nodes { values } }", None, "invalid", "first"),
        ('breakdown(by: [PATH], after: "bm8") { nodes { values } }', None, "invalid", "after"),
        ('breakdown(by: [PATH], search: "\\u0000") { nodes { values } }', None, "invalid", "search"),
        (
            "totals(compare: PREVIOUS, compareTo: {last: TODAY}) { visits { value } }",
            None,
            "invalid",
            "compareTo",
        ),
        ("totals(compareTo: {all: true}) { visits { value } }", None, "invalid", "compareTo"),
        ("totals(compareTo: {}) { visits { value } }", None, "invalid", "period"),
        ("period { start }", {"path": {}}, "invalid", "path"),
        ("totals { visits { value } }", {"path": {"matches": "("}}, "invalid", "path"),
        ("totals { visits { value } }", {"path": {"eq": "\0"}}, "invalid", "path"),
        ("totals { visits { value } }", {"property": {"key": "n", "gt": True}}, "invalid", "property"),
        ("period { start }", {"nope": {"eq": "x"}}, "graphql-validation", "nope"),
        ("period { start }", {"path": {"like": "x"}}, "graphql-validation", "like"),
        ("period { start }", {"property": {"key": "n", "eq": [1]}}, "graphql-validation", "eq"),
    ],
)
def test_codes_of_figures(
    server: Server, website: str, fields: str, where: Any, code: str, field: str | None
) -> None:
    answer = server.graphql(ANALYTICS % fields, {"id": website, "w": where})
    assert codes(answer) == [(code, field, 400)]


@pytest.mark.parametrize("head", ["visitors os", "pageviews path", "visitors path os"])
def test_a_cursor_of_another_breakdown_is_refused(server: Server, website: str, head: str) -> None:
    foreign, own = (to_cursor(f"breakdown {of}", 0, 0, 1, "/") for of in (head, "visitors path"))
    query = ANALYTICS % f'breakdown(by: [PATH], after: "{foreign}") {{ nodes {{ values }} }}'
    assert codes(server.graphql(query, {"id": website})) == [("invalid", "after", 400)]
    fitting = query.replace(foreign, own)
    assert "errors" not in server.graphql(fitting, {"id": website})


def test_a_failure_keeps_its_siblings(live: Server) -> None:
    website = live.create_website()
    query = """query($id: ID!, $period: PeriodInput!) {
      website(id: $id) { name activeVisitors analytics(period: $period) {
        good: totals { visitors { value } }
        bad: series(unit: MINUTE) { at }
        fine: breakdown(by: [PATH]) { nodes { values } }
      } }
      other: website(id: "nope") { id }
      version
    }"""
    answer = live.graphql(query, {"id": website, "period": {"last": "DAYS_90"}})
    assert answer["data"]["website"] == {
        "name": "Example",
        "activeVisitors": 0,
        "analytics": {"good": {"visitors": {"value": 0}}, "bad": None, "fine": {"nodes": []}},
    }
    assert answer["data"]["other"] is None
    assert isinstance(answer["data"]["version"], str)
    paths = {tuple(error["path"]): error["extensions"]["code"] for error in answer["errors"]}
    assert paths == {("website", "analytics", "bad"): "invalid", ("other",): "not-found"}


@pytest.mark.parametrize(
    ("raised", "code", "field", "status"),
    [
        (Invalid("m", field="f"), "invalid", "f", 400),
        (Malformed([("payload", "")]), "malformed", "payload", 400),
        (Unauthenticated(), "unauthenticated", None, 401),
        (Denied(), "denied", None, 403),
        (NotFound(), "not-found", None, 404),
        (Conflict("m", field="id"), "conflict", "id", 409),
        (TooMany(), "too-many", None, 429),
    ],
)
def test_errors_of_the_core_keep_their_words(
    raised: AppError, code: str, field: str | None, status: int
) -> None:
    shown = public(GraphQLError(str(raised), path=["a"], original_error=raised))
    expected = {"code": code, "status": status, **({"field": field} if field else {})}
    assert (shown.message, shown.extensions, shown.path) == (raised.message, expected, ["a"])


def test_what_may_work_later_says_when() -> None:
    shown = public(GraphQLError("x", original_error=Unavailable("Full")))
    assert shown.extensions == {"code": "unavailable", "status": 503, "retryAfter": 5}


def test_the_unexpected_is_masked_and_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    secrets = [f"{number}.{number}.{number}.{number}" for number in (7, 8)]

    def fail() -> None:
        try:
            raise KeyError(secrets[0])
        except KeyError as cause:
            raise ValueError(secrets[1]) from cause

    try:
        fail()
    except ValueError as raised:
        error = GraphQLError(str(raised), path=["website", "analytics", 0], original_error=raised)
    with caplog.at_level(logging.ERROR, "dashi.graphql"):
        shown = public(error)
    assert shown.extensions is not None
    assert shown.extensions["code"] == "internal"
    assert shown.extensions["status"] == 500
    assert shown.message == f"Internal error {shown.extensions['id']}"
    assert shown.original_error is None
    assert shown.extensions["id"] in caplog.text
    assert "website.analytics.0" in caplog.text
    assert "ValueError" in caplog.text
    assert "KeyError" in caplog.text
    assert "in fail" in caplog.text
    assert [secret for secret in secrets if secret in caplog.text + shown.message] == []


def test_an_error_that_was_shown_is_shown_again_as_it_is() -> None:
    # Results of validation are cached, so the same error can come again.
    shown = public(GraphQLSyntaxError(Source("{"), 1, "Expected Name"))
    assert shown.extensions == {"code": "graphql-syntax", "status": 400}
    assert public(shown) is shown


def test_a_cached_document_fails_alike_each_time(live: Server) -> None:
    answers = [live.graphql("{ thisFieldIsUnknown }") for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert codes(answers[0]) == [("graphql-validation", None, 400)]


def test_variables_nested_without_end(live: Server) -> None:
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"not": deep}
    [(code, _, status)] = codes(live.graphql(ANALYTICS % "period { start }", {"id": ANY_ID, "w": deep}))
    assert (code, status) == ("variables-limit", 400)


def test_without_introspection_nothing_is_told_of_the_schema() -> None:
    schema = make_schema(Settings(introspection=False))
    asked = asyncio.run(schema.execute('{ __type(name: "Query") { name } }'))
    assert [error.extensions for error in asked.errors or []] == [
        {"code": "graphql-validation", "status": 400}
    ]
    guessed = asyncio.run(schema.execute("{ websitez { totalCount } }"))
    assert [error.message for error in guessed.errors or []] == [
        "Cannot query field 'websitez' on type 'Query'."
    ]


def test_a_value_that_an_enum_lacks_is_answered_with_those_it_has(live: Server) -> None:
    for query, variables in (
        (
            '{ website(id: "x") { analytics(period: { last: DAYS_8 }) { totals { visitors { value } } } } }',
            {},
        ),
        (
            "query($p: PeriodInput!) { website(id: 1) { analytics(period: $p) { period { end } } } }",
            {"p": {"last": "DAYS_8"}},
        ),
    ):
        [error] = live.graphql(query, variables)["errors"]
        assert error["message"].endswith(
            "Value 'DAYS_8' does not exist in 'LastPeriod' enum. There are: HOUR, HOURS_24, DAYS_7, DAYS_30, DAYS_90, "
            "MONTHS_12, TODAY, YESTERDAY, THIS_WEEK, THIS_MONTH, THIS_YEAR."
        )


def test_a_token_that_proves_nothing_is_told_so(live: Server) -> None:
    for sent, message in (
        ({}, "Log in first"),
        ({"Authorization": "Bearer x"}, "This token proves nothing here, or no longer: log in again"),
        ({"Authorization": live.token[:-1]}, "This token proves nothing here, or no longer: log in again"),
        ({"Authorization": "Bearer dashi_x"}, "This API key is unknown, revoked or expired"),
    ):
        [error] = live.graphql("{ websites { totalCount } }", {}, sent)["errors"]
        assert (error["message"], error["extensions"]) == (
            message,
            {"code": "unauthenticated", "status": 401},
        )

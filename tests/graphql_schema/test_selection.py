"""Only what is selected is computed: the statements that reach the event store are counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.graphql_schema.statements import statements
from tests.populate import VECTORS, Hit
from tests.server import Server

QUERY = """query(%s) {
  website(id: $id) { analytics(period: {start: "2026-11-10", end: "2026-11-11"}) { %s } }
}"""
# Declared where they are used, as GraphQL wants it.
VARIABLES = {"$yes": "$yes: Boolean = true", "$no": "$no: Boolean = false"}
FRAGMENTS = {
    "...Figure": "fragment Figure on CountFigure { value previous }",
    "...Plain": "fragment Plain on Totals { visitors { value } visits { value } }",
}


# Which moment lists are of (test_paging.py), and what processes tell each other.
_BESIDE = re.compile("applied_batch|advisory|pg_notify")


@pytest.fixture
def sent(
    server: Server, website: str, populate: Callable[[str, Iterable[Hit]], Any]
) -> Callable[[str], list[str]]:
    """The statements that a selection under `analytics` sends to the event store."""
    populate(website, VECTORS)
    # The last hit must have been applied before statements are counted.
    server.graphql("query($id: ID!) { website(id: $id) { activeVisitors } }", {"id": website})

    def ask(selection: str) -> list[str]:
        variables = ["$id: ID!", *(text for name, text in VARIABLES.items() if name in selection)]
        fragments = [text for name, text in FRAGMENTS.items() if name in selection]
        query = "\n".join([QUERY % (", ".join(variables), selection), *fragments])
        with statements(server, accounts=False) as seen:
            answer = server.graphql(query, {"id": website})
        assert "errors" not in answer, answer
        return [one for one in seen if not _BESIDE.search(one)]

    return ask


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ("period { start }", 0),
        ("__typename", 0),
        ("totals { __typename }", 0),
        ("totals { visitors { value } }", 1),
        ("totals { visitors { value } visits { value } bounceRate { value } }", 1),
        # A comparison that nobody looks at is not computed.
        ("totals(compare: PREVIOUS) { visitors { value } }", 1),
        ("totals(compare: PREVIOUS) { visitors { previous } }", 1),
        ("totals(compare: PREVIOUS) { visitors { change } }", 1),
        ("totals(compare: PREVIOUS) { visitors { ...Figure } }", 1),
        ("totals(compare: PREVIOUS) { ... on Totals { visitors { value ... { change } } } }", 1),
        (
            "totals(compare: PREVIOUS) { visitors { value previous @skip(if: $yes) change @include(if: $no) } }",
            1,
        ),
        ("totals(compare: PREVIOUS) { visitors { value previous @skip(if: $no) } }", 1),
        ("totals(compare: PREVIOUS) { visitors { value previous @include(if: true) } }", 1),
        ("totals(compare: PREVIOUS) { ...Plain @skip(if: $yes) __typename }", 0),
        ("totals { visitors { previous } }", 1),
        ("series(unit: DAY) { unit at }", 0),
        ("series(unit: DAY) { at visitors pageviews }", 1),
        ("breakdown(by: [PATH]) { nodes { values } }", 1),
        ("breakdown(by: [PATH]) { nodes { values visitors share } }", 2),
        ("breakdown(by: [PATH]) { edges { node { share } } }", 2),
        ("a: totals { visitors { value } } b: totals { visits { value } }", 1),
    ],
)
def test_statements(sent: Callable[[str], list[str]], selection: str, count: int) -> None:
    assert len(sent(selection)) == count


def aggregates(arm: str) -> set[str]:
    """The measures that are computed in a statement, or in one arm of it."""
    names = ("pageviews", "visitors", "visits", "bounces", "totaltime", "events")
    return {name for name in names if re.search(rf"\bfound\.{name}\b", arm)}


@pytest.mark.parametrize(
    ("selection", "measures"),
    [
        ("totals { visitors { value } }", {"visitors"}),
        ("totals { aliased: visitors { value } }", {"visitors"}),
        ("totals { bounceRate { value } }", {"bounces", "visits"}),
        ("totals { ...Plain }", {"visitors", "visits"}),
        ("totals { ... { visitDuration { value } } }", {"totaltime", "visits"}),
        ("series(unit: DAY) { at views: pageviews }", {"pageviews"}),
    ],
)
def test_measures_of_a_statement(
    sent: Callable[[str], list[str]], selection: str, measures: set[str]
) -> None:
    [statement] = sent(selection)
    assert aggregates(statement) == measures


def test_each_side_of_a_comparison_has_its_own_measures(sent: Callable[[str], list[str]]) -> None:
    [statement] = sent("totals(compare: PREVIOUS) { visitors { value } visits { previous } }")
    # The last two parts; before them parts of visits and events are put together for both.
    *_, now, before = statement.split("UNION ALL")
    assert aggregates(now) == {"visitors", "visits"}
    assert aggregates(before) == {"visits"}

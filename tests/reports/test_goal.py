"""Goals: what is counted, summed and averaged, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests import populate as sending
from tests.populate import A, B, C, happening, view
from tests.reports.doors import PERIOD, fault, graph, posted, rest
from tests.server import Server

Populate = Callable[..., list[dict[str, Any]]]

HITS = [
    view(A, "2026-11-10 10:00:00", "/buy"),
    happening(A, "2026-11-10 10:01:00", "/buy", "order", {"price": 10.5, "note": "x"}),
    happening(A, "2026-11-10 10:02:00", "/buy", "order", {"price": 0.25, "note": 4}),
    happening(B, "2026-11-10 10:00:00", "/", "order", {"price": "12", "gift": True}),
    happening(B, "2026-11-10 10:01:00", "/", "Order", {"price": 100}),
    view(C, "2026-11-10 10:00:00", "/Buy", data={"price": 1000}),
    # Out of range.
    happening(C, "2026-11-09 23:59:59", "/buy", "order", {"price": 7}),
    happening(C, "2026-11-12 00:00:00", "/buy", "order", {"price": 7}),
]


@pytest.fixture(scope="module")
def shop(server: Server) -> str:
    website, other = server.create_website(), server.create_website()
    sending.populate(server, website, HITS)
    sending.populate(server, other, HITS)
    return website


def data(operator: str, property: str, value: str = "order") -> dict[str, Any]:
    return {"type": "event-data", "value": value, "goal": 2, "operator": operator, "property": property}


@pytest.mark.parametrize(
    ("goal", "result"),
    [
        ({"type": "url", "value": "/buy", "goal": 2}, 3),
        ({"type": "url", "value": "/Buy", "goal": 2}, 1),
        ({"type": "url", "value": "/b*", "goal": 2}, 0),
        ({"type": "url", "value": "", "goal": 2}, 0),
        ({"type": "event", "value": "order", "goal": 2}, 3),
        ({"type": "event", "value": "Order", "goal": 2}, 1),
        ({"type": "event", "value": "", "goal": 2}, 0),  # page views have no name
        (data("count", "price"), 3),
        (data("sum", "price"), 10.75),
        (data("average", "price"), 5.375),  # of the two that are numbers
        (data("average", "note"), 4),
        (data("count", "gift"), 1),
        (data("sum", "gift"), 0),
        (data("average", "gift"), 0),
        (data("count", "nothing"), 0),
        (data("average", "nothing"), 0),
        (data("sum", "price", "Order"), 100),
        (data("sum", "price", ""), 0),
    ],
)
def test_each_goal(server: Server, shop: str, goal: dict[str, Any], result: float) -> None:
    assert rest(server, shop, "goals", goals=[goal]) == [{**goal, "result": result}]


def test_they_come_grouped_by_type(server: Server, shop: str) -> None:
    orders, total = {"type": "event", "value": "order", "goal": "4"}, data("sum", "price")
    page, again = {"type": "url", "value": "/buy", "goal": 1.5}, {"type": "url", "value": "/", "goal": -0.0}
    found = rest(server, shop, "goals", goals=[total, orders, page, again, orders, {**page, "more": 1}])
    assert found == [
        {**page, "result": 3},
        {**again, "goal": 0, "result": 2},
        {**page, "result": 3},
        {**orders, "goal": 4, "result": 3},
        {**orders, "goal": 4, "result": 3},
        {**total, "result": 10.75},
    ]


def test_what_a_goal_does_not_need_comes_back(server: Server, shop: str) -> None:
    goal = {"type": "url", "value": "/buy", "goal": 1, "operator": "sum", "property": "price"}
    assert rest(server, shop, "goals", goals=[goal]) == [{**goal, "result": 3}]


def test_whole_numbers_have_no_fraction(server: Server, shop: str) -> None:
    body = {
        "websiteId": shop,
        "dateRange": {"startDate": "2026-11-10", "endDate": "2026-11-11T23:59:59Z"},
        "goals": [data("sum", "price", "Order")],
    }
    answer = server.client.post("/api/reports/goals", json=body, headers=server.admin)
    assert '"goal":2,' in answer.text
    assert '"result":100}' in answer.text


GOALS = """goals(goals: [
  {event: "order", property: "price", aggregate: SUM, target: 21.5}
  {event: "order", target: 0}
  {path: "/buy", target: 4}
]) { path event property aggregate target result progress }"""


def test_graphql_keeps_the_order(server: Server, shop: str) -> None:
    plain = {"path": None, "event": None, "property": None, "aggregate": None}
    assert graph(server, shop, GOALS)["goals"] == [
        {
            **plain,
            "event": "order",
            "property": "price",
            "aggregate": "SUM",
            "target": 21.5,
            "result": 10.75,
            "progress": 0.5,
        },
        {**plain, "event": "order", "target": 0, "result": 3, "progress": None},
        {**plain, "path": "/buy", "target": 4, "result": 3, "progress": 0.75},
    ]


@pytest.mark.parametrize(
    ("where", "results"),
    [
        ('{country: {eq: "DE"}}', [0, 1, 0]),
        ('{path: {eq: "/buy"}}', [10.75, 2, 3]),
        ('{property: {key: "price", gt: 1}}', [10.5, 1, 1]),
    ],
)
def test_where(server: Server, shop: str, where: str, results: list[float]) -> None:
    found = graph(server, shop, GOALS, where=where)["goals"]
    assert [goal["result"] for goal in found] == results


def test_what_lies_before_the_last_reset(server: Server, website: str, populate: Populate) -> None:
    """In GraphQL it is nowhere; over REST these reports go back beyond it (§1.6)."""
    reset = server.client.post(f"/api/websites/{website}/reset", headers=server.admin)
    assert reset.status_code == 200
    at = server.get(f"/api/websites/{website}")["resetAt"][:10]
    populate(website, [happening(A, "2020-01-01 10:00:00", "/", "order", {"price": 1})])
    early = {"startDate": "2020-01-01T00:00:00Z", "endDate": "2020-01-02T00:00:00Z"}
    goals = [{"type": "event", "value": "order", "goal": 2}, data("sum", "price")]
    assert [goal["result"] for goal in rest(server, website, "goals", dateRange=early, goals=goals)] == [1, 1]
    assert at > "2020-01-02"
    period = PERIOD.replace("2026-11-10", "2020-01-01")
    assert [goal["result"] for goal in graph(server, website, GOALS, period)["goals"]] == [0, 0, 0]


ONE = {"type": "url", "value": "/", "goal": 1}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "Required"),
        ({"goals": []}, "Array must contain at least 1 element(s)"),
        ({"goals": {}}, "Expected array, received object"),
        ({"goals": [ONE] * 51}, "Array must contain at most 50 element(s)"),
        ({"goals": [1]}, ""),
        ({"goals": [{"type": "url", "value": "/"}]}, ""),
        ({"goals": [ONE, {**ONE, "goal": "x"}]}, ""),
        ({"goals": [{**ONE, "type": "path"}]}, ""),
        ({"goals": [{**ONE, "value": None}]}, ""),
        ({"goals": [{**ONE, "operator": "max"}]}, ""),
        ({"goals": [{**ONE, "type": "event-data"}]}, ""),
        ({"goals": [{**ONE, "type": "event-data", "operator": "sum"}]}, ""),
        ({"goals": [{**ONE, "type": "event-data", "operator": "sum", "property": ""}]}, ""),
        ({"goals": [{**ONE, "type": "event-data", "property": "n"}]}, ""),
    ],
)
def test_what_rest_refuses(live: Server, params: dict[str, Any], problem: str) -> None:
    assert posted(live, str(uuid4()), "goals", params) == (400, {"error": [f"goals: {problem}"]})


def test_a_number_too_large_is_refused(live: Server) -> None:
    body = (
        '{"websiteId": "%s", "dateRange": {"startDate": 0, "endDate": 1}, '
        '"goals": [{"type": "url", "value": "/", "goal": %s}]}'
    )
    for number in ("1e999", "9" * 400):
        answer = live.client.post("/api/reports/goals", content=body % (uuid4(), number))
        assert (answer.status_code, answer.json()) == (400, {"error": ["goals: "]})


@pytest.mark.parametrize(
    "goals",
    [
        "",
        '{path: "/", target: 1}' * 51,
        "{target: 1}",
        '{path: "/", event: "x", target: 1}',
        '{path: "/", property: "n", aggregate: SUM, target: 1}',
        '{event: "x", property: "n", target: 1}',
        '{event: "x", aggregate: SUM, target: 1}',
        '{event: "x", property: "", aggregate: SUM, target: 1}',
        '{event: "\\u0000", target: 1}',
        '{event: "x", property: "\\u0000", aggregate: SUM, target: 1}',
    ],
)
def test_what_graphql_refuses(live: Server, goals: str) -> None:
    website = live.create_website()
    assert fault(live, website, f"goals(goals: [{goals}]) {{ result }}") == ("invalid", "goals")

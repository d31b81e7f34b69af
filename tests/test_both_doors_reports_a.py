"""Goals, funnels, journeys and retention of the data of Umami v2 REST behaviour §6.3, through both doors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import VECTORS, populate
from tests.reports.doors import graph, rest
from tests.server import Server


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


GOALS: list[tuple[dict[str, str], str, float]] = [
    ({"type": "url", "value": "/pricing"}, 'path: "/pricing"', 4),
    ({"type": "event", "value": "purchase"}, 'event: "purchase"', 2),
    *(
        (
            {"type": "event-data", "value": "signup", "operator": operator, "property": key},
            f'event: "signup", property: "{key}", aggregate: {operator.upper()}',
            result,
        )
        for operator, key, result in (("sum", "n", 3), ("count", "n", 1), ("average", "f", 1.2346))
    ),
]


def test_goals(server: Server, site: str) -> None:
    sent = [{**goal, "goal": 4} for goal, _, _ in GOALS]
    found = rest(server, site, "goals", goals=sent)
    assert found == [{**goal, "goal": 4, "result": result} for goal, _, result in GOALS]
    written = " ".join(f"{{{goal}, target: 4}}" for _, goal, _ in GOALS)
    goals = graph(server, site, f"goals(goals: [{written}]) {{ target result progress }}")["goals"]
    assert goals == [{"target": 4, "result": result, "progress": result / 4} for _, _, result in GOALS]


THIRD = 1 / 3


@pytest.mark.parametrize(
    ("steps", "window", "expected"),
    [
        (
            [("url", "/"), ("url", "/pricing"), ("event", "signup")],
            60,
            [(3, 0, 0, None, 1), (2, 3, 1, 1 - 2 / 3, 2 / 3), (1, 2, 1, 0.5, THIRD)],
        ),
        ([("url", "/"), ("url", "/pri*")], 1, [(3, 0, 0, None, 1), (1, 3, 2, 1 - THIRD, THIRD)]),
    ],
)
def test_funnel(
    server: Server,
    site: str,
    steps: list[tuple[str, str]],
    window: int,
    expected: list[tuple[Any, ...]],
) -> None:
    keys = ("visitors", "previous", "dropped", "dropoff", "remaining")
    rows = [dict(zip(keys, row, strict=True)) for row in expected]
    sent = [{"type": kind, "value": value} for kind, value in steps]
    found = rest(server, site, "funnel", window=window, steps=sent)
    assert found == [{**step, **row} for step, row in zip(sent, rows, strict=True)]
    written = " ".join(f'{{{"path" if kind == "url" else "event"}: "{value}"}}' for kind, value in steps)
    selection = f"funnel(steps: [{written}], windowMinutes: {window}) {{ steps {{ {' '.join(keys)} }} }}"
    assert graph(server, site, selection)["funnel"]["steps"] == rows


@pytest.mark.parametrize(
    ("params", "arguments", "expected"),
    [
        (
            {"steps": 3},
            "steps: 3",
            {
                ("/", "/pricing", "signup", None),
                ("/", "/pricing", None, None),
                ("/", "purchase", None, None),
                ("/", None, None),
            },
        ),
        (
            {"steps": 5, "endStep": "purchase"},
            'steps: 5, endStep: "purchase"',
            {("/", "/pricing", "signup", "purchase", None, None), ("/", "purchase", None, None)},
        ),
    ],
)
def test_journey(
    server: Server,
    site: str,
    params: dict[str, Any],
    arguments: str,
    expected: set[tuple[str | None, ...]],
) -> None:
    found = rest(server, site, "journey", **params)
    assert {tuple(row["items"]) for row in found} == expected
    assert [row["count"] for row in found] == [1] * len(expected)
    ways = graph(server, site, f"journeys({arguments}) {{ steps visits }}")["journeys"]
    assert [(row["steps"], row["visits"]) for row in ways] == [
        ([item for item in row["items"] if item is not None], 1) for row in found
    ]


def test_retention(server: Server, site: str) -> None:
    found = rest(server, site, "retention", timezone="America/Los_Angeles")
    cohort = {"date": "2026-11-10 00:00:00", "visitors": 3}
    assert found == [
        {**cohort, "day": 0, "returnVisitors": 3, "percentage": 100},
        {**cohort, "day": 1, "returnVisitors": 1, "percentage": 100 / 3},
    ]
    period = '{start: "2026-11-10T00:00:00Z", end: "2026-11-11T23:59:59Z", timezone: "America/Los_Angeles"}'
    assert graph(server, site, "retention { date visitors returned rates }", period)["retention"] == [
        {"date": "2026-11-10T00:00:00", "visitors": 3, "returned": [3, 1], "rates": [1, THIRD]}
    ]

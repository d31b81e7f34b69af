"""Journeys: the order of steps, where they begin and end, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests import populate as sending
from tests.populate import A, B, C, happening, view
from tests.reports.doors import fault, graph, posted, rest
from tests.server import Server

Populate = Callable[..., list[dict[str, Any]]]

# Each clock hour is a visit of its own.
HITS = [
    # /, /, /a, signup, /b
    view(A, "2026-11-10 10:00:00", "/"),
    view(A, "2026-11-10 10:01:00", "/"),
    view(A, "2026-11-10 10:02:00", "/a"),
    happening(A, "2026-11-10 10:03:00", "/a", "signup"),
    view(A, "2026-11-10 10:04:00", "/b"),
    # /, /a, signup
    view(B, "2026-11-10 11:00:00", "/"),
    view(B, "2026-11-10 11:01:00", "/a"),
    happening(B, "2026-11-10 11:02:00", "/a", "signup"),
    # /, /a, twice
    view(C, "2026-11-10 12:00:00", "/"),
    view(C, "2026-11-10 12:01:00", "/a"),
    view(C, "2026-11-10 13:00:00", "/"),
    view(C, "2026-11-10 13:01:00", "/a"),
    # /a
    view(C, "2026-11-10 14:00:00", "/a"),
]


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website, other = server.create_website(), server.create_website()
    sending.populate(server, website, HITS)
    sending.populate(server, other, HITS[:7])
    return website


def journeys(server: Server, site: str, **params: Any) -> list[tuple[list[str | None], int]]:
    return [(row["items"], row["count"]) for row in rest(server, site, "journey", **params)]


def test_three_steps(server: Server, site: str) -> None:
    """Equal neighbours are one step, and a null follows each way."""
    assert journeys(server, site, steps=3) == [
        (["/", "/a", None, None], 2),
        (["/", "/a", None], 1),  # /, /, /a
        (["/", "/a", "signup", None], 1),
        (["/a", None, None], 1),
    ]


def test_seven_steps(server: Server, site: str) -> None:
    """No null is added where there cannot be more."""
    assert journeys(server, site, steps="7") == [
        (["/", "/a", None], 2),
        (["/", "/a", "signup", "/b", None], 1),
        (["/", "/a", "signup", None], 1),
        (["/a", None], 1),
    ]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"steps": 5, "startStep": "/a"}, [(["/a", None, None], 1)]),
        ({"steps": 5, "endStep": "signup"}, [(["/", "/a", "signup", None, None], 1)]),
        (
            {"steps": 4, "endStep": "signup"},
            [(["/", "/a", "signup", None], 1), (["/", "/a", "signup", None, None], 1)],
        ),
        ({"steps": 3, "startStep": "/a", "endStep": "/a"}, [(["/a", None, None], 1)]),
        ({"steps": 3, "startStep": "/A"}, []),
        ({"steps": 3, "startStep": "/*"}, []),
        ({"steps": 3, "startStep": "/a", "endStep": ""}, [(["/a", None, None], 1)]),
    ],
)
def test_start_and_end(
    server: Server, site: str, params: dict[str, Any], expected: list[tuple[list[str | None], int]]
) -> None:
    assert journeys(server, site, **params) == expected


def test_graphql_keeps_repetitions(server: Server, site: str) -> None:
    found = graph(server, site, "journeys(steps: 4) { steps visits }")["journeys"]
    assert [(row["steps"], row["visits"]) for row in found] == [
        (["/", "/a"], 2),
        (["/", "/", "/a", "signup"], 1),
        (["/", "/a", "signup"], 1),
        (["/a"], 1),
    ]
    some = 'journeys(steps: 4, startStep: "/", endStep: "signup", first: 1) { steps visits }'
    assert graph(server, site, some)["journeys"] == [{"steps": ["/", "/", "/a", "signup"], "visits": 1}]


def test_where(server: Server, site: str) -> None:
    """Steps that are filtered out are not there."""
    found = graph(
        server, site, "journeys(steps: 3) { steps visits }", where='{path: {ne: "/a"}, country: {eq: "US"}}'
    )["journeys"]
    assert [(row["steps"], row["visits"]) for row in found] == [(["/"], 2), (["/", "/", "/b"], 1)]


def test_a_page_view_goes_before_events_of_its_instant(
    server: Server, website: str, populate: Populate
) -> None:
    populate(
        website,
        [
            happening(A, "2026-11-10 10:00:00", "/a", "opened"),
            view(A, "2026-11-10 10:00:00", "/a"),
            view(A, "2026-11-10 10:00:01", "/b"),
        ],
    )
    assert journeys(server, website, steps=7) == [(["/a", "opened", "/b", None], 1)]


def test_the_range_cuts(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-09 23:59:59", "/before"),
            view(A, "2026-11-10 00:00:00", "/a"),
            view(B, "2026-11-11 23:59:59", "/b"),
            view(B, "2026-11-12 00:00:00", "/after"),
        ],
    )
    assert journeys(server, website, steps=7) == [(["/a", None], 1), (["/b", None], 1)]


def test_the_hundred_most_frequent(server: Server, website: str, populate: Populate) -> None:
    hours = [(day, hour) for day in (10, 11) for hour in range(24)]
    visits = [(visitor, *hour) for visitor in (A, B, C) for hour in hours][:102]
    ways = [f"/{number:03}" for number in range(101)]
    populate(
        website,
        [
            view(visitor, f"2026-11-{day} {hour:02}:00:00", way)
            for (visitor, day, hour), way in zip(visits, [*ways, "/100"], strict=True)
        ],
    )
    found = journeys(server, website, steps=7)
    assert found == [(["/100", None], 2), *(([way, None], 1) for way in ways[:99])]


def test_nothing(server: Server, website: str) -> None:
    assert journeys(server, website, steps=3) == []
    assert graph(server, website, "journeys(steps: 3) { visits }") == {"journeys": []}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "steps: Expected number, received nan"),
        ({"steps": 2}, "steps: Number must be greater than or equal to 3"),
        ({"steps": ""}, "steps: Number must be greater than or equal to 3"),
        ({"steps": "8"}, "steps: Number must be less than or equal to 7"),
        ({"steps": 3.5}, "steps: Expected integer, received float"),
        ({"steps": None}, "steps: Expected number, received nan"),
        ({"steps": 3, "startStep": None}, "startStep: Expected string, received null"),
        ({"steps": 3, "endStep": 1}, "endStep: Expected string, received number"),
    ],
)
def test_what_rest_refuses(live: Server, params: dict[str, Any], problem: str) -> None:
    assert posted(live, str(uuid4()), "journey", params) == (400, {"error": [problem]})


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("steps: 2", "steps"),
        ("steps: 8", "steps"),
        ("steps: 3, first: 0", "first"),
        ("steps: 3, first: 101", "first"),
        ('steps: 3, startStep: "\\u0000"', "startStep"),
        ('steps: 3, endStep: "\\u0000"', "endStep"),
    ],
)
def test_what_graphql_refuses(live: Server, arguments: str, field: str) -> None:
    website = live.create_website()
    assert fault(live, website, f"journeys({arguments}) {{ visits }}") == ("invalid", field)

"""Funnels: order, window, wildcards, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests import populate as sending
from tests.populate import A, B, C, happening, view
from tests.reports.doors import fault, graph, posted, rest
from tests.server import Server
from tests.stats.oracle import Event
from tests.stats.worlds import store

Populate = Callable[..., list[dict[str, Any]]]


def url(value: str) -> dict[str, str]:
    return {"type": "url", "value": value}


def event(name: str) -> dict[str, str]:
    return {"type": "event", "value": name}


def visitors(server: Server, site: str, *steps: dict[str, str], window: Any = 60) -> list[int]:
    return [row["visitors"] for row in rest(server, site, "funnel", window=window, steps=list(steps))]


def test_each_step_counts_the_window_anew(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-10 10:00:00", "/"),
            view(A, "2026-11-10 11:00:00", "/a"),
            view(A, "2026-11-10 12:00:00", "/b"),
        ],
    )
    steps = (url("/"), url("/a"), url("/b"))
    assert visitors(server, website, *steps, window=60) == [1, 1, 1]
    assert visitors(server, website, *steps, window="59") == [1, 0, 0]
    assert visitors(server, website, *steps, window=59.99) == [1, 1, 1]  # counted in full seconds
    assert visitors(server, website, *steps, window=59.98) == [1, 0, 0]


def test_the_order_counts(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            # The wrong way round.
            view(A, "2026-11-10 10:00:00", "/a"),
            view(A, "2026-11-10 10:01:00", "/"),
            # Too late after the first "/", in time after the second.
            view(B, "2026-11-10 10:00:00", "/"),
            view(B, "2026-11-10 12:00:00", "/"),
            view(B, "2026-11-10 12:30:00", "/a"),
        ],
    )
    assert visitors(server, website, url("/"), url("/a")) == [2, 1]


def test_a_step_out_of_time_does_not_open_the_next(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-10 10:00:00", "/"),
            view(A, "2026-11-10 10:50:00", "/a"),
            view(A, "2026-11-10 14:00:00", "/a"),
            view(A, "2026-11-10 14:10:00", "/b"),
        ],
    )
    assert visitors(server, website, url("/"), url("/a"), url("/b")) == [1, 1, 0]


def test_events_of_the_same_instant_are_in_order(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-10 10:00:00", "/a"),
            happening(A, "2026-11-10 10:00:00", "/a", "signup"),
        ],
    )
    assert visitors(server, website, url("/a"), event("signup")) == [1, 1]
    assert visitors(server, website, event("signup"), url("/a")) == [1, 1]
    assert visitors(server, website, event("signup"), event("signup"), event("signup")) == [1, 1, 1]


def test_the_range_cuts_at_both_ends(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-09 23:59:59", "/"),
            view(A, "2026-11-10 00:00:00", "/a"),
            view(B, "2026-11-11 23:59:59", "/"),
            view(B, "2026-11-12 00:00:00", "/a"),
            view(C, "2026-11-10 00:00:00", "/"),
            view(C, "2026-11-10 00:00:30", "/a"),
        ],
    )
    assert visitors(server, website, url("/"), url("/a")) == [2, 1]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((url("/docs/*"), url("*_b")), [3, 1]),
        ((url("/Docs/*"), url("*")), [0, 0]),
        ((url("*ocs*"), url("**")), [3, 3]),
        ((url("*o*s*"), url("*")), [0, 0]),  # only those at the ends
        ((url("/docs/%*"), url("*")), [1, 1]),
        ((url("/docs/_*"), url("*")), [1, 1]),
        ((url("*\\b"), url("*")), [1, 1]),
        ((url("/docs/%"), url("*")), [0, 0]),
        ((url("*"), event("*")), [3, 1]),
        ((event("*"), event("click*")), [1, 1]),
        ((event("Click*"), event("*")), [0, 0]),
        ((event(""), event("*")), [0, 0]),
        ((url(""), url("*")), [0, 0]),
        ((event("click 1"), {"type": "anything else", "value": "*1"}), [1, 1]),
    ],
)
def test_wildcards(server: Server, wild: str, steps: tuple[dict[str, str], ...], expected: list[int]) -> None:
    assert visitors(server, wild, *steps) == expected


@pytest.fixture(scope="module")
def wild(server: Server) -> str:
    website = server.create_website()
    sending.populate(
        server,
        website,
        [
            view(A, "2026-11-10 10:00:00", "/docs/%b"),
            view(B, "2026-11-10 10:00:00", "/docs/_b"),
            view(C, "2026-11-10 10:00:00", "/docs/\\b".replace("\\", "%5C")),
            happening(A, "2026-11-10 10:01:00", "/docs/%b", "click 1"),
        ],
    )
    return website


def test_nothing_of_other_websites(server: Server, website: str, populate: Populate) -> None:
    other = server.create_website()
    populate(website, [view(A, "2026-11-10 10:00:00", "/"), view(B, "2026-11-10 10:00:00", "/")])
    populate(other, [view(A, "2026-11-10 10:01:00", "/a"), view(C, "2026-11-10 10:00:00", "/")])
    assert visitors(server, website, url("/"), url("/a")) == [2, 0]


def test_nobody(server: Server, website: str) -> None:
    assert rest(server, website, "funnel", window=1, steps=[url("/"), event("x")]) == [
        {
            **step,
            "visitors": 0,
            "previous": 0,
            "dropped": 0,
            "dropoff": None,
            "remaining": None,
        }
        for step in (url("/"), event("x"))
    ]


def test_where(server: Server, website: str, populate: Populate) -> None:
    """The filter chooses events, and with them the steps that there are."""
    for visitor in (A, B):
        populate(
            website,
            [
                view(visitor, "2026-11-10 10:00:00", "/"),
                view(visitor, "2026-11-10 10:01:00", "/a", tag="x" if visitor is A else ""),
            ],
        )
    funnel = 'funnel(steps: [{path: "/"}, {path: "/*"}], windowMinutes: 5) { steps { path visitors } }'
    for where, expected in (
        ("", [2, 2]),
        ('{country: {eq: "DE"}}', [1, 1]),
        ('{path: {eq: "/a"}}', [0, 0]),
        ("{tag: {isSet: false}}", [2, 2]),
        ('{or: [{path: {eq: "/"}}, {tag: {eq: "x"}}]}', [2, 2]),
    ):
        steps = graph(server, website, funnel, where=where)["funnel"]["steps"]
        assert [(step["path"], step["visitors"]) for step in steps] == list(
            zip(("/", "/*"), expected, strict=True)
        )


def test_a_session_of_many_events(server: Server) -> None:
    """20,000 events at one step and as many at the next would be 200 million pairs."""
    website, session, visit = UUID(server.create_website()), uuid4(), uuid4()
    start = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
    events = [
        Event(uuid4(), session, visit, start + dt.timedelta(seconds=number), {"url_path": f"/{number % 2}"})
        for number in range(40_000)
    ]
    store(server.runtime, events, website)
    assert visitors(server, str(website), *[url("/0"), url("/1")] * 3, window=1) == [1] * 6


FEW = "Array must contain at least 2 element(s)"
TWO = [url("/"), url("/a")]


@pytest.mark.parametrize(
    ("params", "problems"),
    [
        ({}, ["window: Expected number, received nan", "steps: Required"]),
        ({"window": 0, "steps": []}, ["window: Number must be greater than 0", f"steps: {FEW}"]),
        ({"window": "", "steps": [url("/")]}, ["window: Number must be greater than 0", f"steps: {FEW}"]),
        ({"window": -1, "steps": TWO}, ["window: Number must be greater than 0"]),
        ({"window": "x", "steps": TWO}, ["window: Expected number, received nan"]),
        ({"window": None, "steps": TWO}, ["window: Expected number, received nan"]),
        ({"window": 527_041, "steps": TWO}, ["window: Number must be less than or equal to 527040"]),
        ({"window": 1, "steps": "x"}, ["steps: Expected array, received string"]),
        ({"window": 1, "steps": None}, ["steps: Expected array, received null"]),
        ({"window": 1, "steps": TWO * 6}, ["steps: Array must contain at most 10 element(s)"]),
        ({"window": 1, "steps": [url("/"), {"type": "url"}]}, ["steps: "]),
        ({"window": 1, "steps": [url("/"), {"type": "url", "value": 1}]}, ["steps: "]),
        ({"window": 1, "steps": [url("/"), "x"]}, ["steps: "]),
        ({"window": 1, "steps": TWO, "dateRange": {"startDate": "x"}}, ["dateRange: "]),
        ({"window": 1, "steps": TWO, "websiteId": "x"}, ["websiteId: Invalid uuid"]),
        ({"window": 1, "steps": TWO, "timezone": "Nowhere"}, ["timezone: Invalid timezone"]),
    ],
)
def test_what_rest_refuses(live: Server, params: dict[str, Any], problems: list[str]) -> None:
    assert posted(live, str(uuid4()), "funnel", params) == (400, {"error": problems})


GIVEN = "steps { visitors }"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('steps: [{path: "/"}, {path: "/a"}], windowMinutes: 0', "windowMinutes"),
        ('steps: [{path: "/"}, {path: "/a"}], windowMinutes: 527041', "windowMinutes"),
        ('steps: [{path: "/"}], windowMinutes: 1', "steps"),
        ("steps: [" + '{path: "/"}' * 11 + "], windowMinutes: 1", "steps"),
        ('steps: [{path: "/"}, {}], windowMinutes: 1', "steps"),
        ('steps: [{path: "/"}, {path: "/", event: "x"}], windowMinutes: 1', "steps"),
        ('steps: [{path: "/"}, {event: "\\u0000"}], windowMinutes: 1', "steps"),
    ],
)
def test_what_graphql_refuses(live: Server, arguments: str, field: str) -> None:
    website = live.create_website()
    assert fault(live, website, f"funnel({arguments}) {{ {GIVEN} }}") == ("invalid", field)


def test_who_may_not_see_the_website(live: Server) -> None:
    body = {
        "websiteId": live.create_website(),
        "dateRange": {"startDate": "2026-11-10", "endDate": "2026-11-11"},
        "window": 1,
        "steps": TWO,
    }
    answer = live.client.post("/api/reports/funnel", json=body)
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})

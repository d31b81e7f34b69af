"""Retention: who is new, on which local day, and who comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.populate import A, B, C, Hit, Visitor, happening, view
from tests.reports.doors import graph, posted, rest
from tests.server import Server

Populate = Callable[..., list[dict[str, Any]]]

NOVEMBER = {"startDate": "2026-11-01T00:00:00Z", "endDate": "2026-11-30T23:59:59Z"}


def retention(server: Server, site: str, **params: Any) -> list[tuple[str, int, int, int, float]]:
    given = {"timezone": "UTC", "dateRange": NOVEMBER, **params}
    return [
        (row["date"], row["day"], row["visitors"], row["returnVisitors"], row["percentage"])
        for row in rest(server, site, "retention", **given)
    ]


def test_cohorts(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-10 10:00:00"),
            view(A, "2026-11-10 11:00:00"),
            view(B, "2026-11-10 12:00:00"),
            happening(B, "2026-11-12 12:00:00", "/", "click"),
            happening(C, "2026-11-12 12:00:00", "/", "click"),
            view(C, "2026-11-30 12:00:00"),
        ],
    )
    assert rest(server, website, "retention", timezone="UTC", dateRange=NOVEMBER)[1] == {
        "date": "2026-11-10 00:00:00",
        "day": 2,
        "visitors": 2,
        "returnVisitors": 1,
        "percentage": 50,
    }
    assert retention(server, website) == [
        ("2026-11-10 00:00:00", 0, 2, 2, 100),
        ("2026-11-10 00:00:00", 2, 2, 1, 50),
        ("2026-11-12 00:00:00", 0, 1, 1, 100),
        ("2026-11-12 00:00:00", 18, 1, 1, 100),
    ]
    period = '{start: "2026-11-10", end: "2026-11-13"}'
    assert graph(server, website, "retention { date visitors returned rates }", period)["retention"] == [
        {"date": "2026-11-10T00:00:00", "visitors": 2, "returned": [2, 0, 1, 0], "rates": [1, 0, 0.5, 0]},
        {"date": "2026-11-12T00:00:00", "visitors": 1, "returned": [1, 0], "rates": [1, 0]},
    ]


def test_days_are_local(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-10 10:00:00"),  # Kathmandu: 15:45
            view(A, "2026-11-10 18:15:00"),  # 00:00 the next day
            view(B, "2026-11-10 18:14:59"),  # 23:59:59
        ],
    )
    assert retention(server, website) == [("2026-11-10 00:00:00", 0, 2, 2, 100)]
    in_kathmandu = [("2026-11-10 00:00:00", 0, 2, 2, 100), ("2026-11-10 00:00:00", 1, 2, 1, 50)]
    assert retention(server, website, timezone="asia/kathmandu") == in_kathmandu
    # The old client puts the zone into the range.
    given = {"dateRange": {**NOVEMBER, "timezone": "Asia/Kathmandu"}}
    found = rest(server, website, "retention", **given)
    assert [(row["date"], row["day"]) for row in found] == [row[:2] for row in in_kathmandu]


def test_days_around_a_change_of_clocks(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-10-24 22:30:00"),  # Berlin: the 25th, 00:30, a day of 25 hours
            view(A, "2026-10-25 22:59:59"),  # the 25th, 23:59:59
            view(A, "2026-10-25 23:00:00"),  # the 26th
        ],
    )
    october = {"startDate": "2026-10-01T00:00:00Z", "endDate": "2026-10-31T23:59:59Z"}
    assert retention(server, website, timezone="Europe/Berlin", dateRange=october) == [
        ("2026-10-25 00:00:00", 0, 1, 1, 100),
        ("2026-10-25 00:00:00", 1, 1, 1, 100),
    ]


def known(visitor: Visitor, at: str, name: str) -> Hit:
    """A page view of someone whom the site has identified, who is the same for good."""
    return view(visitor, at, id=name)


def test_who_came_before_is_not_new(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            view(A, "2026-11-01 00:00:00"),  # the first instant of a session's month
            view(A, "2026-11-10 10:00:00"),
            view(A, "2026-12-01 10:00:00"),  # another session: the month is another
            known(B, "2025-01-31 10:00:00", "old"),
            known(B, "2026-11-10 10:00:00", "old"),
            known(B, "2026-11-10 11:00:00", "new"),
            known(C, "2026-11-20 11:00:00", "new"),  # from elsewhere
        ],
    )
    later = {"startDate": "2026-11-05T00:00:00Z", "endDate": "2026-12-31T23:59:59Z"}
    assert retention(server, website, dateRange=later) == [
        ("2026-11-10 00:00:00", 0, 1, 1, 100),
        ("2026-11-10 00:00:00", 10, 1, 1, 100),
        ("2026-12-01 00:00:00", 0, 1, 1, 100),
    ]
    all_time = graph(server, website, "retention { date visitors }", "{all: true}")["retention"]
    assert [(cohort["date"][:10], cohort["visitors"]) for cohort in all_time] == [
        ("2025-01-31", 1),
        ("2026-11-01", 1),
        ("2026-11-10", 1),
        ("2026-12-01", 1),
    ]


def test_up_to_31_days(server: Server, website: str, populate: Populate) -> None:
    populate(
        website,
        [
            known(A, "2026-10-01 23:59:59", "a"),
            known(A, "2026-11-01 23:59:59", "a"),
            known(A, "2026-11-02 00:00:00", "a"),
        ],
    )
    long = {"startDate": "2026-10-01T00:00:00Z", "endDate": "2026-12-31T23:59:59Z"}
    assert retention(server, website, dateRange=long) == [
        ("2026-10-01 00:00:00", 0, 1, 1, 100),
        ("2026-10-01 00:00:00", 31, 1, 1, 100),
    ]
    period = '{start: "2026-10-01", end: "2026-12-31"}'
    [cohort] = graph(server, website, "retention { returned }", period)["retention"]
    assert cohort["returned"] == [1, *[0] * 30, 1]


def test_where(server: Server, website: str, populate: Populate) -> None:
    """The filter chooses events: the first that matches makes someone new."""
    populate(
        website,
        [
            view(A, "2026-11-08 10:00:00", "/"),
            view(A, "2026-11-10 10:00:00", "/docs"),
            view(A, "2026-11-11 10:00:00", "/docs"),
            view(B, "2026-11-09 10:00:00", "/docs"),
            view(B, "2026-11-11 10:00:00", "/docs"),
        ],
    )
    found = graph(server, website, "retention { date returned }", where='{path: {eq: "/docs"}}')
    assert found["retention"] == [{"date": "2026-11-10T00:00:00", "returned": [1, 1]}]


def test_nothing_of_other_websites(server: Server, website: str, populate: Populate) -> None:
    other = server.create_website()
    populate(website, [known(A, "2026-11-10 10:00:00", "a")])
    populate(other, [known(A, "2026-11-01 10:00:00", "a"), known(B, "2026-11-10 10:00:00", "b")])
    assert retention(server, website) == [("2026-11-10 00:00:00", 0, 1, 1, 100)]
    assert retention(server, server.create_website()) == []


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "timezone: Required"),
        ({"timezone": None}, "timezone: Expected string, received null"),
        ({"timezone": "Nowhere"}, "timezone: Invalid timezone"),
        ({"dateRange": None, "timezone": "UTC"}, "dateRange: Expected object, received null"),
        ({"dateRange": {**NOVEMBER, "timezone": "Nowhere"}}, "dateRange: "),
        ({"dateRange": {**NOVEMBER, "timezone": ""}}, "timezone: Required"),
    ],
)
def test_what_rest_refuses(live: Server, params: dict[str, Any], problem: str) -> None:
    assert posted(live, str(uuid4()), "retention", params) == (400, {"error": [problem]})

"""Ranges that hold nothing, or everything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import VECTORS, populate
from tests.reports.doors import rest
from tests.server import Server

STEP = {"type": "url", "value": "/"}
PARAMS: dict[str, dict[str, Any]] = {
    "funnel": {"window": 1, "steps": [STEP, STEP]},
    "goals": {"goals": [{**STEP, "goal": 1}]},
    "journey": {"steps": 7},
    "retention": {"timezone": "Pacific/Apia"},
}
NOBODY = {**STEP, "visitors": 0, "previous": 0, "dropped": 0, "dropoff": None, "remaining": None}
NOTHING: dict[str, list[Any]] = {
    "funnel": [NOBODY, NOBODY],
    "goals": [{**STEP, "goal": 1, "result": 0}],
    "journey": [],
    "retention": [],
}


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


@pytest.mark.parametrize("report", PARAMS)
def test_a_range_that_ends_before_it_starts(server: Server, site: str, report: str) -> None:
    reversed_range = {"startDate": "2026-11-12T00:00:00Z", "endDate": "2026-11-09T00:00:00Z"}
    assert rest(server, site, report, dateRange=reversed_range, **PARAMS[report]) == NOTHING[report]


@pytest.mark.parametrize("report", PARAMS)
def test_a_range_of_all_years(server: Server, site: str, report: str) -> None:
    ever = {"startDate": "0001-01-01", "endDate": "9999-12-31T23:59:59Z"}
    some = {"startDate": "2026-01-01", "endDate": "2027-01-01"}
    found = rest(server, site, report, dateRange=ever, **PARAMS[report])
    assert found == rest(server, site, report, dateRange=some, **PARAMS[report])
    assert found != NOTHING[report]

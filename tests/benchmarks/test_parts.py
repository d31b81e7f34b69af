"""Parts of the benchmarks at work on a few thousand events: what is measured is asked for, and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from benchmarks.dashboards import dashboards
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.raw import STATISTICS
from benchmarks.run import Run
from benchmarks.statistics import statistics
from benchmarks.stores import DUCKDB, POSTGRESQL, Stores

_EVENTS = 5000


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    made = Stores(tmp_path_factory.mktemp("benchmarks"))
    yield made
    made.close()


def _run(stores: Stores, engine: str) -> Run:
    return Run(stores, (engine,), (_EVENTS,), many=_EVENTS, seconds=1, repeats=1, full=False)


@pytest.mark.parametrize("engine", [DUCKDB, POSTGRESQL])
def test_statistics_say_what_raw_sql_finds(stores: Stores, engine: str, postgres: Callable[[], str]) -> None:
    """They end the run otherwise. `postgres` makes, under its lock, the account that servers of ours run under too."""
    found = [figure.name for figure in statistics(_run(stores, engine))]
    for one in STATISTICS:
        assert f"0.005 M, 30 days: {one.name}" in found


def test_dashboards_are_asked_in_three_ways(stores: Stores) -> None:
    found = {figure.name: figure.value for figure in dashboards(_run(stores, DUCKDB))}
    assert list(found) == [
        f"0.005 M, {period}, {way}"
        for period in ("1 day", "30 days", "365 days")
        for way in ("14 REST calls", "14 REST calls, 8 at once", "one GraphQL operation")
    ]
    assert all(found.values())


def test_a_miss_is_explained() -> None:
    missed = Figure("nothing we know", DUCKDB, 3, own_target=at_most(2))
    assert (missed.is_met, missed.limit) == (False, "not explained yet")
    met = Figure("nothing we know", DUCKDB, 3, own_target=at_least(2))
    assert (met.is_met, met.limit) == (True, "")

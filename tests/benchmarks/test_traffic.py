"""The rows that benchmarks are taken on."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.traffic import EVENTS, Traffic, slices, website_id

# What Umami 3.1 was measured on: 600,000 visits.
_REFERENCE = Path(__file__).with_name("umami_traffic.sql")


def _made(traffic: Traffic) -> duckdb.DuckDBPyConnection:
    """A connection with the table `made`, its rows in the order in which a store gets them."""
    connection = duckdb.connect()
    for number, _ in enumerate(slices(connection, traffic, events=3000)):
        statement = "INSERT INTO made" if number else "CREATE TABLE made AS"
        connection.execute(f"{statement} {EVENTS}")
    return connection


def test_the_rows_are_those_of_the_reference() -> None:
    connection = _made(Traffic(10_000))
    connection.execute(
        _REFERENCE.read_text().replace("range(600000)", "range(2000)").replace("600000 //", "2000 //")
    )
    columns = ", ".join(name for name, *_ in connection.execute("DESCRIBE benchmark_event").fetchall())
    for one, other in (("made", "benchmark_event"), ("benchmark_event", "made")):
        query = f"SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}"
        assert connection.execute(query).fetchall() == []
    assert connection.execute("SELECT count(*) FROM made").fetchall() == [(10_197,)]


def test_events_come_in_the_order_of_their_times() -> None:
    connection = _made(Traffic(10_000, 20))
    connection.execute("CREATE TABLE placed AS SELECT *, row_number() OVER () AS place FROM made")
    earlier = "lag({0}) OVER (ORDER BY place) AS earlier FROM placed"
    assert connection.execute(
        f"SELECT count(*) FROM (SELECT created_at, {earlier.format('created_at')}) WHERE created_at < earlier"
    ).fetchall() == [(0,)]
    # One visit is not over when others begin.
    [(changes,)] = connection.execute(
        f"SELECT count(*) FROM (SELECT website_id, {earlier.format('website_id')}) WHERE website_id <> earlier"
    ).fetchall()
    assert changes > 1000


def test_a_website_has_the_same_events_alone_as_among_others() -> None:
    among, alone = (_made(Traffic(20_000, 20, alone=alone)) for alone in (False, True))
    asked = [str(website_id())]
    rows = "SELECT * FROM made WHERE website_id = $1 ORDER BY event_id"
    assert among.execute(rows, asked).fetchall() == alone.execute(rows, asked).fetchall()
    assert among.execute("SELECT count(DISTINCT website_id) FROM made").fetchall() == [(20,)]
    assert alone.execute("SELECT DISTINCT website_id FROM made").fetchall() == [(website_id(),)]

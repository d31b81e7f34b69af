"""The judge of lists of events and of their data: plain Python over the worlds of `tests.stats.oracle`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from tests.stats.oracle import VIEW, Datum, Event, World
from tests.stats.worlds import worlds

_texts = st.sampled_from(("pro", "Pro", "10", "1.0000", "é", ""))
_numbers = st.sampled_from((3.0, 10.0, -1.25, 19.99, 0.0, 100_000.0))
_dates = st.sampled_from(
    (
        "2024-01-02T03:00:00.000Z",
        "2024-01-02T03:59:59.999Z",
        "2024-01-02T04:00:00.000Z",
        "0099-12-31T23:04:05.006Z",
    )
)
_data = st.lists(
    st.one_of(
        st.builds(Datum, st.sampled_from("knK"), st.just(1), _texts),
        st.tuples(st.sampled_from(("n", "k", "cart.total")), _numbers).map(
            lambda pair: Datum(pair[0], 2, f"{pair[1]:.4f}", pair[1])
        ),
        # Too large for the store's column, and `.0000` is not at its end.
        st.just(Datum("big", 2, "1.00001e+25")),
        st.sampled_from(("true", "false")).map(lambda text: Datum("ok", 3, text)),
        _dates.map(lambda text: Datum("when", 4, text)),
        st.sampled_from(('["a","b"]', "null")).map(lambda text: Datum("tags", 5, text)),
    ),
    max_size=4,
)


@st.composite
def data_worlds(draw: st.DrawFn) -> World:
    """Worlds whose events have data of every type, keys of several types, and now and then a key twice."""
    world = draw(worlds())
    return replace(world, events=tuple(replace(event, data=tuple(draw(_data))) for event in world.events))


def shown(datum: Datum) -> str:
    if datum.type == 2 and datum.string.endswith(".0000"):
        return datum.string[: -len(".0000")]
    if datum.type == 4:
        day, time = datum.string.split("T")
        return f"{day} {time[:2]}:00:00"
    return datum.string


Row = tuple[Any, ...]


def data(
    world: World, event: str | None = None, fits: Callable[[str], bool] = lambda key: True
) -> list[tuple[str, Datum]]:
    """(name of the event, '' for page views; datum) of all data that counts."""
    return [
        (row["event_name"], datum)
        for row in world.rows()
        for datum in row.data
        if event in (None, row["event_name"]) and fits(datum.key)
    ]


def properties_of_events(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    """(event, key, type, '', total)"""
    counted = Counter((event, datum.key, datum.type) for event, datum in found)
    return [(event or None, key, kind, "", n) for (event, key, kind), n in sorted(counted.items())]


def values_of_events(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    counted = Counter((event, datum.key, datum.type, datum.string) for event, datum in found)
    ordered = sorted(counted.items(), key=lambda item: (*item[0][:3], -item[1], item[0][3]))
    return [(event or None, key, kind, value, n) for (event, key, kind, value), n in ordered]


def fields(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    counted = Counter((datum.key, datum.type, shown(datum)) for _, datum in found)
    ordered = sorted(counted.items(), key=lambda item: (-item[0][1], -item[1], item[0][0], item[0][2]))
    return [(None, key, kind, value, n) for (key, kind, value), n in ordered]


def properties(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    counted = Counter((event, datum.key) for event, datum in found)
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [(event or None, key, 0, "", n) for (event, key), n in ordered]


def values(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    counted = Counter(shown(datum) for _, datum in found)
    return [
        (None, "", 0, value, n) for value, n in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]


def typed_properties(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    return sorted(properties_of_events(found), key=lambda row: -row[4])


def typed_values(found: Iterable[tuple[str, Datum]]) -> list[Row]:
    return sorted(fields(found), key=lambda row: (-row[4], *row[1:4]))


def totals(world: World) -> tuple[int, int, int]:
    """(events with data, different keys, rows of data)"""
    rows = world.rows()
    keys = [datum.key for row in rows for datum in row.data]
    return (sum(bool(row.data) for row in rows), len(set(keys)), len(keys))


def listed(world: World, search: str = "", order_by: str | None = None) -> list[Event]:
    """Newest first, then greatest id; by a column, first the least in it."""

    def searched(event: Event) -> bool:
        text = event["url_path"] if event.type == VIEW else event["event_name"]
        return search.lower() in text.lower()

    found = sorted(filter(searched, world.rows()), key=lambda e: (e.at, e.event_id), reverse=True)
    return found if order_by is None else sorted(found, key=_column(order_by))


def _column(name: str) -> Callable[[Event], Any]:
    of: dict[str, Callable[[Event], Any]] = {
        "event_id": lambda event: event.event_id,
        "session_id": lambda event: event.session_id,
        "created_at": lambda event: event.at,
        "event_type": lambda event: event.type,
    }
    return of.get(name, lambda event: event[name])


def data_of(event: Event) -> list[tuple[str, int, str, float | None]]:
    found = [(datum.key, datum.type, datum.string, datum.number) for datum in event.data]
    return sorted(found, key=lambda row: row[:3])


def ids(events: Iterable[Event]) -> list[UUID]:
    return [event.event_id for event in events]

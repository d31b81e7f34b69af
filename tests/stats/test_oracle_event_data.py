"""Random events with random data: every list of events and of data is what the oracle says, whole and in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.paging import Window
from app.stats import event_data, events
from app.stats.event_data import DataCount, Listing
from app.stats.event_rows import data_of
from app.stats.filters import Condition, Operator
from tests.server import Server
from tests.stats import oracle_event_data as oracle
from tests.stats.oracle import Datum, World
from tests.stats.oracle_event_data import data_worlds
from tests.stats.test_oracle import judged, opened

LISTINGS: list[tuple[Listing, Callable[[Iterable[tuple[str, Datum]]], list[oracle.Row]]]] = [
    (event_data.PROPERTIES_OF_EVENTS, oracle.properties_of_events),
    (event_data.VALUES_OF_EVENTS, oracle.values_of_events),
    (event_data.FIELDS, oracle.fields),
    (event_data.PROPERTIES, oracle.properties),
    (event_data.VALUES, oracle.values),
    (event_data.TYPED_PROPERTIES, oracle.typed_properties),
    (event_data.TYPED_VALUES, oracle.typed_values),
]
KEYS: list[tuple[Operator, str, Callable[[str], bool]]] = [
    (Operator.EQ, "n", lambda key: key == "n"),
    (Operator.NE, "n", lambda key: key != "n"),
    (Operator.CONTAINS, "K", lambda key: "k" in key.lower()),
    (Operator.NOT_CONTAINS, ".T", lambda key: ".t" not in key.lower()),
]


def plain(row: DataCount) -> oracle.Row:
    return (row.event, row.key, row.type, row.value, row.total)


@pytest.mark.parametrize("number", range(len(LISTINGS)))
@given(
    world=data_worlds(),
    name=st.sampled_from((None, None, "signup", "", "nothing")),
    key=st.none() | st.sampled_from(KEYS),
    size=st.integers(1, 4),
)
@judged
def test_listings(server: Server, number: int, world: World, name: str | None, key: Any, size: int) -> None:
    listing, judge = LISTINGS[number]
    keys = [] if key is None else [Condition("key", key[0], (key[1],))]
    with opened(server, world) as (ctx, scope):
        rows = event_data.data_counts(ctx, scope, listing, event=name, keys=keys)
        count = event_data.count_data_counts(ctx, scope, listing, event=name, keys=keys)
        paged: list[DataCount] = []
        more = True
        while more:
            window = Window(size, after=listing.position(paged[-1]) if paged else None)
            page = event_data.data_counts(ctx, scope, listing, event=name, keys=keys, window=window)
            paged += page
            more = bool(page)
    found = judge(oracle.data(world, name, *([] if key is None else [key[2]])))
    assert [plain(row) for row in rows] == found
    assert paged == rows
    assert count == len(found)


@given(world=data_worlds())
@judged
def test_totals(server: Server, world: World) -> None:
    with opened(server, world) as (ctx, scope):
        found = event_data.data_totals(ctx, scope)
    assert (found.events, found.properties, found.records) == oracle.totals(world)


@given(
    world=data_worlds(),
    search=st.sampled_from(("", "A", "/", "sign", "P", "%", "_", "é")),
    order_by=st.sampled_from(
        (None, "event_id", "session_id", "created_at", "event_type", "event_name", "url_path", "page_title")
    ),
    size=st.integers(1, 5),
)
@judged
def test_events(server: Server, world: World, search: str, order_by: str | None, size: int) -> None:
    expected = oracle.listed(world, search, order_by)
    with opened(server, world) as (ctx, scope):
        rows = events.events(ctx, scope, Window(100), search, order_by)
        pages = [
            events.event_page(ctx, scope, Window(size, offset), search, order_by)
            for offset in range(0, len(expected) + size, size)
        ]
        counted = events.count_events(ctx, scope, search)
        data = data_of(ctx, scope, rows)
    assert [row.event_id for row in rows] == oracle.ids(expected)
    assert [row for page in pages for row in page.rows] == rows
    assert {page.count for page in pages} == {len(expected)}
    assert counted == len(expected)
    for row, event in zip(rows, expected, strict=True):
        assert (row.session_id, row.visit_id, row.created_at) == (event.session_id, event.visit_id, event.at)
        assert (row.event_type, row.event_name) == (event.type, event["event_name"] or None)
        assert (row.url_path, row.url_query) == (event["url_path"], event["url_query"])
        assert (row.page_title, row.tag) == (event["page_title"] or None, event["tag"] or None)
        found = [(datum.key, datum.type, datum.text, datum.number) for datum in data.get(row.event_id, [])]
        assert found == oracle.data_of(event)
    assert all(data.values())


@given(world=data_worlds(), search=st.sampled_from(("", "a")), size=st.integers(1, 5))
@judged
def test_events_by_keyset(server: Server, world: World, search: str, size: int) -> None:
    with opened(server, world) as (ctx, scope):
        paged = events.events(ctx, scope, Window(size), search)
        page = paged
        while page:
            last = (page[-1].created_at, page[-1].event_id)
            page = events.events(ctx, scope, Window(size, after=last), search)
            paged = [*paged, *page]
    assert [row.event_id for row in paged] == oracle.ids(oracle.listed(world, search))

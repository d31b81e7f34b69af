"""The chunks that a store is parted into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import orjson

from app.db import EventStore
from app.moving.chunks import chunks, read
from app.moving.stock import take_stock
from app.tables import DATA_TABLES
from tests.moving.conftest import CROWDED, ROWS


def test_each_row_is_in_one_chunk_and_chunks_are_small_and_always_the_same(
    filled: Callable[[str], EventStore], store: str
) -> None:
    there = filled(store)
    stock = take_stock(there)
    found = list(chunks(there, stock, ROWS))
    assert list(chunks(there, take_stock(there), ROWS)) == found
    counts: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for chunk in found:
        text, count = read(there, chunk)
        rows = orjson.loads(text or "[]")
        assert len(rows) == count <= 2 * ROWS
        assert {row["website_id"] for row in rows} <= {str(website_id) for website_id in chunk.websites}
        counts[str(chunk.table.name)] += count
        if chunk.table.name == "event":
            events.update(row["event_id"] for row in rows)
    assert counts == {
        table.name: sum(one.rows for one in stock.held[table.name].values()) for table in DATA_TABLES
    }
    # One event is stored 351 times, as is possible; all others once.
    assert sorted(events.values())[-2:] == [1, 351]
    # Websites that are small share a chunk; what is of one instant or one session is parted too.
    assert any(len(chunk.websites) > 1 for chunk in found)
    paged = {chunk.table.name for chunk in found if chunk.page}
    assert paged == {"event", "session_data"}
    assert {website_id for chunk in found if chunk.page for website_id in chunk.websites} == {CROWDED}

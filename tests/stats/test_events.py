"""Lists of events: cases too rare for random worlds, written out."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from app import websites
from app.context import Ctx
from app.errors import Invalid
from app.paging import Window
from app.stats import events
from app.stats.event_rows import NEWEST_FIRST, EventRow, data_of, event_rows
from app.stats.filters import Condition, Operator
from app.stats.period import Period
from app.stats.scope import open_scope
from app.stats.zones import UTC
from app.tables import event
from tests.stats.oracle import Datum, Event
from tests.stats.test_figures import at, one, scope_of
from tests.stats.worlds import store


def numbers(rows: list[EventRow]) -> list[int]:
    return [row.event_id.int for row in rows]


def test_a_row_has_every_column_in_order() -> None:
    # But which write stored it is nobody's business.
    columns = [column.name for column in event.columns if column.name != "stored_in"]
    assert [field.name for field in fields(EventRow)] == columns


def test_what_is_absent_is_none(ctx: Ctx) -> None:
    scope = scope_of(ctx, one("2026-11-10 10:00:00"))
    [row] = events.events(ctx, scope, Window())
    always = {
        "event_id": UUID(int=1),
        "website_id": scope.website_id,
        "session_id": UUID(int=1),
        "visit_id": UUID(int=1),
        "created_at": at("2026-11-10 10:00:00"),
        "event_type": 1,
        "url_path": "",
        "url_query": "",
    }
    assert {name: getattr(row, name) for name in always} == always
    rest = [field.name for field in fields(EventRow) if field.name not in always]
    assert len(rest) == 27
    assert [getattr(row, name) for name in rest] == [None] * 27


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (("", "", ""), (None, None, None)),
        (("t.co", "/x", ""), ("t.co", "/x", "")),
        (("t.co", "/x", "q"), ("t.co", "/x", "q")),
        # localhost is no domain, and an app's address may have no path.
        (("", "/", ""), (None, "/", "")),
        (("com.example.app", "", ""), ("com.example.app", "", "")),
    ],
)
def test_path_and_query_of_a_referrer_are_absent_together(
    ctx: Ctx, sent: tuple[str, str, str], shown: tuple[str | None, ...]
) -> None:
    names = ("referrer_domain", "referrer_path", "referrer_query")
    scope = scope_of(ctx, one("2026-11-10", **dict(zip(names, sent, strict=True))))
    [row] = events.events(ctx, scope, Window())
    assert tuple(getattr(row, name) for name in names) == shown


def test_events_of_one_instant_are_listed_by_id(ctx: Ctx) -> None:
    when = "2026-11-10 10:00:00"
    high = 0x80 << 120  # a sign bit must not matter
    scope = scope_of(ctx, *(one(when, number=number) for number in (1, high, 2, high + 1)))
    assert numbers(events.events(ctx, scope, Window())) == [high + 1, high, 2, 1]
    by_path = events.events(ctx, scope, Window(2, 1), order_by="url_path")
    assert numbers(by_path) == [high, 2]


def test_microseconds_are_kept(ctx: Ctx) -> None:
    scope = scope_of(ctx, *(one(f"2026-11-10 10:00:00.00000{n}", number=9 - n) for n in range(4)))
    rows = events.events(ctx, scope, Window())
    assert numbers(rows) == [6, 7, 8, 9]
    assert rows[0].created_at == at("2026-11-10 10:00:00.000003")
    after = (rows[1].created_at, rows[1].event_id)
    assert numbers(events.events(ctx, scope, Window(after=after))) == [8, 9]


def test_search_is_in_names_of_custom_events_and_paths_of_page_views(ctx: Ctx) -> None:
    when = "2026-11-10 10:00:00"
    scope = scope_of(
        ctx,
        one(when, number=1, url_path="/Sign-up"),
        one(when, number=2, url_path="/sign", event_name="click"),
        one(when, number=3, url_path="/", event_name="SIGNUP"),
        one(when, number=4, url_path="/100%_off"),
    )
    for search, found in (("sign", [3, 1]), ("CLICK", [2]), ("%_", [4]), ("", [4, 3, 2, 1]), ("%s", [])):
        assert (search, numbers(events.events(ctx, scope, Window(), search))) == (search, found)
        assert events.count_events(ctx, scope, search) == len(found)


def test_filters_choose_events(ctx: Ctx) -> None:
    scope = scope_of(
        ctx, one("2026-11-10", number=1, country="DE"), one("2026-11-10", number=2, country="US")
    )
    filtered = replace(scope, where=Condition("country", Operator.EQ, ("DE",)))
    assert numbers(events.events(ctx, filtered, Window())) == [1]
    assert events.count_events(ctx, filtered) == 1


@pytest.mark.parametrize(
    ("window", "rows", "counted"),
    [
        (Window(3), 3, 1),  # full: there may be more
        (Window(4), 3, 0),
        (Window(2, 2), 1, 0),
        (Window(2, 4), 0, 1),  # nothing here: how many are before?
        (Window(10, 0), 3, 0),
    ],
)
def test_a_page_counts_all_only_if_it_cannot_tell(ctx: Ctx, window: Window, rows: int, counted: int) -> None:
    scope = scope_of(ctx, *(one("2026-11-10", number=number) for number in range(3)))
    statements: list[str] = []

    def seen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(ctx.events.engine, "before_cursor_execute", seen)
    try:
        page = events.event_page(ctx, scope, window)
    finally:
        sa.event.remove(ctx.events.engine, "before_cursor_execute", seen)
    assert (len(page.rows), page.count) == (rows, 3)
    assert sum("count(*)" in statement for statement in statements) == counted
    assert len(statements) == counted + 1


@pytest.mark.parametrize(
    ("search", "order_by", "field"),
    [("\0", None, "search"), ("\ud800", None, "search"), ("", "x", "orderBy")],
)
def test_refused(ctx: Ctx, search: str, order_by: str | None, field: str) -> None:
    scope = scope_of(ctx)
    with pytest.raises(Invalid) as refused:
        events.events(ctx, scope, Window(), search, order_by)
    assert refused.value.field == field


def test_data_is_of_the_events_of_the_page_alone(ctx: Ctx) -> None:
    def with_data(number: int, when: str, *data: Datum) -> Event:
        return replace(one(when, number=number), data=data)

    many = (Datum("b", 1, "x"), Datum("a", 2, "1.5000", 1.5), Datum("a", 1, "y"), Datum("A", 3, "true"))
    stored = [
        with_data(1, "2026-11-10 10:00", Datum("old", 1, "x")),
        with_data(2, "2026-11-10 11:00", *many),
        with_data(3, "2026-11-10 11:30"),
        with_data(4, "2026-11-10 12:00", Datum("c", 1, "")),
        with_data(5, "2026-11-10 13:00", Datum("new", 1, "x")),
    ]
    scope = scope_of(ctx, *stored)
    # A neighbour with the very same events.
    neighbour: UUID = websites.create(ctx, name="Neighbour", domain="example.com").website_id
    store(ctx.runtime, stored, neighbour)
    rows = events.events(ctx, scope, Window(3, 1))
    assert numbers(rows) == [4, 3, 2]
    found = {
        event_id.int: [(datum.key, datum.type, datum.text, datum.number, datum.date) for datum in data]
        for event_id, data in data_of(ctx, scope, rows).items()
    }
    assert found == {
        4: [("c", 1, "", None, None)],
        2: [
            ("A", 3, "true", None, None),
            ("a", 1, "y", None, None),
            ("a", 2, "1.5000", 1.5, None),
            ("b", 1, "x", None, None),
        ],
    }
    assert data_of(ctx, scope, []) == {}


def test_rows_of_any_conditions(ctx: Ctx) -> None:
    """What a session's activity is made of."""
    scope = scope_of(
        ctx,
        one("2026-11-10 10:00:00", number=1, session=1),
        one("2026-11-10 11:00:00", number=2, session=2),
        one("2026-11-10 12:00:00", number=3, session=1),
    )
    of_one = [*scope.range(), event.c.session_id == UUID(int=1)]
    assert numbers(event_rows(ctx, of_one, Window(500))) == [3, 1]
    oldest_first = [replace(key, descending=False) for key in NEWEST_FIRST]
    assert numbers(event_rows(ctx, of_one, Window(500), oldest_first)) == [1, 3]


def test_both_ends_belong_to_the_period(ctx: Ctx) -> None:
    whole = scope_of(ctx, *(one(f"2026-11-10 10:00:00.00{n}", number=n + 1) for n in range(4)))
    second, third = at("2026-11-10 10:00:00.001"), at("2026-11-10 10:00:00.002")
    scope = open_scope(ctx, whole.website_id, Period(second, third, UTC))
    assert numbers(events.events(ctx, scope, Window())) == [3, 2]
    backwards = open_scope(ctx, whole.website_id, Period(third, second, UTC))
    assert events.event_page(ctx, backwards, Window()).count == 0
    empty = open_scope(
        ctx, whole.website_id, Period(third + dt.timedelta(days=1), third + dt.timedelta(2), UTC)
    )
    assert events.event_page(ctx, empty, Window()).rows == []

"""Data of events: values as they are shown, limits and orders, written out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.context import Ctx
from app.errors import Invalid
from app.stats.event_data import (
    FIELDS,
    PROPERTIES,
    PROPERTIES_OF_EVENTS,
    TYPED_VALUES,
    VALUES,
    VALUES_OF_EVENTS,
    DataCount,
    DataTotals,
    Listing,
    count_data_counts,
    data_counts,
    data_totals,
)
from app.stats.filters import Condition, Operator, Property
from app.stats.scope import Scope
from tests.stats.oracle import Datum, Event
from tests.stats.test_figures import one, scope_of


def sent(number: int, *data: Datum, event_name: str = "signup", **columns: str) -> Event:
    return replace(one("2026-11-10", number=number, event_name=event_name, **columns), data=data)


@pytest.mark.parametrize(
    ("kind", "stored", "shown"),
    [
        (2, "3.0000", "3"),
        (2, "-3.0000", "-3"),
        (2, "0.0000", "0"),
        (2, "10000.0000", "10000"),
        (2, "1.5000", "1.5000"),
        (2, "19.9900", "19.9900"),
        (2, "0.0001", "0.0001"),
        # JavaScript's numbers beyond 1e21; nothing is at their end.
        (2, "1e+21", "1e+21"),
        (2, "1.00001e+25", "1.00001e+25"),
        (4, "2024-01-02T03:04:05.000Z", "2024-01-02 03:00:00"),
        (4, "2024-01-02T23:59:59.999Z", "2024-01-02 23:00:00"),
        # Only numbers and dates are shown otherwise than stored.
        (1, "3.0000", "3.0000"),
        (1, "2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        (1, "", ""),
        (3, "true", "true"),
        (5, "[1.0000]", "[1.0000]"),
        (5, "null", "null"),
    ],
)
def test_how_a_value_is_shown(ctx: Ctx, kind: int, stored: str, shown: str) -> None:
    scope = scope_of(ctx, sent(1, Datum("k", kind, stored)))
    assert [row.value for row in data_counts(ctx, scope, FIELDS)] == [shown]
    assert [row.value for row in data_counts(ctx, scope, VALUES, event="signup")] == [shown]
    assert [row.value for row in data_counts(ctx, scope, VALUES_OF_EVENTS)] == [stored]


def test_values_that_are_shown_alike_are_one(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        sent(1, Datum("k", 4, "2024-01-02T03:00:00.000Z"), Datum("n", 2, "3.0000")),
        sent(2, Datum("k", 4, "2024-01-02T03:59:59.999Z"), Datum("n", 1, "3")),
        sent(3, Datum("k", 4, "2024-01-02T04:00:00.000Z")),
    )
    of_k = data_counts(ctx, scope, VALUES, keys=[Condition("key", Operator.EQ, ("k",))])
    assert [(row.value, row.total) for row in of_k] == [
        ("2024-01-02 03:00:00", 2),
        ("2024-01-02 04:00:00", 1),
    ]
    of_n = [Condition("key", Operator.EQ, ("n",))]
    # Types do not matter to REST; GraphQL tells them apart.
    assert data_counts(ctx, scope, VALUES, keys=of_n) == [DataCount(2, value="3")]
    assert data_counts(ctx, scope, TYPED_VALUES, keys=of_n) == [
        DataCount(1, key="n", type=1, value="3"),
        DataCount(1, key="n", type=2, value="3"),
    ]


@pytest.mark.parametrize(
    ("listing", "limit"),
    [(PROPERTIES_OF_EVENTS, 500), (PROPERTIES, 500), (FIELDS, 100), (VALUES, 100), (VALUES_OF_EVENTS, None)],
)
def test_limits(ctx: Ctx, listing: Listing, limit: int | None) -> None:
    scope = scope_of(ctx, sent(1, *(Datum(f"k{n:03}", 1, f"v{n:03}") for n in range(502))))
    rows = data_counts(ctx, scope, listing)
    assert len(rows) == (limit or 502)
    by_key = [row.key or f"k{row.value[1:]}" for row in rows]
    assert by_key == [f"k{n:03}" for n in range(limit or 502)]
    assert count_data_counts(ctx, scope, listing) == 502


def test_data_of_page_views_has_no_event(ctx: Ctx) -> None:
    scope = scope_of(ctx, sent(1, Datum("k", 1, "v"), event_name=""), sent(2, Datum("k", 1, "w")))
    assert data_counts(ctx, scope, PROPERTIES_OF_EVENTS) == [
        DataCount(1, None, "k", 1),
        DataCount(1, "signup", "k", 1),
    ]
    assert data_counts(ctx, scope, VALUES, event="") == [DataCount(1, value="v")]
    assert data_counts(ctx, scope, VALUES, event="signup") == [DataCount(1, value="w")]
    assert data_counts(ctx, scope, VALUES, event="Signup") == []


def test_a_filter_chooses_events_and_with_them_their_data(ctx: Ctx) -> None:
    scope = scope_of(
        ctx,
        sent(1, Datum("plan", 1, "pro"), Datum("n", 2, "1.0000", 1.0), country="DE"),
        sent(2, Datum("plan", 1, "free"), Datum("n", 2, "2.0000", 2.0), country="US"),
        sent(3, country="DE"),
    )

    def figures(filtered: Scope) -> tuple[DataTotals, list[str]]:
        rows = data_counts(ctx, filtered, TYPED_VALUES)
        assert count_data_counts(ctx, filtered, TYPED_VALUES) == len(rows)
        return data_totals(ctx, filtered), [row.value for row in rows]

    assert figures(scope) == (DataTotals(2, 2, 4), ["1", "2", "free", "pro"])
    germans = replace(scope, where=Condition("country", Operator.EQ, ("DE",)))
    assert figures(germans) == (DataTotals(1, 2, 2), ["1", "pro"])
    free = replace(scope, where=Property("signup", "plan", "eq", "free"))
    assert figures(free) == (DataTotals(1, 2, 2), ["2", "free"])


def test_nothing(ctx: Ctx) -> None:
    scope = scope_of(ctx, one("2026-11-10"))
    assert data_totals(ctx, scope) == DataTotals(0, 0, 0)
    for listing in (PROPERTIES_OF_EVENTS, VALUES_OF_EVENTS, FIELDS, PROPERTIES, VALUES):
        assert data_counts(ctx, scope, listing) == []
        assert count_data_counts(ctx, scope, listing) == 0


def test_an_empty_key_is_a_key(ctx: Ctx) -> None:
    scope = scope_of(ctx, sent(1, Datum("", 1, "v"), Datum("k", 1, "w")))
    for operator, found in ((Operator.EQ, [""]), (Operator.NE, ["k"]), (Operator.CONTAINS, ["", "k"])):
        rows = data_counts(ctx, scope, PROPERTIES, keys=[Condition("key", operator, ("",))])
        assert (operator, [row.key for row in rows]) == (operator, found)


def test_keys_meet_all_conditions(ctx: Ctx) -> None:
    scope = scope_of(ctx, sent(1, *(Datum(key, 1, "v") for key in ("cart.total", "cart.size", "plan"))))
    both = [Condition("key", Operator.STARTS_WITH, ("cart.",)), Condition("key", Operator.NE, ("cart.size",))]
    assert [row.key for row in data_counts(ctx, scope, PROPERTIES, keys=both)] == ["cart.total"]


@pytest.mark.parametrize(
    ("event", "keys", "field"),
    [
        ("\0", [], "event"),
        (None, [Condition("key", Operator.EQ, ("\0",))], "key"),
        (None, [Condition("key", Operator.EQ, ("a", "b"))], "key"),
        (None, [Condition("key", Operator.MATCHES, ("(",))], "key"),
    ],
)
def test_refused(ctx: Ctx, event: str | None, keys: list[Condition], field: str) -> None:
    scope = scope_of(ctx)
    with pytest.raises(Invalid) as refused:
        data_counts(ctx, scope, PROPERTIES, event=event, keys=keys)
    assert refused.value.field == field

"""Data rows and revenue; number texts come from a JavaScript engine."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ingest.data import (
    MAX_DEPTH,
    MAX_KEYS,
    DataRow,
    flatten,
    js_number,
    revenue_of,
    storable,
    too_large,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def one(value: Any) -> DataRow:
    (row,) = flatten({"k": value})
    return row


def test_the_signup_of_the_reference_data_set() -> None:
    data = {
        "plan": "pro",
        "n": 3,
        "f": 1.23456,
        "when": "2024-01-02T03:04:05.000Z",
        "ok": True,
        "tags": ["a", "b"],
        "nested": {"x": 1.5, "y": {"z": "q"}},
        "nul": None,
        "d2": "2024-01-02T03:04:05Z",
        "d3": "2024-01-02T03:04:05",
    }
    at = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert flatten(data) == [
        DataRow("plan", 1, "pro"),
        DataRow("n", 2, "3.0000", number=Decimal("3.0000")),
        DataRow("f", 2, "1.2346", number=Decimal("1.2346")),
        DataRow("when", 4, "2024-01-02T03:04:05.000Z", date=at),
        DataRow("ok", 3, "true"),
        DataRow("tags", 5, '["a","b"]'),
        DataRow("nested.x", 2, "1.5000", number=Decimal("1.5000")),
        DataRow("nested.y.z", 1, "q"),
        DataRow("nul", 5, "null"),
        DataRow("d2", 1, "2024-01-02T03:04:05Z"),
        DataRow("d3", 4, "2024-01-02T03:04:05.000Z", date=at),
    ]


def test_false_empty_text_and_empty_containers() -> None:
    assert flatten({"a": False, "b": "", "c": [], "d": {}, "e": {"f": {}}}) == [
        DataRow("a", 3, "false"),
        DataRow("b", 1, ""),
        DataRow("c", 5, "[]"),
    ]


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        (0, "0.0000", "0.0000"),
        (-0.0, "0.0000", "0.0000"),
        (0.03125, "0.0313", "0.0313"),  # an exact tie goes away from zero, not to the even digit
        (-0.03125, "-0.0313", "-0.0313"),
        (3.00005, "3.0000", "3.0001"),  # the binary value is below the tie, the decimal text is on it
        (-0.00001, "-0.0000", "0.0000"),
        (123456789.123456789, "123456789.1235", "123456789.1235"),
        (9007199254740993, "9007199254740992.0000", None),  # beyond doubles, and beyond decimal(19,4)
        (999999999999999, "999999999999999.0000", "999999999999999.0000"),
        (10**15, "1000000000000000.0000", None),
        (999999999999999.9, "999999999999999.8750", "999999999999999.9000"),
        (1e20, "100000000000000000000.0000", None),
        (1e21, "1e+21", None),
        (-1.5e300, "-1.5e+300", None),
        (10**400, "Infinity", None),
        (-(10**400), "-Infinity", None),
        (math.nan, "NaN", None),
        (5e-324, "0.0000", "0.0000"),
    ],
)
def test_numbers(value: float, text: str, number: str | None) -> None:
    row = one(value)
    assert (row.type, row.string) == (2, text)
    assert (None if row.number is None else str(row.number)) == number


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-02T03:04:05.123", "2024-01-02T03:04:05.123Z"),
        ("2024-01-02T03:04:05.123+05:45", "2024-01-01T21:19:05.123Z"),
        ("2024-02-29T24:00:00", "2024-03-01T00:00:00.000Z"),
        ("2023-02-31T00:00:00.000Z", "2023-03-03T00:00:00.000Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_dates(text: str, utc: str) -> None:
    row = one(text)
    assert (row.type, row.string) == (4, utc)
    assert row.date == datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02",
        "2024-01-02T03:04",
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05+01:00",
        "2024-01-02T03:04:05.123-05:00",
        "2024-01-02T03:04:05.12Z",
        "2024-01-02 03:04:05",
        "2024-01-02T03:04:05.123Z ",
        "2024-13-02T03:04:05",
        "2024-00-02T03:04:05",
        "2024-01-00T03:04:05",
        "2024-01-32T03:04:05",
        "2024-01-02T24:00:01",
        "2024-01-02T25:00:00",
        "2024-01-02T03:60:05",
        "2024-01-02T03:04:60",
        "2024-01-02T03:04:05.000+24:00",
        "0000-01-02T03:04:05",
        "0001-01-01T00:00:00.000+00:01",
        "9999-12-31T24:00:00",
        "٢٠٢٤-01-02T03:04:05",
    ],
)
def test_texts_that_are_no_dates(text: str) -> None:
    assert one(text) == DataRow("k", 1, text)


def test_numeric_texts_stay_texts() -> None:
    assert one("3") == DataRow("k", 1, "3")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, 1.0, -0.0, 0.1, 1e21, 1e20, 1e-6, 1e-7, 1.5e-9, 123456789012345680000], "[1,1,0,0.1,1e+21,"
         "100000000000000000000,0.000001,1e-7,1.5e-9,123456789012345680000]"),
        ([9007199254740993, 10**400, math.nan, -1234.5], "[9007199254740992,null,null,-1234.5]"),
        ([True, False, None, "é😀", [], {}], '[true,false,null,"é😀",[],{}]'),
        ([{"a": [1, {"b": 'x"\\\n\x1f\x7f/'}]}], '[{"a":[1,{"b":"x\\"\\\\\\n\\u001f\x7f/"}]}]'),
        (["\0"], '["\\u0000"]'),
    ],
)  # fmt: skip
def test_arrays_print_like_json_stringify(value: list[Any], text: str) -> None:
    assert one(value) == DataRow("k", 5, text)


def test_texts_keys_and_arrays_are_cut_to_500() -> None:
    assert one("x" * 501) == DataRow("k", 1, "x" * 500)
    assert one(["x" * 600]) == DataRow("k", 5, '["' + "x" * 498)
    assert flatten({"o" * 300: {"i" * 300: 1}})[0].key == "o" * 300 + "." + "i" * 199


def test_what_no_store_takes_is_removed() -> None:
    assert flatten({"a\0b": {"\ud800": "x\0\udc00y"}}) == [DataRow("ab.\ufffd", 1, "x\ufffdy")]
    assert one(["\ud800"]) == DataRow("k", 5, '["\ufffd"]')
    assert storable("\ud83d\ude00") == "😀"


def nested(levels: int, *, as_list: bool = False) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(levels - 1):
        inner = [inner] if as_list else {"a": inner}
    return {"a": inner}


@pytest.mark.parametrize("as_list", [False, True])
def test_depth_is_bounded(as_list: bool) -> None:
    deepest = nested(MAX_DEPTH, as_list=as_list)
    assert too_large(deepest) is False
    assert len(flatten(deepest)) == 1
    assert too_large(nested(MAX_DEPTH + 1, as_list=as_list)) is True
    assert too_large(nested(100_000, as_list=as_list)) is True


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"revenue": 19.99, "currency": "USD"}, ("USD", "19.9900")),
        ({"revenue": "5", "currency": "usd"}, ("usd", "5.0000")),
        ({"revenue": " 1e2 ", "currency": "EUR"}, ("EUR", "100.0000")),
        ({"revenue": "0x10", "currency": "EUR"}, ("EUR", "16.0000")),
        ({"revenue": "123456789012345.1234", "currency": "EUR"}, ("EUR", "123456789012345.1234")),
        ({"revenue": 1.00005, "currency": "EUR"}, ("EUR", "1.0001")),
        ({"revenue": 0.00001, "currency": "EUR"}, ("EUR", "0.0000")),
        ({"revenue": 999999999999999, "currency": "X" * 101}, ("X" * 100, "999999999999999.0000")),
        ({"revenue": 1, "currency": "E\0UR"}, ("EUR", "1.0000")),
    ],
)
def test_revenue(data: dict[str, Any], expected: tuple[str, str]) -> None:
    money = revenue_of(data)
    assert money is not None
    assert (money[0], str(money[1])) == expected


@pytest.mark.parametrize(
    "revenue",
    [0, -1, "0", "-5", "", " ", "abc", "1,5", "1_000", "Infinity", "1e400", "٣", None, True, [5], {"a": 5},
     10**15, "999999999999999.99999", math.inf, math.nan, 10**400],
)  # fmt: skip
def test_no_revenue(revenue: Any) -> None:
    assert revenue_of({"revenue": revenue, "currency": "USD"}) is None


@pytest.mark.parametrize("currency", ["", None, 1, True, ["USD"], "\0"])
def test_no_revenue_without_a_currency(currency: Any) -> None:
    assert revenue_of({"revenue": 5, "currency": currency}) is None


def test_revenue_counts_at_the_top_level_only() -> None:
    assert revenue_of({"order": {"revenue": 5, "currency": "USD"}}) is None
    assert revenue_of({"revenue": 5}) is None
    assert revenue_of({"currency": "USD"}) is None


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12.0), ("+1.5e1", 15.0), (".5", 0.5), ("5.", 5.0), ("0b11", 3.0), ("0O17", 15.0), ("-0x1", None),
     (".", None), ("1e", None), ("NaN", None), ("", None), (7, 7.0), (-(10**400), -math.inf)],
)  # fmt: skip
def test_js_number(value: int | str, number: float | None) -> None:
    assert js_number(value) == number


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_any_data_becomes_rows_that_every_store_takes(data: dict[str, Any]) -> None:
    for row in flatten(data):
        stored = row.key + row.string
        assert "\0" not in stored
        assert stored.encode().decode() == stored
        assert len(row.key) <= 500
        assert len(row.string) <= 500
        assert row.type in (1, 2, 3, 4, 5)
        assert row.type == 4 or row.date is None
        assert row.number is None or (row.type == 2 and abs(row.number) < 10**15)


@given(st.lists(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_in_arrays_read_back_as_themselves(numbers: list[float]) -> None:
    text = one(numbers).string
    if len(text) < 500:
        assert [float(number) for number in json.loads(text)] == numbers


def test_data_of_more_keys_than_rows_are_worth_is_too_large() -> None:
    assert not too_large({str(number): 0 for number in range(MAX_KEYS)})
    assert too_large({str(number): 0 for number in range(MAX_KEYS + 1)})
    assert too_large({"a": {str(number): 0 for number in range(MAX_KEYS)}})
    # Arrays are one value each, however long.
    assert not too_large({"a": list(range(5000))})

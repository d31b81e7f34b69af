"""The reader of parameter tables: one row for each rule and its text (Umami v2 REST behaviour §1.2)."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app import parameters
from app.errors import Malformed
from app.parameters import Field
from app.stats.period import Unit

COUNT = parameters.integer("f", "", 1, 7)
ANY = parameters.integer("f", "", -10)
AMOUNT = parameters.number("f", "", above=0, most=9.5)
NAME = parameters.text("f", "", 5)
KIND = parameters.choice("f", "", {"a": 1, "b": 2})
ROWS = parameters.at_most(
    parameters.records("f", "", (parameters.text("x", ""), parameters.optional(COUNT)), least=1), 2
)
CODE = parameters.text("f", "", 0, "[a-z]{2}")


def read(field: Field, **sent: Any) -> Any:
    return parameters.read((field,), sent)["f"]


@pytest.mark.parametrize(
    ("field", "sent", "expected"),
    [
        (COUNT, "7", 7),
        (COUNT, " 1e0 ", 1),
        (COUNT, "0x5", 5),
        (COUNT, 3, 3),
        (COUNT, 3.0, 3),
        (ANY, "", 0),
        (ANY, " ", 0),
        (ANY, "-0", 0),
        (AMOUNT, "9.5", 9.5),
        (AMOUNT, 0.25, 0.25),
        (parameters.number("f", ""), "-1e3", -1000),
        (parameters.number("f", ""), "", 0),
        (KIND, "b", 2),
        (ROWS, [{"x": "a", "f": "7", "more": 1}], ({"x": "a", "f": 7},)),
        (ROWS, [{"x": ""}, {"x": "b"}], ({"x": ""}, {"x": "b"})),
        (NAME, "12345", "12345"),
        (NAME, "a\0b\ud800", "ab\ufffd"),
        (CODE, "ab", "ab"),
        (
            parameters.uuid("f", ""),
            "765B9D7C-35d0-4c93-a87f-c869a11eabf2",
            UUID("765b9d7c-35d0-4c93-a87f-c869a11eabf2"),
        ),
    ],
)
def test_read(field: Field, sent: Any, expected: Any) -> None:
    assert read(field, f=sent) == expected


@pytest.mark.parametrize(
    ("field", "sent", "problem"),
    [
        (COUNT, {}, "Expected number, received nan"),
        (COUNT, {"f": "x"}, "Expected number, received nan"),
        (COUNT, {"f": "NaN"}, "Expected number, received nan"),
        (COUNT, {"f": []}, "Expected number, received nan"),
        (AMOUNT, {}, "Expected number, received nan"),
        (AMOUNT, {"f": "NaN"}, "Expected number, received nan"),
        (AMOUNT, {"f": 0}, "Number must be greater than 0"),
        (AMOUNT, {"f": "9.6"}, "Number must be less than or equal to 9.5"),
        (KIND, {"f": "c"}, "Invalid enum value. Expected 'a' | 'b', received 'c'"),
        (KIND, {"f": 1}, "Expected 'a' | 'b', received number"),
        (ROWS, {}, "Required"),
        (ROWS, {"f": {}}, "Expected array, received object"),
        (ROWS, {"f": []}, "Array must contain at least 1 element(s)"),
        (ROWS, {"f": [{"x": "a"}] * 3}, "Array must contain at most 2 element(s)"),
        (ROWS, {"f": [{"x": "a"}, {"x": 1}]}, ""),
        (ROWS, {"f": [{}]}, ""),
        (ROWS, {"f": ["x"]}, ""),
        (COUNT, {"f": "1.5"}, "Expected integer, received float"),
        (COUNT, {"f": "0"}, "Number must be greater than 0"),
        (COUNT, {"f": "8"}, "Number must be less than or equal to 7"),
        (COUNT, {"f": "1e400"}, "Expected integer, received float, Number must be less than or equal to 7"),
        (ANY, {"f": "-11"}, "Number must be greater than or equal to -10"),
        (
            ANY,
            {"f": "9" * 5000},
            "Expected integer, received float, Number must be less than or equal to 2147483647",
        ),
        (NAME, {}, "Required"),
        (NAME, {"f": None}, "Expected string, received null"),
        (NAME, {"f": 5.5}, "Expected string, received number"),
        (NAME, {"f": False}, "Expected string, received boolean"),
        (NAME, {"f": "123456"}, "String must contain at most 5 character(s)"),
        (NAME, {"f": "😀😀😀"}, "String must contain at most 5 character(s)"),
        (CODE, {"f": "abc"}, "Invalid"),
        (CODE, {"f": "ab\n"}, "Invalid"),
        (parameters.uuid("f", ""), {"f": "765b9d7c35d04c93a87fc869a11eabf2"}, "Invalid uuid"),
        (parameters.uuid("f", ""), {"f": 1}, "Expected string, received number"),
    ],
)
def test_refuse(field: Field, sent: dict[str, Any], problem: str) -> None:
    with pytest.raises(Malformed) as refused:
        parameters.read((field,), sent)
    assert refused.value.problems == [("f", problem)]


@pytest.mark.parametrize("unit", ["minute", "hour", "day", "month", "year"])
def test_units(unit: str) -> None:
    assert parameters.read((parameters.unit(),), {"unit": unit}) == {"unit": Unit(unit)}


@pytest.mark.parametrize("unit", ["week", "Day", "", "quarter"])
def test_units_that_are_none(unit: str) -> None:
    with pytest.raises(Malformed) as refused:
        parameters.read((parameters.unit(),), {"unit": unit})
    assert refused.value.problems == [("unit", "Invalid unit")]


@pytest.mark.parametrize(
    ("name", "zone"),
    [("utc", "UTC"), ("europe/berlin", "Europe/Berlin"), ("Asia/Kathmandu", "Asia/Kathmandu")],
)
def test_time_zones(name: str, zone: str) -> None:
    assert parameters.read((parameters.timezone(),), {"timezone": name}) == {"timezone": ZoneInfo(zone)}


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a" * 5000, "\0"])
def test_time_zones_that_are_none(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        parameters.read((parameters.timezone(),), {"timezone": name})
    assert refused.value.problems == [("timezone", "Invalid timezone")]


def test_optional_fields() -> None:
    fields = (
        parameters.optional(parameters.text("left_out", "")),
        parameters.optional(parameters.text("filled_in", ""), "default"),
        parameters.optional(parameters.text("cleared", ""), nullable=True),
        parameters.optional(parameters.text("sent", ""), "default"),
    )
    sent = {"cleared": None, "sent": "", "bogus": 1}
    assert parameters.read(fields, sent) == {"filled_in": "default", "cleared": None, "sent": ""}


def test_problems_come_in_the_order_of_the_table() -> None:
    fields = (parameters.text("b", ""), COUNT, parameters.text("a", ""))
    with pytest.raises(Malformed) as refused:
        parameters.read(fields, {"a": None, "b": 1})
    assert refused.value.problems == [
        ("b", "Expected string, received number"),
        ("f", "Expected number, received nan"),
        ("a", "Expected string, received null"),
    ]


@pytest.mark.parametrize("sent", [None, [], "text", 3])
def test_no_object(sent: object) -> None:
    with pytest.raises(Malformed) as refused:
        parameters.read((NAME,), sent)
    assert refused.value.problems == []


def test_a_choice_is_read_as_what_it_stands_for() -> None:
    way = parameters.choice("f", "", {"up": 1, "down": -1})
    assert read(way, f="down") == -1
    assert way.schema == {"type": "string", "enum": ["up", "down"]}
    for sent, problem in (
        ("left", "Invalid enum value. Expected 'up' | 'down', received 'left'"),
        (1, "Expected 'up' | 'down', received number"),
    ):
        with pytest.raises(Malformed) as refused:
            read(way, f=sent)
        assert refused.value.problems == [("f", problem)]


def test_records_are_read_field_by_field_and_what_is_wrong_in_them_is_not_told() -> None:
    steps = parameters.records("f", "", (NAME,), least=1)
    pairs = parameters.records(
        "f", "", (parameters.text("a", "A."), parameters.optional(parameters.text("b", ""), ""))
    )
    assert read(pairs, f=[{"a": "1", "c": 2}, {"a": "3", "b": "4"}]) == (
        {"a": "1", "b": ""},
        {"a": "3", "b": "4"},
    )
    assert read(pairs, f=[]) == ()
    assert pairs.schema["items"]["required"] == ["a"]
    assert pairs.schema["items"]["properties"]["a"] == {"type": "string", "description": "A."}
    for sent, problem in (
        ([], "Array must contain at least 1 element(s)"),
        ("x", "Expected array, received string"),
        ([{"f": "too long"}], ""),
        ([{"f": "1"}, 5], ""),
    ):
        with pytest.raises(Malformed) as refused:
            read(steps, f=sent)
        assert refused.value.problems == [("f", problem)]

"""The reader of parameter tables: one row for each rule and its text (Umami v2 REST behaviour §1.2)."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.errors import Malformed
from app.stats.period import Unit
from rest_compat import params
from rest_compat.params import Field

COUNT = params.integer("f", "", 1, 7)
ANY = params.integer("f", "", -10)
NAME = params.text("f", "", 5)
CODE = params.text("f", "", 0, "[a-z]{2}")


def read(field: Field, **sent: Any) -> Any:
    return params.read((field,), sent)["f"]


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
        (NAME, "12345", "12345"),
        (NAME, "a\0b\ud800", "ab\ufffd"),
        (CODE, "ab", "ab"),
        (
            params.uuid("f", ""),
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
        (params.uuid("f", ""), {"f": "765b9d7c35d04c93a87fc869a11eabf2"}, "Invalid uuid"),
        (params.uuid("f", ""), {"f": 1}, "Expected string, received number"),
    ],
)
def test_refuse(field: Field, sent: dict[str, Any], problem: str) -> None:
    with pytest.raises(Malformed) as refused:
        params.read((field,), sent)
    assert refused.value.problems == [("f", problem)]


@pytest.mark.parametrize("unit", ["minute", "hour", "day", "month", "year"])
def test_units(unit: str) -> None:
    assert params.read((params.unit(),), {"unit": unit}) == {"unit": Unit(unit)}


@pytest.mark.parametrize("unit", ["week", "Day", "", "quarter"])
def test_units_that_are_none(unit: str) -> None:
    with pytest.raises(Malformed) as refused:
        params.read((params.unit(),), {"unit": unit})
    assert refused.value.problems == [("unit", "Invalid unit")]


@pytest.mark.parametrize(
    ("name", "zone"),
    [("utc", "UTC"), ("europe/berlin", "Europe/Berlin"), ("Asia/Kathmandu", "Asia/Kathmandu")],
)
def test_time_zones(name: str, zone: str) -> None:
    assert params.read((params.timezone(),), {"timezone": name}) == {"timezone": ZoneInfo(zone)}


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a" * 5000, "\0"])
def test_time_zones_that_are_none(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        params.read((params.timezone(),), {"timezone": name})
    assert refused.value.problems == [("timezone", "Invalid timezone")]


def test_optional_fields() -> None:
    fields = (
        params.optional(params.text("left_out", "")),
        params.optional(params.text("filled_in", ""), "default"),
        params.optional(params.text("cleared", ""), nullable=True),
        params.optional(params.text("sent", ""), "default"),
    )
    sent = {"cleared": None, "sent": "", "bogus": 1}
    assert params.read(fields, sent) == {"filled_in": "default", "cleared": None, "sent": ""}


def test_problems_come_in_the_order_of_the_table() -> None:
    fields = (params.text("b", ""), COUNT, params.text("a", ""))
    with pytest.raises(Malformed) as refused:
        params.read(fields, {"a": None, "b": 1})
    assert refused.value.problems == [
        ("b", "Expected string, received number"),
        ("f", "Expected number, received nan"),
        ("a", "Expected string, received null"),
    ]


@pytest.mark.parametrize("sent", [None, [], "text", 3])
def test_no_object(sent: object) -> None:
    with pytest.raises(Malformed) as refused:
        params.read((NAME,), sent)
    assert refused.value.problems == []

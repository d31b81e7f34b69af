"""The free-form `data` of an event or a visitor: flattened into typed rows, and the money found in it.

What a value becomes follows Umami v2 REST behaviour §2.9 and §2.10, where numbers are JavaScript's: they
print and round as they do there, so that old and new rows of one property group together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from app.tables import ARRAY, BOOLEAN, DATE, NUMBER, STRING

# Deeper data is refused with the payload (`too_large`), so that walking it cannot exhaust the stack.
MAX_DEPTH: Final = 64
MAX_KEYS: Final = 1000

_MAX_TEXT: Final = 500
_MAX_CURRENCY: Final = 100
_PLACES: Final = Decimal("0.0001")
_AMOUNT_LIMIT: Final = Decimal(10) ** 15  # decimal(19,4) has 15 digits before the point
_SAFE_INTEGER: Final = 2**53

_DATE: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3})(?:Z|\+(\d\d):(\d\d))?)?", re.ASCII
)
_DECIMAL_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX_NUMBER: Final = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_json_text = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class DataRow:
    """One flattened key. `type` is 1 string, 2 number, 3 boolean, 4 date, 5 array or null.

    `string` is always given; `number` (four decimals) and `date` (aware, UTC) only for their types.
    """

    key: str
    type: int
    string: str
    number: Decimal | None = None
    date: datetime | None = None


def flatten(data: Mapping[str, Any]) -> list[DataRow]:
    """One row for each leaf; nested objects join their keys with '.', arrays are leaves.

    An empty object has no row. Keys and text values are cut to 500 characters. `data` must not be deeper than
    MAX_DEPTH (`too_large`).
    """
    return [_row(key, value) for key, value in _leaves(data, "")]


def revenue_of(data: Mapping[str, Any]) -> tuple[str, Decimal] | None:
    """(currency as sent, amount with four decimals) of the top-level `currency` and `revenue`.

    None unless the currency is a non-empty text and the revenue a positive number or numeric text that fits
    decimal(19,4).
    """
    currency, revenue = data.get("currency"), data.get("revenue")
    if not isinstance(currency, str) or not (currency := storable(currency)):
        return None
    if isinstance(revenue, bool) or not isinstance(revenue, int | float | str):
        return None
    number = js_number(revenue)
    if number is None or not 0 < number < _AMOUNT_LIMIT:
        return None
    text = revenue.strip() if isinstance(revenue, str) else ""
    # A decimal text keeps the digits that a double would lose; 0x10 and the like have none to lose.
    amount = _amount(Decimal(text if _DECIMAL_NUMBER.fullmatch(text) else repr(number)))
    return None if amount is None else (currency[:_MAX_CURRENCY], amount)


def too_large(data: Mapping[str, Any]) -> bool:
    """Whether data nests more than MAX_DEPTH levels deep or has more than MAX_KEYS values in its objects.

    Found without recursion. Each key becomes a row that carries the event's path too, so a megabyte of short keys
    would become hundreds.
    """
    level: list[Any] = [data]
    keys = 0
    for _ in range(MAX_DEPTH):
        keys += sum(len(parent) for parent in level if isinstance(parent, dict))
        if keys > MAX_KEYS:
            return True
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def storable(text: str) -> str:
    """The text without what a store or an encoder would refuse: NUL (not for PostgreSQL), lone surrogates."""
    return without_lone_surrogates(text.replace("\0", "") if "\0" in text else text)


def without_lone_surrogates(text: str) -> str:
    """Half surrogate pairs, which JSON can spell but UTF-8 cannot, replaced by U+FFFD; whole pairs joined."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utc_text(at: datetime) -> str:
    """An aware time as 'YYYY-MM-DDTHH:MM:SS.mmm' in UTC, without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def js_number(value: int | float | str) -> float | None:
    """JavaScript's Number(value) as a double, infinity included; None for a text that is no number, or blank.

    The words Infinity and NaN are no numbers here: nothing could be done with them.
    """
    if isinstance(value, str):
        text = value.strip()
        if _DECIMAL_NUMBER.fullmatch(text):
            return float(text)
        # int(text, 0) reads the prefix; the digits of these radixes convert in linear time.
        return _double(int(text, 0)) if _RADIX_NUMBER.fullmatch(text) else None
    return _double(value)


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _leaves(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        # Cut on the way down: one long outer key over many leaves would otherwise be copied for each of them.
        path = (prefix + storable(key))[:_MAX_TEXT]
        if isinstance(value, dict):
            yield from _leaves(value, path + ".")
        else:
            yield path, value


def _row(key: str, value: Any) -> DataRow:
    if isinstance(value, str):
        date = _parse_date(value)
        if date is not None:
            return DataRow(key, DATE, utc_text(date) + "Z", date=date)
        return DataRow(key, STRING, storable(value)[:_MAX_TEXT])
    if isinstance(value, bool):
        return DataRow(key, BOOLEAN, "true" if value else "false")
    if isinstance(value, int | float):
        return DataRow(key, NUMBER, _fixed(value), number=_amount(Decimal(repr(_double(value)))))
    return DataRow(key, ARRAY, storable(_stringify(value))[:_MAX_TEXT])


def _parse_date(text: str) -> datetime | None:
    """The UTC time of an ISO text, or None where the reference would not make a date of it.

    A day up to 31 that its month lacks runs into the next month, and 24:00:00 into the next day, as the
    reference's JavaScript engine has it.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, milli, east_hours, east_minutes = (
        int(part or 0) for part in match.groups()
    )
    in_range = 1 <= day <= 31 and minute < 60 and second < 60 and east_hours < 24 and east_minutes < 60
    if not in_range or hour > 24 or (hour == 24 and (minute or second or milli)):
        return None
    try:
        return datetime(year, month, 1, tzinfo=UTC) + timedelta(
            days=day - 1,
            hours=hour - east_hours,
            minutes=minute - east_minutes,
            seconds=second,
            milliseconds=milli,
        )
    except (ValueError, OverflowError):  # a 13th month; the year 0; a time pushed out of the years 1 to 9999
        return None


def _amount(value: Decimal) -> Decimal | None:
    """The value as decimal(19,4) holds it, half away from zero; None where it does not fit."""
    if not value.is_finite() or abs(value) >= _AMOUNT_LIMIT:
        return None
    rounded = value.quantize(_PLACES, ROUND_HALF_UP)
    return None if abs(rounded) >= _AMOUNT_LIMIT else rounded + 0  # + 0 turns -0.0000 into 0.0000


def _fixed(value: int | float) -> str:
    """JavaScript's Number(value).toFixed(4): half away from zero on the exact binary value."""
    number = _double(value)
    if number == 0:
        return "0.0000"  # -0 as well
    if not abs(number) < 1e21:
        return _number_text(number)
    return str(Decimal(number).quantize(_PLACES, ROUND_HALF_UP))


def _number_text(number: float) -> str:
    """JavaScript's String(number): Python's shortest digits, but plain between 1e-6 and 1e21."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    shortest = Decimal(repr(abs(number))).normalize().as_tuple()
    digits = "".join(map(str, shortest.digits))
    point = len(digits) + int(
        shortest.exponent
    )  # where the decimal point stands, counted from the first digit
    if 0 < point <= 21:
        whole = digits[:point].ljust(point, "0")
        return f"{sign}{whole}.{digits[point:]}" if point < len(digits) else sign + whole
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _stringify(value: Any) -> str:
    """JavaScript's JSON.stringify(value)."""
    if isinstance(value, list):
        return f"[{','.join(map(_stringify, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_json_text(key)}:{_stringify(item)}' for key, item in value.items())}}}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _json_text(value)
    number = _double(value)
    return _number_text(number) if math.isfinite(number) else "null"

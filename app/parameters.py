"""Parameters as tables: what takes some lists its fields, one reader checks them and one description documents them.

Rules and texts are those that Umami's clients know (Umami v2 REST behaviour §1.2). Routes of the REST door and the
parameters of reports, which are stored as those clients write them, are read by it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from app.errors import Invalid, Malformed
from app.ingest.data import js_number, storable
from app.stats.period import Unit, time_zone

ABSENT: Final = object()
# Largest count of anything: what the stores take as LIMIT and what one page can ask for.
_MOST: Final = 2**31 - 1
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# What JavaScript prints for a date: `Thu Mar 27 2025 00:00:00 GMT+0100 (Central European Standard Time)`.
_PRINTED: Final = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2} \d{1,2} \d{4} \d\d:\d\d:\d\d) GMT([+-]\d{4})?.*", re.ASCII
)
_UNITS: Final = {unit.value: unit for unit in Unit if unit is not Unit.WEEK}


class Unfit(Exception):
    """A value breaks the rules of its field, in these words."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter: how it is read, and how it is described."""

    name: str
    read: Callable[[Any], Any]  # the value as sent to the value as used; raises Unfit
    text: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = True
    nullable: bool = False
    missing: str = "Required"
    default: Any = ABSENT  # of an optional field; ABSENT leaves it out


def optional(given: Field, default: Any = ABSENT, *, nullable: bool = False) -> Field:
    """The same field, that need not be sent; with `nullable` null is a value of its own."""
    return replace(given, required=False, nullable=nullable, default=default)


def read(fields: Sequence[Field], sent: object) -> dict[str, Any]:
    """The values of these fields; what is not in the table is dropped.

    Raises Malformed with one problem for each field at fault, in the table's order; without any if `sent` is no object.
    """
    if not isinstance(sent, Mapping):
        raise Malformed([])
    values: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for one in fields:
        value = sent.get(one.name, ABSENT)
        try:
            if value is ABSENT and one.required:
                raise Unfit(one.missing)
            if value is ABSENT:
                value = one.default
            elif not (value is None and one.nullable):
                value = one.read(value)
        except Unfit as unfit:
            problems.append((one.name, ", ".join(unfit.messages)))
        if value is not ABSENT:
            values[one.name] = value
    if problems:
        raise Malformed(problems)
    return values


def text(name: str, about: str, longest: int = 0, pattern: str = "", *, shortest: int = 0) -> Field:
    """A text of `shortest` to `longest` characters (0: any), all of it fitting `pattern` if there is one."""
    schema: dict[str, Any] = {"type": "string"}
    if shortest:
        schema["minLength"] = shortest
    if longest:
        schema["maxLength"] = longest
    if pattern:
        schema["pattern"] = f"^{pattern}$"

    def reader(value: object) -> str:
        clean = _text(value)
        length = len(clean.encode("utf-16-le")) // 2  # as JavaScript counts
        if length < shortest:
            raise Unfit(f"String must contain at least {shortest} character(s)")
        if longest and length > longest:
            raise Unfit(f"String must contain at most {longest} character(s)")
        if pattern and not re.fullmatch(pattern, clean):
            raise Unfit("Invalid")
        return clean

    return Field(name, reader, about, schema)


def uuid(name: str, about: str) -> Field:
    def reader(value: object) -> UUID:
        clean = _text(value)
        if not _UUID.fullmatch(clean):
            raise Unfit("Invalid uuid")
        return UUID(clean)

    return Field(name, reader, about, {"type": "string", "format": "uuid"})


def integer(name: str, about: str, least: int = 0, most: int = _MOST) -> Field:
    """A whole number, as a number or as a text that JavaScript reads as one: '' is 0."""

    def reader(value: object) -> int:
        number = _number(value)
        messages = []
        if not number.is_integer():
            messages.append("Expected integer, received float")
        if number < least:
            messages.append(
                "Number must be greater than 0"
                if least == 1
                else f"Number must be greater than or equal to {least}"
            )
        if number > most:
            messages.append(f"Number must be less than or equal to {most}")
        if messages:
            raise Unfit(*messages)
        return int(number)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Field(name, reader, about, schema, missing="Expected number, received nan")


def number(name: str, about: str, above: float = -math.inf, most: float = sys.float_info.max) -> Field:
    """A number greater than `above`, as a number or as a text that JavaScript reads as one: '' is 0."""

    def reader(value: object) -> float:
        found = _number(value)
        if found <= above:
            raise Unfit(f"Number must be greater than {above:g}")
        if found > most:
            raise Unfit(f"Number must be less than or equal to {most:g}")
        return found

    bounds = {"exclusiveMinimum": above, "maximum": most}
    limits = {key: bound for key, bound in bounds.items() if abs(bound) < sys.float_info.max}
    return Field(name, reader, about, {"type": "number", **limits}, missing="Expected number, received nan")


def at_most(given: Field, most: int) -> Field:
    """The same list, of no more than `most` elements."""

    def reader(value: object) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise Unfit(f"Array must contain at most {most} element(s)")
        return given.read(value)

    return replace(given, read=reader, schema={**given.schema, "maxItems": most})


def unit() -> Field:
    def reader(value: object) -> Unit:
        chosen = _UNITS.get(_text(value))
        if chosen is None:
            raise Unfit("Invalid unit")
        return chosen

    about = "Width of the buckets. Finer than the range allows is widened silently."
    return Field("unit", reader, about, {"type": "string", "enum": list(_UNITS)})


def timezone() -> Field:
    def reader(value: object) -> Any:
        try:
            return time_zone(_text(value))
        except Invalid:
            raise Unfit("Invalid timezone") from None

    schema = {"type": "string", "examples": ["Europe/Berlin"]}
    return Field("timezone", reader, "IANA time zone that buckets are cut in, in any case.", schema)


def choice(name: str, about: str, options: Mapping[str, Any] | Sequence[str]) -> Field:
    """One of some texts; of a mapping, read as what it stands for there."""
    meanings = options if isinstance(options, Mapping) else {option: option for option in options}
    expected = " | ".join(f"'{option}'" for option in meanings)

    def reader(value: object) -> Any:
        if not isinstance(value, str):
            raise Unfit(f"Expected {expected}, received {type_name(value)}")
        if value not in meanings:
            raise Unfit(f"Invalid enum value. Expected {expected}, received '{storable(value)}'")
        return meanings[value]

    return Field(name, reader, about, {"type": "string", "enum": list(meanings)})


def records(name: str, about: str, fields: Sequence[Field], least: int = 0) -> Field:
    """A list of at least `least` objects, each read as its fields say. What is wrong within one is not told (§1.2)."""

    def reader(value: object) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list):
            raise Unfit(f"Expected array, received {type_name(value)}")
        if len(value) < least:
            raise Unfit(f"Array must contain at least {least} element(s)")
        try:
            return tuple(read(fields, one) for one in value)
        except Malformed:
            raise Unfit("") from None

    items = {
        "type": "object",
        "properties": {one.name: {**one.schema, "description": one.text} for one in fields},
        "required": [one.name for one in fields if one.required],
    }
    return Field(name, reader, about, {"type": "array", "items": items, "minItems": least})


def instant(value: object) -> dt.datetime:
    """A date as JavaScript reads one: ISO 8601 (without a zone: UTC), epoch milliseconds, or JavaScript's own print.

    Raises Unfit for anything else.
    """
    try:
        if isinstance(value, bool):
            raise Unfit("Invalid date")
        if isinstance(value, int | float):
            return _EPOCH + dt.timedelta(milliseconds=int(value))
        if isinstance(value, str):
            text = value.strip()
            if re.fullmatch(r"-?\d{5,16}", text, re.ASCII):
                return _EPOCH + dt.timedelta(milliseconds=int(text))
            if printed := _PRINTED.fullmatch(text):
                return dt.datetime.strptime(
                    f"{printed[1]} {printed[2] or '+0000'}", "%b %d %Y %H:%M:%S %z"
                ).astimezone(dt.UTC)
            read = dt.datetime.fromisoformat(text)
            return (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise Unfit("Invalid date")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit(f"Expected string, received {type_name(value)}")
    # Neither store can hold what is taken out here, so nothing stored could equal the text with it.
    return storable(value)


def _number(value: object) -> float:
    number: float | None = None
    if isinstance(value, str) and not value.strip():
        number = 0.0
    elif isinstance(value, int | float | str):
        number = js_number(value)
    if number is None or math.isnan(number):
        raise Unfit("Expected number, received nan")
    return number


def type_name(value: object) -> str:
    """What JavaScript calls the type of a JSON value."""
    names = {type(None): "null", bool: "boolean", list: "array", dict: "object", str: "string"}
    return names.get(type(value), "number")

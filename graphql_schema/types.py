"""Scalars, and the types that several others share."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NewType, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from app.errors import Hidden, Invalid
from app.models import iso
from app.stats.period import local_day

F = TypeVar("F", bound=Callable[..., Any])

Int64 = NewType("Int64", int)
LocalDateTime = NewType("LocalDateTime", dt.datetime)
Data = NewType("Data", object)

# What is said of a cursor that a list did not hand out.
FOREIGN: Final = "This cursor does not belong to this connection"

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.]\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Moment:
    """One end of a period as written: a day, a local time (naive) or an instant (aware)."""

    written: dt.date | dt.datetime

    def first(self, zone: ZoneInfo) -> dt.datetime:
        """The instant it begins. Raises OverflowError outside the years 1 to 9999."""
        if not isinstance(self.written, dt.datetime):
            return local_day(self.written, zone)[0]
        local = self.written if self.written.tzinfo else self.written.replace(tzinfo=zone)
        return local.astimezone(dt.UTC).replace(microsecond=local.microsecond // 1000 * 1000)

    def last(self, zone: ZoneInfo) -> dt.datetime:
        """The instant it ends: of a day the last millisecond. Raises OverflowError outside the years 1 to 9999."""
        if not isinstance(self.written, dt.datetime):
            return local_day(self.written, zone)[1]
        return self.first(zone)


def parse_moment(value: object) -> Moment:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return Moment((dt.date if len(value) == 10 else dt.datetime).fromisoformat(value))
        except ValueError:
            pass  # it looks like a date, but there is no such day or hour
    raise GraphQLError(
        f"{value!r:.60} is no date (2026-11-10), local time (2026-11-10T09:30) or instant (2026-11-10T09:30:00Z)"
    )


def _parse_int64(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise GraphQLError(f"Int64 cannot represent {value!r:.60}")


def _parse_instant(value: object) -> dt.datetime:
    written = parse_moment(value).written
    if isinstance(written, dt.datetime) and written.tzinfo:
        with suppress(OverflowError):  # an offset can lead out of the years 1 to 9999
            return written.astimezone(dt.UTC)
    raise GraphQLError(f"{value!r:.60} is no instant: give a time and an offset, as 2026-11-10T09:30:00Z")


SCALARS: Final[dict[object, ScalarDefinition]] = {
    Int64: strawberry.scalar(
        name="Int64",
        description="A whole number of 64 bits, as a JSON number.",
        serialize=lambda value: value,
        parse_value=_parse_int64,
    ),
    dt.datetime: strawberry.scalar(
        name="DateTime",
        description="An instant: ISO 8601 in UTC with milliseconds, `2026-11-10T09:30:00.000Z`.",
        serialize=iso,
        parse_value=_parse_instant,
    ),
    LocalDateTime: strawberry.scalar(
        name="LocalDateTime",
        description="A wall-clock time in the period's time zone, without an offset: `2026-11-10T00:00:00`.",
        serialize=lambda value: value.isoformat(timespec="seconds"),
    ),
    Moment: strawberry.scalar(
        name="Moment",
        description=(
            "One end of a period: an instant (`2026-11-10T09:30:00Z`), a wall-clock time in the period's time zone "
            "(`2026-11-10T09:30`), or a day there (`2026-11-10`: as a start its first instant, as an end its last "
            "millisecond)."
        ),
        parse_value=parse_moment,
    ),
    Data: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=lambda value: value,
    ),
}


def resolved(description: str) -> Callable[[F], F]:
    """A field that the decorated function resolves. Strawberry's own decorator loses the function's type."""
    decorator: Callable[[F], F] = strawberry.field(description=description)
    return decorator


@strawberry.type(description="Where a page of a connection lies in the whole.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows `endCursor`.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last row of this page, to be passed as `after`; null for an empty page."
    )


def entity_id(text: str, noun: str) -> UUID:
    """The id of a thing. What is no UUID is the id of nothing: Hidden."""
    try:
        return UUID(text)
    except ValueError:
        raise Hidden(f"{noun} not found") from None


def website_id(text: str) -> UUID:
    """The id in a `website(id:)`, as `entity_id`."""
    return entity_id(text, "Website")


def to_cursor(*key: str | int | None) -> str:
    """A keyset position as opaque text."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def from_cursor(text: str, kinds: Sequence[type | tuple[type, ...]]) -> list[Any]:
    """The position in a cursor, its parts of these types. Raises Invalid for what this connection did not hand out."""
    try:
        key = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, list) or len(key) != len(kinds) or not all(map(_fits, key, kinds)):
        raise Invalid(FOREIGN, field="after")
    return key


def _fits(value: object, kind: type | tuple[type, ...]) -> bool:
    """Whether a part of a cursor is of this type and something a store can compare with."""
    if isinstance(value, str) and "\0" in value:
        return False
    if isinstance(value, int) and (isinstance(value, bool) or not 0 <= value < 2**63):
        return False
    return isinstance(value, kind)


def page_size(first: int, most: int) -> int:
    """`first`, or Invalid unless it is within 1 to `most`."""
    if not 1 <= first <= most:
        raise Invalid(f"first must be within 1 to {most}", field="first")
    return first

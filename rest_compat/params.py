"""Parameters that many routes of the REST door share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, Final

from app.paging import Window
from app.parameters import integer, optional, text
from app.stats.period import ALL_TIME, Period
from app.stats.zones import UTC

# The instants a calendar of four-digit years has, in ms since 1970. Clients in front of Greenwich ask from a little
# below 0 for "since 1970".
_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999

START_AT: Final = integer("startAt", "First instant of the range, in ms since 1970.", _FIRST_MS, _LAST_MS)
END_AT: Final = integer(
    "endAt",
    "Last instant of the range, in ms since 1970. `startAt=0&endAt=1` means all time.",
    _FIRST_MS,
    _LAST_MS,
)
RANGE: Final = (START_AT, END_AT)
# What the dashboard sends for "all time".
_ALL_TIME: Final = (0, 1)
SEARCH: Final = optional(text("search", "Text to look for."), "")
PAGING: Final = (
    optional(integer("page", "Number of the page, from 1.", 1), 1),
    optional(integer("pageSize", "Rows of a page.", 1), 10),
    optional(text("orderBy", "Property to order by, ascending."), ""),
    SEARCH,
    optional(text("query", "The same as `search`."), ""),
)


def period(given: Mapping[str, Any]) -> Period:
    """The period that RANGE's fields ask for, in their time zone if there is one."""
    zone = given.get("timezone", UTC)
    if (given["startAt"], given["endAt"]) == _ALL_TIME:
        return ALL_TIME(zone)
    return Period(_at(given["startAt"]), _at(given["endAt"]), zone)


def window(given: Mapping[str, Any]) -> Window:
    """The rows of the page that PAGING's fields ask for."""
    return Window(given["pageSize"], (given["page"] - 1) * given["pageSize"])


def ordered(given: Mapping[str, Any], orders: Collection[str]) -> str:
    """The order that PAGING's fields ask for, '' where there is none of that name: unknown ones are ignored (§1.5)."""
    return given["orderBy"] if given["orderBy"] in orders else ""


def searched(given: Mapping[str, Any]) -> str:
    """What PAGING's fields look for: the documentation calls it `query`, the reference `search`."""
    text: str = given["search"] or given["query"]
    return text


def _at(milliseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)

"""What a report is: how its parameters are written by clients and in saved reports, and how it is run.

All reports take a website and a period in the same form (Umami v2 REST behaviour §3.12); what each takes beside them
is in its own module.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from app.context import Ctx
from app.errors import Invalid, Malformed
from app.parameters import Field, Unfit, instant, optional, timezone, type_name, uuid
from app.stats.period import Period, time_zone
from app.stats.scope import Scope, open_scope
from app.stats.zones import UTC

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DateRange:
    """`dateRange` as sent. `unit` and `timezone` are as written, '' where they are absent."""

    start: dt.datetime
    end: dt.datetime
    unit: str = ""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class Report(Generic[P, R]):
    """`P` is a dataclass of parameters, `R` the result; `run` is the one definition that both doors call."""

    name: str  # the `type` of a saved report and the last part of the path
    fields: tuple[Field, ...]  # what it takes beside website and period, in the order that problems are told
    parse: Callable[
        [Mapping[str, Any]], P
    ]  # what `fields` and the common fields read → parameters; raises Malformed
    run: Callable[[Ctx, Scope, P], R]
    zoned: bool = False  # whether a time zone has to be sent
    since_reset: bool = (
        False  # whether what lies before the website's last reset is left out (§1.6: insights alone)
    )

    @property
    def all_fields(self) -> tuple[Field, ...]:
        return (WEBSITE_ID, DATE_RANGE, TIMEZONE, *self.fields)

    def answer(self, ctx: Ctx, values: Mapping[str, Any]) -> R:
        """Run it as asked for: `values` are what `all_fields` have read.

        Raises Malformed for parameters that make no sense, and as `open_scope` and `run`.
        """
        period = self.period(values)
        params = self.parse(values)
        scope = open_scope(ctx, values["websiteId"], period)
        # Umami's own reports count back-dated events of before the reset; GraphQL's figures leave them out everywhere.
        return self.run(ctx, scope if self.since_reset else replace(scope, reset_at=None), params)

    def period(self, values: Mapping[str, Any]) -> Period:
        """The period asked for. Clients of 0.80 put the time zone into `dateRange`."""
        asked: DateRange = values["dateRange"]
        zone: ZoneInfo | None = values.get("timezone")
        if zone is None and asked.timezone:
            zone = time_zone(asked.timezone)
        if zone is None and self.zoned:
            raise Malformed([("timezone", "Required")])
        return Period(asked.start, asked.end, zone or UTC)


def _date_range(value: object) -> DateRange:
    if not isinstance(value, Mapping):
        raise Unfit(f"Expected object, received {type_name(value)}")
    try:
        start, end = instant(value.get("startDate")), instant(value.get("endDate"))
        zone = value.get("timezone")
        if isinstance(zone, str) and zone:
            time_zone(zone)
    except (Unfit, Invalid):
        raise Unfit("") from None
    unit = value.get("unit")
    return DateRange(start, end, unit if isinstance(unit, str) else "", zone if isinstance(zone, str) else "")


_DATE: Final = {"type": ["string", "number"], "examples": ["2026-11-10T00:00:00.000Z"]}

WEBSITE_ID: Final = uuid("websiteId", "The website.")
DATE_RANGE: Final = Field(
    "dateRange",
    _date_range,
    "The period, both ends included: `startDate` and `endDate` as ISO 8601, epoch milliseconds or JavaScript's print.",
    {
        "type": "object",
        "properties": {"startDate": _DATE, "endDate": _DATE, "unit": {"type": "string"}},
        "required": ["startDate", "endDate"],
    },
)
TIMEZONE: Final = optional(timezone(), None)

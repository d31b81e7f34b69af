"""All reports by the names that saved reports know them by, and how a saved one is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from app import parameters, saved_reports
from app.context import Ctx
from app.errors import Invalid
from app.reports import attribution, breakdown, funnel, goal, journey, retention, revenue, utm
from app.reports.funnel import EVENT, PATH
from app.reports.report import DateRange, Report
from app.stats.period import Period
from app.stats.scope import Scope, open_scope
from app.stats.zones import UTC

_ALL: Final[tuple[Report[Any, Any], ...]] = (
    funnel.REPORT,
    breakdown.REPORT,
    retention.REPORT,
    utm.REPORT,
    goal.REPORT,
    journey.REPORT,
    revenue.REPORT,
    attribution.REPORT,
)
REPORTS: Final[Mapping[str, Report[Any, Any]]] = {report.name: report for report in _ALL}


@dataclass(frozen=True, slots=True)
class Asked:
    """A report with its parameters, read."""

    report: Report[Any, Any]
    period: Period
    params: Any


@dataclass(frozen=True, slots=True)
class Ran:
    """A report's result, and what it was run over and with."""

    name: str
    scope: Scope
    params: Any
    result: Any


def asked(name: str, written: Mapping[str, Any], website_id: UUID, zone: ZoneInfo = UTC) -> Asked:
    """What a saved report's parameters ask for; `zone` is that of days where they name none.

    They are about the website that the report is saved for, whichever they name. Raises Malformed, naming the
    parameters at fault, for what the report cannot be run with, Invalid for a type that there is no report of.
    """
    report = REPORTS.get(name)
    if report is None:
        raise Invalid(f"There is no report {name!r:.60}", field="type")
    values = parameters.read(report.all_fields, {**written, "websiteId": str(website_id)})
    date_range: DateRange = values["dateRange"]
    if values["timezone"] is None and not date_range.timezone:
        values["timezone"] = zone
    return Asked(report, report.period(values), report.parse(values))


def check(name: str, written: Mapping[str, Any], website_id: UUID) -> None:
    """Raise Malformed or Invalid for parameters that the report could not be run with, or does not know."""
    report = asked(name, written, website_id).report
    for key in written:
        if key not in {field.name for field in report.all_fields}:
            raise Invalid(f"{name} does not take {key!r:.60}", field=key)
    steps = written.get("steps")
    for step in steps if isinstance(steps, list) else ():
        # Umami takes anything else for a custom event, and a mistyped path then counts nobody for ever.
        if step["type"] not in (PATH, EVENT):
            raise Invalid(f"type of a step is {PATH!r} or {EVENT!r}", field="steps")


def run_saved(ctx: Ctx, report_id: UUID, zone: ZoneInfo = UTC) -> Ran:
    """Run a saved report over its website and the period that was saved.

    Raises as `saved_reports.get` and `asked`, Hidden for its author who may not see the website any more.
    """
    saved = saved_reports.get(ctx, report_id)
    one = asked(saved.type, saved.parameters, saved.website_id, zone)
    scope = open_scope(ctx, saved.website_id, one.period)
    return Ran(one.report.name, scope, one.params, one.report.run(ctx, scope, one.params))

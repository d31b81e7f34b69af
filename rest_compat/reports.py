"""Running reports (Umami v2 REST behaviour §3.12): `POST /api/reports/<name>` for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.context import Ctx
from app.reports.report import Report
from rest_compat.deps import Asked, Route

RANGE_EXAMPLE = {"startDate": "2026-11-10T00:00:00.000Z", "endDate": "2026-11-11T23:59:59.000Z"}


def running(
    report: Report[Any, Any],
    summary: str,
    shape: Callable[[Any], object],
    request_example: dict[str, object],
    example: object,
) -> Route:
    """The route that runs a report; `shape` makes Umami's form of its result."""

    def verb(ctx: Ctx, asked: Asked) -> object:
        return shape(report.answer(ctx, asked.params))

    sent = {
        "websiteId": "765b9d7c-35d0-4c93-a87f-c869a11eabf2",
        "dateRange": RANGE_EXAMPLE,
        **request_example,
    }
    return Route(
        "POST",
        f"/api/reports/{report.name}",
        summary,
        verb,
        body=report.all_fields,
        request_example=sent,
        example=example,
    )

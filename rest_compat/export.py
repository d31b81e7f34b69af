"""`GET /websites/:id/export` (Umami v2 REST behaviour §3.6): the most frequent values of seven kinds, as CSV in a zip."""

from __future__ import annotations

import base64
import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Final

from app.context import Ctx
from app.settings import Settings
from app.stats import queries
from app.stats.scope import Scope, open_scope
from rest_compat import params
from rest_compat.deps import Asked, Route
from rest_compat.stats import METRICS

_LIMIT: Final = 500
# File → `type` of `metrics`.
_FILES: Final[Mapping[str, str]] = {
    "events": "event",
    "pages": "url",
    "referrers": "referrer",
    "browsers": "browser",
    "os": "os",
    "devices": "device",
    "countries": "country",
}


def export(ctx: Ctx, asked: Asked) -> object:
    scope = open_scope(ctx, asked.id("websiteId"), params.period(asked.params))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind in _FILES.items():
            # Without a time of packing, so that the same figures are the same file.
            entry = zipfile.ZipInfo(f"{name}.csv")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _csv(_metric(ctx, scope, kind)))
    return {"zip": base64.b64encode(packed.getvalue()).decode()}


def _metric(ctx: Ctx, scope: Scope, kind: str) -> list[tuple[str | None, int]]:
    metric = METRICS[kind]
    rows = queries.breakdown(
        ctx, scope, (metric.field,), measures=(metric.measure,), order_by=metric.measure, limit=_LIMIT
    )
    return [(row.values[0], getattr(row, metric.measure)) for row in rows]


def _csv(rows: Sequence[tuple[str | None, int]]) -> str:
    """The rows under their header, no line end after the last; an absent value is an empty cell. '' without rows."""
    if not rows:
        return ""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([("x", "y"), *rows])
    return text.getvalue().removesuffix("\r\n")


def routes(settings: Settings) -> list[Route]:
    return [
        Route(
            "GET",
            "/api/websites/{websiteId}/export",
            "The most frequent values of seven kinds, as CSV files in a zip (base64)",
            export,
            query=params.RANGE,
            example={"zip": "UEsDBBQAAAAIAAAAIQD…"},
        )
    ]

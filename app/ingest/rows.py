"""From a hit to the rows that the journal carries: JSON-ready, named like the columns of `app.tables`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from app.ingest.data import DataRow, flatten, revenue_of, utc_text
from app.ingest.urls import decode_title, split_referrer, split_url
from app.tables import CUSTOM_EVENT, PAGE_VIEW

if TYPE_CHECKING:
    from app.ingest.client import Location
    from app.ingest.payload import Hit

_MAX_DISTINCT_ID = 50
_MAX_CITY = 50
_MAX_REGION = 20

Row = dict[str, Any]


# The tables of the event store that a hit may have rows for, in the order of `Rows`.
TABLES: Final = ("event", "event_data", "session_data", "revenue")


@dataclass(slots=True)
class Rows:
    """Rows for each event table.

    Ids are text, times 'YYYY-MM-DDTHH:MM:SS.mmm' in UTC without a zone, decimals text with four places,
    absent text is ''; `number_value` and `date_value` are None where the type has none.
    """

    event: list[Row] = field(default_factory=list)
    event_data: list[Row] = field(default_factory=list)
    session_data: list[Row] = field(default_factory=list)
    revenue: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of the sender besides its words; '' where unknown."""

    ip: str
    agent: str
    browser: str
    os: str
    device: str
    location: Location


def build_rows(
    hit: Hit,
    client: Client,
    session_id: UUID,
    visit_id: UUID,
    at: datetime,
    *,
    remove_trailing_slash: bool,
    version: int,
) -> Rows:
    """The rows of one hit at the aware time `at`; an identification without data has none.

    `version` orders values of the same session and key: the greatest wins.
    """
    created_at = utc_text(at)
    session: Row = {"website_id": str(hit.website_id), "session_id": str(session_id)}
    distinct_id = hit.distinct_id[:_MAX_DISTINCT_ID]
    if hit.kind == "identify":
        common = session | {"distinct_id": distinct_id, "created_at": created_at, "version": version}
        # One row for each key: two spellings of it ("a.b" and a: {b}) would be two values of one version.
        latest = {row.key: row for row in flatten(hit.data or {})}
        return Rows(session_data=[common | _columns(row) for row in latest.values()])

    page = split_url(hit.url, hit.hostname, remove_trailing_slash)
    referrer = split_referrer(hit.referrer, hit.hostname)
    place = client.location
    visit = session | {"visit_id": str(visit_id), "event_id": str(uuid4()), "created_at": created_at}
    event: Row = visit | {
        "event_type": CUSTOM_EVENT if hit.name else PAGE_VIEW,
        "event_name": hit.name,
        "url_path": page.path,
        "url_query": page.query,
        "hostname": page.hostname,
        "page_title": decode_title(hit.title),
        "referrer_domain": referrer.domain,
        "referrer_path": referrer.path,
        "referrer_query": referrer.query,
        "utm_source": page.utm_source,
        "utm_medium": page.utm_medium,
        "utm_campaign": page.utm_campaign,
        "utm_content": page.utm_content,
        "utm_term": page.utm_term,
        "gclid": page.gclid,
        "fbclid": page.fbclid,
        "msclkid": page.msclkid,
        "ttclid": page.ttclid,
        "li_fat_id": page.li_fat_id,
        "twclid": page.twclid,
        "tag": hit.tag,
        "distinct_id": distinct_id,
        "browser": client.browser,
        "os": client.os,
        "device": client.device,
        "screen": hit.screen,
        "language": hit.language,
        "country": place.country,
        "region": place.region[:_MAX_REGION],
        "city": place.city[:_MAX_CITY],
    }
    rows = Rows(event=[event])
    if hit.data:
        common = visit | {"url_path": page.path, "event_name": hit.name}
        rows.event_data = [common | _columns(row) for row in flatten(hit.data)]
        if money := revenue_of(hit.data):
            currency, amount = money
            rows.revenue = [
                visit
                | {
                    "event_name": hit.name,
                    "currency": currency,
                    "revenue": str(amount),
                    "country": place.country,
                }
            ]
    return rows


def _columns(row: DataRow) -> Row:
    return {
        "data_key": row.key,
        "data_type": row.type,
        "string_value": row.string,
        "number_value": None if row.number is None else str(row.number),
        "date_value": None if row.date is None else utc_text(row.date),
    }

"""A year of traffic up to a moment, made by DuckDB itself: millions of rows in seconds, the same every time.

Of one website and 3 M events they are the rows on which Umami's figures were taken: 3,092,745 events, 600,000 visits of
1 to 9 events 40 s apart, 147,280 sessions; 12 % custom events, half of the visits with a referrer, 2,000 paths of which
few are popular. What that traffic lacks comes on top: every 20th session is identified, and events may have details.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import duckdb

# The moment up to which the reference's traffic goes.
END: Final = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
# Custom events of this name bring revenue where there are details.
PURCHASE: Final = "click-7"

_YEAR: Final = dt.timedelta(days=365)
_EVENTS_A_VISIT: Final = (
    5  # a little less than there are, so that 3 M events are the reference's 600,000 visits
)
_LONGEST_VISIT: Final = dt.timedelta(seconds=9 * 40)
_EVENTS_A_SLICE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """About so many events before `end`, of one website or interleaved of many.

    Of many, number 0 has 2 % and the others from 0.2 % to 7 %. `alone` leaves the rows of number 0 and no others.
    """

    events: int
    websites: int = 1
    alone: bool = False
    end: dt.datetime = END

    @property
    def website_ids(self) -> list[UUID]:
        return [website_id(number) for number in range(1 if self.alone else self.websites)]

    def __str__(self) -> str:
        of_many = f"-of-{self.websites}" if self.websites > 1 else ""
        return f"{self.events}{of_many}{'-alone' if self.alone else ''}"


def website_id(number: int = 0) -> UUID:
    return UUID(hashlib.md5(f"w{number}".encode(), usedforsecurity=False).hexdigest())


def slices(connection: duckdb.DuckDBPyConnection, traffic: Traffic) -> Iterator[None]:
    """Fill the temporary table `batch` again and again: slices of time of about a million events, earliest first.

    Beside the columns of `event` it has `visit_no` and `k`, the number of the event within its visit. All that is read
    by DETAILS is there.
    """
    visits = traffic.events // _EVENTS_A_VISIT
    count = max(1, traffic.events // _EVENTS_A_SLICE)
    end = traffic.end.replace(tzinfo=None)
    bounds = [end - _YEAR + _YEAR * number / count for number in range(count)] + [end + _LONGEST_VISIT]
    for after, until in pairwise(bounds):
        given: dict[str, Any] = {"visits": visits, "end": end, "after": after, "until": until}
        given |= {"websites": traffic.websites, "others": not traffic.alone}
        connection.execute(_BATCH, given)
        yield


_BATCH: Final = """
CREATE OR REPLACE TEMP TABLE batch AS
WITH visit AS (
    SELECT i AS visit_no,
        (hash(i * 7919) % ($visits // 4))::BIGINT AS session_no,
        $end::TIMESTAMP - to_seconds((hash(i * 31) % 31536000)::BIGINT) AS start_at,
        1 + (hash(i * 13) % 1000) / 120 AS length
    FROM range($visits) t(i)
), placed AS (
    SELECT *, CASE WHEN $websites = 1 OR hash(session_no * 101) % 50 = 0 THEN 0
        ELSE 1 + floor(pow((hash(session_no * 103) % 1000000) / 1e6, 2) * ($websites - 1))::INT END AS website_no
    FROM visit WHERE start_at > $after::TIMESTAMP - INTERVAL 10 MINUTES AND start_at < $until::TIMESTAMP
), hit AS (
    SELECT *, unnest(range(length::INT)) AS k FROM placed WHERE $others OR website_no = 0
), slice AS (
    SELECT *, start_at + to_seconds(k * 40) AS created_at,
        hash(visit_no * 17 + k) % 100 < 12 AS custom,
        (pow((hash(visit_no * 3 + k * 5) % 100000) / 100000.0, 3) * 2000)::INT AS page
    FROM hit WHERE created_at >= $after::TIMESTAMP AND created_at < $until::TIMESTAMP
    ORDER BY created_at, visit_no
)
SELECT visit_no, k,
    md5('e' || visit_no || '-' || k)::UUID AS event_id,
    md5('w' || website_no)::UUID AS website_id,
    md5('s' || session_no)::UUID AS session_id,
    md5('v' || visit_no)::UUID AS visit_id,
    created_at,
    CASE WHEN custom THEN 2 ELSE 1 END AS event_type,
    CASE WHEN custom THEN 'click-' || (hash(k + visit_no) % 30) ELSE '' END AS event_name,
    '/page/' || page AS url_path,
    CASE WHEN k = 0 AND hash(visit_no) % 10 = 0 THEN 'utm_source=news' ELSE '' END AS url_query,
    CASE WHEN k = 0 AND hash(visit_no) % 10 = 0 THEN 'news' ELSE '' END AS utm_source,
    CASE WHEN k = 0 AND hash(visit_no * 5) % 2 = 0
        THEN (['google.com', 'bing.com', 't.co', 'news.ycombinator.com', 'github.com'])[1 + (hash(visit_no) % 5)::INT]
        ELSE '' END AS referrer_domain,
    'Title ' || page AS page_title,
    'example.com' AS hostname,
    CASE WHEN session_no % 20 = 0 THEN 'user-' || session_no ELSE '' END AS distinct_id,
    (['chrome', 'firefox', 'safari', 'ios', 'edge-chromium', 'crios'])[1 + (session_no % 6)::INT] AS browser,
    (['Windows 10', 'Mac OS', 'iOS', 'Android OS', 'Linux'])[1 + (session_no % 5)::INT] AS os,
    (['desktop', 'mobile', 'tablet', 'laptop'])[1 + (session_no % 4)::INT] AS device,
    (['1920x1080', '390x844', '1440x900'])[1 + (session_no % 3)::INT] AS screen,
    (['en-US', 'de-DE', 'fr-FR'])[1 + (session_no % 3)::INT] AS language,
    (['US', 'DE', 'FR', 'PL', 'GB', 'IN', 'BR'])[1 + (session_no % 7)::INT] AS country,
    (['US-CA', 'DE-BE', 'FR-IDF'])[1 + (session_no % 3)::INT] AS region,
    'City ' || (session_no % 500) AS city
FROM slice
"""

EVENTS: Final = "SELECT * EXCLUDE (visit_no, k) FROM batch"

# Table → rows of a batch, for what events can have beside their own row.
DETAILS: Final = {
    "event_data": """
        SELECT website_id, session_id, visit_id, event_id, created_at, url_path, event_name,
            unnest(['plan', 'price', 'currency']) AS data_key,
            unnest([1, 2, 1]) AS data_type,
            unnest([(['free', 'pro', 'team'])[1 + (hash(visit_no) % 3)::INT],
                (hash(visit_no) % 100)::VARCHAR || '.9900', 'EUR']) AS string_value,
            unnest([NULL, hash(visit_no) % 100 + 0.99, NULL])::DECIMAL(19, 4) AS number_value
        FROM batch WHERE event_type = 2""",
    "revenue": f"""
        SELECT website_id, session_id, visit_id, event_id, event_name, 'EUR' AS currency,
            (hash(visit_no) % 100 + 0.99)::DECIMAL(19, 4) AS revenue, created_at, country
        FROM batch WHERE event_name = '{PURCHASE}'""",
    # Told anew with each visit.
    "session_data": """
        SELECT website_id, session_id, distinct_id, unnest(['plan', 'age']) AS data_key,
            unnest([1, 2]) AS data_type,
            unnest([(['free', 'pro'])[1 + (hash(session_id::VARCHAR) % 2)::INT],
                (hash(session_id::VARCHAR) % 80)::VARCHAR || '.0000']) AS string_value,
            unnest([NULL, hash(session_id::VARCHAR) % 80])::DECIMAL(19, 4) AS number_value,
            created_at, visit_no AS version
        FROM batch WHERE distinct_id <> '' AND k = 0""",
}

"""A year of one website's traffic up to a moment, made by DuckDB itself: millions of rows in seconds, the same every time.

The shape is that of the traffic on which Umami's figures were taken: 12 % custom events, visits of 1 to 9 events 40 s
apart, half of the visits with a referrer, 2,000 paths of which few are popular, three keys of data on a custom event.
Every 50th custom event is a purchase, every 20th session is identified.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final
from uuid import UUID

import duckdb

EVENTS_A_VISIT: Final = 5.15

_ROWS = """
CREATE TEMP TABLE traffic AS
WITH visit AS (
    SELECT i AS visit_no,
        (hash(i * 7919) % ($visits // 4))::BIGINT AS session_no,
        $end::TIMESTAMP - to_seconds((hash(i * 31) % 31536000)::BIGINT) AS start_at,
        1 + (hash(i * 13) % 1000) / 120 AS length
    FROM range($visits) t(i)
), hit AS (SELECT visit.*, unnest(range(length::INT)) AS k FROM visit)
SELECT *,
    hash(visit_no * 17 + k) % 100 < 12 AS custom,
    (pow((hash(visit_no * 3 + k * 5) % 100000) / 100000.0, 3) * 2000)::INT AS page
FROM hit ORDER BY start_at + to_seconds(k * 40)
"""

_EVENT = """
INSERT INTO event BY NAME SELECT
    md5('e' || visit_no || '-' || k)::UUID AS event_id,
    $website::UUID AS website_id,
    md5('s' || session_no)::UUID AS session_id,
    md5('v' || visit_no)::UUID AS visit_id,
    start_at + to_seconds(k * 40) AS created_at,
    CASE WHEN custom THEN 2 ELSE 1 END AS event_type,
    CASE WHEN NOT custom THEN '' WHEN hash(visit_no + k) % 50 = 0 THEN 'purchase'
        ELSE 'click-' || (hash(k + visit_no) % 30) END AS event_name,
    '/page/' || page AS url_path,
    CASE WHEN k = 0 AND hash(visit_no) % 10 = 0 THEN 'utm_source=news&utm_medium=email' ELSE '' END AS url_query,
    CASE WHEN k = 0 AND hash(visit_no) % 10 = 0 THEN 'news' ELSE '' END AS utm_source,
    CASE WHEN k = 0 AND hash(visit_no) % 10 = 0 THEN 'email' ELSE '' END AS utm_medium,
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
FROM traffic
"""

_DATA = """
INSERT INTO event_data BY NAME SELECT
    website_id, session_id, visit_id, event_id, created_at, url_path, event_name,
    unnest(['plan', 'price', 'currency']) AS data_key,
    unnest([1, 2, 1]) AS data_type,
    unnest([(['free', 'pro', 'team'])[1 + (hash(event_id) % 3)::INT],
        (hash(event_id) % 100)::VARCHAR || '.9900', 'EUR']) AS string_value,
    unnest([NULL, hash(event_id) % 100 + 0.99, NULL])::DECIMAL(19, 4) AS number_value
FROM event WHERE event_type = 2
"""

_REVENUE = """
INSERT INTO revenue BY NAME SELECT
    website_id, session_id, visit_id, event_id, event_name, 'EUR' AS currency,
    (hash(event_id) % 100 + 0.99)::DECIMAL(19, 4) AS revenue, created_at, country
FROM event WHERE event_name = 'purchase'
"""

_PROPERTIES = """
INSERT INTO session_data BY NAME SELECT
    website_id, session_id, any_value(distinct_id) AS distinct_id, unnest(['plan', 'age']) AS data_key,
    unnest([1, 2]) AS data_type,
    unnest([(['free', 'pro'])[1 + (hash(session_id) % 2)::INT], (hash(session_id) % 80)::VARCHAR || '.0000'])
        AS string_value,
    unnest([NULL, hash(session_id) % 80])::DECIMAL(19, 4) AS number_value,
    min(created_at) AS created_at, unnest([1, 2]) AS version
FROM event WHERE distinct_id <> '' GROUP BY website_id, session_id
"""


def fill(file: Path, website_id: UUID, events: int, end: dt.datetime) -> int:
    """Put about so many events of the year before `end` into a DuckDB event store that no server has open.

    Answers how many.
    """
    with duckdb.connect(str(file)) as connection:
        connection.execute(_ROWS, {"visits": round(events / EVENTS_A_VISIT), "end": end.replace(tzinfo=None)})
        connection.execute(_EVENT, {"website": str(website_id)})
        for statement in (_DATA, _REVENUE, _PROPERTIES):
            connection.execute(statement)
        [stored] = connection.execute("SELECT count(*) FROM event").fetchone() or (0,)
        connection.execute("CHECKPOINT")
    return int(stored)

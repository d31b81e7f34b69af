"""Statistics beside the SQL that somebody who knows the engine would write for the same figures over the `event` table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from benchmarks.dashboards import ROWS, TABLES
from benchmarks.stores import POSTGRESQL
from benchmarks.traffic import PURCHASE

Rows = Sequence[Sequence[Any]]

_SCOPE: Final = "website_id = :site AND created_at BETWEEN :start AND :end"
_VIEWS: Final = f"{_SCOPE} AND event_type = 1"


@dataclass(frozen=True, slots=True)
class Statistic:
    """What REST is asked for, and the SQL with `:site`, `:start`, `:end`, `:before` and `:unit`.

    `:before` is the start of the period before, `:unit` what a series is by: REST answers a long one by month.
    `path` is that of a GET below the website, or `reports/…` with a body. `rows` finds in the answer what the
    statements give, one after the other. `postgresql` replaces `sql` where the engines differ.
    """

    name: str
    path: str
    given: Mapping[str, Any]
    sql: Sequence[str]
    rows: Callable[[Any], Rows]
    postgresql: Sequence[str] = field(default=())

    def statements(self, engine: str) -> Sequence[str]:
        return self.postgresql if engine == POSTGRESQL and self.postgresql else self.sql


def plain(rows: Rows) -> list[tuple[Any, ...]]:
    """Rows in a form that is the same from JSON and from both engines: no decimals, no times, '' for what is absent."""
    return [tuple(map(_plain, row)) for row in rows]


def _plain(value: Any) -> Any:
    match value:
        case None:
            return ""
        case float() | Decimal():
            return round(float(value), 4)
        case dt.datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S}"
        case int() | str():
            return value
    return str(value)


def _instant(text: str) -> str:
    """A time as answers have it, to the second."""
    return text.replace(" ", "T")[:19]


def _values(rows: Any) -> Rows:
    return [(row["x"], row["y"]) for row in rows]


def _metric(kind: str, column: str, where: str = "TRUE", language: bool = False) -> Statistic:
    """Visitors by the values of a column."""
    shown = f"lower(split_part({column}, '-', 1))" if language else column
    sql = f"""
        SELECT {shown}, visitors FROM (
            SELECT {column}, count(*) AS visitors
            FROM (SELECT DISTINCT {column}, session_id FROM event WHERE {_VIEWS} AND {where}) AS seen
            GROUP BY 1 ORDER BY 2 DESC, {column} COLLATE "C" LIMIT {ROWS}) AS listed"""
    return Statistic(kind, "metrics", {"type": kind, "limit": ROWS}, (sql,), _values)


def _place(kind: str) -> Statistic:
    """Visitors by region or city, with the country."""
    sql = f"""
        SELECT {kind}, country, count(*)
        FROM (SELECT DISTINCT {kind}, country, session_id FROM event WHERE {_VIEWS}) AS seen
        GROUP BY 1, 2 ORDER BY 3 DESC, {kind} COLLATE "C", country COLLATE "C" LIMIT {ROWS}"""
    return Statistic(
        kind,
        "metrics",
        {"type": kind, "limit": ROWS},
        (sql,),
        lambda rows: [(row["x"], row["country"], row["y"]) for row in rows],
    )


def _edge(kind: str, aggregate: str, direction: str) -> Statistic:
    """Visitors by the path that visits began or ended at."""
    listed = 'GROUP BY 1 ORDER BY 2 DESC, path COLLATE "C"'
    duckdb = f"""
        SELECT path, count(DISTINCT session_id)
        FROM (SELECT session_id, visit_id, {aggregate}(url_path, created_at) AS path
            FROM event WHERE {_VIEWS} GROUP BY 1, 2) AS visit
        {listed} LIMIT {ROWS}"""
    postgresql = f"""
        SELECT path, count(*) FROM (
            SELECT DISTINCT path, session_id FROM (
                SELECT DISTINCT ON (visit_id) session_id, url_path AS path
                FROM event WHERE {_VIEWS} ORDER BY visit_id, created_at {direction}) AS visit) AS seen
        {listed} LIMIT {ROWS}"""
    given = {"type": kind, "limit": ROWS}
    return Statistic(kind, "metrics", given, (duckdb,), _values, (postgresql,))


_FIGURES: Final = ("pageviews", "visitors", "visits", "bounces", "totaltime")
_TOTALS: Final = Statistic(
    "totals",
    "stats",
    {},
    # Each includes both of its ends: what happened at the moment between the two counts in both.
    [
        f"""
        SELECT coalesce(sum(views), 0), count(DISTINCT session_id), count(*), count(*) FILTER (WHERE views = 1),
            coalesce(sum(EXTRACT(epoch FROM last_at - first_at)), 0)
        FROM (SELECT session_id, visit_id, count(*) AS views, min(created_at) AS first_at, max(created_at) AS last_at
            FROM event WHERE website_id = :site AND created_at BETWEEN {period} AND event_type = 1
            GROUP BY 1, 2) AS visit"""
        for period in (":start AND :end", ":before AND :start")
    ],
    lambda answer: [[answer[name][which] for name in _FIGURES] for which in ("value", "prev")],
)
_SERIES: Final = Statistic(
    "series",
    "pageviews",
    {"unit": "day", "timezone": "UTC"},
    (
        f"""
        SELECT bucket, sum(views), count(*)
        FROM (SELECT date_trunc(:unit, created_at) AS bucket, session_id, count(*) AS views
            FROM event WHERE {_VIEWS} GROUP BY 1, 2) AS seen
        GROUP BY 1 ORDER BY 1""",
    ),
    lambda answer: [
        (_instant(views["x"]), views["y"], visitors["y"])
        for views, visitors in zip(answer["pageviews"], answer["sessions"], strict=True)
    ],
)
_COLUMNS: Final = {
    "url": "url_path",
    "title": "page_title",
    "referrer": "referrer_domain",
    "query": "url_query",
}
_EVENT: Final = Statistic(
    "event",
    "metrics",
    {"type": "event", "limit": ROWS},
    (
        f"""
        SELECT event_name, count(*) FROM event WHERE {_SCOPE} AND event_type = 2
        GROUP BY 1 ORDER BY 2 DESC, event_name COLLATE "C" LIMIT {ROWS}""",
    ),
    _values,
)
_KINDS: Final = {
    **{
        kind: _metric(kind, _COLUMNS.get(kind, kind), language=kind == "language")
        for kind in TABLES
        if kind not in ("referrer", "event", "region", "city")
    },
    "referrer": _metric(
        "referrer", "referrer_domain", "referrer_domain NOT IN ('', hostname, replace(hostname, 'www.', ''))"
    ),
    "event": _EVENT,
    "region": _place("region"),
    "city": _place("city"),
}
# The tiles of the dashboard.
TILES: Final = (_TOTALS, _SERIES, *(_KINDS[kind] for kind in TABLES))

_CHANNELS: Final = Statistic(
    "channel",
    "metrics",
    {"type": "channel"},
    (
        f"""
        SELECT channel, sum(visitors) FROM (
            SELECT CASE WHEN referrer_domain = '' AND url_query = '' THEN 'direct'
                    WHEN referrer_domain LIKE '%google.%' OR referrer_domain LIKE '%bing.com%' THEN 'organicSearch'
                    WHEN referrer_domain LIKE '%t.co%' OR referrer_domain LIKE '%news.ycombinator.com%' THEN 'organicSocial'
                END AS channel, count(*) AS visitors
            FROM (SELECT DISTINCT referrer_domain, url_query, session_id FROM event WHERE {_SCOPE}) AS seen
            GROUP BY referrer_domain, url_query) AS pair
        WHERE channel IS NOT NULL GROUP BY 1 ORDER BY 2 DESC""",
    ),
    lambda rows: [(row["x"], row["y"]) for row in rows if row["y"]],
)
_EVENT_SERIES: Final = Statistic(
    "event series",
    "events/series",
    {"unit": "day", "timezone": "UTC"},
    (
        f"""
        SELECT date_trunc(:unit, created_at) AS bucket, event_name, count(*)
        FROM event WHERE {_SCOPE} AND event_type = 2
        GROUP BY 1, 2 ORDER BY 1, event_name COLLATE "C\"""",
    ),
    lambda rows: [(_instant(row["t"]), row["x"], row["y"]) for row in rows],
)
_EVENTS: Final = Statistic(
    "events",
    "events",
    {},
    (
        f"SELECT * FROM event WHERE {_SCOPE} ORDER BY created_at DESC, event_id DESC LIMIT {ROWS}",
        f"SELECT count(*) FROM event WHERE {_SCOPE}",
    ),
    # Whole rows are read, of which the first column is compared.
    lambda answer: [*((row["id"],) for row in answer["data"]), (answer["count"],)],
)
_ATTRIBUTES: Final = ("browser", "os", "device", "screen", "language", "country", "region", "city")
_SESSIONS: Final = Statistic(
    "sessions",
    "sessions",
    {},
    (
        f"""
        WITH top AS (
            SELECT session_id, max(created_at) AS last_at FROM event WHERE {_SCOPE}
            GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {ROWS})
        SELECT session_id, min(created_at), max(created_at), count(DISTINCT visit_id),
            count(*) FILTER (WHERE event_type = 1), {", ".join(f"any_value({name})" for name in _ATTRIBUTES)}
        FROM event WHERE {_SCOPE} AND session_id IN (SELECT session_id FROM top)
        GROUP BY 1 ORDER BY 3 DESC, 1""",
        f"SELECT count(*) FROM (SELECT DISTINCT session_id FROM event WHERE {_SCOPE}) AS seen",
    ),
    lambda answer: [
        *(
            (
                *(row["id"], _instant(row["firstAt"]), _instant(row["lastAt"]), row["visits"], row["views"]),
                *(row[name] for name in _ATTRIBUTES),
            )
            for row in answer["data"]
        ),
        (answer["count"],),
    ],
)
_SESSION_TOTALS: Final = Statistic(
    "session totals",
    "sessions/stats",
    {},
    (
        f"""
        SELECT count(*), count(DISTINCT session_id), count(DISTINCT visit_id), count(DISTINCT country),
            count(*) FILTER (WHERE event_type = 2)
        FROM event WHERE {_SCOPE}""",
    ),
    lambda answer: [
        [answer[name]["value"] for name in ("pageviews", "visitors", "visits", "countries", "events")]
    ],
    (
        f"""
        SELECT sum(hits), count(DISTINCT session_id), count(*), count(DISTINCT country), sum(events)
        FROM (SELECT session_id, visit_id, country, count(*) AS hits,
                count(*) FILTER (WHERE event_type = 2) AS events
            FROM event WHERE {_SCOPE} GROUP BY 1, 2, 3) AS visit""",
    ),
)
_WEEKLY: Final = Statistic(
    "hours of the week",
    "sessions/weekly",
    {"timezone": "UTC"},
    (
        f"""
        SELECT hour, count(*) FROM (
            SELECT DISTINCT EXTRACT(dow FROM created_at) * 24 + EXTRACT(hour FROM created_at) AS hour, session_id
            FROM event WHERE {_SCOPE}) AS seen
        GROUP BY 1 ORDER BY 1""",
    ),
    lambda days: [
        (24 * day + hour, count)
        for day, counts in enumerate(days)
        for hour, count in enumerate(counts)
        if count
    ],
)
_PROPERTIES: Final = Statistic(
    "event properties",
    "event-data/properties",
    {},
    (
        f"""
        SELECT event_name, data_key, count(*) FROM event_data WHERE {_SCOPE}
        GROUP BY 1, 2 ORDER BY 3 DESC, event_name COLLATE "C", data_key COLLATE "C\"""",
    ),
    lambda rows: [(row["eventName"], row["propertyName"], row["total"]) for row in rows],
)


def _report(
    name: str, given: Mapping[str, Any], sql: Sequence[str], rows: Callable[[Any], Rows], **more: Any
) -> Statistic:
    return Statistic(name, f"reports/{name}", given, sql, rows, **more)


_LABEL: Final = "CASE WHEN event_name <> '' THEN event_name ELSE url_path END"
_STEPS: Final = 5
_RETURNED: Final = 31
_IN_PURCHASE: Final = f"event_name = '{PURCHASE}'"
# Of attribution, on either engine: who converted, what it is credited to, and all conversions.
_CONVERTED: Final = f"""
    WITH converted AS (
        SELECT session_id, max(created_at) AS bought_at FROM event WHERE {_SCOPE} AND {_IN_PURCHASE} GROUP BY 1
    )"""
_CREDITED: Final = """credit AS (
        SELECT 1 AS part, referrer AS name, count(*) AS visitors FROM touch WHERE referrer <> '' GROUP BY 2
        UNION ALL SELECT 2, source, count(*) FROM touch WHERE source <> '' GROUP BY 2)
    SELECT name, visitors FROM credit ORDER BY part, visitors DESC, name"""
_CONVERSIONS: Final = f"""
    SELECT count(*), count(DISTINCT session_id), count(DISTINCT visit_id)
    FROM event WHERE {_SCOPE} AND {_IN_PURCHASE}"""

REPORTS: Final = (
    _report(
        "funnel",
        {
            "window": 60,
            "steps": [
                *({"type": "url", "value": path} for path in ("/page/0", "/page/1")),
                {"type": "event", "value": PURCHASE},
            ],
        },
        (
            f"""
            WITH hit AS (
                SELECT session_id, created_at, url_path, event_name FROM event
                WHERE {_SCOPE} AND (url_path IN ('/page/0', '/page/1') OR {_IN_PURCHASE})
            ), first AS (
                SELECT session_id, created_at FROM hit WHERE url_path = '/page/0'
            ), second AS (
                SELECT DISTINCT hit.session_id, hit.created_at FROM hit JOIN first USING (session_id)
                WHERE url_path = '/page/1'
                    AND hit.created_at BETWEEN first.created_at AND first.created_at + INTERVAL '60 minutes'
            ), third AS (
                SELECT hit.session_id FROM hit JOIN second USING (session_id)
                WHERE {_IN_PURCHASE}
                    AND hit.created_at BETWEEN second.created_at AND second.created_at + INTERVAL '60 minutes')
            SELECT (SELECT count(DISTINCT session_id) FROM first), (SELECT count(DISTINCT session_id) FROM second),
                (SELECT count(DISTINCT session_id) FROM third)""",
        ),
        lambda steps: [[step["visitors"] for step in steps]],
    ),
    _report(
        "journey",
        {"steps": _STEPS},
        (
            f"""
            SELECT count(*) FROM (
                SELECT arg_min({_LABEL}, created_at, {_STEPS}) AS way
                FROM event WHERE {_SCOPE} GROUP BY visit_id) AS visit
            GROUP BY way ORDER BY 1 DESC LIMIT 100""",
        ),
        lambda ways: [(way["count"],) for way in ways],
        postgresql=(
            f"""
            SELECT count(*) FROM (
                SELECT {", ".join(f"max(label) FILTER (WHERE place = {n}) AS step_{n}" for n in range(1, _STEPS + 1))}
                FROM (SELECT visit_id, {_LABEL} AS label,
                        row_number() OVER (PARTITION BY visit_id ORDER BY created_at) AS place
                    FROM event WHERE {_SCOPE}) AS placed
                WHERE place <= {_STEPS} GROUP BY visit_id) AS visit
            GROUP BY {", ".join(f"step_{n}" for n in range(1, _STEPS + 1))} ORDER BY 1 DESC LIMIT 100""",
        ),
    ),
    # A session lasts for a calendar month unless it is identified: who came before is looked for no further back.
    _report(
        "retention",
        {"timezone": "UTC"},
        (
            f"""
            WITH seen AS (
                SELECT DISTINCT session_id, date_trunc('day', created_at) AS day FROM event
                WHERE {_SCOPE} AND session_id NOT IN (
                    SELECT session_id FROM event WHERE website_id = :site AND created_at < :start
                        AND (created_at >= date_trunc('month', CAST(:start AS timestamp)) OR distinct_id <> ''))
            ), came AS (SELECT session_id, min(day) AS first FROM seen GROUP BY 1)
            SELECT first, EXTRACT(day FROM day - first) AS days, count(*) FROM seen JOIN came USING (session_id)
            WHERE day <= first + INTERVAL '{_RETURNED} days' GROUP BY 1, 2 ORDER BY 1, 2""",
        ),
        lambda rows: [(_instant(row["date"]), row["day"], row["returnVisitors"]) for row in rows],
    ),
    _report(
        "goals",
        {
            "goals": [
                {"type": "url", "value": "/page/0", "goal": 10},
                {"type": "event", "value": PURCHASE, "goal": 10},
                {"type": "event-data", "value": PURCHASE, "goal": 10, "operator": "sum", "property": "price"},
            ]
        },
        (
            f"""
            SELECT count(*) FILTER (WHERE url_path = '/page/0'), count(*) FILTER (WHERE {_IN_PURCHASE})
            FROM event WHERE {_SCOPE} AND (url_path = '/page/0' OR {_IN_PURCHASE})""",
            f"""
            SELECT sum(number_value) FROM event_data
            WHERE {_SCOPE} AND {_IN_PURCHASE} AND data_key = 'price'""",
        ),
        lambda goals: [[goals[0]["result"], goals[1]["result"]], [goals[2]["result"]]],
    ),
    _report(
        "insights",
        {
            "fields": [{"name": name, "type": "string", "label": name} for name in ("country", "url")],
            "filters": [],
        },
        (
            f"""
            SELECT country, url_path, sum(views), count(DISTINCT session_id), count(*),
                count(*) FILTER (WHERE views = 1), sum(EXTRACT(epoch FROM last_at - first_at))
            FROM (SELECT country, url_path, session_id, visit_id, count(*) AS views,
                    min(created_at) AS first_at, max(created_at) AS last_at
                FROM event WHERE {_VIEWS} GROUP BY 1, 2, 3, 4) AS visit
            GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC, country COLLATE "C", url_path COLLATE "C" LIMIT 500""",
        ),
        lambda rows: [
            [row[name] for name in ("country", "url", "views", "visitors", "visits", "bounces", "totaltime")]
            for row in rows
        ],
    ),
    _report(
        "utm",
        {},
        (
            f"""
            SELECT url_query, count(*) FROM event WHERE {_VIEWS} AND url_query LIKE '%utm\\_%' ESCAPE '\\'
            GROUP BY 1 ORDER BY 2 DESC""",
        ),
        lambda found: [
            (f"{name}={value}", views) for name, values in found.items() for value, views in values.items()
        ],
    ),
    _report(
        "revenue",
        {"currency": "EUR", "timezone": "UTC"},
        (
            f"""
            SELECT sum(revenue), count(DISTINCT event_id), count(DISTINCT session_id)
            FROM revenue WHERE {_SCOPE} AND currency = 'EUR'""",
            f"""
            SELECT date_trunc('day', created_at) AS day, event_name, sum(revenue)
            FROM revenue WHERE {_SCOPE} AND currency = 'EUR' GROUP BY 1, 2 ORDER BY 1, 2""",
            f"""
            SELECT country, sum(revenue) FROM revenue WHERE {_SCOPE} AND currency = 'EUR'
            GROUP BY 1 ORDER BY 2 DESC, 1""",
            f"""
            SELECT currency, sum(revenue), count(DISTINCT event_id), count(DISTINCT session_id)
            FROM revenue WHERE {_SCOPE} GROUP BY 1 ORDER BY 2 DESC""",
        ),
        lambda found: [
            [found["total"][name] for name in ("sum", "count", "unique_count")],
            *((_instant(point["t"]), point["x"], point["y"]) for point in found["chart"]),
            *((row["name"], row["value"]) for row in found["country"]),
            *([row[name] for name in ("currency", "sum", "count", "unique_count")] for row in found["table"]),
        ],
    ),
    _report(
        "attribution",
        {"model": "lastClick", "steps": [{"type": "event", "value": PURCHASE}]},
        (
            f"""
            {_CONVERTED}, touch AS (
                SELECT session_id, max_by(referrer_domain, created_at) AS referrer,
                    max_by(utm_source, created_at) AS source
                FROM event JOIN converted USING (session_id) WHERE {_SCOPE} AND created_at < bought_at GROUP BY 1
            ), {_CREDITED}""",
            _CONVERSIONS,
        ),
        lambda found: [
            *((row["name"], row["value"]) for name in ("referrer", "utm_source") for row in found[name]),
            [found["total"][name] for name in ("pageviews", "visitors", "visits")],
        ],
        postgresql=(
            f"""
            {_CONVERTED}, touch AS (
                SELECT DISTINCT ON (session_id) referrer_domain AS referrer, utm_source AS source
                FROM event JOIN converted USING (session_id) WHERE {_SCOPE} AND created_at < bought_at
                ORDER BY session_id, created_at DESC
            ), {_CREDITED}""",
            _CONVERSIONS,
        ),
    ),
)

STATISTICS: Final = (
    *TILES,
    _metric("host", "hostname"),
    _metric("screen", "screen"),
    _edge("entry", "arg_min", ""),
    _edge("exit", "arg_max", "DESC"),
    _CHANNELS,
    _EVENT_SERIES,
    _EVENTS,
    _SESSIONS,
    _SESSION_TOTALS,
    _WEEKLY,
    _PROPERTIES,
    *REPORTS,
)

"""On PostgreSQL, what is asked of one website reads no table of many websites as a whole.

Every statistic is asked through both doors over 30 days of one website among 60, and the engine is asked for its plan of
each statement that this took.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.auth import STOCK_ADMIN_ID
from app.folding import fold_all
from app.settings import Settings
from app.tables import WEBSITE_TABLES, event
from rest_compat.router import GROUPS
from tests.server import Server, running

END: Final = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
START: Final = END - dt.timedelta(days=30)
PERIOD: Final = f'{{start: "{START.isoformat()}", end: "{END.isoformat()}"}}'
_WEBSITES: Final = 60
_HITS: Final = 3000  # of each website, within the year before END
# Names of these tables' partitions begin with theirs.
_TABLES: Final = tuple(table.name for table in WEBSITE_TABLES)

# Of every table so much that an index is worth its while. Websites take turns, as events arrive. Filled before it is
# analysed, as a server's own housekeeping does.
_FILL: Final = (
    """
    INSERT INTO event (event_id, website_id, session_id, visit_id, created_at, event_type, event_name, url_path,
        url_query, page_title, hostname, referrer_domain, distinct_id, browser, os, device, screen, language, country, city)
    SELECT gen_random_uuid(), website_id, md5(website_id::text || visitor)::uuid, md5(website_id::text || n / 5)::uuid,
        CAST(:end AS timestamp) - (:hits - n) * interval '1 year' / :hits, CASE WHEN n % 8 = 0 THEN 2 ELSE 1 END,
        CASE WHEN n % 8 = 0 THEN 'event-' || n % 7 ELSE '' END, '/page/' || n % 211,
        CASE WHEN n % 10 = 0 THEN 'utm_source=news&utm_medium=email' ELSE '' END, 'Page ' || n % 211, 'example.com',
        CASE WHEN n % 5 = 1 THEN 'site-' || n % 9 || '.com' ELSE '' END, CASE WHEN visitor % 4 = 0 THEN 'user-' || visitor
        ELSE '' END, 'browser-' || visitor % 6, 'os-' || visitor % 5, 'device-' || visitor % 3, '1920x1080',
        'en-US', 'C' || visitor % 9, 'City ' || visitor % 40
    FROM (SELECT n, n / 10 AS visitor FROM generate_series(1, :hits) AS n) AS hit, website ORDER BY n
    """,
    """
    INSERT INTO event_data (website_id, session_id, visit_id, event_id, created_at, url_path, event_name, data_key, data_type,
        string_value, number_value)
    SELECT website_id, session_id, visit_id, event_id, created_at, url_path, event_name, data_key, data_type, '9.0000', 9
    FROM event, (VALUES ('plan', 1), ('price', 2), ('currency', 1)) AS datum (data_key, data_type)
    WHERE event_type = 2 ORDER BY created_at
    """,
    """
    INSERT INTO revenue (website_id, session_id, visit_id, event_id, event_name, currency, revenue, created_at)
    SELECT website_id, session_id, visit_id, event_id, event_name, 'EUR', 9, created_at
    FROM event WHERE event_type = 2 ORDER BY created_at
    """,
    """
    INSERT INTO session_data (website_id, session_id, distinct_id, data_key, data_type, string_value, created_at, version)
    SELECT website_id, session_id, distinct_id, data_key, 1, 'free', min(created_at), 1
    FROM event, (VALUES ('plan'), ('age')) AS datum (data_key)
    WHERE distinct_id <> '' GROUP BY website_id, session_id, distinct_id, data_key ORDER BY min(created_at)
    """,
)


@dataclass
class Asked:
    """A server with many websites: one of them, and a session of it."""

    server: Server
    website: str
    session: str
    _statements: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        @sa.event.listens_for(self.server.runtime.events.engine, "before_cursor_execute")
        def record(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            self._statements.append((statement, parameters))

    def plans(self, ask: Callable[[], None]) -> list[Mapping[str, Any]]:
        """The nodes of the engine's plans of all statements that it takes to answer."""
        self._statements.clear()
        ask()
        asked = [*self._statements]
        assert asked, "nothing was asked of the event store"
        with self.server.runtime.events.engine.connect() as connection:
            told = [
                connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
                for statement, parameters in asked
            ]
        return [node for [plan] in told for node in _nodes(plan["Plan"])]

    def whole_reads(self, ask: Callable[[], None]) -> list[str]:
        """The tables of websites' data that are read from end to end for what is asked."""
        return [
            node["Relation Name"]
            for node in self.plans(ask)
            # An index that nothing is looked up in is read as a whole, too.
            if node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan") and "Index Cond" not in node
            if node["Relation Name"].startswith(_TABLES)
        ]

    def rest(self, path: str, **params: Any) -> None:
        if "{websiteId}" not in path:
            params["websiteId"] = self.website
        names = {"websiteId": self.website, "sessionId": self.session, "userId": STOCK_ADMIN_ID}
        period = {"startAt": int(START.timestamp() * 1000), "endAt": int(END.timestamp() * 1000)}
        self.server.get(path.format(**names), **period, **params)

    def report(self, path: str, **params: Any) -> None:
        period = {"startDate": START.isoformat(), "endDate": END.isoformat(), "unit": "day"}
        body = {"websiteId": self.website, "dateRange": period, **params}
        answer = self.server.client.post(path, json=body, headers=self.server.admin)
        assert answer.status_code == 200, answer.text

    def analytics(self, selection: str, where: str = "") -> None:
        filtered = f", where: {where}" if where else ""
        self.graphql(f"analytics(period: {PERIOD}{filtered}) {{ {selection} }}")

    def graphql(self, selection: str) -> None:
        answer = self.server.graphql(f'{{ website(id: "{self.website}") {{ {selection} }} }}')
        # A session that the filter does not match is looked for all the same.
        assert {error["extensions"]["code"] for error in answer.get("errors", ())} <= {"not-found"}, answer


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


@pytest.fixture(scope="module")
def asked(make_settings: Callable[..., Settings]) -> Iterator[Asked]:
    with running(make_settings("postgresql")) as server:
        websites = [server.create_website(f"Website {number}") for number in range(_WEBSITES)]
        with server.runtime.events.engine.connect() as opened:
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            for statement in _FILL:
                connection.execute(sa.text(statement), {"end": END.replace(tzinfo=None), "hits": _HITS})
            fold_all(connection)
            connection.exec_driver_sql("VACUUM ANALYZE")
            of_first = sa.select(event.c.session_id).where(event.c.website_id == UUID(websites[0]))
            session = connection.execute(of_first.order_by(event.c.created_at.desc()).limit(1)).scalar_one()
        yield Asked(server, websites[0], str(session))


_GROUPS: Final = ("Statistics", "Events", "Export", "Sessions", "Realtime", "Reports", "Usage")
_SITE: Final = "/api/websites/{websiteId}"
_KINDS: Final = (
    *("url", "entry", "exit", "title", "query", "referrer", "event", "tag", "host", "channel"),
    *("browser", "os", "device", "screen", "language", "country", "region", "city"),
)
_EVENT: Final = {"eventName": "event-1", "propertyName": "plan"}
_STEPS: Final = [{"type": "url", "value": "/page/7"}, {"type": "event", "value": "event-1"}]
_GOALS: Final = [
    *({**step, "goal": 10} for step in _STEPS),
    {"type": "event-data", "value": "event-1", "goal": 10, "operator": "sum", "property": "price"},
]
_INSIGHTS: Final = {
    "fields": [{"name": name, "type": "string", "label": name} for name in ("country", "url")],
    "filters": [],
}

# Path → the parameters of each time that it is asked for, beside website and period.
REST: Final[Mapping[str, list[dict[str, Any]]]] = {
    f"{_SITE}/active": [{}],
    f"{_SITE}/stats": [{}, {"country": "C1"}, {"url": "/page/7"}, {"event": "event-1"}, {"compare": "yoy"}],
    f"{_SITE}/pageviews": [{"unit": unit, "timezone": "Asia/Kathmandu"} for unit in ("hour", "day", "month")],
    f"{_SITE}/metrics": [{"type": kind} for kind in _KINDS],
    f"{_SITE}/events/series": [{"unit": "day", "timezone": "UTC"}],
    f"{_SITE}/values": [{"type": "url"}, {"type": "city", "search": "city 1"}],
    f"{_SITE}/events": [{}, {"search": "page/1"}, {"page": 20}],
    f"{_SITE}/event-data/events": [{}, {"event": "event-1"}],
    "/api/event-data/events": [{}],
    f"{_SITE}/event-data/fields": [{}],
    "/api/event-data/fields": [{}],
    f"{_SITE}/event-data/properties": [{}],
    f"{_SITE}/event-data/values": [_EVENT],
    f"{_SITE}/event-data/stats": [{}],
    "/api/event-data/stats": [{}],
    f"{_SITE}/export": [{}],
    f"{_SITE}/sessions": [{}, {"search": "city 1"}, {"page": 3}],
    f"{_SITE}/sessions/stats": [{}, {"country": "C1"}],
    f"{_SITE}/sessions/weekly": [{"timezone": "Europe/Berlin"}],
    f"{_SITE}/sessions/{{sessionId}}": [{}],
    f"{_SITE}/sessions/{{sessionId}}/activity": [{}],
    f"{_SITE}/sessions/{{sessionId}}/properties": [{}],
    f"{_SITE}/session-data/properties": [{}],
    f"{_SITE}/session-data/values": [{"propertyName": "plan"}],
    "/api/realtime/{websiteId}": [{}],
    "/api/users/{userId}/usage": [{}],
}
REPORTS: Final[Mapping[str, dict[str, Any]]] = {
    "/api/reports/utm": {},
    "/api/reports/insights": _INSIGHTS,
    "/api/reports/revenue": {"currency": "EUR", "timezone": "UTC"},
    "/api/reports/attribution": {"model": "lastClick", "steps": _STEPS[1:]},
    "/api/reports/funnel": {"window": 60, "steps": _STEPS},
    "/api/reports/goals": {"goals": _GOALS},
    "/api/reports/journey": {"steps": 5},
    "/api/reports/retention": {"timezone": "UTC"},
}
# The fields of `Analytics` → the selections of each time that they are asked for.
_LISTED: Final = "totalCount pageInfo { hasNextPage } edges { cursor } nodes"
_ALL_TOTALS: Final = "pageviews { value } visitors { value } visits { value } bounces { value } totaltime { value } events { value }"
_DIMENSIONS: Final = ("PATH", "REFERRER", "BROWSER", "ENTRY", "EXIT", "CHANNEL", "EVENT", "DISTINCT_ID")
ANALYTICS: Final[Mapping[str, list[str]]] = {
    "utm": ["utm { parameter values { value } }"],
    "revenue": [
        'revenue(currency: "EUR") { total { amount } series { at } byCountry { country } byCurrency { currency } }'
    ],
    "currencies": ["currencies"],
    "attribution": [
        f"attribution(step: {{{step}}}, model: {model}{currency}) {{ total {{ visitors }} referrer {{ name }} }}"
        for step in ('path: "/page/7"', 'event: "event-1"')
        for model in ("FIRST_CLICK", "LAST_CLICK")
        for currency in ("", ', currency: "EUR"')
    ],
    "funnel": [
        'funnel(windowMinutes: 60, steps: [{path: "/page/7"}, {event: "event-1"}]) { steps { visitors } }',
        'funnel(windowMinutes: 60, steps: [{path: "/page/7"}, {path: "/page/1*"}]) { steps { visitors } }',
    ],
    "goals": [
        'goals(goals: [{path: "/page/7", target: 9}, {event: "event-1", target: 9}, '
        '{event: "event-1", property: "price", aggregate: SUM, target: 9}]) { result }'
    ],
    "journeys": ['journeys(steps: 4, startStep: "/page/7") { steps visits }'],
    "retention": ["retention { date returned }"],
    "events": [f"events{given} {{ {_LISTED} {{ data {{ key }} }} }}" for given in ("", '(search: "page/1")')],
    "eventProperties": [f"eventProperties {{ {_LISTED} {{ key }} }}"],
    "propertyValues": [f'propertyValues(key: "plan") {{ {_LISTED} {{ value }} }}'],
    "eventDataTotals": ["eventDataTotals { events properties records }"],
    "sessions": [f"sessions{given} {{ {_LISTED} {{ id }} }}" for given in ("", '(search: "city 1")')],
    "session": [
        'session(id: "SESSION") { summary { views } properties { key } activity { nodes { id } } }',
    ],
    "sessionTotals": ["sessionTotals { hits visitors visits countries events }"],
    "weekdayHours": ["weekdayHours"],
    "sessionProperties": [f"sessionProperties {{ {_LISTED} {{ key }} }}"],
    "sessionPropertyValues": [f'sessionPropertyValues(key: "plan") {{ {_LISTED} {{ value }} }}'],
    "totals": [f"totals(compare: PREVIOUS) {{ {_ALL_TOTALS} }}"],
    "series": ["series(unit: DAY) { at pageviews visitors visits bounces totaltime events }"],
    "breakdown": [
        f"breakdown(by: [{by}]) {{ nodes {{ values visitors{more} }} }}"
        for by in (*_DIMENSIONS, "PATH, COUNTRY", "BROWSER, COUNTRY")
        for more in ("", " pageviews visits bounces totaltime")
    ],
    "eventSeries": ["eventSeries(unit: DAY) { at events { name } }"],
    "channels": ["channels { channel visitors }"],
}
# Filters that are asked with: by what only events have, by what sessions have, and by data in another table.
FILTERS: Final = (
    '{path: {eq: "/page/7"}}',
    '{path: {contains: "page/1"}}',
    '{country: {eq: "C1"}}',
    '{not: {browser: {in: ["browser-1", "browser-2"]}}}',
    '{property: {key: "plan", eq: "9"}}',
    '{or: [{event: {eq: "event-1"}}, {property: {key: "price", gt: 3}}]}',
)


def test_everything_is_asked(asked: Asked) -> None:
    """A route or a field that is added is to be asked here too."""
    routes = [route for group in _GROUPS for route in GROUPS[group](asked.server.settings)]
    # GET /api/reports/revenue is the list of currencies, ANALYTICS' `currencies`.
    assert {route.path for route in routes} == {*REST, *REPORTS}
    fields = asked.server.graphql('{ __type(name: "Analytics") { fields { name } } }')["data"]["__type"][
        "fields"
    ]
    assert {one["name"] for one in fields} - {"period"} == set(ANALYTICS)


@pytest.mark.parametrize("path", REST)
def test_routes(asked: Asked, path: str) -> None:
    for params in REST[path]:
        assert asked.whole_reads(lambda given=params: asked.rest(path, **given)) == []


@pytest.mark.parametrize("path", REPORTS)
def test_reports(asked: Asked, path: str) -> None:
    assert asked.whole_reads(lambda: asked.report(path, **REPORTS[path])) == []


@pytest.mark.parametrize("where", ["", *FILTERS])
@pytest.mark.parametrize("field", ANALYTICS)
def test_analytics(asked: Asked, field: str, where: str) -> None:
    for selection in ANALYTICS[field]:
        chosen = selection.replace("SESSION", asked.session)
        assert asked.whole_reads(lambda chosen=chosen: asked.analytics(chosen, where)) == []


def test_all_of_a_dashboard_at_once(asked: Asked) -> None:
    arms = (
        f"tile{number}: {selection}"
        for number, selection in enumerate(
            one for name in ("totals", "series", "breakdown") for one in ANALYTICS[name]
        )
    )
    assert asked.whole_reads(lambda: asked.analytics(" ".join(arms))) == []


@pytest.mark.parametrize(
    "selection",
    [
        "activeVisitors",
        "dateRange { start end }",
        "realtime { totals { pageviews } }",
        f"values(field: CITY, period: {PERIOD}) {{ value }}",
    ],
)
def test_fields_of_a_website(asked: Asked, selection: str) -> None:
    assert asked.whole_reads(lambda: asked.graphql(selection)) == []


@pytest.mark.parametrize("table", WEBSITE_TABLES)
def test_a_table_that_is_read_as_a_whole_is_told(asked: Asked, table: sa.Table) -> None:
    """So that the tests above can fail."""
    everything = sa.select(sa.func.count()).select_from(table)
    told = asked.whole_reads(lambda: asked.server.runtime.events.rows(everything))
    assert told
    assert all(name.startswith(table.name) for name in told)


def test_channels_are_told_of_sources_and_not_of_events(asked: Asked) -> None:
    """A dozen regular expressions for each event took four times as long."""
    nodes = asked.plans(lambda: asked.analytics("channels { channel visitors }"))
    reading = [node for node in nodes if node.get("Relation Name", "").startswith("event_")]
    assert reading
    assert not [node for node in reading if "utm_medium" in node.get("Filter", "")]

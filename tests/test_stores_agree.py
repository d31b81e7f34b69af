"""The same random traffic to every store, and every statistic asked of each: the answers are the same to the last byte."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from app import websites
from app.settings import Settings
from tests.conftest import STORES
from tests.populate import CHROME, IPHONE, A, B, C, Hit, Visitor, happening, identification, populate, view
from tests.server import Server, running

WEBSITE = UUID(int=0xA9EE)
# Two weeks around the end of Europe's summer time.
FROM, DAYS = dt.datetime(2026, 10, 18), 14
HITS = 700
VISITORS = (
    *(A, B, C),
    *(
        Visitor(f"8.8.4.{n}", (CHROME, IPHONE)[n % 2], f"{n}x9", "fr-FR", "FR", "IDF", "Paris")
        for n in range(9)
    ),
    Visitor("9.9.9.9", CHROME, "1x1", ""),
)
PATHS = (
    "/",
    "/a",
    "/a/b",
    "/A",
    "/ä?q=%20&utm_source=news&utm_medium=email",
    "/b?gclid=1",
    "/shop?utm_medium=cpc",
    "/x_y%",
)
REFERRERS = (
    "",
    "",
    "https://www.google.com/search?q=x",
    "https://t.co/1",
    "https://example.com/a",
    "https://news.example/ü",
)
NAMES = ("buy", "sign up", "Ünï")

RANGE = {"startAt": int(FROM.replace(tzinfo=dt.UTC).timestamp() * 1000)}
RANGE["endAt"] = RANGE["startAt"] + DAYS * 86_400_000 + 12_345_678
PERIOD = {
    "startDate": FROM.isoformat() + "Z",
    "endDate": (FROM + dt.timedelta(days=DAYS, hours=3)).isoformat() + "Z",
}
EVER = {"startAt": 0, "endAt": 4_000_000_000_000}
METRICS = (
    *("url", "entry", "exit", "title", "query", "referrer", "channel", "event", "tag", "host"),
    *("browser", "os", "device", "screen", "language", "country", "region", "city"),
)
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"country": "FR"},
    {"browser": "!chrome"},
    {"url": "~a"},
    {"event": "buy", "os": "iOS"},
    {"referrer": "t.co"},
)
REPORTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "funnel",
        {
            "steps": [
                {"type": "path", "value": "/"},
                {"type": "path", "value": "/a*"},
                {"type": "event", "value": "buy"},
            ],
            "window": 120,
        },
    ),
    (
        "goals",
        {
            "goals": [
                {"type": "url", "value": "/a", "goal": 10},
                {"type": "event-data", "value": "buy", "goal": 5, "operator": "sum", "property": "revenue"},
            ]
        },
    ),
    ("journey", {"steps": 4}),
    ("retention", {"timezone": "Europe/Paris"}),
    ("revenue", {"currency": "EUR", "timezone": "Europe/Paris"}),
    ("utm", {}),
    ("insights", {"fields": [{"name": "browser"}, {"name": "country"}, {"name": "url"}], "filters": []}),
    *(
        ("attribution", {"steps": [{"type": "event", "value": "buy"}], "model": model})
        for model in ("first-click", "last-click")
    ),
)


def traffic() -> list[Hit]:
    chance = random.Random(2026)
    hits = []
    for _ in range(HITS):
        # In clusters, so that visits have several events, some in the same second.
        second = chance.randrange(DAYS * 24) * 3600 + chance.randrange(600)
        at = (FROM + dt.timedelta(seconds=second)).isoformat(" ")
        visitor, path = chance.choice(VISITORS), chance.choice(PATHS)
        more: dict[str, Any] = {"referrer": chance.choice(REFERRERS), "tag": chance.choice(("", "t"))}
        if chance.random() < 0.3:
            more["id"] = f"person-{chance.randrange(4)}"
        match chance.randrange(10):
            case 0 | 1 | 2:
                data = {
                    "revenue": chance.choice((12.5, 0.01, 1e6, 19.99)),
                    "currency": chance.choice(("EUR", "USD")),
                    "plan": chance.choice(("pro", "Ünï", "")),
                    "nested": {
                        "on": chance.random() < 0.5,
                        "at": "2026-01-01T00:00:00Z",
                        "n": chance.randrange(5),
                    },
                }
                hits.append(happening(visitor, at, path, chance.choice(NAMES), data, **more))
            case 3:
                said = {"name": chance.choice(("x", "y")), "age": chance.randrange(9)}
                hits.append(identification(visitor, at, said, id=f"person-{chance.randrange(4)}"))
            case _:
                hits.append(view(visitor, at, path, **more))
    return sorted(hits, key=lambda hit: hit.at)


@pytest.fixture(scope="module")
def answers(make_settings: Callable[..., Settings]) -> Iterator[dict[str, dict[str, Any]]]:
    """Store → question → answer."""
    hits = traffic()
    with ExitStack() as held:
        found = {}
        for store in STORES:
            server = held.enter_context(running(make_settings(store)))
            with server.ctx() as ctx:
                websites.create(ctx, name="Example", domain="example.com", website_id=WEBSITE)
            populate(server, str(WEBSITE), hits)
            if store == "postgresql":
                # As its autovacuum does within a minute: of tables that it knows nothing of, it looks at each event for each.
                with server.runtime.events.engine.connect().execution_options(
                    isolation_level="AUTOCOMMIT"
                ) as connection:
                    connection.exec_driver_sql("ANALYZE event")
            found[store] = dict(_asked(server))
        yield found


def _asked(server: Server) -> Iterator[tuple[str, Any]]:
    site = f"/api/websites/{WEBSITE}"

    def get(path: str, **params: Any) -> tuple[str, Any]:
        # What somebody says of themselves is said when it comes, whatever time goes with it.
        period = EVER if path.startswith("session-data") else RANGE
        return f"{path} {params}", server.get(f"{site}/{path}", **period, **params)

    for where in FILTERS:
        yield get("stats", **where)
        yield get("sessions/stats", **where)
        for unit in ("hour", "day", "month"):
            yield get("pageviews", unit=unit, timezone="Europe/Paris", **where)
        for kind in METRICS:
            yield get("metrics", type=kind, limit=100, **where)
        yield get("sessions", pageSize=50, **where)
        yield get("sessions/weekly", timezone="America/St_Johns", **where)
        yield get("event-data/events", **where)
    for path in ("event-data/stats", "event-data/properties", "session-data/properties"):
        yield get(path)
    for name in ("plan", "revenue", "nested.on", "nested.at"):
        yield get("event-data/values", event="buy", propertyName=name)
    for name in ("name", "age"):
        yield get("session-data/values", propertyName=name)
    yield get("events/series", unit="day", timezone="Asia/Kathmandu")
    # Those of one second are listed by ids that each server made up.
    listed = server.get(f"{site}/events", **RANGE, pageSize=1000)["data"]
    yield "events", sorted((_without_ids(one) for one in listed), key=repr)
    for report, given in REPORTS:
        body = {"websiteId": str(WEBSITE), "dateRange": PERIOD, **given}
        answer = server.client.post(f"/api/reports/{report}", json=body, headers=server.admin)
        assert answer.status_code == 200, (report, answer.text)
        yield f"{report} {given}", answer.json()
    query = """query($id: ID!, $period: PeriodInput!) { website(id: $id) { analytics(period: $period) {
      totals(compare: PREVIOUS) { pageviews { value previous } visitors { value previous } visits { value previous }
        bounces { value previous } totaltime { value previous } events { value previous } }
      series(unit: HOUR) { at pageviews visitors visits bounces totaltime events }
      a: breakdown(by: [PATH, BROWSER], first: 100) { nodes { values share visitors visits bounces totaltime events } }
      b: breakdown(by: [CITY], orderBy: TOTALTIME, first: 100) { nodes { values visitors totaltime } }
      weekdayHours sessionTotals { hits visitors visits countries events }
    } } }"""
    period = {"start": PERIOD["startDate"], "end": PERIOD["endDate"], "timezone": "Australia/Lord_Howe"}
    answer = server.graphql(query, {"id": str(WEBSITE), "period": period})
    assert "errors" not in answer, answer
    yield "graphql", answer["data"]


def _without_ids(row: dict[str, Any]) -> dict[str, Any]:
    """An event as it is listed, without the id that each store's server made up for it."""
    return {name: value for name, value in row.items() if name != "id"}


def test_every_statistic_is_the_same_on_every_store(answers: dict[str, dict[str, Any]]) -> None:
    first, *others = STORES
    assert len(answers[first]) > 150
    different = {
        (store, question): (answers[first][question], answer)
        for store in others
        for question, answer in answers[store].items()
        if answer != answers[first][question]
    }
    assert different == {}


def test_the_traffic_gives_every_statistic_something_to_say(answers: dict[str, dict[str, Any]]) -> None:
    said = answers[STORES[0]]
    empty = [question for question, answer in said.items() if answer in ([], {}) and question.endswith("{}")]
    assert empty == []
    assert said["stats {}"]["pageviews"]["value"] > 300

"""The lists below `analytics`, and walking through them page by page."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.populate import CHROME, IPHONE
from tests.server import Server

Json = dict[str, Any]

_BREAKDOWN = "values pageviews visitors visits bounces totaltime events share"
_EVENT = "id at type name path sessionId data { key value }"
# Field of `analytics` and arguments beside `first` and `after` → what is asked of a node.
LISTS = {
    ("events", ""): _EVENT,
    ("events", 'search: "1"'): _EVENT,
    ("sessions", ""): "id firstAt lastAt visits views events totaltime browser",
    ("sessions", 'search: "chrome"'): "id lastAt views events",
    ("breakdown", "by: [PATH]"): _BREAKDOWN,
    ("breakdown", 'by: [PATH], search: "1", orderBy: PAGEVIEWS'): _BREAKDOWN,
    ("breakdown", "by: [BROWSER, PATH, LANGUAGE], orderBy: VISITS"): _BREAKDOWN,
    ("breakdown", "by: [LANGUAGE, PATH], orderBy: VISITORS"): _BREAKDOWN,
    ("breakdown", "by: [EVENT, TAG], orderBy: EVENTS"): _BREAKDOWN,
    ("breakdown", "by: [DISTINCT_ID], orderBy: TOTALTIME"): _BREAKDOWN,
    ("breakdown", "by: [ENTRY], orderBy: BOUNCES"): _BREAKDOWN,
    ("breakdown", "by: [EXIT]"): _BREAKDOWN,
    ("breakdown", "by: [CHANNEL]"): _BREAKDOWN,
    ("eventProperties", ""): "event key type count",
    ("eventProperties", 'key: {startsWith: "p"}'): "event key type count",
    ("propertyValues", ""): "key type value count",
    ("propertyValues", 'key: "plan"'): "key type value count",
    ("sessionProperties", ""): "key sessions",
    ("sessionPropertyValues", 'key: "plan"'): "value sessions",
    ("activity", ""): _EVENT,
}
DAY = {"start": "2026-11-10", "end": "2026-11-10"}
MIDNIGHT = int(dt.datetime(2026, 11, 10, tzinfo=dt.UTC).timestamp())
PERIODS = [DAY, {"start": "2026-11-10", "end": "2126-11-10"}, {"all": True}] + [
    {"last": name, "timezone": "Asia/Kathmandu"} for name in ("HOUR", "HOURS_24", "DAYS_30", "THIS_YEAR")
]


@dataclass(frozen=True)
class Walk:
    """One list, asked for page by page."""

    server: Server
    website: str
    name: str
    arguments: str
    period: Json
    where: Json | None = None
    session: str = ""

    def call(self, first: int, after: str | None) -> str:
        arguments = f"first: {first}, after: {json.dumps(after)}, {self.arguments}"
        return f"{self.name}({arguments}) {{ {self.page} }}"

    @property
    def page(self) -> str:
        node = LISTS[self.name, self.arguments]
        count = "" if self.name == "breakdown" else "totalCount"
        return f"nodes {{ {node} }} edges {{ cursor node {{ __typename }} }} {count} pageInfo {{ hasNextPage endCursor }}"

    def ask(self, *calls: tuple[int, str | None]) -> list[Json]:
        """Pages (first, after) of the list, all in one request."""
        fields = " ".join(f"page{number}: {self.call(*call)}" for number, call in enumerate(calls))
        if self.session:
            fields = f'session(id: "{self.session}") {{ {fields} }}'
        query = f"""query($id: ID!, $period: PeriodInput!, $where: EventFilter) {{
          website(id: $id) {{ analytics(period: $period, where: $where) {{ {fields} }} }}
        }}"""
        answer = self.server.graphql(query, {"id": self.website, "period": self.period, "where": self.where})
        assert "errors" not in answer, answer
        found = answer["data"]["website"]["analytics"]
        found = found["session"] if self.session else found
        return [found[f"page{number}"] for number in range(len(calls))]

    def whole(self) -> list[Json]:
        """The list of this moment, the first hundred rows."""
        [page] = self.ask((100, None))
        nodes: list[Json] = page["nodes"]
        return nodes

    def check(self, size: int, between: Callable[[], Any]) -> list[Json]:
        """Fetch all pages with something happening between them; they are the list of the first page. Answers it."""
        whole, page = self.ask((100, None), (size, None))
        assert not whole["pageInfo"]["hasNextPage"]
        rows: list[Json] = whole["nodes"]
        assert len({json.dumps(row) for row in rows}) == len(rows)
        seen: list[Json] = []
        while True:
            assert len(page["edges"]) == len(page["nodes"]) == min(size, len(rows) - len(seen))
            seen += page["nodes"]
            assert seen == rows[: len(seen)]
            assert page.get("totalCount", len(rows)) == len(rows)
            assert page["pageInfo"] == {
                "hasNextPage": len(seen) < len(rows),
                "endCursor": page["edges"][-1]["cursor"] if rows else None,
            }
            if not page["pageInfo"]["hasNextPage"]:
                break
            between()
            [page] = self.ask((size, page["pageInfo"]["endCursor"]))
        assert seen == rows
        if rows:
            # A cursor amid a page is as good as its last.
            between()
            middle = len(rows) // 2
            [page] = self.ask((100, whole["edges"][middle]["cursor"]))
            assert page["nodes"] == rows[middle + 1 :]
        return rows


def send(client: httpx.Client, website: str, hits: Iterable[Json]) -> None:
    """Send hits at once, in order: payloads with `visitor`, a number, and `ago`, how many seconds, None for now."""
    bodies = []
    for hit in hits:
        given = dict(hit)
        visitor, ago, kind = given.pop("visitor"), given.pop("ago"), given.pop("type", "event")
        who = {
            "ip": "8.8.8.8",
            "id": f"v{visitor}",
            "userAgent": (CHROME, IPHONE)[visitor % 2],
            "language": ("de", "en", "fr")[visitor % 3],
        }
        when = {} if ago is None else {"timestamp": int(time.time()) - ago}
        bodies.append({"type": kind, "payload": {"website": website, **who, **when, **given}})
    answer = client.post("/api/batch", json=bodies)
    assert answer.status_code == 200, answer.text
    assert answer.json()["errors"] == 0, answer.text


def nth(number: int) -> Json:
    """A visitor who is new or comes back, and a page that is new or overtakes another."""
    hit = {
        "visitor": number * number % 61,
        "ago": (None, None, 40, 90)[number % 4],
        "url": f"/p{number * number % 53}",
    }
    return {**hit, "name": "bought", "data": {"plan": f"{number % 17}"}} if number % 5 == 0 else hit


def session_of(server: Server, website: str) -> str:
    """The id of some session of the website."""
    query = f'{{ website(id: "{website}") {{ analytics(period: {{all: true}}) {{ sessions(first: 1) {{ nodes {{ id }} }} }} }} }}'
    [node] = server.graphql(query)["data"]["website"]["analytics"]["sessions"]["nodes"]
    found: str = node["id"]
    return found


def walk(
    server: Server, website: str, which: tuple[str, str], period: Json, where: Json | None = None
) -> Walk:
    session = session_of(server, website) if which[0] == "activity" else ""
    return Walk(server, website, *which, period, where, session)

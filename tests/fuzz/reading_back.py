"""Reading back: every hit that was taken is found through REST and through GraphQL, and both say the same of it."""

from __future__ import annotations

import base64
import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import httpx

from tests.fuzz.collecting import AS_SENT, Account
from tests.fuzz.instance import Instance
from tests.graphql_schema.asking import SCHEMA

# All that a hit may be dated.
_RANGE: Final = {"startAt": "0", "endAt": "4102444799999"}
_PERIOD: Final = "period: {all: true}"
# GraphQL's name → REST's, of what both lists of events show; of the dimensions all that are fields of events.
_BOTH: Final = {
    "id": "id",
    "sessionId": "sessionId",
    "path": "urlPath",
    "query": "urlQuery",
    "title": "pageTitle",
    "name": "eventName",
}
_FIELDS: Final = (
    "hostname tag browser os device screen language country region city distinctId utmSource utmMedium utmCampaign "
    "utmContent utmTerm gclid fbclid msclkid ttclid liFatId twclid"
)
_SAMPLE: Final = 25
_TYPES: Final = [
    "url",
    "entry",
    "exit",
    "referrer",
    "title",
    "query",
    "os",
    "browser",
    "device",
    "country",
    "region",
    "city",
    "language",
    "event",
    "tag",
    "host",
    "screen",
    "channel",
]


def check(instance: Instance, account: Account) -> None:
    """Raises AssertionError for a hit that is not found, or that the doors tell differently of."""
    door = _Doors(instance, account.website)
    by_rest = {row["id"]: row for row in door.pages("events")}
    by_graphql = {row["id"]: row for row in door.connection("events", _EVENT)}
    assert len(by_rest) == account.events
    assert by_rest.keys() == by_graphql.keys()
    for id, row in by_rest.items():
        assert {name: row[rest] or None for name, rest in _BOTH.items()} == {
            name: by_graphql[id][name] or None for name in _BOTH
        }, id
    sessions = Counter(row["sessionId"] for row in by_rest.values())
    assert account.sessions <= sessions
    for name in AS_SENT:
        assert Counter(row[name] or "" for row in by_graphql.values()) == account.texts[name], name

    listed = {row["id"] for row in door.pages("sessions")}
    assert listed == set(sessions)
    assert listed == {row["id"] for row in door.connection("sessions", _SESSION)}
    _check_sessions(door, sorted(listed)[:_SAMPLE], by_rest)
    _check_properties(door, by_graphql)
    _check_identified(door, sorted(account.identified))
    _check_figures(door, by_graphql)
    assert instance.rejected() == []


_EVENT: Final = (
    f"id at type name sessionId visitId path query title {_FIELDS} referrer {{ __typename }} "
    "data { key type value number date }"
)
_SESSION: Final = "id firstAt lastAt visits views events totaltime"


class _Doors:
    def __init__(self, instance: Instance, website: str) -> None:
        self.instance = instance
        self.website = website

    def rest(self, path: str, **params: str) -> Any:
        answer: httpx.Response = self.instance.client.get(
            f"/api/websites/{self.website}{path}", params={**_RANGE, **params}
        )
        assert answer.status_code == 200, (path, params, answer.text)
        return answer.json()

    def pages(self, path: str) -> Iterator[Any]:
        """All rows of a list."""
        page, count, seen = 1, 1, 0
        while seen < count:
            answer = self.rest(f"/{path}", page=str(page), pageSize="500")
            rows, count = answer["data"], answer["count"]
            assert rows or not count, f"{path}: the list ends before its count of {count}"
            yield from rows
            seen, page = seen + len(rows), page + 1

    def graphql(self, selection: str, **variables: Any) -> Any:
        declared = "".join(f", ${name}: {_TYPE.get(name, 'String')}" for name in variables)
        where = ", where: $where" if "where" in variables else ""
        query = f"query($id: ID!{declared}) {{ website(id: $id) {{ analytics({_PERIOD}{where}) {{ {selection} }} }} }}"
        return self.instance.graphql(query, id=self.website, **variables)["website"]["analytics"]

    def connection(self, name: str, fields: str, more: str = "", **variables: Any) -> Iterator[Any]:
        """All nodes of a connection."""
        after = None
        while True:
            page = self.graphql(
                f"{name}(first: 100, after: $after{more}) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }}",
                after=after,
                **variables,
            )[name]
            yield from page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]


_TYPE: Final = {"where": "EventFilter", "session": "ID!", "key": "String!"}


def _check_sessions(door: _Doors, ids: list[str], events: dict[str, Any]) -> None:
    """Of some sessions what they did, from both doors."""
    for id in ids:
        did = {key for key, row in events.items() if row["sessionId"] == id}
        one = door.graphql(
            "session(id: $session) { summary { id } activity(first: 100) { nodes { id } } }",
            session=id,
        )["session"]
        assert one["summary"] == {"id": id}
        shown = {row["id"] for row in one["activity"]["nodes"]}
        by_rest = {row["id"] for row in door.rest(f"/sessions/{id}/activity")}
        assert door.rest(f"/sessions/{id}")["id"] == id
        if len(did) <= 100:
            assert shown == did == by_rest


def _check_properties(door: _Doors, events: dict[str, Any]) -> None:
    """Data of events: as their own, counted, and by value."""
    own = Counter((row["name"], one["key"]) for row in events.values() for one in row["data"])
    counted = Counter[tuple[str | None, str]]()
    for row in door.connection("eventProperties", "event key type count"):
        counted[row["event"], row["key"]] += row["count"]
    assert counted == own
    valued = Counter(one["key"] for row in events.values() for one in row["data"])
    found = Counter[str]()
    for row in door.connection("propertyValues", "key type value count"):
        found[row["key"]] += row["count"]
    assert found == valued
    records = door.graphql("eventDataTotals { records }")["eventDataTotals"]["records"]
    assert records == own.total() == door.rest("/event-data/stats")["records"]
    for path in ("/event-data/events", "/event-data/fields", "/event-data/properties"):
        assert bool(door.rest(path)) == bool(own), path
    for event, key in sorted((one for one in own if one[0]), key=str)[:_SAMPLE]:
        rows = door.rest("/event-data/values", eventName=event, propertyName=key)
        assert sum(row["total"] for row in rows) == own[event, key], (event, key)


def _check_identified(door: _Doors, ids: list[str]) -> None:
    """Data of visitors; those who only said who they are have no events, and are found by their id."""
    for id in ids[:_SAMPLE]:
        one = door.graphql("session(id: $session) { properties { key type value } }", session=id)["session"]
        by_rest = {row["dataKey"]: row["stringValue"] for row in door.rest(f"/sessions/{id}/properties")}
        # Umami shows whole numbers without the four places that they are stored with.
        by_graphql = {row["key"]: (row["type"], row["value"]) for row in one["properties"]}
        assert by_graphql.keys() == by_rest.keys(), id
        for key, (kind, value) in by_graphql.items():
            assert by_rest[key] == (value.removesuffix(".0000") if kind == "NUMBER" else value), (id, key)
    rows = list(door.connection("sessionProperties", "key sessions"))
    assert len(door.rest("/session-data/properties")) == min(len(rows), 500)
    for row in rows[:_SAMPLE]:
        list(door.connection("sessionPropertyValues", "value sessions", ", key: $key", key=row["key"]))
        door.rest("/session-data/values", propertyName=row["key"])


def _check_figures(door: _Doors, events: dict[str, Any]) -> None:
    """Every list of figures is answered, events are found by what they have, and the export opens."""
    for kind in _TYPES:
        door.rest("/metrics", type=kind, limit="1000")
    for dimension in SCHEMA.type_map["Dimension"].values:  # type: ignore[attr-defined]
        door.graphql(f"breakdown(by: [{dimension}], first: 100) {{ nodes {{ values visitors }} }}")
    named = sum(row["name"] is not None for row in events.values())
    assert door.graphql("totals { events { value } }")["totals"]["events"]["value"] == named
    assert door.rest("/sessions/stats")["events"]["value"] == named
    for name, column in (
        ("tag", "tag"),
        ("event", "name"),
        ("path", "path"),
        ("distinctId", "distinctId"),
        ("city", "city"),
    ):
        had = Counter(row[column] for row in events.values() if row[column])
        for value, count in sorted(had.items())[:_SAMPLE]:
            found = door.graphql("events(first: 1) { totalCount }", where={name: {"eq": value}})["events"][
                "totalCount"
            ]
            assert found == count, (name, value)
    packed = zipfile.ZipFile(io.BytesIO(base64.b64decode(door.rest("/export")["zip"])))
    for file in packed.namelist():
        rows = list(csv.reader(io.StringIO(packed.read(file).decode(), newline="")))
        assert all(len(row) == 2 for row in rows), file

"""Events and their data: the conformance data of Umami v2 REST behaviour §6.3, through both doors on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from tests.populate import VECTORS, populate
from tests.server import Server
from tests.test_both_doors import graph, rest


@pytest.fixture(scope="module")
def site(server: Server) -> str:
    website_id = server.create_website()
    populate(server, website_id, VECTORS)
    return website_id


# (time, name, path, query, referrer's domain, path and query), newest first.
LISTED = [
    ("2026-11-11T09:00:30.000Z", "purchase", "/", "", None, None, None),
    ("2026-11-11T09:00:00.000Z", None, "/", "", None, None, None),
    ("2026-11-10T11:01:00.000Z", None, "/pricing", "", "example.com", "/", "x=1"),
    ("2026-11-10T11:00:00.000Z", None, "/", "utm_source=news&utm_medium=email", "t.co", "/x", ""),
    ("2026-11-10T10:30:00.000Z", None, "/", "", "google.com", "/search", ""),
    ("2026-11-10T10:10:00.000Z", "purchase", "/pricing", "", None, None, None),
    ("2026-11-10T10:05:00.000Z", "signup", "/pricing", "", None, None, None),
    ("2026-11-10T10:02:00.000Z", None, "/pricing", "", "example.com", "/", ""),
    ("2026-11-10T10:00:00.000Z", None, "/", "", None, None, None),
]


def from_rest(row: dict[str, Any]) -> tuple[Any, ...]:
    assert row["eventType"] == (2 if row["eventName"] else 1)
    assert row["pageTitle"] == f"T {row['urlPath']}"
    names = ("createdAt", "eventName", "urlPath", "urlQuery")
    return (
        *(row[name] for name in names),
        row["referrerDomain"],
        row["referrerPath"],
        row["referrerQuery"],
    )


def from_graphql(node: dict[str, Any]) -> tuple[Any, ...]:
    assert node["type"] == ("CUSTOM" if node["name"] else "PAGEVIEW")
    assert node["title"] == f"T {node['path']}"
    referrer = node["referrer"] or {"domain": None, "path": None, "query": None}
    return (*(node[name] for name in ("at", "name", "path", "query")), *referrer.values())


NODE = "id at type name path query title sessionId referrer { domain path query }"


def test_events(server: Server, site: str) -> None:
    answer = rest(server, site, "events", pageSize=20)
    assert (answer["count"], answer["page"], answer["pageSize"]) == (9, 1, 20)
    assert [from_rest(row) for row in answer["data"]] == LISTED
    found = graph(server, site, f"events {{ totalCount nodes {{ {NODE} }} pageInfo {{ hasNextPage }} }}")
    nodes = found["events"]["nodes"]
    assert [from_graphql(node) for node in nodes] == LISTED
    assert found["events"]["totalCount"] == 9
    assert found["events"]["pageInfo"] == {"hasNextPage": False}
    ids = [(row["id"], row["sessionId"]) for row in answer["data"]]
    assert [(node["id"], node["sessionId"]) for node in nodes] == ids
    assert {row["websiteId"] for row in answer["data"]} == {site}


@pytest.mark.parametrize(
    ("search", "places"),
    [
        ("SIGN", [6]),
        # Custom events are searched by name, page views by path.
        ("pric", [2, 7]),
        ("urchas", [0, 5]),
        ("%", []),
        ("_", []),
        ("nothing", []),
    ],
)
def test_events_searched(server: Server, site: str, search: str, places: list[int]) -> None:
    expected = [LISTED[place] for place in places]
    # The reference calls it `search`, the documentation `query`.
    for name in ("search", "query"):
        answer = rest(server, site, "events", **{name: search})
        assert [from_rest(row) for row in answer["data"]] == expected
        assert answer["count"] == len(expected)
    found = graph(server, site, f'events(search: "{search}") {{ totalCount nodes {{ {NODE} }} }}')["events"]
    assert [from_graphql(node) for node in found["nodes"]] == expected
    assert found["totalCount"] == len(expected)


def test_event_data_stats(server: Server, site: str) -> None:
    expected = {"events": 3, "properties": 13, "records": 15}
    assert rest(server, site, "event-data/stats") == {**expected, "fields": 13}
    found = graph(server, site, "eventDataTotals { events properties records }")
    assert found["eventDataTotals"] == expected


SIGNUP = {
    "d2": 1,
    "d3": 4,
    "f": 2,
    "n": 2,
    "nested.x": 2,
    "nested.y.z": 1,
    "nul": 5,
    "ok": 3,
    "plan": 1,
    "tags": 5,
    "when": 4,
}
TYPES = ["", "STRING", "NUMBER", "BOOLEAN", "DATE", "ARRAY"]


def test_types_of_an_event(server: Server, site: str) -> None:
    rows = rest(server, site, "event-data/events", event="signup")
    assert [(row["eventName"], row["propertyName"], row["dataType"], row["total"]) for row in rows] == [
        ("signup", name, kind, 1) for name, kind in SIGNUP.items()
    ]
    nodes = graph(server, site, 'eventProperties(event: "signup") { nodes { event key type count } }')
    assert [
        (node["event"], node["key"], node["type"], node["count"])
        for node in nodes["eventProperties"]["nodes"]
    ] == [("signup", name, TYPES[kind], 1) for name, kind in SIGNUP.items()]


def test_properties_of_all_events(server: Server, site: str) -> None:
    purchase = [("purchase", "currency", 1, 2), ("purchase", "revenue", 1, 1), ("purchase", "revenue", 2, 1)]
    expected = [*purchase, *(("signup", name, kind, 1) for name, kind in SIGNUP.items())]
    rows = rest(server, site, "event-data/events")
    assert [tuple(row.values()) for row in rows] == expected
    assert list(rows[0]) == ["eventName", "propertyName", "dataType", "total"]
    found = graph(server, site, "eventProperties { totalCount nodes { event key type count } }")
    nodes = [
        (n["event"], n["key"], TYPES.index(n["type"]), n["count"]) for n in found["eventProperties"]["nodes"]
    ]
    # Most frequent first, and the order of names within.
    assert nodes == sorted(expected, key=lambda row: -row[3])
    assert found["eventProperties"]["totalCount"] == 14

    by_name = rest(server, site, "event-data/properties")
    totals = [("purchase", "currency", 2), ("purchase", "revenue", 2)]
    assert [tuple(row.values()) for row in by_name] == [*totals, *(("signup", name, 1) for name in SIGNUP)]
    assert list(by_name[0]) == ["eventName", "propertyName", "total"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", "3"),
        ("f", "1.2346"),
        ("when", "2024-01-02 03:00:00"),
        ("d3", "2024-01-02 03:00:00"),
        ("d2", "2024-01-02T03:04:05Z"),
        ("nested.x", "1.5000"),
        ("ok", "true"),
        ("nul", "null"),
        ("tags", '["a","b"]'),
    ],
)
def test_values(server: Server, site: str, key: str, value: str) -> None:
    rows = rest(server, site, "event-data/values", eventName="signup", propertyName=key)
    assert rows == [{"value": value, "total": 1}]
    found = graph(
        server, site, f'propertyValues(event: "signup", key: "{key}") {{ nodes {{ key type value count }} }}'
    )
    node = {"key": key, "type": TYPES[SIGNUP[key]], "value": value, "count": 1}
    assert found["propertyValues"]["nodes"] == [node]


def test_fields(server: Server, site: str) -> None:
    rows = rest(server, site, "event-data/fields")
    # By type, the last of them first; within one most frequent first, then by name and value.
    assert [tuple(row.values()) for row in rows] == [
        ("nul", 5, "null", 1),
        ("tags", 5, '["a","b"]', 1),
        ("d3", 4, "2024-01-02 03:00:00", 1),
        ("when", 4, "2024-01-02 03:00:00", 1),
        ("ok", 3, "true", 1),
        ("f", 2, "1.2346", 1),
        ("n", 2, "3", 1),
        ("nested.x", 2, "1.5000", 1),
        ("revenue", 2, "19.9900", 1),
        ("currency", 1, "USD", 1),
        ("currency", 1, "usd", 1),
        ("d2", 1, "2024-01-02T03:04:05Z", 1),
        ("nested.y.z", 1, "q", 1),
        ("plan", 1, "pro", 1),
        ("revenue", 1, "5", 1),
    ]
    assert list(rows[0]) == ["propertyName", "dataType", "value", "total"]
    found = graph(server, site, "propertyValues { totalCount nodes { key type value count } }")
    nodes = found["propertyValues"]["nodes"]
    expected = sorted((row["propertyName"], row["dataType"], row["value"], row["total"]) for row in rows)
    assert [(n["key"], TYPES.index(n["type"]), n["value"], n["count"]) for n in nodes] == expected
    assert found["propertyValues"]["totalCount"] == 15


def test_properties_in_a_list_of_events(server: Server, site: str) -> None:
    """What GraphQL shows beside each event is what REST says of all of them."""
    found = graph(server, site, "events { nodes { name data { key type value number date } } }")
    nodes = found["events"]["nodes"]
    signup = next(node for node in nodes if node["name"] == "signup")
    rows = rest(server, site, "event-data/events", event="signup")
    assert [(d["key"], TYPES.index(d["type"]), d["value"]) for d in signup["data"]] == [
        (row["propertyName"], row["dataType"], row["propertyValue"]) for row in rows
    ]
    assert {d["key"]: d["number"] for d in signup["data"] if d["number"] is not None} == {
        "f": 1.2346,
        "n": 3.0,
        "nested.x": 1.5,
    }
    assert {d["key"]: d["date"] for d in signup["data"] if d["date"]} == {
        "d3": "2024-01-02T03:04:05.000Z",
        "when": "2024-01-02T03:04:05.000Z",
    }
    assert [len(node["data"]) for node in nodes] == [2, 0, 0, 0, 0, 2, 11, 0, 0]

"""Events and their data through GraphQL, on every store."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphql_schema.types import to_cursor
from tests.populate import VECTORS, A, Hit, happening, view
from tests.server import Server
from tests.stats.oracle import Event
from tests.stats.worlds import store

Populate = Callable[[str, Iterable[Hit]], Any]
PERIOD = {"start": "2026-11-10T00:00:00Z", "end": "2026-11-11T23:59:59Z"}


def asked(server: Server, website: str, fields: str, where: Any = None) -> dict[str, Any]:
    """The whole answer to some fields of `analytics`."""
    query = f"""query($id: ID!, $period: PeriodInput!, $where: EventFilter) {{
      website(id: $id) {{ analytics(period: $period, where: $where) {{ {fields} }} }}
    }}"""
    return server.graphql(query, {"id": website, "period": PERIOD, "where": where})


def ask(server: Server, website: str, fields: str, where: Any = None) -> Any:
    answer = asked(server, website, fields, where)
    assert "errors" not in answer, answer
    return answer["data"]["website"]["analytics"]


def refused(server: Server, website: str, fields: str) -> dict[str, Any]:
    """What the one error says; the field that failed is null and its siblings are not."""
    answer = asked(server, website, f"{fields} totals {{ pageviews {{ value }} }}")
    [error] = answer["errors"]
    found = answer["data"]["website"]["analytics"]
    assert found.pop("totals") is not None
    assert list(found.values()) == [None]
    return {"message": error["message"], **error["extensions"]}


@contextmanager
def statements(server: Server) -> Iterator[list[str]]:
    """The selects that the event store runs meanwhile.

    Left out are which moment lists are of (test_paging.py), and the writer's turn.
    """
    seen: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and not re.search("applied_batch|advisory|pg_notify", statement):
            seen.append(statement.replace("`", ""))

    engine = server.runtime.events.engine
    sa.event.listen(engine, "before_cursor_execute", listen)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", listen)


@pytest.fixture
def vectors(website: str, populate: Populate) -> str:
    populate(website, VECTORS)
    return website


NODE = """
  id at type name path query title hostname sessionId visitId referrer { domain path query }
  utmSource utmMedium utmCampaign utmContent utmTerm gclid fbclid msclkid ttclid liFatId twclid
  tag distinctId browser os device screen language country region city
  data { key type value number date }
"""
ABSENT = ["utmCampaign", "utmContent", "utmTerm", "fbclid", "msclkid", "ttclid", "liFatId", "twclid"]


def test_a_node_in_full(server: Server, website: str, populate: Populate) -> None:
    data = {"n": 1.5, "when": "2024-01-02T03:04:05.678Z", "a": {"b": [1]}}
    url = "/p?utm_source=news&utm_medium=email&gclid=g"
    hit = happening(
        A, "2026-11-10 10:00:00", url, "signup", data, tag="t", id="me", referrer="https://t.co/x?y"
    )
    [sent] = populate(website, [hit])
    [stored] = server.events(website)
    [node] = ask(server, website, f"events {{ nodes {{ {NODE} }} }}")["events"]["nodes"]
    assert node == {
        "id": str(stored["event_id"]),
        "at": "2026-11-10T10:00:00.000Z",
        "type": "CUSTOM",
        "name": "signup",
        "path": "/p",
        "query": "utm_source=news&utm_medium=email&gclid=g",
        "title": "T /p",
        "hostname": "example.com",
        "sessionId": sent["sessionId"],
        "visitId": sent["visitId"],
        "referrer": {"domain": "t.co", "path": "/x", "query": "y"},
        "utmSource": "news",
        "utmMedium": "email",
        "gclid": "g",
        **dict.fromkeys(ABSENT),
        "tag": "t",
        "distinctId": "me",
        "browser": "chrome",
        "os": "Windows 10",
        "device": "desktop",
        "screen": "1920x1080",
        "language": "en-US",
        "country": "US",
        "region": "US-CA",
        "city": "San Jose",
        "data": [
            {"key": "a.b", "type": "ARRAY", "value": "[1]", "number": None, "date": None},
            {"key": "n", "type": "NUMBER", "value": "1.5000", "number": 1.5, "date": None},
            {
                "key": "when",
                "type": "DATE",
                "value": "2024-01-02T03:04:05.678Z",
                "number": None,
                "date": "2024-01-02T03:04:05.678Z",
            },
        ],
    }


def test_a_page_view_without_anything(server: Server, website: str) -> None:
    bare = {"type": "event", "payload": {"website": website, "url": "/", "timestamp": 1_794_304_800}}
    assert server.client.post("/api/send", json=bare, headers={"user-agent": ""}).status_code == 200
    [node] = ask(server, website, f"events {{ nodes {{ {NODE} }} }}")["events"]["nodes"]
    there = {name: node.pop(name) for name in ("id", "sessionId", "visitId")}
    assert all(UUID(text) for text in there.values())
    always = {"at": "2026-11-10T10:00:00.000Z", "type": "PAGEVIEW", "path": "/", "query": "", "data": []}
    assert node == {**dict.fromkeys(node), **always, "hostname": "localhost"}


def test_a_number_too_large_for_the_store_has_its_text(
    server: Server, website: str, populate: Populate
) -> None:
    populate(website, [happening(A, "2026-11-10 10:00:00", "/", "x", {"big": 1e20})])
    [node] = ask(server, website, "events { nodes { data { type value number } } }")["events"]["nodes"]
    assert node["data"] == [{"type": "NUMBER", "value": "100000000000000000000.0000", "number": None}]


@pytest.mark.parametrize(
    ("selection", "data", "counts"),
    [
        ("nodes { id }", 0, 0),
        ("edges { node { id } }", 0, 0),
        ("nodes { id data { key } }", 1, 0),
        ("edges { node { data { key } } }", 1, 0),
        ("...P", 1, 0),
        ("nodes { id data @skip(if: true) { key } }", 0, 0),
        ("totalCount", 0, 1),
        ("nodes { data { key } } edges { node { data { key } } } totalCount", 1, 1),
    ],
)
def test_only_what_is_selected_is_asked_for(
    server: Server, vectors: str, selection: str, data: int, counts: int
) -> None:
    query = f"""
      {{ website(id: "{vectors}") {{ analytics(period: {{all: true}}) {{ events {{ {selection} }} }} }} }}
    """
    if selection == "...P":
        query += "fragment P on EventConnection { nodes { data { key } } }"
    with statements(server) as seen:
        assert "errors" not in server.graphql(query)
    assert sum("FROM event_data" in one for one in seen) == data
    assert sum("count(*)" in one for one in seen) == counts
    # One for the bounds of all time and one for the events: nothing for each event.
    assert len(seen) == 1 + (selection != "totalCount") + data + counts


def test_pages(server: Server, vectors: str) -> None:
    whole = ask(server, vectors, "events(first: 100) { nodes { id } edges { cursor node { id } } }")["events"]
    assert [edge["node"] for edge in whole["edges"]] == whole["nodes"]
    assert len({edge["cursor"] for edge in whole["edges"]}) == 9
    found: list[Any] = []
    after, more = "null", True
    while more:
        page = ask(
            server,
            vectors,
            f"events(first: 4, after: {after}) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }}",
        )["events"]
        found += page["nodes"]
        assert page["totalCount"] == 9
        after, more = f'"{page["pageInfo"]["endCursor"]}"', page["pageInfo"]["hasNextPage"]
    assert found == whole["nodes"]
    last = ask(
        server, vectors, f"events(after: {after}) {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }}"
    )
    assert last["events"] == {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}


def test_filters_choose_events_and_their_data(server: Server, vectors: str) -> None:
    fields = """
      events { totalCount nodes { name } }
      eventProperties { totalCount nodes { key } }
      propertyValues { totalCount nodes { value } }
      eventDataTotals { events properties records }
    """
    found = ask(server, vectors, fields, {"property": {"key": "revenue", "eq": "5"}})
    assert found == {
        "events": {"totalCount": 1, "nodes": [{"name": "purchase"}]},
        "eventProperties": {"totalCount": 2, "nodes": [{"key": "currency"}, {"key": "revenue"}]},
        "propertyValues": {"totalCount": 2, "nodes": [{"value": "usd"}, {"value": "5"}]},
        "eventDataTotals": {"events": 1, "properties": 2, "records": 2},
    }
    nobody = ask(server, vectors, fields, {"country": {"eq": "XX"}})
    assert nobody["events"] == {"totalCount": 0, "nodes": []}
    assert nobody["eventDataTotals"] == {"events": 0, "properties": 0, "records": 0}


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ('{eq: "n"}', ["n"]),
        ('{startsWith: "NESTED."}', ["nested.x", "nested.y.z"]),
        ('{startsWith: "nested", ne: "nested.x"}', ["nested.y.z"]),
        ('{in: ["n", "plan", "x"]}', ["n", "plan"]),
        ('{matches: "^d[0-9]$"}', ["d2", "d3"]),
        ("{isSet: false}", []),
    ],
)
def test_properties_whose_key_compares(server: Server, vectors: str, key: str, found: list[str]) -> None:
    fields = f'eventProperties(event: "signup", key: {key}) {{ totalCount nodes {{ key }} }}'
    answer = ask(server, vectors, fields)["eventProperties"]
    assert [node["key"] for node in answer["nodes"]] == found
    assert answer["totalCount"] == len(found)


def test_data_of_page_views(server: Server, vectors: str, populate: Populate) -> None:
    populate(vectors, [view(A, "2026-11-10 10:00:00", "/", data={"plan": "dark"})])
    fields = """
      all: propertyValues(key: "plan") { nodes { value count } }
      named: propertyValues(key: "plan", event: "signup") { nodes { value } }
      views: propertyValues(key: "plan", event: "") { nodes { value } }
      properties: eventProperties(event: "") { nodes { event key type count } }
    """
    assert ask(server, vectors, fields) == {
        "all": {"nodes": [{"value": "dark", "count": 1}, {"value": "pro", "count": 1}]},
        "named": {"nodes": [{"value": "pro"}]},
        "views": {"nodes": [{"value": "dark"}]},
        "properties": {"nodes": [{"event": None, "key": "plan", "type": "STRING", "count": 1}]},
    }


@pytest.mark.parametrize(
    ("name", "fields"),
    [("eventProperties", "event key type count"), ("propertyValues", "key type value count")],
)
def test_pages_of_counts(server: Server, vectors: str, populate: Populate, name: str, fields: str) -> None:
    populate(vectors, [view(A, "2026-11-10 10:00:00", "/", data={"plan": "dark", "n": "3"})])
    whole = ask(server, vectors, f"{name} {{ totalCount nodes {{ {fields} }} }}")[name]
    assert len(whole["nodes"]) == whole["totalCount"] > 15
    found: list[Any] = []
    after, more = "null", True
    while more:
        selection = f"nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }}"
        page = ask(server, vectors, f"{name}(first: 3, after: {after}) {{ {selection} }}")[name]
        found += page["nodes"]
        after, more = f'"{page["pageInfo"]["endCursor"]}"', page["pageInfo"]["hasNextPage"]
    assert found == whole["nodes"]


FOREIGN = {
    "message": "This cursor does not belong to this connection",
    "code": "invalid",
    "status": 400,
    "field": "after",
}
SOME_ID = "11111111-2222-4333-8444-555555555555"
NOW = "2026-11-10T10:00:00+00:00"


@pytest.mark.parametrize(
    ("field", "after"),
    [
        ("events", "nonsense"),
        ("events", ""),
        ("events", to_cursor("events", 0, 9, NOW)),
        ("events", to_cursor("events", 0, 9, NOW, "no uuid")),
        ("events", to_cursor("events", 0, 9, "yesterday", SOME_ID)),
        ("events", to_cursor("events", 0, 9, "", SOME_ID)),
        ("events", to_cursor("events", 0, 9, "0001-01-01T00:00:00+23:59", SOME_ID)),
        ("events", to_cursor("events", 0, 9, 5, SOME_ID)),
        ("events", to_cursor("events", 0, 9, 1, "signup", "n", 2)),
        ("eventProperties", to_cursor("eventProperties", 0, 9, NOW, SOME_ID)),
        ("eventProperties", to_cursor("eventProperties", 0, 9, 1, "signup", "n", 9)),
        ("eventProperties", to_cursor("eventProperties", 0, 9, 1, "signup", "n", 2**62)),
        ("eventProperties", to_cursor("eventProperties", 0, 9, 1, "n", 2, "3")),
        ("propertyValues", to_cursor("propertyValues", 0, 9, 1, "signup", "n", 2)),
        ("propertyValues", to_cursor("propertyValues", 0, 9, 1, "n\0", 2, "3")),
        ("events", to_cursor("sessions", 0, 9, NOW, SOME_ID)),
        ("events", to_cursor(f"activity {SOME_ID}", 0, 9, NOW, SOME_ID)),
        ("events", to_cursor("events", 2**62, 9, NOW, SOME_ID)),
        ("events", to_cursor("events", -1, 9, NOW, SOME_ID)),
        ("events", to_cursor("events", 0, -1, NOW, SOME_ID)),
        ("events", to_cursor("events", 0, None, NOW, SOME_ID)),
        ("events", to_cursor(NOW, SOME_ID)),
    ],
)
def test_foreign_cursors(server: Server, vectors: str, field: str, after: str) -> None:
    assert refused(server, vectors, f'{field}(after: "{after}") {{ nodes {{ __typename }} }}') == FOREIGN


@pytest.mark.parametrize(
    ("call", "message", "field"),
    [
        ("events(first: 0)", "first must be within 1 to 100", "first"),
        ("events(first: 101)", "first must be within 1 to 100", "first"),
        ('events(search: "a\\u0000")', "search must not contain NUL characters", "search"),
        ("eventProperties(first: 101)", "first must be within 1 to 100", "first"),
        ('eventProperties(event: "\\u0000")', "event has characters that no value has", "event"),
        ("eventProperties(key: {})", "key needs an operator", "key"),
        ("eventProperties(key: {eq: null})", "eq must not be null; isSet asks for absent values", "key"),
        ("eventProperties(key: {in: []})", "in takes 1 to 500 values", "key"),
        ("propertyValues(first: -1)", "first must be within 1 to 100", "first"),
        ('propertyValues(key: "\\u0000")', "key has characters that no value has", "key"),
    ],
)
def test_refused(server: Server, vectors: str, call: str, message: str, field: str) -> None:
    expected = {"message": message, "code": "invalid", "status": 400, "field": field}
    assert refused(server, vectors, f"{call} {{ nodes {{ __typename }} }}") == expected


def test_a_cursor_with_an_offset_is_the_same_instant(server: Server, vectors: str) -> None:
    """Written otherwise, but an instant all the same."""
    ids = [
        ask(
            server,
            vectors,
            f'events(after: "{to_cursor("events", 0, 2**40, at, SOME_ID)}") {{ nodes {{ id }} }}',
        )["events"]
        for at in ("2026-11-10T10:05:00+00:00", "2026-11-10T11:05:00+01:00")
    ]
    assert ids[0] == ids[1]
    assert 2 <= len(ids[0]["nodes"]) <= 3


# A few instants, some of them microseconds apart, and ids on both sides of a sign bit.
_START = dt.datetime(2026, 11, 10, 10, tzinfo=dt.UTC)
_events = st.builds(
    lambda micro, high, low: Event(
        UUID(int=(high << 120) + low), UUID(int=1), UUID(int=1), _START + dt.timedelta(microseconds=micro), {}
    ),
    st.sampled_from((0, 1, 999, 1000, 1001, 60_000_000)),
    st.sampled_from((0x01, 0x7F, 0x80, 0xFF)),
    st.integers(0, 2**100),
)
_batches = st.lists(st.lists(_events, max_size=5), min_size=1, max_size=5)


@given(batches=_batches, size=st.integers(1, 4))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_pages_hold_still_while_events_come(server: Server, batches: list[list[Event]], size: int) -> None:
    """Before each page but the first, more events come, of any time: the pages are those of the list as it was."""
    website = server.create_website()
    first, *later = batches
    known = {event.event_id: event for event in first}
    store(server.runtime, known.values(), UUID(website))
    listed = sorted(known.values(), key=lambda event: (event.at, event.event_id), reverse=True)
    expected = [str(event.event_id) for event in listed]
    found: list[str] = []
    after, more = "null", True
    while more:
        selection = "nodes { id } totalCount pageInfo { hasNextPage endCursor }"
        page = ask(server, website, f"events(first: {size}, after: {after}) {{ {selection} }}")["events"]
        assert page["totalCount"] == len(expected)
        found += [node["id"] for node in page["nodes"]]
        assert found == expected[: len(found)]
        assert page["pageInfo"]["hasNextPage"] is (len(found) < len(expected))
        after, more = f'"{page["pageInfo"]["endCursor"]}"', page["pageInfo"]["hasNextPage"]
        if later:
            fresh = {event.event_id: event for event in later.pop(0) if event.event_id not in known}
            store(server.runtime, fresh.values(), UUID(website))
            known |= fresh
    assert found == expected


def test_a_share_link_reads_events(server: Server, website: str, populate: Populate) -> None:
    populate(website, VECTORS)
    slug = UUID(website).hex[:16]
    server.client.post(f"/api/websites/{website}", json={"shareId": slug}, headers=server.admin)
    query = """query($s: String!) { share(slug: $s) { website { analytics(period: {all: true}) {
      events(first: 1) { totalCount nodes { name data { key } } } eventDataTotals { records }
    } } } }"""
    answer = server.graphql(query, {"s": slug}, {})
    assert answer["data"]["share"]["website"]["analytics"] == {
        "events": {
            "totalCount": 9,
            "nodes": [{"name": "purchase", "data": [{"key": "currency"}, {"key": "revenue"}]}],
        },
        "eventDataTotals": {"records": 15},
    }
    hidden = server.graphql(f'{{ website(id: "{website}") {{ id }} }}', headers={})
    assert hidden["data"]["website"] is None

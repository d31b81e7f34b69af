"""Answers over closed periods carry a tag, and 304 says that every figure is still the same."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import httpx
import pytest
from graphql import parse

from app.settings import Settings
from graphql_schema.caching import holds, is_closed, tag_of
from graphql_schema.schema import make_schema
from tests.populate import VECTORS, B, populate, view
from tests.server import Server

SCHEMA = make_schema(Settings())._schema
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)

# The vectors' two days lie before today.
CLOSED = """query($id: ID!, $period: PeriodInput!) { website(id: $id) { name analytics(period: $period) {
    totals(compare: PREVIOUS) { visitors { value previous } }
    breakdown(by: [PATH]) { nodes { values pageviews } }
} } }"""
TWO_DAYS = {"start": "2026-11-10", "end": "2026-11-11", "timezone": "Europe/Berlin"}
OPEN = '{ website(id: "%s") { activeVisitors } }'


def ask(server: Server, website: str, period: Any = TWO_DAYS, **headers: str) -> httpx.Response:
    variables = json.dumps({"id": website, "period": period})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.get(
        "/graphql", params={"query": CLOSED, "variables": variables}, headers={**server.admin, **named}
    )


def test_an_answer_over_a_closed_period_may_be_kept_and_is_asked_for_again(
    server: Server, website: str
) -> None:
    populate(server, website, VECTORS)
    first = ask(server, website)
    assert first.json()["data"]["website"]["analytics"]["totals"] == {"visitors": {"value": 3, "previous": 0}}
    tag = first.headers["etag"]
    assert tag == tag_of(first.json()["data"])
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Accept, Authorization, X-Umami-Api-Key, X-Umami-Share-Token"
    assert first.headers["access-control-expose-headers"] == "ETag, Retry-After"
    for given in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = ask(server, website, if_none_match=given)
        assert (again.status_code, again.content) == (304, b"")
        assert "content-type" not in again.headers
        for name in ("etag", "cache-control", "vary", "access-control-allow-origin"):
            assert again.headers[name] == first.headers[name]
    other = ask(server, website, if_none_match='W/"0"')
    assert (other.status_code, other.json()) == (200, first.json())


def test_late_events_a_new_name_and_a_reset_end_what_was_kept(server: Server, website: str) -> None:
    populate(server, website, VECTORS)
    seen = {ask(server, website).headers["etag"]}

    def changed() -> Any:
        answer = ask(server, website, if_none_match=", ".join(seen))
        assert answer.status_code == 200
        seen.add(answer.headers["etag"])
        return answer.json()["data"]["website"]

    populate(server, website, [view(B, "2026-11-10 23:00:00", "/late")])
    assert [row for row in changed()["analytics"]["breakdown"]["nodes"] if row["values"] == ["/late"]] == [
        {"values": ["/late"], "pageviews": 1}
    ]
    server.graphql(
        'mutation($id: ID!) { updateWebsite(id: $id, input: {name: "Other"}) { id } }', {"id": website}
    )
    assert changed()["name"] == "Other"
    server.graphql("mutation($id: ID!) { resetWebsite(id: $id) { id } }", {"id": website})
    assert changed()["analytics"]["totals"]["visitors"] == {"value": 0, "previous": 0}
    assert len(seen) == 4


def test_who_may_not_read_it_gets_no_304(server: Server, website: str) -> None:
    populate(server, website, VECTORS)
    tag = ask(server, website).headers["etag"]
    variables = json.dumps({"id": website, "period": TWO_DAYS})
    answer = server.client.get(
        "/graphql",
        params={"query": CLOSED, "variables": variables},
        headers={"Authorization": "Bearer nonsense", "if-none-match": tag},
    )
    assert (answer.status_code, answer.json()["data"]) == (200, {"website": None})
    assert (answer.headers["cache-control"], answer.headers.get("etag")) == ("no-store", None)


def test_nothing_else_may_be_kept(live: Server, live_website: str) -> None:
    now = dt.datetime.now(dt.UTC)
    for answer in (
        ask(live, live_website, {"last": "DAYS_7"}),
        ask(live, live_website, {"last": "YESTERDAY"}),
        ask(live, live_website, {"all": True}),
        ask(
            live,
            live_website,
            {"start": "2026-11-10", "end": (now + dt.timedelta(days=2)).strftime("%Y-%m-%d")},
        ),
        ask(live, "nope"),
        live.client.get("/graphql", params={"query": OPEN % live_website}, headers=live.admin),
        live.client.get("/graphql", params={"query": "{ me { id } }"}, headers=live.admin),
        live.client.get("/graphql", params={"query": "{ nope }"}, headers=live.admin),
        live.client.post(
            "/graphql",
            json={"query": CLOSED, "variables": {"id": live_website, "period": TWO_DAYS}},
            headers=live.admin,
        ),
    ):
        assert (answer.headers["cache-control"], answer.headers.get("etag")) == ("no-store", None)


def analytics(period: str, more: str = "period { start }") -> str:
    return f'{{ website(id: "x") {{ analytics(period: {period}) {{ {more} }} }} }}'


PAST = '{start: "2026-11-01", end: "2026-11-19"}'


@pytest.mark.parametrize(
    ("query", "variables", "closed"),
    [
        (analytics(PAST), {}, True),
        (analytics('{start: "2026-11-01", end: "2026-11-20"}'), {}, False),
        # In Kiritimati the 20th began at 10:00 UTC and is over at 10:00 the day after; the 19th is over.
        (analytics('{start: "2026-11-01", end: "2026-11-19", timezone: "Pacific/Kiritimati"}'), {}, True),
        # In Honolulu the 19th was over at 10:00 UTC, the 20th is not.
        (analytics('{start: "2026-11-01", end: "2026-11-19", timezone: "pacific/honolulu"}'), {}, True),
        (analytics('{start: "2026-11-01", end: "2026-11-20T01:59", timezone: "Pacific/Honolulu"}'), {}, True),
        (
            analytics('{start: "2026-11-01", end: "2026-11-20T02:01", timezone: "Pacific/Honolulu"}'),
            {},
            False,
        ),
        (analytics('{start: "2026-11-01", end: "2026-11-20T11:59:59.999Z"}'), {}, True),
        (analytics('{start: "2026-11-01", end: "2026-11-20T12:00:00Z"}'), {}, False),
        (analytics("{last: YESTERDAY}"), {}, False),
        (analytics("{all: true}"), {}, False),
        (analytics('{start: "2026-11-01", end: "2026-11-19", last: null}'), {}, True),
        (analytics('{start: "2026-11-01", end: "9999-12-31", timezone: "Pacific/Honolulu"}'), {}, False),
        (analytics('{start: "2026-11-01", end: "2026-11-19", timezone: "Nowhere"}'), {}, False),
        (analytics(PAST, f"totals(compareTo: {PAST}) {{ visits {{ previous }} }}"), {}, True),
        (analytics(PAST, "totals(compareTo: {last: TODAY}) { visits { previous } }"), {}, False),
        (analytics(PAST, "totals(compareTo: null) { visits { previous } }"), {}, False),
        ("query($p: PeriodInput!) " + analytics("$p"), {"p": {"last": "TODAY"}}, False),
        (
            "query($p: PeriodInput!) " + analytics("$p"),
            {"p": {"start": "2026-11-01", "end": "2026-11-02"}},
            True,
        ),
        (f"query($p: PeriodInput! = {PAST}) " + analytics("$p"), {}, True),
        (f"query($p: PeriodInput! = {PAST}) " + analytics("$p"), {"p": {"all": True}}, False),
        (
            "query($s: Moment!, $e: Moment!) " + analytics("{start: $s, end: $e}"),
            {"s": "2026-11-01", "e": "2026-11-21"},
            False,
        ),
        (
            "query($s: Moment!, $e: Moment!) " + analytics("{start: $s, end: $e}"),
            {"s": "2026-11-01", "e": "2026-11-19"},
            True,
        ),
        (
            "{ ...all } fragment all on Query { websites { nodes { id name } pageInfo { endCursor } } }",
            {},
            True,
        ),
        ("{ ...all } fragment all on Query { websites { nodes { activeVisitors } } }", {}, False),
        ("{ websites { nodes { ... on Website { realtime { views } } } } }", {}, False),
        ('{ website(id: "x") { dateRange { start } } }', {}, False),
        ('{ website(id: "x") { shares { slug } } }', {}, False),
        ('{ share(slug: "x") { website { id } } }', {}, False),
        ("{ me { id } }", {}, False),
        ("{ __schema { types { name } } }", {}, False),
        ("query A { version } query B { version }", {}, False),
        ('mutation { resetWebsite(id: "x") { id } }', {}, False),
    ],
)
def test_what_is_closed(query: str, variables: dict[str, Any], closed: bool) -> None:
    assert is_closed(SCHEMA, parse(query), variables, NOW) is closed


def test_a_period_is_only_ever_an_argument() -> None:
    """What a variable holds is looked at where it is a whole period or a part of one."""
    holding = [
        f"{name}.{field}"
        for name, named in SCHEMA.type_map.items()
        for field, given in getattr(named, "fields", {}).items()
        if "PeriodInput" in str(given.type)
    ]
    assert holding == []


def test_tags_are_compared_weakly() -> None:
    assert holds('W/"a"', 'W/"b" , "a"')
    assert not holds('W/"a"', "")
    assert not holds('W/"a"', 'W/"ab"')

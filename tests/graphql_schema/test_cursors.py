"""Cursors: what pages say at the ends of a list, and what is said to cursors of other lists, forged and broken ones."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphql_schema.types import from_cursor, to_cursor
from tests.graphql_schema.lists import DAY, LISTS, PERIODS, Json, Walk, nth, send, walk
from tests.populate import VECTORS, A, populate, view
from tests.server import Server

LIST = st.sampled_from(sorted(LISTS))


def test_an_empty_list(server: Server, website: str) -> None:
    asked = Walk(server, website, "sessions", "", DAY)
    empty = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}}
    assert asked.ask((1, None), (100, None)) == [empty, empty]


@pytest.mark.parametrize(
    ("size", "pages"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (4, [3]), (100, [3])], ids=str
)
@pytest.mark.parametrize("name", ["sessions", "events"])
def test_sizes_of_pages(server: Server, website: str, name: str, size: int, pages: list[int]) -> None:
    populate(server, website, [view(A, f"2026-11-10 1{n}:00:00", id=f"v{n}") for n in range(3)])
    asked = Walk(server, website, name, "", DAY)
    found, after, more = [], None, True
    while more:
        [page] = asked.ask((size, after))
        found.append(len(page["nodes"]))
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert found == pages
    [behind] = asked.ask((size, after))
    assert behind["nodes"] == behind["edges"] == []
    assert behind["totalCount"] == 3
    assert behind["pageInfo"] == {"hasNextPage": False, "endCursor": None}


def test_a_relative_period_is_that_of_the_first_page(server: Server, website: str) -> None:
    """Who comes back to a page an hour later goes on in the hour it was, down to its first instant."""
    send(server.client, website, [{"visitor": n, "ago": 3590 + n, "url": "/"} for n in range(20)])
    asked = walk(server, website, ("sessions", ""), {"last": "HOUR"})
    now = asked.whole()
    [whole] = walk(server, website, ("sessions", ""), {"last": "HOURS_24"}).ask((100, None))
    name, at, write, *_ = from_cursor(whole["edges"][0]["cursor"], (str, int, int, str, str))
    first = (whole["nodes"][0]["lastAt"], whole["nodes"][0]["id"])
    [then] = asked.ask((100, to_cursor(name, at - 60_000, write, *first)))
    assert len(now) < 11
    assert then["totalCount"] == 20
    assert then["nodes"] == whole["nodes"][1:]
    [before] = asked.ask((100, to_cursor(name, at - 4_000_000, write, *first)))
    assert (before["nodes"], before["totalCount"]) == ([], 0)


def test_a_cursor_outlives_a_reset(server: Server, website: str) -> None:
    """Of the list that it is of nothing is left, and what came since was never in it."""
    send(server.client, website, [{"visitor": n, "ago": 10, "url": f"/{n}"} for n in range(5)])
    lists = [walk(server, website, (name, ""), {"last": "HOURS_24"}) for name in ("sessions", "events")]
    cursors = [asked.ask((2, None))[0]["pageInfo"]["endCursor"] for asked in lists]
    reset = server.graphql("mutation($id: ID!) { resetWebsite(id: $id) { resetAt } }", {"id": website})
    assert "errors" not in reset
    send(server.client, website, [{"visitor": n, "ago": None, "url": f"/{n}"} for n in range(5)])
    empty = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": {"hasNextPage": False, "endCursor": None}}
    for asked, cursor in zip(lists, cursors, strict=True):
        assert asked.ask((2, cursor)) == [empty]
        assert len(asked.whole()) == 5


def test_lists_of_one_question_are_of_one_moment(server: Server, website: str) -> None:
    """Which is asked for once, where any of them begins, and stands in the cursors then."""
    populate(server, website, VECTORS)
    assert len(Walk(server, website, "events", "", {"all": True}).whole()) == 9  # the writer is done
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.replace("`", "").startswith("SELECT coalesce(max(applied_batch"):
            seen.append(statement)

    moments = []
    fields = """sessions(first: 1, after: $a) { edges { cursor } } events(first: 1) { edges { cursor } }
      breakdown(by: [PATH], first: 1) { edges { cursor } }"""
    query = "query($id: ID!, $a: String) { website(id: $id) { analytics(period: {all: true}) { %s } } }"
    engine = server.runtime.events.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        answer = server.graphql(query % fields, {"id": website})
        for found in answer["data"]["website"]["analytics"].values():
            cursor = found["edges"][0]["cursor"]
            moments.append(json.loads(base64.urlsafe_b64decode(cursor + "==="))[1:3])
        assert len(seen) == 1
        assert moments == [moments[0]] * 3
        after = answer["data"]["website"]["analytics"]["sessions"]["edges"][0]["cursor"]
        only = "sessions(first: 1, after: $a) { nodes { id } totalCount }"
        assert server.graphql(query % only, {"id": website, "a": after})["data"]
        assert len(seen) == 1
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_cursors_of_other_lists_are_refused(live: Server, live_vectors: str) -> None:
    walks = {which: walk(live, live_vectors, which, {"all": True}) for which in sorted(LISTS)}
    cursors = {which: asked.ask((1, None))[0]["pageInfo"]["endCursor"] for which, asked in walks.items()}
    assert None not in cursors.values()
    for (name, arguments), asked in walks.items():
        for (other, others), cursor in cursors.items():
            same = other == name and (name != "breakdown" or _order(others) == _order(arguments))
            assert refusal(asked, cursor) == ([] if same else ["invalid"])


def _order(arguments: str) -> tuple[str, ...]:
    """What the cursors of a breakdown are bound to."""
    by = arguments.partition("]")[0]
    return by, arguments.rpartition("orderBy: ")[2] if "orderBy" in arguments else "VISITORS"


def refusal(asked: Walk, cursor: str) -> list[str]:
    """The codes of the errors that a cursor meets: none, or one that names it and says no more."""
    query = """query($id: ID!, $period: PeriodInput!, $after: String) { website(id: $id) { analytics(period: $period) {
      sessionTotals { hits } %s
    } } }"""
    call = f"{asked.name}(first: 3, after: $after, {asked.arguments}) {{ {asked.page} }}"
    fields = f'session(id: "{asked.session}") {{ {call} }}' if asked.session else call
    answer = asked.server.client.post(
        "/graphql",
        content=json.dumps(
            {
                "query": query % fields,
                "variables": {"id": asked.website, "period": asked.period, "after": cursor},
            }
        ),
        headers={**asked.server.admin, "content-type": "application/json"},
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["data"]["website"]["analytics"]["sessionTotals"] is not None
    for error in body.get("errors", []):
        assert error["message"] == "This cursor does not belong to this connection"
        assert error["extensions"] == {"code": "invalid", "status": 400, "field": "after"}
    return [error["extensions"]["code"] for error in body.get("errors", [])]


_parts = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 3000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00", "2026-11-10", "2026-W46-2", "\ud800"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)


@given(
    which=LIST,
    changes=st.lists(st.tuples(st.integers(0, 8), _parts), min_size=1, max_size=3),
    period=st.sampled_from(PERIODS),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_forged_cursors(
    server: Server, vectors: str, which: tuple[str, str], changes: list[tuple[int, Any]], period: Json
) -> None:
    """A cursor with other parts is refused, or taken for one if it could be."""
    [page] = walk(server, vectors, which, {"all": True}).ask((1, None))
    if page["pageInfo"]["endCursor"] is None:
        return
    parts = json.loads(base64.urlsafe_b64decode(page["pageInfo"]["endCursor"] + "==="))
    for place, part in changes:
        parts[place : place + 1] = [part]
    forged = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
    asked = walk(server, vectors, which, period)
    assert refusal(asked, forged) in ([], ["invalid"])


@given(which=LIST, place=st.integers(0, 60), char=st.characters(codec="utf-8"), cut=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_cursors(
    live: Server, live_vectors: str, which: tuple[str, str], place: int, char: str, cut: bool
) -> None:
    asked = walk(live, live_vectors, which, {"all": True})
    [page] = asked.ask((1, None))
    cursor = page["pageInfo"]["endCursor"] or ""
    broken = cursor[:place] if cut else cursor[:place] + char + cursor[place + 1 :]
    assert refusal(asked, broken) in ([], ["invalid"])


@pytest.fixture(scope="module")
def vectors(server: Server) -> str:
    return _few(server)


@pytest.fixture(scope="module")
def live_vectors(live: Server) -> str:
    return _few(live)


def _few(server: Server) -> str:
    """A website with a few events of now, of which nothing changes."""
    website = server.create_website()
    send(server.client, website, [nth(number) for number in range(1000, 1020)])
    known = {"visitor": nth(1000)["visitor"], "type": "identify", "data": {"plan": "a"}}
    send(server.client, website, [{**known, "ago": None}])
    return website

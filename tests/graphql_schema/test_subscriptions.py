"""Subscriptions over sockets: what is pushed and when, who may follow, and how many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from app.live.hub import Live
from app.settings import Settings
from tests.following import Socket, eventually, socket
from tests.graphql_schema.test_segments import UPDATE, US, add
from tests.keys import expire, make_key, revoke
from tests.populate import A, B, C, happening, populate, view
from tests.rest_compat.people import Headers, add_person
from tests.server import Server, running

ACTIVE = "subscription($w: ID!) { activeVisitors(websiteId: $w) }"
EVENTS = "subscription($w: ID!, $where: EventFilter) { events(websiteId: $w, where: $where) { missed events { path name } } }"
TOTALS = (
    "subscription($w: ID!, $period: PeriodInput!, $where: EventFilter) "
    "{ liveTotals(websiteId: $w, period: $period, where: $where) { %s } }"
)
DAY = {"start": "2026-11-10", "end": "2026-11-10"}
NOT_FOUND = {"code": "not-found", "status": 404}
UNAUTHENTICATED = {"code": "unauthenticated", "status": 401}
TOO_MANY = {"code": "too-many", "status": 429}


def ago(seconds: float = 0) -> str:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%d %H:%M:%S")


def live_of(server: Server) -> Live:
    live: Live = server.app.state.live
    return live


@pytest.fixture
def following(server: Server) -> Iterator[Socket]:
    """A socket of the admin's."""
    with socket(server.url, server.admin) as opened:
        yield opened


def follow_events(server: Server, site: str, opened: Socket, where: Any = None, query: str = EVENTS) -> None:
    """Follow events, and wait until they are followed."""
    before = live_of(server).count
    opened.subscribe(query, {"w": site, "where": where})
    eventually(lambda: live_of(server).following and live_of(server).count > before, "nothing is followed")


def pushed(opened: Socket, count: int) -> list[dict[str, Any]]:
    """So many events, however they were put together; none was missed."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        push = opened.next()["events"]
        assert push["missed"] == 0
        assert push["events"] != []
        found += push["events"]
    return found


def test_active_visitors_come_and_go(server: Server, website: str, following: Socket) -> None:
    following.subscribe(ACTIVE, {"w": website})
    assert following.next() == {"activeVisitors": 0}
    # Dated back, so that it leaves in a moment, with nothing else happening.
    populate(server, website, [view(A, ago(295))])
    assert [following.next(), following.next()] == [{"activeVisitors": 1}, {"activeVisitors": 0}]
    populate(server, website, [view(A, ago()), happening(B, ago(), "/", "signup")])
    assert following.until({"activeVisitors": 2})[:-1] in ([], [{"activeVisitors": 1}])


def test_live_totals_are_pushed_when_they_are_others(server: Server, website: str, following: Socket) -> None:
    following.subscribe(
        TOTALS % "visitors pageviews events bounceRate", {"w": website, "period": DAY, "where": None}
    )
    nothing = {"visitors": 0, "pageviews": 0, "events": 0, "bounceRate": 0.0}
    assert following.next() == {"liveTotals": nothing}
    # What lies outside the period changes nothing, so nothing is pushed of it.
    populate(server, website, [view(A, "2026-11-09 23:59:59")])
    populate(server, website, [view(A, "2026-11-10 09:00:00")])
    one = {"visitors": 1, "pageviews": 1, "events": 0, "bounceRate": 1.0}
    assert following.next() == {"liveTotals": one}
    populate(server, website, [happening(B, "2026-11-10 09:00:00", "/", "signup")])
    assert following.next() == {"liveTotals": {**one, "events": 1}}
    assert server.client.post(f"/api/websites/{website}/reset", headers=server.admin).status_code == 200
    assert following.next() == {"liveTotals": nothing}


def test_live_totals_follow_the_filter_and_say_when(server: Server, website: str, following: Socket) -> None:
    where = {"country": {"eq": "DE"}}
    following.subscribe(TOTALS % "at pageviews", {"w": website, "period": {"last": "TODAY"}, "where": where})
    first = following.next()["liveTotals"]
    assert first["pageviews"] == 0
    populate(server, website, [view(A, ago()), view(B, ago())])
    second = following.next()["liveTotals"]
    assert second["pageviews"] == 1
    assert first["at"] < second["at"]


def test_a_period_slides_though_nothing_happens(server: Server, website: str, following: Socket) -> None:
    populate(server, website, [view(A, ago(3595)), view(B, ago(60))])
    following.subscribe(TOTALS % "pageviews", {"w": website, "period": {"last": "HOUR"}})
    assert [following.next(), following.next()] == [
        {"liveTotals": {"pageviews": 2}},
        {"liveTotals": {"pageviews": 1}},
    ]


def test_what_is_dated_ahead_comes_in_when_it_is_its_time(
    server: Server, website: str, following: Socket
) -> None:
    populate(server, website, [view(A, ago(-5))])
    following.subscribe(TOTALS % "pageviews", {"w": website, "period": {"last": "TODAY"}})
    assert [following.next(), following.next()] == [
        {"liveTotals": {"pageviews": 0}},
        {"liveTotals": {"pageviews": 1}},
    ]


def test_only_what_is_selected_is_computed_and_once_for_all(
    server: Server, website: str, following: Socket
) -> None:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = server.runtime.events.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        variables = {"w": website, "period": DAY}
        for name in ("a", "b", "c"):
            following.subscribe(TOTALS % "pageviews", variables, name)
            assert following.next(name) == {"liveTotals": {"pageviews": 0}}
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    [asked] = [one for one in statements if "pageviews" in one]
    assert [word for word in ("visitors", "bounces", "totaltime", "visits") if f"AS {word}" in asked] == []


def test_events_as_they_are_stored(server: Server, website: str, following: Socket) -> None:
    query = (
        "subscription($w: ID!) { events(websiteId: $w) { missed events "
        "{ at type name path country data { key type value } } } }"
    )
    with socket(server.url, server.admin) as earlier:
        follow_events(server, website, earlier)
        populate(server, website, [view(A, ago(), "/before")])
        assert pushed(earlier, 1) == [{"path": "/before", "name": None}]
        # What has been told to one is not told to who comes later.
        follow_events(server, website, following, query=query)
    at, long_ago = ago(), "2019-03-01 08:00:00"
    # One by one, so that they are told in this order.
    hits = [
        view(A, at, "/now"),
        happening(B, at, "/shop", "purchase", {"price": 9.5, "sku": "L1"}),
        view(C, long_ago, "/then"),
    ]
    found = []
    for hit in hits:
        populate(server, website, [hit])
        found += pushed(following, 1)
    shown = {"at": at.replace(" ", "T") + ".000Z", "type": "PAGEVIEW", "name": None, "data": []}
    assert found == [
        {**shown, "path": "/now", "country": "US"},
        {
            **shown,
            "type": "CUSTOM",
            "name": "purchase",
            "path": "/shop",
            "country": "DE",
            "data": [
                {"key": "price", "type": "NUMBER", "value": "9.5000"},
                {"key": "sku", "type": "STRING", "value": "L1"},
            ],
        },
        {**shown, "at": "2019-03-01T08:00:00.000Z", "path": "/then", "country": "US"},
    ]


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ({"path": {"startsWith": "/DOCS"}}, ["/docs/a", "/docs/b"]),
        ({"country": {"in": ["DE"]}}, ["/docs/b", "/shop"]),
        ({"not": {"path": {"matches": "^/docs/.$"}}}, ["/shop"]),
        ({"property": {"key": "price", "gt": 5}}, ["/shop"]),
        ({"or": [{"event": {"eq": "purchase"}}, {"browser": {"eq": "chrome"}}]}, ["/docs/a", "/shop"]),
    ],
)
def test_events_that_match(
    server: Server, website: str, following: Socket, where: dict[str, Any], paths: list[str]
) -> None:
    follow_events(server, website, following, where)
    hits = [
        view(A, ago(), "/docs/a"),
        view(B, ago(), "/docs/b"),
        happening(B, ago(), "/shop", "purchase", {"price": 9.5}),
    ]
    populate(server, website, hits)
    assert sorted(one["path"] for one in pushed(following, len(paths))) == paths


def test_events_of_a_segment_as_it_is_now(quick: Server) -> None:
    site = quick.create_website()
    segment = add(quick, site, filters=[US])
    with socket(quick.url, quick.admin) as opened:
        follow_events(quick, site, opened, {"segment": segment["id"]})
        populate(quick, site, [view(B, ago(), "/de"), view(A, ago(), "/us")])
        assert pushed(opened, 1) == [{"path": "/us", "name": None}]
        german = {"filters": [{**US, "value": "DE"}]}
        assert "errors" not in quick.graphql(UPDATE, {"id": segment["id"], "input": german})

        def has_it() -> bool:
            asked = live_of(quick).questions()
            return any("'DE'" in repr(one) for one in asked)

        eventually(has_it, "the segment is still what it was")
        populate(quick, site, [view(A, ago(), "/us"), view(B, ago(), "/de")])
        assert pushed(opened, 1) == [{"path": "/de", "name": None}]
        quick.graphql("mutation($id: ID!) { deleteSegment(id: $id) { id } }", {"id": segment["id"]})
        assert opened.ended() == {**NOT_FOUND, "field": "segment"}


@pytest.mark.parametrize(
    ("query", "variables", "expected"),
    [
        (ACTIVE, {"w": str(uuid4())}, NOT_FOUND),
        (ACTIVE, {"w": "nope"}, NOT_FOUND),
        (EVENTS, {"w": str(uuid4())}, NOT_FOUND),
        (TOTALS % "visitors", {"w": str(uuid4()), "period": DAY}, NOT_FOUND),
        (TOTALS % "visitors", {"period": {"last": "TODAY", "all": True}}, ("invalid", "period")),
        (TOTALS % "visitors", {"period": {"last": "TODAY", "timezone": "Mars"}}, ("invalid", "timezone")),
        (EVENTS, {"where": {"path": {"eq": None}}}, ("invalid", "path")),
        (EVENTS, {"where": {"path": {"matches": "("}}}, ("invalid", "path")),
        (EVENTS, {"where": {"segment": str(uuid4())}}, {**NOT_FOUND, "field": "segment"}),
        (EVENTS, {"w": 5.5}, ("graphql-validation", "w")),
        ("subscription {", {}, ("graphql-syntax", None)),
        (
            "subscription($w: ID!) { a: activeVisitors(websiteId: $w) b: activeVisitors(websiteId: $w) }",
            {},
            ("graphql-validation", None),
        ),
        ("subscription { nope }", {}, ("graphql-validation", None)),
        (
            "subscription($w: ID!) { events(websiteId: $w) { %s missed } }" % ("a: missed " * 51),
            {},
            ("alias-limit", None),
        ),
        (EVENTS + " #" + "\n{ x }" * 1000, {}, ("token-limit", None)),
    ],
)
def test_what_is_refused(
    server: Server, website: str, following: Socket, query: str, variables: dict[str, Any], expected: Any
) -> None:
    following.subscribe(query, {"w": website, **variables})
    if isinstance(expected, tuple):
        code, field = expected
        expected = {"code": code, "status": 400, **({"field": field} if field else {})}
    assert following.refused() == expected
    # The socket goes on, and nothing is left of it.
    following.subscribe("{ __typename }", id="2")
    assert following.next("2") == {"__typename": "Query"}
    assert live_of(server).count == 0


def test_one_answer_is_no_subscription(server: Server, website: str) -> None:
    asked = {"query": ACTIVE, "variables": {"w": website}}
    by_get = {"query": f'subscription {{ activeVisitors(websiteId: "{website}") }}'}
    for answer in (
        server.client.post("/graphql", json=asked, headers=server.admin),
        server.client.get("/graphql", params=by_get, headers=server.admin),
    ):
        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert error == {
            "message": "A subscription is followed over a socket, or with `Accept: text/event-stream`",
            "extensions": {"code": "bad-request", "status": 400},
        }
    assert live_of(server).count == 0


def test_a_socket_that_takes_nothing_misses_and_hinders_nobody(server: Server, website: str) -> None:
    """Each event is 20 KB on the line, so that no buffer on the way has room for them."""
    titles = " ".join(f"t{number}: title" for number in range(40))
    query = f"subscription($w: ID!) {{ events(websiteId: $w) {{ missed events {{ name {titles} }} }} }}"
    count, at_once = 2000, 250
    begin = dt.datetime(2026, 11, 10, 9)
    with socket(server.url, server.admin, max_queue=1, max_size=None) as slow:
        follow_events(server, website, slow, query=query)
        with socket(server.url, server.admin) as quick:
            follow_events(server, website, quick)
            for start in range(0, count, at_once):
                hits = [
                    happening(
                        A, f"{begin + dt.timedelta(seconds=number)}", "/", f"e{number:04}", title="x" * 500
                    ).body(website)
                    for number in range(start, start + at_once)
                ]
                answer = server.client.post("/api/batch", json=hits, headers=A.headers)
                assert answer.json()["processed"] == at_once, answer.text
                assert len(pushed(quick, at_once)) == at_once
        had, missed = [], 0
        while len(had) + missed < count:
            push = slow.next()["events"]
            missed += push["missed"]
            had += [event["name"] for event in push["events"]]
    assert missed > 0
    assert had == sorted(had)
    assert had[-1] == f"e{count - 1:04}"
    assert len(had) + missed == count


def test_a_document_that_nests_too_deeply(make_settings: Callable[..., Settings]) -> None:
    with (
        running(make_settings("duckdb", graphql_max_depth=3)) as strict,
        socket(strict.url, strict.admin) as opened,
    ):
        site = strict.create_website()
        query = "subscription($w: ID!) { events(websiteId: $w) { events { data { key } } } }"
        opened.subscribe(query, {"w": site})
        assert opened.refused() == {"code": "depth-limit", "status": 400}


def test_whoever_may_not_see_it_follows_nothing(server: Server, website: str) -> None:
    stranger = add_person(server).headers
    other = server.create_website()
    for headers, expected in (
        ({}, UNAUTHENTICATED),
        (stranger, NOT_FOUND),
        (make_key(server, "ingest").header, {"code": "denied", "status": 403}),
        (make_key(server, "read", website=other).header, NOT_FOUND),
        ({"x-umami-share-token": share(server, other)[1]}, NOT_FOUND),
    ):
        with socket(server.url, headers) as opened:
            opened.subscribe(ACTIVE, {"w": website})
            assert opened.refused() == expected


def share(server: Server, site: str) -> tuple[str, str]:
    """(id of a new share link, token of somebody who opened it)."""
    create = "mutation($w: ID!, $i: CreateShareInput!) { createShare(websiteId: $w, input: $i) { id slug } }"
    made = server.graphql(create, {"w": site, "i": {"name": "s"}})["data"]["createShare"]
    opened = server.graphql(
        "query($slug: String!) { share(slug: $slug) { token } }", {"slug": made["slug"]}, {}
    )
    return made["id"], opened["data"]["share"]["token"]


# Who follows, and what then ends it: each gives the headers of the follower and a way to end its right.


def website_deleted(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    return server.admin, lambda: server.client.delete(f"/api/websites/{site}", headers=server.admin)


def password_changed(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    person = add_person(server, "admin")
    changed = {"password": "another password"}
    return person.headers, lambda: server.client.post(
        f"/api/users/{person.id}", json=changed, headers=server.admin
    )


def user_deleted(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    person = add_person(server, "admin")
    return person.headers, lambda: server.client.delete(f"/api/users/{person.id}", headers=server.admin)


def key_revoked(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    key = make_key(server, "read", website=site)
    return key.header, lambda: revoke(server, key)


def key_over(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    key = make_key(server, "read")
    return key.bearer, lambda: expire(server, key)


def share_revoked(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    share_id, token = share(server, site)
    revoking = "mutation($id: ID!) { revokeShare(id: $id) { id } }"
    return {"x-umami-share-token": token}, lambda: server.graphql(revoking, {"id": share_id})


def membership_gone(server: Server, site: str) -> tuple[Headers, Callable[[], Any]]:
    person = add_person(server)
    team = server.client.post("/api/teams", json={"name": "t"}, headers=server.admin).json()
    team_id = (team[0] if isinstance(team, list) else team)["id"]
    joined = server.client.post(
        f"/api/teams/{team_id}/users",
        json={"userId": person.id, "role": "team-member"},
        headers=server.admin,
    )
    moved = server.client.post(
        f"/api/websites/{site}/transfer", json={"teamId": team_id}, headers=server.admin
    )
    assert (joined.status_code, moved.status_code) == (200, 200), (joined.text, moved.text)
    return person.headers, lambda: server.client.delete(
        f"/api/teams/{team_id}/users/{person.id}", headers=server.admin
    )


@pytest.fixture(scope="module")
def quick(store: str, make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """A server that checks often."""
    with running(make_settings(store, subscription_check_seconds=0.3)) as started:
        yield started


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (website_deleted, NOT_FOUND),
        (password_changed, UNAUTHENTICATED),
        (user_deleted, UNAUTHENTICATED),
        (key_revoked, UNAUTHENTICATED),
        (key_over, UNAUTHENTICATED),
        (share_revoked, UNAUTHENTICATED),
        (membership_gone, NOT_FOUND),
    ],
)
def test_a_right_that_ends_ends_the_subscription(
    quick: Server, ending: Callable[..., Any], expected: dict[str, Any]
) -> None:
    site = quick.create_website()
    headers, end = ending(quick, site)
    with socket(quick.url, headers) as opened:
        opened.subscribe(ACTIVE, {"w": site}, "1")
        opened.subscribe(EVENTS, {"w": site}, "2")
        opened.subscribe(TOTALS % "visitors", {"w": site, "period": DAY}, "3")
        assert opened.next("1") == {"activeVisitors": 0}
        assert opened.next("3") == {"liveTotals": {"visitors": 0}}
        eventually(lambda: live_of(quick).count == 3, "not all are followed")
        end()
        assert [opened.ended(id) for id in "123"] == [expected] * 3
        opened.subscribe(ACTIVE, {"w": site}, "4")
        assert opened.refused("4") == expected
    assert live_of(quick).count == 0


def test_a_right_that_ended_keeps_back_what_is_pushed_then(
    make_settings: Callable[..., Settings], store: str
) -> None:
    """No check is due for an hour but the one that a deleted website asks for itself."""
    with running(make_settings(store, subscription_check_seconds=3600)) as slow:
        site = slow.create_website()
        with socket(slow.url, slow.admin) as opened:
            opened.subscribe(ACTIVE, {"w": site})
            assert opened.next() == {"activeVisitors": 0}
            assert slow.client.delete(f"/api/websites/{site}", headers=slow.admin).status_code == 200
            assert opened.ended() == NOT_FOUND


def test_how_many_there_may_be(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings("duckdb", subscriptions_per_actor=3, subscriptions_total=5)
    with running(settings) as small, ExitStack() as opening:
        site = small.create_website()
        mine, theirs = (opening.enter_context(socket(small.url, small.admin)) for _ in range(2))
        for number in range(3):
            mine.subscribe(ACTIVE, {"w": site}, str(number))
            assert mine.next(str(number)) == {"activeVisitors": 0}
        # Another socket is the same user.
        theirs.subscribe(ACTIVE, {"w": site})
        assert theirs.refused() == TOO_MANY
        key = opening.enter_context(socket(small.url, make_key(small, "read").header))
        for number in range(2):
            key.subscribe(ACTIVE, {"w": site}, str(number))
            assert key.next(str(number)) == {"activeVisitors": 0}
        key.subscribe(ACTIVE, {"w": site}, "9")
        assert key.refused("9") == TOO_MANY
        # One that ends makes room for another.
        mine.send({"id": "0", "type": "complete"})
        eventually(lambda: live_of(small).count == 4, "it was not freed")
        key.subscribe(ACTIVE, {"w": site}, "9")
        assert key.next("9") == {"activeVisitors": 0}


def test_a_socket_carries_so_many(server: Server, website: str, following: Socket) -> None:
    for number in range(20):
        following.subscribe(ACTIVE, {"w": website}, str(number))
        assert following.next(str(number)) == {"activeVisitors": 0}
    following.subscribe("{ __typename }", id="more")
    assert following.refused("more") == TOO_MANY
    assert live_of(server).count == 20


def test_who_goes_away_is_forgotten(server: Server, website: str) -> None:
    with socket(server.url, server.admin) as opened:
        for number, query in enumerate((ACTIVE, EVENTS, TOTALS % "visitors")):
            opened.subscribe(query, {"w": website, "period": DAY}, str(number))
        assert opened.next("0") == {"activeVisitors": 0}
        eventually(lambda: live_of(server).count == 3, "not all are followed")
        opened.send({"id": "1", "type": "complete"})
        eventually(lambda: live_of(server).count == 2, "it was not forgotten")
        # Without a word, as when a laptop is shut.
        opened.connection.socket.close()
        eventually(lambda: live_of(server).count == 0, "they were not forgotten")
    assert live_of(server).questions() == []

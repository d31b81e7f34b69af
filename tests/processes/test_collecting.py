"""Hits that reach one process or the other: one visitor is one, nothing is counted twice, and what is fresh."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

from app.security import Keys
from tests.faults.load import Load
from tests.populate import CHROME, A, identification
from tests.processes.conftest import Node, Two, within
from tests.server import SECRET

EVER = {"startAt": 0, "endAt": 2**41}
# Seconds after which what one accepted counts at the other: what it gathers (a quarter of one), and what applying takes.
FRESH = 5.0


def stats(node: Node, website_id: str) -> dict[str, int]:
    found = node.get(f"/api/websites/{website_id}/stats", **EVER)
    return {name: int(value["value"]) for name, value in found.items() if "value" in value}


def settle(*nodes: Node) -> None:
    """Wait until all that they accepted is applied."""
    for node in nodes:
        within(30, lambda node=node: node.metric("dashi_journal_lag_batches") == 0, "it waits for ever")


def test_a_visitor_who_comes_to_both_is_one_visitor_with_one_visit(two: Two) -> None:
    """With the visit cache, as trackers send it, and without."""
    website, nodes = two.a.create_website(), (two.a, two.b)
    began = int(time.time()) // 3600 * 3600 - 86_400  # an hour of yesterday's
    for cached in (True, False):
        answers: list[dict[str, Any]] = []
        for number in range(6):
            headers = {"x-forwarded-for": f"203.0.113.{int(cached)}"}
            if cached and answers:
                headers["x-umami-cache"] = answers[-1]["cache"]
            hit = {"url": f"/{number}", "timestamp": began + 60 * number}
            answers.append(nodes[number % 2].send(website, headers, **hit).json())
        assert len({answer["sessionId"] for answer in answers}) == 1
        assert len({answer["visitId"] for answer in answers}) == 1
    settle(*nodes)
    expected = {"pageviews": 12, "visitors": 2, "visits": 2, "bounces": 0, "totaltime": 600}
    assert [stats(node, website) for node in nodes] == [expected] * 2
    sessions = two.b.get(f"/api/websites/{website}/sessions", **EVER)["data"]
    assert [(int(one["views"]), int(one["visits"])) for one in sessions] == [(6, 1)] * 2


def test_a_visit_that_began_at_one_is_over_at_the_other_after_half_an_hour(two: Two) -> None:
    website, session, visit = two.a.create_website(), uuid4(), uuid4()

    def cache(seconds: int) -> dict[str, str]:
        """What a process answered so long ago."""
        began = int(time.time()) - seconds
        claims = {"websiteId": website, "sessionId": str(session), "visitId": str(visit), "iat": began}
        return {"x-umami-cache": Keys(SECRET).sign(claims)}

    assert two.a.send(website, cache(1790)).json()["visitId"] == str(visit)
    assert two.b.send(website, cache(1790)).json()["visitId"] == str(visit)
    later = [node.send(website, cache(1801)).json()["visitId"] for node in (two.a, two.b)]
    assert str(visit) not in later
    assert {UUID(one).version for one in later} == {5}  # made of the session and the hour, wherever


def test_what_was_said_last_of_a_visitor_stands_whoever_was_told(two: Two) -> None:
    website = two.a.create_website()
    for number in range(6):
        node = (two.a, two.b)[number % 2]
        hit = identification(A, "2026-11-10 10:00:00", {"plan": f"plan {number}"})
        answer = node.client.post("/api/send", json=hit.body(website), headers=A.headers)
        assert answer.status_code == 200, answer.text
    settle(two.a, two.b)
    session = answer.json()["sessionId"]
    for node in (two.a, two.b):
        found = node.get(f"/api/websites/{website}/sessions/{session}/properties")
        assert [(one["dataKey"], one["stringValue"]) for one in found] == [("plan", "plan 5")]


def test_what_one_accepts_counts_at_the_other_once_it_is_applied(two: Two) -> None:
    """At the one that accepted it at once; at the other as soon as anybody has seen it, or when it was gathered."""
    website = two.a.create_website()
    sent = 0
    for here, there in ((two.a, two.b), (two.b, two.a)):
        for _ in range(5):
            assert "sessionId" in here.send(website).json()
            sent += 1
            assert here.pageviews(website) == sent
            assert there.pageviews(website) == sent
        for _ in range(5):
            assert "sessionId" in here.send(website).json()
            sent += 1
            within(
                FRESH,
                lambda there=there, sent=sent: there.pageviews(website) == sent,
                "it is counted too late",
            )


def test_each_has_a_journal_readiness_and_figures_of_its_own(two: Two) -> None:
    website = two.a.create_website()
    before = [node.metric("dashi_accepted_hits_total") for node in (two.a, two.b)]
    for _ in range(3):
        two.a.send(website)
    after = [node.metric("dashi_accepted_hits_total") for node in (two.a, two.b)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 0]
    assert [node.client.get("/readyz").json() for node in (two.a, two.b)] == [{"ok": True}] * 2
    with two.connect() as connection:
        [(journals,)] = connection.execute("SELECT count(*) FROM applied_batch")
    assert journals == 2


def found(node: Node, website_id: str) -> set[str]:
    """Names of events and of pages that count."""
    asked = {
        kind: node.get(f"/api/websites/{website_id}/metrics", type=kind, limit=100_000, **EVER)
        for kind in ("event", "url")
    }
    assert {row["y"] for row in asked["event"]} <= {1}
    return {row["x"].removeprefix("/") for rows in asked.values() for row in rows}


def test_a_website_is_reset_at_one_while_the_other_collects_for_it(two: Two) -> None:
    """Nothing counts of before, and all of what is sent once it is answered."""
    website = two.a.create_website()
    with Load(two.b.url, website, "x", pause=0.01) as load:
        load.wait_for(100)
        before = set(load.acknowledged)
        assert two.a.client.post(f"/api/websites/{website}/reset", headers=two.a.admin).json() == {"ok": True}
        sent = set(load.sent)
        load.wait_for(100)
    assert (load.wrong, load.refused, load.cut) == ([], [], set())
    settle(two.b)
    for node in (two.a, two.b):
        counted = found(node, website)
        assert counted & before == set()
        assert load.acknowledged - sent <= counted <= load.acknowledged - before


def test_a_website_is_deleted_at_one_while_the_other_collects_for_it(two: Two) -> None:
    """The other takes nothing more for it, and tells so."""
    website = two.a.create_website()
    with Load(two.b.url, website, "x", pause=0.01) as load:
        load.wait_for(100)
        assert two.a.client.delete(f"/api/websites/{website}", headers=two.a.admin).status_code == 200
        within(10, lambda: len(load.wrong) >= 20, "it goes on")
        taken = len(load.acknowledged)
        refused = len(load.wrong)
        within(10, lambda: len(load.wrong) >= refused + 20, "it goes on")
        assert len(load.acknowledged) == taken
    assert set(load.wrong) == {'400 {"error":"Website not found."}'}
    again = two.b.client.post(
        "/api/send",
        json={"type": "event", "payload": {"website": website, "url": "/"}},
        headers={"user-agent": CHROME},
    )
    assert again.status_code == 400

"""Who follows a website at one process hears what the other does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.following import socket
from tests.graphql_schema.test_subscriptions import ACTIVE, EVENTS
from tests.processes.conftest import Node, Two
from tests.test_live import send


def test_what_one_process_stores_is_told_by_the_other(two: Two) -> None:
    site = two.a.create_website()
    with socket(two.a.url, two.a.admin) as here, socket(two.b.url, two.b.admin) as there:
        for opened in (here, there):
            opened.subscribe(EVENTS, {"w": site}, "e")
            opened.subscribe(ACTIVE, {"w": site}, "a")
            assert opened.next("a") == {"activeVisitors": 0}
        # With a first value in hand all is followed; from here on nothing may be lost.
        rounds = 15

        def work(node: Node, name: str) -> None:
            for turn in range(rounds):
                send(node.url, site, f"{name}-{turn}", at="2021-05-05 05:05:05" if turn % 3 else None)

        with ThreadPoolExecutor(2) as pool:
            sending = [pool.submit(work, two.a, "a"), pool.submit(work, two.b, "b")]
            for future in sending:
                future.result()
        expected = sorted(f"{name}-{turn}" for name in ("a", "b") for turn in range(rounds))
        for opened in (here, there):
            found: list[str] = []
            while len(found) < len(expected):
                push = opened.next("e")["events"]
                assert push["missed"] == 0
                found += [event["name"] for event in push["events"]]
            assert sorted(found) == expected
            assert opened.until({"activeVisitors": 1}, "a")


def test_a_website_that_another_process_deletes(two: Two) -> None:
    site = two.a.create_website()
    with socket(two.b.url, two.b.admin) as there:
        there.subscribe(ACTIVE, {"w": site})
        assert there.next() == {"activeVisitors": 0}
        assert two.a.client.delete(f"/api/websites/{site}", headers=two.a.admin).status_code == 200
        assert there.ended() == {"code": "not-found", "status": 404}

"""How many hits are taken of one address and for one website, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.keys import make_key
from tests.populate import CHROME
from tests.server import Server, running
from tests.test_throttle import Clock


@pytest.fixture(scope="module")
def limited(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    """One hit a second of an address and three for a website, ten seconds' worth at once."""
    with running(make_settings("duckdb", collect_rate_per_address=1, collect_rate_per_website=3)) as started:
        yield started


@pytest.fixture
def clock(limited: Server) -> Clock:
    """Time stands still, and nobody has sent anything."""
    clock = Clock()
    collector = limited.app.state.collector
    for buckets in (collector._by_address, collector._by_website):
        buckets._clock = clock
        buckets._held.clear()
    return clock


def hit(website: str, **payload: Any) -> dict[str, Any]:
    return {"type": "event", "payload": {"website": website, "url": "/", **payload}}


def send(server: Server, website: str, address: str, **headers: str) -> httpx.Response:
    sent = {"user-agent": CHROME, "x-forwarded-for": address, **headers}
    return server.client.post("/api/send", json=hit(website), headers=sent)


def refused(server: Server) -> dict[str, float]:
    lines = server.client.get("/metrics").text.splitlines()
    found = [line.split() for line in lines if line.startswith("dashi_refused_hits_total")]
    counts = {name.partition('"')[2].partition('"')[0]: float(count) for name, count in found}
    return {reason: counts.get(reason, 0) for reason in ("address-rate", "website-rate")}


def test_one_address_sends_no_more_than_it_may(limited: Server, clock: Clock) -> None:
    website, before = limited.create_website(), refused(limited)
    statuses = [send(limited, website, "8.8.8.8").status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    answer = send(limited, website, "8.8.8.8")
    assert (answer.status_code, answer.json()) == (429, {"error": "Too many hits"})
    assert answer.headers["retry-after"] == "1"
    # The address that it names in the payload or makes up in a header is not the one it sends from.
    named = limited.client.post(
        "/api/send",
        json=hit(website, ip="1.1.1.1"),
        headers={"user-agent": CHROME, "x-forwarded-for": "7.7.7.7, 8.8.8.8"},
    )
    assert named.status_code == 429
    assert refused(limited) == {**before, "address-rate": before["address-rate"] + 4}
    # Others may, and so may this one a second later.
    assert send(limited, website, "8.8.4.4").status_code == 200
    clock.now += 1
    assert [send(limited, website, "8.8.8.8").status_code for _ in range(2)] == [200, 429]
    assert len(limited.events(website)) == 12


def test_the_addresses_of_an_ipv6_network_are_one(limited: Server, clock: Clock) -> None:
    website = limited.create_website()
    statuses = [send(limited, website, f"2001:db8:1:2::{i}").status_code for i in range(11)]
    assert statuses == [200] * 10 + [429]
    assert send(limited, website, "2001:db8:1:3::1").status_code == 200


def test_a_server_with_an_api_key_sends_for_many(limited: Server, clock: Clock) -> None:
    website, before = limited.create_website(), refused(limited)
    key = make_key(limited, "ingest", website=website)
    statuses = [send(limited, website, "8.8.8.8", **key.header).status_code for _ in range(32)]
    # Up to what is taken for the website.
    assert statuses == [200] * 30 + [429] * 2
    assert refused(limited) == {**before, "website-rate": before["website-rate"] + 2}
    assert send(limited, limited.create_website(), "8.8.8.8").status_code == 200
    # A key that is none makes no exception, and is not looked up without end.
    other = limited.create_website()
    assert [
        send(limited, other, "8.8.4.4", **{"x-umami-api-key": "dashi_x"}).status_code for _ in range(12)
    ] == [401] * 10 + [429] * 2
    assert limited.events(other) == []


def test_each_hit_of_a_batch_counts(limited: Server, clock: Clock) -> None:
    website = limited.create_website()
    headers = {"user-agent": CHROME, "x-forwarded-for": "8.8.8.8"}
    answer = limited.client.post("/api/batch", json=[hit(website)] * 12, headers=headers)
    assert answer.json() == {
        "size": 12,
        "processed": 10,
        "errors": 2,
        "details": [{"index": index, "response": {"error": "Too many hits"}} for index in (10, 11)],
    }
    # Where none is taken the status says so, for those who send again what was refused as a whole.
    again = limited.client.post("/api/batch", json=[hit(website)] * 2, headers=headers)
    assert (again.status_code, again.json(), again.headers["retry-after"]) == (
        429,
        {"error": "Too many hits"},
        "1",
    )
    assert len(limited.events(website)) == 10


def test_graphql_says_when_to_come_again(limited: Server, clock: Clock) -> None:
    website = limited.create_website()
    document = "mutation($inputs: [TrackInput!]!) { trackBatch(inputs: $inputs) { accepted error { code } } }"
    headers = {"user-agent": CHROME, "x-forwarded-for": "8.8.8.8"}
    given = {"inputs": [{"website": website, "url": "/"}] * 11}
    told = limited.graphql(document, given, headers)["data"]["trackBatch"]
    assert told == [{"accepted": True, "error": None}] * 10 + [
        {"accepted": False, "error": {"code": "too-many"}}
    ]
    document = "mutation($input: TrackInput!) { track(input: $input) { accepted } }"
    answer = limited.graphql(document, {"input": {"website": website, "url": "/"}}, headers)
    assert answer["errors"][0]["message"] == "Too many hits"
    assert answer["errors"][0]["extensions"] == {"code": "too-many", "status": 429, "retryAfter": 1}


def test_by_default_everything_is_taken(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb")) as server:
        website = server.create_website()
        answer = server.client.post("/api/batch", json=[hit(website)] * 2000, headers={"user-agent": CHROME})
        assert (answer.json()["processed"], answer.json()["errors"]) == (2000, 0)

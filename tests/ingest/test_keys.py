"""Hits sent with an API key, over every way in."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app import api_keys
from app.context import SYSTEM, Ctx
from app.errors import Unavailable
from app.ingest.remembered import Remembered
from app.models import ApiKey, User
from app.paging import Window
from app.settings import Settings
from tests.keys import Made, expire, make_key, revoke
from tests.populate import CHROME
from tests.rest_compat.people import add_user
from tests.server import Server, running

CURL = "curl/8.0"
TRACK = "mutation($input: TrackInput!) { track(input: $input) { accepted dropped } }"
BATCH = "mutation($inputs: [TrackInput!]!) { trackBatch(inputs: $inputs) { accepted dropped error { code message } } }"
NOBODYS = Made("", "dashi_" + "A" * 43)


def payload(website: str) -> dict[str, Any]:
    return {"website": website, "url": "/"}


def send(server: Server, website: str, headers: dict[str, str], agent: str = CHROME) -> tuple[int, Any]:
    answer = server.client.post(
        "/api/send",
        json={"type": "event", "payload": payload(website)},
        headers={"user-agent": agent, **headers},
    )
    return answer.status_code, answer.json()


def track(server: Server, website: str, headers: dict[str, str], agent: str = CHROME) -> dict[str, Any]:
    return server.graphql(TRACK, {"input": payload(website)}, {"user-agent": agent, **headers})


def code(answer: dict[str, Any]) -> str:
    assert answer["data"] == {"track": None}
    [error] = answer["errors"]
    said: str = error["extensions"]["code"]
    return said


UNAUTHORIZED = (401, {"error": "Unauthorized"})


def test_with_a_key_no_bot_test_is_applied(server: Server, website: str) -> None:
    key = make_key(server, "ingest", website=website)
    assert send(server, website, {}, CURL) == (200, {"beep": "boop"})
    assert track(server, website, {}, CURL)["data"]["track"] == {"accepted": False, "dropped": "bot"}
    assert server.events(website) == []
    for headers in (key.header, key.bearer):
        assert send(server, website, headers, CURL)[0] == 200
        assert track(server, website, headers, CURL)["data"]["track"] == {"accepted": True, "dropped": None}
    assert [row["url_path"] for row in server.events(website)] == ["/"] * 4


@pytest.mark.parametrize("sends", ["header", "bearer"])
@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("unknown", "unauthenticated"),
        ("expired", "unauthenticated"),
        ("revoked", "unauthenticated"),
        ("of another website", "denied"),
        ("to read", "denied"),
        ("to manage", "denied"),
        ("of a stranger", "denied"),
    ],
)
def test_a_key_that_does_not_do_is_refused_and_nothing_stored(
    server: Server, website: str, which: str, says: str, sends: str
) -> None:
    make: dict[str, Callable[[], Made]] = {
        "unknown": lambda: NOBODYS,
        "expired": lambda: make_key(server, "ingest"),
        "revoked": lambda: make_key(server, "ingest"),
        "of another website": lambda: make_key(server, "ingest", website=server.create_website()),
        "to read": lambda: make_key(server, "read", website=website),
        "to manage": lambda: make_key(server, "read", "manage"),
        "of a stranger": lambda: make_key(server, "ingest", headers=add_user(server)),
    }
    key = make[which]()
    if which == "expired":
        expire(server, key)
    if which == "revoked":
        revoke(server, key)
    headers = key.header if sends == "header" else key.bearer
    assert send(server, website, headers) == UNAUTHORIZED
    answer = track(server, website, headers)
    assert code(answer) == says
    assert key.secret not in str(answer)
    batch = server.client.post(
        "/api/batch",
        json=[{"type": "event", "payload": payload(website)}] * 2,
        headers={"user-agent": CHROME, **headers},
    )
    assert (batch.status_code, batch.json()) == UNAUTHORIZED
    items = server.graphql(BATCH, {"inputs": [payload(website)] * 2}, {"user-agent": CHROME, **headers})
    assert [(item["accepted"], item["error"]["code"]) for item in items["data"]["trackBatch"]] == [
        (False, says)
    ] * 2
    assert server.events(website) == []


def test_a_batch_is_answered_for_each_hit(server: Server, website: str) -> None:
    other = server.create_website()
    key = make_key(server, "ingest", website=website)
    sites = [website, other, website, str(uuid4())]
    answer = server.client.post(
        "/api/batch",
        json=[{"type": "event", "payload": payload(site)} for site in sites],
        headers={"user-agent": CURL, **key.header},
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "size": 4,
        "processed": 2,
        "errors": 2,
        "details": [
            {"index": 1, "response": {"error": "Unauthorized"}},
            {"index": 3, "response": {"error": "Website not found."}},
        ],
    }
    items = server.graphql(
        BATCH, {"inputs": [payload(site) for site in sites]}, {"user-agent": CURL, **key.header}
    )
    assert [(item["accepted"], item["error"]) for item in items["data"]["trackBatch"]] == [
        (True, None),
        (False, {"code": "denied", "message": "This API key is not for this website"}),
        (True, None),
        (False, {"code": "invalid", "message": "Website not found."}),
    ]
    assert (len(server.events(website)), server.events(other)) == (4, [])


@pytest.mark.parametrize(
    "headers",
    [
        {"x-umami-api-key": "api_of_umamis_cloud"},
        {"x-umami-api-key": ""},
        {"Authorization": "Bearer something else"},
        {"Authorization": "dashi_without_a_scheme"},
    ],
)
def test_other_texts_are_no_keys(live: Server, headers: dict[str, str]) -> None:
    website = live.create_website()
    assert send(live, website, headers)[0] == 200
    assert send(live, website, headers, CURL) == (200, {"beep": "boop"})
    assert track(live, website, headers)["data"]["track"] == {"accepted": True, "dropped": None}
    assert len(live.events(website)) == 2


def test_a_key_does_not_open_an_ignored_address(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", ignore_ip="9.9.9.9")) as server:
        website = server.create_website()
        key = make_key(server, "ingest")
        headers = {**key.header, "x-forwarded-for": "9.9.9.9"}
        assert send(server, website, headers) == (403, {"error": "Forbidden"})
        assert code(track(server, website, headers)) == "denied"
        # A key that does not do is refused before that, and counted as such.
        assert send(server, website, {**NOBODYS.header, "x-forwarded-for": "9.9.9.9"}) == UNAUTHORIZED
        lines = server.client.get("/metrics").text.splitlines()
        assert server.events(website) == []
    assert 'dashi_dropped_hits_total{reason="ignored-address"} 2.0' in lines
    assert 'dashi_refused_hits_total{code="unauthenticated"} 1.0' in lines


def test_a_revoked_key_sends_nothing_more(server: Server, website: str) -> None:
    key = make_key(server, "ingest", website=website)
    other = make_key(server, "ingest", website=website)
    assert send(server, website, key.header)[0] == 200
    revoke(server, key)
    # Remembered or not: at once.
    assert send(server, website, key.header) == UNAUTHORIZED
    assert send(server, website, other.header)[0] == 200
    assert len(server.events(website)) == 2


def test_a_key_revoked_while_hits_arrive(server: Server, website: str) -> None:
    key = make_key(server, "ingest", website=website)
    stop = threading.Event()
    statuses: list[int] = []

    def sending() -> None:
        while not stop.is_set():
            statuses.append(send(server, website, key.header)[0])

    with ThreadPoolExecutor(3) as pool:
        senders = [pool.submit(sending) for _ in range(3)]
        while len(statuses) < 30:
            time.sleep(0.01)
        revoke(server, key)
        late = [send(server, website, key.header)[0] for _ in range(20)]
        stop.set()
        for sender in senders:
            sender.result()
    assert statuses[0] == 200
    assert set(statuses) <= {200, 401}
    assert set(late) == {401}
    assert len(server.events(website)) == statuses.count(200)


def test_what_a_key_may_send_is_remembered_for_seconds(server: Server, website: str) -> None:
    """As another process's change is seen: late, but not for long."""
    key = make_key(server, "ingest", website=website)
    assert send(server, website, key.header)[0] == 200

    def elsewhere(ctx: Ctx) -> None:
        ctx.db.execute(sa.delete(ApiKey).where(ApiKey.api_key_id == UUID(key.id)))

    server.runtime.call(SYSTEM, elsewhere)
    assert send(server, website, key.header)[0] == 200
    deadline = time.monotonic() + 20
    while send(server, website, key.header)[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.25)
    assert send(server, website, key.header) == UNAUTHORIZED


def test_sending_is_a_use_of_the_key(server: Server, website: str) -> None:
    key = make_key(server, "ingest", website=website)
    start = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    assert send(server, website, key.header)[0] == 200
    with server.ctx() as ctx:
        row = next(row for row in api_keys.listed(ctx, Window(1000)).rows if str(row.api_key_id) == key.id)
        assert row.last_used_at is not None
        assert start <= row.last_used_at <= dt.datetime.now(dt.UTC)


def test_a_view_only_owner_may_still_send(server: Server) -> None:
    headers = add_user(server)
    made = server.client.post("/api/websites", json={"name": "n", "domain": "d"}, headers=headers).json()
    key = make_key(server, "ingest", headers=headers)

    def demote(ctx: Ctx) -> None:
        ctx.db.execute(sa.update(User).where(User.user_id == UUID(made["userId"])).values(role="view-only"))

    server.runtime.call(SYSTEM, demote)
    assert send(server, made["id"], key.header, CURL)[0] == 200
    assert len(server.events(made["id"])) == 1


def test_an_answer_that_is_outdated_while_it_is_looked_up_is_not_remembered() -> None:
    answers = iter(["before", "after", "not asked"])
    asked = threading.Event()
    go_on = threading.Event()

    def ask(_: str) -> str:
        answer = next(answers)
        if answer == "before":
            asked.set()
            assert go_on.wait(10)
        return answer

    async def scenario() -> list[str]:
        with ThreadPoolExecutor(1) as pool:
            remembered = Remembered(ask, lambda _: 60.0, pool)
            first = asyncio.create_task(remembered.get("key"))
            assert await asyncio.to_thread(asked.wait, 10)
            remembered.forget_all()
            go_on.set()
            return [await first, await remembered.get("key")]

    assert asyncio.run(scenario()) == ["after", "after"]


def test_what_is_forgotten_is_asked_anew_and_the_rest_is_not() -> None:
    asked: list[str] = []

    def ask(key: str) -> int:
        asked.append(key)
        return len(asked)

    async def scenario() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            remembered = Remembered(ask, lambda answer: 0.0 if answer == 1 else 60.0, pool)
            found = [await remembered.get("a")]  # answer 1 is remembered for no time
            found += [await remembered.get(key) for key in ("a", "b", "a", "b")]
            remembered.forget("a")
            found += [await remembered.get(key) for key in ("a", "b")]
            remembered.forget_all()
            return found + [await remembered.get(key) for key in ("a", "b")]

    assert asyncio.run(scenario()) == [1, 2, 3, 2, 3, 4, 3, 5, 6]
    assert asked == ["a", "a", "b", "a", "a", "b"]


def test_what_is_in_doubt_is_asked_anew_and_outlasts_an_outage() -> None:
    """Changes may not have been heard of, which is no reason to forget a website while nobody can be asked."""
    answers: list[int | Exception] = [1, Unavailable(), 2]

    def ask(_: str) -> int:
        if isinstance(answer := answers.pop(0), Exception):
            raise answer
        return answer

    async def scenario() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            remembered = Remembered(ask, lambda _: 60.0, pool, bool)
            found = [await remembered.get("a"), await remembered.get("a")]
            for _ in range(2):
                remembered.doubt_all()
                found += [await remembered.get("a"), await remembered.get("a")]
            return found

    assert asyncio.run(scenario()) == [1, 1, 1, 1, 2, 2]
    assert answers == []

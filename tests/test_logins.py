"""Guessing passwords through both doors: how often, and that nobody learns who exists or is kept out by it.

Addresses stand in X-Forwarded-For, which is believed from this machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app import auth, security, shares, users
from app.settings import Settings
from app.throttle import Throttle
from app.tries import OwnTries
from tests.populate import CHROME
from tests.server import PASSWORD, Server, running
from tests.test_throttle import Clock

TOO_MANY = "Too many wrong passwords: try again later"
LOGIN = (
    "mutation($name: String!, $password: String!) { login(username: $name, password: $password) { token } }"
)


@pytest.fixture(scope="module")
def guarded(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    with running(make_settings("duckdb")) as started:
        assert started.token
        yield started


@pytest.fixture
def clock(guarded: Server) -> Clock:
    """Time stands still, and nobody has tried anything: 3 tries, 50 of an address, 12 at an account."""
    clock = Clock()
    guarded.runtime.throttle = Throttle(3, 50, 12, OwnTries(clock))
    return clock


@pytest.fixture
def user(guarded: Server) -> str:
    """The name of a fresh user with the usual password."""
    given = {"username": uuid4().hex, "password": PASSWORD, "role": "user"}
    assert guarded.client.post("/api/users", json=given, headers=guarded.admin).status_code == 200
    return given["username"]


def by_rest(server: Server, name: str, password: str, address: str = "8.8.8.8") -> httpx.Response:
    given = {"username": name, "password": password}
    return server.client.post("/api/auth/login", json=given, headers={"x-forwarded-for": address})


def by_graphql(server: Server, name: str, password: str, address: str = "8.8.8.8") -> httpx.Response:
    given = {"query": LOGIN, "variables": {"name": name, "password": password}}
    return server.client.post("/graphql", json=given, headers={"x-forwarded-for": address})


def told(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """All that a client sees of an answer but the clock and the number of the request."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, answer.json(), headers


def test_metrics_tell_what_became_of_logins(guarded: Server, clock: Clock, user: str) -> None:
    def counted() -> list[float]:
        logins = guarded.app.state.metrics.logins
        return [logins.labels(outcome)._value.get() for outcome in ("succeeded", "refused", "throttled")]

    before = counted()
    by_rest(guarded, user, PASSWORD)
    for _ in range(5):
        by_rest(guarded, user, "wrong")
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 3, 2]


@pytest.mark.parametrize("door", [by_rest, by_graphql])
def test_names_that_nobody_has_are_refused_as_those_of_users(
    guarded: Server, clock: Clock, user: str, door: Callable[..., httpx.Response]
) -> None:
    nobody = "n" * len(user)
    mine, theirs = ([told(door(guarded, name, "wrong")) for _ in range(5)] for name in (user, nobody))
    assert mine == theirs
    if door is by_rest:
        assert [status for status, _, _ in mine] == [401, 401, 401, 429, 429]
        assert mine[0][1] == {"error": "message.incorrect-username-password"}
        assert mine[3][1] == {"error": TOO_MANY}
        assert mine[3][2]["retry-after"] == "1"
    else:
        codes = [body["errors"][0]["extensions"]["code"] for _, body, _ in mine]
        assert codes == ["unauthenticated"] * 3 + ["too-many"] * 2
        refused = mine[3][1]["errors"][0]
        assert refused["message"] == TOO_MANY
        assert refused["extensions"] == {"code": "too-many", "status": 429, "retryAfter": 1}
    # The right password is not looked at either, until it is time.
    assert told(door(guarded, user, PASSWORD)) == mine[3]
    clock.now += 1
    assert "token" in door(guarded, user, PASSWORD).text


def test_each_answer_costs_one_hash_whoever_is_asked_for(
    guarded: Server, clock: Clock, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes: list[str] = []

    def watched(password: str, hashed: str) -> bool:
        hashes.append(hashed[:7])
        return security.verify_password(password, hashed)

    monkeypatch.setattr(auth, "verify_password", watched)
    for name in (user, "nobody at all"):
        hashes.clear()
        for _ in range(3):
            by_rest(guarded, name, "wrong")
        assert hashes == ["$2b$10$"] * 3
        assert by_rest(guarded, name, "wrong").status_code == 429
        assert len(hashes) == 3


def test_both_doors_and_the_change_of_a_password_count_together(
    guarded: Server, clock: Clock, user: str
) -> None:
    token = by_rest(guarded, user, PASSWORD).json()["token"]
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": "8.8.8.8"}
    change = {"currentPassword": "wrong", "newPassword": "another password"}
    by_rest(guarded, user, "wrong")
    by_graphql(guarded, user, "wrong")
    wrong = guarded.client.post("/api/me/password", json=change, headers=headers)
    assert (wrong.status_code, wrong.json()) == (400, {"error": "Current password is incorrect"})

    refused = guarded.client.post(
        "/api/me/password", json={**change, "currentPassword": PASSWORD}, headers=headers
    )
    assert (refused.status_code, refused.json()) == (429, {"error": TOO_MANY})
    assert refused.headers["retry-after"] == "1"
    mutation = f'mutation {{ changePassword(current: "{PASSWORD}", new: "another password") {{ id }} }}'
    answer = guarded.graphql(mutation, None, headers)
    assert answer["errors"][0]["extensions"] == {"code": "too-many", "status": 429, "retryAfter": 1}
    assert by_graphql(guarded, user, PASSWORD).json()["errors"][0]["extensions"]["code"] == "too-many"
    # Nothing has changed.
    assert by_rest(guarded, user, PASSWORD, "8.8.4.4").status_code == 200


def test_the_password_of_a_share_is_not_guessed_either(guarded: Server, clock: Clock) -> None:
    website = guarded.create_website()
    create = f'mutation {{ createShare(websiteId: "{website}", input: {{slug: "guessed99", password: "p"}}) {{ id }} }}'
    assert "errors" not in guarded.graphql(create)
    from_there = {"x-forwarded-for": "8.8.8.8"}

    def rest(password: str) -> httpx.Response:
        return guarded.client.post("/api/share/guessed99", json={"password": password}, headers=from_there)

    def graphql(password: str) -> dict[str, Any]:
        query = f'{{ share(slug: "guessed99", password: "{password}") {{ token }} }}'
        return guarded.graphql(query, None, from_there)

    # Without a password nothing is tried.
    for _ in range(5):
        assert guarded.client.get("/api/share/guessed99", headers=from_there).status_code == 401
    assert [rest("x").status_code, rest("y").status_code] == [401, 401]
    assert graphql("z")["errors"][0]["extensions"]["code"] == "unauthenticated"
    refused = rest("p")
    assert (refused.status_code, refused.json(), refused.headers["retry-after"]) == (
        429,
        {"error": TOO_MANY},
        "1",
    )
    assert graphql("p")["errors"][0]["extensions"] == {"code": "too-many", "status": 429, "retryAfter": 1}
    clock.now += 1
    assert rest("p").json()["websiteId"] == website


def test_an_attack_from_everywhere_keeps_no_user_out_where_it_has_been(
    guarded: Server, clock: Clock, user: str
) -> None:
    assert by_rest(guarded, user, PASSWORD).status_code == 200  # at home
    statuses = [by_rest(guarded, user, "wrong", f"203.0.113.{i}").status_code for i in range(14)]
    assert statuses == [401] * 12 + [429] * 2
    assert by_rest(guarded, user, PASSWORD).status_code == 200
    elsewhere = by_rest(guarded, user, PASSWORD, "198.51.100.1")
    assert (elsewhere.status_code, elsewhere.headers["retry-after"]) == (429, "300")
    clock.now += 300
    assert by_rest(guarded, user, PASSWORD, "198.51.100.1").status_code == 200


def test_addresses_that_a_client_makes_up_give_no_more_tries(
    guarded: Server, clock: Clock, user: str
) -> None:
    """Its proxy appends the one it really has."""
    statuses = [by_rest(guarded, user, "wrong", f"203.0.113.{i}, 8.8.8.8").status_code for i in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


def test_one_address_does_not_try_a_list_of_names(guarded: Server, clock: Clock) -> None:
    guarded.runtime.throttle = Throttle(3, 5, 12, OwnTries(clock))
    answers = [by_rest(guarded, f"name {i}", "wrong") for i in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[5].headers["retry-after"] == "720"
    assert by_rest(guarded, "name 6", "wrong", "8.8.4.4").status_code == 401


def test_the_settings_say_how_many(make_settings: Callable[..., Settings]) -> None:
    few = {"login_tries": 2, "login_tries_per_address": 3, "login_tries_per_account": 4}
    with running(make_settings("duckdb", **few)) as server:
        assert [by_rest(server, "a", "wrong").status_code for _ in range(3)] == [401, 401, 429]
        assert [by_rest(server, name, "wrong").status_code for name in "bc"] == [401, 429]
        others = [by_rest(server, "a", "wrong", f"203.0.113.{i}").status_code for i in range(3)]
        assert others == [401, 401, 429]
    made = Settings()
    assert (made.login_tries, made.login_tries_per_address, made.login_tries_per_account) == (10, 100, 100)


def test_hashing_keeps_neither_collecting_nor_reading_waiting(
    guarded: Server, clock: Clock, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty wait for two that take for ever; the next is told to come again, and all else is answered."""
    website = guarded.create_website()
    guarded.runtime.throttle = Throttle(100, 100, 100, OwnTries(clock))
    release, inside = threading.Event(), threading.Semaphore(0)

    def endless(password: str, hashed: str) -> bool:
        inside.release()
        return release.wait(60)

    monkeypatch.setattr(auth, "verify_password", endless)

    def one(_: int = 0) -> httpx.Response:
        given = {"username": user, "password": PASSWORD}
        return httpx.post(f"{guarded.url}/api/auth/login", json=given, timeout=60)

    with ThreadPoolExecutor(50) as pool:
        try:
            waiting = [pool.submit(one, i) for i in range(50)]
            assert inside.acquire(timeout=30)
            assert inside.acquire(timeout=30)
            while guarded.runtime._hashing < 50:
                assert not any(future.done() for future in waiting)
            refused = one()
            assert (refused.status_code, refused.json()) == (
                503,
                {"error": "Too many passwords are being checked"},
            )
            assert refused.headers["retry-after"] == "5"
            assert guarded.get("/api/me")["user"]["username"] == "admin"
            hit = {"type": "event", "payload": {"website": website, "url": "/"}}
            assert (
                guarded.client.post("/api/send", json=hit, headers={"user-agent": CHROME}).status_code == 200
            )
            stats = guarded.get(f"/api/websites/{website}/stats", startAt=0, endAt=2**41)
            assert stats["pageviews"]["value"] == 1
            assert not inside.acquire(blocking=False)
        finally:
            release.set()
        assert [future.result().status_code for future in waiting] == [200] * 50


def test_every_password_is_hashed_by_the_threads_that_are_for_it(
    guarded: Server, clock: Clock, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    website = guarded.create_website()
    hashed: list[str] = []

    def noting(real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: str) -> Any:
            hashed.append(threading.current_thread().name.partition("_")[0])
            return real(*given)

        return noted

    for module in (auth, users, shares):
        for name in {"verify_password", "hash_password"} & vars(module).keys():
            monkeypatch.setattr(module, name, noting(getattr(security, name)))

    def rest(path: str, body: dict[str, str], headers: dict[str, str]) -> int:
        hashed.clear()
        assert guarded.client.post(path, json=body, headers=headers).status_code == 200, path
        assert set(hashed) == {"hash"}
        return len(hashed)

    def graphql(document: str, headers: dict[str, str]) -> int:
        hashed.clear()
        answer = guarded.graphql(document, None, headers)
        assert "errors" not in answer, answer
        assert set(hashed) == {"hash"}
        return len(hashed)

    def own() -> dict[str, str]:
        return {"authorization": f"Bearer {by_rest(guarded, user, PASSWORD).json()['token']}"}

    admin, new = guarded.admin, {"username": uuid4().hex, "password": PASSWORD, "role": "user"}
    user_id = by_rest(guarded, user, PASSWORD).json()["user"]["id"]
    assert rest("/api/auth/login", {"username": user, "password": PASSWORD}, {}) == 1
    assert rest("/api/users", new, admin) == 1
    assert rest(f"/api/users/{user_id}", {"password": PASSWORD}, admin) == 1
    assert rest("/api/me/password", {"currentPassword": PASSWORD, "newPassword": PASSWORD}, own()) == 2
    assert graphql(f'mutation {{ login(username: "{user}", password: "{PASSWORD}") {{ token }} }}', {}) == 1
    named = f'{{username: "{uuid4().hex}", password: "{PASSWORD}"}}'
    assert graphql(f"mutation {{ createUser(input: {named}) {{ id }} }}", admin) == 1
    changed = f'updateUser(id: "{user_id}", input: {{password: "{PASSWORD}"}})'
    assert graphql(f"mutation {{ {changed} {{ id }} }}", admin) == 1
    changed = f'changePassword(current: "{PASSWORD}", new: "{PASSWORD}")'
    assert graphql(f"mutation {{ {changed} {{ id }} }}", own()) == 2
    slug = uuid4().hex[:12]
    made = f'createShare(websiteId: "{website}", input: {{slug: "{slug}", password: "p"}})'
    assert graphql(f"mutation {{ {made} {{ id }} }}", admin) == 1
    shared = guarded.graphql(f'{{ website(id: "{website}") {{ shares {{ id }} }} }}')
    share_id = shared["data"]["website"]["shares"][0]["id"]
    changed = f'updateShare(id: "{share_id}", input: {{password: "q"}})'
    assert graphql(f"mutation {{ {changed} {{ id }} }}", admin) == 1
    assert graphql(f'{{ share(slug: "{slug}", password: "q") {{ token }} }}', {}) == 1
    assert rest(f"/api/share/{slug}", {"password": "q"}, {}) == 1

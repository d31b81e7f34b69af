"""What is changed of users, keys, shares and websites at one process holds at the other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from app.doctor import stores
from app.errors import Invalid
from app.services import check_start, open_services
from app.settings import Settings
from tests.following import socket
from tests.processes.conftest import Node, Two, within
from tests.server import PASSWORD

# Less than a process remembers by itself: a website with its rules 15 s, what a key may do 5 s.
WEBSITE, KEY = 10.0, 4.0
BEEP = {"beep": "boop"}


def add_user(node: Node) -> tuple[str, str]:
    """(id, name) of a fresh user with the usual password."""
    given = {"username": uuid4().hex, "password": PASSWORD, "role": "user"}
    answer = node.client.post("/api/users", json=given, headers=node.admin)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"], given["username"]


def login(node: Node, name: str, password: str = PASSWORD, address: str = "8.8.8.8") -> httpx.Response:
    given = {"username": name, "password": password}
    return node.client.post("/api/auth/login", json=given, headers={"x-forwarded-for": address})


def bearer(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['token']}"}


def mutate(node: Node, document: str, **variables: Any) -> Any:
    answer = node.graphql(document, variables)
    assert "errors" not in answer, answer
    return answer["data"]


def add_key(node: Node, *scopes: str) -> tuple[str, dict[str, str]]:
    """(id, headers) of a key of the admin's."""
    document = (
        'mutation($s: [ApiKeyScope!]!) { createApiKey(input: {name: "x", scopes: $s}) { secret key { id } } }'
    )
    made = mutate(node, document, s=list(scopes))["createApiKey"]
    return made["key"]["id"], {"x-umami-api-key": made["secret"]}


def revoke_key(node: Node, key_id: str) -> None:
    mutate(node, "mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=key_id)


def me(node: Node, headers: dict[str, str]) -> int:
    return node.client.get("/api/me", headers=headers).status_code


def test_a_login_at_one_is_one_at_the_other_and_ends_at_both(two: Two) -> None:
    user_id, name = add_user(two.a)
    headers = bearer(login(two.a, name))
    assert [me(two.a, headers), me(two.b, headers)] == [200, 200]

    change = {"currentPassword": PASSWORD, "newPassword": "quite another one"}
    assert two.b.client.post("/api/me/password", json=change, headers=headers).status_code == 200
    assert [me(two.a, headers), me(two.b, headers)] == [401, 401]
    assert login(two.a, name).status_code == 401

    headers = bearer(login(two.b, name, "quite another one"))
    assert me(two.a, headers) == 200
    assert two.a.client.delete(f"/api/users/{user_id}", headers=two.a.admin).status_code == 200
    assert [me(two.b, headers), me(two.a, headers)] == [401, 401]
    assert login(two.b, name, "quite another one").status_code == 401


def test_a_share_that_one_revokes_opens_nothing_at_the_other(two: Two) -> None:
    website, slug = two.a.create_website(), uuid4().hex[:12]
    document = "mutation($w: ID!, $s: String!) { createShare(websiteId: $w, input: {slug: $s}) { id } }"
    share_id = mutate(two.a, document, w=website, s=slug)["createShare"]["id"]
    opened = {"x-umami-share-token": two.b.client.get(f"/api/share/{slug}").json()["token"]}
    path = f"/api/websites/{website}/stats?startAt=0&endAt=1"
    assert two.a.client.get(path, headers=opened).status_code == 200
    mutate(two.a, "mutation($id: ID!) { revokeShare(id: $id) { id } }", id=share_id)
    assert two.b.client.get(path, headers=opened).status_code == 401
    assert two.b.client.get(f"/api/share/{slug}").status_code == 404


def test_a_key_that_one_revokes_sends_and_asks_nothing_at_the_other(two: Two) -> None:
    website = two.a.create_website()
    key_id, headers = add_key(two.a, "READ", "INGEST")
    path = f"/api/websites/{website}"
    assert two.b.client.get(path, headers=headers).status_code == 200
    assert two.b.send(website, headers).json().keys() == {
        "cache",
        "sessionId",
        "visitId",
    }  # remembered by now
    revoke_key(two.a, key_id)
    assert two.b.client.get(path, headers=headers).status_code == 401
    within(KEY, lambda: two.b.send(website, headers).status_code == 401, "the key goes on sending")


def test_a_subscription_at_one_ends_with_the_key_that_the_other_revokes(two: Two) -> None:
    website = two.a.create_website()
    key_id, headers = add_key(two.a, "READ")
    with socket(two.b.url, headers) as there:
        there.subscribe("subscription($w: ID!) { activeVisitors(websiteId: $w) }", {"w": website})
        assert there.next() == {"activeVisitors": 0}
        revoke_key(two.a, key_id)
        assert there.ended()["code"] == "unauthenticated"


def test_what_one_changes_of_a_website_the_other_collects_by(two: Two) -> None:
    website = str(uuid4())
    assert two.b.send(website).status_code == 400  # remembered not to exist
    given = {"id": website, "name": "x", "domain": "x.org"}
    assert two.a.client.post("/api/websites", json=given, headers=two.a.admin).status_code == 200
    within(WEBSITE, lambda: two.b.send(website).status_code == 200, "the new website is not known")

    document = "mutation($id: ID!, $hosts: [String!]) { updateWebsite(id: $id, input: {allowedHosts: $hosts}) { id } }"
    mutate(two.a, document, id=website, hosts=["a.test"])
    within(
        WEBSITE, lambda: two.b.send(website, hostname="evil.test").json() == BEEP, "the rules are not known"
    )
    assert "sessionId" in two.b.send(website, hostname="a.test").json()

    assert two.a.client.delete(f"/api/websites/{website}", headers=two.a.admin).status_code == 200
    within(
        WEBSITE, lambda: two.b.send(website, hostname="a.test").status_code == 400, "the website is not gone"
    )
    assert two.b.send(website, hostname="a.test").json() == {"error": "Website not found."}


def test_after_a_broken_line_everything_is_asked_anew(two: Two) -> None:
    """What was changed meanwhile was not heard of."""
    website = two.a.create_website()
    time.sleep(1)  # until it is heard of, and nothing more
    assert "sessionId" in two.b.send(website, hostname="evil.test").json()
    with two.connect() as connection:
        # Past the verbs of either, so that nothing is told.
        connection.execute(
            "UPDATE website SET allowed_hosts = '[\"a.test\"]' WHERE website_id = %s", [website]
        )
        assert "sessionId" in two.b.send(website, hostname="evil.test").json()
        [(lines,)] = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'dashi changed' AND datname = current_database()"
        )
    assert lines == 2
    within(
        WEBSITE, lambda: two.b.send(website, hostname="evil.test").json() == BEEP, "the rules are not known"
    )


def test_guessing_at_both_is_no_faster_than_at_one(two: Two) -> None:
    """Ten wrong ones at once; who has the right password begins anew, wherever that was told."""
    _, name = add_user(two.a)

    def wrong_ones() -> int:
        """Tries at one and the other until either refuses; 20 of them if each counted for itself."""
        statuses = [401]
        while statuses[-1] == 401:
            statuses.append(login((two.a, two.b)[len(statuses) % 2], name, "wrong").status_code)
        assert statuses[-1] == 429
        return len(statuses) - 2

    # On a busy machine a second may pass, and with it the time that the next one has to wait.
    assert 10 <= wrong_ones() <= 13
    # From elsewhere it is another matter.
    assert login(two.a, name, address="8.8.4.4").status_code == 200
    within(20, lambda: login(two.b, name).status_code == 200, "nobody is let in any more")
    assert 10 <= wrong_ones() <= 13


def refused_to_start(settings: Settings, field: str, why: str) -> None:
    for start in (check_start, open_services):
        with pytest.raises(Invalid, match=why) as refused:
            start(settings)
        assert refused.value.field == field


def test_a_server_with_another_secret_is_refused(two: Two, tmp_path: Path) -> None:
    other = two.settings(tmp_path, app_secret=SecretStr("another one"))
    refused_to_start(other, "APP_SECRET", "is running with another APP_SECRET: give all of them the same")
    assert check_start(two.settings(tmp_path)) is None


def test_a_server_with_events_of_its_own_is_refused(two: Two, tmp_path: Path) -> None:
    """It would count its own alone, and remove from them what is reset elsewhere."""
    alone = two.settings(tmp_path, events_url=f"duckdb:///{tmp_path}/events.duckdb")
    refused_to_start(alone, "EVENTS_URL", "is running with other events: DuckDB belongs to one process")


def test_the_doctor_says_how_many_there_are_and_whose_secret_is_another(two: Two, tmp_path: Path) -> None:
    [found] = stores.processes(two.settings(tmp_path))
    assert (found.name, found.level.value) == ("processes", "ok")
    assert found.text == "Running over these accounts, all with this secret: 2."
    [found] = stores.processes(two.settings(tmp_path, app_secret=SecretStr("another one")))
    assert (found.level.value, found.text) == (
        "problem",
        "2 share these accounts with another secret: logins at one are none at the other, and each visitor is two.",
    )
    assert list(stores.processes(two.settings(tmp_path, database_url=""))) == []

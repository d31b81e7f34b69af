"""Websites where requests meet: at the same moment, and while events arrive."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from tests.populate import CHROME, A, view
from tests.server import Server


def test_ending_a_share_ends_every_link_that_was_made_at_the_same_moment(
    server: Server, website: str
) -> None:
    slugs = [f"slug{number:06}" for number in range(8)]
    url = f"{server.url}/api/websites/{website}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda slug: httpx.post(url, json={"shareId": slug}, headers=server.admin), slugs)
        )
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert httpx.post(url, json={"shareId": None}, headers=server.admin).json()["shareId"] is None
    opened = [httpx.get(f"{server.url}/api/share/{slug}").status_code for slug in slugs]
    assert opened == [404] * 8


def test_the_same_id_at_the_same_moment_makes_one_website(server: Server) -> None:
    body = {"id": str(uuid4()), "name": "x", "domain": "x.org"}
    with ThreadPoolExecutor(6) as pool:
        url = f"{server.url}/api/websites"
        answers = list(pool.map(lambda _: httpx.post(url, json=body, headers=server.admin), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]


def test_deleting_resetting_and_changing_at_the_same_moment_is_never_an_error_of_ours(server: Server) -> None:
    for _ in range(3):
        url = f"{server.url}/api/websites/{server.create_website()}"
        requests = [
            lambda url=url: httpx.delete(url, headers=server.admin),
            lambda url=url: httpx.post(f"{url}/reset", headers=server.admin),
            lambda url=url: httpx.post(url, json={"name": "n"}, headers=server.admin),
            lambda url=url: httpx.delete(url, headers=server.admin),
        ]
        with ThreadPoolExecutor(4) as pool:
            statuses = {answer.status_code for answer in pool.map(lambda ask: ask(), requests)}
        assert statuses <= {200, 400, 404}


def test_nothing_is_left_of_a_website_deleted_while_events_arrive(server: Server) -> None:
    website = server.create_website()
    stop = threading.Event()
    answers: list[int] = []

    def send() -> None:
        with httpx.Client(headers={"user-agent": CHROME}) as client:
            while not stop.is_set():
                body = view(A, "2026-11-10 10:00:00").body(website)
                answers.append(client.post(f"{server.url}/api/send", json=body).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(answers) < 40:
        time.sleep(0.01)
    deleted = httpx.delete(f"{server.url}/api/websites/{website}", headers=server.admin)
    late = len(answers)
    while len(answers) < late + 20:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert deleted.status_code == 200
    assert answers[0] == 200
    assert answers[-1] == 400
    assert server.events(website) == []

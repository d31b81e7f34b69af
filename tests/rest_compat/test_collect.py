"""`/api/send` and `/api/batch` on the wire (Umami v2 REST behaviour §2.1, §2.2, §2.8)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from app.security import server_secret
from app.settings import Settings
from tests.populate import CHROME, A, view
from tests.server import SECRET, Server, running

S = server_secret(SECRET)
BROWSER = {"user-agent": CHROME, "x-forwarded-for": "8.8.8.8"}
NOBODY = "00000000-0000-4000-8000-000000000000"


def hit(website: str, **payload: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "payload": {"website": website, "url": "/", "hostname": "example.com", **payload},
    }


def send(server: Server, body: object, **headers: str) -> Any:
    return server.client.post("/api/send", json=body, headers={**BROWSER, **headers})


def test_an_accepted_hit(server: Server, website: str) -> None:
    answer = send(server, hit(website, timestamp=1_795_440_493))
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["cache", "sessionId", "visitId"]
    claims = jwt.decode(body["cache"], S, ["HS256"])
    assert claims == {
        "websiteId": website,
        "sessionId": body["sessionId"],
        "visitId": body["visitId"],
        "iat": claims["iat"],
    }
    [stored] = server.events(website)
    assert (str(stored["session_id"]), str(stored["visit_id"])) == (body["sessionId"], body["visitId"])
    assert "x-dashi-dropped" not in answer.headers


def test_ids_of_the_conformance_vectors(live: Server) -> None:
    website = "765b9d7c-35d0-4c93-a87f-c869a11eabf2"
    made = {"name": "Vectors", "domain": "example.com", "id": website}
    assert live.client.post("/api/websites", json=made, headers=live.admin).status_code == 200
    at = {"timestamp": 1_795_440_493}  # 2026-11-23T13:28:13Z
    anonymous = send(live, hit(website, **at)).json()
    assert anonymous["sessionId"] == "1172824f-0864-59d0-ad32-35060a6e1730"
    assert anonymous["visitId"] == "7e0197f3-85e6-5743-adfc-9d5698793bb9"
    known = send(live, hit(website, id="user-1", **at)).json()
    assert known["sessionId"] == "4a0a171f-d15d-5586-8670-aa2baf539933"
    assert known["visitId"] == "ea6d50d2-6a49-5a0c-8763-37233893f2c9"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ["type: Required", "payload: Required"]),
        ({"type": "event", "payload": {}}, ["payload: "]),
        ({"type": "event", "payload": {"website": "x"}}, ["payload: "]),
        ({"type": "event"}, ["payload: Required"]),
        (
            {"type": "x", "payload": {"website": NOBODY}},
            ["type: Invalid enum value. Expected 'event' | 'identify', received 'x'"],
        ),
        ({"type": "event", "payload": {"website": NOBODY}}, "Website not found."),
    ],
)
def test_refused_bodies(live: Server, body: object, error: object) -> None:
    answer = send(live, body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    "payload",
    [
        {"name": "x" * 51},
        {"data": []},
        {"data": "x"},
        {"url": None},
        {"ip": "8.8.8"},
        {"timestamp": 1.5},
        {"screen": "x" * 12},
    ],
)
def test_a_bad_payload_stores_nothing(live: Server, live_website: str, payload: dict[str, Any]) -> None:
    answer = send(live, hit(live_website, **payload))
    assert (answer.status_code, answer.json()) == (400, {"error": ["payload: "]})
    assert live.events(live_website) == []


def test_a_bot(live: Server, live_website: str) -> None:
    answer = send(live, hit(live_website), **{"user-agent": "curl/8.0"})
    assert (answer.status_code, answer.json()) == (200, {"beep": "boop"})
    assert answer.headers["x-dashi-dropped"] == "bot"
    assert live.events(live_website) == []


def test_values_too_long_for_their_column_are_cut(live: Server, live_website: str) -> None:
    url = f"/?utm_source={'s' * 300}&gclid={'g' * 300}"
    body = hit(live_website, url=url, id="i" * 60, data={"text": "d" * 600})
    assert send(live, body).status_code == 200
    [stored] = live.events(live_website)
    assert (stored["utm_source"], stored["gclid"], stored["distinct_id"]) == ("s" * 255, "g" * 255, "i" * 50)
    [data] = live.event_data(live_website)
    assert data["string_value"] == "d" * 500


def test_a_title_cut_inside_an_emoji(live: Server, live_website: str) -> None:
    raw = f'{{"type":"event","payload":{{"website":"{live_website}","title":"a\\ud83d"}}}}'
    answer = live.client.post("/api/send", content=raw, headers={**BROWSER, "content-type": "text/plain"})
    assert answer.status_code == 200
    assert [row["page_title"] for row in live.events(live_website)] == ["a\ufffd"]


def test_the_cache_carries_the_visit(live: Server, live_website: str) -> None:
    first = send(live, hit(live_website)).json()
    visit = str(uuid4())
    began = int(time.time()) - 60

    def cached(**claims: Any) -> Any:
        token = jwt.encode(
            {"websiteId": live_website, "sessionId": NOBODY, "visitId": visit, "iat": began, **claims}, S
        )
        return send(live, hit(live_website), **{"x-umami-cache": token}).json()

    # The session is computed anew, the visit and its beginning are kept.
    kept = cached()
    assert (kept["sessionId"], kept["visitId"]) == (first["sessionId"], visit)
    assert jwt.decode(kept["cache"], S, ["HS256"])["iat"] == began
    # After half an hour a new visit begins, that of the hour.
    assert cached(iat=int(time.time()) - 1801)["visitId"] == first["visitId"]
    # A cache of another website says nothing here.
    assert cached(websiteId=NOBODY)["visitId"] == first["visitId"]


@pytest.mark.parametrize("cache", ["", "nonsense", "a.b.c", jwt.encode({"websiteId": NOBODY}, "other" * 10)])
def test_a_cache_that_is_none(live: Server, live_website: str, cache: str) -> None:
    plain = send(live, hit(live_website)).json()
    answer = send(live, hit(live_website), **{"x-umami-cache": cache})
    assert (answer.status_code, answer.json()["visitId"]) == (200, plain["visitId"])


def test_a_valid_cache_does_not_open_other_websites(live: Server, live_website: str) -> None:
    cache = send(live, hit(live_website)).json()["cache"]
    answer = send(live, hit(NOBODY), **{"x-umami-cache": cache})
    assert (answer.status_code, answer.json()) == (400, {"error": "Website not found."})


def test_of_repeated_address_headers_the_first_entry_counts(live: Server, live_website: str) -> None:
    one = send(live, hit(live_website), **{"x-forwarded-for": "8.8.4.4"}).json()
    headers = [("user-agent", CHROME), ("x-forwarded-for", "8.8.4.4"), ("x-forwarded-for", "10.0.0.1")]
    two = live.client.post("/api/send", json=hit(live_website), headers=headers).json()
    assert one["sessionId"] == two["sessionId"]


def test_batch(server: Server, website: str) -> None:
    bodies = [
        view(A, "2026-11-10 10:00:00", "/one").body(website),
        {"type": "event", "payload": {"website": "x"}},
        {},
        {"type": "event", "payload": {"website": website, "userAgent": "curl/8.0"}},
        {"type": "event", "payload": {"website": NOBODY}},
        view(A, "2026-11-10 10:00:01", "/two").body(website),
    ]
    answer = server.client.post("/api/batch", json=bodies, headers=A.headers)
    assert answer.status_code == 200
    assert answer.json() == {
        "size": 6,
        "processed": 3,
        "errors": 3,
        "details": [
            {"index": 1, "response": {"error": ["payload: "]}},
            {"index": 2, "response": {"error": ["type: Required", "payload: Required"]}},
            {"index": 4, "response": {"error": "Website not found."}},
        ],
    }
    assert answer.headers["x-dashi-dropped"] == "bot"
    assert [row["url_path"] for row in server.events(website)] == ["/one", "/two"]


def test_a_long_batch_keeps_its_order(live: Server, live_website: str) -> None:
    bodies = [hit(live_website, url=f"/{number}", timestamp=1_795_440_000 + number) for number in range(250)]
    bodies[120] = {}
    answer = live.client.post("/api/batch", json=bodies, headers=BROWSER)
    assert answer.json() == {
        "size": 250,
        "processed": 249,
        "errors": 1,
        "details": [{"index": 120, "response": {"error": ["type: Required", "payload: Required"]}}],
    }
    paths = [row["url_path"] for row in live.events(live_website)]
    assert paths == [f"/{number}" for number in range(250) if number != 120]


def test_an_empty_batch(live: Server) -> None:
    answer = live.client.post("/api/batch", json=[])
    assert answer.json() == {"size": 0, "processed": 0, "errors": 0, "details": []}


@pytest.mark.parametrize("body", [{}, None, "text", 3])
def test_a_batch_that_is_no_array(live: Server, body: object) -> None:
    answer = live.client.post("/api/batch", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": []})


def test_nothing_can_be_written(make_settings: Callable[..., Settings]) -> None:
    with running(make_settings("duckdb", journal_max_bytes=1 << 20)) as server:
        website = server.create_website()
        large = hit(website, data={f"key{number}": "x" * 500 for number in range(200)})
        # While somebody else writes, batches wait in the journal until it is full.
        with server.runtime.events._writing:
            answers = [send(server, large) for _ in range(50)]
            refused = [answer for answer in answers if answer.status_code != 200]
            one = refused[0]
            assert (one.status_code, one.headers["retry-after"]) == (503, "5")
            [text] = one.json().values()
            assert isinstance(text, str)
            whole = server.client.post("/api/batch", json=[large] * 2, headers=BROWSER)
            assert (whole.status_code, whole.json(), whole.headers["retry-after"]) == (
                503,
                {"error": text},
                "5",
            )
            # What else is in a batch is answered for itself.
            mixed = server.client.post("/api/batch", json=[{}, large], headers=BROWSER)
            assert mixed.json() == {
                "size": 2,
                "processed": 0,
                "errors": 2,
                "details": [
                    {"index": 0, "response": {"error": ["type: Required", "payload: Required"]}},
                    {"index": 1, "response": {"error": text}},
                ],
            }
        assert len(server.events(website)) == len(answers) - len(refused)


def test_an_ignored_address(customised: Server) -> None:
    website = customised.create_website()
    for path in ("/api/send", "/pulse"):
        answer = customised.client.post(
            path, json=hit(website), headers={**BROWSER, "x-forwarded-for": "9.9.9.9"}
        )
        assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})
        assert answer.headers["x-dashi-dropped"] == "ignored-address"
    batch = customised.client.post(
        "/api/batch", json=[hit(website)], headers={**BROWSER, "x-forwarded-for": "9.9.9.9"}
    )
    assert batch.json()["details"] == [{"index": 0, "response": {"error": "Forbidden"}}]
    assert batch.headers["x-dashi-dropped"] == "ignored-address"
    assert customised.events(website) == []


def test_another_collect_path(customised: Server) -> None:
    website = customised.create_website()
    answer = customised.client.post("/pulse", json=hit(website), headers=BROWSER)
    assert UUID(answer.json()["visitId"])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert customised.client.options("/pulse").headers["allow"] == "OPTIONS, POST"
    assert len(customised.events(website)) == 1

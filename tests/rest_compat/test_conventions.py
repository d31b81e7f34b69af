"""What holds for every route (Umami v2 REST behaviour §1.1, §1.2)."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable

import httpx
import pytest

from app.settings import Settings
from rest_compat.deps import Route
from tests.rest_compat import samples
from tests.rest_compat.people import Headers
from tests.rest_compat.samples import NOBODY, TABLE
from tests.server import Server, running

API_HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "*",
    "access-control-allow-methods": "GET, DELETE, POST, PUT",
    "access-control-max-age": "86400",
    "cache-control": "no-cache",
}
ROUTES = [(route.method, route.path) for route in TABLE]
OF_A_WEBSITE = [route for route in TABLE if "{websiteId}" in route.path and "{teamId}" not in route.path]


def api_headers(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in API_HEADERS}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/heartbeat", 200),
        ("POST", "/api/auth/logout", 200),
        ("POST", "/api/send", 400),
        ("GET", "/api/websites", 401),
        ("GET", "/api/no/such/route", 404),
        ("GET", "/api", 404),
        ("GET", "/api/share/nothing", 404),
    ],
)
def test_every_answer_carries_the_headers(live: Server, method: str, path: str, status: int) -> None:
    answer = live.client.request(method, path)
    assert answer.status_code == status
    assert api_headers(answer.headers) == API_HEADERS
    assert answer.headers["content-type"] == "application/json"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES if path.startswith("/api/")}))
def test_options_names_the_methods(live: Server, path: str) -> None:
    methods = {method for method, other in ROUTES if other == path} | {"OPTIONS"}
    methods |= {"HEAD"} if "GET" in methods else set()
    answer = live.client.options(path.replace("{websiteId}", NOBODY).replace("{shareId}", "x"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == ", ".join(sorted(methods))
    assert api_headers(answer.headers) == API_HEADERS


def test_options_of_an_unknown_path(live: Server) -> None:
    assert live.client.options("/api/no/such/route").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_a_method_that_is_not_offered(live: Server, method: str) -> None:
    answer = live.client.request(method, "/api/send")
    assert (answer.status_code, answer.content) == (405, b"")
    assert "content-type" not in answer.headers
    assert api_headers(answer.headers) == API_HEADERS


def test_head_is_get_without_a_body(live: Server) -> None:
    get, head = live.client.get("/api/heartbeat"), live.client.head("/api/heartbeat")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == "11"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/api/websites/", "/api/websites"),
        ("/api/websites/?page=1&search=a%20b", "/api/websites?page=1&search=a%20b"),
        ("/api/nothing//", "/api/nothing"),
        ("/api/a%2F", "/api/a"),
        ("/api/%0d%0aX:y/", "/api/%0D%0AX:y"),
        ("/script.js/", "/script.js"),
        ("/api/", "/api"),
    ],
)
def test_trailing_slash(live: Server, path: str, location: str) -> None:
    answer = live.client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (308, location)


def test_unknown_path(live: Server) -> None:
    answer = live.client.get("/api/no/such/route")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_the_last_of_a_repeated_parameter_wins_and_unknown_ones_are_dropped(live: Server) -> None:
    answer = live.client.get("/api/websites?page=x&page=2&pageSize=3&bogus=1", headers=live.admin)
    assert (answer.json()["page"], answer.json()["pageSize"]) == (2, 3)


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[]", b"null", b'"text"', b"3", b"[" * 100_000, b'{"a":' + b"9" * 5000]
)
@pytest.mark.parametrize("path", ["/api/send", "/api/auth/login", "/api/websites"])
def test_a_body_that_is_no_object(live: Server, path: str, body: bytes) -> None:
    answer = live.client.post(path, content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": []})


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("of another content type", b'{"username":"a","password":5}'),
        ("with a byte order mark", b'\xef\xbb\xbf{"username":"a","password":5}'),
        ("with half an emoji", rb'{"username":"\ud83d","password":5}'),
        ("that is no UTF-8", b'{"username":"\xff","password":5}'),
    ],
)
def test_json_is_read_as_javascript_reads_it(live: Server, name: str, body: bytes) -> None:
    answer = live.client.post("/api/auth/login", content=body, headers={"content-type": "text/plain"})
    assert answer.json() == {"error": ["password: Expected string, received number"]}


@pytest.mark.parametrize("path", ["/api/send", "/api/batch", "/api/auth/login", "/api/websites"])
def test_a_body_that_is_too_large(live: Server, path: str) -> None:
    body = b'"' + b"x" * live.settings.max_body_bytes + b'"'
    whole = live.client.post(path, content=body)
    assert (whole.status_code, whole.json()) == (413, {"error": "Request body too large"})
    in_parts = live.client.post(path, content=iter([body[:70_000], body[70_000:]]))
    assert (in_parts.status_code, in_parts.json()) == (413, {"error": "Request body too large"})


def test_a_body_in_parts(live: Server) -> None:
    answer = live.client.post("/api/auth/login", content=iter([b'{"username":', b'"a","password":', b"5}"]))
    assert answer.json() == {"error": ["password: Expected string, received number"]}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/websites?page=0", 400),
        ("GET", f"/api/websites/{NOBODY}/stats", 400),
        ("GET", f"/api/websites/{NOBODY}/stats?startAt=0&endAt=2", 401),
        ("POST", "/api/websites", 400),
    ],
)
def test_what_is_sent_is_checked_before_who_sends_it(
    live: Server, method: str, path: str, status: int
) -> None:
    assert live.client.request(method, path).status_code == status


def ask(live: Server, route: Route, website: str, headers: Headers) -> tuple[int, object]:
    path = re.sub(r"{\w+}", NOBODY, route.path.replace("{websiteId}", website))
    answer = live.client.request(
        route.method, path, params=samples.query(route), json=samples.body(route), headers=headers
    )
    return answer.status_code, answer.json()


@pytest.mark.parametrize("website", [NOBODY, "no-uuid", "0", "%00", "a%20b", "..;", "x" * 3000])
@pytest.mark.parametrize("route", OF_A_WEBSITE, ids=samples.name)
def test_a_website_that_is_not_there(live: Server, bob: Headers, route: Route, website: str) -> None:
    assert ask(live, route, website, live.admin) == (404, {"error": "Not found"})
    assert ask(live, route, website, bob) == ask(live, route, website, {}) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize("route", OF_A_WEBSITE, ids=samples.name)
def test_somebody_elses_website_looks_as_if_it_were_not_there(
    live: Server, bob: Headers, live_website: str, route: Route
) -> None:
    assert ask(live, route, live_website, bob) == (401, {"error": "Unauthorized"})
    kept = live.get(f"/api/websites/{live_website}")
    assert (kept["name"], kept["resetAt"]) == ("Example", None)


def test_the_unexpected_is_logged_and_not_shown(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    with running(make_settings("duckdb")) as broken, caplog.at_level(logging.ERROR, "dashi.rest"):
        website = broken.create_website()
        with broken.runtime.events.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE event")
        url = f"/api/websites/{website}/stats?startAt=0&endAt=2&url=/private"
        answer = broken.client.get(url, headers=broken.admin)
        assert broken.client.get("/api/heartbeat").status_code == 200
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal server error"})
    assert api_headers(answer.headers) == API_HEADERS
    [record] = caplog.records
    assert (
        record.getMessage() == f"error {answer.headers['x-dashi-error']} at /api/websites/{{websiteId}}/stats"
    )
    assert record.exc_info is not None


def test_a_sender_that_hangs_up(live: Server, live_website: str, caplog: pytest.LogCaptureFixture) -> None:
    body = f'{{"type":"event","payload":{{"website":"{live_website}","url":"/"}}}}'.encode()
    head = f"POST /api/send HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode()
    url = httpx.URL(live.url)
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(head + body)
    assert live.client.get("/api/heartbeat").json() == {"ok": True}
    assert live.events(live_website) == []
    assert caplog.records == []


def test_other_settings(customised: Server) -> None:
    answer = customised.client.get("/api/heartbeat")
    assert customised.url.endswith("/stats")
    assert answer.json() == {"ok": True}
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    outside = customised.client.get(customised.url.removesuffix("/stats") + "/api/heartbeat")
    assert outside.status_code == 404
    assert customised.client.get("/api/heartbeat/").headers["location"] == "/stats/api/heartbeat"


def test_strict_transport_goes_on_every_answer(customised: Server) -> None:
    for path in ("/healthz", "/graphql?query={version}"):
        assert customised.client.get(path).headers["strict-transport-security"] == "max-age=63072000"
